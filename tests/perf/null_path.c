/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request costs on the way through the device: ring, queue, block
 * device, null storage and back, without a kick, a call or a sleep.
 *
 *   null-path [--ring=split|packed] [--batch=16] [--requests=100000] [--direct]
 *
 * The driver's side and a worker without a thread (tests/fuzz/turned_worker.h)
 * take turns, so that the same requests always cost the same instructions:
 *
 *   valgrind --tool=callgrind --collect-atstart=no --toggle-collect=device_turn null-path
 *
 * counts those of the worker's turns alone. The first rounds, in which memory
 * is touched for the first time, are not part of it.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "device/blk/blk.h"
#include "frontend/blk.h"
#include "frontend/packed.h"
#include "frontend/split.h"
#include "storage/storage.h"
#include "turned_worker.h"

enum { RING_SIZE = 256, BLOCK = 4096, MAX_BATCH = 128 };

#define DISK_BYTES (1ull << 40)

struct rig {
	bool packed;
	unsigned batch;
	uint64_t requests;
	bool direct; /* descriptors in the ring, not in a table of each request's own */

	struct driver_memory memory;
	struct driver_ring *ring;
	struct driver_blk_request request[MAX_BATCH];

	struct memmap map;
	struct storage *storage;
	struct blk blk;
	struct worker *worker;

	uint64_t ticks; /* of device_turn() */
	const char *wrong;
};

static void give_up(const char *what, const struct error *err)
{
	fprintf(stderr, "null-path: %s: %s\n", what, err && err->code ? err->text : strerror(errno));
	exit(1);
}

/* A function of its own for callgrind to see. */
__attribute__((noinline)) static void device_turn(struct worker *worker)
{
	turned_worker_turn(worker);
}

static void offer(struct rig *rig, uint64_t round)
{
	for (unsigned i = 0; i < rig->batch; i++) {
		struct driver_blk_request *request = &rig->request[i];
		const uint64_t block = (round * rig->batch + i) * 2654435761u % (DISK_BYTES / BLOCK);

		driver_blk_prepare(rig->ring, request, VIRTIO_BLK_T_IN, block * (BLOCK / DRIVER_BLK_SECTOR), BLOCK,
				   false);
		rig->ring->ops->add(rig->ring, &request->chain);
	}
	rig->ring->ops->publish(rig->ring);
}

/* False: what came back is not what was sent. */
static bool collect(struct rig *rig)
{
	struct driver_completion done[MAX_BATCH];
	int count = rig->ring->ops->reap(rig->ring, done, MAX_BATCH);

	for (int i = 0; i < count; i++) {
		const struct driver_blk_request *request = (struct driver_blk_request *)done[i].chain;

		if (driver_blk_status(request) != VIRTIO_BLK_S_OK || done[i].length != BLOCK + 1)
			rig->wrong = "a request failed";
	}
	if (count < 0)
		rig->wrong = rig->ring->error;
	else if (count == 0)
		rig->wrong = "nothing came back in a turn";
	return !rig->wrong;
}

static void run_round(struct rig *rig, uint64_t round, bool measured)
{
	offer(rig, round);
	while (rig->ring->in_flight && !rig->wrong) {
		const uint64_t start = clock_ticks();

		if (measured) {
			device_turn(rig->worker);
			rig->ticks += clock_ticks() - start;
		} else {
			turned_worker_turn(rig->worker);
		}
		collect(rig);
	}
}

static void run_rounds(struct rig *rig)
{
	const uint64_t rounds = rig->requests / rig->batch;

	/* Each slot of the ring, and each request's place in the pool, for the first time. */
	for (uint64_t i = 0; i < RING_SIZE / rig->batch + 1 && !rig->wrong; i++)
		run_round(rig, i, false);
	for (uint64_t i = 0; i < rounds && !rig->wrong; i++)
		run_round(rig, i, true);
}

static struct driver_ring *create_split(struct rig *rig, struct error *err)
{
	struct driver_split *split = driver_split_create(&rig->memory, 0, RING_SIZE, true, 0, err);

	return split ? &split->ring : NULL;
}

static struct driver_ring *create_packed(struct rig *rig, struct error *err)
{
	struct driver_packed *packed = driver_packed_create(&rig->memory, 0, RING_SIZE, true, 0, err);

	return packed ? &packed->ring : NULL;
}

static void create_driver(struct rig *rig)
{
	const struct driver_blk_layout layout = {
		.frame_region = 0, .data_region = 1, .capacity = BLOCK, .segment = BLOCK, .indirect = !rig->direct};
	const size_t sizes[2] = {1 << 20, (size_t)MAX_BATCH * BLOCK};
	struct error err = {0};

	if (driver_memory_create(&rig->memory, sizes, 2, 0, &err) < 0)
		give_up("memory", &err);
	rig->ring = rig->packed ? create_packed(rig, &err) : create_split(rig, &err);
	if (!rig->ring)
		give_up("ring", &err);
	for (unsigned i = 0; i < rig->batch; i++) {
		if (driver_blk_init(&rig->request[i], &rig->memory, &layout) < 0)
			give_up("a request", NULL);
	}
}

/* The device finds guest memory where the driver has it: both are this process. */
static void map_memory(struct rig *rig)
{
	struct error err = {0};

	for (unsigned i = 0; i < rig->memory.region_count; i++) {
		const struct driver_region *region = &rig->memory.region[i];
		const struct memmap_region mapped = {.guest = region->guest,
						     .size = region->size,
						     .user = region->user,
						     .host = rig->memory.base + region->offset};

		if (memmap_add(&rig->map, &mapped, &err) < 0)
			give_up("memory map", &err);
	}
}

static void start_device(struct rig *rig)
{
	const struct queue_setup setup = {
		.ring = {.map = &rig->map,
			 .size = RING_SIZE,
			 .desc = driver_memory_user(&rig->memory, rig->ring->descriptor_area),
			 .avail = driver_memory_user(&rig->memory, rig->ring->driver_area),
			 .used = driver_memory_user(&rig->memory, rig->ring->device_area),
			 .base = rig->ring->ops->base(rig->ring),
			 .packed = rig->packed,
			 .event_idx = true,
			 .indirect = true},
		.kick_fd = -1,
		.call_fd = -1,
		.err_fd = -1,
	};
	struct error err = {0};

	if (storage_null_open("null", DISK_BYTES, false, &rig->storage, &err) < 0 ||
	    blk_init(&rig->blk, "null", "null", 1, rig->storage, &err) < 0)
		give_up("disk", &err);
	blk_set_features(&rig->blk, 1ull << VIRTIO_BLK_F_FLUSH);
	rig->worker = turned_worker_create();
	if (queue_start(&rig->blk.queue[0].queue, rig->worker, &setup, &err) < 0)
		give_up("queue", &err);
	/* It hears of its queue. */
	turned_worker_turn(rig->worker);
}

static uint64_t number(const char *option, const char *text, uint64_t most)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*end || !value || value > most) {
		fprintf(stderr, "null-path: --%s=%s: expected 1 to %llu\n", option, text, (unsigned long long)most);
		exit(2);
	}
	return value;
}

static void parse(struct rig *rig, int argc, char **argv)
{
	static const struct option options[] = {{"ring", required_argument, NULL, 'r'},
						{"batch", required_argument, NULL, 'b'},
						{"requests", required_argument, NULL, 'n'},
						{"direct", no_argument, NULL, 'd'},
						{0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'r':
			rig->packed = !strcmp(optarg, "packed");
			if (!rig->packed && strcmp(optarg, "split")) {
				fprintf(stderr, "null-path: --ring=%s: expected split or packed\n", optarg);
				exit(2);
			}
			break;
		case 'b':
			rig->batch = (unsigned)number("batch", optarg, MAX_BATCH / 2);
			break;
		case 'n':
			rig->requests = number("requests", optarg, 1ull << 40);
			break;
		case 'd':
			rig->direct = true;
			break;
		default:
			exit(2);
		}
	}
	/* Whole rounds. */
	rig->requests = (rig->requests + rig->batch - 1) / rig->batch * rig->batch;
}

int main(int argc, char **argv)
{
	static struct rig rig = {.batch = 16, .requests = 100000};

	parse(&rig, argc, argv);
	clock_init();
	create_driver(&rig);
	map_memory(&rig);
	start_device(&rig);
	run_rounds(&rig);
	if (rig.wrong) {
		fprintf(stderr, "null-path: %s\n", rig.wrong);
		return 1;
	}
	printf("requests %llu ns %.2f\n", (unsigned long long)rig.requests,
	       (double)clock_ticks_to_ns(rig.ticks) / (double)rig.requests);
	return 0;
}
