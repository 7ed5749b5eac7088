/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CLIENT_COMMAND_H
#define STRAIT_CLIENT_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "client/client.h"

/*
 * The command line of a tool that talks to a daemon or looks at a machine, so that all of them look
 * the same: --socket (or --from), --json and --help are added to each one's own options.
 *
 *	static const char *window;
 *	static const struct client_option options[] = {
 *		{.name = "window", .letter = 'w', .argument = "SECONDS", .help = "...", .value = &window},
 *		{.name = NULL},
 *	};
 *	static const struct client_command command = {
 *		.name = "strait budget", .usage = "[OPTION]... [DISK]", .about = "...", .options = options,
 *		.operands_max = 1,
 *	};
 *	int code = client_command_parse(&command, argc, argv, &arguments);
 *	if (code != CLIENT_GO_ON)
 *		return code;
 *	client = client_command_connect(&command, &arguments);
 *	if (!client)
 *		return CLIENT_EXIT_FAILED;
 */
enum client_exit {
	CLIENT_EXIT_OK = 0,
	CLIENT_EXIT_FINDINGS = 1, /* the daemon refused, or what was looked for was found */
	CLIENT_EXIT_USAGE = 2,
	CLIENT_EXIT_FAILED = 3, /* no daemon, no answer */
	CLIENT_GO_ON = 4,       /* client_command_parse(): no exit at all */
};

struct client_option {
	const char *name;     /* without dashes; NULL ends the table */
	char letter;          /* -x, or 0 */
	const char *argument; /* what --help calls its value, in capitals; NULL: it has none */
	const char *help;     /* "\n" where it goes on in another line */
	const char **value;   /* gets the argument */
	bool *flag;           /* or is set where there is none */
};

struct client_command {
	const char *name;  /* as typed, "strait disk" */
	const char *usage; /* what follows it; further lines begin with "\n" and are whole */
	const char *about; /* for --help: what it does, and below the options what else is to know (may be NULL) */
	const char *more;
	const struct client_option *options; /* own ones; may be NULL */
	unsigned operands_min, operands_max;
	bool no_json;              /* --json would say nothing */
	const char *socket_option; /* what --socket is called where that is something else; NULL: that */
	/*
	 * It looks at a machine instead of talking to straitd: --from instead of --socket, and --root, which is no more
	 * than another name of it and not told of. live_only: without --from. exits: how --help explains the exit
	 * status; NULL: nothing is ever found.
	 */
	bool of_host, live_only;
	const char *exits;
};

struct client_arguments {
	const char *socket; /* NULL: the default */
	const char *from;   /* a capture or a directory; NULL: the machine itself */
	bool json;
	char **operands;
	unsigned operand_count;
};

/*
 * Read argv, in which argv[0] is the command's last word. CLIENT_GO_ON, or the
 * exit code, after --help has been printed or what is wrong been said.
 */
int client_command_parse(const struct client_command *command, int argc, char **argv,
			 struct client_arguments *arguments);

/* Say what is wrong with the usage; returns CLIENT_EXIT_USAGE. */
int client_command_misused(const struct client_command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Connect, or say why not and return NULL. */
struct client *client_command_connect(const struct client_command *command, const struct client_arguments *arguments);

/*
 * client_call() whose failure is said on standard error. NULL where it failed,
 * with the exit code in *code; fds may be NULL.
 */
json_t *client_command_call(const struct client_command *command, struct client *client, const char *method,
			    const json_t *params, int *code);

/* Say an error; returns CLIENT_EXIT_FINDINGS where the daemon refused, else CLIENT_EXIT_FAILED. */
int client_command_failed(const struct client_command *command, const struct client *client, const struct error *err);

/* Print JSON to standard output, indented. The exit code: CLIENT_EXIT_OK, or CLIENT_EXIT_FAILED after saying why. */
int client_command_print(const struct client_command *command, const json_t *json);

/* What was written so far to standard output has arrived: CLIENT_EXIT_OK, or CLIENT_EXIT_FAILED after saying why. */
int client_command_flush(const struct client_command *command);

#endif
