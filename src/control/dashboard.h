/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DASHBOARD_H
#define STRAIT_CONTROL_DASHBOARD_H

#include <stddef.h>

/* The files of src/control/dashboard/, which are part of the program (dashboard/embed.py). Ends with a NULL name. */
struct dashboard_file {
	const char *name; /* "index.html" */
	const char *type; /* Content-Type */
	const unsigned char *data;
	size_t length;
};

extern const struct dashboard_file dashboard_files[];

#endif
