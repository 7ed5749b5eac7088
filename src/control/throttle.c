/* SPDX-License-Identifier: Apache-2.0 */
#include "control/throttle.h"

#include <errno.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/disk.h"

#define SAY_EVERY_NS (60ull * 1000000000)

static void timer_ready(struct loop_source *source)
{
	struct disk *disk = (struct disk *)((char *)source - offsetof(struct disk, throttle.timer));
	uint64_t expired;

	if (read(source->fd, &expired, sizeof(expired)) == sizeof(expired))
		disk_listen(disk);
}

int throttle_open(struct disk *disk)
{
	struct throttle *throttle = &disk->throttle;
	const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	throttle->timer = (struct loop_source){.fd = fd, .ready = timer_ready};
	ret = loop_watch(disk->host->loop, &throttle->timer);
	if (ret < 0)
		close(fd);
	return ret;
}

void throttle_close(struct disk *disk)
{
	loop_unwatch(disk->host->loop, &disk->throttle.timer);
	close(disk->throttle.timer.fd);
}

void throttle_pause(struct disk *disk, uint64_t wait_ns)
{
	const struct itimerspec timer = {
		.it_value = {.tv_sec = (time_t)(wait_ns / 1000000000), .tv_nsec = (long)(wait_ns % 1000000000)}};

	/* It fails for no reason that there could be here. */
	timerfd_settime(disk->throttle.timer.fd, 0, &timer, NULL);
	loop_unwatch(disk->host->loop, &disk->listener);
}

static void say(struct disk *disk, uint64_t now_ns)
{
	struct throttle *throttle = &disk->throttle;

	if (throttle->said_ns && now_ns - throttle->said_ns < SAY_EVERY_NS)
		return;
	throttle->said_ns = now_ns;
	log_warning(
		"disk %s: front ends connect more than %u times a second (connection-rate): they have to wait; said "
		"once a minute",
		disk->config->name, throttle->limiter.rate);
}

bool throttle_admit(struct disk *disk)
{
	const uint64_t now_ns = clock_monotonic_ns(), wait_ns = limiter_take(&disk->throttle.limiter, now_ns);

	if (!wait_ns)
		return true;
	say(disk, now_ns);
	throttle_pause(disk, wait_ns);
	return false;
}
