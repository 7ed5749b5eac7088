/* SPDX-License-Identifier: Apache-2.0 */
#include "control/disk_vhost.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"

static uint64_t offered_features(void *device)
{
	return blk_features(&((struct disk *)device)->blk);
}

static uint32_t queue_count(void *device)
{
	return ((struct disk *)device)->blk.queue_count;
}

static void features_set(void *device, uint64_t features)
{
	blk_set_features(&((struct disk *)device)->blk, features);
}

static int get_config(void *device, uint32_t offset, uint32_t size, void *data)
{
	return blk_get_config(&((struct disk *)device)->blk, offset, size, data);
}

static int set_config(void *device, uint32_t offset, uint32_t size, const void *data)
{
	return blk_set_config(&((struct disk *)device)->blk, offset, size, data);
}

static struct queue *queue_of(void *device, uint32_t index)
{
	return &((struct disk *)device)->blk.queue[index].queue;
}

static void close_setup(const struct vhost_queue_setup *setup)
{
	const int fds[] = {setup->kick_fd, setup->call_fd, setup->err_fd};

	for (unsigned i = 0; i < 3; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static int start_queue(void *device, uint32_t index, const struct vhost_queue_setup *setup, struct error *err)
{
	struct disk *disk = device;
	const struct queue_setup queue_setup = {.ring = setup->ring,
						.kick_fd = setup->kick_fd,
						.call_fd = setup->call_fd,
						.err_fd = setup->err_fd,
						.quota = setup->quota};
	struct worker *worker;
	int ret;

	if (setup->ring.size > disk->config->queue_size_max) {
		close_setup(setup);
		return error_set(err, -EINVAL,
				 "%u entries, expected at most %u; lower the front end's queue size or raise "
				 "queue-size-max",
				 setup->ring.size, disk->config->queue_size_max);
	}
	/* Now that it is to run, the image has to be its disk's alone. */
	ret = storage_activate(disk->storage, err);
	if (ret < 0) {
		close_setup(setup);
		return ret;
	}
	if (ret > 0)
		disk_refresh(disk);
	worker = placement_take(disk->host->placement, queue_of(device, index), disk);
	if (!worker) {
		close_setup(setup);
		return error_set(err, -ENOMEM, "no memory to place it");
	}
	ret = queue_start(queue_of(device, index), worker, &queue_setup, err);
	if (ret < 0)
		placement_release(disk->host->placement, queue_of(device, index));
	return ret;
}

static void on_stopped(struct queue *queue)
{
	struct blk *blk = queue->device;
	struct disk *disk = (struct disk *)((char *)blk - offsetof(struct disk, blk));

	disk_queue_stopped(disk, queue);
}

static void stop_queue(void *device, uint32_t index)
{
	struct disk *disk = device;

	queue_stop(queue_of(device, index), disk->host->mailbox, on_stopped);
}

static void set_call(void *device, uint32_t index, int fd)
{
	struct disk *disk = device;

	if (queue_set_call(queue_of(device, index), fd) < 0)
		log_error("disk %s: no memory to change the call descriptor of queue %u", disk->config->name, index);
}

static const struct vhost_limits *limits(void *device)
{
	return &((struct disk *)device)->config->limits;
}

static void memory_changed(void *device, void *base, uint64_t length, bool added)
{
	storage_memory_changed(((struct disk *)device)->storage, base, length, added);
}

static void all_stopped(void *device)
{
	storage_deactivate(((struct disk *)device)->storage);
}

static void reset(void *device)
{
	blk_reset(&((struct disk *)device)->blk);
	all_stopped(device);
}

const struct vhost_ops disk_vhost_ops = {
	.features = offered_features,
	.queue_count = queue_count,
	.features_set = features_set,
	.get_config = get_config,
	.set_config = set_config,
	.queue_start = start_queue,
	.queue_stop = stop_queue,
	.all_stopped = all_stopped,
	.queue_set_call = set_call,
	.limits = limits,
	.memory_changed = memory_changed,
	.reset = reset,
};
