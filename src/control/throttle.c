/* SPDX-License-Identifier: Apache-2.0 */
#include "control/throttle.h"

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

	throttle_end(disk);
	disk_listen(disk);
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
	struct throttle *throttle = &disk->throttle;
	const uint64_t now_ns = clock_monotonic_ns(), wait_ns = limiter_take(&throttle->limiter, now_ns);
	struct itimerspec timer = {
		.it_value = {.tv_sec = (time_t)(wait_ns / 1000000000), .tv_nsec = (long)(wait_ns % 1000000000)}};
	int fd;

	if (!wait_ns)
		return true;
	if (throttle->timer.watched) {
		loop_unwatch(disk->host->loop, &disk->listener);
		return false;
	}
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (fd < 0)
		return true; /* no descriptor is left for a front end either */
	throttle->timer = (struct loop_source){.fd = fd, .ready = timer_ready};
	if (timerfd_settime(fd, 0, &timer, NULL) < 0 || loop_watch(disk->host->loop, &throttle->timer) < 0) {
		close(fd);
		return true;
	}
	say(disk, now_ns);
	loop_unwatch(disk->host->loop, &disk->listener);
	return false;
}

void throttle_end(struct disk *disk)
{
	if (!disk->throttle.timer.watched)
		return;
	loop_unwatch(disk->host->loop, &disk->throttle.timer);
	close(disk->throttle.timer.fd);
}
