/* SPDX-License-Identifier: Apache-2.0 */
#include "control/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/disk_storage.h"
#include "control/disk_vhost.h"
#include "control/listener.h"
#include "control/qos_tree.h"
#include "control/stats.h"

/* A descriptor or memory was missing for a front end: when to look again. */
#define RETRY_ACCEPT_NS 1000000000ull

#define DISK_OF(source, member) ((struct disk *)((char *)(source)-offsetof(struct disk, member)))

static void destroy_device(struct disk *disk)
{
	if (disk->host->qos)
		qos_tree_remove_disk(disk->host->qos, &disk->blk);
	blk_destroy(&disk->blk);
}

static void finish_close(struct disk *disk)
{
	stats_disk_free(disk->stats);
	disk->stats = NULL;
	destroy_device(disk);
	storage_close(disk->storage);
	disk->closed = true;
	disk->host->changed(disk->host);
}

static void log_session(const struct disk *disk)
{
	struct blk_counters blk;
	struct queue_counters queues;

	blk_read_counters(&disk->blk, &blk, &queues);
	if (queues.moves || queues.moves_given_up)
		log_info("disk %s: queues moved %" PRIu64 " times between workers, with a pause of at most %" PRIu64
			 " us, and %" PRIu64 " times stayed since their requests took long",
			 disk->config->name, queues.moves, queues.move_pause_max_ns / 1000, queues.moves_given_up);
	log_info("disk %s: front end disconnected after %" PRIu64 " s; since the start %" PRIu64 " reads, %" PRIu64
		 " writes, %" PRIu64 " flushes, %" PRIu64 " discards, %" PRIu64 " write-zeroes, %" PRIu64
		 " errors, %" PRIu64 " kicks, %" PRIu64 " calls",
		 disk->config->name, (clock_monotonic_ns() - disk->session_start_ns) / 1000000000,
		 blk.ops[STORAGE_READ], blk.ops[STORAGE_WRITE], blk.ops[STORAGE_FLUSH], blk.ops[STORAGE_DISCARD],
		 blk.ops[STORAGE_WRITE_ZEROES], blk.errors, queues.kicks, queues.calls);
}

void disk_listen(struct disk *disk)
{
	if (disk->listener.fd >= 0 && !disk->closing && !disk->held)
		loop_watch(disk->host->loop, &disk->listener);
}

bool disk_is_quiet(const struct disk *disk)
{
	return disk->quiet && (!disk->session || vhost_session_is_quiet(disk->session));
}

/* Last in whatever is done: what it calls may let the queues run again. */
static void tell_settled(struct disk *disk)
{
	if (!disk->closed && disk_is_quiet(disk))
		disk->host->settled(disk->host, disk);
}

static void end_session(struct disk *disk)
{
	loop_unwatch(disk->host->loop, &disk->connection);
	if (!vhost_session_close(disk->session)) {
		drain_update(disk);
		return; /* queues drain; disk_queue_stopped() comes back here */
	}
	vhost_session_free(disk->session);
	disk->session = NULL;
	drain_update(disk);
	log_session(disk);
	if (disk->closing)
		finish_close(disk);
	else if (disk->held)
		disk->host->held(disk->host, disk);
	else if (disk->listener.fd >= 0)
		disk_listen(disk);
	else
		disk_close(disk); /* a connection that was handed over does not come back */
	disk->host->changed(disk->host);
	tell_settled(disk);
}

/* The session has done what it could; go on as it says. */
static void session_progress(struct disk *disk, bool alive)
{
	if (!alive) {
		end_session(disk);
		return;
	}
	if (disk->held || vhost_session_busy(disk->session))
		loop_unwatch(disk->host->loop, &disk->connection);
	else
		loop_watch(disk->host->loop, &disk->connection);
	drain_update(disk);
	if (disk->held && vhost_session_paused(disk->session))
		disk->host->held(disk->host, disk);
	else
		tell_settled(disk);
}

void disk_queue_stopped(struct disk *disk, const struct queue *queue)
{
	placement_release(disk->host->placement, queue);
	session_progress(disk, vhost_session_queue_stopped(disk->session, queue->index, virtq_base(&queue->vq)));
}

static void connection_ready(struct loop_source *source)
{
	struct disk *disk = DISK_OF(source, connection);

	session_progress(disk, vhost_session_readable(disk->session));
}

static void begin_session(struct disk *disk, int socket)
{
	disk->session = vhost_session_new(socket, disk->config->name, &disk_vhost_ops, disk);
	disk->connection = (struct loop_source){.fd = socket, .ready = connection_ready};
	if (!disk->session || loop_watch(disk->host->loop, &disk->connection) < 0) {
		log_error("disk %s: no memory for a front end", disk->config->name);
		if (disk->session)
			vhost_session_free(disk->session);
		else
			close(socket);
		disk->session = NULL;
		return;
	}
	if (disk->quiet)
		vhost_session_quiet(disk->session, true);
	disk->session_start_ns = clock_monotonic_ns();
	log_info("disk %s: front end connected", disk->config->name);
	disk->host->changed(disk->host);
}

/* The peer has left, though we have not heard of it yet: what it said last may still be unread. */
static bool hung_up(int socket)
{
	struct pollfd poller = {.fd = socket, .events = POLLRDHUP};

	return poll(&poller, 1, 0) > 0;
}

static void listener_ready(struct loop_source *source)
{
	struct disk *disk = DISK_OF(source, listener);
	int socket;

	if (disk->session && hung_up(disk->session->socket)) {
		/* Who waits is the successor. It is let in when the old session is gone. */
		loop_unwatch(disk->host->loop, &disk->listener);
		end_session(disk);
		return;
	}
	if (!throttle_admit(disk))
		return;
	socket = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (socket < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			log_error("disk %s: accepting a front end: %s; it is tried again in a second",
				  disk->config->name, strerror(errno));
			throttle_pause(disk, RETRY_ACCEPT_NS);
		}
		return;
	}
	if (disk->session) {
		log_warning("disk %s: a second front end came while one is connected, and was turned away",
			    disk->config->name);
		close(socket);
		return;
	}
	begin_session(disk, socket);
}

void disk_check_memory(struct disk *disk)
{
	/* A paused one touches no memory; it is looked at again when it goes on. */
	if (disk->session && !disk->held && vhost_session_lost_memory(disk->session))
		end_session(disk);
}

static void watch_ready(struct loop_source *source)
{
	disk_refresh(DISK_OF(source, watch));
}

static void announce_size(struct disk *disk, uint64_t before)
{
	const uint64_t now = storage_size(disk->storage);

	if (now == before)
		return;
	if (now < before)
		log_warning("disk %s shrank from %" PRIu64 " to %" PRIu64
			    " bytes; what the guest has beyond is lost and gets I/O errors",
			    disk->config->name, before, now);
	else
		log_info("disk %s grew from %" PRIu64 " to %" PRIu64 " bytes", disk->config->name, before, now);
	if (disk->session)
		vhost_session_config_changed(disk->session);
}

void disk_refresh(struct disk *disk)
{
	const uint64_t before = storage_size(disk->storage);
	struct error err = {0};

	if (storage_refresh(disk->storage, &err) < 0)
		log_error("%s", err.text);
	announce_size(disk, before);
}

int disk_resize(struct disk *disk, uint64_t size, struct error *err)
{
	const uint64_t before = storage_size(disk->storage);
	int ret = storage_resize(disk->storage, size, err);

	if (ret == 0)
		ret = storage_refresh(disk->storage, err);
	announce_size(disk, before);
	return ret < 0 ? ret : 0;
}

/* A socket that was handed over for this disk alone, and that it does not come to. */
static void drop_given(const struct config_disk *config)
{
	if (config->at_run_time && config->socket_fd >= 0)
		close(config->socket_fd);
}

/* Listen on the configured path, or take what was handed over: a listening socket or a connected one. */
static int open_socket(struct disk *disk, int *connected, struct error *err)
{
	const struct config_disk *config = disk->config;
	int listening = 0;
	socklen_t size = sizeof(listening);

	*connected = -1;
	disk->listener = (struct loop_source){.fd = -1, .ready = listener_ready};
	if (config->socket_fd < 0) {
		disk->listener.fd = listener_open(config->socket, SOCK_STREAM, &config->access, err);
		return disk->listener.fd < 0 ? error_prefix(err, "disk %s", config->name) : 0;
	}
	if (getsockopt(config->socket_fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 ||
	    fcntl(config->socket_fd, F_SETFL, O_NONBLOCK) < 0) {
		error_set(err, -errno, "disk %s: file descriptor %d is not a socket: %s", config->name,
			  config->socket_fd, strerror(errno));
		drop_given(config);
		return err->code;
	}
	if (listening)
		disk->listener.fd = config->socket_fd;
	else
		*connected = config->socket_fd;
	return 0;
}

static void close_listener(struct disk *disk)
{
	loop_unwatch(disk->host->loop, &disk->listener);
	if (disk->listener.fd >= 0 && disk->config->socket && !disk->shared)
		listener_close(disk->listener.fd, disk->config->socket);
	else if (disk->listener.fd >= 0)
		close(disk->listener.fd);
	disk->listener.fd = -1;
}

/* What front ends come by. */
static int open_front(struct disk *disk, int *connected, struct error *err)
{
	int ret = throttle_open(disk);

	if (ret < 0) {
		drop_given(disk->config);
		return error_set(err, ret, "disk %s: no timer can be had: %s", disk->config->name, strerror(-ret));
	}
	ret = open_socket(disk, connected, err);
	if (ret == 0 && !disk->held && disk->listener.fd >= 0 && loop_watch(disk->host->loop, &disk->listener) < 0)
		ret = error_set(err, -ENOMEM, "disk %s: its socket cannot be watched", disk->config->name);
	if (ret < 0) {
		close_listener(disk);
		throttle_close(disk);
	}
	return ret;
}

int disk_open(struct disk *disk, struct disk_host *host, const struct config_disk *config, struct error *err)
{
	const bool inherited = config->socket && config->socket_fd >= 0 && !config->at_run_time;
	int connected = -1, ret;

	*disk = (struct disk){.host = host, .config = config, .held = inherited, .shared = inherited};
	ret = disk_storage_open(config, &disk->storage, err);
	if (ret < 0) {
		drop_given(config);
		return ret;
	}
	ret = blk_init(&disk->blk, config->name, config->serial[0] ? config->serial : config->name, config->queues,
		       disk->storage, err);
	if (ret == 0) {
		disk_reconfigure(disk);
		if (host->qos)
			ret = qos_tree_add_disk(host->qos, config->name, &disk->blk, &config->qos, err);
		if (ret == 0)
			ret = open_front(disk, &connected, err);
		else
			drop_given(config);
		if (ret < 0)
			destroy_device(disk);
	} else {
		drop_given(config);
	}
	if (ret < 0) {
		storage_close(disk->storage);
		return ret;
	}
	disk->stats = host->stats ? stats_disk_new(host->stats, &disk->blk) : NULL;
	if (disk->stats)
		stats_slow_policy(disk->stats, config->slow_threshold_ns, config->slow_percentile);
	if (host->qos)
		qos_tree_set_stats(host->qos, &disk->blk, disk->stats);
	disk->watch = (struct loop_source){.fd = storage_watch_fd(disk->storage), .ready = watch_ready};
	if (!inherited && disk->watch.fd >= 0)
		loop_watch(host->loop, &disk->watch);
	if (connected >= 0)
		begin_session(disk, connected);
	return 0;
}

void disk_reconfigure(struct disk *disk)
{
	disk->throttle.limiter.rate = disk->config->connection_rate;
	if (disk->stats)
		stats_slow_policy(disk->stats, disk->config->slow_threshold_ns, disk->config->slow_percentile);
	if (disk->session && !vhost_session_is_quiet(disk->session))
		return;
	for (uint32_t i = 0; i < disk->blk.queue_count; i++)
		disk->blk.queue[i].queue.policy = disk->config->policy;
}

unsigned disk_in_flight(const struct disk *disk)
{
	unsigned sum = 0;

	for (uint32_t i = 0; !disk->closed && i < disk->blk.queue_count; i++)
		sum += __atomic_load_n(&disk->blk.queue[i].queue.in_flight, __ATOMIC_RELAXED);
	return sum;
}

void disk_hold(struct disk *disk)
{
	disk->held = true;
	loop_unwatch(disk->host->loop, &disk->listener);
	loop_unwatch(disk->host->loop, &disk->watch);
	if (disk->session) {
		loop_unwatch(disk->host->loop, &disk->connection);
		vhost_session_pause(disk->session);
		drain_update(disk);
	}
	if (!disk->session || vhost_session_paused(disk->session))
		disk->host->held(disk->host, disk);
}

void disk_release(struct disk *disk)
{
	disk->held = false;
	if (disk->listener.fd >= 0 && loop_watch(disk->host->loop, &disk->listener) < 0)
		log_error("disk %s: its socket cannot be watched; no front end can connect", disk->config->name);
	if (disk->watch.fd >= 0)
		loop_watch(disk->host->loop, &disk->watch);
	if (!disk->session)
		return;
	vhost_session_resume(disk->session);
	session_progress(disk, true);
	disk_check_memory(disk);
}

void disk_quiet(struct disk *disk, enum disk_quiet why, bool quiet)
{
	const bool was = disk->quiet != 0;

	disk->quiet = quiet ? disk->quiet | why : disk->quiet & ~(unsigned)why;
	if (!disk->session || was == (disk->quiet != 0))
		return;
	vhost_session_quiet(disk->session, disk->quiet != 0);
	if (!disk->held && vhost_session_busy(disk->session))
		loop_unwatch(disk->host->loop, &disk->connection);
	drain_update(disk);
}

void disk_drop_session(struct disk *disk)
{
	vhost_session_free(disk->session);
	disk->session = NULL;
}

void disk_restore(struct disk *disk, bool writeback, const struct blk_counters *device,
		  const struct queue_counters *queues)
{
	blk_restore(&disk->blk, writeback, device, queues);
	if (disk->stats)
		stats_disk_restored(disk->stats);
}

void disk_adopt_session(struct disk *disk, struct vhost_session *session, uint64_t start_ns)
{
	disk->session = session;
	disk->session_start_ns = start_ns;
	disk->connection = (struct loop_source){.fd = session->socket, .ready = connection_ready};
	disk_release(disk);
}

void disk_close(struct disk *disk)
{
	if (disk->closing)
		return;
	disk->closing = true;
	throttle_close(disk);
	close_listener(disk);
	loop_unwatch(disk->host->loop, &disk->watch);
	if (disk->session)
		end_session(disk);
	else
		finish_close(disk);
}
