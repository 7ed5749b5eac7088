/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/command.h"
#include "command.h"
#include "report/report.h"
#include "seconds.h"

static const char *last, *ago, *op, *compare;

static const struct client_option options[] = {
	{.name = "last",
	 .letter = 'l',
	 .argument = "SECONDS",
	 .help = "of the last so many seconds; default: since the start or the last\nreset, without DISK 10",
	 .value = &last},
	{.name = "ago",
	 .letter = 'a',
	 .argument = "SECONDS",
	 .help = "let these seconds end so long before now",
	 .value = &ago},
	{.name = "op",
	 .letter = 'o',
	 .argument = "TYPE",
	 .help = "of one type of request: read, write, flush, discard or\nwrite-zeroes",
	 .value = &op},
	{.name = "compare",
	 .letter = 'c',
	 .argument = "A,B",
	 .help = "the last A seconds against the B seconds before them",
	 .value = &compare},
	{.name = NULL},
};

static const struct client_command command = {
	.name = "strait budget",
	.usage = "[OPTION]... [DISK]",
	.about = "Show where the time of a disk's requests goes: how much of the median, of p99 and of\n"
		 "p99.9 each stage takes. Without DISK, a line for each disk.",
	.more = "Example:\n  strait budget --compare 10,60 vm3",
	.options = options,
	.operands_max = 1,
};

/* budget.get of a disk. NULL with the exit code. */
static json_t *ask(struct client *client, const char *disk, unsigned window, unsigned before, int *code)
{
	json_t *params = json_pack("{s:s}", "disk", disk), *result;

	if (window)
		json_object_set_new(params, "window", json_integer(window));
	if (before)
		json_object_set_new(params, "ago", json_integer(before));
	if (op)
		json_object_set_new(params, "op", json_string(op));
	result = client_command_call(&command, client, "budget.get", params, code);
	json_decref(params);
	return result;
}

static int print(const struct client_arguments *arguments, const json_t *budget)
{
	const struct report_style style = report_style();

	if (arguments->json)
		return client_command_print(&command, budget);
	if (report_budget(budget, &style) < 0)
		return command_no_memory(&command);
	return client_command_flush(&command);
}

static int show_one(struct client *client, const struct client_arguments *arguments, unsigned window, unsigned before)
{
	int code = CLIENT_EXIT_OK;
	json_t *budget = ask(client, arguments->operands[0], window, before, &code);

	if (budget)
		code = print(arguments, budget);
	json_decref(budget);
	return code;
}

static int print_both(const struct client_arguments *arguments, json_t *now, json_t *before)
{
	json_t *both;
	int code;

	if (!arguments->json) {
		if (report_compared(now, before) < 0)
			return command_no_memory(&command);
		return client_command_flush(&command);
	}
	both = json_pack("{s:O,s:O}", "now", now, "before", before);
	code = client_command_print(&command, both);
	json_decref(both);
	return code;
}

static int show_both(struct client *client, const struct client_arguments *arguments, unsigned window, unsigned earlier)
{
	int code = CLIENT_EXIT_OK;
	json_t *now = ask(client, arguments->operands[0], window, 0, &code);
	json_t *before = now ? ask(client, arguments->operands[0], earlier, window, &code) : NULL;

	if (before)
		code = print_both(arguments, now, before);
	json_decref(before);
	json_decref(now);
	return code;
}

static int show_all(struct client *client, const struct client_arguments *arguments, unsigned window)
{
	json_t *params = window ? json_pack("{s:i}", "window", (int)window) : NULL, *stats;
	int code = CLIENT_EXIT_OK;

	stats = client_command_call(&command, client, "stats.get", params, &code);
	json_decref(params);
	if (!stats)
		return code;
	if (arguments->json)
		code = client_command_print(&command, stats);
	else if (report_budgets(stats) < 0)
		code = command_no_memory(&command);
	else
		code = client_command_flush(&command);
	json_decref(stats);
	return code;
}

int command_budget(int argc, char **argv)
{
	unsigned window = 0, before = 0, both[2] = {0};
	struct client_arguments arguments;
	struct client *client;
	int code = client_command_parse(&command, argc, argv, &arguments);

	if (code != CLIENT_GO_ON)
		return code;
	setlocale(LC_CTYPE, "");
	if (!seconds_read(last, &window) || !seconds_read(ago, &before) || !seconds_read_two(compare, both))
		return client_command_misused(&command, "%s: expected seconds from 1 to 86400%s",
					      !seconds_read(last, &window)  ? last
					      : !seconds_read(ago, &before) ? ago
									    : compare,
					      compare ? ", two of them with a comma for --compare" : "");
	if (!arguments.operand_count && (ago || op || compare))
		return client_command_misused(&command, "--ago, --op and --compare need a DISK");
	if (compare && (last || ago))
		return client_command_misused(&command,
					      "--compare says which seconds are meant: leave out --last and --ago");
	client = client_command_connect(&command, &arguments);
	if (!client)
		return CLIENT_EXIT_FAILED;
	if (!arguments.operand_count)
		code = show_all(client, &arguments, window);
	else if (compare)
		code = show_both(client, &arguments, both[0], both[1]);
	else
		code = show_one(client, &arguments, window, before);
	client_free(client);
	return code;
}
