/* SPDX-License-Identifier: Apache-2.0 */
#include "control/watchdog.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "control/notify.h"

struct ping {
	struct mailbox_message message;
	struct watchdog *watchdog;
};

struct watchdog {
	struct loop *loop;
	struct loop_source timer;
	struct placement *placement;
	struct mailbox *mailbox;
	unsigned unanswered;
	struct ping pings[CONFIG_MAX_WORKERS];
};

/* Back on the control thread. */
static void run_answer(struct mailbox_message *message)
{
	((struct ping *)message)->watchdog->unanswered--;
}

static void run_ping(struct mailbox_message *message)
{
	struct ping *ping = (struct ping *)message;

	message->run = run_answer;
	mailbox_post(ping->watchdog->mailbox, message);
}

static void send_pings(struct watchdog *watchdog)
{
	watchdog->unanswered = watchdog->placement->count;
	for (unsigned i = 0; i < watchdog->placement->count; i++) {
		watchdog->pings[i] = (struct ping){.message = {.run = run_ping}, .watchdog = watchdog};
		worker_post(watchdog->placement->worker[i], &watchdog->pings[i].message);
	}
}

static void timer_ready(struct loop_source *source)
{
	struct watchdog *watchdog = (struct watchdog *)((char *)source - offsetof(struct watchdog, timer));
	uint64_t expirations;

	if (read(source->fd, &expirations, sizeof(expirations)) < 0)
		return;
	if (watchdog->unanswered) {
		log_warning("%u of %u workers did not answer the watchdog in time", watchdog->unanswered,
			    watchdog->placement->count);
		return;
	}
	notify_send("WATCHDOG=1");
	send_pings(watchdog);
}

struct watchdog *watchdog_start(struct loop *loop, struct placement *placement, struct mailbox *mailbox)
{
	struct watchdog *watchdog;
	uint64_t limit_us, round_us;
	struct itimerspec timer;

	if (sd_watchdog_enabled(0, &limit_us) <= 0)
		return NULL;
	watchdog = calloc(1, sizeof(*watchdog));
	if (!watchdog) {
		log_error("no memory for the watchdog");
		return NULL;
	}
	/* Answers are told one round later: three rounds stay within the limit. */
	round_us = limit_us / 3 ? limit_us / 3 : 1;
	timer.it_interval.tv_sec = (time_t)(round_us / 1000000);
	timer.it_interval.tv_nsec = (long)(round_us % 1000000) * 1000;
	timer.it_value = timer.it_interval;
	watchdog->loop = loop;
	watchdog->placement = placement;
	watchdog->mailbox = mailbox;
	watchdog->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	watchdog->timer.ready = timer_ready;
	if (watchdog->timer.fd < 0 || timerfd_settime(watchdog->timer.fd, 0, &timer, NULL) < 0 ||
	    loop_watch(loop, &watchdog->timer) < 0) {
		log_error("the watchdog's timer cannot be set up");
		if (watchdog->timer.fd >= 0)
			close(watchdog->timer.fd);
		free(watchdog);
		return NULL;
	}
	send_pings(watchdog);
	return watchdog;
}

void watchdog_stop(struct watchdog *watchdog)
{
	if (!watchdog)
		return;
	mailbox_run(watchdog->mailbox);
	loop_unwatch(watchdog->loop, &watchdog->timer);
	close(watchdog->timer.fd);
	free(watchdog);
}
