/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_CONFINE_H
#define STRAIT_HOST_CONFINE_H

#include <stdint.h>

/*
 * For a child (patience_ask_of_file()), before it looks with somebody else's code at what may be hostile: from then on
 * it has what is open and its memory, and nothing else: no path, no socket, no process. root becomes nobody, where it
 * can. It gets so many seconds of a CPU and bytes of memory. 0, or a negative errno: it is not confined. Programs with
 * a sanitizer keep system calls and memory.
 */
int confine(unsigned seconds, uint64_t memory);

#endif
