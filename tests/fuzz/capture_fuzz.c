/* SPDX-License-Identifier: Apache-2.0 */
/* A file of any contents is a capture that is read to the end without harm, or refused with a sentence that names it.
 */
#include "input.h"

#include <sys/mman.h>
#include <unistd.h>

#include "host/host.h"

static int file = -1;
static char path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	file = memfd_create("capture", MFD_CLOEXEC);
	MUST(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return 0;
}

static void look(void *context, const char *name, int error)
{
	(void)context;
	MUST(name[0] == '/' && error < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = {0};
	const struct host *host;
	struct tree *tree;

	MUST(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
	tree = tree_open_capture(path, &err);
	if (!tree) {
		MUST(err.code < 0 && strstr(err.text, path));
		return 0;
	}
	MUST(!tree_is_live(tree));
	host = host_read(tree);
	MUST(host->tree == tree);
	tree_unreadable(tree, look, NULL);
	while (tree_advance(tree, 0) == 0)
		MUST(tree_sample(tree) < 100000);
	tree_close(tree);
	return 0;
}
