/* SPDX-License-Identifier: Apache-2.0 */
#include "messages.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_FDS = 12 };

/* Descriptors that no front end would send, but one may. */
static struct {
	int short_ram, read_only_ram, huge, pipe, path, null, listening;
} odd;

void front_init(void)
{
	char path[64];
	int ends[2];

	odd.short_ram = memfd_create("short-ram", MFD_CLOEXEC);
	MUST(ftruncate(odd.short_ram, 5000) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", odd.short_ram);
	odd.read_only_ram = open(path, O_RDONLY | O_CLOEXEC);
	odd.huge = memfd_create("huge-ram", MFD_CLOEXEC | MFD_HUGETLB);
	if (odd.huge < 0 || ftruncate(odd.huge, 2 << 20) < 0)
		odd.huge = odd.short_ram;
	MUST(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	odd.pipe = ends[1];
	odd.path = open("/", O_PATH | O_CLOEXEC);
	odd.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	odd.listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

void front_open(struct front *front, int socket)
{
	*front = (struct front){.socket = socket, .inflight = -1};
	front->ram = memfd_create("front-end-ram", MFD_CLOEXEC);
	front->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	front->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	front->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	MUST(ftruncate(front->ram, FRONT_RAM_SIZE) == 0);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void front_close(struct front *front)
{
	close_fd(front->socket);
	close_fd(front->ram);
	close_fd(front->kick);
	close_fd(front->call);
	close_fd(front->err);
	close_fd(front->inflight);
}

/* Send bytes with descriptors. What does not fit into the socket any more is lost, as if the front end were broken. */
static void send_piece(struct front *front, const void *bytes, size_t length, const int *fds, unsigned fd_count)
{
	char control[CMSG_SPACE(sizeof(int) * MOST_FDS)] = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = length};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

	if (front->socket < 0 || !length)
		return;
	if (fd_count) {
		struct cmsghdr *rights;

		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * fd_count);
	}
	(void)!sendmsg(front->socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int any_fd(const struct front *front, struct input *input)
{
	const int fds[] = {front->ram,        front->kick, front->call,    front->err, odd.short_ram,
			   odd.read_only_ram, odd.huge,    odd.pipe,       odd.path,   odd.null,
			   odd.listening,     front->ram,  front->inflight};
	int fd = INPUT_PICK(input, fds);

	return fd < 0 ? front->ram : fd;
}

static uint64_t any_number(struct input *input)
{
	switch (input_u8(input) % 4) {
	case 0:
		return input_u8(input) % 4;
	case 1:
		return input_u16(input);
	case 2:
		return 1ull << (input_u8(input) % 64);
	default:
		return input_u64(input);
	}
}

static uint64_t any_address(struct input *input, uint64_t base)
{
	return input_u8(input) % 8 ? base + input_u16(input) * 4ull : any_number(input);
}

static void any_region(struct input *input, struct vhost_region_msg *region)
{
	static const uint64_t sizes[] = {FRONT_RAM_SIZE, FRONT_RAM_SIZE, FRONT_RAM_SIZE / 2, 4096, 5000, 1, 0};

	*region = (struct vhost_region_msg){.guest_address = FRONT_RAM_GUEST, .user_address = FRONT_RAM_USER};
	region->size = INPUT_PICK(input, sizes);
	if (input_u8(input) % 2) {
		region->guest_address = any_address(input, FRONT_RAM_GUEST);
		region->user_address = any_address(input, FRONT_RAM_USER);
	}
	if (input_u8(input) % 4 == 3)
		region->mmap_offset = any_number(input);
	if (input_u8(input) % 8 == 7)
		region->size = any_number(input);
}

static void any_ring_address(struct input *input, struct vhost_vring_addr_msg *addr)
{
	addr->index = input_u8(input) % 4;
	addr->flags = input_u8(input) % 4;
	addr->desc_user = any_address(input, FRONT_RAM_USER);
	addr->avail_user = any_address(input, FRONT_RAM_USER);
	addr->used_user = any_address(input, FRONT_RAM_USER);
	addr->log_guest = any_number(input);
}

static void any_numbers(struct input *input, unsigned count, void *to)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t number = any_number(input);

		memcpy((char *)to + i * sizeof(number), &number, sizeof(number));
	}
}

/* GET and SET_INFLIGHT_FD: u64 size, u64 offset, u16 queues, u16 queue size. */
static uint32_t any_inflight(struct input *input, char *payload)
{
	const uint16_t queues = input_u8(input) % 8, size = 1u << input_u8(input) % 16;

	any_numbers(input, 2, payload);
	memcpy(payload + 16, &queues, sizeof(queues));
	memcpy(payload + 18, &size, sizeof(size));
	return input_u8(input) % 8 ? 20 : 24;
}

/* A payload of the kind that belongs to the request; its length. */
static uint32_t any_payload(struct input *input, uint32_t request, union vhost_payload *payload)
{
	static const uint32_t nums[] = {0, 1, 2, 16, 64, 256, 1024, 32768, 65535, 65536};

	switch (request) {
	case VHOST_SET_MEM_TABLE:
		payload->memory.count = input_u8(input) % 10;
		for (unsigned i = 0; i < payload->memory.count && i < VHOST_MSG_MAX_REGIONS; i++)
			any_region(input, &payload->memory.region[i]);
		return 8 + payload->memory.count % 9 * (uint32_t)sizeof(struct vhost_region_msg);
	case VHOST_ADD_MEM_REG:
	case VHOST_REM_MEM_REG:
		any_region(input, &payload->region.region);
		return sizeof(payload->region);
	case VHOST_SET_VRING_ADDR:
		any_ring_address(input, &payload->addr);
		return sizeof(payload->addr);
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_BASE:
	case VHOST_GET_VRING_BASE:
	case VHOST_SET_VRING_ENABLE:
		payload->state.index = input_u8(input) % 4;
		payload->state.num = input_u8(input) % 8 ? INPUT_PICK(input, nums) : input_u32(input);
		return sizeof(payload->state);
	case VHOST_GET_CONFIG:
	case VHOST_SET_CONFIG:
		payload->config.offset = (uint32_t)any_number(input);
		payload->config.size = input_u8(input);
		input_bytes(input, payload->config.data, input_u8(input) % 16);
		return VHOST_CONFIG_HEADER_SIZE + payload->config.size;
	case VHOST_SET_LOG_BASE:
		any_numbers(input, 2, payload);
		return 16;
	case VHOST_GET_INFLIGHT_FD:
	case VHOST_SET_INFLIGHT_FD:
		return any_inflight(input, (char *)payload);
	default:
		payload->u64 = any_number(input);
		return vhost_msg_rule(request)->size_min;
	}
}

void front_say_anything(struct front *front, struct input *input)
{
	struct {
		struct vhost_header header;
		union vhost_payload payload;
	} __attribute__((packed)) message = {.header = {.request = input_u8(input) % (VHOST_REQUEST_COUNT + 2)}};
	const uint8_t whim = input_u8(input);
	int fds[MOST_FDS];
	unsigned fd_count = 0;
	size_t length, cut;

	message.header.flags = VHOST_FLAG_VERSION | (whim & 1 ? VHOST_FLAG_NEED_REPLY : 0);
	message.header.size = any_payload(input, message.header.request, &message.payload);
	switch (message.header.request) {
	case VHOST_SET_MEM_TABLE:
		fd_count = message.payload.memory.count;
		break;
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		message.payload.u64 &= 0x103;
		fd_count = message.payload.u64 & VHOST_VRING_NOFD ? 0 : 1;
		break;
	default:
		fd_count = vhost_msg_rule(message.header.request)->fds_max;
	}
	/* One thing is wrong now and then. */
	if (whim >> 4 == 15)
		message.header.size = input_u32(input);
	if (whim >> 4 == 14)
		fd_count = input_u8(input) % (MOST_FDS + 1);
	if (whim >> 4 == 13)
		message.header.flags = input_u8(input);
	for (unsigned i = 0; i < fd_count; i++)
		fds[i] = whim & 2 ? any_fd(front, input) : front->ram;
	if (fd_count == 1 && !(whim & 2) && message.header.request >= VHOST_SET_VRING_KICK &&
	    message.header.request <= VHOST_SET_VRING_ERR)
		fds[0] = (&front->kick)[message.header.request - VHOST_SET_VRING_KICK];
	length = sizeof(message.header) + message.header.size;
	if (length > sizeof(message))
		length = sizeof(message);
	cut = whim >> 4 == 12 ? input_u8(input) % length : length;
	send_piece(front, &message, cut, fds, fd_count);
	send_piece(front, (const char *)&message + cut, length - cut, NULL, 0);
}

static void say(struct front *front, uint32_t request, const void *payload, uint32_t size, int fd)
{
	struct {
		struct vhost_header header;
		union vhost_payload payload;
	} __attribute__((packed)) message = {.header = {.request = request, .flags = VHOST_FLAG_VERSION, .size = size}};

	if (size)
		memcpy(&message.payload, payload, size);
	send_piece(front, &message, sizeof(message.header) + size, &fd, fd >= 0);
}

void front_negotiate(struct front *front, uint64_t features, uint64_t protocol_features)
{
	say(front, VHOST_SET_OWNER, NULL, 0, -1);
	say(front, VHOST_SET_PROTOCOL_FEATURES, &protocol_features, sizeof(protocol_features), -1);
	say(front, VHOST_SET_FEATURES, &features, sizeof(features), -1);
}

void front_set_memory(struct front *front)
{
	const struct vhost_memory_msg table = {
		.count = 1,
		.region = {{.guest_address = FRONT_RAM_GUEST, .size = FRONT_RAM_SIZE, .user_address = FRONT_RAM_USER}}};

	say(front, VHOST_SET_MEM_TABLE, &table, 8 + sizeof(table.region[0]), front->ram);
}

void front_set_up_ring(struct front *front, uint8_t index, uint32_t size, uint32_t base)
{
	const uint64_t at = FRONT_RAM_USER + FRONT_RING(index), named = index;
	const struct vhost_vring_state_msg num = {index, size}, from = {index, base}, on = {index, 1};
	const struct vhost_vring_addr_msg addr = {
		.index = index, .desc_user = at, .avail_user = at + 0x400, .used_user = at + 0x800};

	say(front, VHOST_SET_VRING_NUM, &num, sizeof(num), -1);
	say(front, VHOST_SET_VRING_BASE, &from, sizeof(from), -1);
	say(front, VHOST_SET_VRING_ADDR, &addr, sizeof(addr), -1);
	say(front, VHOST_SET_VRING_CALL, &named, sizeof(named), front->call);
	say(front, VHOST_SET_VRING_KICK, &named, sizeof(named), front->kick);
	say(front, VHOST_SET_VRING_ENABLE, &on, sizeof(on), -1);
}

void front_ask_inflight(struct front *front, uint16_t queues, uint16_t size)
{
	const struct vhost_inflight_msg msg = {.num_queues = queues, .queue_size = size};

	say(front, VHOST_GET_INFLIGHT_FD, &msg, sizeof(msg), -1);
}

void front_give_inflight(struct front *front)
{
	say(front, VHOST_SET_INFLIGHT_FD, &front->inflight_as, sizeof(front->inflight_as), front->inflight);
}

void front_spoil_inflight(struct front *front, struct input *input)
{
	const uint16_t at = input_u16(input);
	const uint64_t value = input_u64(input);

	/* Near the beginning of a queue's part there is more to be spoiled. */
	if (front->inflight >= 0)
		(void)!pwrite(front->inflight, &value, 1 + at % 8, at & 0x8000 ? at % 64 : at);
}

void front_listen(struct front *front)
{
	struct vhost_reader reader;
	struct vhost_msg msg;

	if (front->socket < 0)
		return;
	vhost_reader_init(&reader);
	while (vhost_recv(front->socket, &reader, &msg) == 1) {
		MUST((msg.header.flags & ~VHOST_FLAG_VERSION_MASK) == VHOST_FLAG_REPLY);
		if (msg.header.request == VHOST_GET_INFLIGHT_FD && msg.fd_count) {
			close_fd(front->inflight);
			front->inflight = vhost_msg_take_fd(&msg, 0);
			front->inflight_as = msg.payload.inflight;
		}
		vhost_msg_close_fds(&msg);
	}
	vhost_reader_free(&reader);
}
