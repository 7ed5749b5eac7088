/* SPDX-License-Identifier: Apache-2.0 */
/* The device of the stage, and the daemon around the session. */
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/checked.h"

static void heard(struct stage *stage, const char *word)
{
	const size_t used = strlen(stage->trace);

	assert_true(used + strlen(word) + 3 < sizeof(stage->trace));
	snprintf(stage->trace + used, sizeof(stage->trace) - used, "%s%s", used ? "; " : "", word);
}

static void heard_of(struct stage *stage, const char *word, uint32_t index)
{
	char text[32];

	snprintf(text, sizeof(text), "%s %u", word, index);
	heard(stage, text);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void close_setup(const struct vhost_queue_setup *setup)
{
	close_fd(setup->kick_fd);
	close_fd(setup->call_fd);
	close_fd(setup->err_fd);
}

static void assert_nothing_runs(const struct stage *stage)
{
	for (uint32_t i = 0; i < stage->queue_count; i++)
		assert_false(stage->queue[i].running);
}

static uint64_t device_features(void *device)
{
	return STAGE_FEATURES | ((struct stage *)device)->more;
}

static uint32_t device_queue_count(void *device)
{
	return ((struct stage *)device)->queue_count;
}

static void device_features_set(void *device, uint64_t features)
{
	struct stage *stage = device;

	assert_nothing_runs(stage);
	assert_int_equal(features & ~(STAGE_FEATURES | stage->more), 0);
	stage->features = features;
	heard(stage, "features");
}

static int device_get_config(void *device, uint32_t offset, uint32_t size, void *data)
{
	const struct stage *stage = device;

	if (!range_within(offset, size, sizeof(stage->config)))
		return -EINVAL;
	memcpy(data, stage->config + offset, size);
	return 0;
}

static int device_set_config(void *device, uint32_t offset, uint32_t size, const void *data)
{
	struct stage *stage = device;

	if (!range_within(offset, size, sizeof(stage->config)))
		return -EINVAL;
	memcpy(stage->config + offset, data, size);
	heard(stage, "config");
	return 0;
}

static int device_queue_start(void *device, uint32_t index, const struct vhost_queue_setup *setup, struct error *err)
{
	struct stage *stage = device;
	struct stage_queue *queue = &stage->queue[index];
	struct virtq vq;

	assert_true(index < stage->queue_count);
	assert_false(queue->running);
	queue->setup = *setup;
	/* As a real device would, it looks for the ring. */
	if (virtq_init(&vq, &setup->ring, err) < 0) {
		heard_of(stage, "refuse", index);
		close_setup(setup);
		return -EINVAL;
	}
	virtq_destroy(&vq);
	heard_of(stage, "start", index);
	queue->running = true;
	queue->starts++;
	return 0;
}

static void device_queue_stop(void *device, uint32_t index)
{
	struct stage *stage = device;

	assert_true(stage->queue[index].running);
	assert_false(stage->queue[index].stop_asked);
	stage->queue[index].stop_asked = true;
	heard_of(stage, "stop", index);
}

static void device_all_stopped(void *device)
{
	assert_nothing_runs(device);
	((struct stage *)device)->all_stopped++;
}

static void device_queue_set_call(void *device, uint32_t index, int fd)
{
	struct stage *stage = device;

	assert_true(stage->queue[index].running);
	close_fd(stage->queue[index].setup.call_fd);
	stage->queue[index].setup.call_fd = fd;
	heard_of(stage, "call", index);
}

static void device_memory_changed(void *device, void *base, uint64_t length, bool added)
{
	struct stage *stage = device;

	assert_nothing_runs(stage);
	/* It is there, from the first byte to the last, when it has come and when it is about to go. */
	((volatile char *)base)[0] = 1;
	((volatile char *)base)[length - 1] = 1;
	heard(stage, added ? "add" : "remove");
}

static void device_reset(void *device)
{
	assert_nothing_runs(device);
	heard(device, "reset");
}

static const struct vhost_ops ops = {
	.features = device_features,
	.queue_count = device_queue_count,
	.features_set = device_features_set,
	.get_config = device_get_config,
	.set_config = device_set_config,
	.queue_start = device_queue_start,
	.queue_stop = device_queue_stop,
	.all_stopped = device_all_stopped,
	.queue_set_call = device_queue_set_call,
	.memory_changed = device_memory_changed,
	.reset = device_reset,
};

void stage_drain(struct stage *stage, uint32_t base)
{
	bool asked[STAGE_MOST_QUEUES];

	/* One that is asked because another has stopped is for the next time. */
	for (uint32_t i = 0; i < stage->queue_count; i++)
		asked[i] = stage->queue[i].stop_asked;
	for (uint32_t i = 0; i < stage->queue_count; i++) {
		struct stage_queue *queue = &stage->queue[i];

		if (!asked[i])
			continue;
		assert_true(vhost_session_busy(stage->session));
		queue->stop_asked = queue->running = false;
		close_setup(&queue->setup);
		stage->alive = vhost_session_queue_stopped(stage->session, i, base);
	}
}

void stage_create(struct stage *stage, uint32_t queue_count)
{
	int ends[2];

	memset(stage, 0, sizeof(*stage));
	stage->queue_count = queue_count;
	for (unsigned i = 0; i < STAGE_CONFIG_SIZE; i++)
		stage->config[i] = (uint8_t)(i + 1);
	stage->ram_fd = memfd_create("front-end-ram", MFD_CLOEXEC);
	assert_int_equal(ftruncate(stage->ram_fd, RAM_SIZE), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	stage->front = ends[0];
	stage->session = vhost_session_new(ends[1], "test", &ops, stage);
	assert_non_null(stage->session);
	stage->alive = true;
}

void stage_end(struct stage *stage)
{
	while (!vhost_session_close(stage->session))
		stage_drain(stage, 0);
	vhost_session_free(stage->session);
	stage->session = NULL;
	assert_nothing_runs(stage);
	assert_int_equal(count_mappings("front-end-ram"), 0);
}

void stage_destroy(struct stage *stage)
{
	if (stage->session)
		stage_end(stage);
	if (stage->front >= 0)
		close(stage->front);
	close(stage->ram_fd);
}

/* Descriptors at the beginning of the test. */
static unsigned fds_before;

int stage_set_up(void **state)
{
	struct stage *stage = malloc(sizeof(*stage));

	fds_before = count_open_fds();
	stage_create(stage, 2);
	*state = stage;
	return 0;
}

int stage_tear_down(void **state)
{
	said_end();
	stage_destroy(*state);
	free(*state);
	/* A failure here is a leak. */
	return count_open_fds() == fds_before ? 0 : -1;
}
