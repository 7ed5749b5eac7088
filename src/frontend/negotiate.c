/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/device.h"

#define BIT(n) ((uint64_t)1 << (n))

const uint64_t driver_known_features =
	BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_RING_F_EVENT_IDX) |
	BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(VIRTIO_BLK_F_SIZE_MAX) |
	BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_RO) | BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_FLUSH) |
	BIT(VIRTIO_BLK_F_TOPOLOGY) | BIT(VIRTIO_BLK_F_CONFIG_WCE) | BIT(VIRTIO_BLK_F_MQ) | BIT(VIRTIO_BLK_F_DISCARD) |
	BIT(VIRTIO_BLK_F_WRITE_ZEROES);

const uint64_t driver_known_protocol_features =
	BIT(VHOST_PROTOCOL_F_MQ) | BIT(VHOST_PROTOCOL_F_REPLY_ACK) | BIT(VHOST_PROTOCOL_F_BACKEND_REQ) |
	BIT(VHOST_PROTOCOL_F_CONFIG) | BIT(VHOST_PROTOCOL_F_INFLIGHT_SHMFD) |
	BIT(VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS) | BIT(VHOST_PROTOCOL_F_STATUS);

/* What follows (secure erase) is unknown to older back ends, which refuse to be asked for it. */
#define CONFIG_SIZE offsetof(struct virtio_blk_config, max_secure_erase_sectors)

static int negotiate_protocol(struct driver_device *device, struct error *err)
{
	struct driver_channel *channel = &device->channel;
	int ret;

	if (!(device->offered_features & device->wishes.features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		return 0;
	ret = driver_channel_get_u64(channel, VHOST_GET_PROTOCOL_FEATURES, &device->offered_protocol_features, err);
	if (ret < 0)
		return ret;
	device->protocol_features =
		device->offered_protocol_features & device->wishes.protocol_features & driver_known_protocol_features;
	ret = driver_channel_set_u64(channel, VHOST_SET_PROTOCOL_FEATURES, device->protocol_features, err);
	if (ret < 0)
		return ret;
	channel->reply_ack = driver_device_has_protocol(device, VHOST_PROTOCOL_F_REPLY_ACK);
	return 0;
}

/* Limits that are asked for rather than negotiated. */
static int read_limits(struct driver_device *device, struct error *err)
{
	uint64_t value;
	int ret;

	device->queues_offered = 1;
	device->memory_slots = VHOST_MSG_MAX_REGIONS;
	if (driver_device_has_protocol(device, VHOST_PROTOCOL_F_MQ)) {
		ret = driver_channel_get_u64(&device->channel, VHOST_GET_QUEUE_NUM, &value, err);
		if (ret < 0)
			return ret;
		device->queues_offered = value > VHOST_VRING_INDEX_MASK ? VHOST_VRING_INDEX_MASK : (unsigned)value;
	}
	if (driver_device_has_protocol(device, VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS)) {
		ret = driver_channel_get_u64(&device->channel, VHOST_GET_MAX_MEM_SLOTS, &value, err);
		if (ret < 0)
			return ret;
		device->memory_slots = value > UINT16_MAX ? UINT16_MAX : (unsigned)value;
	}
	return 0;
}

/* A channel on which the back end may tell of changes: its end goes with the message. */
static int open_backend_channel(struct driver_device *device, struct error *err)
{
	struct vhost_msg msg;
	int pair[2], ret;

	if (!driver_device_has_protocol(device, VHOST_PROTOCOL_F_BACKEND_REQ))
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, -errno, "cannot create a socket pair: %s", strerror(errno));
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	device->backend_fd = pair[0];
	vhost_reader_init(&device->backend_reader);
	driver_msg_init(&msg, VHOST_SET_BACKEND_REQ_FD, 0);
	msg.fds[msg.fd_count++] = pair[1];
	ret = driver_channel_command(&device->channel, &msg, err);
	close(pair[1]);
	return ret;
}

/* Forget the fields that no accepted feature vouches for. */
static void clear_unnegotiated(struct driver_device *device)
{
	struct virtio_blk_config *config = &device->config;

	if (!driver_device_has(device, VIRTIO_BLK_F_SIZE_MAX))
		config->size_max = 0;
	if (!driver_device_has(device, VIRTIO_BLK_F_SEG_MAX))
		config->seg_max = 0;
	if (!driver_device_has(device, VIRTIO_BLK_F_BLK_SIZE))
		config->blk_size = 0;
	if (!driver_device_has(device, VIRTIO_BLK_F_MQ))
		config->num_queues = 0;
	if (!driver_device_has(device, VIRTIO_BLK_F_DISCARD))
		config->max_discard_sectors = config->max_discard_seg = config->discard_sector_alignment = 0;
	if (!driver_device_has(device, VIRTIO_BLK_F_WRITE_ZEROES)) {
		config->max_write_zeroes_sectors = config->max_write_zeroes_seg = 0;
		config->write_zeroes_may_unmap = 0;
	}
}

int driver_device_read_config(struct driver_device *device, struct error *err)
{
	struct vhost_msg msg;
	int ret;

	driver_msg_init(&msg, VHOST_GET_CONFIG, VHOST_CONFIG_HEADER_SIZE + CONFIG_SIZE);
	msg.payload.config.size = CONFIG_SIZE;
	ret = driver_channel_query(&device->channel, &msg, err);
	if (ret < 0)
		return ret;
	vhost_msg_close_fds(&msg);
	if (msg.header.size != VHOST_CONFIG_HEADER_SIZE + CONFIG_SIZE || msg.payload.config.size != CONFIG_SIZE)
		return error_set(err, -EPROTO, "%s: GET_CONFIG of %zu bytes was answered with %u (is it a disk?)",
				 device->channel.path, CONFIG_SIZE, msg.header.size);
	memset(&device->config, 0, sizeof(device->config));
	memcpy(&device->config, msg.payload.config.data, CONFIG_SIZE);
	clear_unnegotiated(device);
	return 0;
}

static int set_status(struct driver_device *device, uint64_t status, struct error *err)
{
	if (!driver_device_has_protocol(device, VHOST_PROTOCOL_F_STATUS))
		return 0;
	return driver_channel_set_u64(&device->channel, VHOST_SET_STATUS, status, err);
}

/* The device may still say no (virtio 1.2 section 3.1.1, step 6). */
static int settle_features(struct driver_device *device, struct error *err)
{
	const uint64_t status = DRIVER_STATUS_ACKNOWLEDGE | DRIVER_STATUS_DRIVER | DRIVER_STATUS_FEATURES_OK;
	uint64_t seen;
	int ret;

	ret = driver_channel_set_u64(&device->channel, VHOST_SET_FEATURES, device->features, err);
	if (ret < 0 || !driver_device_has_protocol(device, VHOST_PROTOCOL_F_STATUS))
		return ret;
	ret = set_status(device, status, err);
	if (!ret)
		ret = driver_channel_get_u64(&device->channel, VHOST_GET_STATUS, &seen, err);
	if (!ret && !(seen & DRIVER_STATUS_FEATURES_OK))
		ret = error_set(err, -ENOTSUP, "%s: the back end does not accept the features %#llx",
				device->channel.path, (unsigned long long)device->features);
	return ret;
}

static int negotiate(struct driver_device *device, struct error *err)
{
	struct driver_channel *channel = &device->channel;
	int ret = driver_channel_get_u64(channel, VHOST_GET_FEATURES, &device->offered_features, err);

	if (ret < 0)
		return ret;
	device->features = device->offered_features & device->wishes.features & driver_known_features;
	if (!driver_device_has(device, VIRTIO_F_VERSION_1))
		return error_set(err, -ENOTSUP, "%s: the back end does not offer VIRTIO_F_VERSION_1", channel->path);
	ret = negotiate_protocol(device, err);
	if (!ret && !driver_device_has_protocol(device, VHOST_PROTOCOL_F_CONFIG))
		ret = error_set(err, -ENOTSUP,
				"%s: the back end does not offer its config space (protocol feature CONFIG): "
				"the capacity of the disk cannot be known",
				channel->path);
	if (!ret)
		ret = read_limits(device, err);
	if (!ret) {
		struct vhost_msg msg;

		driver_msg_init(&msg, VHOST_SET_OWNER, 0);
		ret = driver_channel_command(channel, &msg, err);
	}
	if (!ret)
		ret = open_backend_channel(device, err);
	if (!ret)
		ret = set_status(device, DRIVER_STATUS_ACKNOWLEDGE | DRIVER_STATUS_DRIVER, err);
	if (!ret)
		ret = settle_features(device, err);
	if (!ret)
		ret = driver_device_read_config(device, err);
	if (ret < 0)
		return ret;
	/* The disk's own word counts as well (virtio 1.2 section 5.2.4, num_queues). */
	if (!driver_device_has(device, VIRTIO_BLK_F_MQ))
		device->queues_offered = 1;
	else if (device->config.num_queues < device->queues_offered)
		device->queues_offered = device->config.num_queues;
	return 0;
}

int driver_device_adopt(struct driver_device *device, int fd, const char *name, const struct driver_wishes *wishes,
			struct error *err)
{
	int ret;

	memset(device, 0, sizeof(*device));
	device->wishes = *wishes;
	device->backend_fd = -1;
	driver_channel_adopt(&device->channel, fd, name, wishes->timeout_ms);
	ret = negotiate(device, err);
	if (ret < 0)
		driver_device_abandon(device);
	return ret;
}

int driver_device_connect(struct driver_device *device, const char *path, const struct driver_wishes *wishes,
			  struct error *err)
{
	struct driver_channel channel;
	int ret;

	ret = driver_channel_connect(&channel, path, wishes->timeout_ms, err);
	if (ret < 0) {
		memset(device, 0, sizeof(*device));
		device->channel.fd = device->backend_fd = -1;
		return ret;
	}
	return driver_device_adopt(device, channel.fd, path, wishes, err);
}
