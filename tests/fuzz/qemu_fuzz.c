/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a process has as its command line, and whatever answers of QMP, headers of images, maps and threads a
 * capture has for it: reading guests ends, within bounds, and the model can be written down. The same bytes are an
 * image and a file of options, too.
 *
 * An input is the command line, one word a line (of cloud-hypervisor where it begins with c, of firecracker with f),
 * and then files of that machine, each after a line "@/path".
 */
#include "files.h"
#include "input.h"

#include <stdlib.h>
#include <string.h>

#include "host/guest.h"
#include "host/model_json.h"
#include "host/qemu.h"
#include "host/tree_parts.h"

#define IMAGES_MAX 300

static void add_command(struct tree *tree, const char *text, size_t length)
{
	char *words = malloc(length + 1);

	MUST(words);
	memcpy(words, text, length);
	words[length] = '\0';
	for (size_t i = 0; i < length; i++)
		words[i] = words[i] == '\n' ? '\0' : words[i];
	files_add(tree, "/proc/7/cmdline", words, length + 1);
	free(words);
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
	const char *text = (const char *)data, *end = text + size, *mark = files_find(text, end);
	json_t *json;

	tree->node_max = 1000;
	files_add(tree, "/.strait/processes.json", process, strlen(process));
	add_command(tree, text, (size_t)(mark - text));
	files_add_all(tree, mark, end);
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
	json_decref(qemu_config_describe(text, size));
	tree_close(tree);
	return 0;
}
