/* SPDX-License-Identifier: Apache-2.0 */
#include "control/drain.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"
#include "control/disk.h"

#define EVERY_SECONDS 5

/* "queue 0: 3, queue 2: 1", as far as there is room. How many requests that is. */
static unsigned describe(const struct disk *disk, char *text, size_t size)
{
	unsigned total = 0;
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < disk->blk.queue_count; i++) {
		const struct queue *queue = &disk->blk.queue[i].queue;
		unsigned count = __atomic_load_n(&queue->in_flight, __ATOMIC_RELAXED);

		if (!disk->session->vring[i].running || !count)
			continue;
		total += count;
		if (used < size)
			used += (size_t)snprintf(text + used, size - used, "%squeue %u: %u", used ? ", " : "", i,
						 count);
	}
	return total;
}

static void timer_ready(struct loop_source *source)
{
	struct disk *disk = (struct disk *)((char *)source - offsetof(struct disk, drain.timer));
	uint64_t count;
	char queues[160];
	unsigned total;

	if (read(source->fd, &count, sizeof(count)) < 0)
		return;
	disk->drain.seconds += EVERY_SECONDS * (unsigned)count;
	total = describe(disk, queues, sizeof(queues));
	log_warning("disk %s: waits since %u s for its queues to stop: the storage has not answered %u request%s (%s)",
		    disk->config->name, disk->drain.seconds, total, total == 1 ? "" : "s", queues);
}

static void begin(struct disk *disk)
{
	const struct itimerspec timer = {.it_interval.tv_sec = EVERY_SECONDS, .it_value.tv_sec = EVERY_SECONDS};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return; /* then it waits in silence */
	disk->drain = (struct drain){.timer = {.fd = fd, .ready = timer_ready}};
	if (timerfd_settime(fd, 0, &timer, NULL) < 0 || loop_watch(disk->host->loop, &disk->drain.timer) < 0)
		close(fd);
}

static void end(struct disk *disk)
{
	loop_unwatch(disk->host->loop, &disk->drain.timer);
	close(disk->drain.timer.fd);
}

void drain_update(struct disk *disk)
{
	bool waits = disk->session && vhost_session_busy(disk->session);

	if (waits && !disk->drain.timer.watched)
		begin(disk);
	else if (!waits && disk->drain.timer.watched)
		end(disk);
}
