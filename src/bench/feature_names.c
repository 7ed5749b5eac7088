/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/feature_names.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stddef.h>

#include "vhost/codec.h"

static const char *const features[64] = {
	[VIRTIO_BLK_F_SIZE_MAX] = "VIRTIO_BLK_F_SIZE_MAX",
	[VIRTIO_BLK_F_SEG_MAX] = "VIRTIO_BLK_F_SEG_MAX",
	[VIRTIO_BLK_F_RO] = "VIRTIO_BLK_F_RO",
	[VIRTIO_BLK_F_BLK_SIZE] = "VIRTIO_BLK_F_BLK_SIZE",
	[VIRTIO_BLK_F_FLUSH] = "VIRTIO_BLK_F_FLUSH",
	[VIRTIO_BLK_F_TOPOLOGY] = "VIRTIO_BLK_F_TOPOLOGY",
	[VIRTIO_BLK_F_CONFIG_WCE] = "VIRTIO_BLK_F_CONFIG_WCE",
	[VIRTIO_BLK_F_MQ] = "VIRTIO_BLK_F_MQ",
	[VIRTIO_BLK_F_DISCARD] = "VIRTIO_BLK_F_DISCARD",
	[VIRTIO_BLK_F_WRITE_ZEROES] = "VIRTIO_BLK_F_WRITE_ZEROES",
	[VIRTIO_RING_F_INDIRECT_DESC] = "VIRTIO_F_INDIRECT_DESC",
	[VIRTIO_RING_F_EVENT_IDX] = "VIRTIO_F_EVENT_IDX",
	[VHOST_USER_F_PROTOCOL_FEATURES] = "VHOST_USER_F_PROTOCOL_FEATURES",
	[VIRTIO_F_VERSION_1] = "VIRTIO_F_VERSION_1",
	[VIRTIO_F_RING_PACKED] = "VIRTIO_F_RING_PACKED",
};

static const char *const protocol_features[64] = {
	[VHOST_PROTOCOL_F_MQ] = "MQ",
	[VHOST_PROTOCOL_F_LOG_SHMFD] = "LOG_SHMFD",
	[VHOST_PROTOCOL_F_REPLY_ACK] = "REPLY_ACK",
	[VHOST_PROTOCOL_F_BACKEND_REQ] = "BACKEND_REQ",
	[VHOST_PROTOCOL_F_CONFIG] = "CONFIG",
	[VHOST_PROTOCOL_F_INFLIGHT_SHMFD] = "INFLIGHT_SHMFD",
	[VHOST_PROTOCOL_F_RESET_DEVICE] = "RESET_DEVICE",
	[VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS] = "CONFIGURE_MEM_SLOTS",
	[VHOST_PROTOCOL_F_STATUS] = "STATUS",
};

const char *bench_feature_name(unsigned bit)
{
	return bit < 64 ? features[bit] : NULL;
}

const char *bench_protocol_feature_name(unsigned bit)
{
	return bit < 64 ? protocol_features[bit] : NULL;
}
