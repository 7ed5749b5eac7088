/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_EXIT_DATA_H
#define STRAIT_HOST_EXIT_DATA_H

#include <stdbool.h>

#include "base/error.h"

/*
 * A recorded trace as the kernel has it in its buffers: trace.dat of "trace-cmd record" (trace-cmd.dat(5), versions 6
 * and 7), with the events kvm_exit and kvm_entry among whatever else. The library that reads it was made for files that
 * are trusted, so that a child process does, which can do nothing else (confine()).
 */

/* Whether an open file begins as such a one. Of a pipe nothing is read, and it is none. */
bool exit_data_is(int fd);

/*
 * The document "kvm-exits.json" of it, for free(); name is what the file is called, which err has not. NULL with err
 * set: -EINVAL where it cannot be read or has no such events, -ENOSYS where strait was built without libtracecmd.
 */
char *exit_data_read(int fd, const char *name, struct error *err);

#endif
