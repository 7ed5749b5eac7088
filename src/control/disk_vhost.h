/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DISK_VHOST_H
#define STRAIT_CONTROL_DISK_VHOST_H

#include "control/disk.h"

/* What a vhost session asks of its device, answered by a disk (struct disk *device). */
extern const struct vhost_ops disk_vhost_ops;

/* A queue that was to stop has stopped. */
void disk_queue_stopped(struct disk *disk, const struct queue *queue);

#endif
