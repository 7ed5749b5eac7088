/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpus.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int parse_number(const char **at, unsigned long *value)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return -EINVAL;
	errno = 0;
	*value = strtoul(*at, &end, 10);
	if (errno || *value >= CPU_SETSIZE)
		return -EINVAL;
	*at = end;
	return 0;
}

int cpus_parse(const char *text, cpu_set_t *set, struct error *err)
{
	const char *at = text;

	CPU_ZERO(set);
	for (;;) {
		unsigned long first, last;

		if (parse_number(&at, &first))
			break;
		last = first;
		if (*at == '-') {
			at++;
			if (parse_number(&at, &last) || last < first)
				break;
		}
		for (unsigned long cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, set);
		if (*at == '\0')
			return 0;
		if (*at++ != ',')
			break;
	}
	return error_set(err, -EINVAL,
			 "\"%s\" is not a list of CPUs: expected numbers below %d and ranges, such as 0-3,8", text,
			 CPU_SETSIZE);
}

void cpus_format(const cpu_set_t *set, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int first = 0; first < CPU_SETSIZE; first++) {
		int last = first;

		if (!CPU_ISSET(first, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		if (used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%d", used ? "," : "", first);
		if (last > first && used < size)
			used += (size_t)snprintf(text + used, size - used, "-%d", last);
		first = last;
	}
}
