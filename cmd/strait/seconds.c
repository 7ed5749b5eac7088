/* SPDX-License-Identifier: Apache-2.0 */
#include "seconds.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/command.h"

static bool read_number(const char *text, char end, unsigned *seconds, const char **rest)
{
	unsigned long value;
	char *stop;

	if (!isdigit((unsigned char)*text))
		return false;
	value = strtoul(text, &stop, 10);
	if (*stop == 's')
		stop++;
	*rest = stop + 1;
	*seconds = (unsigned)value;
	return *stop == end && value >= 1 && value <= SECONDS_MAX;
}

bool seconds_read(const char *text, unsigned *seconds)
{
	const char *rest;

	return !text || read_number(text, '\0', seconds, &rest);
}

bool seconds_read_two(const char *text, unsigned seconds[2])
{
	const char *rest;

	return !text || (read_number(text, ',', &seconds[0], &rest) && read_number(rest, '\0', &seconds[1], &rest));
}

int command_no_memory(const struct client_command *command)
{
	fprintf(stderr, "%s: out of memory\n", command->name);
	return CLIENT_EXIT_FAILED;
}
