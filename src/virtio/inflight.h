/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VIRTIO_INFLIGHT_H
#define STRAIT_VIRTIO_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include "base/error.h"

/*
 * The in-flight region (vhost-user.rst, "Inflight I/O tracking"): memory that
 * outlives this process, in which each chain is noted when it is taken off the
 * ring and struck out when the driver has it back. Who comes after us takes
 * again what was in flight: no request is lost, and none comes back twice.
 *
 * The region is shared with a front end that nobody vouches for. It is read
 * when it is opened, each value once, into copies which are checked; from then
 * on it is only written. What is read of it later is descriptors, which are
 * checked like those of a ring.
 *
 * A process that is killed stops at one place of its program: what came before
 * it in the program is in the region, what came after is not. So the order of
 * stores has to be kept by the compiler, and needs no barrier of the CPU.
 */

/* Bytes that one queue takes of a region made for queues of so many entries. */
uint64_t inflight_bytes(bool packed, uint32_t entries);

/* A queue's part of a region. */
struct inflight_area {
	void *at;         /* inflight_bytes() of it, aligned to 8; outlives the queue. NULL: nothing is noted */
	uint32_t entries; /* at most 32768; the queue has no more of them */
};

/* A place in a packed ring: position and wrap counter (virtio 1.2, section 2.8.1). */
struct inflight_place {
	uint16_t at;
	bool wrap;
};

struct inflight {
	void *region;
	uint16_t entries;
	uint64_t counter; /* chains taken so far, as desc[].counter has it */

	/* What was in flight when the region was opened, in the order in which it was taken: heads, or entries. */
	uint16_t *again;
	uint32_t again_count, again_next;

	/* Given back, but not published yet: heads, or entries. */
	uint16_t *batch;
	uint32_t batch_count;

	uint16_t last_head; /* split: the newest of the list of batches */

	/* Packed rings: our own copy of the lists in the region. All by entry but entry_of. */
	uint16_t *next;
	uint16_t *last;                        /* entry of the chain that begins here */
	uint16_t *slots;                       /* of the chain that begins here */
	uint16_t *entry_of;                    /* where the chain with a buffer id begins */
	uint16_t free_head;                    /* entries: none is free */
	struct inflight_place used, published; /* behind what was pushed, and what the driver has seen */
};

/* There are chains left that are to be taken again, before any new one. */
static inline bool inflight_left(const struct inflight *inflight)
{
	return inflight && inflight->again_next < inflight->again_count;
}

void inflight_close(struct inflight *inflight);

/*
 * Split rings. Open a region: finish a half-done publication, find what is in
 * flight. used is the used ring's index. A region that was never used is made
 * ready. *base is the next available index to look at; it is changed unless the
 * region was never used. 0, -ENOMEM, or -EINVAL where the region is not one that
 * a back end can have left; err is set then, and *opened NULL.
 */
int inflight_split_open(struct inflight **opened, const struct inflight_area *area, uint16_t size, uint16_t used,
			uint16_t *base, struct error *err);

/* A chain that inflight_left() has promised. */
uint16_t inflight_split_again(struct inflight *inflight);

/* Note a chain that has been taken, before anything else is done with it. */
void inflight_split_take(struct inflight *inflight, uint16_t head);

/* It goes into the used ring. False: the driver has made chains available that it did not have; nothing is noted. */
bool inflight_split_push(struct inflight *inflight, uint16_t head);

/* The used ring's index has been raised to used. */
void inflight_split_published(struct inflight *inflight, uint16_t used);

/*
 * Packed rings. As above. *used is where the next used element goes, *slots how
 * many descriptors what is in flight takes, so that the next available one is
 * that far behind *used; both are changed unless the region was never used.
 * ring has size descriptors; those that a half-done publication has overwritten
 * are made available again, as the driver knows them.
 */
int inflight_packed_open(struct inflight **opened, const struct inflight_area *area, struct vring_packed_desc *ring,
			 uint16_t size, struct inflight_place *used, uint16_t *slots, struct error *err);

/*
 * A chain that inflight_left() has promised: its descriptors as they were
 * taken, 1 to max of them, into descs. They are the front end's word and not
 * checked; the last one's id is what it will be pushed by. 0: it has more.
 */
uint16_t inflight_packed_again(struct inflight *inflight, struct vring_packed_desc *descs, uint16_t max);

/* Note a chain of count descriptors, the last of which has an id below the queue's size. False: as push below. */
bool inflight_packed_take(struct inflight *inflight, const struct vring_packed_desc *descs, uint16_t count);

/* The chain with this buffer id is going into the ring, behind which the next used element goes to used. False: as
 * above. */
bool inflight_packed_push(struct inflight *inflight, uint16_t id, struct inflight_place used);

/* Before the flags of a batch's first element are written, and after. */
void inflight_packed_publish(struct inflight *inflight);
void inflight_packed_published(struct inflight *inflight);

#endif
