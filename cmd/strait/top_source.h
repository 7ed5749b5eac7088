/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TOP_SOURCE_H
#define STRAIT_TOP_SOURCE_H

#include "base/error.h"
#include "top/reading.h"

/*
 * Where `strait top` has its readings from. It connects when it has to, and
 * again after a failure.
 */
struct top_source;

/* What came of one attempt: a reading, or the error that says why there is none. */
struct top_answer {
	int ret;
	struct error err;
	struct top_reading reading;
};

/* socket: NULL is the usual one. window: seconds that latencies are of. NULL: no memory. */
struct top_source *top_source_new(const char *socket, unsigned window);
void top_source_free(struct top_source *source);

/* Ask and wait. The answer is the caller's, for top_answer_free(). NULL: no memory. */
struct top_answer *top_source_fetch(struct top_source *source);
void top_answer_free(struct top_answer *answer);

/*
 * The same without waiting, so that keys are obeyed while straitd is silent: a
 * thread asks. From top_source_start() on only these may be called. It gives a
 * descriptor that is readable when top_source_take() has an answer, or a
 * negative errno. There is no end: the thread may be waiting, and ends with
 * the process.
 */
int top_source_start(struct top_source *source);
void top_source_ask(struct top_source *source);
struct top_answer *top_source_take(struct top_source *source);

#endif
