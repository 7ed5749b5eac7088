/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VIRTIO_VIRTQ_H
#define STRAIT_VIRTIO_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_ring.h>

#include "virtio/memmap.h"

/*
 * The device side of a virtqueue (virtio 1.2, section 2.6): descriptor chains
 * out, used elements in. No I/O, no clock, no thread: whoever calls owns the
 * queue. The ring is guest memory and changes under us; everything is read
 * once into a local copy, which is then checked and used.
 *
 * Split rings (section 2.7) are what there is so far; a packed ring will
 * implement the same functions.
 */
#define VIRTQ_MAX_SIZE 32768

/*
 * Pieces of guest memory a chain may have. A request's data comes in at most
 * seg_max segments (126 as we tell the driver) plus header and status; a
 * descriptor that crosses from one region into the next counts twice.
 */
#define VIRTQ_MAX_IOV 132

struct virtq_setup {
	const struct memmap *map;   /* outlives the queue */
	uint32_t size;              /* power of two, up to VIRTQ_MAX_SIZE */
	uint16_t base;              /* next available index to look at */
	uint64_t desc, avail, used; /* addresses of the front end's, as SET_VRING_ADDR has them */
	bool event_idx;             /* VIRTIO_F_EVENT_IDX was negotiated */
	bool indirect;              /* VIRTIO_F_INDIRECT_DESC was negotiated */
};

struct virtq {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	const struct memmap *map;
	uint32_t hint; /* of memmap_guest() */
	uint16_t size;
	uint16_t mask;       /* size - 1 */
	uint16_t avail_seen; /* avail->idx when last read */
	uint16_t avail_next; /* next entry to take */
	uint16_t used_next;  /* next entry to fill */
	uint16_t used_published;
	bool notified_once; /* used_published was once compared with the driver's used_event */
	bool event_idx;
	bool indirect;
	const char *broken; /* the cause, for the log; NULL while all is well */
};

/*
 * A request as the driver laid it out: iov holds first what the device may
 * read, then what it may write. The array is the caller's, VIRTQ_MAX_IOV long.
 */
struct virtq_chain {
	struct iovec *iov;
	uint16_t readable, writable; /* entries */
	uint64_t readable_bytes, writable_bytes;
};

/* Find the ring in guest memory. 0, or -EINVAL with err set. */
int virtq_init(struct virtq *vq, const struct virtq_setup *setup, struct error *err);

/*
 * Take the next available chain: 1 and *head (< size), 0 where none is there,
 * -EPROTO where the driver broke the rules. vq->broken then says how, and the
 * queue gives out nothing more. A head that has not been given back yet comes
 * again only from a broken driver; the caller, who knows, checks that.
 */
int virtq_next(struct virtq *vq, uint16_t *head);

/* Follow the chain at head into *chain. 0, or -EPROTO as above. */
int virtq_walk(struct virtq *vq, uint16_t head, struct virtq_chain *chain);

/* Mark the queue broken for a reason found by the caller. Returns -EPROTO. */
int virtq_break(struct virtq *vq, const char *reason);

/* Give a chain back, with the number of bytes written into it. The driver sees it after virtq_publish(). */
void virtq_push(struct virtq *vq, uint16_t head, uint32_t written);

/* Let the driver see what was pushed. True where it wants a call for it. */
bool virtq_publish(struct virtq *vq);

/* Something was pushed that is not published yet. */
static inline bool virtq_unpublished(const struct virtq *vq)
{
	return vq->used_next != vq->used_published;
}

/*
 * Ask the driver for kicks, or say that we are looking anyway.
 * virtq_enable_kicks() returns true where work arrived meanwhile: then there
 * may be no kick for it.
 */
bool virtq_enable_kicks(struct virtq *vq);
void virtq_disable_kicks(struct virtq *vq);

#endif
