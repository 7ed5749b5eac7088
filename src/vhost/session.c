/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "vhost/messages.h"

struct vhost_session *vhost_session_new(int socket, const char *name, const struct vhost_ops *ops, void *device)
{
	struct vhost_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->socket = socket;
	session->name = name;
	session->ops = ops;
	session->device = device;
	session->backend_fd = -1;
	session->reply_fd = -1;
	session->inflight.fd = -1;
	session->log.dirty.event_fd = -1;
	session->vring_count = ops->queue_count(device);
	session->memory_version = vhost_memory_version();
	vhost_reader_init(&session->reader);
	for (uint32_t i = 0; i < VHOST_MAX_QUEUES; i++)
		session->vring[i] = (struct vhost_vring){.kick_fd = -1, .call_fd = -1, .err_fd = -1};
	return session;
}

/* So many refusals are no misunderstanding any more, and each is a line in the log. */
#define MAX_REFUSED 64

static const char *request_name(uint32_t request)
{
	const char *name = vhost_msg_rule(request)->name;

	return name ? name : "unknown request";
}

/* A queue without one of its descriptors would run, but burn a CPU or leave its driver waiting. */
static int give_descriptors(const struct vhost_vring *vring, struct vhost_queue_setup *setup, struct error *err)
{
	int *const copies[] = {&setup->kick_fd, &setup->call_fd, &setup->err_fd};
	const int fds[] = {vring->kick_fd, vring->call_fd, vring->err_fd};

	for (unsigned i = 0; i < 3; i++) {
		if (vhost_duplicate_fd(fds[i], copies[i]))
			continue;
		error_set(err, -errno, "its file descriptors cannot be duplicated: %s", strerror(errno));
		while (i-- > 0) {
			if (*copies[i] >= 0)
				close(*copies[i]);
		}
		return err->code;
	}
	return 0;
}

uint32_t vhost_vring_base(const struct vhost_session *session, const struct vhost_vring *vring)
{
	return vring->based ? vring->base : virtq_first_base(vhost_has_feature(session, VIRTIO_F_RING_PACKED));
}

static void start_vring(struct vhost_session *session, uint32_t index)
{
	struct vhost_vring *vring = &session->vring[index];
	struct error err = {0};
	struct vhost_queue_setup setup = {
		.ring = {.map = &session->memory,
			 .size = vring->size,
			 .base = vhost_vring_base(session, vring),
			 .desc = vring->desc,
			 .avail = vring->avail,
			 .used = vring->used,
			 .packed = vhost_has_feature(session, VIRTIO_F_RING_PACKED),
			 .event_idx = vhost_has_feature(session, VIRTIO_RING_F_EVENT_IDX),
			 .indirect = vhost_has_feature(session, VIRTIO_RING_F_INDIRECT_DESC)},
		.quota = &session->quota,
	};

	vhost_log_setup(session, vring, &setup.ring);
	if (vhost_inflight_area(session, index, setup.ring.packed, &setup.ring.inflight, &err) < 0 ||
	    give_descriptors(vring, &setup, &err) < 0 ||
	    session->ops->queue_start(session->device, index, &setup, &err) < 0) {
		if (log_may_say(&session->quota, session->name))
			log_error("disk %s: queue %" PRIu32 " cannot start: %s", session->name, index, err.text);
		vring->rejected = true;
		return;
	}
	vring->running = true;
}

/* vhost-user.rst, "Ring states": a ring runs when it is started and enabled. */
static void start_ready_vrings(struct vhost_session *session)
{
	bool all_enabled = !vhost_has_feature(session, VHOST_USER_F_PROTOCOL_FEATURES);

	if (session->pausing || session->quiet)
		return;
	for (uint32_t i = 0; i < session->vring_count; i++) {
		const struct vhost_vring *vring = &session->vring[i];

		if (vring->started && (vring->enabled || all_enabled) && vring->size && !vring->running &&
		    !vring->rejected && session->memory.count && vhost_log_ready(session, vring))
			start_vring(session, i);
	}
}

static void stop_vring(struct vhost_session *session, uint32_t index)
{
	if (!session->vring[index].running)
		return;
	session->stopping++;
	session->ops->queue_stop(session->device, index);
}

static void stop_all(struct vhost_session *session)
{
	for (uint32_t i = 0; i < session->vring_count; i++)
		stop_vring(session, i);
}

static void stop_touched(struct vhost_session *session)
{
	switch (vhost_message_touches(&session->msg)) {
	case VHOST_TOUCHES_ONE: {
		int index = vhost_message_vring(session, &session->msg);

		if (index >= 0)
			stop_vring(session, (uint32_t)index);
		break;
	}
	case VHOST_TOUCHES_ALL:
		stop_all(session);
		break;
	case VHOST_TOUCHES_NONE:
		break;
	}
}

static bool send_reply(struct vhost_session *session)
{
	int ret;

	session->msg.header.flags = VHOST_FLAG_VERSION | VHOST_FLAG_REPLY;
	session->msg.fds[0] = session->reply_fd;
	session->msg.fd_count = session->reply_fd >= 0;
	session->reply_fd = -1;
	ret = vhost_send(session->socket, &session->msg);
	vhost_msg_close_fds(&session->msg);
	if (ret < 0)
		log_error("disk %s: the front end does not take the reply to %s: %s; connection closed", session->name,
			  request_name(session->msg.header.request), strerror(-ret));
	return ret == 0;
}

/* Carry out the message whose vrings are stopped. False: the session is over. */
static bool finish_message(struct vhost_session *session)
{
	bool acknowledge = session->msg.header.flags & VHOST_FLAG_NEED_REPLY &&
			   vhost_has_protocol_feature(session, VHOST_PROTOCOL_F_REPLY_ACK) &&
			   !vhost_message_replies(&session->msg);
	const char *name = request_name(session->msg.header.request);
	struct error err = {0};
	int ret = vhost_message_handle(session, &err);
	bool alive = ret >= 0;

	vhost_msg_close_fds(&session->msg);
	if (ret < 0) {
		alive = acknowledge && ++session->refused < MAX_REFUSED;
		log_error("disk %s: %s refused: %s%s", session->name, name, err.text,
			  alive ? "" : "; connection closed");
	}
	if (alive && ret <= 0 && acknowledge) {
		session->msg.payload.u64 = ret < 0;
		session->msg.header.size = sizeof(uint64_t);
		ret = 1;
	}
	if (alive && ret == 1)
		alive = send_reply(session);
	if (alive)
		start_ready_vrings(session);
	return alive;
}

static bool check_message(struct vhost_session *session)
{
	const struct vhost_header *header = &session->msg.header;
	const char *problem = vhost_message_problem(&session->msg);

	if (!problem)
		return true;
	log_error("disk %s: request %" PRIu32 " (%s, %" PRIu32 " bytes, %u file descriptors) %s; connection closed",
		  session->name, header->request, request_name(header->request), header->size, session->msg.fd_count,
		  problem);
	vhost_msg_close_fds(&session->msg);
	return false;
}

bool vhost_session_readable(struct vhost_session *session)
{
	/* A front end that never stops talking has to share the thread with the others. */
	for (int budget = 64; budget && !session->stopping && !session->closing && !session->pausing; budget--) {
		int ret = vhost_recv(session->socket, &session->reader, &session->msg);

		if (ret == 0)
			return true;
		if (ret == -EPROTO)
			log_error("disk %s: the front end sent %s; connection closed", session->name,
				  session->reader.reason);
		else if (ret < 0 && ret != -ECONNRESET)
			log_error("disk %s: receiving from the front end: %s; connection closed", session->name,
				  strerror(-ret));
		if (ret < 0 || !check_message(session))
			return false;
		log_debug("disk %s: %s", session->name, request_name(session->msg.header.request));
		stop_touched(session);
		session->waiting = session->stopping > 0;
		if (!session->waiting && !finish_message(session))
			return false;
	}
	return true;
}

bool vhost_session_queue_stopped(struct vhost_session *session, uint32_t index, uint32_t base)
{
	struct vhost_vring *vring = &session->vring[index];

	vring->running = false;
	vring->base = base;
	vring->based = true;
	vring->was_based = false;
	if (--session->stopping > 0)
		return true;
	if (session->closing)
		return false;
	if (session->waiting) {
		session->waiting = false;
		if (!finish_message(session))
			return false;
	}
	/* Those that the message did not touch. */
	if (session->pausing || session->quiet)
		stop_all(session);
	if (session->pausing || session->stopping)
		return true;
	/* Those of a pause that was called off. */
	start_ready_vrings(session);
	return vhost_session_readable(session);
}

bool vhost_session_pause(struct vhost_session *session)
{
	session->pausing = true;
	if (!session->stopping)
		stop_all(session);
	return session->stopping == 0;
}

void vhost_session_resume(struct vhost_session *session)
{
	session->pausing = false;
	if (!session->stopping)
		start_ready_vrings(session);
}

void vhost_session_quiet(struct vhost_session *session, bool quiet)
{
	session->quiet = quiet;
	if (session->closing || session->stopping)
		return; /* what has stopped looks at it then */
	if (quiet)
		stop_all(session);
	else
		start_ready_vrings(session);
}

bool vhost_session_lost_memory(struct vhost_session *session)
{
	const struct memmap_region *region = memmap_lost(&session->memory);

	if (session->closing)
		return false;
	if (!region && memguard_lost(session->log.guard)) {
		log_error("disk %s: the front end's dirty log is gone: its file was shrunk while it was shared; "
			  "connection closed",
			  session->name);
		return true;
	}
	if (session->inflight.at && memguard_lost(session->inflight.guard)) {
		log_error("disk %s: the in-flight region is gone: its file was shrunk while it was shared; connection "
			  "closed",
			  session->name);
		return true;
	}
	if (!region)
		return false;
	log_error("disk %s: the front end's memory at 0x%" PRIx64 " (0x%" PRIx64
		  " bytes) is gone: its file was shrunk while it was shared, or no huge page was left for it; "
		  "connection closed",
		  session->name, region->guest, region->size);
	return true;
}

bool vhost_session_close(struct vhost_session *session)
{
	session->closing = true;
	/* Queues that a message has asked to stop are on their way already. */
	if (session->stopping)
		return false;
	stop_all(session);
	return session->stopping == 0;
}

void vhost_session_free(struct vhost_session *session)
{
	vhost_memory_clear(session);
	vhost_log_clear(session);
	vhost_inflight_clear(session);
	vhost_vrings_close(session);
	session->ops->reset(session->device);
	vhost_reader_free(&session->reader);
	vhost_msg_close_fds(&session->msg);
	if (session->backend_fd >= 0)
		close(session->backend_fd);
	if (session->socket >= 0)
		close(session->socket);
	free(session);
}

void vhost_session_config_changed(struct vhost_session *session)
{
	const struct vhost_msg msg = {
		.header = {.request = VHOST_BACKEND_CONFIG_CHANGE_MSG, .flags = VHOST_FLAG_VERSION}};

	if (session->backend_fd < 0 || !vhost_has_protocol_feature(session, VHOST_PROTOCOL_F_CONFIG)) {
		log_warning("disk %s: the front end does not listen for changes of the configuration space; the guest "
			    "sees the new size after a reset",
			    session->name);
		return;
	}
	if (vhost_send(session->backend_fd, &msg) < 0)
		log_warning("disk %s: the front end does not take the notice of a configuration change", session->name);
}
