/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_SECONDS_H
#define STRAIT_SECONDS_H

#include <stdbool.h>

#define SECONDS_MAX 86400

struct client_command;

/* Seconds from 1 to 86400, with or without an "s", from an option's argument. NULL leaves *seconds. False where it is
 * something else. */
bool seconds_read(const char *text, unsigned *seconds);

/* Two of them, "10,60". */
bool seconds_read_two(const char *text, unsigned seconds[2]);

/* Say that there is no memory; the exit code. */
int command_no_memory(const struct client_command *command);

#endif
