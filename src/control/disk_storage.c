/* SPDX-License-Identifier: Apache-2.0 */
#include "control/disk_storage.h"

#include "control/daemon.h"

static int open_bottom(const struct config_disk *config, struct storage **out, struct error *err)
{
	const struct storage_file_options options = {
		.path = config->file,
		.cache = config->cache,
		.read_only = config->read_only,
		.no_discard = !config->discard,
		.lock_running = config->lock == CONFIG_LOCK_RUNNING,
		.inherited = config->image_fd >= 0 && !config->at_run_time,
		.given = config->image_fd >= 0 && config->at_run_time,
		.confined = config->confined,
		.at_once = config->at_run_time,
		.fd = config->image_fd,
	};

	if (!config->file)
		return storage_null_open(config->name, config->null_size, config->read_only, out, err);
	return storage_file_open(config->name, &options, out, err);
}

int disk_storage_open(const struct config_disk *config, struct storage **out, struct error *err)
{
	int ret = open_bottom(config, out, err);

	/* What reaches the medium is recorded, not what was meant for it. */
	if (ret == 0 && config->record)
		ret = storage_record_open(*out, config->record, out, err);
	/* Delays lie under faults: a request that is to fail does not wait first. */
	if (ret == 0 && config->has_delay)
		ret = storage_delay_open(*out, &config->delay, out, err);
	if (ret == 0 && config->fault_count)
		ret = storage_fault_open(*out, config->fault, config->fault_count, out, err);
	return ret;
}

int daemon_probe_disk(const struct config_disk *disk, struct storage_info *info, struct error *err)
{
	struct config_disk unrecorded = *disk;
	struct storage *storage;
	int ret;

	/* Looking leaves nothing behind. */
	unrecorded.record = NULL;
	ret = disk_storage_open(&unrecorded, &storage, err);

	if (ret < 0)
		return ret;
	*info = storage->info;
	storage_close(storage);
	return 0;
}
