/* SPDX-License-Identifier: Apache-2.0 */
#include "control/stats_parts.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/stage_clock.h"

/* Of a disk, for its history. At full load a second takes some 5 KiB. */
#define HISTORY_BYTES (512u << 10)

static void set_timer(struct stats *stats, bool on)
{
	const struct itimerspec timer = {.it_interval.tv_sec = on, .it_value.tv_sec = on};

	stats->running = on && timerfd_settime(stats->timer.fd, 0, &timer, NULL) == 0;
	if (!on)
		timerfd_settime(stats->timer.fd, 0, &timer, NULL);
}

/* The clocks of one operation type; of queues that have never given one back there is nothing to read. */
unsigned stats_disk_clocks(const struct stats_disk *disk, enum storage_op op,
			   const struct stage_times *clocks[CONFIG_MAX_QUEUES])
{
	const struct blk *blk = disk->blk;
	unsigned count = 0;

	for (uint32_t i = 0; i < blk->queue_count; i++) {
		const struct stage_times *times = stage_clock_times(&blk->queue[i].queue, op);

		if (times && __atomic_load_n(&times->level_octaves, __ATOMIC_RELAXED))
			clocks[count++] = times;
	}
	return count;
}

void stats_disk_words(const struct stats_disk *disk, uint64_t word[STATS_WORDS])
{
	struct blk_counters device;
	struct queue_counters queues;

	memset(word, 0, STATS_WORDS * sizeof(*word));
	blk_read_counters(disk->blk, &device, &queues);
	memcpy(&word[STATS_OPS], device.ops, sizeof(device.ops));
	word[STATS_BYTES_READ] = device.bytes_read;
	word[STATS_BYTES_WRITTEN] = device.bytes_written;
	word[STATS_ERRORS] = device.errors;
	word[STATS_REQUESTS] = queues.requests;
	word[STATS_KICKS] = queues.kicks;
	word[STATS_CALLS] = queues.calls;
	word[STATS_BROKEN] = queues.broken;
	word[STATS_HELD] = queues.held;
	word[STATS_HELD_NS] = queues.held_ns;
	blk_read_profile(disk->blk, &word[STATS_DEVICE]);
}

static void put_op(struct stats_disk *disk, struct stats_bytes *bytes, enum storage_op op, struct stats_seen *seen,
		   enum stats_how how)
{
	const struct stage_times *clocks[CONFIG_MAX_QUEUES];
	unsigned count = stats_disk_clocks(disk, op, clocks);

	if (count && how == STATS_TOTALS)
		stats_put_totals(bytes, op, clocks, count, seen);
	else if (count)
		stats_put_clocks(bytes, op, clocks, count, seen, how == STATS_FRAME);
}

/*
 * A request is counted when it is taken and its times when the driver has been
 * told. So an operation type is looked at once more after it has stood still,
 * and as long as any request is under way.
 */
static unsigned busy_ops(struct stats_disk *disk, const uint64_t word[STATS_WORDS], bool advance)
{
	const bool done = word[STATS_REQUESTS] == disk->seen->word[STATS_REQUESTS];
	unsigned now = 0, busy;

	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++) {
		const bool came = word[STATS_OPS + op] != disk->seen->word[STATS_OPS + op];
		const bool any = word[STATS_OPS + op] != 0;

		now |= (unsigned)(came || (any && !done)) << op;
	}
	busy = now | disk->ops_busy;
	if (advance)
		disk->ops_busy = now;
	return busy;
}

void stats_disk_put(struct stats_disk *disk, struct stats_bytes *bytes, enum stats_how how)
{
	uint64_t word[STATS_WORDS];
	unsigned busy;

	stats_disk_words(disk, word);
	busy = busy_ops(disk, word, how == STATS_FRAME);
	stats_put_words(bytes, word, disk->seen, how == STATS_FRAME);
	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++) {
		if (busy >> op & 1)
			put_op(disk, bytes, op, disk->seen, how);
	}
}

void stats_disk_put_all(struct stats_disk *disk, struct stats_bytes *bytes, enum stats_how how)
{
	uint64_t word[STATS_WORDS];

	stats_disk_words(disk, word);
	stats_put_words(bytes, word, NULL, false);
	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++)
		put_op(disk, bytes, op, NULL, how);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Make a frame of what has come. True where something has. */
static bool sample_disk(struct stats_disk *disk, uint64_t now_ns)
{
	struct stats_bytes bytes = {0};
	bool found;

	stats_disk_put(disk, &bytes, STATS_FRAME);
	found = bytes.size > 0;
	if (bytes.failed)
		stats_history_cut(&disk->history, now_ns);
	else if (found)
		stats_history_add(&disk->history, later(disk->stats->sampled_ns, disk->start_ns), now_ns, bytes.at,
				  bytes.size);
	stats_bytes_free(&bytes);
	return found;
}

static bool sample(struct stats *stats)
{
	const uint64_t now_ns = clock_monotonic_ns();
	bool found = false;

	for (struct stats_disk *disk = stats->disks; disk; disk = disk->next)
		found |= sample_disk(disk, now_ns);
	stats_workers_sample(stats, now_ns);
	stats->sampled_ns = now_ns;
	for (struct stats_disk *disk = stats->disks; disk && found; disk = disk->next)
		stats_slow_update(disk);
	return found;
}

/* It goes on while there is something to count, or may be: who reported just now does not do so again for a while. */
static void timer_ready(struct loop_source *source)
{
	struct stats *stats = (struct stats *)((char *)source - offsetof(struct stats, timer));
	uint64_t count;

	if (read(source->fd, &count, sizeof(count)) < 0)
		return;
	if (!sample(stats) && !stats->worked)
		set_timer(stats, false);
	stats->worked = false;
}

void stats_worked(void *context)
{
	struct stats *stats = context;

	stats->worked = true;
	if (stats->running)
		return;
	/* What was before was nothing: it is no part of the next frame. */
	stats->sampled_ns = clock_monotonic_ns();
	stats_workers_sample(stats, stats->sampled_ns);
	set_timer(stats, true);
}

struct stats *stats_new(struct loop *loop, struct placement *placement, struct error *err)
{
	struct stats *stats = calloc(1, sizeof(*stats));

	if (!stats) {
		error_set(err, -ENOMEM, "no memory for statistics");
		return NULL;
	}
	stats->loop = loop;
	stats->placement = placement;
	stats->epoch_ns = stats->sampled_ns = clock_monotonic_ns();
	stats->timer = (struct loop_source){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
					    .ready = timer_ready};
	if (stats->timer.fd < 0 || loop_watch(loop, &stats->timer) < 0) {
		error_set(err, -errno, "no timer for statistics: %s", strerror(errno));
		if (stats->timer.fd >= 0)
			close(stats->timer.fd);
		free(stats);
		return NULL;
	}
	if (stats_workers_open(stats, err) < 0) {
		stats_free(stats);
		return NULL;
	}
	placement_on_work(placement, stats_worked, stats);
	return stats;
}

void stats_free(struct stats *stats)
{
	if (!stats)
		return;
	loop_unwatch(stats->loop, &stats->timer);
	close(stats->timer.fd);
	stats_workers_close(stats);
	free(stats);
}

struct stats_disk *stats_disk_new(struct stats *stats, const struct blk *blk)
{
	struct stats_disk *disk = calloc(1, sizeof(*disk));

	if (!disk)
		return NULL;
	disk->seen = stats_seen_new();
	if (!disk->seen) {
		free(disk);
		return NULL;
	}
	disk->stats = stats;
	disk->blk = blk;
	disk->start_ns = disk->epoch_ns = clock_monotonic_ns();
	disk->epoch = stats->epoch;
	stats_history_init(&disk->history, HISTORY_BYTES, disk->start_ns);
	disk->next = stats->disks;
	stats->disks = disk;
	return disk;
}

void stats_disk_restored(struct stats_disk *disk)
{
	stats_disk_words(disk, disk->seen->word);
}

void stats_disk_free(struct stats_disk *disk)
{
	struct stats_disk **at;

	if (!disk)
		return;
	for (at = &disk->stats->disks; *at != disk; at = &(*at)->next)
		continue;
	*at = disk->next;
	stats_history_free(&disk->history);
	stats_seen_free(disk->seen);
	stats_bytes_free(&disk->base);
	free(disk);
}

/* What came so far becomes a frame of its own, so that a window that begins with the epoch begins with it exactly. */
static void reset_disk(struct stats_disk *disk, uint64_t epoch, uint64_t now_ns)
{
	struct stats_bytes base = {0};

	stats_disk_put_all(disk, &base, STATS_ALL);
	if (base.failed) {
		stats_bytes_free(&base);
		return;
	}
	stats_bytes_free(&disk->base);
	disk->base = base;
	stats_disk_words(disk, disk->base_word);
	disk->epoch = epoch;
	disk->epoch_ns = now_ns;
	stats_history_cut(&disk->history, now_ns);
	stats_slow_reset(disk);
}

uint64_t stats_reset(struct stats *stats, struct stats_disk *only)
{
	sample(stats);
	stats->epoch++;
	for (struct stats_disk *disk = stats->disks; disk; disk = disk->next) {
		if (!only || disk == only)
			reset_disk(disk, stats->epoch, stats->sampled_ns);
	}
	if (!only)
		stats->epoch_ns = stats->sampled_ns;
	return stats->epoch;
}

uint64_t stats_epoch(const struct stats *stats, const struct stats_disk *disk, uint64_t *since_ns)
{
	*since_ns = disk ? disk->epoch_ns : stats->epoch_ns;
	return disk ? disk->epoch : stats->epoch;
}
