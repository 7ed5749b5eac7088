/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "frontend/split.h"
#include "tiny_device.h"

#define SIZE 8u

struct fixture {
	struct driver_memory memory;
	struct driver_split *split;
	struct driver_ring *ring;
	struct tiny_device device;
};

static void set_up(struct fixture *fixture, unsigned size, bool event_idx, uint16_t start)
{
	const size_t bytes = (size_t)4 << 20;

	assert_int_equal(driver_memory_create(&fixture->memory, &bytes, 1, 0, NULL), 0);
	fixture->split = driver_split_create(&fixture->memory, 0, size, event_idx, start, NULL);
	assert_non_null(fixture->split);
	fixture->ring = &fixture->split->ring;
	tiny_init(&fixture->device, fixture->split);
}

static void tear_down(struct fixture *fixture)
{
	driver_ring_destroy(fixture->ring);
	driver_memory_destroy(&fixture->memory);
}

static const struct driver_buffer three[3] = {{0x1000, 16, false}, {0x2000, 4096, true}, {0x3000, 1, true}};

static void link_three(struct fixture *fixture, struct driver_chain *chain)
{
	driver_chain_init(chain, NULL, 0);
	assert_int_equal(fixture->ring->ops->link(fixture->ring, chain, three, 3), 0);
}

static void check_three(const struct vring_desc *chain, unsigned count)
{
	assert_int_equal(count, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(chain[i].addr, three[i].guest);
		assert_int_equal(chain[i].len, three[i].length);
		assert_int_equal(!!(chain[i].flags & VRING_DESC_F_WRITE), three[i].device_writes);
		assert_int_equal(!!(chain[i].flags & VRING_DESC_F_NEXT), i < 2);
	}
}

/* One request there and back. */
static void round_trip(struct fixture *fixture, struct driver_chain *chain, uint32_t length)
{
	struct driver_completion done;
	struct vring_desc seen[4];
	uint16_t head;

	fixture->ring->ops->add(fixture->ring, chain);
	assert_false(tiny_has_work(&fixture->device));
	fixture->ring->ops->publish(fixture->ring);
	assert_true(tiny_has_work(&fixture->device));
	head = tiny_pop(&fixture->device);
	assert_false(tiny_has_work(&fixture->device));
	check_three(seen, tiny_walk(&fixture->device, &fixture->memory, head, seen, 4));
	assert_int_equal(fixture->ring->ops->reap(fixture->ring, &done, 1), 0);
	tiny_push(&fixture->device, head, length);
	tiny_notify(&fixture->device);
	assert_int_equal(fixture->ring->ops->reap(fixture->ring, &done, 1), 1);
	assert_ptr_equal(done.chain, chain);
	assert_int_equal(done.length, length);
	assert_int_equal(fixture->ring->in_flight, 0);
}

static void test_indices_wrap(void **state)
{
	struct driver_chain chain[2];
	struct fixture fixture;

	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		set_up(&fixture, SIZE, event_idx, 65530);
		link_three(&fixture, &chain[0]);
		link_three(&fixture, &chain[1]);
		for (uint32_t i = 0; i < 2 * 65536 + 20; i++)
			round_trip(&fixture, &chain[i & 1], i);
		assert_int_equal(fixture.split->avail->idx, (uint16_t)(65530 + 20));
		/* Nobody asked for a call, and none came however often the indices wrapped. */
		assert_int_equal(fixture.device.calls, 0);
		tear_down(&fixture);
	}
}

static void test_free_list_exhaustion(void **state)
{
	struct driver_chain chain[4];
	struct fixture fixture;

	(void)state;
	set_up(&fixture, SIZE, false, 0);
	link_three(&fixture, &chain[0]);
	link_three(&fixture, &chain[1]);
	driver_chain_init(&chain[2], NULL, 0);
	assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[2], three, 3), -ENOSPC);
	assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[2], three, 2), 0);
	driver_chain_init(&chain[3], NULL, 0);
	assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[3], three, 1), -ENOSPC);
	/* Out of order, so that the next chain is not contiguous. */
	fixture.ring->ops->unlink(fixture.ring, &chain[0]);
	fixture.ring->ops->unlink(fixture.ring, &chain[2]);
	link_three(&fixture, &chain[0]);
	round_trip(&fixture, &chain[0], 1);
	round_trip(&fixture, &chain[1], 1);
	fixture.ring->ops->unlink(fixture.ring, &chain[0]);
	fixture.ring->ops->unlink(fixture.ring, &chain[1]);
	assert_int_equal(fixture.split->slots.free_count, SIZE);
	tear_down(&fixture);
}

static void test_set_buffer(void **state)
{
	const struct driver_buffer other = {0x9000, 512, false};
	struct vring_desc seen[4];
	struct driver_chain chain;
	struct fixture fixture;

	(void)state;
	set_up(&fixture, SIZE, false, 0);
	link_three(&fixture, &chain);
	fixture.ring->ops->set_buffer(fixture.ring, &chain, 1, &other);
	assert_int_equal(tiny_walk(&fixture.device, &fixture.memory, chain.head, seen, 4), 3);
	assert_int_equal(seen[1].addr, 0x9000);
	assert_int_equal(seen[1].len, 512);
	assert_int_equal(seen[1].flags, VRING_DESC_F_NEXT);
	fixture.ring->ops->set_buffer(fixture.ring, &chain, 1, &three[1]);
	round_trip(&fixture, &chain, 4097);
	tear_down(&fixture);
}

static void test_indirect(void **state)
{
	struct vring_desc *desc, seen[4];
	struct driver_chain chain[SIZE + 1];
	struct driver_span table;
	struct fixture fixture;

	(void)state;
	set_up(&fixture, SIZE, true, 65535);
	/* As many chains as the ring has entries, whatever their length. */
	for (unsigned i = 0; i < SIZE + 1; i++) {
		assert_int_equal(driver_memory_take(&fixture.memory, 0, 3 * sizeof(*desc), 16, &table), 0);
		driver_chain_init(&chain[i], &table, 3);
		assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[i], three, 3), i < SIZE ? 0 : -ENOSPC);
	}
	desc = &fixture.split->desc[chain[0].head];
	assert_int_equal(desc->flags, VRING_DESC_F_INDIRECT);
	assert_int_equal(desc->len, 3 * sizeof(*desc));
	assert_int_equal(desc->addr, chain[0].table.guest);
	for (unsigned i = 0; i < SIZE; i++)
		round_trip(&fixture, &chain[i], i);
	fixture.ring->ops->unlink(fixture.ring, &chain[0]);
	chain[0].table_size = 2;
	assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[0], three, 3), -E2BIG);
	/* A shorter chain in the same table. */
	assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[0], three, 2), 0);
	assert_int_equal(tiny_walk(&fixture.device, &fixture.memory, chain[0].head, seen, 4), 2);
	assert_int_equal(fixture.split->desc[chain[0].head].len, 2 * sizeof(*desc));
	fixture.ring->ops->set_buffer(fixture.ring, &chain[0], 1, &three[2]);
	tiny_walk(&fixture.device, &fixture.memory, chain[0].head, seen, 4);
	assert_int_equal(seen[1].addr, three[2].guest);
	assert_int_equal(seen[1].flags, VRING_DESC_F_WRITE);
	tear_down(&fixture);
}

/* Batches: one publish shows them all, and a full ring comes back in any order. */
static void test_batch_out_of_order(void **state)
{
	struct driver_completion done[SIZE];
	struct driver_chain chain[SIZE];
	uint16_t heads[SIZE];
	struct fixture fixture;

	(void)state;
	set_up(&fixture, SIZE, false, 65533);
	for (unsigned i = 0; i < SIZE; i++) {
		driver_chain_init(&chain[i], NULL, 0);
		assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[i], three, 1), 0);
		fixture.ring->ops->add(fixture.ring, &chain[i]);
	}
	assert_false(tiny_has_work(&fixture.device));
	fixture.ring->ops->publish(fixture.ring);
	for (unsigned i = 0; i < SIZE; i++)
		heads[i] = tiny_pop(&fixture.device);
	assert_false(tiny_has_work(&fixture.device));
	for (unsigned i = 0; i < SIZE; i++)
		tiny_push(&fixture.device, heads[(i + 3) % SIZE], i);
	assert_int_equal(fixture.ring->ops->reap(fixture.ring, done, 5), 5);
	assert_int_equal(fixture.ring->ops->reap(fixture.ring, done + 5, SIZE), 3);
	for (unsigned i = 0; i < SIZE; i++)
		assert_ptr_equal(done[i].chain, &chain[(i + 3) % SIZE]);
	tear_down(&fixture);
}

static void test_kick_suppression(void **state)
{
	struct driver_completion done;
	struct driver_chain chain;
	struct fixture fixture;

	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		set_up(&fixture, SIZE, event_idx, 65534);
		link_three(&fixture, &chain);
		for (unsigned i = 0; i < 70000; i++) {
			const bool wanted = i % 3 == 0;

			tiny_kicks(&fixture.device, wanted);
			/* Nothing added: nothing to kick for. */
			assert_false(fixture.ring->ops->publish(fixture.ring));
			fixture.ring->ops->add(fixture.ring, &chain);
			assert_int_equal(fixture.ring->ops->publish(fixture.ring), wanted);
			tiny_push(&fixture.device, tiny_pop(&fixture.device), 0);
			assert_int_equal(fixture.ring->ops->reap(fixture.ring, &done, 1), 1);
		}
		tear_down(&fixture);
	}
}

/* With EVENT_IDX a kick is due exactly when the index asked for is among those added (section 2.7.10). */
static void test_event_arithmetic(void **state)
{
	struct driver_completion done[4];
	struct driver_chain chain[4];
	struct fixture fixture;

	(void)state;
	for (unsigned event = 0; event < 8; event++) {
		set_up(&fixture, SIZE, true, 65534);
		*fixture.split->avail_event = (uint16_t)(65534 + event);
		for (unsigned i = 0; i < 4; i++) {
			driver_chain_init(&chain[i], NULL, 0);
			fixture.ring->ops->link(fixture.ring, &chain[i], three, 1);
			fixture.ring->ops->add(fixture.ring, &chain[i]);
		}
		assert_int_equal(fixture.ring->ops->publish(fixture.ring), event < 4);
		for (unsigned i = 0; i < 4; i++)
			tiny_push(&fixture.device, tiny_pop(&fixture.device), 0);
		assert_int_equal(fixture.ring->ops->reap(fixture.ring, done, 4), 4);
		tear_down(&fixture);
	}
}

static void test_calls(void **state)
{
	struct driver_completion done;
	struct driver_chain chain;
	struct fixture fixture;

	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		set_up(&fixture, SIZE, event_idx, 65535);
		link_three(&fixture, &chain);
		round_trip(&fixture, &chain, 0);
		assert_int_equal(fixture.device.calls, 0);
		for (unsigned i = 1; i < 10; i++) {
			assert_true(fixture.ring->ops->calls_on(fixture.ring));
			round_trip(&fixture, &chain, 0);
			assert_int_equal(fixture.device.calls, i);
			fixture.ring->ops->calls_off(fixture.ring);
			round_trip(&fixture, &chain, 0);
			assert_int_equal(fixture.device.calls, i);
		}
		/* What is there already causes no call: the driver must be told to look instead of sleeping. */
		fixture.ring->ops->add(fixture.ring, &chain);
		fixture.ring->ops->publish(fixture.ring);
		tiny_push(&fixture.device, tiny_pop(&fixture.device), 0);
		assert_false(fixture.ring->ops->calls_on(fixture.ring));
		assert_int_equal(fixture.ring->ops->reap(fixture.ring, &done, 1), 1);
		tear_down(&fixture);
	}
}

/* The largest ring: everything in flight, and used_event out of reach all the same. */
static void test_largest_ring_stays_quiet(void **state)
{
	struct driver_chain *chain = calloc(DRIVER_RING_MAX_SIZE, sizeof(*chain));
	struct driver_completion done;
	struct fixture fixture;

	(void)state;
	assert_non_null(chain);
	set_up(&fixture, DRIVER_RING_MAX_SIZE, true, 12345);
	for (unsigned i = 0; i < DRIVER_RING_MAX_SIZE; i++)
		assert_int_equal(fixture.ring->ops->link(fixture.ring, &chain[i], three, 1), 0);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < DRIVER_RING_MAX_SIZE; i++)
			fixture.ring->ops->add(fixture.ring, &chain[i]);
		fixture.ring->ops->publish(fixture.ring);
		while (tiny_has_work(&fixture.device)) {
			tiny_push(&fixture.device, tiny_pop(&fixture.device), 0);
			tiny_notify(&fixture.device);
		}
		for (unsigned i = 0; i < DRIVER_RING_MAX_SIZE; i++)
			assert_int_equal(fixture.ring->ops->reap(fixture.ring, &done, 1), 1);
	}
	assert_int_equal(fixture.device.calls, 0);
	tear_down(&fixture);
	free(chain);
}

static void test_device_breaks_rules(void **state)
{
	struct driver_completion done[2];
	struct driver_chain chain[2];
	struct fixture fixture;

	(void)state;
	set_up(&fixture, SIZE, false, 0);
	link_three(&fixture, &chain[0]);
	link_three(&fixture, &chain[1]);
	tiny_push(&fixture.device, chain[0].head, 0);
	assert_int_equal(fixture.ring->ops->reap(fixture.ring, done, 2), -EPROTO);
	assert_non_null(fixture.ring->error);
	tear_down(&fixture);

	for (unsigned bad = 0; bad < 4; bad++) {
		set_up(&fixture, SIZE, false, 0);
		link_three(&fixture, &chain[0]);
		link_three(&fixture, &chain[1]);
		fixture.ring->ops->add(fixture.ring, &chain[0]);
		fixture.ring->ops->publish(fixture.ring);
		switch (bad) {
		case 0: /* beyond the table */
			tiny_push(&fixture.device, SIZE, 0);
			break;
		case 1: /* within a chain */
			tiny_push(&fixture.device, fixture.split->desc[chain[0].head].next, 0);
			break;
		case 2: /* not available */
			tiny_push(&fixture.device, chain[1].head, 0);
			break;
		default: /* ids are 32 bits wide */
			tiny_push(&fixture.device, 0x10000u + chain[0].head, 0);
			break;
		}
		assert_int_equal(fixture.ring->ops->reap(fixture.ring, done, 2), -EPROTO);
		tear_down(&fixture);
	}
}

/* What GET_VRING_BASE says about requests in flight. */
static void test_stop_and_resume(void **state)
{
	struct driver_completion done[4];
	struct driver_chain chain[4];
	struct fixture fixture;

	(void)state;
	set_up(&fixture, SIZE, false, 65534);
	for (unsigned i = 0; i < 4; i++) {
		driver_chain_init(&chain[i], NULL, 0);
		fixture.ring->ops->link(fixture.ring, &chain[i], three, 1);
		fixture.ring->ops->add(fixture.ring, &chain[i]);
	}
	fixture.ring->ops->publish(fixture.ring);
	assert_int_equal(fixture.ring->ops->base(fixture.ring), 65534);
	tiny_push(&fixture.device, tiny_pop(&fixture.device), 0);
	tiny_pop(&fixture.device);
	/* Two taken, one of them done but not reaped. */
	assert_int_equal(fixture.ring->ops->taken(fixture.ring, fixture.device.last_avail), 2);
	assert_int_equal(fixture.ring->ops->reap(fixture.ring, done, 4), 1);
	assert_int_equal(fixture.ring->ops->taken(fixture.ring, fixture.device.last_avail), 1);
	assert_int_equal(fixture.ring->ops->base(fixture.ring), 65535);
	/* Behind what was reaped, ahead of what was published, not 16 bits. */
	assert_int_equal(fixture.ring->ops->taken(fixture.ring, 65534), -EPROTO);
	assert_int_equal(fixture.ring->ops->taken(fixture.ring, 3), -EPROTO);
	assert_int_equal(fixture.ring->ops->taken(fixture.ring, 65536), -EPROTO);
	tear_down(&fixture);
}

static void test_raw(void **state)
{
	struct fixture fixture;

	(void)state;
	set_up(&fixture, SIZE, false, 0);
	driver_split_raw_desc(fixture.split, 3, 0xdead, 7, 0xffff, 3);
	driver_split_raw_avail(fixture.split, SIZE + 1, 0x1234);
	driver_split_raw_publish(fixture.split, 999);
	assert_int_equal(fixture.split->desc[3].addr, 0xdead);
	assert_int_equal(fixture.split->desc[3].next, 3);
	assert_int_equal(fixture.split->avail->ring[1], 0x1234);
	assert_int_equal(fixture.split->avail->idx, 999);
	tiny_push(&fixture.device, 0, 0);
	assert_int_equal(driver_split_raw_used(fixture.split), 1);
	tear_down(&fixture);
}

static void test_bad_sizes(void **state)
{
	const size_t bytes = DRIVER_MEMORY_ALIGNMENT;
	struct driver_memory memory;
	struct driver_split *split;
	struct error err;

	(void)state;
	assert_int_equal(driver_memory_create(&memory, &bytes, 1, 0, NULL), 0);
	assert_null(driver_split_create(&memory, 0, 0, false, 0, &err));
	assert_null(driver_split_create(&memory, 0, 100, false, 0, &err));
	assert_non_null(strstr(err.text, "power of two"));
	assert_null(driver_split_create(&memory, 0, 65536, false, 0, &err));
	/* 32768 entries take 832 KiB: a third fits no more. */
	split = driver_split_create(&memory, 0, DRIVER_RING_MAX_SIZE, false, 0, &err);
	assert_non_null(split);
	driver_ring_destroy(&split->ring);
	split = driver_split_create(&memory, 0, DRIVER_RING_MAX_SIZE, false, 0, &err);
	assert_non_null(split);
	driver_ring_destroy(&split->ring);
	assert_null(driver_split_create(&memory, 0, DRIVER_RING_MAX_SIZE, false, 0, &err));
	assert_int_equal(err.code, -ENOMEM);
	driver_memory_destroy(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_indices_wrap),
		cmocka_unit_test(test_free_list_exhaustion),
		cmocka_unit_test(test_set_buffer),
		cmocka_unit_test(test_indirect),
		cmocka_unit_test(test_batch_out_of_order),
		cmocka_unit_test(test_kick_suppression),
		cmocka_unit_test(test_event_arithmetic),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_largest_ring_stays_quiet),
		cmocka_unit_test(test_device_breaks_rules),
		cmocka_unit_test(test_stop_and_resume),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_bad_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
