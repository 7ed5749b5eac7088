/* SPDX-License-Identifier: Apache-2.0 */
#include "control/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/disk.h"
#include "control/watchdog.h"

struct daemon {
	const struct config *config;
	struct loop loop;
	struct mailbox mailbox;
	struct placement placement;
	struct disk_host host;
	struct loop_source signals, messages;
	struct watchdog *watchdog;
	struct disk *disks; /* config->disk_count of them; those that failed are closed */
	unsigned failed;
	bool ready;    /* everything was opened */
	bool stopping; /* on the way out */
};

static void report_status(const struct daemon *daemon, const char *prefix)
{
	unsigned open = 0, connected = 0;

	for (unsigned i = 0; i < daemon->config->disk_count; i++) {
		open += !daemon->disks[i].closed;
		connected += daemon->disks[i].session != NULL;
	}
	sd_notifyf(0, "%sSTATUS=%s %u of %u disks, %u connected, %u failed", prefix,
		   daemon->stopping ? "Draining" : "Serving", open, daemon->config->disk_count, connected,
		   daemon->failed);
}

static bool all_closed(const struct daemon *daemon)
{
	for (unsigned i = 0; i < daemon->config->disk_count; i++) {
		if (!daemon->disks[i].closed)
			return false;
	}
	return true;
}

static void disks_changed(struct disk_host *host)
{
	struct daemon *daemon = (struct daemon *)((char *)host - offsetof(struct daemon, host));

	if (!daemon->ready)
		return;
	report_status(daemon, "");
	if (all_closed(daemon))
		loop_quit(&daemon->loop);
}

static void stop(struct daemon *daemon)
{
	if (daemon->stopping) {
		log_warning("told to stop again while requests are in flight: giving them up");
		_exit(1);
	}
	daemon->stopping = true;
	log_info("stopping: draining %u disks", daemon->config->disk_count - daemon->failed);
	report_status(daemon, "STOPPING=1\n");
	for (unsigned i = 0; i < daemon->config->disk_count; i++) {
		if (!daemon->disks[i].closed)
			disk_close(&daemon->disks[i]);
	}
}

static void signals_ready(struct loop_source *source)
{
	struct daemon *daemon = (struct daemon *)((char *)source - offsetof(struct daemon, signals));
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGHUP) {
		stop(daemon);
		return;
	}
	for (unsigned i = 0; i < daemon->config->disk_count; i++) {
		if (!daemon->disks[i].closed)
			disk_refresh(&daemon->disks[i]);
	}
}

static void messages_ready(struct loop_source *source)
{
	struct daemon *daemon = (struct daemon *)((char *)source - offsetof(struct daemon, messages));
	uint64_t count;

	if (read(source->fd, &count, sizeof(count)) < 0)
		return;
	mailbox_run(&daemon->mailbox);
}

/* Signals are read as events; blocked before the first worker starts, they reach no other thread. */
static int watch_signals(struct daemon *daemon, struct error *err)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	daemon->signals =
		(struct loop_source){.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), .ready = signals_ready};
	if (daemon->signals.fd < 0 || loop_watch(&daemon->loop, &daemon->signals) < 0)
		return error_set(err, -errno, "signals cannot be watched: %s", strerror(errno));
	return 0;
}

/* A disk takes a handful of descriptors, and a few more a queue. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int open_disks(struct daemon *daemon, struct error *err)
{
	const struct config *config = daemon->config;

	for (unsigned i = 0; i < config->disk_count; i++) {
		const struct config_disk *disk = &config->disks[i];
		struct storage_info *info;

		if (disk_open(&daemon->disks[i], &daemon->host, disk, err) < 0) {
			log_error("%s; the disk is not served", err->text);
			daemon->disks[i].closed = true;
			daemon->failed++;
			continue;
		}
		info = &daemon->disks[i].storage->info;
		log_info("disk %s: %s, %llu bytes in blocks of %u%s, %u queues%s%s", disk->name,
			 disk->file ? disk->file : "null", (unsigned long long)info->size, info->block_size,
			 info->read_only ? ", read-only" : "", disk->queues, disk->socket ? ", on " : "",
			 disk->socket ? disk->socket : "");
	}
	if (daemon->failed < config->disk_count)
		return 0;
	return error_set(err, err->code, "nothing to serve: %s failed",
			 config->disk_count == 1 ? "the only disk" : "all disks");
}

static int serve(struct daemon *daemon, struct error *err)
{
	int ret = placement_start(&daemon->placement, daemon->config, err);

	if (ret < 0)
		return ret;
	ret = open_disks(daemon, err);
	if (ret == 0) {
		daemon->ready = true;
		daemon->watchdog = watchdog_start(&daemon->loop, &daemon->placement, &daemon->mailbox);
		report_status(daemon, "READY=1\n");
		loop_run(&daemon->loop);
	}
	placement_stop(&daemon->placement);
	watchdog_stop(daemon->watchdog);
	return ret;
}

static int set_up(struct daemon *daemon, struct error *err)
{
	int ret = loop_init(&daemon->loop);

	if (ret < 0)
		return error_set(err, ret, "no event loop: %s", strerror(-ret));
	ret = mailbox_init(&daemon->mailbox);
	if (ret < 0)
		return error_set(err, ret, "no mailbox: %s", strerror(-ret));
	daemon->messages = (struct loop_source){.fd = daemon->mailbox.event_fd, .ready = messages_ready};
	ret = loop_watch(&daemon->loop, &daemon->messages);
	if (ret < 0)
		return error_set(err, ret, "the mailbox cannot be watched: %s", strerror(-ret));
	return watch_signals(daemon, err);
}

int daemon_run(const struct config *config, struct error *err)
{
	struct daemon daemon = {.config = config, .signals.fd = -1};
	int ret;

	daemon.host = (struct disk_host){.loop = &daemon.loop,
					 .placement = &daemon.placement,
					 .mailbox = &daemon.mailbox,
					 .changed = disks_changed};
	daemon.disks = calloc(config->disk_count, sizeof(*daemon.disks));
	if (!daemon.disks)
		return error_set(err, -ENOMEM, "no memory for %u disks", config->disk_count);
	clock_init();
	raise_descriptor_limit();
	ret = set_up(&daemon, err);
	if (ret == 0)
		ret = serve(&daemon, err);
	if (daemon.signals.fd >= 0)
		close(daemon.signals.fd);
	mailbox_destroy(&daemon.mailbox);
	loop_destroy(&daemon.loop);
	free(daemon.disks);
	return ret;
}
