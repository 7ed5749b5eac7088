/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_NOTIFY_H
#define STRAIT_CONTROL_NOTIFY_H

/*
 * Tells whoever started the daemon what happens, as sd_notify(3) does, but on a
 * socket that is connected once: a sandboxed daemon can reach none by its
 * path. Control thread.
 */

/* Connect to NOTIFY_SOCKET. Without it, or if it cannot be reached (which is logged), nothing is told to anybody. */
void notify_open(void);
void notify_close(void);

/* Lines such as "READY=1\nSTATUS=..."; lost where nobody reads them. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
