/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_LOOP_H
#define STRAIT_CONTROL_LOOP_H

#include <stdbool.h>

/*
 * The control thread's event loop: descriptors, and what to call when they are
 * readable (or writable, where that is wanted) or their other end is gone. It sleeps while nothing happens.
 */
struct loop_source {
	int fd; /* the owner's; stays open while it is watched */
	void (*ready)(struct loop_source *source);
	bool watched;
	bool no_read, write; /* see loop_want() */
};

struct loop {
	int epoll_fd;
	bool quit;
};

/* 0 or a negative errno. */
int loop_init(struct loop *loop);
void loop_destroy(struct loop *loop);

/*
 * Begin or end watching; either may be called where that is so already. A
 * source that is no longer watched may be freed at once, also from ready().
 */
int loop_watch(struct loop *loop, struct loop_source *source);
void loop_unwatch(struct loop *loop, struct loop_source *source);

/*
 * Have ready() called when a source that is watched can be read from, can be
 * written to, both or neither; the end of the other side is told in any case.
 * In the beginning it is for reading.
 */
void loop_want(struct loop *loop, struct loop_source *source, bool read, bool write);

/* Call one source that is ready, without waiting: for a loop inside another, whose source loop->epoll_fd is. */
void loop_turn(struct loop *loop);

/* Run until loop_quit(). */
void loop_run(struct loop *loop);

static inline void loop_quit(struct loop *loop)
{
	loop->quit = true;
}

#endif
