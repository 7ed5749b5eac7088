/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_LISTENER_H
#define STRAIT_CONTROL_LISTENER_H

#include "base/listener.h"

/* Close the listener and take its socket file away, as far as a daemon in its sandbox may. */
void listener_close(int fd, const char *path);

#endif
