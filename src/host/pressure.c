/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pressure.h"

#include <stdio.h>
#include <string.h>

#include "host/value.h"

static int64_t total_of(const char *text, const char *kind)
{
	const char *line = strstr(text, kind);
	const char *total = line ? strstr(line, "total=") : NULL;
	long long us;

	if (!total || total > line + strcspn(line, "\n") || sscanf(total, "total=%lld", &us) != 1 || us < 0)
		return HOST_UNKNOWN;
	return us;
}

struct host_pressure host_pressure_parse(const char *text)
{
	struct host_pressure pressure = {HOST_UNKNOWN, HOST_UNKNOWN};

	if (text) {
		pressure.some = total_of(text, "some ");
		pressure.full = total_of(text, "full ");
	}
	return pressure;
}
