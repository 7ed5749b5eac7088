/* SPDX-License-Identifier: Apache-2.0 */
#include "control/qos_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/stats.h"

#define FAST_MS   100
#define SLOW_MS   1000
#define PER_SLOW  (SLOW_MS / FAST_MS)
#define SECOND_NS 1000000000ull

/* Requests by which a 99th percentile is judged; after a second also by fewer. */
#define ENOUGH 20

/* What a disk has done up to a time. */
struct qos_view {
	uint64_t at_ns;
	uint64_t requests, bytes;
	uint64_t total_ns, held_ns, storage_ns; /* that all its requests spent */
	uint64_t bucket[HIST_BUCKETS];          /* requests by total time */
};

void qos_disk_forget_views(struct qos_disk *disk)
{
	free(disk->latency_view);
	free(disk->noise_view);
	disk->latency_view = disk->noise_view = NULL;
}

static void look(const struct qos_disk *disk, struct stats_sum *sum, struct qos_view *view)
{
	memset(view, 0, sizeof(*view));
	view->at_ns = clock_monotonic_ns();
	stats_disk_total(disk->stats, STATS_ALL_OPS, false, sum);
	view->requests = sum->reading.total.count;
	view->bytes = sum->word[STATS_BYTES_READ] + sum->word[STATS_BYTES_WRITTEN];
	view->total_ns = sum->reading.total.sum;
	memcpy(view->bucket, sum->reading.total.bucket, sizeof(view->bucket));
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		view->held_ns += sum->reading.spent_ns[i][STAGE_HELD];
		view->storage_ns += sum->reading.spent_ns[i][STAGE_SUBMIT] + sum->reading.spent_ns[i][STAGE_BACKEND];
	}
}

static uint64_t p99_between(const struct qos_view *from, const struct qos_view *to)
{
	uint64_t left = (to->requests - from->requests) / 100;
	unsigned i = HIST_BUCKETS;

	if (to->requests == from->requests)
		return 0;
	while (i-- > 0) {
		const uint64_t count = to->bucket[i] - from->bucket[i];

		if (count > left)
			return hist_middle(i);
		left -= count;
	}
	return 0;
}

/* NULL: no memory, or it is the first look. */
static struct qos_view *begin(struct qos_view **last, const struct qos_view *now)
{
	if (*last)
		return *last;
	*last = malloc(sizeof(**last));
	if (*last)
		**last = *now;
	return NULL;
}

static void look_at_latency(struct qos_disk *disk, const struct qos_view *now)
{
	struct qos_view *last = begin(&disk->latency_view, now);
	struct latency_disk *latency = &disk->latency;
	uint64_t requests, interval_ns, storage_ns;

	latency->target_ns = disk->settings.latency_target_us * 1000ull;
	latency->p99_ns = 0;
	if (!last)
		return;
	requests = now->requests - last->requests;
	interval_ns = now->at_ns - last->at_ns;
	storage_ns = now->storage_ns - last->storage_ns;
	latency->under_way = interval_ns ? (double)storage_ns / (double)interval_ns : 0;
	latency->load =
		requests ? (double)(now->bytes - last->bytes + 512 * requests) / (double)requests * (double)storage_ns
			 : 0;
	/* What is judged by too few waits for more, and is forgotten after a second. */
	if (latency->target_ns && requests < ENOUGH && interval_ns < SECOND_NS)
		return;
	/* Who waits for limits of his own is not helped by others. */
	if (now->held_ns - last->held_ns <= (now->total_ns - last->total_ns) / 2)
		latency->p99_ns = p99_between(last, now);
	*last = *now;
}

static void look_at_noise(struct qos_disk *disk, const struct qos_view *now)
{
	struct qos_view *last = begin(&disk->noise_view, now);
	struct noise_disk *noise = &disk->noise;

	noise->target_ns = disk->settings.latency_target_us * 1000ull;
	noise->requests = noise->bytes = noise->storage_ns = noise->p99_ns = 0;
	if (!last)
		return;
	noise->requests = now->requests - last->requests;
	noise->bytes = now->bytes - last->bytes;
	noise->storage_ns = now->storage_ns - last->storage_ns;
	noise->p99_ns = p99_between(last, now);
	*last = *now;
}

static bool any_targets(const struct qos_tree *tree)
{
	for (const struct qos_disk *disk = tree->disks; disk; disk = disk->next) {
		if (disk->settings.latency_target_us || disk->latency.cap)
			return true;
	}
	return false;
}

static void set_timer(struct qos_watch *watch, bool running, bool fast)
{
	const uint64_t ns = !running ? 0 : (fast ? FAST_MS : SLOW_MS) * 1000000ull;
	const struct timespec every = {.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};
	const struct itimerspec timer = {.it_interval = every, .it_value = every};

	watch->running = timerfd_settime(watch->timer.fd, 0, &timer, NULL) == 0 && running;
	watch->fast = fast;
}

static void say_noisy(const struct qos_disk *disk, bool before)
{
	if (disk->noise.noisy && !before)
		log_info("disk %s: is %d%% of the storage's work while others suffer from it", disk->name,
			 (int)(disk->noise.pressure * 100));
}

static void judge_latency(struct qos_watch *watch, struct latency_disk **latency, unsigned count)
{
	qos_latency_step(&watch->control, latency, count);
	for (struct qos_disk *disk = watch->tree->disks; disk; disk = disk->next)
		qos_tree_cap(watch->tree, disk, disk->latency.cap);
}

static void judge_noise(struct qos_watch *watch, struct noise_disk **noise, unsigned count)
{
	bool *before = calloc(count, sizeof(*before));

	for (unsigned i = 0; before && i < count; i++)
		before[i] = noise[i]->noisy;
	noise_judge(noise, count);
	count = 0;
	for (struct qos_disk *disk = watch->tree->disks; disk; disk = disk->next) {
		if (before && disk->stats)
			say_noisy(disk, before[count++]);
	}
	free(before);
}

/* All disks; without memory not this time. */
static void look_at_all(struct qos_watch *watch, bool slow)
{
	struct stats_sum *sum = malloc(sizeof(*sum));
	struct qos_view *now = malloc(sizeof(*now));
	struct latency_disk **latency;
	struct noise_disk **noise;
	unsigned count = 0;

	for (const struct qos_disk *disk = watch->tree->disks; disk; disk = disk->next)
		count += disk->stats != NULL;
	latency = calloc(count + 1, sizeof(*latency));
	noise = calloc(count + 1, sizeof(*noise));
	if (sum && now && latency && noise) {
		count = 0;
		for (struct qos_disk *disk = watch->tree->disks; disk; disk = disk->next) {
			if (!disk->stats)
				continue;
			look(disk, sum, now);
			if (watch->fast)
				look_at_latency(disk, now);
			if (slow)
				look_at_noise(disk, now);
			latency[count] = &disk->latency;
			noise[count++] = &disk->noise;
		}
		if (watch->fast)
			judge_latency(watch, latency, count);
		if (slow)
			judge_noise(watch, noise, count);
	}
	free(latency);
	free(noise);
	free(now);
	free(sum);
}

/* Workers report once a second: after two of silence there is nothing to look at. */
static void timer_ready(struct loop_source *source)
{
	struct qos_watch *watch = (struct qos_watch *)((char *)source - offsetof(struct qos_watch, timer));
	const bool fast = any_targets(watch->tree);
	bool slow;
	uint64_t count;

	if (read(source->fd, &count, sizeof(count)) < 0)
		return;
	watch->ticks += watch->fast ? 1 : PER_SLOW;
	slow = watch->ticks % PER_SLOW == 0;
	look_at_all(watch, slow);
	if (watch->ticks >= 2 * PER_SLOW) {
		watch->ticks = 0;
		if (!watch->worked) {
			set_timer(watch, false, fast);
			return;
		}
		watch->worked = false;
	}
	if (fast != watch->fast)
		set_timer(watch, true, fast);
}

void qos_watch_worked(void *context)
{
	struct qos_watch *watch = context;

	watch->worked = true;
	if (!watch->running)
		set_timer(watch, true, any_targets(watch->tree));
}

int qos_watch_init(struct qos_watch *watch, struct loop *loop, struct qos_tree *tree, struct error *err)
{
	int ret;

	*watch = (struct qos_watch){.loop = loop, .tree = tree};
	watch->timer = (struct loop_source){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
					    .ready = timer_ready};
	if (watch->timer.fd < 0)
		return error_set(err, -errno, "no timer for limits: %s", strerror(errno));
	ret = loop_watch(loop, &watch->timer);
	if (ret < 0)
		return error_set(err, ret, "the timer for limits cannot be watched: %s", strerror(-ret));
	return 0;
}

void qos_watch_end(struct qos_watch *watch)
{
	if (!watch->loop)
		return;
	loop_unwatch(watch->loop, &watch->timer);
	if (watch->timer.fd >= 0)
		close(watch->timer.fd);
	*watch = (struct qos_watch){.timer.fd = -1};
}
