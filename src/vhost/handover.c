/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/handover.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vhost/messages.h"

/* Before each message of a parcel. */
struct record {
	uint32_t length;   /* of header and payload */
	uint32_t fd_count; /* the next ones of the parcel */
	uint32_t partial;  /* 1: it is the beginning of a message that the front end has not sent to its end */
};

struct writer {
	struct parcel parcel;
	int socket;
	int ret; /* the first failure; after it nothing more is sent */
};

static void writer_init(struct writer *writer, int socket, uint32_t kind)
{
	parcel_init(&writer->parcel, kind);
	writer->socket = socket;
	writer->ret = 0;
}

static void flush(struct writer *writer)
{
	if (writer->parcel.length && !writer->ret)
		writer->ret = parcel_send(writer->socket, &writer->parcel);
	parcel_init(&writer->parcel, writer->parcel.kind);
}

static void add_record(struct writer *writer, const struct vhost_msg *msg, size_t length, bool partial)
{
	const struct record record = {.length = (uint32_t)length, .fd_count = msg->fd_count, .partial = partial};

	if (sizeof(record) + length > PARCEL_MAX_DATA - writer->parcel.length ||
	    msg->fd_count > PARCEL_MAX_FDS - writer->parcel.fd_count)
		flush(writer);
	parcel_add(&writer->parcel, &record, sizeof(record));
	parcel_add(&writer->parcel, msg, length);
	for (unsigned i = 0; i < msg->fd_count; i++)
		parcel_add_fd(&writer->parcel, msg->fds[i]);
}

/* fd -1: the message comes without one. */
static void add(struct writer *writer, uint32_t request, const void *payload, size_t size, int fd)
{
	struct vhost_msg msg = {
		.header = {.request = request, .flags = VHOST_FLAG_VERSION, .size = (uint32_t)size},
		.fds = {fd},
		.fd_count = fd >= 0,
	};

	memcpy(&msg.payload, payload, size);
	add_record(writer, &msg, sizeof(msg.header) + size, false);
}

static void add_u64(struct writer *writer, uint32_t request, uint64_t value, int fd)
{
	add(writer, request, &value, sizeof(value), fd);
}

static void add_vring_state(struct writer *writer, uint32_t request, uint32_t index, uint32_t num)
{
	const struct vhost_vring_state_msg state = {.index = index, .num = num};

	add(writer, request, &state, sizeof(state), -1);
}

static void add_vring_fd(struct writer *writer, uint32_t request, uint32_t index, int fd)
{
	add_u64(writer, request, index | (fd < 0 ? VHOST_VRING_NOFD : 0), fd);
}

int vhost_handover_send_memory(const struct vhost_session *session, int socket, uint32_t kind)
{
	const struct vhost_memory_msg nothing = {.count = 0};
	struct writer writer;

	writer_init(&writer, socket, kind);
	add(&writer, VHOST_SET_MEM_TABLE, &nothing, offsetof(struct vhost_memory_msg, region), -1);
	for (uint32_t i = 0; i < session->memory.count; i++) {
		const struct memmap_region *region = &session->memory.region[i];
		const struct vhost_single_region_msg msg = {
			.region = {.guest_address = region->guest,
				   .size = region->size,
				   .user_address = region->user,
				   .mmap_offset = region->offset},
		};

		add(&writer, VHOST_ADD_MEM_REG, &msg, sizeof(msg), region->fd);
	}
	flush(&writer);
	return writer.ret;
}

static void add_vring(struct writer *writer, uint32_t index, const struct vhost_vring *vring)
{
	const struct vhost_vring_addr_msg addr = {
		.index = index,
		.flags = vring->log ? VHOST_VRING_LOG : 0,
		.desc_user = vring->desc,
		.used_user = vring->used,
		.avail_user = vring->avail,
		.log_guest = vring->log_guest,
	};

	if (vring->size)
		add_vring_state(writer, VHOST_SET_VRING_NUM, index, vring->size);
	if (vring->desc || vring->avail || vring->used)
		add(writer, VHOST_SET_VRING_ADDR, &addr, sizeof(addr), -1);
	if (vring->based)
		add_vring_state(writer, VHOST_SET_VRING_BASE, index, vring->base);
	/* A reset leaves these two. */
	add_vring_fd(writer, VHOST_SET_VRING_CALL, index, vring->call_fd);
	add_vring_fd(writer, VHOST_SET_VRING_ERR, index, vring->err_fd);
	if (vring->started)
		add_vring_fd(writer, VHOST_SET_VRING_KICK, index, vring->kick_fd);
	if (vring->enabled)
		add_vring_state(writer, VHOST_SET_VRING_ENABLE, index, 1);
}

/* Those that can only be asked where they were, before the driver was stopped by status 0. */
static void add_stopped_vrings(struct writer *writer, const struct vhost_session *session)
{
	bool any = false;

	for (uint32_t i = 0; i < session->vring_count; i++) {
		if (!session->vring[i].was_based)
			continue;
		add_vring_state(writer, VHOST_SET_VRING_BASE, i, session->vring[i].base);
		any = true;
	}
	if (any)
		add_u64(writer, VHOST_SET_STATUS, 0, -1);
}

int vhost_handover_send_state(const struct vhost_session *session, int socket, uint32_t kind)
{
	struct writer writer;

	writer_init(&writer, socket, kind);
	/* It may have been told before, when the session was another. */
	add(&writer, VHOST_RESET_DEVICE, "", 0, -1);
	add_u64(&writer, VHOST_SET_FEATURES, session->features, -1);
	add_u64(&writer, VHOST_SET_PROTOCOL_FEATURES, session->protocol_features, -1);
	add_stopped_vrings(&writer, session);
	/* Status 0 would be a reset. */
	if (session->status)
		add_u64(&writer, VHOST_SET_STATUS, session->status, -1);
	if (session->backend_fd >= 0)
		add(&writer, VHOST_SET_BACKEND_REQ_FD, "", 0, session->backend_fd);
	if (session->log.guard)
		add(&writer, VHOST_SET_LOG_BASE, &session->log.at, sizeof(session->log.at), session->log.fd);
	if (session->log.dirty.event_fd >= 0)
		add(&writer, VHOST_SET_LOG_FD, "", 0, session->log.dirty.event_fd);
	if (session->inflight.at)
		add(&writer, VHOST_SET_INFLIGHT_FD, &session->inflight.as, sizeof(session->inflight.as),
		    session->inflight.fd);
	for (uint32_t i = 0; i < session->vring_count; i++)
		add_vring(&writer, i, &session->vring[i]);
	if (session->pausing && session->reader.received)
		add_record(&writer, &session->reader.msg, session->reader.received, true);
	flush(&writer);
	return writer.ret;
}

struct vhost_session *vhost_handover_new(const char *name, const struct vhost_ops *ops, void *device)
{
	struct vhost_session *session = vhost_session_new(-1, name, ops, device);

	if (session)
		session->pausing = true;
	return session;
}

/*
 * RESET_DEVICE leaves what belongs to the front end rather than to the device,
 * but the one that this was told of beforehand may be another by now. What is
 * still so follows.
 */
static void forget_front_end(struct vhost_session *session)
{
	vhost_log_clear(session);
	if (session->backend_fd >= 0)
		close(session->backend_fd);
	session->backend_fd = -1;
}

/* Whatever becomes of it, session->msg owns no descriptor afterwards. */
static int carry_out(struct vhost_session *session, struct error *err)
{
	const struct vhost_header *header = &session->msg.header;
	const char *name = vhost_msg_rule(header->request)->name;
	const char *problem = vhost_message_problem(&session->msg);
	int ret = problem ? error_set(err, -EPROTO, "it %s", problem) : vhost_message_handle(session, err);

	if (ret >= 0 && header->request == VHOST_RESET_DEVICE)
		forget_front_end(session);
	vhost_msg_close_fds(&session->msg);
	return ret < 0 ? error_prefix(err, "%s", name ? name : "a message") : 0;
}

/* The record at *at, with its descriptors from *fd on, becomes *msg. */
static int read_record(struct parcel *parcel, uint32_t *at, unsigned *fd, struct record *record, struct vhost_msg *msg)
{
	if (parcel->length - *at < sizeof(*record))
		return -EPROTO;
	memcpy(record, parcel->data + *at, sizeof(*record));
	*at += sizeof(*record);
	if (record->length > parcel->length - *at || record->length > sizeof(msg->header) + sizeof(msg->payload) ||
	    record->fd_count > VHOST_MSG_MAX_FDS || record->fd_count > parcel->fd_count - *fd)
		return -EPROTO;
	memset(msg, 0, sizeof(*msg));
	memcpy(msg, parcel->data + *at, record->length);
	*at += record->length;
	for (unsigned i = 0; i < record->fd_count; i++)
		msg->fds[i] = parcel_take_fd(parcel, (*fd)++);
	msg->fd_count = record->fd_count;
	return 0;
}

/* The beginning of a message, which session->msg is: the rest will come by the front end's socket. */
static int keep_partial(struct vhost_session *session, uint32_t length)
{
	const struct vhost_msg *msg = &session->msg;

	if (session->reader.received || length == 0 ||
	    (length >= sizeof(msg->header) && length - sizeof(msg->header) > msg->header.size))
		return -EPROTO;
	session->reader.msg = *msg;
	session->reader.received = length;
	session->msg.fd_count = 0; /* they are the reader's now */
	return 0;
}

static int receive_record(struct vhost_session *session, struct parcel *parcel, uint32_t *at, unsigned *fd,
			  struct error *err)
{
	const struct vhost_header *header = &session->msg.header;
	struct record record = {.length = 0};
	int ret = read_record(parcel, at, fd, &record, &session->msg);

	if (ret == 0 && record.partial)
		ret = keep_partial(session, record.length);
	else if (ret == 0 && record.length == sizeof(*header) + header->size)
		return carry_out(session, err);
	else if (ret == 0)
		ret = -EPROTO;
	if (ret == 0)
		return 0;
	vhost_msg_close_fds(&session->msg);
	return error_set(err, ret, "a record of %u bytes with %u file descriptors that does not fit its parcel",
			 record.length, record.fd_count);
}

int vhost_handover_receive(struct vhost_session *session, struct parcel *parcel, struct error *err)
{
	uint32_t at = 0;
	unsigned fd = 0;
	int ret = 0;

	while (at < parcel->length && ret == 0)
		ret = receive_record(session, parcel, &at, &fd, err);
	parcel_close(parcel);
	return ret;
}
