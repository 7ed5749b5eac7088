/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_FRONTEND_RING_H
#define STRAIT_FRONTEND_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "frontend/memory.h"

/*
 * The driver's side of one virtqueue (virtio 1.2 sections 2.6 to 2.8),
 * whatever its layout: callers link chains, add them, publish what they added
 * and reap what came back. The layouts are split.h and packed.h.
 *
 * A ring belongs to one thread. Its memory is shared with a device that is not
 * trusted: whatever is read from it is checked, and a device that breaks the
 * rules gets -EPROTO from reap() with the reason in driver_ring.error, after
 * which the ring is of no more use.
 */

#define DRIVER_RING_MAX_SIZE 32768u

struct driver_ring;

/* One buffer of a chain. Those the device reads come before those it writes. */
struct driver_buffer {
	uint64_t guest;
	uint32_t length;
	bool device_writes;
};

/*
 * A chain of buffers that can be made available again and again. While it is
 * linked it keeps its descriptors, so that the next use of it costs the
 * changes and no more. Embed it in a request; the ring hands the address back
 * on completion. The fields are the ring's.
 */
struct driver_chain {
	struct driver_span table; /* memory for an indirect table; at is NULL: descriptors of the ring */
	uint16_t table_size;      /* entries that fit */
	uint16_t buffers;         /* 0: not linked */
	uint16_t held;            /* descriptors of the ring it holds */
	uint16_t head;            /* the first of them, which names the chain */
	bool in_flight;
};

struct driver_completion {
	struct driver_chain *chain;
	uint32_t length; /* what the device says it wrote */
};

struct driver_ring_ops {
	const char *name;
	void (*destroy)(struct driver_ring *ring);

	/* Take descriptors for count buffers and write them. -ENOSPC: not enough left; -E2BIG: longer than its table.
	 */
	int (*link)(struct driver_ring *ring, struct driver_chain *chain, const struct driver_buffer *buffers,
		    unsigned count);
	/* Give the descriptors back. The chain is linked and not in flight. */
	void (*unlink)(struct driver_ring *ring, struct driver_chain *chain);
	/* Change buffer i of a linked chain that is not in flight. */
	void (*set_buffer)(struct driver_ring *ring, struct driver_chain *chain, unsigned i,
			   const struct driver_buffer *buffer);

	/* Put a linked chain into the ring; the device sees it at the next publish(). */
	void (*add)(struct driver_ring *ring, struct driver_chain *chain);
	/* Show the device everything added. True: it asked to be kicked. */
	bool (*publish)(struct driver_ring *ring);

	/* Fetch up to max completions. Their count, or -EPROTO. */
	int (*reap)(struct driver_ring *ring, struct driver_completion *completions, unsigned max);
	/* Ask for a call at the next completion. False: there already is one, which will not cause a call. */
	bool (*calls_on)(struct driver_ring *ring);
	/* Ask for no calls, until calls_on(). */
	void (*calls_off)(struct driver_ring *ring);

	/* What SET_VRING_BASE is to say if the device has seen nothing since its last completion. */
	uint32_t (*base)(const struct driver_ring *ring);
	/* How many chains in flight a device that stopped with this GET_VRING_BASE took; -EPROTO if it cannot be. */
	int (*taken)(struct driver_ring *ring, uint32_t base);
};

struct driver_ring {
	const struct driver_ring_ops *ops;
	unsigned size;
	unsigned in_flight; /* added and not reaped */
	bool event_idx;
	const char *error; /* why reap() or taken() failed */
	/*
	 * What SET_VRING_ADDR tells. Split: descriptor table, available ring, used ring (section 2.7). Packed:
	 * descriptor ring, driver and device event suppression (section 2.8).
	 */
	void *descriptor_area;
	void *driver_area;
	void *device_area;
};

static inline void driver_chain_init(struct driver_chain *chain, const struct driver_span *table, unsigned table_size)
{
	*chain = (struct driver_chain){0};
	if (table) {
		chain->table = *table;
		chain->table_size = (uint16_t)table_size;
	}
}

static inline void driver_ring_destroy(struct driver_ring *ring)
{
	if (ring)
		ring->ops->destroy(ring);
}

#endif
