/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/queue.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int driver_queue_open(struct driver_queue *queue, unsigned index, struct driver_ring *ring, struct error *err)
{
	int ret;

	memset(queue, 0, sizeof(*queue));
	queue->ring = ring;
	queue->index = index;
	queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->kick_fd >= 0 && queue->call_fd >= 0 && queue->err_fd >= 0)
		return 0;
	ret = error_set(err, -errno, "cannot create the eventfds of queue %u: %s", index, strerror(errno));
	driver_queue_close(queue);
	return ret;
}

void driver_queue_close(struct driver_queue *queue)
{
	int *const fds[] = {&queue->kick_fd, &queue->call_fd, &queue->err_fd};

	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

void driver_queue_kick(struct driver_queue *queue)
{
	/* It can only fail because nobody has read 2^64 kicks. */
	(void)!eventfd_write(queue->kick_fd, 1);
	queue->kicks++;
}

void driver_queue_collect_calls(struct driver_queue *queue)
{
	eventfd_t value;

	if (eventfd_read(queue->call_fd, &value) == 0)
		queue->calls += value;
}

bool driver_queue_failed(struct driver_queue *queue)
{
	eventfd_t value;

	return eventfd_read(queue->err_fd, &value) == 0;
}
