/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "client/command.h"
#include "command.h"
#include "report/report.h"
#include "seconds.h"

static const char *last;
static bool reset;

static const struct client_option options[] = {
	{.name = "last",
	 .letter = 'l',
	 .argument = "SECONDS",
	 .help = "latency of the last so many seconds; default: 10",
	 .value = &last},
	{.name = "reset", .letter = 'r', .help = "count anew from now on, and show nothing", .flag = &reset},
	{.name = NULL},
};

static const struct client_command command = {
	.name = "strait stats",
	.usage = "[OPTION]... [DISK]",
	.about = "Show what disks and workers have done since the start or the last reset.",
	.options = options,
	.operands_max = 1,
};

static int print(const struct client_arguments *arguments, const json_t *stats)
{
	if (arguments->json)
		return client_command_print(&command, stats);
	if (reset)
		return CLIENT_EXIT_OK;
	return report_stats(stats, arguments->operand_count != 0) < 0 ? command_no_memory(&command)
								      : client_command_flush(&command);
}

int command_stats(int argc, char **argv)
{
	struct client_arguments arguments;
	json_t *params, *stats;
	struct client *client;
	unsigned window = 10;
	int code = client_command_parse(&command, argc, argv, &arguments);

	if (code != CLIENT_GO_ON)
		return code;
	if (!seconds_read(last, &window))
		return client_command_misused(&command, "--last: %s: expected seconds from 1 to 86400", last);
	params = json_object();
	/* Without it all disks would be meant. */
	if (arguments.operand_count && json_object_set_new(params, "disk", json_string(arguments.operands[0])) < 0) {
		json_decref(params);
		return client_command_misused(&command, "%s: expected the name of a disk", arguments.operands[0]);
	}
	if (!reset)
		json_object_set_new(params, "window", json_integer(window));
	client = client_command_connect(&command, &arguments);
	if (!client) {
		json_decref(params);
		return CLIENT_EXIT_FAILED;
	}
	stats = client_command_call(&command, client, reset ? "stats.reset" : "stats.get", params, &code);
	json_decref(params);
	if (stats)
		code = print(&arguments, stats);
	json_decref(stats);
	client_free(client);
	return code;
}
