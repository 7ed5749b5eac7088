/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CMD_STRAITD_EXIT_STATUS_H
#define STRAIT_CMD_STRAITD_EXIT_STATUS_H

/* Documented in straitd(8). */
enum exit_status {
	EXIT_STATUS_CLEAN = 0,
	EXIT_STATUS_FINDINGS = 1, /* a disk cannot be served, --check found something */
	EXIT_STATUS_USAGE = 2,    /* options or configuration */
	EXIT_STATUS_INTERNAL = 3, /* out of memory, output that cannot be written */
};

#endif
