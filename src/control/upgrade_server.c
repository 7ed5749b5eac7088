/* SPDX-License-Identifier: Apache-2.0 */
#include "control/upgrade_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/listener.h"
#include "control/notify.h"
#include "control/upgrade_wire.h"
#include "vhost/handover.h"

#define SERVER_OF(source, member) ((struct upgrade_server *)((char *)(source)-offsetof(struct upgrade_server, member)))

/* For a session of the largest size in one answer, should the successor be slow; the system may allow less. */
#define SEND_BUFFER (4 << 20)

/* Between attempts to tell a successor that does not read, seconds. */
#define REFUSAL_PAUSE 1

/* The successor has to answer within seconds; 0: it is our turn. */
static void set_timer(struct upgrade_server *server, unsigned seconds)
{
	const struct itimerspec when = {.it_value = {.tv_sec = seconds}};

	server->patience = seconds;
	timerfd_settime(server->timer.fd, 0, &when, NULL);
}

static void close_connection(struct upgrade_server *server)
{
	loop_unwatch(server->loop, &server->connection);
	close(server->connection.fd);
	server->connection.fd = -1;
	server->taking = -1;
	server->unsaid = false;
	set_timer(server, 0);
	free(server->disks);
	server->disks = NULL;
	server->disk_count = 0;
}

/* The session is the successor's. Storage and listener stay open here until it has everything. */
static void note_taken(struct upgrade_server *server)
{
	struct disk *disk = server->disks[server->taking];

	if (disk->session)
		disk_drop_session(disk);
	disk->shared = true;
	server->taking = -1;
}

/*
 * Whether the last disk is ours or the successor's must not be in doubt: after
 * the shutdown it can say nothing more, and what it said before is here.
 */
static void hear_last_words(struct upgrade_server *server)
{
	struct parcel parcel;

	shutdown(server->connection.fd, SHUT_RD);
	while (upgrade_receive(server->connection.fd, &parcel) > 0) {
		uint32_t number;

		if (parcel.kind == UPGRADE_TAKEN && upgrade_read(&parcel, &number, sizeof(number)) &&
		    server->taking >= 0 && number == (uint32_t)server->taking)
			note_taken(server);
		parcel_close(&parcel);
	}
}

/*
 * A successor that sees the connection end without a reason takes us for dead
 * and serves what is left. So while it cannot be told, for a socket that is
 * full perhaps, the connection stays, even beyond our own stop.
 */
static void tell_then_close(struct upgrade_server *server)
{
	int ret = upgrade_refuse(server->connection.fd, server->refusal);

	if (!server->unsaid)
		hear_last_words(server);
	if (ret == 0 || ret == -EPIPE || ret == -ECONNRESET) {
		close_connection(server);
		return;
	}
	loop_unwatch(server->loop, &server->connection);
	server->taking = -1;
	server->unsaid = true;
	set_timer(server, REFUSAL_PAUSE);
}

/* Go on with all disks. The front ends of those that the successor had will come back. */
static void call_off(struct upgrade_server *server, const char *reason)
{
	log_warning("upgrade called off: %s; this process goes on", reason);
	snprintf(server->refusal, sizeof(server->refusal), "%s", reason);
	tell_then_close(server);
	for (struct fleet_disk *member = server->fleet->first; member; member = member->next) {
		struct disk *disk = &member->disk;

		if (disk->closed || !disk->held)
			continue;
		disk->shared = false;
		disk_release(disk);
	}
}

/* Give the disks their numbers. One that is being removed has none. */
static int number_disks(struct upgrade_server *server, struct error *err)
{
	free(server->disks);
	server->disk_count = 0;
	server->disks = calloc(server->fleet->count + 1, sizeof(struct disk *));
	if (!server->disks)
		return error_set(err, -ENOMEM, "no memory for %u disks", server->fleet->count);
	for (struct fleet_disk *member = server->fleet->first; member; member = member->next) {
		if (member->disk.quiet)
			return error_set(err, -EBUSY, "disk %s is paused: expected it to be resumed before an upgrade",
					 member->config->name);
		if (!member->removed)
			server->disks[server->disk_count++] = &member->disk;
	}
	return 0;
}

static int welcome(struct upgrade_server *server, const struct parcel *parcel, struct error *err)
{
	struct upgrade_welcome answer = {.disk_count = 0};
	struct upgrade_hello hello;
	int ret;

	if (!upgrade_read(parcel, &hello, sizeof(hello)) || hello.magic != UPGRADE_MAGIC)
		return error_set(err, -EPROTO, "what is on the other side does not greet as a straitd does");
	if (hello.version != UPGRADE_VERSION)
		return error_set(err, -EPROTO,
				 "the new straitd upgrades by version %u of the protocol, the running one by %u: "
				 "restart it instead",
				 hello.version, UPGRADE_VERSION);
	if (server->taking >= 0)
		return error_set(err, -EPROTO, "the successor greets again while it takes a disk");
	ret = number_disks(server, err);
	if (ret < 0)
		return ret;
	answer.disk_count = server->disk_count;
	for (unsigned i = 0; i < UPGRADE_VARIABLES; i++)
		snprintf(answer.variable[i], sizeof(answer.variable[i]), "%s", getenv(upgrade_variables[i]) ?: "");
	ret = upgrade_send_welcome(server->connection.fd, &answer, server->listeners);
	return ret < 0 ? error_set(err, ret, "WELCOME cannot be sent: %s", strerror(-ret)) : 0;
}

static void describe_session(const struct vhost_session *session, struct upgrade_disk *answer)
{
	if (!session)
		return;
	answer->queues = session->vring_count;
	for (uint32_t i = 0; i < session->vring_count; i++) {
		if (session->vring[i].size > answer->largest_queue)
			answer->largest_queue = session->vring[i].size;
	}
}

static int describe(struct upgrade_server *server, const struct disk *disk, struct error *err)
{
	struct upgrade_disk answer = {.name = ""};
	int image = -1, listener = -1, ret;

	if (!disk->closed) {
		const struct config_disk *config = disk->config;

		snprintf(answer.name, sizeof(answer.name), "%s", config->name);
		snprintf(answer.socket, sizeof(answer.socket), "%s", config->socket);
		snprintf(answer.file, sizeof(answer.file), "%s", config->file ? config->file : "");
		answer.null_size = config->null_size;
		answer.cache = config->cache;
		answer.read_only = config->read_only;
		answer.discard = config->discard;
		answer.lock = config->lock;
		listener = disk->listener.fd;
		image = storage_image_fd(disk->storage);
		answer.has_image = image >= 0;
		describe_session(disk->session, &answer);
	}
	ret = upgrade_send(server->connection.fd, UPGRADE_DISK, &answer, sizeof(answer), listener, image);
	return ret < 0 ? error_set(err, ret, "disk %s cannot be described: %s", answer.name, strerror(-ret)) : 0;
}

/* The session as it is while it runs, so that the successor finds out beforehand whether it can have it. */
static int prepare(struct upgrade_server *server, const struct disk *disk, struct error *err)
{
	const struct vhost_session *session = disk->closed ? NULL : disk->session;
	struct upgrade_prepared answer = {.memory_version = 0};
	int ret = 0;

	if (session) {
		answer.memory_version = session->memory_version;
		ret = vhost_handover_send_memory(session, server->connection.fd, UPGRADE_SESSION);
		if (ret == 0)
			ret = vhost_handover_send_state(session, server->connection.fd, UPGRADE_SESSION);
	}
	if (ret == 0)
		ret = upgrade_send(server->connection.fd, UPGRADE_PREPARED, &answer, sizeof(answer), -1, -1);
	return ret < 0 ? error_set(err, ret, "disk %s: its session cannot be sent: %s", disk->config->name,
				   strerror(-ret))
		       : 0;
}

static int take(struct upgrade_server *server, const struct parcel *parcel, struct error *err)
{
	struct upgrade_take take;

	if (!upgrade_read(parcel, &take, sizeof(take)) || take.disk >= server->disk_count || server->taking >= 0 ||
	    server->disks[take.disk]->closed || server->disks[take.disk]->held)
		return error_set(err, -EPROTO, "the successor asks for a disk that it cannot have");
	server->taking = (int)take.disk;
	server->taking_version = take.memory_version;
	server->pause_ns = clock_monotonic_ns();
	/* Requests under way take as long as they take. */
	set_timer(server, 0);
	disk_hold(server->disks[take.disk]);
	return 0;
}

static int send_state(struct upgrade_server *server, const struct disk *disk)
{
	const struct vhost_session *session = disk->session;
	struct upgrade_state state = {.start_ns = disk->session_start_ns,
				      .pause_ns = server->pause_ns,
				      .size = storage_size(disk->storage),
				      .connected = session != NULL,
				      .writeback = disk->blk.writeback};
	int ret = 0;

	upgrade_put_counters(&state, &disk->blk);
	/* Whoever's queues run next locks it. */
	storage_deactivate(disk->storage);
	if (session && session->memory_version != server->taking_version)
		ret = vhost_handover_send_memory(session, server->connection.fd, UPGRADE_SESSION);
	if (session && ret == 0)
		ret = vhost_handover_send_state(session, server->connection.fd, UPGRADE_SESSION);
	if (ret == 0)
		ret = upgrade_send(server->connection.fd, UPGRADE_STATE, &state, sizeof(state),
				   session ? session->socket : -1, -1);
	return ret;
}

void upgrade_server_held(struct upgrade_server *server, struct disk *disk)
{
	char text[128];
	int ret;

	if (server->taking < 0 || server->disks[server->taking] != disk)
		return;
	ret = send_state(server, disk);
	set_timer(server, UPGRADE_PATIENCE);
	if (ret == 0)
		return;
	snprintf(text, sizeof(text), "disk %s cannot be handed over: %s", disk->config->name, strerror(-ret));
	call_off(server, text);
}

/* It has all that it wants. What is left was taken out of the configuration. */
static void finish(struct upgrade_server *server)
{
	const pid_t successor = server->successor;

	/* From the process that systemd knows; what the successor says counts after this. */
	notify_send("MAINPID=%d", (int)successor);
	upgrade_send(server->connection.fd, UPGRADE_FAREWELL, "", 0, -1, -1);
	log_info("upgrade: process %d serves from here on", (int)successor);
	close_connection(server);
	loop_unwatch(server->loop, &server->listener);
	close(server->listener.fd);
	server->listener.fd = -1;
	server->finished(server, successor);
	for (struct fleet_disk *member = server->fleet->first; member; member = member->next) {
		if (!member->disk.closed)
			disk_close(&member->disk);
	}
}

static int handle(struct upgrade_server *server, const struct parcel *parcel, struct error *err)
{
	char text[256];
	uint32_t number;

	switch (parcel->kind) {
	case UPGRADE_HELLO:
		return welcome(server, parcel, err);
	case UPGRADE_TAKE:
		return take(server, parcel, err);
	case UPGRADE_FINISH:
		if (server->taking >= 0)
			break;
		finish(server);
		return 0;
	case UPGRADE_REFUSED:
		upgrade_reason(parcel, text, sizeof(text));
		return error_set(err, -ECANCELED, "the successor gave up: %s", text);
	case UPGRADE_DESCRIBE:
	case UPGRADE_PREPARE:
	case UPGRADE_TAKEN:
		if (!upgrade_read(parcel, &number, sizeof(number)) || number >= server->disk_count)
			break;
		if (parcel->kind == UPGRADE_DESCRIBE)
			return describe(server, server->disks[number], err);
		if (parcel->kind == UPGRADE_PREPARE)
			return prepare(server, server->disks[number], err);
		if (server->taking != (int)number || !server->disks[number]->held)
			break;
		note_taken(server);
		return 0;
	}
	return error_set(err, -EPROTO, "the successor says what has no place here (%u, %u bytes)", parcel->kind,
			 parcel->length);
}

static void connection_ready(struct loop_source *source)
{
	struct upgrade_server *server = SERVER_OF(source, connection);
	struct error err = {0};
	struct parcel parcel;
	int ret = upgrade_receive(source->fd, &parcel);

	if (ret == 0)
		return;
	if (ret < 0) {
		error_set(&err, ret,
			  ret == -ECONNRESET ? "the successor has ended" : "the successor cannot be heard: %s",
			  strerror(-ret));
	} else {
		if (server->taking < 0)
			set_timer(server, parcel.kind == UPGRADE_DESCRIBE ? UPGRADE_START_PATIENCE : UPGRADE_PATIENCE);
		ret = handle(server, &parcel, &err);
		parcel_close(&parcel);
	}
	if (ret < 0 && server->connection.fd >= 0)
		call_off(server, err.text);
}

static void timer_ready(struct loop_source *source)
{
	struct upgrade_server *server = SERVER_OF(source, timer);
	uint64_t expirations;
	char text[80];

	if (read(source->fd, &expirations, sizeof(expirations)) < 0 || server->connection.fd < 0)
		return;
	if (server->unsaid) {
		tell_then_close(server);
		return;
	}
	snprintf(text, sizeof(text), "the successor said nothing for %u seconds", server->patience);
	call_off(server, text);
}

static void listener_ready(struct loop_source *source)
{
	struct upgrade_server *server = SERVER_OF(source, listener);
	const int buffer = SEND_BUFFER;
	int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct error err = {0};
	pid_t pid = 0;

	if (fd < 0)
		return;
	if (server->connection.fd >= 0)
		error_set(&err, -EBUSY, "an upgrade to process %d is under way", (int)server->successor);
	else
		upgrade_check_peer(fd, server->owner, &pid, &err);
	if (!err.code) {
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
		server->connection = (struct loop_source){.fd = fd, .ready = connection_ready};
		server->successor = pid;
		if (loop_watch(server->loop, &server->connection) == 0) {
			log_info("upgrade: process %d wants to take over", (int)pid);
			set_timer(server, UPGRADE_PATIENCE);
			return;
		}
		server->connection.fd = -1;
		error_set(&err, -ENOMEM, "the connection cannot be watched");
	}
	log_warning("upgrade refused: %s", err.text);
	upgrade_refuse(fd, err.text);
	close(fd);
}

void upgrade_server_init(struct upgrade_server *server, struct loop *loop, struct fleet *fleet,
			 void (*finished)(struct upgrade_server *server, pid_t successor))
{
	*server = (struct upgrade_server){.loop = loop,
					  .fleet = fleet,
					  .finished = finished,
					  .listener.fd = -1,
					  .connection.fd = -1,
					  .timer.fd = -1,
					  .taking = -1};
	memset(server->listeners, -1, sizeof(server->listeners));
}

int upgrade_server_open(struct upgrade_server *server, const char *path, int fd, uid_t owner, struct error *err)
{
	/* Whoever gets here gets guests' memory. */
	const struct listener_access access = {.mode = 0600};

	server->owner = owner;
	server->path = path;
	server->timer = (struct loop_source){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
					     .ready = timer_ready};
	server->listener = (struct loop_source){.fd = fd >= 0 ? fd : listener_open(path, SOCK_SEQPACKET, &access, err),
						.ready = listener_ready};
	if (server->listener.fd < 0)
		return error_prefix(err, "upgrades");
	if (server->timer.fd < 0 || loop_watch(server->loop, &server->timer) < 0 ||
	    loop_watch(server->loop, &server->listener) < 0)
		return error_set(err, -errno, "upgrade socket %s cannot be watched: %s", path, strerror(errno));
	server->listeners[UPGRADE_LISTENER_UPGRADE] = server->listener.fd;
	return 0;
}

void upgrade_server_close(struct upgrade_server *server)
{
	if (server->connection.fd >= 0 && !server->unsaid)
		call_off(server, "the running straitd was told to stop");
	if (server->timer.fd >= 0) {
		loop_unwatch(server->loop, &server->timer);
		close(server->timer.fd);
		server->timer.fd = -1;
	}
	if (server->listener.fd >= 0) {
		loop_unwatch(server->loop, &server->listener);
		listener_close(server->listener.fd, server->path);
		server->listener.fd = -1;
	}
}
