/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/device.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <unistd.h>

int driver_device_set_memory(struct driver_device *device, const struct driver_memory *memory, struct error *err)
{
	struct vhost_msg msg;
	int ret;

	if (memory->region_count > device->memory_slots)
		return error_set(err, -ENOTSUP, "%s: the back end takes %u memory regions, %u are needed",
				 device->channel.path, device->memory_slots, memory->region_count);
	device->memory = memory;
	if (driver_device_has_protocol(device, VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS)) {
		for (unsigned i = 0; i < memory->region_count; i++) {
			driver_msg_init(&msg, VHOST_ADD_MEM_REG, sizeof(msg.payload.region));
			driver_memory_describe(memory, i, &msg.payload.region.region);
			msg.fds[msg.fd_count++] = memory->fd;
			ret = driver_channel_command(&device->channel, &msg, err);
			if (ret < 0)
				return ret;
		}
		return 0;
	}
	driver_msg_init(&msg, VHOST_SET_MEM_TABLE,
			(uint32_t)(offsetof(struct vhost_memory_msg, region) +
				   memory->region_count * sizeof(struct vhost_region_msg)));
	msg.payload.memory.count = memory->region_count;
	for (unsigned i = 0; i < memory->region_count; i++) {
		struct vhost_region_msg region;

		driver_memory_describe(memory, i, &region);
		msg.payload.memory.region[i] = region;
		msg.fds[msg.fd_count++] = memory->fd;
	}
	return driver_channel_command(&device->channel, &msg, err);
}

static int set_vring_state(struct driver_device *device, uint32_t request, unsigned index, uint32_t value,
			   struct error *err)
{
	struct vhost_msg msg;

	driver_msg_init(&msg, request, sizeof(msg.payload.state));
	msg.payload.state.index = index;
	msg.payload.state.num = value;
	return driver_channel_command(&device->channel, &msg, err);
}

static int set_vring_addr(struct driver_device *device, const struct driver_queue *queue, struct error *err)
{
	struct vhost_msg msg;

	driver_msg_init(&msg, VHOST_SET_VRING_ADDR, sizeof(msg.payload.addr));
	msg.payload.addr.index = queue->index;
	msg.payload.addr.desc_user = driver_memory_user(device->memory, queue->ring->descriptor_area);
	msg.payload.addr.avail_user = driver_memory_user(device->memory, queue->ring->driver_area);
	msg.payload.addr.used_user = driver_memory_user(device->memory, queue->ring->device_area);
	return driver_channel_command(&device->channel, &msg, err);
}

static int set_vring_fd(struct driver_device *device, uint32_t request, unsigned index, int fd, struct error *err)
{
	struct vhost_msg msg;

	driver_msg_init(&msg, request, sizeof(msg.payload.u64));
	msg.payload.u64 = index & VHOST_VRING_INDEX_MASK;
	msg.fds[msg.fd_count++] = fd;
	return driver_channel_command(&device->channel, &msg, err);
}

int driver_device_start_queue(struct driver_device *device, struct driver_queue *queue, uint32_t base,
			      struct error *err)
{
	const unsigned index = queue->index;
	int ret = set_vring_state(device, VHOST_SET_VRING_NUM, index, queue->ring->size, err);

	if (!ret)
		ret = set_vring_state(device, VHOST_SET_VRING_BASE, index, base, err);
	if (!ret)
		ret = set_vring_addr(device, queue, err);
	if (!ret)
		ret = set_vring_fd(device, VHOST_SET_VRING_ERR, index, queue->err_fd, err);
	if (!ret)
		ret = set_vring_fd(device, VHOST_SET_VRING_CALL, index, queue->call_fd, err);
	/* The kick descriptor starts the ring ("Ring states"), so it comes when all else is known. */
	if (!ret)
		ret = set_vring_fd(device, VHOST_SET_VRING_KICK, index, queue->kick_fd, err);
	/* Without protocol features rings start enabled ("Ring states"). */
	if (!ret && driver_device_has(device, VHOST_USER_F_PROTOCOL_FEATURES))
		ret = set_vring_state(device, VHOST_SET_VRING_ENABLE, index, 1, err);
	if (ret < 0)
		return ret;
	queue->started = true;
	queue->base = base;
	/* What was in the ring before was kicked for at the device's predecessor. */
	if (queue->ring->in_flight && !driver_device_has_protocol(device, VHOST_PROTOCOL_F_INFLIGHT_SHMFD))
		driver_queue_kick(queue);
	return 0;
}

uint32_t driver_device_lost_base(const struct driver_device *device, const struct driver_queue *queue)
{
	const struct vring_used *used = queue->ring->device_area;

	if (driver_device_has(device, VIRTIO_F_RING_PACKED))
		return queue->base;
	return __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
}

int driver_device_ready(struct driver_device *device, struct error *err)
{
	if (!driver_device_has_protocol(device, VHOST_PROTOCOL_F_STATUS))
		return 0;
	return driver_channel_set_u64(&device->channel, VHOST_SET_STATUS,
				      DRIVER_STATUS_ACKNOWLEDGE | DRIVER_STATUS_DRIVER | DRIVER_STATUS_FEATURES_OK |
					      DRIVER_STATUS_DRIVER_OK,
				      err);
}

int driver_device_stop_queue(struct driver_device *device, struct driver_queue *queue, uint32_t *base,
			     struct error *err)
{
	struct vhost_msg msg;
	int ret;

	driver_msg_init(&msg, VHOST_GET_VRING_BASE, sizeof(msg.payload.state));
	msg.payload.state.index = queue->index;
	ret = driver_channel_query(&device->channel, &msg, err);
	if (ret < 0)
		return ret;
	vhost_msg_close_fds(&msg);
	if (msg.header.size != sizeof(msg.payload.state) || msg.payload.state.index != queue->index)
		return error_set(err, -EPROTO, "%s: GET_VRING_BASE of queue %u was answered with %u bytes for queue %u",
				 device->channel.path, queue->index, msg.header.size, msg.payload.state.index);
	queue->started = false;
	*base = msg.payload.state.num;
	return 0;
}

void driver_device_abandon(struct driver_device *device)
{
	driver_channel_close(&device->channel);
	if (device->backend_fd >= 0) {
		vhost_reader_free(&device->backend_reader);
		close(device->backend_fd);
		device->backend_fd = -1;
	}
}

void driver_device_disconnect(struct driver_device *device)
{
	/* Nobody is left to tell if this fails. */
	if (device->channel.fd >= 0 && driver_device_has_protocol(device, VHOST_PROTOCOL_F_STATUS) &&
	    driver_channel_alive(&device->channel))
		driver_channel_set_u64(&device->channel, VHOST_SET_STATUS, 0, NULL);
	driver_device_abandon(device);
}

/* Answer a message of the back end that asks for it. */
static int acknowledge(struct driver_device *device, const struct vhost_msg *msg)
{
	struct vhost_msg reply;

	driver_msg_init(&reply, msg->header.request, sizeof(reply.payload.u64));
	reply.header.flags |= VHOST_FLAG_REPLY;
	return vhost_send(device->backend_fd, &reply);
}

int driver_device_poll_backend(struct driver_device *device, struct error *err)
{
	struct vhost_msg msg;
	int ret = 0;

	while (device->backend_fd >= 0 && ret == 0) {
		const int got = vhost_recv(device->backend_fd, &device->backend_reader, &msg);

		if (got == 0 || got == -ECONNRESET)
			break;
		if (got < 0)
			return error_set(err, got, "%s: a broken message on the back end's own channel: %s",
					 device->channel.path, strerror(-got));
		vhost_msg_close_fds(&msg);
		if (msg.header.request == VHOST_BACKEND_CONFIG_CHANGE_MSG) {
			device->config_changes++;
			ret = driver_device_read_config(device, err);
		}
		if (ret == 0 && msg.header.flags & VHOST_FLAG_NEED_REPLY)
			ret = acknowledge(device, &msg);
	}
	return ret;
}
