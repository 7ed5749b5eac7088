/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "bench/load.h"

#define RETRY_NS 5000000u

static void make_wishes(const struct bench_options *options, struct driver_wishes *wishes)
{
	wishes->features = driver_known_features;
	if (!options->packed)
		wishes->features &= ~((uint64_t)1 << VIRTIO_F_RING_PACKED);
	if (!options->event_idx)
		wishes->features &= ~((uint64_t)1 << VIRTIO_RING_F_EVENT_IDX);
	if (!options->indirect)
		wishes->features &= ~((uint64_t)1 << VIRTIO_RING_F_INDIRECT_DESC);
	wishes->protocol_features = driver_known_protocol_features;
	if (!options->inflight)
		wishes->protocol_features &= ~((uint64_t)1 << VHOST_PROTOCOL_F_INFLIGHT_SHMFD);
	wishes->timeout_ms = (int)(options->timeout_ns / 1000000u);
}

void bench_session_describe(struct bench_run *run)
{
	struct bench_device_info *info = &run->result->device;
	const struct driver_device *device = &run->device;

	info->capacity = device->config.capacity * DRIVER_BLK_SECTOR;
	info->block_size = device->config.blk_size ? device->config.blk_size : DRIVER_BLK_SECTOR;
	info->read_only = driver_device_has(device, VIRTIO_BLK_F_RO);
	info->queues_offered = device->queues_offered;
	info->memory_slots = device->memory_slots;
	info->features = device->features;
	info->protocol_features = device->protocol_features;
	info->pid = run->options->pid ? run->options->pid : driver_channel_peer(&device->channel);
	bench_procstat_name(info->pid, info->process, sizeof(info->process));
}

/* Hand memory and rings to the back end; each queue goes on where bases[i] or, if NULL, the ring says. */
int bench_session_start_queues(struct bench_run *run, const uint32_t *bases)
{
	struct driver_device *device = &run->device;
	int ret = driver_inflight_share(&run->inflight, device, run->queue_count, run->options->queue_size, &run->err);

	if (!ret)
		ret = driver_device_set_memory(device, &run->memory, &run->err);

	for (unsigned i = 0; i < run->queue_count && !ret; i++) {
		struct driver_queue *queue = &run->queues[i].queue;

		ret = driver_device_start_queue(device, queue, bases ? bases[i] : queue->ring->ops->base(queue->ring),
						&run->err);
	}
	return ret ? ret : driver_device_ready(device, &run->err);
}

int bench_session_open(struct bench_run *run)
{
	int ret;

	make_wishes(run->options, &run->wishes);
	run->connect_started = clock_monotonic_ns();
	driver_inflight_init(&run->inflight);
	ret = driver_device_connect(&run->device, run->options->socket, &run->wishes, &run->err);
	if (ret < 0)
		return ret;
	bench_session_describe(run);
	ret = bench_plan_check(run);
	if (ret < 0) {
		run->result->outcome = BENCH_REFUSED;
		return ret;
	}
	ret = bench_plan_prepare(run);
	if (!ret)
		ret = bench_session_start_queues(run, NULL);
	run->result->connect_ns = clock_monotonic_ns() - run->connect_started;
	return ret;
}

int bench_session_connect(struct bench_run *run)
{
	const uint64_t config_changes = run->device.config_changes;
	int ret = driver_device_connect(&run->device, run->options->socket, &run->wishes, &run->err);

	run->device.config_changes = config_changes;
	if (ret < 0 || run->device.features == run->result->device.features)
		return ret;
	return error_set(&run->err, -ENOTSUP,
			 "%s: after connecting again the back end offers other features (%#llx instead of %#llx)",
			 run->options->socket, (unsigned long long)run->device.features,
			 (unsigned long long)run->result->device.features);
}

/*
 * Connect again. The back end may still be busy with the end of the last
 * connection, or be starting; until the timeout that is no error.
 */
static int connect_again(struct bench_run *run)
{
	const struct timespec pause = {.tv_nsec = RETRY_NS};
	const uint64_t give_up = clock_monotonic_ns() + run->options->timeout_ns;
	int ret;

	for (;;) {
		ret = bench_session_connect(run);
		if (ret != -ECONNREFUSED && ret != -ECONNRESET && ret != -ENOENT)
			break;
		if (clock_monotonic_ns() >= give_up || bench_interrupted)
			break;
		run->result->reconnect.retries++;
		nanosleep(&pause, NULL);
	}
	return ret;
}

/*
 * The back end says that it stopped a queue at base. left: how many requests
 * stay in the ring. All others should be back by now; what is not is counted.
 */
static int check_stop(struct bench_run *run, struct bench_queue *queue, uint32_t base, unsigned *left)
{
	struct driver_ring *ring = queue->queue.ring;
	int ret = ring->ops->taken(ring, base);

	if (ret < 0)
		return error_set(&run->err, ret, "%s: the back end broke the rules of queue %u: %s",
				 run->options->socket, queue->queue.index, ring->error);
	*left = ring->in_flight - (unsigned)ret;
	run->result->reconnect.left += *left;
	/* A reap fetches a batch. */
	do {
		ret = bench_load_reap(run, queue);
	} while (ret > 0);
	if (ret == 0 && ring->in_flight > *left)
		run->result->reconnect.undrained += ring->in_flight - *left;
	return ret;
}

/* Await what comes too late, until the timeout. */
static int await_taken(struct bench_run *run, struct bench_queue *queue, unsigned left)
{
	const struct timespec pause = {.tv_nsec = 100000};
	const uint64_t give_up = clock_monotonic_ns() + run->options->timeout_ns;
	struct driver_ring *ring = queue->queue.ring;

	while (ring->in_flight > left) {
		const int ret = bench_load_reap(run, queue);

		if (ret < 0)
			return ret;
		if (ret > 0)
			continue;
		if (clock_monotonic_ns() >= give_up)
			return error_set(&run->err, -ETIMEDOUT,
					 "%s: the back end stopped queue %u, but %u requests that it took never "
					 "came back",
					 run->options->socket, queue->queue.index, ring->in_flight - left);
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* GET_VRING_BASE for every queue, and then everything it took must come back. */
static int stop_queues(struct bench_run *run, uint32_t *bases)
{
	unsigned left[BENCH_MAX_QUEUES];
	int ret = 0;

	for (unsigned i = 0; i < run->queue_count && !ret; i++) {
		struct bench_queue *queue = &run->queues[i];

		ret = driver_device_stop_queue(&run->device, &queue->queue, &bases[i], &run->err);
		if (!ret)
			ret = check_stop(run, queue, bases[i], &left[i]);
	}
	for (unsigned i = 0; i < run->queue_count && !ret; i++)
		ret = await_taken(run, &run->queues[i], left[i]);
	return ret;
}

int bench_session_reconnect(struct bench_run *run)
{
	struct bench_reconnect_result *result = &run->result->reconnect;
	const uint64_t start = clock_monotonic_ns();
	uint32_t bases[BENCH_MAX_QUEUES];
	uint64_t took;
	int ret = stop_queues(run, bases);

	if (ret < 0)
		return ret;
	driver_device_disconnect(&run->device);
	ret = connect_again(run);
	if (!ret)
		ret = bench_session_start_queues(run, bases);
	if (ret < 0)
		return ret;
	took = clock_monotonic_ns() - start;
	if (took > result->longest_ns)
		result->longest_ns = took;
	result->done++;
	return 0;
}

int bench_session_close(struct bench_run *run)
{
	uint32_t bases[BENCH_MAX_QUEUES];
	const int ret = stop_queues(run, bases);

	run->result->config_changes = run->device.config_changes;
	if (!ret)
		driver_device_disconnect(&run->device);
	return ret;
}

void bench_session_free(struct bench_run *run)
{
	/* After a failure nobody may be there to answer a goodbye. */
	driver_device_abandon(&run->device);
	driver_inflight_close(&run->inflight);
	bench_plan_free(run);
}
