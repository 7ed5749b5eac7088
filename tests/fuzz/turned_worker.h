/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_FUZZ_TURNED_WORKER_H
#define STRAIT_TESTS_FUZZ_TURNED_WORKER_H

#include "engine/worker.h"

/*
 * A real worker without its thread: the caller turns its loop by hand. So an
 * input does the same each time, thousands of times a second. The calling
 * thread is the one that owns its io_uring.
 */
struct worker *turned_worker_create(void);

/* Look everywhere once. True where something was found to do. */
bool turned_worker_turn(struct worker *worker);

/* Until there is nothing to do any more, or for a good many turns: hostile work may never end. */
void turned_worker_work(struct worker *worker);

#endif
