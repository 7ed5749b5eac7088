/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"

/* A file that is too short is refused from the start; one that is shrunk later is memguard's affair. */
static int check_file(const struct vhost_region_msg *msg, int fd, struct error *err)
{
	struct stat st;

	if (fd < 0)
		return error_set(err, -EBADF, "memory region at 0x%" PRIx64 " came without a file descriptor",
				 msg->guest_address);
	if (fstat(fd, &st) < 0)
		return error_set(err, -errno, "memory region at 0x%" PRIx64 ": fstat: %s", msg->guest_address,
				 strerror(errno));
	if (!S_ISREG(st.st_mode))
		return 0; /* a device such as /dev/dax: its driver checks */
	if (!range_within(msg->mmap_offset, msg->size, (uint64_t)st.st_size))
		return error_set(err, -EINVAL,
				 "memory region at 0x%" PRIx64 ": its file has %" PRId64
				 " bytes, expected at least 0x%" PRIx64 " + 0x%" PRIx64,
				 msg->guest_address, (int64_t)st.st_size, msg->mmap_offset, msg->size);
	return 0;
}

int vhost_memory_map(struct memmap *map, const struct vhost_region_msg *msg, int fd, struct memmap_region *region,
		     struct error *err)
{
	int ret = check_file(msg, fd, err);
	struct memguard *guard;
	int own_fd;
	uint64_t length;
	char *mapping;

	if (ret < 0)
		return ret;
	if (__builtin_add_overflow(msg->mmap_offset, msg->size, &length) || length > SIZE_MAX / 2)
		return error_set(err, -EINVAL, "memory region at 0x%" PRIx64 ": offset 0x%" PRIx64 " and size overflow",
				 msg->guest_address, msg->mmap_offset);
	/* From the file's start: an offset inside a huge page cannot be mapped by itself. */
	mapping = memguard_map(fd, length, &guard);
	if (!mapping)
		return error_set(err, -errno, "memory region at 0x%" PRIx64 " of 0x%" PRIx64 " bytes: mmap: %s",
				 msg->guest_address, msg->size, strerror(errno));
	own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own_fd < 0) {
		ret = error_set(err, -errno, "memory region at 0x%" PRIx64 ": its file descriptor: %s",
				msg->guest_address, strerror(errno));
		memguard_unmap(guard);
		return ret;
	}
	*region = (struct memmap_region){
		.guest = msg->guest_address,
		.size = msg->size,
		.user = msg->user_address,
		.host = mapping + msg->mmap_offset,
		.guard = guard,
		.offset = msg->mmap_offset,
		.fd = own_fd,
	};
	ret = memmap_add(map, region, err);
	if (ret < 0)
		vhost_memory_unmap(region);
	else
		madvise(mapping, length, MADV_DONTDUMP); /* a core dump of ours has no business with guest memory */
	return ret;
}

void vhost_memory_unmap(const struct memmap_region *region)
{
	memguard_unmap(region->guard);
	close(region->fd);
}
