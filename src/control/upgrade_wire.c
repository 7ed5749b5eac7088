/* SPDX-License-Identifier: Apache-2.0 */
#include "control/upgrade_wire.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

const char *const upgrade_variables[UPGRADE_VARIABLES] = {
	[UPGRADE_NOTIFY_SOCKET] = "NOTIFY_SOCKET",
	[UPGRADE_WATCHDOG_USEC] = "WATCHDOG_USEC",
	[UPGRADE_JOURNAL_STREAM] = "JOURNAL_STREAM",
};

int upgrade_send(int socket, enum upgrade_kind kind, const void *data, size_t length, int fd_a, int fd_b)
{
	struct parcel parcel;

	parcel_init(&parcel, kind);
	parcel_add(&parcel, data, length);
	if (fd_a >= 0)
		parcel_add_fd(&parcel, fd_a);
	if (fd_b >= 0)
		parcel_add_fd(&parcel, fd_b);
	return parcel_send(socket, &parcel);
}

int upgrade_send_number(int socket, enum upgrade_kind kind, uint32_t number)
{
	return upgrade_send(socket, kind, &number, sizeof(number), -1, -1);
}

int upgrade_send_welcome(int socket, struct upgrade_welcome *welcome, const int *listeners)
{
	struct parcel parcel;

	parcel_init(&parcel, UPGRADE_WELCOME);
	parcel_add_fd(&parcel, STDERR_FILENO);
	welcome->listeners = 0;
	for (unsigned i = 0; i < UPGRADE_LISTENERS; i++) {
		if (listeners[i] >= 0 && parcel_add_fd(&parcel, listeners[i]) == 0)
			welcome->listeners |= 1u << i;
	}
	parcel_add(&parcel, welcome, sizeof(*welcome));
	return parcel_send(socket, &parcel);
}

void upgrade_take_listeners(const struct upgrade_welcome *welcome, struct parcel *parcel, int *listeners)
{
	unsigned next = 1;

	for (unsigned i = 0; i < UPGRADE_LISTENERS; i++)
		listeners[i] = welcome->listeners & (1u << i) ? parcel_take_fd(parcel, next++) : -1;
}

int upgrade_refuse(int socket, const char *reason)
{
	return upgrade_send(socket, UPGRADE_REFUSED, reason, strlen(reason), -1, -1);
}

int upgrade_receive(int socket, struct parcel *parcel)
{
	int ret = parcel_receive(socket, parcel);

	/* That it left something unread is an error, said once and first. */
	return ret == -ECONNRESET ? parcel_receive(socket, parcel) : ret;
}

void upgrade_reason(const struct parcel *parcel, char *text, size_t size)
{
	size_t length = parcel->length < size - 1 ? parcel->length : size - 1;

	for (size_t i = 0; i < length; i++)
		text[i] = isprint(parcel->data[i]) ? (char)parcel->data[i] : '?';
	text[length] = '\0';
}

bool upgrade_read(const struct parcel *parcel, void *data, size_t length)
{
	if (parcel->length != length)
		return false;
	memcpy(data, parcel->data, length);
	return true;
}

int upgrade_check_peer(int socket, uid_t owner, pid_t *pid, struct error *err)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return error_set(err, -errno, "the other side cannot be identified: %s", strerror(errno));
	if (peer.uid != 0 && peer.uid != owner)
		return error_set(err, -EPERM, "user %u is on the other side, expected root or user %u", peer.uid,
				 owner);
	if (pid)
		*pid = peer.pid;
	return 0;
}

int upgrade_connect(const char *path, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = UPGRADE_PATIENCE};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), ret = 0;

	if (fd < 0)
		return error_set(err, -errno, "no socket: %s", strerror(errno));
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		ret = error_set(err, -errno,
				"no straitd can be reached at \"%s\" (%s): expected one that runs with this "
				"upgrade-socket in its configuration",
				path, strerror(errno));
	else
		ret = upgrade_check_peer(fd, geteuid(), NULL, err);
	if (ret == 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
			 setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0))
		ret = error_set(err, -errno, "upgrade socket \"%s\": %s", path, strerror(errno));
	if (ret == 0)
		return fd;
	close(fd);
	return ret;
}

/* Add at the end. */
static void find_places(struct blk_counters *device, struct queue_counters *queues, uint64_t **place)
{
	uint64_t *const counters[] = {
		&device->ops[STORAGE_READ],
		&device->ops[STORAGE_WRITE],
		&device->ops[STORAGE_FLUSH],
		&device->ops[STORAGE_DISCARD],
		&device->ops[STORAGE_WRITE_ZEROES],
		&device->bytes_read,
		&device->bytes_written,
		&device->errors,
		&queues->requests,
		&queues->kicks,
		&queues->calls,
		&queues->broken,
		&queues->held,
		&queues->held_ns,
	};

	_Static_assert(sizeof(counters) / sizeof(counters[0]) <= UPGRADE_COUNTERS, "there are so many places");
	memcpy(place, counters, sizeof(counters));
}

void upgrade_put_counters(struct upgrade_state *state, const struct blk *blk)
{
	uint64_t *place[UPGRADE_COUNTERS] = {NULL};
	struct blk_counters device;
	struct queue_counters queues;

	blk_read_counters(blk, &device, &queues);
	find_places(&device, &queues, place);
	for (unsigned i = 0; i < UPGRADE_COUNTERS; i++)
		state->counter[i] = place[i] ? *place[i] : 0;
}

void upgrade_get_counters(const struct upgrade_state *state, struct blk_counters *device, struct queue_counters *queues)
{
	uint64_t *place[UPGRADE_COUNTERS] = {NULL};

	*device = (struct blk_counters){0};
	*queues = (struct queue_counters){0};
	find_places(device, queues, place);
	for (unsigned i = 0; i < UPGRADE_COUNTERS; i++) {
		if (place[i])
			*place[i] = state->counter[i];
	}
}
