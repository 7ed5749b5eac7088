/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_PRESSURE_H
#define STRAIT_HOST_PRESSURE_H

#include <stdint.h>

/* Time in which some or all were held up, in microseconds since boot; HOST_UNKNOWN where the kernel does not count it.
 */
struct host_pressure {
	int64_t some, full;
};

/* The text of a file in /proc/pressure or of a cgroup's *.pressure; NULL is unknown. */
struct host_pressure host_pressure_parse(const char *text);

#endif
