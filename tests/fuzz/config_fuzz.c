/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file of any contents is taken or refused with a sentence that names it. */
#include "input.h"

#include <sys/mman.h>
#include <unistd.h>

#include "control/config.h"

static int file = -1;
static char path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	file = memfd_create("config", MFD_CLOEXEC);
	MUST(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return 0;
}

static void check_disk(const struct config_disk *disk)
{
	MUST(disk->name && disk->socket && strlen(disk->name) <= 63);
	MUST(disk->file || disk->null_size);
	MUST(disk->queues >= 1 && disk->queues <= CONFIG_MAX_QUEUES);
	MUST(disk->queue_size_max >= 1 && disk->queue_size_max <= CONFIG_MAX_QUEUE_SIZE);
	MUST(!(disk->queue_size_max & (disk->queue_size_max - 1)));
	MUST(disk->fault_count <= CONFIG_MAX_FAULT_RULES);
	MUST(strnlen(disk->serial, sizeof(disk->serial)) < sizeof(disk->serial));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = NULL;
	struct error err = {0};
	int ret;

	MUST(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
	ret = config_load(path, &config, &err);
	if (ret < 0) {
		MUST(err.code == ret && strstr(err.text, path));
		return 0;
	}
	MUST(config->workers >= 1 && config->workers <= CONFIG_MAX_WORKERS);
	MUST(config->disk_count >= 1 && config->disk_count <= CONFIG_MAX_DISKS);
	for (unsigned i = 0; i < config->disk_count; i++)
		check_disk(&config->disks[i]);
	config_free(config);
	return 0;
}
