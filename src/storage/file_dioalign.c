/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On its own because the kernel's struct statx, which has the fields that
 * Debian 12's C library lacks, cannot be included beside <sys/stat.h>.
 */
#include "storage/file_dioalign.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int file_dioalign(int fd, uint32_t *memory, uint32_t *offset)
{
	struct statx st = {0};

	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0)
		return -EOPNOTSUPP;
	if (!(st.stx_mask & STATX_DIOALIGN))
		return -EOPNOTSUPP;
	*memory = st.stx_dio_mem_align;
	*offset = st.stx_dio_offset_align;
	return 0;
}
