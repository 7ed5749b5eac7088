/* SPDX-License-Identifier: Apache-2.0 */
#include "control/upgrade_compare.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int changed(const struct config_disk *config, const char *key, const char *from, const char *to,
		   struct error *err)
{
	return error_set(err, -EINVAL,
			 "disk %s: %s changed from \"%.120s\" to \"%.120s\", which an upgrade in place cannot do: "
			 "restart straitd, or give the disk another name",
			 config->name, key, from, to);
}

static const char *cache_word(uint32_t cache)
{
	static const char *const words[] = {"none", "writeback", "writethrough", "directsync", "unsafe"};

	return cache < sizeof(words) / sizeof(words[0]) ? words[cache] : "unknown";
}

static const char *switch_word(bool on)
{
	return on ? "true" : "false";
}

/* A front end that is connected counts on these. */
static int compare_queues(const struct config_disk *config, const struct upgrade_disk *running, struct error *err)
{
	if (config->queues < running->queues)
		return error_set(err, -EINVAL,
				 "disk %s: queues: %" PRIu32 ": the front end that is connected was offered %" PRIu32
				 ": expected at least as many until it has left",
				 config->name, config->queues, running->queues);
	if (config->queue_size_max < running->largest_queue)
		return error_set(err, -EINVAL,
				 "disk %s: queue-size-max: %" PRIu32 ": the front end that is connected uses %" PRIu32
				 " entries: expected at least as many until it has left",
				 config->name, config->queue_size_max, running->largest_queue);
	return 0;
}

static const char *lock_word(uint8_t lock)
{
	return lock == CONFIG_LOCK_RUNNING ? "running" : "always";
}

int upgrade_compare(const struct config_disk *config, const struct upgrade_disk *running, struct error *err)
{
	const char *file = config->file ? config->file : "";

	if (strcmp(config->socket, running->socket) != 0)
		return changed(config, "socket", running->socket, config->socket, err);
	if (strcmp(file, running->file) != 0)
		return changed(config, "file", running->file, file, err);
	if (!config->file && config->null_size != running->null_size)
		return error_set(err, -EINVAL,
				 "disk %s: null changed from %" PRIu64 " to %" PRIu64
				 " bytes, which an upgrade in place cannot do: restart straitd, or give the disk "
				 "another name",
				 config->name, running->null_size, config->null_size);
	if (config->read_only != !!running->read_only)
		return changed(config, "read-only", switch_word(running->read_only), switch_word(config->read_only),
			       err);
	if (config->file && (uint32_t)config->cache != running->cache)
		return changed(config, "cache", cache_word(running->cache), cache_word(config->cache), err);
	if ((uint8_t)config->lock != running->lock)
		return changed(config, "lock", lock_word(running->lock), lock_word((uint8_t)config->lock), err);
	if (config->discard != !!running->discard)
		return changed(config, "discard", switch_word(running->discard), switch_word(config->discard), err);
	return compare_queues(config, running, err);
}
