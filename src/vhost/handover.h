/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VHOST_HANDOVER_H
#define STRAIT_VHOST_HANDOVER_H

#include "base/error.h"
#include "base/parcel.h"
#include "vhost/session.h"

/*
 * A session changes over to another process. What it has become is told in the
 * words in which it was set up: the messages (QEMU docs/interop/vhost-user.rst)
 * that a front end would send to get there, several in a parcel. So the
 * successor checks and carries them out as it does a front end's, whatever its
 * version, and refuses what it does not support. Control thread.
 *
 * The memory of a running session may be handed over ahead, so that the pause
 * is short; memory_version tells whether it is still that.
 */

/* The session's memory; it replaces what the other side has. 0 or the errno of parcel_send(). */
int vhost_handover_send_memory(const struct vhost_session *session, int socket, uint32_t kind);

/*
 * All else but its socket, in the place of what was told before: features,
 * vrings and, where the session is paused, what is half read of a message. Of
 * one that runs it says what can be tried beforehand; both may be sent, one
 * after the other.
 */
int vhost_handover_send_state(const struct vhost_session *session, int socket, uint32_t kind);

/* A paused session without a socket, to be filled from parcels. NULL when out of memory. */
struct vhost_session *vhost_handover_new(const char *name, const struct vhost_ops *ops, void *device);

/*
 * Carry out what a parcel tells; whatever its descriptors are, they are seen
 * to. Negative errno with err set: the session can only be freed.
 */
int vhost_handover_receive(struct vhost_session *session, struct parcel *parcel, struct error *err);

#endif
