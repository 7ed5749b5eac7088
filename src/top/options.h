/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TOP_OPTIONS_H
#define STRAIT_TOP_OPTIONS_H

#include <stdio.h>

#include "base/error.h"
#include "top/view.h"

/* The command line of `strait top`. */
struct top_options {
	const char *socket;  /* NULL: the usual one */
	unsigned long count; /* readings; 0: no end */
	bool batch;
	bool json;
	bool help;
	struct top_view view; /* as it begins */
};

/* 0, or -EINVAL with a sentence in err. Uses getopt. */
int top_options_parse(struct top_options *options, int argc, char **argv, struct error *err);
void top_options_help(FILE *out);

#endif
