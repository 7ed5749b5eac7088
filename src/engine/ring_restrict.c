/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/ring.h"

/*
 * What a ring of ours is asked to do, by descriptors that are open already. A
 * new back end adds its own here. Nothing that takes a path, an address or
 * another process belongs on the list.
 */
static const uint8_t operations[] = {
	IORING_OP_NOP,   IORING_OP_READ,      IORING_OP_READV,    IORING_OP_WRITE,   IORING_OP_WRITEV,
	IORING_OP_FSYNC, IORING_OP_FALLOCATE, IORING_OP_POLL_ADD, IORING_OP_TIMEOUT, IORING_OP_ASYNC_CANCEL,
};

/*
 * Files are registered by descriptor. Not: buffers, personalities, eventfds,
 * other rings. The last two came with Linux 5.18.
 */
static const uint8_t registrations[] = {
	IORING_REGISTER_FILES2,           IORING_REGISTER_FILES_UPDATE, IORING_UNREGISTER_FILES,
	IORING_REGISTER_IOWQ_MAX_WORKERS, IORING_REGISTER_RING_FDS,     IORING_UNREGISTER_RING_FDS,
};
enum { LATER_REGISTRATIONS = 2 };

#define COUNT(array)     (sizeof(array) / sizeof((array)[0]))
#define MAX_RESTRICTIONS (COUNT(operations) + COUNT(registrations) + 1)

static unsigned add_all(struct io_uring_restriction *list, unsigned count, uint16_t kind, const uint8_t *codes,
			size_t code_count)
{
	for (size_t i = 0; i < code_count; i++)
		list[count++] = (struct io_uring_restriction){.opcode = kind, .register_op = codes[i]};
	return count;
}

/* A kernel refuses the whole list for a code that it does not know. */
static int try_list(struct io_uring *ring, size_t registration_count)
{
	struct io_uring_restriction list[MAX_RESTRICTIONS];
	unsigned count = 0;

	count = add_all(list, count, IORING_RESTRICTION_SQE_OP, operations, COUNT(operations));
	count = add_all(list, count, IORING_RESTRICTION_REGISTER_OP, registrations, registration_count);
	list[count++] = (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
						      .sqe_flags = IOSQE_FIXED_FILE};
	/* liburing's function for it is missing from the library of some distributions. */
	return syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, list, count) < 0 ? -errno
													     : 0;
}

int ring_restrict(struct io_uring *ring)
{
	int ret = try_list(ring, COUNT(registrations));

	return ret == -EINVAL ? try_list(ring, COUNT(registrations) - LATER_REGISTRATIONS) : ret;
}
