/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "command.h"

static const struct command commands[] = {
	{"bench", "drive a vhost-user-blk back end and measure it", command_bench},
	{"top", "show live what the disks of straitd do", command_top},
	{"budget", "show where the time of requests goes, stage by stage", command_budget},
	{"slow", "show the slowest requests of a disk", command_slow},
	{"profile", "tell what a disk is used for", command_profile},
	{"stats", "show what disks and workers have done, or count anew", command_stats},
	{"disk", "look at the disks of a running straitd, add, change and remove them", command_disk},
	{"config", "show, compare, save and apply the configuration of a running straitd", command_config},
	{"group", "look at the groups that disks share limits in, and change them", command_group},
	{"list", "list the guests of a machine", command_list},
	{"advise", "virtio, passthrough or neither for a disk or NIC of a guest", command_advise},
	{"map", "draw the way of a guest's I/O layer by layer", command_map},
	{"audit", "judge a machine and its guests by rules", command_audit},
	{"exits", "show why guests' CPUs leave their guest", command_exits},
	{"diagnose", "tell why a guest is slow, while it is", command_diagnose},
	{"capture", "write down a machine as it is, for the commands that look at one", command_capture},
	{"rpc", "call a method of a running straitd", command_rpc},
};

static void print_help(void)
{
	printf("Usage: strait COMMAND [OPTION]...\n"
	       "  or:  strait OPTION\n"
	       "\n"
	       "The toolbox for the I/O paths of virtual machines.\n"
	       "\n"
	       "Commands:\n");
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		printf("  %-24s  %s\n", commands[i].name, commands[i].summary);
	printf("\n"
	       "Options:\n"
	       "  -h, --help                show this help and exit\n"
	       "  -V, --version             show the version and exit\n"
	       "\n"
	       "\"strait COMMAND --help\" and strait-COMMAND(1) tell more.\n");
}

/* The libraries that a build can be without. */
static const char with[] =
#ifdef HAVE_LIBNVME
	" +libnvme"
#else
	" -libnvme"
#endif
#ifdef HAVE_LIBTRACECMD
	" +libtracecmd"
#else
	" -libtracecmd"
#endif
#ifdef HAVE_LIBTRACEFS
	" +libtracefs"
#else
	" -libtracefs"
#endif
#ifdef HAVE_LIBVIRT
	" +libvirt"
#else
	" -libvirt"
#endif
	;

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;

	if (!word) {
		fprintf(stderr, "strait: no command given: see \"strait --help\"\n");
		return 2;
	}
	if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
		print_help();
		return 0;
	}
	if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0) {
		printf("strait %s\nlibraries:%s\n", STRAIT_VERSION, with);
		return 0;
	}
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(word, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "strait: %s: no such %s: see \"strait --help\"\n", word, word[0] == '-' ? "option" : "command");
	return 2;
}
