/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"

/* Touching a page beyond the end of its file is a SIGBUS: refuse what is too short from the start. */
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
	uint64_t length;
	void *mapping;

	if (ret < 0)
		return ret;
	if (__builtin_add_overflow(msg->mmap_offset, msg->size, &length) || length > SIZE_MAX / 2)
		return error_set(err, -EINVAL, "memory region at 0x%" PRIx64 ": offset 0x%" PRIx64 " and size overflow",
				 msg->guest_address, msg->mmap_offset);
	/* From the file's start: an offset inside a huge page cannot be mapped by itself. */
	mapping = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (mapping == MAP_FAILED)
		return error_set(err, -errno, "memory region at 0x%" PRIx64 " of 0x%" PRIx64 " bytes: mmap: %s",
				 msg->guest_address, msg->size, strerror(errno));
	*region = (struct memmap_region){
		.guest = msg->guest_address,
		.size = msg->size,
		.user = msg->user_address,
		.host = (char *)mapping + msg->mmap_offset,
		.mapping = mapping,
		.mapping_size = length,
	};
	ret = memmap_add(map, region, err);
	if (ret < 0)
		munmap(mapping, length);
	else
		madvise(mapping, length, MADV_DONTDUMP); /* a core dump of ours has no business with guest memory */
	return ret;
}

void vhost_memory_unmap(const struct memmap_region *region)
{
	munmap(region->mapping, region->mapping_size);
}
