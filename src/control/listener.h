/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_LISTENER_H
#define STRAIT_CONTROL_LISTENER_H

#include "base/error.h"

/*
 * A listening unix stream socket at path, non-blocking. A socket file that
 * nobody listens on (left by a daemon that was killed) is replaced; one that
 * somebody listens on, or a file of another kind, is an error. Returns the
 * descriptor or a negative errno with err set.
 */
int listener_open(const char *path, struct error *err);

/* Close the listener and take its socket file away. */
void listener_close(int fd, const char *path);

#endif
