/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_SWEEPER_H
#define STRAIT_CONTROL_SWEEPER_H

#include "base/error.h"

/*
 * Takes socket files away for a daemon that has given up the right to (a
 * sandboxed one can name no path, and its user may not own the directory). A
 * child of the daemon that keeps its rights, has nothing but a socket to the
 * daemon, and knows only numbers of paths that it was told before anything
 * hostile was heard. It ends with the daemon, however that ends; without a word
 * it removes nothing.
 */

/*
 * Start it, before there are descriptors or threads that a child should not
 * have. paths, some of which may be NULL, stay the caller's until
 * sweeper_stop(). Once a process. 0, or a negative errno with err set.
 */
int sweeper_start(const char *const *paths, unsigned count, struct error *err);

/*
 * Remove a socket file: by the sweeper if it was started, or else by unlink(2).
 * It has gone afterwards, unless the sweeper has, or does not get to run for a
 * second. Control thread.
 */
void sweeper_remove(const char *path);

/* Wait until all is removed, and for its end. Nothing where it was not started. */
void sweeper_stop(void);

#endif
