/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CMD_STRAITD_OPTIONS_H
#define STRAIT_CMD_STRAITD_OPTIONS_H

#include <stdbool.h>

#include "base/error.h"

enum options_action {
	OPTIONS_SERVE,
	OPTIONS_CHECK,
	OPTIONS_UPGRADE,
	OPTIONS_CAPABILITIES,
	OPTIONS_VERSION,
	OPTIONS_HELP,
};

struct options {
	enum options_action action;
	const char *config;      /* strings are argv's */
	const char *socket_path; /* NULL where fd is given */
	int fd;                  /* a socket, or -1 */
	const char *blk_file;
	bool read_only;
	int log_level; /* enum log_level, 0 where not given */
	int sandbox;   /* enum sandbox_mode, -1 where not given */
};

/*
 * Read the command line. -EINVAL with err naming the option, its value and
 * what is expected. --print-capabilities anywhere in it wins over everything
 * else, also over mistakes (vhost-user.rst, "Backend program conventions").
 */
int options_parse(int argc, char **argv, struct options *options, struct error *err);

/* The text of --help. */
void options_print_help(void);

#endif
