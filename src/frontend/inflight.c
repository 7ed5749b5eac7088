/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/inflight.h"

#include <errno.h>
#include <unistd.h>

void driver_inflight_close(struct driver_inflight *inflight)
{
	if (inflight->fd >= 0)
		close(inflight->fd);
	inflight->fd = -1;
}

static int get_region(struct driver_inflight *inflight, struct driver_device *device, unsigned queues,
		      unsigned queue_size, struct error *err)
{
	struct vhost_msg msg;
	int ret;

	driver_msg_init(&msg, VHOST_GET_INFLIGHT_FD, sizeof(msg.payload.inflight));
	msg.payload.inflight.num_queues = (uint16_t)queues;
	msg.payload.inflight.queue_size = (uint16_t)queue_size;
	ret = driver_channel_query(&device->channel, &msg, err);
	if (ret < 0)
		return ret;
	if (msg.header.size < VHOST_INFLIGHT_MIN_SIZE || msg.fd_count != 1 || !msg.payload.inflight.mmap_size) {
		ret = error_set(err, -EPROTO,
				"%s: GET_INFLIGHT_FD was answered with %u bytes and %u descriptors for a region of "
				"%llu bytes",
				device->channel.path, msg.header.size, msg.fd_count,
				(unsigned long long)msg.payload.inflight.mmap_size);
		vhost_msg_close_fds(&msg);
		return ret;
	}
	inflight->fd = vhost_msg_take_fd(&msg, 0);
	inflight->as = msg.payload.inflight;
	inflight->as.num_queues = (uint16_t)queues;
	inflight->as.queue_size = (uint16_t)queue_size;
	return 0;
}

int driver_inflight_share(struct driver_inflight *inflight, struct driver_device *device, unsigned queues,
			  unsigned queue_size, struct error *err)
{
	struct vhost_msg msg;
	int ret = 0;

	if (!driver_device_has_protocol(device, VHOST_PROTOCOL_F_INFLIGHT_SHMFD))
		return 0;
	if (inflight->fd < 0)
		ret = get_region(inflight, device, queues, queue_size, err);
	if (ret < 0)
		return ret;
	driver_msg_init(&msg, VHOST_SET_INFLIGHT_FD, sizeof(msg.payload.inflight));
	msg.payload.inflight = inflight->as;
	msg.fds[msg.fd_count++] = inflight->fd;
	return driver_channel_command(&device->channel, &msg, err);
}
