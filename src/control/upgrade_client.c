/* SPDX-License-Identifier: Apache-2.0 */
#include "control/upgrade_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/disk_vhost.h"
#include "control/upgrade_compare.h"
#include "control/upgrade_wire.h"
#include "vhost/handover.h"

/* What is known of a disk of ours that the predecessor has, too. */
struct inheritance {
	struct disk *disk;             /* from upgrade_client_prepare() on */
	int number;                    /* of the disk there, -1: it is new, or has been taken over */
	struct vhost_session *session; /* set up and paused; NULL: none yet */
	uint64_t memory_version;       /* of the memory that it has mapped, 0: none */
};

struct upgrade_client {
	struct config *config;
	struct loop *loop;
	struct loop_source connection; /* fd -1: closed */
	struct inheritance *of;        /* config->disk_count of them */
	unsigned taking;               /* index of the disk that was asked for */
	uint64_t longest_ns;           /* that a disk stood still */
	struct upgrade_welcome welcome;
	int stderr_fd, null_fd, listeners[UPGRADE_LISTENERS];
	void (*done)(void *context, const struct error *err);
	void *context;
};

/* The next parcel, which is of this kind, or one of a session. */
static int hear(struct upgrade_client *client, enum upgrade_kind kind, struct parcel *parcel, struct error *err)
{
	char reason[256];
	int ret = upgrade_receive(client->connection.fd, parcel);

	if (ret == 0)
		return error_set(err, -ETIMEDOUT, "the running straitd has not answered for %d seconds",
				 UPGRADE_PATIENCE);
	if (ret < 0)
		return error_set(err, ret, "the running straitd %s (%s)",
				 ret == -ECONNRESET ? "has gone" : "cannot be heard", strerror(-ret));
	if (parcel->kind == (uint32_t)kind || parcel->kind == UPGRADE_SESSION)
		return 0;
	if (parcel->kind == UPGRADE_REFUSED) {
		upgrade_reason(parcel, reason, sizeof(reason));
		ret = error_set(err, -ECANCELED, "the running straitd refuses: %s", reason);
	} else {
		ret = error_set(err, -EPROTO, "the running straitd says what has no place here (%u)", parcel->kind);
	}
	parcel_close(parcel);
	return ret;
}

/* Ask, and hear an answer of one structure. Its descriptors are the caller's. */
static int ask(struct upgrade_client *client, enum upgrade_kind question, const void *data, size_t length,
	       enum upgrade_kind kind, void *answer, size_t answer_length, struct parcel *parcel, struct error *err)
{
	int ret = upgrade_send(client->connection.fd, question, data, length, -1, -1);

	/* One that has refused says why before it leaves. */
	if (ret < 0 && ret != -EPIPE && ret != -ECONNRESET)
		return error_set(err, ret, "the running straitd cannot be asked: %s", strerror(-ret));
	ret = hear(client, kind, parcel, err);
	if (ret < 0)
		return ret;
	if (parcel->kind == (uint32_t)kind && upgrade_read(parcel, answer, answer_length))
		return 0;
	parcel_close(parcel);
	return error_set(err, -EPROTO, "the running straitd answers with %u bytes of kind %u, expected %zu of kind %u",
			 parcel->length, parcel->kind, answer_length, kind);
}

static void take_variable(const struct upgrade_client *client, enum upgrade_variable i)
{
	if (client->welcome.variable[i][0])
		setenv(upgrade_variables[i], client->welcome.variable[i], 1);
	else
		unsetenv(upgrade_variables[i]);
}

static int greet(struct upgrade_client *client, struct error *err)
{
	const struct upgrade_hello hello = {.magic = UPGRADE_MAGIC, .version = UPGRADE_VERSION};
	struct upgrade_welcome *welcome = &client->welcome;
	struct parcel parcel;
	int ret = ask(client, UPGRADE_HELLO, &hello, sizeof(hello), UPGRADE_WELCOME, welcome, sizeof(*welcome), &parcel,
		      err);

	if (ret < 0)
		return ret;
	client->stderr_fd = parcel_take_fd(&parcel, 0);
	upgrade_take_listeners(welcome, &parcel, client->listeners);
	parcel_close(&parcel);
	for (unsigned i = 0; i < UPGRADE_VARIABLES; i++)
		welcome->variable[i][sizeof(welcome->variable[i]) - 1] = '\0';
	/* Where the service is heard; it will be connected to before we have it. WATCHDOG_PID is the predecessor. */
	take_variable(client, UPGRADE_NOTIFY_SOCKET);
	take_variable(client, UPGRADE_WATCHDOG_USEC);
	unsetenv("WATCHDOG_PID");
	if (client->listeners[UPGRADE_LISTENER_UPGRADE] < 0 || welcome->disk_count > CONFIG_MAX_DISKS)
		return error_set(err, -EPROTO, "the running straitd has %u disks and gives no socket",
				 welcome->disk_count);
	return 0;
}

/* The disk of ours with its name gets what is open there. */
static int inherit(struct upgrade_client *client, uint32_t number, const struct upgrade_disk *disk,
		   struct parcel *parcel, struct error *err)
{
	for (unsigned i = 0; i < client->config->disk_count; i++) {
		struct config_disk *config = &client->config->disks[i];
		int ret;

		if (strcmp(config->name, disk->name) != 0)
			continue;
		ret = upgrade_compare(config, disk, err);
		if (ret < 0)
			return ret;
		if (parcel->fd_count != 1u + disk->has_image || client->of[i].number >= 0)
			return error_set(err, -EPROTO, "disk %s: the running straitd gives %u descriptors",
					 config->name, parcel->fd_count);
		client->of[i].number = (int)number;
		config->socket_fd = parcel_take_fd(parcel, 0);
		config->image_fd = parcel_take_fd(parcel, 1);
	}
	return 0;
}

static int describe_all(struct upgrade_client *client, struct error *err)
{
	for (uint32_t i = 0; i < client->welcome.disk_count; i++) {
		struct upgrade_disk disk;
		struct parcel parcel;
		int ret = ask(client, UPGRADE_DESCRIBE, &i, sizeof(i), UPGRADE_DISK, &disk, sizeof(disk), &parcel, err);

		if (ret < 0)
			return ret;
		disk.name[sizeof(disk.name) - 1] = disk.socket[sizeof(disk.socket) - 1] = '\0';
		disk.file[sizeof(disk.file) - 1] = '\0';
		if (disk.name[0])
			ret = inherit(client, i, &disk, &parcel, err);
		parcel_close(&parcel);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int upgrade_client_connect(struct config *config, struct upgrade_client **out, struct error *err)
{
	struct upgrade_client *client = calloc(1, sizeof(*client));
	int ret;

	if (!config->upgrade_socket) {
		free(client);
		return error_set(err, -EINVAL,
				 "without upgrade-socket in its configuration a straitd cannot be upgraded in place: "
				 "expected it in the file, and the running one to have been started with it");
	}
	if (client)
		client->of = calloc(config->disk_count, sizeof(*client->of));
	if (!client || !client->of) {
		free(client);
		return error_set(err, -ENOMEM, "no memory for an upgrade");
	}
	client->config = config;
	client->stderr_fd = -1;
	memset(client->listeners, -1, sizeof(client->listeners));
	client->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (unsigned i = 0; i < config->disk_count; i++)
		client->of[i].number = -1;
	client->connection.fd = ret = upgrade_connect(config->upgrade_socket, err);
	if (ret >= 0)
		ret = greet(client, err);
	if (ret >= 0)
		ret = describe_all(client, err);
	if (ret >= 0) {
		*out = client;
		return 0;
	}
	upgrade_client_give_up(client, err->text);
	upgrade_client_free(client);
	return ret;
}

/* A part of the session of disk i. */
static int receive_session(struct upgrade_client *client, unsigned i, struct parcel *parcel, struct error *err)
{
	struct inheritance *of = &client->of[i];
	struct disk *disk = of->disk;
	int ret;

	if (!of->session)
		of->session = vhost_handover_new(disk->config->name, &disk_vhost_ops, disk);
	if (!of->session)
		return error_set(err, -ENOMEM, "disk %s: no memory for a session", disk->config->name);
	ret = vhost_handover_receive(of->session, parcel, err);
	return ret < 0 ? error_prefix(err, "disk %s: the front end's session cannot go on here", disk->config->name)
		       : 0;
}

static void drop_session(struct inheritance *of)
{
	if (of->session)
		vhost_session_free(of->session);
	of->session = NULL;
	of->memory_version = 0;
}

/* While their disks are open. */
static void drop_sessions(struct upgrade_client *client)
{
	for (unsigned i = 0; i < client->config->disk_count; i++)
		drop_session(&client->of[i]);
}

static int prepare(struct upgrade_client *client, unsigned i, struct error *err)
{
	struct inheritance *of = &client->of[i];
	const uint32_t number = (uint32_t)of->number;
	struct upgrade_prepared prepared;
	struct parcel parcel;
	int ret = upgrade_send_number(client->connection.fd, UPGRADE_PREPARE, number);

	/* As in ask(). */
	if (ret < 0 && ret != -EPIPE && ret != -ECONNRESET)
		return error_set(err, ret, "the running straitd cannot be asked: %s", strerror(-ret));
	for (;;) {
		ret = hear(client, UPGRADE_PREPARED, &parcel, err);
		if (ret < 0)
			return ret;
		if (parcel.kind == UPGRADE_PREPARED)
			break;
		ret = receive_session(client, i, &parcel, err);
		if (ret < 0)
			return ret;
	}
	parcel_close(&parcel);
	if (!upgrade_read(&parcel, &prepared, sizeof(prepared)))
		return error_set(err, -EPROTO, "the running straitd answers with %u bytes, expected %zu", parcel.length,
				 sizeof(prepared));
	of->memory_version = prepared.memory_version;
	return 0;
}

int upgrade_client_prepare(struct upgrade_client *client, const struct fleet *fleet, struct error *err)
{
	struct fleet_disk *member = fleet->first;

	for (unsigned i = 0; i < client->config->disk_count; i++, member = member->next)
		client->of[i].disk = &member->disk;
	for (unsigned i = 0; i < client->config->disk_count; i++) {
		int ret = client->of[i].number < 0 ? 0 : prepare(client, i, err);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static void close_connection(struct upgrade_client *client)
{
	if (client->connection.fd < 0)
		return;
	if (client->loop)
		loop_unwatch(client->loop, &client->connection);
	close(client->connection.fd);
	client->connection.fd = -1;
}

void upgrade_client_give_up(struct upgrade_client *client, const char *reason)
{
	if (client->connection.fd >= 0)
		upgrade_refuse(client->connection.fd, reason);
	close_connection(client);
	drop_sessions(client);
}

/* Standard error is the service's from here on, and what it is; those that started us get theirs back. */
static void become_the_service(struct upgrade_client *client)
{
	take_variable(client, UPGRADE_JOURNAL_STREAM);
	if (client->stderr_fd >= 0)
		dup3(client->stderr_fd, STDERR_FILENO, 0);
	if (client->null_fd >= 0) {
		dup3(client->null_fd, STDIN_FILENO, 0);
		dup3(client->null_fd, STDOUT_FILENO, 0);
	}
}

static void succeed(struct upgrade_client *client)
{
	close_connection(client);
	for (unsigned i = 0; i < client->config->disk_count; i++)
		client->of[i].disk->shared = false;
	become_the_service(client);
	client->done(client->context, NULL);
}

static void fail(struct upgrade_client *client, const struct error *err)
{
	upgrade_client_give_up(client, err->text);
	client->done(client->context, err);
}

/* The predecessor died. Its front ends come back to sockets that are ours now. */
static void take_the_rest(struct upgrade_client *client)
{
	unsigned served = 0;
	struct error err = {0};

	log_warning("upgrade: the predecessor has died; the disks that it still had are served from here on");
	for (unsigned i = 0; i < client->config->disk_count; i++) {
		struct inheritance *of = &client->of[i];

		served++;
		if (of->number < 0)
			continue;
		of->number = -1;
		drop_session(of);
		if (storage_reclaim(of->disk->storage, &err) == 0) {
			disk_release(of->disk);
			continue;
		}
		log_error("%s; the disk is not served", err.text);
		disk_close(of->disk);
		fleet_member(of->disk)->failed = true;
		served--;
	}
	/* With RPC a daemon may be without disks. */
	if (served || !client->config->disk_count) {
		succeed(client);
		return;
	}
	error_prefix(&err, "the running straitd has died, and none of its disks can be served");
	fail(client, &err);
}

/* Ask for the next disk, or say that there is no more. */
static int go_on(struct upgrade_client *client)
{
	for (unsigned i = 0; i < client->config->disk_count; i++) {
		const struct inheritance *of = &client->of[i];
		const struct upgrade_take take = {.disk = (uint32_t)of->number, .memory_version = of->memory_version};

		if (of->number < 0)
			continue;
		client->taking = i;
		return upgrade_send(client->connection.fd, UPGRADE_TAKE, &take, sizeof(take), -1, -1);
	}
	return upgrade_send(client->connection.fd, UPGRADE_FINISH, "", 0, -1, -1);
}

/* The guest has been told one size, the image may have got another meanwhile. */
static void compare_size(struct disk *disk, uint64_t told)
{
	if (!disk->session || told == storage_size(disk->storage))
		return;
	log_info("disk %s: its size changed during the upgrade", disk->config->name);
	vhost_session_config_changed(disk->session);
}

static void note_pause(struct upgrade_client *client, const struct disk *disk, uint64_t ns)
{
	log_debug("disk %s: stood still for %llu us", disk->config->name, (unsigned long long)ns / 1000);
	if (ns > client->longest_ns)
		client->longest_ns = ns;
}

/* The disk that we asked for stands still, and this is how it was left. */
static int take(struct upgrade_client *client, struct parcel *parcel, struct error *err)
{
	struct inheritance *of = &client->of[client->taking];
	struct disk *disk = of->disk;
	struct blk_counters device;
	struct queue_counters queues;
	struct upgrade_state state;

	if (!upgrade_read(parcel, &state, sizeof(state)) || parcel->fd_count != (state.connected ? 1u : 0u) ||
	    (state.connected && !of->session))
		return error_set(err, -EPROTO, "disk %s: the running straitd tells its state in %u bytes",
				 disk->config->name, parcel->length);
	/* Where this does not arrive, the disk is the predecessor's, and it will say so. */
	if (upgrade_send_number(client->connection.fd, UPGRADE_TAKEN, (uint32_t)of->number) < 0)
		return 0;
	of->number = -1;
	upgrade_get_counters(&state, &device, &queues);
	disk_restore(disk, state.writeback, &device, &queues);
	if (!state.connected) {
		drop_session(of);
		disk_release(disk);
	} else {
		of->session->socket = parcel_take_fd(parcel, 0);
		disk_adopt_session(disk, of->session, state.start_ns);
		of->session = NULL;
		note_pause(client, disk, clock_monotonic_ns() - state.pause_ns);
	}
	compare_size(disk, state.size);
	go_on(client);
	return 0;
}

static int handle(struct upgrade_client *client, struct parcel *parcel, struct error *err)
{
	switch (parcel->kind) {
	case UPGRADE_SESSION:
		return receive_session(client, client->taking, parcel, err);
	case UPGRADE_STATE:
		return take(client, parcel, err);
	case UPGRADE_FAREWELL:
		succeed(client);
		return 0;
	default:
		return error_set(err, -EPROTO, "the running straitd says what has no place here (%u)", parcel->kind);
	}
}

static void connection_ready(struct loop_source *source)
{
	struct upgrade_client *client =
		(struct upgrade_client *)((char *)source - offsetof(struct upgrade_client, connection));
	struct error err = {0};
	struct parcel parcel;
	char reason[256];
	int ret = upgrade_receive(source->fd, &parcel);

	if (ret == 0)
		return;
	if (ret == -ECONNRESET) {
		take_the_rest(client);
		return;
	}
	/* What it said is lost, but it lives: without TAKEN the disk is its own. */
	if (ret < 0) {
		error_set(&err, ret, "the running straitd cannot be heard: %s", strerror(-ret));
		fail(client, &err);
		return;
	}
	if (parcel.kind == UPGRADE_REFUSED) {
		upgrade_reason(&parcel, reason, sizeof(reason));
		ret = error_set(&err, -ECANCELED, "the running straitd called the upgrade off: %s", reason);
	} else {
		ret = handle(client, &parcel, &err);
	}
	parcel_close(&parcel);
	if (ret < 0)
		fail(client, &err);
}

int upgrade_client_start(struct upgrade_client *client, struct loop *loop,
			 void (*done)(void *context, const struct error *err), void *context, struct error *err)
{
	client->loop = loop;
	client->done = done;
	client->context = context;
	client->connection.ready = connection_ready;
	if (fcntl(client->connection.fd, F_SETFL, O_NONBLOCK) < 0 || loop_watch(loop, &client->connection) < 0)
		return error_set(err, -errno, "the connection to the running straitd cannot be watched");
	/* Where it does not arrive, the loop hears why. */
	go_on(client);
	return 0;
}

uint64_t upgrade_client_longest_pause(const struct upgrade_client *client)
{
	return client->longest_ns;
}

int upgrade_client_take_listener(struct upgrade_client *client, enum upgrade_listener which)
{
	const int fd = client->listeners[which];

	client->listeners[which] = -1;
	return fd;
}

void upgrade_client_free(struct upgrade_client *client)
{
	if (!client)
		return;
	close_connection(client);
	if (client->stderr_fd >= 0)
		close(client->stderr_fd);
	if (client->null_fd >= 0)
		close(client->null_fd);
	for (unsigned i = 0; i < UPGRADE_LISTENERS; i++) {
		if (client->listeners[i] >= 0)
			close(client->listeners[i]);
	}
	free(client->of);
	free(client);
}
