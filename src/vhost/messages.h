/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VHOST_MESSAGES_H
#define STRAIT_VHOST_MESSAGES_H

#include <linux/virtio_config.h>

#include "vhost/session.h"

/* What is wrong with a message's form, as in "request 7 has ..."; NULL: nothing. Its contents are another matter. */
const char *vhost_message_problem(const struct vhost_msg *msg);

/* Which vrings a message touches: they are stopped before it is carried out. */
enum vhost_touches {
	VHOST_TOUCHES_NONE,
	VHOST_TOUCHES_ONE, /* the vring that it names */
	VHOST_TOUCHES_ALL,
};

enum vhost_touches vhost_message_touches(const struct vhost_msg *msg);

/* The message has a reply of its own, for which need_reply changes nothing (vhost-user.rst, "REPLY_ACK"). */
bool vhost_message_replies(const struct vhost_msg *msg);

/*
 * The vring a message names, or -1 where it names none that exists. Only for
 * messages that touch one or set its call descriptor.
 */
int vhost_message_vring(const struct vhost_session *session, const struct vhost_msg *msg);

/*
 * Carry out session->msg, the vrings it touches being stopped. 1: the message
 * has become its own reply; 0: done; negative errno with err set: refused.
 */
int vhost_message_handle(struct vhost_session *session, struct error *err);

/* A queue's own copy of a vring's descriptor; -1 where that is. False, with errno, where none is left. */
bool vhost_duplicate_fd(int fd, int *copy);

/* Where the ring goes on: what SET_VRING_BASE said or the queue stopped with, or the start of a new ring. */
uint32_t vhost_vring_base(const struct vhost_session *session, const struct vhost_vring *vring);

/* Close the descriptors of all vrings, which are stopped. */
void vhost_vrings_close(struct vhost_session *session);

/* A number that was not given out before, for session->memory_version. */
uint64_t vhost_memory_version(void);

/* Unmap all guest memory. No queue runs. */
void vhost_memory_clear(struct vhost_session *session);

/*
 * Whether a vring may start as far as dirty logging goes. Not while what it is
 * to log has no place in a log: no write may go unseen. Said once.
 */
bool vhost_log_ready(struct vhost_session *session, const struct vhost_vring *vring);

/* The log, if it is on, as a queue of this vring is to have it. */
void vhost_log_setup(struct vhost_session *session, const struct vhost_vring *vring, struct virtq_setup *ring);

/* Forget the log, but not whom to tell of it. No queue runs. */
void vhost_log_forget(struct vhost_session *session);

/* Forget all of it. No queue runs. */
void vhost_log_clear(struct vhost_session *session);

/*
 * Where vring index has to note what is in flight; area->at is NULL where the
 * front end has given no place. -EINVAL with err set where what it has given
 * has no room for the vring.
 */
int vhost_inflight_area(const struct vhost_session *session, uint32_t index, bool packed, struct inflight_area *area,
			struct error *err);

/* Forget the in-flight region. No queue runs. */
void vhost_inflight_clear(struct vhost_session *session);

/* What vhost_session offers of the protocol. */
#define VHOST_PROTOCOL_FEATURES                                                                                        \
	(1ull << VHOST_PROTOCOL_F_MQ | 1ull << VHOST_PROTOCOL_F_LOG_SHMFD | 1ull << VHOST_PROTOCOL_F_REPLY_ACK |       \
	 1ull << VHOST_PROTOCOL_F_BACKEND_REQ | 1ull << VHOST_PROTOCOL_F_CONFIG |                                      \
	 1ull << VHOST_PROTOCOL_F_INFLIGHT_SHMFD | 1ull << VHOST_PROTOCOL_F_RESET_DEVICE |                             \
	 1ull << VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS | 1ull << VHOST_PROTOCOL_F_STATUS)

static inline bool vhost_has_feature(const struct vhost_session *session, unsigned bit)
{
	return session->features >> bit & 1;
}

static inline bool vhost_has_protocol_feature(const struct vhost_session *session, enum vhost_protocol_feature bit)
{
	return session->protocol_features >> bit & 1;
}

#endif
