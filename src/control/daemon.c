/* SPDX-License-Identifier: Apache-2.0 */
#include "control/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memguard.h"
#include "control/daemon_change.h"
#include "control/daemon_parts.h"
#include "control/daemon_reload.h"
#include "control/http_address.h"
#include "control/notify.h"
#include "control/stats.h"
#include "control/sweeper.h"
#include "control/upgrade_client.h"
#include "control/watchdog.h"

static void disk_held(struct disk_host *host, struct disk *disk)
{
	struct daemon *daemon = (struct daemon *)((char *)host - offsetof(struct daemon, host));

	upgrade_server_held(&daemon->upgrades, disk);
}

static void stop(struct daemon *daemon)
{
	if (daemon->told) {
		log_warning("told to stop again while requests are in flight: giving them up");
		_exit(1);
	}
	daemon->told = true;
	daemon->stopping = true;
	if (daemon->taking)
		upgrade_client_give_up(daemon->taking, "the new straitd was told to stop");
	upgrade_server_close(&daemon->upgrades);
	log_info("stopping: draining %u disks", fleet_count(&daemon->fleet).open);
	daemon_report_status(daemon, "STOPPING=1\n");
	daemon_close_disks(daemon);
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
	for (struct fleet_disk *member = daemon->fleet.first; member; member = member->next) {
		if (!member->disk.closed)
			disk_refresh(&member->disk);
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

static void memory_was_lost(struct loop_source *source)
{
	struct daemon *daemon = (struct daemon *)((char *)source - offsetof(struct daemon, lost_memory));
	eventfd_t count;

	if (eventfd_read(source->fd, &count) < 0)
		return;
	for (struct fleet_disk *member = daemon->fleet.first; member; member = member->next) {
		if (!member->disk.closed)
			disk_check_memory(&member->disk);
	}
}

static int watch_memory(struct daemon *daemon, struct error *err)
{
	daemon->lost_memory =
		(struct loop_source){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .ready = memory_was_lost};
	if (daemon->lost_memory.fd < 0 || loop_watch(&daemon->loop, &daemon->lost_memory) < 0 ||
	    memguard_install(daemon->lost_memory.fd) < 0)
		return error_set(err, -errno, "guest memory cannot be guarded: %s", strerror(errno));
	return 0;
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

static void raise_descriptor_limit(struct daemon *daemon)
{
	const uint64_t most = daemon_descriptors(daemon);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	daemon->descriptors = limit.rlim_cur;
	if (limit.rlim_cur < most)
		log_warning("front ends can take up %llu file descriptors together, and there are %llu: raise "
			    "RLIMIT_NOFILE, or lower queues or memory-regions-max",
			    (unsigned long long)most, (unsigned long long)limit.rlim_cur);
}

/* Sockets that are ours are taken away by a child, because we shall not be allowed to. */
static int start_sweeper(struct daemon *daemon, struct error *err)
{
	const struct config *config = daemon->config;

	if (config->sandbox.mode == SANDBOX_OFF)
		return 0;
	/* The last ones are for upgrades, RPC and HTTP. Those of a predecessor will be ours, but not one that came
	 * without a path. */
	daemon->socket_paths = calloc(config->disk_count + 3, sizeof(*daemon->socket_paths));
	if (!daemon->socket_paths)
		return error_set(err, -ENOMEM, "no memory for %u disks", config->disk_count);
	for (unsigned i = 0; i < config->disk_count; i++)
		daemon->socket_paths[i] = config->disks[i].socket;
	daemon->socket_paths[config->disk_count] = config->upgrade_socket;
	daemon->socket_paths[config->disk_count + 1] = config->rpc_socket;
	if (config->http_listen)
		daemon->socket_paths[config->disk_count + 2] = http_address_path(config->http_listen);
	return sweeper_start(daemon->socket_paths, config->disk_count + 3, err);
}

static void log_sandbox(const struct daemon *daemon, const struct sandbox *sandbox)
{
	char text[384];

	sandbox_describe(sandbox, placement_rings_restricted(&daemon->placement), text, sizeof(text));
	if (sandbox->options.mode == SANDBOX_OFF)
		log_warning("sandbox: %s", text);
	else
		log_info("sandbox: %s", text);
}

/* A successor has taken over. */
static void handed_over(struct upgrade_server *server, pid_t successor)
{
	struct daemon *daemon = (struct daemon *)((char *)server - offsetof(struct daemon, upgrades));

	(void)successor;
	daemon->handed_over = true;
	daemon->stopping = true;
	daemon_close_rpc(daemon);
	daemon_close_http(daemon);
}

static int wait_for_successors(struct daemon *daemon, int socket, struct error *err)
{
	if (!daemon->config->upgrade_socket)
		return 0;
	return upgrade_server_open(&daemon->upgrades, daemon->config->upgrade_socket, socket, daemon->owner, err);
}

static void become_ready(struct daemon *daemon)
{
	struct error err;

	/* Disks are more important than that. */
	if (daemon_serve_rpc(daemon, &err) < 0)
		log_error("%s; there is no RPC", err.text);
	daemon->watchdog = watchdog_start(&daemon->loop, &daemon->placement, &daemon->mailbox);
	daemon_start_http(daemon);
	daemon_report_status(daemon, "READY=1\n");
}

/* Our predecessor has given us everything, or has not. */
static void take_over_ended(void *context, const struct error *err)
{
	struct daemon *daemon = context;
	const int socket = upgrade_client_take_listener(daemon->taking, UPGRADE_LISTENER_UPGRADE);
	const uint64_t longest_ns = upgrade_client_longest_pause(daemon->taking);
	struct error own_err;

	if (err) {
		daemon->failure = *err;
		daemon->stopping = true;
		daemon_close_disks(daemon);
		return;
	}
	upgrade_client_free(daemon->taking);
	daemon->taking = NULL;
	if (wait_for_successors(daemon, socket, &own_err) < 0)
		log_error("%s; the next upgrade needs a restart", own_err.text);
	become_ready(daemon);
	daemon->upgraded->done(daemon->upgraded->context, longest_ns);
}

/*
 * First what takes rights: files, sockets, rings. A successor's connection to
 * its predecessor belongs there, too. Then what does not, without them.
 */
static int start(struct daemon *daemon, struct sandbox *sandbox, struct error *err)
{
	int ret = daemon_open_disks(daemon, err);

	if (ret == 0 && !daemon->taking)
		ret = wait_for_successors(daemon, -1, err);
	if (ret == 0)
		ret = daemon_open_rpc(daemon, err);
	if (ret == 0)
		daemon_open_http(daemon);
	if (ret == 0 && sandbox->options.mode == SANDBOX_REQUIRED && !placement_rings_restricted(&daemon->placement))
		ret = error_set(err, -EOPNOTSUPP,
				"sandbox: this kernel does not restrict an io_uring, which is required");
	if (ret == 0)
		ret = sandbox_drop(sandbox, err);
	if (ret == 0)
		ret = placement_start(&daemon->placement, err);
	if (ret == 0)
		ret = sandbox_filter(sandbox, err);
	if (ret == 0)
		log_sandbox(daemon, sandbox);
	return ret;
}

/* What was opened for nothing. */
static void close_opened(struct daemon *daemon, const char *why)
{
	if (daemon->taking)
		upgrade_client_give_up(daemon->taking, why);
	daemon->ready = false;
	daemon_close_disks(daemon);
}

/* Everything is open: begin. */
static int begin(struct daemon *daemon, struct error *err)
{
	int ret = 0;

	daemon->ready = true;
	if (!daemon->taking) {
		become_ready(daemon);
		return 0;
	}
	ret = upgrade_client_prepare(daemon->taking, &daemon->fleet, err);
	if (ret == 0)
		ret = upgrade_client_start(daemon->taking, &daemon->loop, take_over_ended, daemon, err);
	return ret;
}

static int serve(struct daemon *daemon, struct error *err)
{
	struct sandbox sandbox;
	int ret = sandbox_init(&sandbox, &daemon->config->sandbox, err);

	if (ret == 0)
		ret = start_sweeper(daemon, err);
	if (ret == 0)
		ret = placement_create(&daemon->placement, daemon->config, &daemon->mailbox,
				       sandbox_wants(&sandbox.options, SANDBOX_IO_URING), err);
	if (ret < 0)
		return ret;
	daemon->host.stats = stats_new(&daemon->loop, &daemon->placement, err);
	ret = daemon->host.stats ? qos_tree_init(&daemon->qos, daemon->config, &daemon->placement, err) : err->code;
	if (ret == 0)
		ret = qos_watch_init(&daemon->qos_watch, &daemon->loop, &daemon->qos, err);
	if (ret == 0) {
		placement_on_work(&daemon->placement, qos_watch_worked, &daemon->qos_watch);
		ret = start(daemon, &sandbox, err);
	}
	if (ret == 0)
		ret = begin(daemon, err);
	if (ret == 0)
		loop_run(&daemon->loop);
	else
		close_opened(daemon, err->text);
	if (daemon->failure.code) {
		*err = daemon->failure;
		ret = err->code;
	}
	daemon_end_vacating(daemon);
	placement_stop(&daemon->placement);
	qos_watch_end(&daemon->qos_watch);
	qos_tree_destroy(&daemon->qos);
	stats_free(daemon->host.stats);
	daemon->host.stats = NULL;
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
	ret = watch_memory(daemon, err);
	return ret < 0 ? ret : watch_signals(daemon, err);
}

static int run(struct daemon *daemon, struct error *err)
{
	int ret = set_up(daemon, err);

	if (ret == 0)
		ret = serve(daemon, err);
	/* What failed before any disk was open. */
	if (ret < 0 && daemon->taking)
		upgrade_client_give_up(daemon->taking, err->text);
	daemon_close_rpc(daemon);
	daemon_close_http(daemon);
	upgrade_server_close(&daemon->upgrades);
	sweeper_stop();
	free(daemon->socket_paths);
	if (daemon->signals.fd >= 0)
		close(daemon->signals.fd);
	if (daemon->lost_memory.fd >= 0)
		close(daemon->lost_memory.fd);
	mailbox_destroy(&daemon->mailbox);
	loop_destroy(&daemon->loop);
	return ret;
}

int daemon_run(struct config *config, const struct daemon_upgrade *upgrade, struct error *err)
{
	struct daemon daemon = {.config = config,
				.signals.fd = -1,
				.lost_memory.fd = -1,
				.vacate.fd = -1,
				.http_fd = -1,
				.confined = config->sandbox.mode != SANDBOX_OFF,
				.upgraded = upgrade,
				.owner = geteuid()};
	int ret = 0;

	daemon.host = (struct disk_host){.loop = &daemon.loop,
					 .placement = &daemon.placement,
					 .qos = &daemon.qos,
					 .mailbox = &daemon.mailbox,
					 .changed = daemon_disks_changed,
					 .settled = daemon_disk_settled,
					 .held = disk_held};
	upgrade_server_init(&daemon.upgrades, &daemon.loop, &daemon.fleet, handed_over);
	daemon_init_rpc(&daemon);
	clock_init();
	if (upgrade)
		ret = upgrade_client_connect(config, &daemon.taking, err);
	/* With what the predecessor has given. */
	if (ret == 0)
		ret = fleet_fill(&daemon.fleet, config, err);
	raise_descriptor_limit(&daemon);
	notify_open();
	if (ret == 0)
		ret = run(&daemon, err);
	notify_close();
	upgrade_client_free(daemon.taking);
	daemon_change_end(&daemon);
	daemon_reload_end(&daemon);
	fleet_clear(&daemon.fleet);
	return ret;
}
