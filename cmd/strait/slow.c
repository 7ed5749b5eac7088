/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "client/command.h"
#include "command.h"
#include "report/report.h"
#include "seconds.h"

static const char *count;

static const struct client_option options[] = {
	{.name = "count", .letter = 'n', .argument = "NUMBER", .help = "show so many; default: 20", .value = &count},
	{.name = NULL},
};

static const struct client_command command = {
	.name = "strait slow",
	.usage = "[OPTION]... DISK",
	.about = "Show the slowest requests of a disk, and in which stage each spent its time.",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
};

int command_slow(int argc, char **argv)
{
	struct client_arguments arguments;
	struct client *client;
	json_t *params, *slow;
	unsigned limit = 20;
	int code = client_command_parse(&command, argc, argv, &arguments);

	if (code != CLIENT_GO_ON)
		return code;
	if (!seconds_read(count, &limit))
		return client_command_misused(&command, "--count: %s: expected a number from 1 to 86400", count);
	client = client_command_connect(&command, &arguments);
	if (!client)
		return CLIENT_EXIT_FAILED;
	params = json_pack("{s:s,s:i}", "disk", arguments.operands[0], "limit", (int)limit);
	slow = client_command_call(&command, client, "slow.get", params, &code);
	json_decref(params);
	if (slow && arguments.json)
		code = client_command_print(&command, slow);
	else if (slow)
		code = report_slow(slow) < 0 ? command_no_memory(&command) : client_command_flush(&command);
	json_decref(slow);
	client_free(client);
	return code;
}
