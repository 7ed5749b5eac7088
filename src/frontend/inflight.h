/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_FRONTEND_INFLIGHT_H
#define STRAIT_FRONTEND_INFLIGHT_H

#include "frontend/device.h"

/*
 * The in-flight region (vhost-user.rst, "Inflight I/O tracking"): memory that a
 * back end makes and the front end keeps, so that after a crash the next back
 * end finds what the last one had in flight. Its contents are theirs alone.
 */
struct driver_inflight {
	int fd; /* -1: there is none yet */
	struct vhost_inflight_msg as;
};

static inline void driver_inflight_init(struct driver_inflight *inflight)
{
	inflight->fd = -1;
}

/* Where the device is reset, or is to be another one. */
void driver_inflight_close(struct driver_inflight *inflight);

/*
 * Before the first queue starts: have a region made, where there is none yet,
 * for so many queues of this size, and give it to the back end. Does nothing
 * where the back end has not negotiated INFLIGHT_SHMFD. 0, or an error of
 * channel.h.
 */
int driver_inflight_share(struct driver_inflight *inflight, struct driver_device *device, unsigned queues,
			  unsigned queue_size, struct error *err);

#endif
