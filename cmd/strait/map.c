/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#include "audit/map.h"
#include "client/command.h"
#include "command.h"
#include "host/array.h"
#include "host_tool.h"
#include "report/style.h"
#include "seconds.h"

static bool dot;

static const struct client_option options[] = {
	{.name = "dot",
	 .letter = 'd',
	 .help = "draw for Graphviz: strait map --dot | dot -Tsvg >map.svg",
	 .flag = &dot},
	{.name = NULL},
};

static const struct client_command command = {
	.name = "strait map",
	.usage = "[OPTION]... [VM [DISK|NIC]]",
	.about = "Draw the way of a guest's I/O layer by layer, from the device it sees down to the hardware, with "
		 "what\n"
		 "each layer costs or risks. VM is a name, a UUID or a process id; a disk is known by its target "
		 "(vda),\n"
		 "its id or its number, a NIC by its id or the host's interface, a passed-through device by its id or\n"
		 "address. Without VM, of all guests.",
	.more = "Examples:\n  strait map db1 vda\n  strait map --from host7.tar.zst --dot | dot -Tsvg >host7.svg",
	.options = options,
	.operands_max = 2,
	.of_host = true,
};

static void append(struct host *host, struct path_list *all, const struct path_list *more)
{
	for (unsigned i = 0; i < more->count; i++) {
		all->path = array_grow(host->tree, all->path, all->count, sizeof(*all->path));
		all->path[all->count++] = more->path[i];
	}
}

/* What was asked for; false after saying that it is not there. */
static bool collect(const struct client_arguments *arguments, struct host *host, struct path_list *all)
{
	const char *name = arguments->operand_count > 0 ? arguments->operands[0] : NULL,
		   *device = arguments->operand_count > 1 ? arguments->operands[1] : NULL;
	const struct guest *guest = name ? host_tool_guest(&command, host, name) : NULL;

	if (name && !guest)
		return false;
	for (unsigned i = 0; i < host->guests.count; i++) {
		struct path_list list;

		if (guest && guest != &host->guests.guest[i])
			continue;
		list = path_of_guest(host, &host->guests.guest[i], device);
		append(host, all, &list);
	}
	if (device && !all->count) {
		fprintf(stderr,
			"%s: %s: %s has no such disk, NIC or passed-through device: \"strait map %s\" shows all\n",
			command.name, device, name, name);
		return false;
	}
	return true;
}

static int print_json(struct host *host, const struct path_list *all)
{
	json_t *paths = map_json(host->tree, all->path, all->count);
	int code = paths ? client_command_print(&command, paths) : command_no_memory(&command);

	json_decref(paths);
	return code;
}

static int print(const struct client_arguments *arguments, struct host *host, const struct path_list *all)
{
	const struct report_style report = report_style();
	const struct map_style style = {report.unicode, report.colour, isatty(STDOUT_FILENO) ? report.width : 0};

	if (arguments->json)
		return print_json(host, all);
	if (dot) {
		map_dot(stdout, host->tree, all->path, all->count);
		return client_command_flush(&command);
	}
	for (unsigned i = 0; i < all->count; i++) {
		if (i)
			putchar('\n');
		map_text(stdout, host->tree, &all->path[i], &style);
	}
	if (!all->count)
		printf(host->guests.count ? "The guests have no disks and no NICs.\n" : "No guests.\n");
	return client_command_flush(&command);
}

int command_map(int argc, char **argv)
{
	struct client_arguments arguments;
	struct path_list all = {0};
	struct tree *tree;
	struct host *host;
	int code = client_command_parse(&command, argc, argv, &arguments);

	if (code != CLIENT_GO_ON)
		return code;
	if (dot && arguments.json)
		return client_command_misused(&command, "--dot and --json are two ways to print: choose one");
	setlocale(LC_CTYPE, "");
	tree = host_tool_open(&command, &arguments);
	if (!tree)
		return CLIENT_EXIT_FAILED;
	host = host_read(tree);
	code = collect(&arguments, host, &all) ? print(&arguments, host, &all) : CLIENT_EXIT_FAILED;
	host_tool_tell_unreadable(&command, tree);
	tree_close(tree);
	return code;
}
