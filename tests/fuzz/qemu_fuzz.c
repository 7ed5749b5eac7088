/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a process has as its command line, and whatever answers of QMP, headers of images, maps and threads a
 * capture has for it: reading guests ends, within bounds, and the model can be written down. The same bytes are an
 * image, too.
 *
 * An input is the command line, one word a line (of cloud-hypervisor where it begins with c, of firecracker with f),
 * and then files of that machine, each after a line "@/path".
 */
#include "input.h"

#include <stdlib.h>
#include <string.h>

#include "host/guest.h"
#include "host/model_json.h"
#include "host/qemu.h"
#include "host/tree_parts.h"

#define IMAGES_MAX 300

static void add_file(struct tree *tree, const char *path, const char *text, size_t length)
{
	struct node *node;

	/* one that is a directory already, or has no place, is left out, as a capture does */
	if (node_make(tree, path, &node) == 0 && node->kind == NODE_ABSENT)
		node_fill(tree, node, NODE_FILE, text, length);
}

static void add_command(struct tree *tree, const char *text, size_t length)
{
	char *words = malloc(length + 1);

	MUST(words);
	memcpy(words, text, length);
	words[length] = '\0';
	for (size_t i = 0; i < length; i++)
		words[i] = words[i] == '\n' ? '\0' : words[i];
	add_file(tree, "/proc/7/cmdline", words, length + 1);
	free(words);
}

/* The next line that begins with "@/", or the end. */
static const char *find_mark(const char *at, const char *end)
{
	while (at < end && !(end - at > 3 && memcmp(at, "\n@/", 3) == 0))
		at++;
	return at;
}

static void add_files(struct tree *tree, const char *text, const char *end)
{
	while (text < end) {
		const char *path = text + 2, *line = memchr(path, '\n', (size_t)(end - path)), *next;
		char name[256];

		if (!line || (size_t)(line - path) >= sizeof(name))
			return;
		memcpy(name, path, (size_t)(line - path));
		name[line - path] = '\0';
		next = find_mark(line, end);
		add_file(tree, name, line + 1, next > line ? (size_t)(next - line - 1) : 0);
		text = next;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	json_object_seed(1); /* the same each time */
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const processes[] = {
		"{\"processes\":[{\"pid\":7,\"hypervisor\":\"qemu\"}]}",
		"{\"processes\":[{\"pid\":7,\"hypervisor\":\"cloud-hypervisor\"}]}",
		"{\"processes\":[{\"pid\":7,\"hypervisor\":\"firecracker\"}]}",
	};
	const char *process = processes[size && data[0] == 'c' ? 1 : size && data[0] == 'f' ? 2 : 0];
	struct tree *tree = tree_new(-1);
	struct host_guests guests = {0};
	const char *text = (const char *)data, *end = text + size, *mark = find_mark(text, end);
	json_t *json;

	tree->node_max = 1000;
	add_file(tree, "/.strait/processes.json", process, strlen(process));
	add_command(tree, text, (size_t)(mark - text));
	add_files(tree, mark, end);
	host_guests_read(tree, &guests);
	for (unsigned i = 0; i < guests.count; i++) {
		const struct guest *guest = &guests.guest[i];

		MUST(guest->name && guest->vcpu_count < CPU_LIST_END && guest->disk_count < 10000);
		for (unsigned k = 0; k < guest->disk_count; k++)
			MUST(guest->disk[k].image_count <= IMAGES_MAX);
	}
	json = host_guests_json(&guests);
	MUST(json);
	json_decref(json);
	json = qemu_image_describe(data, size);
	MUST(json);
	json_decref(json);
	tree_close(tree);
	return 0;
}
