/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "audit/clean.h"
#include "client/command.h"
#include "client/table.h"
#include "command.h"
#include "host/model_json.h"
#include "host_tool.h"
#include "seconds.h"

static const struct client_command command = {
	.name = "strait list",
	.usage = "[OPTION]...",
	.about = "List the guests of this machine, however they were started: those that libvirt knows, and processes\n"
		 "of QEMU, cloud-hypervisor and firecracker.",
	.more = "Examples:\n"
		"  strait list\n"
		"  strait list --json | jq '.guest[].disk[].image'\n"
		"  strait list --from host7.tar.zst",
	.of_host = true,
	.exits = "0 listed (there may be none), 2 wrong usage, 3 the machine could not be looked at.",
};

static const struct client_column columns[] = {
	{"NAME", false},    {"PID", true},   {"STATE", false}, {"FROM", false}, {"HYPERVISOR", false}, {"ACCEL", false},
	{"MACHINE", false}, {"VCPUS", true}, {"MEMORY", true}, {"DISKS", true}, {"NICS", true},        {NULL, false},
};

static const char *hypervisor_name(enum guest_hypervisor hypervisor)
{
	switch (hypervisor) {
	case GUEST_QEMU:
		return "qemu";
	case GUEST_CLOUD_HYPERVISOR:
		return "cloud-hypervisor";
	case GUEST_FIRECRACKER:
		return "firecracker";
	default:
		return NULL;
	}
}

/* What is unknown has no number. */
static const char *count_text(struct tree *tree, unsigned count)
{
	return count ? tree_format(tree, "%u", count) : NULL;
}

static int add_guest(struct client_table *table, struct tree *tree, const struct guest *guest)
{
	char memory[CLIENT_TEXT];
	const char *const cells[] = {
		guest->name,
		guest->pid == HOST_UNKNOWN ? NULL : tree_format(tree, "%d", guest->pid),
		guest->state,
		guest->source == GUEST_OF_LIBVIRT ? "libvirt" : "process",
		hypervisor_name(guest->hypervisor),
		guest->accelerator,
		guest->machine,
		count_text(tree, guest->vcpu_count),
		guest->memory.size ? client_format_size(guest->memory.size, memory) : NULL,
		/* Known to have none, where its devices are known at all. */
		tree_format(tree, "%u", guest->disk_count),
		tree_format(tree, "%u", guest->nic_count + guest->hostdev_count),
	};

	return client_table_row(table, cells);
}

static int print_table(struct tree *tree, const struct host_guests *guests)
{
	struct client_table *table = client_table_new(columns);
	int ret = table ? 0 : -1;

	for (unsigned i = 0; i < guests->count && ret == 0; i++)
		ret = add_guest(table, tree, &guests->guest[i]);
	if (ret == 0)
		ret = client_table_print(table);
	client_table_free(table);
	return ret < 0 ? command_no_memory(&command) : client_command_flush(&command);
}

static int print_json(const struct host_guests *guests)
{
	json_t *json = host_guests_json(guests);
	const int code = json ? client_command_print(&command, json) : command_no_memory(&command);

	json_decref(json);
	return code;
}

/* What could not be asked of guests, each on a line of standard error. */
static void tell_unreadable(struct tree *tree, const struct host_guests *guests)
{
	if (guests->libvirt_unreadable)
		fprintf(stderr, "%s: libvirt: %s\n", command.name, audit_clean(tree, guests->libvirt_unreadable));
	for (unsigned i = 0; i < guests->count; i++) {
		const struct guest *guest = &guests->guest[i];

		if (guest->unreadable)
			fprintf(stderr, "%s: %s: %s\n", command.name, audit_clean(tree, guest->name) ?: "?",
				audit_clean(tree, guest->unreadable));
	}
}

int command_list(int argc, char **argv)
{
	struct client_arguments arguments;
	struct host_guests guests = {0};
	struct tree *tree;
	int code = client_command_parse(&command, argc, argv, &arguments);

	if (code != CLIENT_GO_ON)
		return code;
	tree = host_tool_open(&command, &arguments);
	if (!tree)
		return CLIENT_EXIT_FAILED;
	host_guests_read(tree, &guests);
	code = arguments.json ? print_json(&guests) : print_table(tree, &guests);
	tell_unreadable(tree, &guests);
	host_tool_tell_unreadable(&command, tree);
	tree_close(tree);
	return code;
}
