/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VHOST_CODEC_H
#define STRAIT_VHOST_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The vhost-user wire format (QEMU docs/interop/vhost-user.rst, "Message
 * Specification"), used by the back end and by our own front end. All fields
 * are in the host's byte order; structures are packed as sent.
 */

#define VHOST_MSG_MAX_FDS     8
#define VHOST_MSG_MAX_REGIONS 8
#define VHOST_MAX_CONFIG_SIZE 256

enum vhost_request {
	VHOST_GET_FEATURES = 1,
	VHOST_SET_FEATURES = 2,
	VHOST_SET_OWNER = 3,
	VHOST_RESET_OWNER = 4,
	VHOST_SET_MEM_TABLE = 5,
	VHOST_SET_LOG_BASE = 6,
	VHOST_SET_LOG_FD = 7,
	VHOST_SET_VRING_NUM = 8,
	VHOST_SET_VRING_ADDR = 9,
	VHOST_SET_VRING_BASE = 10,
	VHOST_GET_VRING_BASE = 11,
	VHOST_SET_VRING_KICK = 12,
	VHOST_SET_VRING_CALL = 13,
	VHOST_SET_VRING_ERR = 14,
	VHOST_GET_PROTOCOL_FEATURES = 15,
	VHOST_SET_PROTOCOL_FEATURES = 16,
	VHOST_GET_QUEUE_NUM = 17,
	VHOST_SET_VRING_ENABLE = 18,
	VHOST_SET_BACKEND_REQ_FD = 21,
	VHOST_GET_CONFIG = 24,
	VHOST_SET_CONFIG = 25,
	VHOST_POSTCOPY_ADVISE = 28,
	VHOST_POSTCOPY_LISTEN = 29,
	VHOST_POSTCOPY_END = 30,
	VHOST_GET_INFLIGHT_FD = 31,
	VHOST_SET_INFLIGHT_FD = 32,
	VHOST_RESET_DEVICE = 34,
	VHOST_GET_MAX_MEM_SLOTS = 36,
	VHOST_ADD_MEM_REG = 37,
	VHOST_REM_MEM_REG = 38,
	VHOST_SET_STATUS = 39,
	VHOST_GET_STATUS = 40,
	VHOST_SET_DEVICE_STATE_FD = 42,
	VHOST_CHECK_DEVICE_STATE = 43,
	VHOST_REQUEST_COUNT = 45,
};

/* Back end to front end, on the channel of SET_BACKEND_REQ_FD. */
enum vhost_backend_request {
	VHOST_BACKEND_CONFIG_CHANGE_MSG = 2,
};

enum vhost_protocol_feature {
	VHOST_PROTOCOL_F_MQ = 0,
	VHOST_PROTOCOL_F_LOG_SHMFD = 1,
	VHOST_PROTOCOL_F_REPLY_ACK = 3,
	VHOST_PROTOCOL_F_BACKEND_REQ = 5,
	VHOST_PROTOCOL_F_CONFIG = 9,
	VHOST_PROTOCOL_F_INFLIGHT_SHMFD = 12,
	VHOST_PROTOCOL_F_RESET_DEVICE = 13,
	VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
	VHOST_PROTOCOL_F_STATUS = 16,
};

/* Bits of the virtio features that are the protocol's. */
#define VHOST_USER_F_LOG_ALL           26
#define VHOST_USER_F_PROTOCOL_FEATURES 30

#define VHOST_FLAG_VERSION_MASK 0x3u
#define VHOST_FLAG_VERSION      0x1u
#define VHOST_FLAG_REPLY        (1u << 2)
#define VHOST_FLAG_NEED_REPLY   (1u << 3)

#define VHOST_VRING_INDEX_MASK 0xffu
#define VHOST_VRING_NOFD       (1u << 8)

#define VHOST_VRING_LOG (1u << 0) /* vhost_vring_addr_msg.flags */

struct vhost_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
} __attribute__((packed));

struct vhost_vring_state_msg {
	uint32_t index;
	uint32_t num;
} __attribute__((packed));

struct vhost_vring_addr_msg {
	uint32_t index;
	uint32_t flags;
	uint64_t desc_user; /* addresses of the front end's process */
	uint64_t used_user;
	uint64_t avail_user;
	uint64_t log_guest;
} __attribute__((packed));

struct vhost_log_msg {
	uint64_t size;   /* bytes */
	uint64_t offset; /* in the file */
} __attribute__((packed));

struct vhost_region_msg {
	uint64_t guest_address;
	uint64_t size;
	uint64_t user_address;
	uint64_t mmap_offset;
} __attribute__((packed));

struct vhost_memory_msg {
	uint32_t count;
	uint32_t padding;
	struct vhost_region_msg region[VHOST_MSG_MAX_REGIONS];
} __attribute__((packed));

struct vhost_single_region_msg {
	uint64_t padding;
	struct vhost_region_msg region;
} __attribute__((packed));

struct vhost_config_msg {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VHOST_MAX_CONFIG_SIZE];
} __attribute__((packed));

struct vhost_inflight_msg {
	uint64_t mmap_size;
	uint64_t mmap_offset;
	uint16_t num_queues;
	uint16_t queue_size;
	uint32_t padding; /* not sent by all: QEMU sends its struct as it lies in memory */
} __attribute__((packed));

#define VHOST_INFLIGHT_MIN_SIZE offsetof(struct vhost_inflight_msg, padding)

#define VHOST_CONFIG_HEADER_SIZE offsetof(struct vhost_config_msg, data)

union vhost_payload {
	uint64_t u64;
	struct vhost_vring_state_msg state;
	struct vhost_vring_addr_msg addr;
	struct vhost_log_msg log;
	struct vhost_memory_msg memory;
	struct vhost_single_region_msg region;
	struct vhost_config_msg config;
	struct vhost_inflight_msg inflight;
} __attribute__((packed));

struct vhost_msg {
	struct vhost_header header;
	union vhost_payload payload;
	int fds[VHOST_MSG_MAX_FDS]; /* owned by whoever holds the message; -1 once taken */
	unsigned fd_count;
};

/*
 * The message table: what a front end may send and what comes with it.
 * fds_max counts what is accepted; surplus descriptors are an error.
 */
struct vhost_msg_rule {
	const char *name; /* NULL: no such request, or one we do not know */
	uint16_t size_min, size_max;
	uint8_t fds_max;
};

/* Never NULL; rule->name is NULL for unknown requests. */
const struct vhost_msg_rule *vhost_msg_rule(uint32_t request);

/* Close and forget the descriptors that msg still owns. */
void vhost_msg_close_fds(struct vhost_msg *msg);

/* Take descriptor i out of the message; -1 where there is none. The caller owns it then. */
int vhost_msg_take_fd(struct vhost_msg *msg, unsigned i);

/*
 * Receive one message from a stream socket that may be non-blocking. reader
 * keeps what has arrived of an incomplete one. 1: *msg is complete, its
 * descriptors are the caller's; 0: more has to arrive (EAGAIN); -ECONNRESET:
 * the peer closed; other negative errno: the stream is unusable, -EPROTO with
 * a reason in reader->reason. A payload longer than any message has is
 * refused before it is read.
 */
struct vhost_reader {
	struct vhost_msg msg;
	size_t received; /* of header and payload together */
	const char *reason;
};

void vhost_reader_init(struct vhost_reader *reader);
void vhost_reader_free(struct vhost_reader *reader);
int vhost_recv(int socket, struct vhost_reader *reader, struct vhost_msg *msg);

/*
 * Send header and payload (msg->header.size says how much) with msg's
 * descriptors, which stay the caller's. 0, or a negative errno: -EAGAIN where
 * the peer does not read and nothing was sent, anything else ends the stream.
 */
int vhost_send(int socket, const struct vhost_msg *msg);

#endif
