/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_VIRTIO_TRACES_H
#define STRAIT_TESTS_VIRTIO_TRACES_H

#include <stdint.h>

/* What has been logged: standard error goes to a file in memory between the two. Any thread may write to it. */
void said_begin(void);

/* The text, valid until the next said_begin(). A second call without one returns it again. */
const char *said_end(void);

/* Lines of the text in which part occurs; all lines for "". */
unsigned said_lines(const char *text, const char *part);

/* Descriptors that this process has open. */
unsigned count_open_fds(void);

/* Mappings of files in whose names part occurs. */
unsigned count_mappings(const char *part);

/* Bytes of address space that the process has mapped. */
uint64_t address_space(void);

#endif
