/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_GROUP_IO_H
#define STRAIT_HOST_GROUP_IO_H

#include "host/value.h"

/*
 * A device's line of a control group's io.max ("8:16 rbps=2097152 wbps=max riops=max wiops=120") or io.stat ("8:16
 * rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0"): limits a second, or what it has done so far. HOST_UNKNOWN: no
 * limit, or not told. See Documentation/admin-guide/cgroup-v2.rst.
 */
struct group_io {
	unsigned major, minor;
	int64_t read_bytes, write_bytes, reads, writes;
};

/* Read the next line that is of a device. Returns what is behind it; NULL: there is none. text may be NULL. */
const char *group_io_next(const char *text, struct group_io *io);

#endif
