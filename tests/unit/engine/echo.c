/* SPDX-License-Identifier: Apache-2.0 */
#include "echo.h"

#include <string.h>

struct echo_request {
	struct request base; /* first */
	uint64_t tag;
};

/* On the worker: nothing here may fail a test by a jump. */
static void echo_done(struct storage_io *io, int result)
{
	struct echo_request *request = (struct echo_request *)request_of(io);
	const struct virtq_chain *chain = &request->base.chain;
	const uint64_t answer = result < 0 ? ~request->tag : request->tag;

	memcpy(chain->iov[chain->readable].iov_base, &answer, sizeof(answer));
	request_done(&request->base, sizeof(answer));
}

static int echo_handle(struct queue *queue, struct request *base)
{
	struct echo_request *request = (struct echo_request *)base;

	if (base->chain.readable_bytes != sizeof(request->tag) || base->chain.writable_bytes != sizeof(request->tag))
		return virtq_break(&queue->vq, "not a chain of this test");
	memcpy(&request->tag, base->chain.iov[0].iov_base, sizeof(request->tag));
	if (request->tag == ECHO_BREAK)
		return virtq_break(&queue->vq, "the test asked for it");
	base->io.op = STORAGE_READ;
	base->io.flags = 0;
	base->io.offset = 0;
	base->io.length = base->chain.writable_bytes;
	base->io.iov = base->chain.iov + base->chain.readable;
	base->io.iov_count = base->chain.writable;
	base->io.done = echo_done;
	request_submit(base);
	return 0;
}

const struct queue_device_ops echo_ops = {
	.request_size = sizeof(struct echo_request),
	.handle = echo_handle,
};

void echo_queue(struct queue *queue, unsigned index, struct storage *storage)
{
	memset(queue, 0, sizeof(*queue));
	queue->ops = &echo_ops;
	queue->storage = storage;
	queue->name = "test";
	queue->index = index;
}

void load_create(struct load *load, struct driver *driver, uint64_t data, unsigned slots)
{
	*load = (struct load){.driver = driver, .data = data, .slots = slots, .next_tag = 1};
	assert_true(slots <= LOAD_MOST_SLOTS &&
		    slots * 2 <= (driver->packed ? driver->packed_ring.size : driver->ring.size));
}

uint16_t load_offer_tag(struct load *load, uint64_t tag)
{
	struct vring_desc chain[2] = {{.len = 8}, {.len = 8, .flags = VRING_DESC_F_WRITE}};
	uint64_t *bytes;
	unsigned slot = 0;

	while (load->tag[slot])
		slot++;
	assert_true(slot < load->slots);
	load->tag[slot] = tag;
	load->busy++;
	bytes = guest_at(&load->driver->rig->guest, load->data + 16 * slot);
	bytes[0] = tag;
	bytes[1] = 0;
	chain[0].addr = load->data + 16 * slot;
	chain[1].addr = chain[0].addr + 8;
	driver_put(load->driver, chain, 2, (uint16_t)(2 * slot));
	return (uint16_t)(2 * slot);
}

unsigned load_offer(struct load *load, unsigned count)
{
	unsigned offered = 0;

	for (; offered < count && load->busy < load->slots; offered++)
		load_offer_tag(load, load->next_tag++);
	return offered;
}

static void check_element(struct load *load, struct vring_used_elem element)
{
	const unsigned slot = element.id / 2;
	const uint64_t *bytes;

	assert_true(element.id % 2 == 0 && slot < load->slots);
	assert_int_not_equal(load->tag[slot], 0); /* a second completion, or one never asked for */
	assert_int_equal(element.len, 8);
	bytes = guest_at(&load->driver->rig->guest, load->data + 16 * slot);
	if (bytes[1] == ~load->tag[slot])
		load->failed++;
	else
		assert_int_equal(bytes[1], load->tag[slot]);
	load->tag[slot] = 0;
	load->busy--;
	load->completed++;
}

unsigned load_collect(struct load *load)
{
	struct vring_used_elem element;
	unsigned collected = 0;

	for (; driver_collect(load->driver, &element); collected++)
		check_element(load, element);
	return collected;
}

void load_drain(struct load *load)
{
	while (load->busy)
		check_element(load, driver_wait(load->driver));
}
