/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "client/command.h"
#include "command.h"
#include "report/report.h"
#include "seconds.h"

static const char *last;

static const struct client_option options[] = {
	{.name = "last",
	 .letter = 'l',
	 .argument = "SECONDS",
	 .help = "of the last so many seconds; default: 60",
	 .value = &last},
	{.name = NULL},
};

static const struct client_command command = {
	.name = "strait profile",
	.usage = "[OPTION]... [DISK]",
	.about = "Tell what a disk is used for, and by what one can tell: idle, latency-sensitive,\n"
		 "throughput or mixed. Without DISK, all disks.",
	.options = options,
	.operands_max = 1,
};

static int show(struct client *client, const struct client_arguments *arguments, const char *disk, unsigned window)
{
	json_t *params = json_pack("{s:s,s:i}", "disk", disk, "window", (int)window), *profile;
	int code = CLIENT_EXIT_OK;

	profile = client_command_call(&command, client, "profile.get", params, &code);
	json_decref(params);
	if (profile && arguments->json)
		code = client_command_print(&command, profile);
	else if (profile)
		code = report_profile(profile) < 0 ? command_no_memory(&command) : client_command_flush(&command);
	json_decref(profile);
	return code;
}

/* Those that are served; one that vanishes meanwhile is no reason to end. */
static int show_all(struct client *client, const struct client_arguments *arguments, unsigned window)
{
	int code = CLIENT_EXIT_OK, worst = CLIENT_EXIT_OK;
	json_t *list = client_command_call(&command, client, "disk.list", NULL, &code), *disk;
	size_t i;

	json_array_foreach(json_object_get(list, "disks"), i, disk)
	{
		if (!arguments->json && i)
			printf("\n");
		code = show(client, arguments, json_string_value(json_object_get(disk, "name")), window);
		worst = code > worst ? code : worst;
	}
	json_decref(list);
	return worst ? worst : code;
}

int command_profile(int argc, char **argv)
{
	struct client_arguments arguments;
	struct client *client;
	unsigned window = 60;
	int code = client_command_parse(&command, argc, argv, &arguments);

	if (code != CLIENT_GO_ON)
		return code;
	if (!seconds_read(last, &window))
		return client_command_misused(&command, "--last: %s: expected seconds from 1 to 86400", last);
	client = client_command_connect(&command, &arguments);
	if (!client)
		return CLIENT_EXIT_FAILED;
	code = arguments.operand_count ? show(client, &arguments, arguments.operands[0], window)
				       : show_all(client, &arguments, window);
	client_free(client);
	return code;
}
