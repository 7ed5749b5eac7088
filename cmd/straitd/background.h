/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CMD_STRAITD_BACKGROUND_H
#define STRAIT_CMD_STRAITD_BACKGROUND_H

/*
 * Have a process of its own do something, with context, and wait until it
 * calls background_done() or ends. It is nobody's child, and in no session of
 * ours: systemd takes it for the main process of a service.
 *
 * The exit status: EXIT_STATUS_CLEAN after background_done(), whose line goes
 * to standard output; else what run returned, or
 * EXIT_STATUS_INTERNAL where it did not return. Single-threaded.
 */
struct background {
	int report_fd;
};

int background_run(int (*run)(struct background *background, void *context), void *context);

/* In that process: who waits may go, and say this. */
void background_done(struct background *background, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
