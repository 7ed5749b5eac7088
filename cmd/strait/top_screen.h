/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TOP_SCREEN_H
#define STRAIT_TOP_SCREEN_H

#include "top/options.h"
#include "top_source.h"

/*
 * Show what source says on the terminal until somebody has seen enough. The
 * exit code. The terminal is as it was before, also after a signal, of which
 * the process then dies as usual.
 */
int top_screen_run(struct top_options *options, struct top_source *source);

#endif
