/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/checked.h"
#include "control/config_check.h"
#include "control/config_take.h"

#define SECTOR            512u
#define LARGEST_DISK      ((uint64_t)INT64_MAX - SECTOR + 1) /* what an off_t reaches, in whole sectors */
#define LONGEST_DELAY_US  3.6e9                              /* an hour, what the delay back end takes */
#define DEFAULT_QUEUES    16
#define DEFAULT_RING_SIZE 1024
#define COALESCE_US       10
#define COALESCE_US_MAX   10000
#define SLOW_US_MAX       3600000000u
#define COALESCE_COUNT    32

const char config_name_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

void config_disk_defaults(struct config_disk *disk)
{
	memset(disk, 0, sizeof(*disk));
	disk->socket_fd = -1;
	disk->image_fd = -1;
	disk->cache = STORAGE_CACHE_NONE;
	disk->discard = true;
	disk->queues = DEFAULT_QUEUES;
	disk->queue_size_max = DEFAULT_RING_SIZE;
	disk->policy = (struct queue_policy){.coalesce_count = COALESCE_COUNT, .coalesce_ns = COALESCE_US * 1000};
	config_limits_defaults(disk);
	qos_settings_defaults(&disk->qos);
}

int config_socket_path_ok(const char *path, const char **expected)
{
	_Static_assert(sizeof(((struct sockaddr_un *)NULL)->sun_path) == 108, "the messages name the limit");
	const size_t length = strlen(path);

	if (length == 0) {
		*expected = "expected the path of a socket";
		return -EINVAL;
	}
	if (length > 107) {
		*expected = "longer than the kernel takes (unix(7)): expected a path of at most 107 bytes";
		return -EINVAL;
	}
	return 0;
}

static int check_name(const struct config_taker *taker, const char *name)
{
	const size_t length = strlen(name);

	if (length == 0 || length > CONFIG_MAX_NAME || strspn(name, config_name_letters) != length)
		return config_take_refuse(taker, "name", name,
					  "expected 1 to %d letters, digits, dots, underscores and dashes",
					  CONFIG_MAX_NAME);
	return 0;
}

static int check_serial(const struct config_taker *taker, const char *serial, struct config_disk *disk)
{
	const size_t longest = sizeof(disk->serial) - 1;
	bool printable = true;

	if (!serial)
		return 0;
	for (const char *at = serial; *at; at++)
		printable = printable && *at >= 0x20 && *at < 0x7f;
	if (!serial[0] || strlen(serial) > longest || !printable)
		return config_take_refuse(taker, "serial", serial, "expected 1 to %zu printable ASCII characters",
					  longest);
	snprintf(disk->serial, sizeof(disk->serial), "%s", serial);
	return 0;
}

/* What the disk is: an image, or nothing of a given size. */
static int check_backing(const struct config_taker *taker, const struct config_raw_disk *raw, struct config_disk *disk)
{
	int ret;

	if (raw->file && raw->null_size)
		return config_take_refuse(taker, "null", raw->null_size,
					  "excludes \"file\": expected either an image (file) or a null disk's size "
					  "(null)");
	if (!raw->file && !raw->null_size)
		return config_document_error(
			taker->doc, taker->mapping, taker->err,
			"%s: \"file\" or \"null\" is missing: expected either an image (file: PATH) "
			"or a null disk's size (null: 10GiB)",
			taker->path);
	if (raw->file) {
		if (!raw->file[0])
			return config_take_refuse(taker, "file", raw->file,
						  "expected the path of an image or a block device");
		disk->file = raw->file;
		return 0;
	}
	if (config_document_key(taker->doc, taker->mapping, "cache").where)
		return config_take_refuse(taker, "cache", NULL,
					  "has no meaning for a null disk: expected it only with "
					  "\"file\"");
	ret = config_take_size(taker, "null", raw->null_size, SECTOR, LARGEST_DISK, &disk->null_size);
	if (ret == 0 && !is_aligned(disk->null_size, SECTOR))
		return config_take_refuse(taker, "null", raw->null_size, "expected a multiple of %u bytes", SECTOR);
	return ret;
}

/* What lies in this host's page cache is nothing that another host could go on from. */
static int check_lock(const struct config_taker *taker, const struct config_disk *disk)
{
	if (disk->lock == CONFIG_LOCK_ALWAYS)
		return 0;
	if (!disk->file)
		return config_take_refuse(taker, "lock", "running",
					  "has no meaning for a null disk: expected it only with \"file\"");
	if (disk->cache != STORAGE_CACHE_NONE && disk->cache != STORAGE_CACHE_DIRECTSYNC && !disk->read_only)
		return config_take_refuse(taker, "lock", "running",
					  "needs a disk without page cache: expected \"cache: none\", \"cache: "
					  "directsync\" or \"read-only: true\" beside it");
	return 0;
}

static int check_queues(const struct config_taker *taker, const struct config_raw_disk *raw, struct config_disk *disk)
{
	uint64_t queues = disk->queues, size = disk->queue_size_max;
	int ret;

	ret = config_take_uint(taker, "queues", raw->queues, 1, CONFIG_MAX_QUEUES, &queues);
	if (ret < 0)
		return ret;
	ret = config_take_uint(taker, "queue-size-max", raw->queue_size_max, 0, UINT64_MAX, &size);
	if (ret < 0 || size < 2 || size > CONFIG_MAX_QUEUE_SIZE || !is_power_of_two(size))
		return config_take_refuse(taker, "queue-size-max", raw->queue_size_max,
					  "expected a power of two from 2 to %d", CONFIG_MAX_QUEUE_SIZE);
	disk->queues = (uint32_t)queues;
	disk->queue_size_max = (uint32_t)size;
	return 0;
}

static int check_policy(const struct config_taker *taker, const struct config_raw_disk *raw, struct config_disk *disk)
{
	uint64_t us = COALESCE_US, count = COALESCE_COUNT;
	int ret = config_take_uint(taker, "coalesce-us", raw->coalesce_us, 0, COALESCE_US_MAX, &us);

	if (ret == 0)
		ret = config_take_uint(taker, "coalesce-count", raw->coalesce_count, 1, CONFIG_MAX_QUEUE_SIZE, &count);
	disk->policy.poll = (enum poll_mode)raw->polling;
	disk->policy.coalesce_count = (uint32_t)count;
	disk->policy.coalesce_ns = (uint32_t)us * 1000;
	return ret;
}

static int check_slow(const struct config_taker *taker, const struct config_raw_disk *raw, struct config_disk *disk)
{
	uint64_t us = 0;
	int ret = config_take_uint(taker, "slow-threshold-us", raw->slow_threshold_us, 1, SLOW_US_MAX, &us);

	disk->slow_threshold_ns = us * 1000;
	if (ret == 0)
		ret = config_take_decimal(taker, "slow-percentile", raw->slow_percentile, 50, 99.999,
					  &disk->slow_percentile);
	if (ret == 0 && raw->slow_threshold_us && raw->slow_percentile)
		return config_take_refuse(taker, "slow-percentile", raw->slow_percentile,
					  "expected either this or slow-threshold-us");
	return ret;
}

static int check_fault(const struct config_taker *taker, const struct config_raw_fault *raw,
		       struct storage_fault_rule *rule)
{
	int ret;

	rule->ops = raw->on;
	rule->rate = 1.0;
	rule->error = raw->error ? raw->error : EIO;
	ret = config_take_decimal(taker, "rate", raw->rate, 0.0, 1.0, &rule->rate);
	if (ret == 0)
		ret = config_take_size(taker, "offset", raw->offset, 0, LARGEST_DISK, &rule->offset);
	if (ret == 0)
		ret = config_take_size(taker, "length", raw->length, 1, LARGEST_DISK, &rule->length);
	if (ret == 0)
		ret = config_take_uint(taker, "count", raw->count, 1, UINT64_MAX, &rule->count);
	if (ret < 0)
		return ret;
	if (!range_within(rule->offset, rule->length, LARGEST_DISK))
		return config_take_refuse(taker, "length", raw->length, "with this offset it ends beyond any disk");
	if (rule->ops == 1u << STORAGE_FLUSH && (rule->offset || rule->length))
		return config_take_refuse(taker, rule->offset ? "offset" : "length",
					  rule->offset ? raw->offset : raw->length,
					  "a flush has no range, this rule would never match: expected no offset or "
					  "length, or other operations in \"on\"");
	return 0;
}

static int check_faults(const struct config_taker *disk_taker, const struct config_raw_disk *raw,
			struct config_disk *disk)
{
	const struct config_place list = config_document_key(disk_taker->doc, disk_taker->mapping, "fault");

	for (uint32_t i = 0; i < raw->fault_count; i++) {
		struct config_taker taker = *disk_taker;
		int ret;

		taker.mapping = config_document_item(taker.doc, list.value, i).value;
		snprintf(taker.path, sizeof(taker.path), "%.40s.fault[%u]", disk_taker->path, i);
		ret = check_fault(&taker, &raw->fault[i], &disk->fault[i]);
		if (ret < 0)
			return ret;
		disk->fault_count = i + 1;
	}
	return 0;
}

static int check_delay(const struct config_taker *disk_taker, const struct config_raw_delay *raw,
		       struct config_disk *disk)
{
	struct config_taker taker = *disk_taker;
	struct storage_delay_options *delay = &disk->delay;
	bool spreads;
	int ret;

	if (!raw)
		return 0;
	taker.mapping = config_document_key(taker.doc, disk_taker->mapping, "delay").value;
	snprintf(taker.path, sizeof(taker.path), "%.40s.delay", disk_taker->path);
	delay->ops = raw->on;
	delay->kind = (enum storage_delay_kind)raw->distribution;
	spreads = delay->kind == STORAGE_DELAY_UNIFORM || delay->kind == STORAGE_DELAY_NORMAL;
	ret = config_take_decimal(&taker, "mean-us", raw->mean_us, 0.0, LONGEST_DELAY_US, &delay->mean_us);
	if (ret == 0)
		ret = config_take_decimal(&taker, "spread-us", raw->spread_us, 0.0, LONGEST_DELAY_US,
					  &delay->spread_us);
	if (ret < 0)
		return ret;
	if (raw->spread_us && !spreads)
		return config_take_refuse(&taker, "spread-us", raw->spread_us,
					  "this distribution has none: expected it only with uniform or normal");
	if (!raw->spread_us && spreads)
		return config_take_refuse(&taker, "spread-us", NULL,
					  "is missing: expected it with the distributions uniform and normal");
	if (delay->kind == STORAGE_DELAY_UNIFORM && delay->spread_us > delay->mean_us)
		return config_take_refuse(&taker, "spread-us", raw->spread_us,
					  "expected at most mean-us (%s), or the delay would be negative",
					  raw->mean_us);
	disk->has_delay = true;
	return 0;
}

int config_check_disk(struct config_document *doc, const struct config_raw *raw_config, unsigned index,
		      struct config_disk *disk, struct error *err)
{
	const struct config_raw_disk *raw = &raw_config->disks[index];
	const struct config_place list = config_document_key(doc, config_document_root(doc), "disks");
	struct config_taker taker = {.doc = doc, .err = err};
	const char *expected;
	int ret;

	taker.mapping = config_document_item(doc, list.value, index).value;
	snprintf(taker.path, sizeof(taker.path), "disks[%u]", index);
	config_disk_defaults(disk);
	disk->name = raw->name;
	disk->socket = raw->socket;
	disk->record = raw->record;
	disk->cache = (enum storage_cache)raw->cache;
	disk->lock = (enum config_lock)raw->lock;
	disk->read_only = raw->read_only == CONFIG_SWITCH_ON;
	disk->discard = raw->discard != CONFIG_SWITCH_OFF;
	ret = check_name(&taker, raw->name);
	if (ret == 0 && config_socket_path_ok(raw->socket, &expected) < 0)
		ret = config_take_refuse(&taker, "socket", raw->socket, "%s", expected);
	if (ret == 0)
		ret = check_backing(&taker, raw, disk);
	if (ret == 0)
		ret = check_lock(&taker, disk);
	if (ret == 0)
		ret = check_serial(&taker, raw->serial, disk);
	if (ret == 0)
		ret = check_queues(&taker, raw, disk);
	if (ret == 0)
		ret = check_policy(&taker, raw, disk);
	if (ret == 0)
		ret = check_slow(&taker, raw, disk);
	if (ret == 0)
		ret = config_check_limits(&taker, raw, disk);
	if (ret == 0)
		ret = config_check_access(&taker, &raw->access, &disk->access);
	if (ret == 0)
		ret = check_faults(&taker, raw, disk);
	if (ret == 0)
		ret = check_delay(&taker, raw->delay, disk);
	if (ret == 0)
		ret = config_check_qos(&taker, raw->qos, &disk->qos);
	if (ret == 0 && raw->record && !raw->record[0])
		ret = config_take_refuse(&taker, "record", raw->record, "expected the path of a file to write to");
	return ret;
}
