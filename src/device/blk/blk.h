/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_DEVICE_BLK_BLK_H
#define STRAIT_DEVICE_BLK_BLK_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_blk.h>

#include "base/error.h"
#include "device/blk/blk_profile.h"
#include "engine/queue.h"
#include "storage/storage.h"

/*
 * A virtio block device (virtio 1.2, section 5.2): what the guest sees of a
 * storage. Features, configuration space and reset belong to the control
 * thread; requests run on the queues' workers.
 */
#define BLK_SEG_MAX              126 /* data segments a request may have: VIRTQ_MAX_IOV less header, status and a reserve */
#define BLK_SIZE_MAX             (1u << 20) /* bytes a segment may have */
#define BLK_RANGE_SEGMENTS       16         /* ranges in one discard or write-zeroes */
#define BLK_DISCARD_SECTORS      (1u << 21) /* 1 GiB in a discard's range */
#define BLK_WRITE_ZEROES_SECTORS (1u << 18) /* 128 MiB: a back end may have to write them */

/* Written by the queue's worker alone, read relaxed by anyone. */
struct blk_counters {
	uint64_t ops[STORAGE_OP_COUNT];
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint64_t errors; /* answered IOERR */
};

struct blk_queue {
	struct queue queue; /* first */
	struct blk_counters counters;
	struct blk_profile *profile; /* NULL where no memory was left for it */
} __attribute__((aligned(64)));

struct blk {
	struct storage *storage;
	const char *name;
	char serial[VIRTIO_BLK_ID_BYTES]; /* padded with zeroes, not terminated where it is full */
	uint64_t features;                /* negotiated */
	bool writeback;                   /* the writeback field of the configuration space */
	bool stable_writes;               /* read by workers (relaxed): writes must be stable before they complete */
	uint32_t queue_count;
	struct blk_queue *queue;
};

/* storage stays the caller's and outlives the device, as does name. serial may be empty. 0 or -ENOMEM. */
int blk_init(struct blk *blk, const char *name, const char *serial, uint32_t queue_count, struct storage *storage,
	     struct error *err);
void blk_destroy(struct blk *blk);

/* What vhost_ops asks of a device; see there. */
uint64_t blk_features(const struct blk *blk);
void blk_set_features(struct blk *blk, uint64_t features);
int blk_get_config(const struct blk *blk, uint32_t offset, uint32_t size, void *data);
int blk_set_config(struct blk *blk, uint32_t offset, uint32_t size, const void *data);
void blk_reset(struct blk *blk);

/*
 * The storage has another cache mode; no queue runs. Where the guest's writes
 * were stable and need not be any more, they stay it until a reset: it does not
 * know that it would have to flush.
 */
void blk_cache_changed(struct blk *blk);

/* What all queues are used for, added up (blk_profile.h). */
void blk_read_profile(const struct blk *blk, uint64_t word[BLK_PROFILE_WORDS]);

/* How many bytes of the disk are in use, estimated; see blk_profile.h. */
double blk_working_set(const struct blk *blk);

/* Sum over all queues. */
void blk_read_counters(const struct blk *blk, struct blk_counters *device, struct queue_counters *queues);

/*
 * Go on where the device of another process was: features have been set, no
 * queue runs, nothing was counted yet.
 */
void blk_restore(struct blk *blk, bool writeback, const struct blk_counters *device,
		 const struct queue_counters *queues);

extern const struct queue_device_ops blk_queue_ops;

#endif
