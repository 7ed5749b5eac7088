/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BASE_MEMGUARD_H
#define STRAIT_BASE_MEMGUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Mappings of files that belong to somebody else, who may shrink them (or run
 * out of huge pages) at any time: touching what is gone is a SIGBUS. Here it
 * costs the mapping, not the process. From the page that was touched to its
 * end, or whole where it cannot be cut, it becomes private memory of zeroes,
 * so that whoever touched it goes on, is marked as lost, and an event is
 * signalled, so that its owner can be told.
 *
 * Only accesses by our own instructions come here. A system call or io_uring
 * that is given such memory says -EFAULT until a page of it has been touched.
 */
struct memguard;

/*
 * Catch SIGBUS from here on; event_fd (an eventfd, the caller's) is signalled
 * each time a mapping is lost, -1: nobody is. A SIGBUS that no mapping here
 * explains goes to whoever had it before, which is usually the end of the
 * process. Threads must not block SIGBUS. Once a process; 0 or a negative errno.
 */
int memguard_install(int event_fd);

/*
 * Map length bytes (not 0) from the beginning of a file, readable, writable and
 * shared; fd stays the caller's. NULL with errno where it cannot be. One thread
 * maps and unmaps; any may touch. Nobody touches it while it is unmapped.
 */
void *memguard_map(int fd, size_t length, struct memguard **guard);

/* The same from an offset on, which need not be a multiple of a page; what lies before it in its page comes along. */
void *memguard_map_at(int fd, uint64_t offset, size_t length, struct memguard **guard);
void memguard_unmap(struct memguard *guard);

/* Any thread. False for NULL, which stands for memory that is ours. */
bool memguard_lost(const struct memguard *guard);

#endif
