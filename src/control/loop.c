/* SPDX-License-Identifier: Apache-2.0 */
#include "control/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

int loop_init(struct loop *loop)
{
	*loop = (struct loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	return loop->epoll_fd < 0 ? -errno : 0;
}

void loop_destroy(struct loop *loop)
{
	close(loop->epoll_fd);
}

static struct epoll_event event_of(struct loop_source *source)
{
	struct epoll_event event = {.data.ptr = source};

	if (!source->no_read)
		event.events |= EPOLLIN | EPOLLRDHUP;
	if (source->write)
		event.events |= EPOLLOUT;
	return event;
}

int loop_watch(struct loop *loop, struct loop_source *source)
{
	struct epoll_event event = event_of(source);

	if (source->watched)
		return 0;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0)
		return -errno;
	source->watched = true;
	return 0;
}

void loop_unwatch(struct loop *loop, struct loop_source *source)
{
	if (!source->watched)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->watched = false;
}

void loop_want(struct loop *loop, struct loop_source *source, bool read, bool write)
{
	struct epoll_event event;

	if (source->no_read == !read && source->write == write)
		return;
	source->no_read = !read;
	source->write = write;
	event = event_of(source);
	if (source->watched)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
}

/* One at a time: what is called may take away any other source. */
static void call_one(struct loop *loop, int timeout)
{
	struct epoll_event event;

	if (epoll_wait(loop->epoll_fd, &event, 1, timeout) == 1) {
		struct loop_source *source = event.data.ptr;

		source->ready(source);
	}
}

void loop_turn(struct loop *loop)
{
	call_one(loop, 0);
}

void loop_run(struct loop *loop)
{
	while (!loop->quit)
		call_one(loop, -1);
}
