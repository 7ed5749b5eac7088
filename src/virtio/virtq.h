/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VIRTIO_VIRTQ_H
#define STRAIT_VIRTIO_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_ring.h>

#include "virtio/dirty_log.h"
#include "virtio/inflight.h"
#include "virtio/memmap.h"

/*
 * The device side of a virtqueue (virtio 1.2, section 2.6): descriptor chains
 * out, used elements in. No I/O, no clock, no thread: whoever calls owns the
 * queue. The ring is guest memory and changes under us; everything is read
 * once into a local copy, which is then checked and used.
 *
 * A ring is split (section 2.7, virtq_split.c) or packed (section 2.8,
 * virtq_packed.c). The functions are the same; only who looks into the structs
 * below has to know.
 */
#define VIRTQ_MAX_SIZE 32768

/*
 * Pieces of guest memory a chain may have. A request's data comes in at most
 * seg_max segments (126 as we tell the driver) plus header and status; a
 * descriptor that crosses from one region into the next counts twice.
 */
#define VIRTQ_MAX_IOV 132

/*
 * Guests have memory below 4 GiB and above, and go to and fro between them: a
 * ring here, data there. Each 4 GiB remember the last region hit.
 */
#define VIRTQ_HINTS 4

struct virtq_setup {
	const struct memmap *map; /* outlives the queue */
	uint32_t size;            /* up to VIRTQ_MAX_SIZE; of a split ring a power of two */
	uint32_t base;            /* where to go on, as in SET_VRING_BASE; see virtq_base() */
	/*
	 * Addresses of the front end's, as SET_VRING_ADDR has them. Of a packed ring
	 * avail and used are the driver's and the device's event suppression.
	 */
	uint64_t desc, avail, used;
	bool packed;    /* VIRTIO_F_RING_PACKED was negotiated */
	bool event_idx; /* VIRTIO_F_EVENT_IDX was negotiated */
	bool indirect;  /* VIRTIO_F_INDIRECT_DESC was negotiated */

	struct dirty_log *log;      /* where writes to buffers are marked, or NULL; outlives the queue */
	struct dirty_log *ring_log; /* the same for writes to the ring */
	uint64_t used_log;          /* the address by which those to the used ring are marked */

	struct inflight_area inflight; /* where to note what is in flight, and where it was noted before */
};

struct virtq_split {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t mask;       /* size - 1 */
	uint16_t avail_seen; /* avail->idx when last read */
	uint16_t used_published;
	uint16_t used_asked; /* used_published when virtq_wants_call() was last asked */
};

/*
 * Positions in a packed ring go from 0 to size - 1; each time one passes the
 * end its wrap counter turns (2.8.1).
 */
struct virtq_packed {
	struct vring_packed_desc *desc;
	struct vring_packed_desc_event *driver_event; /* which calls the driver wants */
	struct vring_packed_desc_event *device_event; /* which kicks we want */
	bool avail_wrap;                              /* of avail_next */
	bool used_wrap;                               /* of used_next */
	uint16_t held;                                /* entries taken and not given back */
	/* What was pushed and not published: its first element is hidden until its flags are written. */
	uint16_t batch;       /* entries; 0: nothing */
	uint16_t batch_at;    /* position of the first element */
	uint16_t batch_flags; /* its flags */
	uint16_t published;   /* position up to which the driver sees what was used */
	bool published_wrap;  /* its wrap counter */
	/* Where the log has what the device writes: descriptors and its event suppression. */
	uint64_t desc_log, event_log;
	uint16_t unasked; /* entries published since virtq_wants_call() was last asked, at most size */
	/* The chain that virtq_next() took last: what virtq_walk() follows. The first descriptor is first. */
	uint16_t fetched_count;
	struct vring_packed_desc fetched[VIRTQ_MAX_IOV];
};

struct virtq {
	const struct memmap *map;
	uint32_t hint[VIRTQ_HINTS]; /* of memmap_guest(), each for addresses whose bits 32 and 33 are its index */
	uint16_t size;
	uint16_t avail_next; /* where the next chain is taken */
	uint16_t used_next;  /* where the next used element is put */
	bool is_packed;
	bool event_idx;
	bool indirect;
	bool notified_once;               /* what the driver wants to be told was looked at before */
	struct dirty_log *log, *ring_log; /* as set up */
	uint64_t used_log;                /* of a split ring */
	struct inflight *inflight;        /* NULL: what is in flight is not noted */
	const char *broken;               /* the cause, for the log; NULL while all is well */
	union {
		struct virtq_split split;
		struct virtq_packed packed;
	};
};

/* Guest memory that the device may write. */
struct virtq_range {
	uint64_t guest;
	uint64_t length;
};

/*
 * A request as the driver laid it out: iov holds first what the device may
 * read, then what it may write. The array is the caller's, VIRTQ_MAX_IOV long.
 */
struct virtq_chain {
	struct iovec *iov;
	struct virtq_range
		*ranges; /* where a log is kept: the writable entries of iov. The caller's, VIRTQ_MAX_IOV long */
	uint16_t range_count;
	uint16_t readable, writable; /* entries */
	uint16_t head;               /* what virtq_next() called it */
	uint16_t slots;              /* entries of a packed ring that it takes */
	uint64_t readable_bytes, writable_bytes;
};

/*
 * Find the ring in guest memory. With an in-flight area, what was in flight
 * when the last back end that had it ended comes first out of virtq_next(), in
 * the order in which it was taken, and setup->base is not heeded. 0, or a
 * negative errno with err set.
 */
int virtq_init(struct virtq *vq, const struct virtq_setup *setup, struct error *err);

/* After the last use of a queue that virtq_init() has made. */
void virtq_destroy(struct virtq *vq);

/* What was in flight before has not all been taken again. */
static inline bool virtq_recovering(const struct virtq *vq)
{
	return inflight_left(vq->inflight);
}

/*
 * What SET_VRING_BASE has to say for the ring to go on from here. Split: the
 * next available index. Packed: the next available position in bits 0-14, its
 * wrap counter in bit 15, the next used position in bits 16-30 and its wrap
 * counter in bit 31. A base whose upper half is 0 comes from a front end that
 * knows nothing of it; the used position is then taken to be the available one.
 */
uint32_t virtq_base(const struct virtq *vq);

/* The base of a ring that was never used. */
static inline uint32_t virtq_first_base(bool packed)
{
	return packed ? 0x80008000 : 0;
}

/*
 * Take the next available chain: 1 and *head (< size), which names it until it
 * is given back, 0 where none is there, -EPROTO where the driver broke the
 * rules. vq->broken then says how, and the queue gives out nothing more. A head
 * that has not been given back yet comes again only from a broken driver; the
 * caller, who knows, checks that.
 */
static inline int virtq_next(struct virtq *vq, uint16_t *head);

/*
 * How many chains are known to wait for virtq_next(). Split: of those that the
 * available index showed when it was last read. Packed, where no index is: by
 * a search in the ring, as if all had as many descriptors as the last one.
 */
static inline uint32_t virtq_waiting(const struct virtq *vq);

/* Follow the chain that virtq_next() has just taken into *chain. 0, or -EPROTO as above. */
static inline int virtq_walk(struct virtq *vq, uint16_t head, struct virtq_chain *chain);

/*
 * The device has written these bytes of the writable part of a chain: into the
 * log with them (vq->log is one). Before virtq_publish().
 */
void virtq_log_written(struct virtq *vq, const struct virtq_chain *chain, uint64_t offset, uint64_t length);

/* Mark the queue broken for a reason found by the caller. Returns -EPROTO. */
int virtq_break(struct virtq *vq, const char *reason);

/*
 * Give a chain back, with the number of bytes written into it. The driver sees
 * it after virtq_publish(). Of chain, head and slots are used.
 */
static inline void virtq_push(struct virtq *vq, const struct virtq_chain *chain, uint32_t written);

/* Let the driver see what was pushed. */
static inline void virtq_publish(struct virtq *vq);

/*
 * True where the driver wants a call for what was published since it was last
 * asked this. It may be asked later, for several publications at once, before
 * as many chains were given back as a split ring has entries.
 */
static inline bool virtq_wants_call(struct virtq *vq);

/* Something was pushed that is not published yet. */
static inline bool virtq_unpublished(const struct virtq *vq)
{
	return vq->is_packed ? vq->packed.batch : vq->used_next != vq->split.used_published;
}

/*
 * Ask the driver for kicks, or say that we are looking anyway.
 * virtq_enable_kicks() returns true where work arrived meanwhile: then there
 * may be no kick for it.
 */
static inline bool virtq_enable_kicks(struct virtq *vq);
static inline void virtq_disable_kicks(struct virtq *vq);

/* The layouts, for the functions above only. */
int virtq_split_init(struct virtq *vq, const struct virtq_setup *setup, struct error *err);
int virtq_split_next(struct virtq *vq, uint16_t *head);
int virtq_split_walk(struct virtq *vq, uint16_t head, struct virtq_chain *chain);
void virtq_split_push(struct virtq *vq, const struct virtq_chain *chain, uint32_t written);
void virtq_split_publish(struct virtq *vq);
bool virtq_split_wants_call(struct virtq *vq);
bool virtq_split_enable_kicks(struct virtq *vq);
void virtq_split_disable_kicks(struct virtq *vq);

int virtq_packed_init(struct virtq *vq, const struct virtq_setup *setup, struct error *err);
int virtq_packed_next(struct virtq *vq, uint16_t *head);
int virtq_packed_walk(struct virtq *vq, uint16_t head, struct virtq_chain *chain);
void virtq_packed_push(struct virtq *vq, const struct virtq_chain *chain, uint32_t written);
void virtq_packed_publish(struct virtq *vq);
bool virtq_packed_wants_call(struct virtq *vq);
uint32_t virtq_packed_waiting(const struct virtq *vq);
bool virtq_packed_enable_kicks(struct virtq *vq);
void virtq_packed_disable_kicks(struct virtq *vq);

static inline int virtq_next(struct virtq *vq, uint16_t *head)
{
	return vq->is_packed ? virtq_packed_next(vq, head) : virtq_split_next(vq, head);
}

static inline uint32_t virtq_waiting(const struct virtq *vq)
{
	return vq->is_packed ? virtq_packed_waiting(vq) : (uint16_t)(vq->split.avail_seen - vq->avail_next);
}

static inline int virtq_walk(struct virtq *vq, uint16_t head, struct virtq_chain *chain)
{
	return vq->is_packed ? virtq_packed_walk(vq, head, chain) : virtq_split_walk(vq, head, chain);
}

static inline void virtq_push(struct virtq *vq, const struct virtq_chain *chain, uint32_t written)
{
	if (vq->is_packed)
		virtq_packed_push(vq, chain, written);
	else
		virtq_split_push(vq, chain, written);
}

static inline void virtq_publish(struct virtq *vq)
{
	if (vq->is_packed)
		virtq_packed_publish(vq);
	else
		virtq_split_publish(vq);
}

static inline bool virtq_wants_call(struct virtq *vq)
{
	return vq->is_packed ? virtq_packed_wants_call(vq) : virtq_split_wants_call(vq);
}

static inline bool virtq_enable_kicks(struct virtq *vq)
{
	return vq->is_packed ? virtq_packed_enable_kicks(vq) : virtq_split_enable_kicks(vq);
}

static inline void virtq_disable_kicks(struct virtq *vq)
{
	if (vq->is_packed)
		virtq_packed_disable_kicks(vq);
	else
		virtq_split_disable_kicks(vq);
}

#endif
