/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/log.h"
#include "vhost/handlers.h"
#include "vhost/memory.h"

#define PROTOCOL_BIT (1ull << VHOST_USER_F_PROTOCOL_FEATURES)

/* What the session offers itself and the device does not hear of. */
#define SESSION_BITS (PROTOCOL_BIT | 1ull << VHOST_USER_F_LOG_ALL)

static int reply_u64(struct vhost_session *session, uint64_t value)
{
	session->msg.payload.u64 = value;
	session->msg.header.size = sizeof(uint64_t);
	return 1;
}

/* Back to the state before the rings were set up, but for the call and err descriptors, which are not sent anew. */
static void reset_vrings(struct vhost_session *session)
{
	for (uint32_t i = 0; i < session->vring_count; i++) {
		struct vhost_vring *vring = &session->vring[i];

		vhost_replace_fd(&vring->kick_fd, -1);
		*vring = (struct vhost_vring){.kick_fd = -1, .call_fd = vring->call_fd, .err_fd = vring->err_fd};
	}
}

/*
 * Status 0. QEMU before 8.0 says it also when it only pauses a guest or hands
 * it over, asks for the vrings' bases afterwards, and does not say again what
 * the guest has written into the configuration space: both stay. A vring that
 * is not told its base begins anew all the same.
 */
static void stop_driver(struct vhost_session *session)
{
	for (uint32_t i = 0; i < session->vring_count; i++) {
		struct vhost_vring *vring = &session->vring[i];

		vhost_replace_fd(&vring->kick_fd, -1);
		*vring = (struct vhost_vring){.kick_fd = -1,
					      .call_fd = vring->call_fd,
					      .err_fd = vring->err_fd,
					      .base = vring->base,
					      .was_based = vring->based || vring->was_based};
	}
	vhost_inflight_clear(session);
	session->ops->all_stopped(session->device);
}

static void unmap(struct vhost_session *session, const struct memmap_region *region)
{
	session->ops->memory_changed(session->device, region->host, region->size, false);
	vhost_memory_unmap(region);
	session->memory_version = vhost_memory_version();
}

uint64_t vhost_memory_version(void)
{
	static uint64_t last;

	return ++last;
}

void vhost_memory_clear(struct vhost_session *session)
{
	for (uint32_t i = 0; i < session->memory.count; i++)
		unmap(session, &session->memory.region[i]);
	session->memory.count = 0;
}

static struct vhost_limits limits_of(const struct vhost_session *session)
{
	const struct vhost_limits none = {.memory = UINT64_MAX, .regions = MEMMAP_MAX_REGIONS};

	return session->ops->limits ? *session->ops->limits(session->device) : none;
}

/* Address space, descriptors and page tables are shared by all disks. */
static int check_limits(const struct vhost_session *session, const struct vhost_region_msg *msg, struct error *err)
{
	const struct vhost_limits limits = limits_of(session);
	uint64_t total;
	bool overflow = __builtin_add_overflow(msg->mmap_offset, msg->size, &total);

	for (uint32_t i = 0; i < session->memory.count; i++) {
		const struct memmap_region *region = &session->memory.region[i];

		overflow |= __builtin_add_overflow(total, region->offset + region->size, &total);
	}
	if (session->memory.count >= limits.regions)
		return error_set(err, -ENOSPC,
				 "more than %" PRIu32
				 " memory regions: expected at most that many (memory-regions-max)",
				 limits.regions);
	if (overflow || total > limits.memory)
		return error_set(err, -ENOSPC,
				 "memory region at 0x%" PRIx64 " of 0x%" PRIx64 " bytes: with it, files of 0x%" PRIx64
				 " bytes would be mapped: expected at most 0x%" PRIx64 " (memory-max)",
				 msg->guest_address, msg->size, overflow ? UINT64_MAX : total, limits.memory);
	return 0;
}

static int add_region(struct vhost_session *session, const struct vhost_region_msg *msg, int fd, struct error *err)
{
	struct memmap_region region;
	int ret = check_limits(session, msg, err);

	if (ret < 0)
		return ret;
	ret = vhost_memory_map(&session->memory, msg, fd, &region, err);

	if (ret < 0)
		return ret;
	session->memory_version = vhost_memory_version();
	session->ops->memory_changed(session->device, region.host, region.size, true);
	/* Rings that were not in guest memory may be now. */
	for (uint32_t i = 0; i < session->vring_count; i++)
		session->vring[i].rejected = false;
	return 0;
}

static int get_features(struct vhost_session *session, struct error *err)
{
	(void)err;
	return reply_u64(session, session->ops->features(session->device) | SESSION_BITS);
}

/* Where a ring of the other layout was means nothing in this one, and it may be of a size that this one cannot have. */
static void change_layout(struct vhost_session *session)
{
	for (uint32_t i = 0; i < session->vring_count; i++) {
		struct vhost_vring *vring = &session->vring[i];

		vring->base = 0;
		vring->based = vring->was_based = false;
		if (!vhost_vring_size_fits(session, vring->size))
			vring->size = 0;
	}
}

static int set_features(struct vhost_session *session, struct error *err)
{
	bool was_packed = vhost_has_feature(session, VIRTIO_F_RING_PACKED);
	uint64_t features = session->msg.payload.u64;
	uint64_t offered = session->ops->features(session->device) | SESSION_BITS;

	if (features & ~offered)
		return error_set(err, -EINVAL, "features 0x%" PRIx64 " were not offered (0x%" PRIx64 " were)",
				 features & ~offered, offered);
	session->features = features;
	if (vhost_has_feature(session, VIRTIO_F_RING_PACKED) != was_packed)
		change_layout(session);
	session->ops->features_set(session->device, features & ~SESSION_BITS);
	return 0;
}

static int get_protocol_features(struct vhost_session *session, struct error *err)
{
	(void)err;
	return reply_u64(session, VHOST_PROTOCOL_FEATURES);
}

static int set_protocol_features(struct vhost_session *session, struct error *err)
{
	uint64_t features = session->msg.payload.u64;

	if (features & ~VHOST_PROTOCOL_FEATURES)
		return error_set(err, -EINVAL, "protocol features 0x%" PRIx64 " were not offered",
				 features & ~(uint64_t)VHOST_PROTOCOL_FEATURES);
	session->protocol_features = features;
	/* Without what it came by it goes: a successor (handover.c) is told nothing that a front end could not say. */
	if (!vhost_has_protocol_feature(session, VHOST_PROTOCOL_F_LOG_SHMFD))
		vhost_log_forget(session);
	return 0;
}

static int nothing_to_do(struct vhost_session *session, struct error *err)
{
	(void)session;
	(void)err;
	return 0;
}

static int reset_owner(struct vhost_session *session, struct error *err)
{
	(void)err;
	for (uint32_t i = 0; i < session->vring_count; i++)
		session->vring[i].enabled = false;
	return 0;
}

static int reset_device(struct vhost_session *session, struct error *err)
{
	(void)err;
	reset_vrings(session);
	vhost_inflight_clear(session);
	session->status = 0;
	session->ops->reset(session->device);
	return 0;
}

static int set_mem_table(struct vhost_session *session, struct error *err)
{
	struct vhost_msg *msg = &session->msg;
	const struct vhost_memory_msg *table = &msg->payload.memory;
	uint32_t count = table->count;

	if (count > VHOST_MSG_MAX_REGIONS || count != msg->fd_count ||
	    msg->header.size < offsetof(struct vhost_memory_msg, region) + count * sizeof(table->region[0]))
		return error_set(err, -EPROTO,
				 "%" PRIu32 " memory regions in %" PRIu32 " bytes with %u file descriptors, expected "
				 "up to %d with a descriptor each",
				 count, msg->header.size, msg->fd_count, VHOST_MSG_MAX_REGIONS);
	vhost_memory_clear(session);
	for (uint32_t i = 0; i < count; i++) {
		int ret = add_region(session, &table->region[i], msg->fds[i], err);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static int get_max_mem_slots(struct vhost_session *session, struct error *err)
{
	(void)err;
	return reply_u64(session, limits_of(session).regions);
}

static int add_mem_reg(struct vhost_session *session, struct error *err)
{
	struct vhost_msg *msg = &session->msg;

	return add_region(session, &msg->payload.region.region, msg->fd_count ? msg->fds[0] : -1, err);
}

static int rem_mem_reg(struct vhost_session *session, struct error *err)
{
	const struct vhost_region_msg *wanted = &session->msg.payload.region.region;
	struct memmap_region region;

	if (memmap_remove(&session->memory, wanted->guest_address, wanted->size, wanted->user_address, &region) < 0)
		return error_set(err, -ENOENT, "no memory region at 0x%" PRIx64 " of 0x%" PRIx64 " bytes",
				 wanted->guest_address, wanted->size);
	unmap(session, &region);
	return 0;
}

static int get_queue_num(struct vhost_session *session, struct error *err)
{
	(void)err;
	return reply_u64(session, session->vring_count);
}

static int set_backend_req_fd(struct vhost_session *session, struct error *err)
{
	int fd = vhost_msg_take_fd(&session->msg, 0);

	if (fd < 0)
		return error_set(err, -EPROTO, "SET_BACKEND_REQ_FD came without a file descriptor");
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		close(fd);
		return error_set(err, -errno, "SET_BACKEND_REQ_FD: a descriptor that cannot be made non-blocking");
	}
	vhost_replace_fd(&session->backend_fd, fd);
	return 0;
}

static int check_config(const struct vhost_msg *msg, struct error *err)
{
	const struct vhost_config_msg *config = &msg->payload.config;

	if (config->size > VHOST_MAX_CONFIG_SIZE || msg->header.size < VHOST_CONFIG_HEADER_SIZE + config->size)
		return error_set(err, -EPROTO,
				 "%" PRIu32 " bytes of configuration in a message of %" PRIu32 ", expected up to %d",
				 config->size, msg->header.size, VHOST_MAX_CONFIG_SIZE);
	return 0;
}

static int get_config(struct vhost_session *session, struct error *err)
{
	struct vhost_config_msg *config = &session->msg.payload.config;
	int ret = check_config(&session->msg, err);

	if (ret < 0)
		return ret;
	ret = session->ops->get_config(session->device, config->offset, config->size, config->data);
	if (ret < 0) {
		if (log_may_say(&session->quota, session->name))
			log_warning("disk %s: the front end asked for bytes %" PRIu32 " to %" PRIu64
				    " of the configuration space, which has fewer",
				    session->name, config->offset, (uint64_t)config->offset + config->size);
		/* "the back-end uses zero length of payload to indicate an error" */
		session->msg.header.size = 0;
	}
	return 1;
}

static int set_config(struct vhost_session *session, struct error *err)
{
	const struct vhost_config_msg *config = &session->msg.payload.config;
	int ret = check_config(&session->msg, err);

	if (ret < 0)
		return ret;
	ret = session->ops->set_config(session->device, config->offset, config->size, config->data);
	if (ret < 0)
		return error_set(err, ret,
				 "SET_CONFIG of %" PRIu32 " bytes at offset %" PRIu32 ", which cannot be written",
				 config->size, config->offset);
	return 0;
}

static int set_status(struct vhost_session *session, struct error *err)
{
	uint64_t status = session->msg.payload.u64;

	if (status > UINT8_MAX)
		return error_set(err, -EINVAL, "device status 0x%" PRIx64 ", expected 8 bits", status);
	session->status = (uint8_t)status;
	if (status == 0)
		stop_driver(session);
	return 0;
}

static int get_status(struct vhost_session *session, struct error *err)
{
	(void)err;
	return reply_u64(session, session->status);
}

/* How the message says which vring it means. */
enum names {
	NAMES_NONE,
	NAMES_BY_STATE, /* u32 index */
	NAMES_BY_U64,   /* bits 0-7 */
};

static const struct message {
	int (*handle)(struct vhost_session *session, struct error *err);
	enum vhost_touches touches;
	enum names names;
	bool replies; /* it has a reply of its own */
} messages[VHOST_REQUEST_COUNT] = {
	[VHOST_GET_FEATURES] = {get_features, VHOST_TOUCHES_NONE, NAMES_NONE, true},
	[VHOST_SET_FEATURES] = {set_features, VHOST_TOUCHES_ALL, NAMES_NONE, false},
	[VHOST_SET_OWNER] = {nothing_to_do, VHOST_TOUCHES_NONE, NAMES_NONE, false},
	[VHOST_RESET_OWNER] = {reset_owner, VHOST_TOUCHES_ALL, NAMES_NONE, false},
	[VHOST_SET_MEM_TABLE] = {set_mem_table, VHOST_TOUCHES_ALL, NAMES_NONE, false},
	[VHOST_SET_LOG_BASE] = {vhost_set_log_base, VHOST_TOUCHES_ALL, NAMES_NONE, false},
	[VHOST_SET_LOG_FD] = {vhost_set_log_fd, VHOST_TOUCHES_ALL, NAMES_NONE, false},
	[VHOST_SET_VRING_NUM] = {vhost_set_vring_num, VHOST_TOUCHES_ONE, NAMES_BY_STATE, false},
	[VHOST_SET_VRING_ADDR] = {vhost_set_vring_addr, VHOST_TOUCHES_ONE, NAMES_BY_STATE, false},
	[VHOST_SET_VRING_BASE] = {vhost_set_vring_base, VHOST_TOUCHES_ONE, NAMES_BY_STATE, false},
	[VHOST_GET_VRING_BASE] = {vhost_get_vring_base, VHOST_TOUCHES_ONE, NAMES_BY_STATE, true},
	[VHOST_SET_VRING_KICK] = {vhost_set_vring_kick, VHOST_TOUCHES_ONE, NAMES_BY_U64, false},
	/* Guests mask and unmask interrupts at any time, which comes as this: the queue must not stop for it. */
	[VHOST_SET_VRING_CALL] = {vhost_set_vring_call, VHOST_TOUCHES_NONE, NAMES_BY_U64, false},
	[VHOST_SET_VRING_ERR] = {vhost_set_vring_err, VHOST_TOUCHES_ONE, NAMES_BY_U64, false},
	[VHOST_GET_PROTOCOL_FEATURES] = {get_protocol_features, VHOST_TOUCHES_NONE, NAMES_NONE, true},
	[VHOST_SET_PROTOCOL_FEATURES] = {set_protocol_features, VHOST_TOUCHES_NONE, NAMES_NONE, false},
	[VHOST_GET_QUEUE_NUM] = {get_queue_num, VHOST_TOUCHES_NONE, NAMES_NONE, true},
	[VHOST_SET_VRING_ENABLE] = {vhost_set_vring_enable, VHOST_TOUCHES_ONE, NAMES_BY_STATE, false},
	[VHOST_SET_BACKEND_REQ_FD] = {set_backend_req_fd, VHOST_TOUCHES_NONE, NAMES_NONE, false},
	[VHOST_GET_CONFIG] = {get_config, VHOST_TOUCHES_NONE, NAMES_NONE, true},
	[VHOST_SET_CONFIG] = {set_config, VHOST_TOUCHES_NONE, NAMES_NONE, false},
	[VHOST_POSTCOPY_ADVISE] = {vhost_refuse_postcopy, VHOST_TOUCHES_NONE, NAMES_NONE, false},
	[VHOST_POSTCOPY_LISTEN] = {vhost_refuse_postcopy, VHOST_TOUCHES_NONE, NAMES_NONE, false},
	[VHOST_POSTCOPY_END] = {vhost_refuse_postcopy, VHOST_TOUCHES_NONE, NAMES_NONE, false},
	[VHOST_GET_INFLIGHT_FD] = {vhost_get_inflight_fd, VHOST_TOUCHES_NONE, NAMES_NONE, true},
	[VHOST_SET_INFLIGHT_FD] = {vhost_set_inflight_fd, VHOST_TOUCHES_ALL, NAMES_NONE, false},
	[VHOST_RESET_DEVICE] = {reset_device, VHOST_TOUCHES_ALL, NAMES_NONE, false},
	[VHOST_GET_MAX_MEM_SLOTS] = {get_max_mem_slots, VHOST_TOUCHES_NONE, NAMES_NONE, true},
	[VHOST_ADD_MEM_REG] = {add_mem_reg, VHOST_TOUCHES_ALL, NAMES_NONE, false},
	[VHOST_REM_MEM_REG] = {rem_mem_reg, VHOST_TOUCHES_ALL, NAMES_NONE, false},
	[VHOST_SET_STATUS] = {set_status, VHOST_TOUCHES_NONE, NAMES_NONE, false},
	[VHOST_GET_STATUS] = {get_status, VHOST_TOUCHES_NONE, NAMES_NONE, true},
	[VHOST_SET_DEVICE_STATE_FD] = {vhost_refuse_device_state, VHOST_TOUCHES_NONE, NAMES_NONE, false},
	[VHOST_CHECK_DEVICE_STATE] = {vhost_refuse_device_state, VHOST_TOUCHES_NONE, NAMES_NONE, false},
};

static const struct message *find_message(const struct vhost_msg *msg)
{
	return &messages[msg->header.request < VHOST_REQUEST_COUNT ? msg->header.request : 0];
}

const char *vhost_message_problem(const struct vhost_msg *msg)
{
	const struct vhost_msg_rule *rule = vhost_msg_rule(msg->header.request);

	if ((msg->header.flags & VHOST_FLAG_VERSION_MASK) != VHOST_FLAG_VERSION || msg->header.flags & VHOST_FLAG_REPLY)
		return "has flags that no request has";
	if (!rule->name)
		return "is not known";
	if (msg->header.size < rule->size_min || msg->header.size > rule->size_max)
		return "has a payload of the wrong size";
	if (msg->fd_count > rule->fds_max)
		return "has more file descriptors than belong to it";
	return NULL;
}

enum vhost_touches vhost_message_touches(const struct vhost_msg *msg)
{
	/* Status 0 is a reset; other values are for the record. */
	if (msg->header.request == VHOST_SET_STATUS && msg->payload.u64 == 0)
		return VHOST_TOUCHES_ALL;
	/* Without it the dirty log goes. */
	if (msg->header.request == VHOST_SET_PROTOCOL_FEATURES && !(msg->payload.u64 >> VHOST_PROTOCOL_F_LOG_SHMFD & 1))
		return VHOST_TOUCHES_ALL;
	return find_message(msg)->touches;
}

bool vhost_message_replies(const struct vhost_msg *msg)
{
	return find_message(msg)->replies;
}

int vhost_message_vring(const struct vhost_session *session, const struct vhost_msg *msg)
{
	uint64_t index = UINT64_MAX;

	switch (find_message(msg)->names) {
	case NAMES_BY_STATE:
		index = msg->payload.state.index;
		break;
	case NAMES_BY_U64:
		index = msg->payload.u64 & ~(uint64_t)VHOST_VRING_NOFD;
		break;
	case NAMES_NONE:
		break;
	}
	return index < session->vring_count ? (int)index : -1;
}

int vhost_message_handle(struct vhost_session *session, struct error *err)
{
	const struct message *message = find_message(&session->msg);

	if (message->names != NAMES_NONE && vhost_message_vring(session, &session->msg) < 0)
		return error_set(err, -EINVAL, "a vring that does not exist, expected 0 to %" PRIu32,
				 session->vring_count - 1);
	if (!message->handle)
		return error_set(err, -EOPNOTSUPP, "it belongs to a feature that was not offered");
	return message->handle(session, err);
}
