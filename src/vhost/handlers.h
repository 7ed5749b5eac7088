/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VHOST_HANDLERS_H
#define STRAIT_VHOST_HANDLERS_H

#include "vhost/session.h"

/*
 * The handlers of messages that messages.c has in its table but not in its
 * file. Each carries out session->msg, the vrings it touches being stopped: 1
 * where the message has become its own reply, with which session->reply_fd
 * goes, 0 where it is done, a negative errno with err set where it is refused.
 * Nothing but messages*.c includes this.
 */

/* messages_vring.c; the vring that these name exists. */
int vhost_set_vring_num(struct vhost_session *session, struct error *err);
int vhost_set_vring_addr(struct vhost_session *session, struct error *err);
int vhost_set_vring_base(struct vhost_session *session, struct error *err);
int vhost_get_vring_base(struct vhost_session *session, struct error *err);
int vhost_set_vring_kick(struct vhost_session *session, struct error *err);
int vhost_set_vring_call(struct vhost_session *session, struct error *err);
int vhost_set_vring_err(struct vhost_session *session, struct error *err);
int vhost_set_vring_enable(struct vhost_session *session, struct error *err);

/* Whether a ring of the layout that was negotiated can have so many entries. */
bool vhost_vring_size_fits(const struct vhost_session *session, uint32_t size);

/* log.c */
int vhost_set_log_base(struct vhost_session *session, struct error *err);
int vhost_set_log_fd(struct vhost_session *session, struct error *err);
int vhost_refuse_postcopy(struct vhost_session *session, struct error *err);
int vhost_refuse_device_state(struct vhost_session *session, struct error *err);

/* inflight.c */
int vhost_get_inflight_fd(struct vhost_session *session, struct error *err);
int vhost_set_inflight_fd(struct vhost_session *session, struct error *err);

/* Close *fd, unless it is -1, and put another one in its place. */
void vhost_replace_fd(int *fd, int with);

#endif
