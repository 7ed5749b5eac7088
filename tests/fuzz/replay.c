/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzzing target over the files of its corpus, in any build and without
 * libFuzzer: replay FILE-OR-DIRECTORY... Fails by crashing; the last file named
 * is the culprit.
 */
#include "input.h"

#include <dirent.h>
#include <sys/stat.h>

#include "base/log.h"

static unsigned replayed;

static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rbe");
	struct stat st;
	uint8_t *data;
	size_t size;

	MUST(file && fstat(fileno(file), &st) == 0);
	/* Of exactly this length, so that a sanitizer sees a read behind it. */
	data = malloc((size_t)st.st_size);
	size = fread(data, 1, (size_t)st.st_size, file);
	fclose(file);
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	replayed++;
}

static void replay_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);

	MUST(count >= 0);
	for (int i = 0; i < count; i++) {
		char file[4096];

		if (entries[i]->d_name[0] != '.') {
			snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
			replay_file(file);
		}
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	/* Every input makes the peer's mistakes, and each is an error in the log. */
	log_set_level((enum log_level)0);
	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		struct stat st;

		MUST(stat(argv[i], &st) == 0);
		if (S_ISDIR(st.st_mode))
			replay_directory(argv[i]);
		else
			replay_file(argv[i]);
	}
	printf("%u inputs\n", replayed);
	return replayed ? 0 : 1;
}
