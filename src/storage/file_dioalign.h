/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_STORAGE_FILE_DIOALIGN_H
#define STRAIT_STORAGE_FILE_DIOALIGN_H

#include <stdint.h>

/*
 * Alignment of memory, and of offset and length, that O_DIRECT on fd asks for,
 * in bytes; both 0 where this file cannot. -EOPNOTSUPP where the kernel (before
 * 6.1) or the file system does not say.
 */
int file_dioalign(int fd, uint32_t *memory, uint32_t *offset);

#endif
