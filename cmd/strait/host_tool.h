/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_TOOL_H
#define STRAIT_HOST_TOOL_H

#include "client/command.h"
#include "host/host.h"

/*
 * What the commands that look at a machine share (client_command.of_host). What goes wrong is said on standard error.
 */

/* The option of those that measure; its text is for host_tool_seconds(). */
#define HOST_TOOL_FOR(text, what)                                                                                      \
	{                                                                                                              \
		.name = "for", .letter = 'd', .argument = "SECONDS", .help = what, .value = text                       \
	}

/* What --for says, in *seconds, which is left as it is where that is nothing; CLIENT_GO_ON, or the exit code. */
int host_tool_seconds(const struct client_command *command, const char *text, unsigned *seconds);

/* The machine that the arguments mean: this one, or --from. NULL: CLIENT_EXIT_FAILED. For tree_close(). */
struct tree *host_tool_open(const struct client_command *command, const struct client_arguments *arguments);

/* The guest that a word means (name, uuid or pid); NULL: CLIENT_EXIT_FAILED. */
const struct guest *host_tool_guest(const struct client_command *command, const struct host *host, const char *word);

/* Whether an error means that something is there and was withheld. Much of /sys has no value now and then. */
bool host_tool_is_withheld(int error);

/* What a path of a tree stands for: a document of what was asked of a disk or an image is named as these are. */
const char *host_tool_thing(struct tree *tree, const char *path);

/* Why it could not be read, in words. */
const char *host_tool_why(int error);

/* Say on standard error, in a line or two, what could not be read: at the end of a command. */
void host_tool_tell_unreadable(const struct client_command *command, struct tree *tree);

#endif
