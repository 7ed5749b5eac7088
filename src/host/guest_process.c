/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "host/array.h"
#include "host/process.h"
#include "host/tree.h"

/* One mapping of numa_maps (Documentation/filesystems/proc.rst): "7f0000000000 bind:1 file=... anon=5 N0=5
 * kernelpagesize_kB=4" */
struct mapping {
	bool of_guest, huge, anonymous;
	uint64_t page; /* bytes */
	uint64_t pages[64];
};

static bool is_guest_file(const struct guest *guest, const char *path)
{
	if (strncmp(path, "/memfd:", 7) == 0 || strncmp(path, "/anon_hugepage", 14) == 0)
		return true;
	for (unsigned i = 0; i < guest->memory.backend_count; i++) {
		const char *own = guest->memory.backend[i].path;

		if (own && strncmp(path, own, strlen(own)) == 0)
			return true;
	}
	return false;
}

static void read_word(const struct guest *guest, const char *word, struct mapping *mapping)
{
	char *end;
	unsigned long node;

	if (strncmp(word, "anon=", 5) == 0)
		mapping->anonymous = true;
	else if (strncmp(word, "file=", 5) == 0)
		mapping->of_guest |= is_guest_file(guest, word + 5);
	else if (strcmp(word, "huge") == 0)
		mapping->of_guest = mapping->huge = true;
	else if (strncmp(word, "kernelpagesize_kB=", 18) == 0)
		mapping->page = 1024 * strtoull(word + 18, NULL, 10);
	else if (word[0] == 'N' && isdigit((unsigned char)word[1])) {
		node = strtoul(word + 1, &end, 10);
		if (*end == '=' && node < 64)
			mapping->pages[node] = strtoull(end + 1, NULL, 10);
	}
}

/* Where memory is, by node. */
struct places {
	uint64_t of_guest[64], anonymous[64]; /* bytes */
	uint64_t huge;
};

static void add_mapping(const struct guest *guest, char *line, struct places *places)
{
	struct mapping mapping = {.page = 4096};
	char *rest;

	for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		read_word(guest, word, &mapping);
	for (unsigned i = 0; i < 64; i++) {
		const uint64_t bytes = mapping.pages[i] * mapping.page;

		places->of_guest[i] += mapping.of_guest ? bytes : 0;
		places->anonymous[i] += mapping.anonymous && !mapping.of_guest ? bytes : 0;
		places->huge += mapping.huge ? bytes : 0;
	}
}

/* No process has as much: two of them fit into an int64_t as bytes. */
#define KIB_MAX (UINT64_C(1) << 50)

/* Transparent ones are in none of the lines of numa_maps; those of memfd and /dev/shm are counted for themselves. */
static int64_t read_transparent(struct tree *tree, int pid)
{
	static const char *const keys[] = {"\nAnonHugePages:", "\nShmemPmdMapped:"};
	const char *text, *at;
	uint64_t kib, all = 0;

	if (tree_readf(tree, &text, "/proc/%d/smaps_rollup", pid) < 0)
		return HOST_UNKNOWN;
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		at = strstr(text, keys[i]);
		kib = at ? strtoull(at + strlen(keys[i]), NULL, 10) : 0;
		if (kib > KIB_MAX)
			return HOST_UNKNOWN;
		all += kib;
	}
	return (int64_t)(1024 * all);
}

static uint64_t sum(const uint64_t bytes[64])
{
	uint64_t all = 0;

	for (unsigned i = 0; i < 64; i++)
		all += bytes[i];
	return all;
}

/*
 * Memory that is a file's or on huge pages is the guest's. Without such a guest's cannot be told from QEMU's own, which
 * is anonymous as well but small: programs and libraries are not counted.
 */
void guest_places_read(struct tree *tree, struct guest *guest)
{
	struct guest_memory *memory = &guest->memory;
	struct places places = {.huge = 0};
	const uint64_t *bytes = places.of_guest;
	int64_t transparent;
	const char *text;
	char *rest;

	if (tree_readf(tree, &text, "/proc/%d/numa_maps", guest->pid) <= 0) {
		memory->huge_bytes = (uint64_t)HOST_UNKNOWN;
		return;
	}
	for (char *line = strtok_r(tree_format(tree, "%s", text), "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		add_mapping(guest, line, &places);
	if (sum(places.of_guest) < memory->size / 2) {
		for (unsigned i = 0; i < 64; i++)
			places.of_guest[i] += places.anonymous[i];
	}
	for (unsigned i = 0; i < 64; i++) {
		if (!bytes[i])
			continue;
		memory->place = array_grow(tree, memory->place, memory->place_count, sizeof(*memory->place));
		memory->place[memory->place_count++] = (struct guest_memory_place){.node = i, .bytes = bytes[i]};
	}
	transparent = read_transparent(tree, guest->pid);
	memory->huge_bytes = transparent < 0 ? (uint64_t)HOST_UNKNOWN : places.huge + (uint64_t)transparent;
}

void guest_process_read(struct tree *tree, struct guest *guest)
{
	guest_threads_read(tree, guest);
	guest_places_read(tree, guest);
	guest_cgroup_read(tree, guest);
}
