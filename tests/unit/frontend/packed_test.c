/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "frontend/packed.h"
#include "tiny_packed.h"

struct fixture {
	struct driver_memory memory;
	struct driver_packed *packed;
	struct driver_ring *ring;
	struct tiny_packed device;
};

static struct fixture fixture;

static void set_up(unsigned size, bool event_idx, uint16_t start)
{
	const size_t bytes = (size_t)4 << 20;

	assert_int_equal(driver_memory_create(&fixture.memory, &bytes, 1, 0, NULL), 0);
	fixture.packed = driver_packed_create(&fixture.memory, 0, size, event_idx, start, NULL);
	assert_non_null(fixture.packed);
	fixture.ring = &fixture.packed->ring;
	tiny_packed_init(&fixture.device, fixture.packed, start);
}

static void tear_down(void)
{
	driver_ring_destroy(fixture.ring);
	driver_memory_destroy(&fixture.memory);
}

static const struct driver_buffer three[3] = {{0x1000, 16, false}, {0x2000, 4096, true}, {0x3000, 1, true}};

static void link_first(struct driver_chain *chain, unsigned count)
{
	driver_chain_init(chain, NULL, 0);
	assert_int_equal(fixture.ring->ops->link(fixture.ring, chain, three, count), 0);
}

static void check(const struct vring_packed_desc *seen, unsigned count, const struct driver_buffer *expected)
{
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(seen[i].addr, expected[i].guest);
		assert_int_equal(seen[i].len, expected[i].length);
		assert_int_equal(seen[i].flags, (expected[i].device_writes ? VRING_DESC_F_WRITE : 0) |
							(i + 1 < count ? VRING_DESC_F_NEXT : 0));
	}
}

static void publish(struct driver_chain *chain)
{
	fixture.ring->ops->add(fixture.ring, chain);
	fixture.ring->ops->publish(fixture.ring);
}

static void assert_reaped(const struct driver_chain *chain, uint32_t length)
{
	struct driver_completion done;

	assert_int_equal(fixture.ring->ops->reap(fixture.ring, &done, 1), 1);
	assert_ptr_equal(done.chain, chain);
	assert_int_equal(done.length, length);
}

static void assert_nothing_reaped(void)
{
	struct driver_completion done;

	assert_int_equal(fixture.ring->ops->reap(fixture.ring, &done, 1), 0);
}

/* One request of the first buffers of three there and back. */
static void round_trip(struct driver_chain *chain, uint32_t length)
{
	struct vring_packed_desc seen[8];
	unsigned count;
	uint16_t id;

	fixture.ring->ops->add(fixture.ring, chain);
	assert_false(tiny_packed_has_work(&fixture.device));
	fixture.ring->ops->publish(fixture.ring);
	id = tiny_packed_pop(&fixture.device, seen, &count);
	assert_int_equal(count, chain->held);
	assert_false(tiny_packed_has_work(&fixture.device));
	if (!chain->table.at)
		check(seen, count, three);
	assert_nothing_reaped();
	tiny_packed_push(&fixture.device, id, length);
	tiny_packed_notify(&fixture.device);
	assert_reaped(chain, length);
	assert_int_equal(fixture.ring->in_flight, 0);
}

/* Chains of one and of three, around rings of sizes that they divide and do not, from places before the end. */
static void test_around_the_ring(void **state)
{
	static const unsigned sizes[] = {4, 5, 8, 9, 1000, 32768};
	struct driver_chain chain[2];

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		const unsigned size = sizes[i / 2];

		set_up(size, i % 2, (uint16_t)(size - 2));
		link_first(&chain[0], 3);
		link_first(&chain[1], 1);
		for (uint32_t k = 0; k < (size > 100 ? 3 * size : 10000); k++)
			round_trip(&chain[k & 1], k);
		/* Nobody asked for a call, and none came. */
		assert_int_equal(fixture.device.calls, 0);
		assert_int_equal(fixture.ring->ops->base(fixture.ring), tiny_packed_base(&fixture.device));
		tear_down();
	}
}

static void test_slots_run_out(void **state)
{
	struct driver_chain chain[4];

	(void)state;
	set_up(8, false, 0);
	link_first(&chain[0], 3);
	link_first(&chain[1], 3);
	driver_chain_init(&chain[2], NULL, 0);
	assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[2], three, 3), -ENOSPC);
	link_first(&chain[2], 2);
	driver_chain_init(&chain[3], NULL, 0);
	assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[3], three, 1), -ENOSPC);
	/* Out of order, so that the next chain's slots do not follow each other. */
	fixture.ring->ops->unlink(fixture.ring, &chain[0]);
	fixture.ring->ops->unlink(fixture.ring, &chain[2]);
	link_first(&chain[0], 3);
	round_trip(&chain[0], 1);
	round_trip(&chain[1], 2);
	fixture.ring->ops->unlink(fixture.ring, &chain[0]);
	fixture.ring->ops->unlink(fixture.ring, &chain[1]);
	assert_int_equal(fixture.packed->slots.free_count, 8);
	tear_down();
	set_up(2, false, 0);
	driver_chain_init(&chain[0], NULL, 0);
	assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[0], three, 3), -E2BIG);
	tear_down();
}

static void test_set_buffer(void **state)
{
	const struct driver_buffer other = {0x9000, 512, false};
	const struct driver_buffer changed[3] = {three[0], other, three[2]};
	struct vring_packed_desc seen[4];
	struct driver_chain chain;
	unsigned count;

	(void)state;
	set_up(8, false, 0);
	link_first(&chain, 3);
	round_trip(&chain, 1);
	fixture.ring->ops->set_buffer(fixture.ring, &chain, 1, &other);
	publish(&chain);
	tiny_packed_push(&fixture.device, tiny_packed_pop(&fixture.device, seen, &count), 2);
	assert_int_equal(count, 3);
	check(seen, 3, changed);
	assert_reaped(&chain, 2);
	fixture.ring->ops->set_buffer(fixture.ring, &chain, 1, &three[1]);
	round_trip(&chain, 3);
	tear_down();
}

static void test_indirect(void **state)
{
	struct vring_packed_desc *table, seen[4];
	struct driver_chain chain[9];
	struct driver_span span;
	unsigned count;

	(void)state;
	set_up(8, true, 7);
	/* As many chains as the ring has entries, whatever their length. */
	for (unsigned i = 0; i < 9; i++) {
		assert_int_equal(driver_memory_take(&fixture.memory, 0, 3 * sizeof(*table), 16, &span), 0);
		driver_chain_init(&chain[i], &span, 3);
		assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[i], three, 3), i < 8 ? 0 : -ENOSPC);
	}
	for (unsigned i = 0; i < 8; i++)
		round_trip(&chain[i], i);
	publish(&chain[2]);
	tiny_packed_push(&fixture.device, tiny_packed_pop(&fixture.device, seen, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(seen[0].flags, VRING_DESC_F_INDIRECT);
	assert_int_equal(seen[0].len, 3 * sizeof(*table));
	assert_int_equal(seen[0].addr, chain[2].table.guest);
	assert_reaped(&chain[2], 0);
	table = chain[2].table.at;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(table[i].addr, three[i].guest);
		assert_int_equal(table[i].len, three[i].length);
		/* The order is that of the table: no other flag belongs there (section 2.8.19). */
		assert_int_equal(table[i].flags, three[i].device_writes ? VRING_DESC_F_WRITE : 0);
	}
	fixture.ring->ops->set_buffer(fixture.ring, &chain[2], 0, &three[1]);
	assert_int_equal(table[0].addr, three[1].guest);
	assert_int_equal(table[0].flags, VRING_DESC_F_WRITE);
	fixture.ring->ops->unlink(fixture.ring, &chain[0]);
	chain[0].table_size = 2;
	assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[0], three, 3), -E2BIG);
	assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[0], three, 2), 0);
	tear_down();
}

/* Batches across the end: one publish shows them all, and a full ring comes back in any order. */
static void test_batch_out_of_order(void **state)
{
	struct driver_completion done[8];
	struct vring_packed_desc seen[4];
	struct driver_chain chain[5];
	uint16_t ids[5];
	unsigned count;

	(void)state;
	for (uint16_t start = 0; start < 8; start++) {
		set_up(8, false, start);
		for (unsigned i = 0; i < 5; i++) {
			link_first(&chain[i], i < 3 ? 2 : 1);
			fixture.ring->ops->add(fixture.ring, &chain[i]);
		}
		assert_false(tiny_packed_has_work(&fixture.device));
		fixture.ring->ops->publish(fixture.ring);
		for (unsigned i = 0; i < 5; i++) {
			ids[i] = tiny_packed_pop(&fixture.device, seen, &count);
			assert_int_equal(count, i < 3 ? 2 : 1);
		}
		assert_false(tiny_packed_has_work(&fixture.device));
		for (unsigned i = 0; i < 5; i++)
			tiny_packed_push(&fixture.device, ids[(i + 3) % 5], i);
		assert_int_equal(fixture.ring->ops->reap(fixture.ring, done, 3), 3);
		assert_int_equal(fixture.ring->ops->reap(fixture.ring, done + 3, 8), 2);
		for (unsigned i = 0; i < 5; i++)
			assert_ptr_equal(done[i].chain, &chain[(i + 3) % 5]);
		/* And again, from where that has left both. */
		for (unsigned i = 0; i < 5; i++)
			round_trip(&chain[i], i);
		tear_down();
	}
}

/*
 * A kick is due exactly where it is asked for: by flags, or with EVENT_IDX when
 * the descriptor named is among those added (section 2.8.10).
 */
static void test_kicks(void **state)
{
	struct vring_packed_desc seen[4];
	struct driver_chain chain;
	unsigned count;

	(void)state;
	for (uint32_t start = 0; start < 10; start++) {
		for (uint32_t event = 0; event < 24; event++) {
			struct vring_packed_desc_event wish;
			struct driver_chain batch[2];

			set_up(10, true, (uint16_t)start);
			/* Another round: descriptors named are of this one, the one before and the one after. */
			link_first(&chain, 2);
			for (unsigned i = 0; i < 5; i++)
				round_trip(&chain, 0);
			wish.off_wrap = tiny_packed_word(&fixture.device, start + 8 + event % 12);
			wish.flags = event < 12 ? VRING_PACKED_EVENT_FLAG_DESC : event % 2;
			*fixture.packed->device_event = wish;
			link_first(&batch[0], 3);
			link_first(&batch[1], 1);
			/* Nothing added: nothing to kick for. */
			assert_false(fixture.ring->ops->publish(fixture.ring));
			fixture.ring->ops->add(fixture.ring, &batch[0]);
			fixture.ring->ops->add(fixture.ring, &batch[1]);
			assert_int_equal(fixture.ring->ops->publish(fixture.ring),
					 event < 12 ? event >= 2 && event < 6
						    : wish.flags == VRING_PACKED_EVENT_FLAG_ENABLE);
			assert_int_not_equal(tiny_packed_pop(&fixture.device, seen, &count), UINT16_MAX);
			tear_down();
		}
	}
}

static void test_calls(void **state)
{
	struct vring_packed_desc seen[4];
	struct driver_chain chain;
	unsigned count;

	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		set_up(8, event_idx, 7);
		link_first(&chain, 3);
		round_trip(&chain, 0);
		assert_int_equal(fixture.device.calls, 0);
		for (unsigned i = 1; i < 40; i++) {
			assert_true(fixture.ring->ops->calls_on(fixture.ring));
			assert_int_equal(fixture.packed->driver_event->flags,
					 event_idx ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE);
			round_trip(&chain, 0);
			assert_int_equal(fixture.device.calls, i);
			fixture.ring->ops->calls_off(fixture.ring);
			round_trip(&chain, 0);
			assert_int_equal(fixture.device.calls, i);
		}
		/* What is there already causes no call: the driver must be told to look instead of sleeping. */
		publish(&chain);
		tiny_packed_push(&fixture.device, tiny_packed_pop(&fixture.device, seen, &count), 0);
		assert_false(fixture.ring->ops->calls_on(fixture.ring));
		assert_reaped(&chain, 0);
		tear_down();
	}
}

/* The largest ring, all of it in flight, over and over. */
static void test_largest_ring(void **state)
{
	struct driver_chain *chain = calloc(DRIVER_RING_MAX_SIZE, sizeof(*chain));
	struct vring_packed_desc seen[4];
	unsigned count;

	(void)state;
	assert_non_null(chain);
	set_up(DRIVER_RING_MAX_SIZE, true, 12345);
	for (unsigned i = 0; i < DRIVER_RING_MAX_SIZE; i++)
		link_first(&chain[i], 1);
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < DRIVER_RING_MAX_SIZE; i++)
			fixture.ring->ops->add(fixture.ring, &chain[i]);
		fixture.ring->ops->publish(fixture.ring);
		assert_int_equal(fixture.ring->ops->taken(fixture.ring, tiny_packed_base(&fixture.device)), 0);
		while (tiny_packed_has_work(&fixture.device)) {
			tiny_packed_push(&fixture.device, tiny_packed_pop(&fixture.device, seen, &count), round);
			tiny_packed_notify(&fixture.device);
		}
		assert_int_equal(fixture.ring->ops->taken(fixture.ring, tiny_packed_base(&fixture.device)),
				 DRIVER_RING_MAX_SIZE);
		for (unsigned i = 0; i < DRIVER_RING_MAX_SIZE; i++)
			assert_reaped(&chain[i], round);
		assert_nothing_reaped();
	}
	assert_int_equal(fixture.device.calls, 0);
	tear_down();
	free(chain);
}

static void test_device_breaks_rules(void **state)
{
	struct vring_packed_desc seen[4];
	struct driver_completion done[4];
	struct driver_chain chain[2];
	unsigned count;

	(void)state;
	for (unsigned bad = 0; bad < 6; bad++) {
		int reaped;

		set_up(8, false, 0);
		link_first(&chain[0], 3);
		link_first(&chain[1], 3);
		if (bad)
			publish(&chain[0]);
		tiny_packed_pop(&fixture.device, seen, &count);
		switch (bad) {
		case 0: /* nothing was made available */
			tiny_packed_push_raw(&fixture.device, chain[0].head, 0, 3);
			break;
		case 1: /* beyond the ring */
			tiny_packed_push_raw(&fixture.device, 8, 0, 3);
			break;
		case 2: /* within a chain */
			tiny_packed_push_raw(&fixture.device, (uint16_t)(chain[0].head + 1), 0, 3);
			break;
		case 3: /* not available */
			tiny_packed_push_raw(&fixture.device, chain[1].head, 0, 3);
			break;
		case 4:
			tiny_packed_push_raw(&fixture.device, UINT16_MAX, 0, 3);
			break;
		default: /* twice */
			tiny_packed_push_raw(&fixture.device, chain[0].head, 0, 3);
			tiny_packed_push_raw(&fixture.device, chain[0].head, 0, 3);
			break;
		}
		reaped = fixture.ring->ops->reap(fixture.ring, done, 4);
		assert_int_equal(reaped, -EPROTO);
		assert_non_null(fixture.ring->error);
		tear_down();
	}
}

/* What GET_VRING_BASE says about requests in flight, at each place of the ring. */
static void test_stop_and_resume(void **state)
{
	struct vring_packed_desc seen[4];
	struct driver_chain chain[4];
	unsigned count;

	(void)state;
	for (uint16_t start = 0; start < 8; start++) {
		uint32_t base;
		uint16_t id;

		set_up(8, false, start);
		base = tiny_packed_base(&fixture.device);
		assert_int_equal(fixture.ring->ops->base(fixture.ring), base);
		for (unsigned i = 0; i < 4; i++) {
			link_first(&chain[i], i == 1 ? 3 : 1);
			publish(&chain[i]);
		}
		assert_int_equal(fixture.ring->ops->taken(fixture.ring, base), 0);
		id = tiny_packed_pop(&fixture.device, seen, &count);
		tiny_packed_pop(&fixture.device, seen, &count);
		tiny_packed_push(&fixture.device, id, 0);
		/* Two taken, one of them done but not reaped. */
		base = tiny_packed_base(&fixture.device);
		assert_int_equal(fixture.ring->ops->taken(fixture.ring, base), 2);
		assert_reaped(&chain[0], 0);
		assert_int_equal(fixture.ring->ops->taken(fixture.ring, base), 1);
		assert_int_equal(fixture.ring->ops->base(fixture.ring) >> 16, base >> 16);
		/* In another round, within a chain, beyond the ring. */
		assert_int_equal(fixture.ring->ops->taken(fixture.ring, base ^ 0x8000), -EPROTO);
		assert_int_equal(fixture.ring->ops->taken(fixture.ring, tiny_packed_word(&fixture.device, start + 3)),
				 -EPROTO);
		assert_int_equal(fixture.ring->ops->taken(fixture.ring, 8), -EPROTO);
		assert_int_equal(fixture.ring->ops->taken(fixture.ring, 0x7fff), -EPROTO);
		tear_down();
	}
}

static void test_bad_sizes(void **state)
{
	const size_t bytes = DRIVER_MEMORY_ALIGNMENT;
	struct driver_memory memory;
	struct driver_packed *packed;
	struct error err;
	unsigned rings = 0;

	(void)state;
	assert_int_equal(driver_memory_create(&memory, &bytes, 1, 0, NULL), 0);
	assert_null(driver_packed_create(&memory, 0, 0, false, 0, &err));
	assert_non_null(strstr(err.text, "1 to 32768"));
	assert_null(driver_packed_create(&memory, 0, 32769, false, 0, &err));
	while ((packed = driver_packed_create(&memory, 0, DRIVER_RING_MAX_SIZE, false, 0, &err))) {
		driver_ring_destroy(&packed->ring);
		rings++;
	}
	assert_int_equal(err.code, -ENOMEM);
	assert_int_equal(rings, bytes / driver_packed_bytes(DRIVER_RING_MAX_SIZE));
	driver_memory_destroy(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_around_the_ring),
		cmocka_unit_test(test_slots_run_out),
		cmocka_unit_test(test_set_buffer),
		cmocka_unit_test(test_indirect),
		cmocka_unit_test(test_batch_out_of_order),
		cmocka_unit_test(test_kicks),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_largest_ring),
		cmocka_unit_test(test_device_breaks_rules),
		cmocka_unit_test(test_stop_and_resume),
		cmocka_unit_test(test_bad_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
