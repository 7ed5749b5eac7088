/* SPDX-License-Identifier: Apache-2.0 */
/* Chains as drivers lay them out: what the device is given for them. */
#include "hand_ring.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NEXT         VRING_DESC_F_NEXT
#define WRITE        VRING_DESC_F_WRITE
#define INDIRECT     VRING_DESC_F_INDIRECT

struct fixture {
	struct guest guest;
	struct hand_ring ring;
	struct virtq vq;
	struct iovec iov[VIRTQ_MAX_IOV];
	struct virtq_chain chain;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	guest_create(&f->guest);
	f->chain.iov = f->iov;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	guest_destroy(&f->guest);
	free(f);
	return 0;
}

static void begin(struct fixture *f, uint32_t size, uint16_t start)
{
	struct virtq_setup setup;
	struct error err;

	hand_ring_create(&f->ring, &f->guest, 0, size, start);
	setup = hand_ring_setup(&f->ring);
	assert_int_equal(virtq_init(&f->vq, &setup, &err), 0);
}

/* Offer the chain at head and follow it. */
static void take(struct fixture *f, uint16_t head)
{
	uint16_t got;

	hand_ring_offer(&f->ring, head);
	assert_int_equal(virtq_next(&f->vq, &got), 1);
	assert_int_equal(got, head);
	if (virtq_walk(&f->vq, got, &f->chain))
		fail_msg("%s", f->vq.broken);
}

static void assert_piece(const struct fixture *f, unsigned i, uint64_t address, size_t length)
{
	assert_ptr_equal(f->iov[i].iov_base, guest_at(&f->guest, address));
	assert_int_equal(f->iov[i].iov_len, length);
}

static void assert_counts(const struct fixture *f, unsigned readable, uint64_t readable_bytes, unsigned writable,
			  uint64_t writable_bytes)
{
	assert_int_equal(f->chain.readable, readable);
	assert_int_equal(f->chain.readable_bytes, readable_bytes);
	assert_int_equal(f->chain.writable, writable);
	assert_int_equal(f->chain.writable_bytes, writable_bytes);
}

static void a_chain_in_the_ring(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 0);
	/* In no order, as in a ring that has been used for a while. */
	hand_ring_write(&f->ring, 5, GUEST_DATA, 16, NEXT, 2);
	hand_ring_write(&f->ring, 2, GUEST_HIGH, 4096, NEXT, 7);
	hand_ring_write(&f->ring, 7, GUEST_DATA + 0x1000, 512, NEXT | WRITE, 0);
	hand_ring_write(&f->ring, 0, GUEST_TOP + GUEST_TOP_SIZE - 1, 1, WRITE, 5);
	take(f, 5);
	assert_counts(f, 2, 4112, 2, 513);
	assert_piece(f, 0, GUEST_DATA, 16);
	assert_piece(f, 1, GUEST_HIGH, 4096);
	assert_piece(f, 2, GUEST_DATA + 0x1000, 512);
	assert_piece(f, 3, GUEST_TOP + GUEST_TOP_SIZE - 1, 1);
}

static void one_descriptor_of_either_kind(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 0);
	hand_ring_write(&f->ring, 0, GUEST_DATA, 100, 0, 7);
	take(f, 0);
	assert_counts(f, 1, 100, 0, 0);
	assert_piece(f, 0, GUEST_DATA, 100);
	hand_ring_write(&f->ring, 1, GUEST_DATA, 100, WRITE, 7);
	take(f, 1);
	/* Nothing is left of the chain before. */
	assert_counts(f, 0, 0, 1, 100);
	assert_piece(f, 0, GUEST_DATA, 100);
}

/* next means nothing without NEXT, even where it is absurd. */
static void next_without_its_flag(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 0);
	hand_ring_write(&f->ring, 3, GUEST_DATA, 100, 0, 65535);
	take(f, 3);
	assert_counts(f, 1, 100, 0, 0);
}

/* Four tables: aligned, not, at the end of a region, and with the write flag, which is to be ignored (2.7.5.3.2). */
static void a_chain_in_a_table(void **state)
{
	static const struct {
		uint64_t table;
		uint16_t flags;
	} cases[] = {
		{GUEST_TABLES, 0},
		{GUEST_TABLES + 1, 0},
		{GUEST_LOW_SIZE - 4 * 16, 0},
		{GUEST_TABLES, WRITE},
	};
	struct fixture *f = *state;

	begin(f, 8, 0);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		const uint64_t table = cases[i].table;

		hand_table_write(&f->guest, table, 0, hand_desc(GUEST_DATA, 16, NEXT, 3));
		hand_table_write(&f->guest, table, 3, hand_desc(GUEST_DATA + 64, 32, NEXT, 1));
		hand_table_write(&f->guest, table, 1, hand_desc(GUEST_DATA + 128, 48, NEXT | WRITE, 2));
		hand_table_write(&f->guest, table, 2, hand_desc(GUEST_DATA + 256, 1, WRITE, 9));
		hand_ring_write(&f->ring, 4, table, 4 * 16, (uint16_t)(INDIRECT | cases[i].flags), 0);
		take(f, 4);
		assert_counts(f, 2, 48, 2, 49);
		assert_piece(f, 0, GUEST_DATA, 16);
		assert_piece(f, 1, GUEST_DATA + 64, 32);
		assert_piece(f, 2, GUEST_DATA + 128, 48);
		assert_piece(f, 3, GUEST_DATA + 256, 1);
	}
}

/* "zero or more normal chained descriptors followed by a single descriptor with INDIRECT" (2.7.5.3.2) */
static void a_table_at_the_end_of_a_chain(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 0);
	hand_ring_write(&f->ring, 0, GUEST_DATA, 16, NEXT, 1);
	hand_ring_write(&f->ring, 1, GUEST_DATA + 16, 16, NEXT, 2);
	hand_ring_write(&f->ring, 2, GUEST_TABLES, 2 * 16, INDIRECT, 0);
	hand_table_write(&f->guest, GUEST_TABLES, 0, hand_desc(GUEST_DATA + 32, 16, NEXT, 1));
	hand_table_write(&f->guest, GUEST_TABLES, 1, hand_desc(GUEST_DATA + 48, 16, WRITE, 0));
	take(f, 0);
	assert_counts(f, 3, 48, 1, 16);
	for (unsigned i = 0; i < 4; i++)
		assert_piece(f, i, GUEST_DATA + 16 * i, 16);
}

/*
 * Linux puts as many segments into a table as the device offered, whatever the
 * size of the ring (its virtqueue_add_split() only warns without INDIRECT_DESC).
 */
static void a_table_longer_than_the_ring(void **state)
{
	struct fixture *f = *state;

	begin(f, 2, 0);
	for (uint16_t i = 0; i < VIRTQ_MAX_IOV; i++) {
		const bool last = i == VIRTQ_MAX_IOV - 1;

		hand_table_write(&f->guest, GUEST_TABLES, i,
				 hand_desc(GUEST_DATA + 512 * i, 512, last ? WRITE : NEXT, (uint16_t)(i + 1)));
	}
	hand_ring_write(&f->ring, 1, GUEST_TABLES, VIRTQ_MAX_IOV * 16, INDIRECT, 0);
	take(f, 1);
	assert_counts(f, VIRTQ_MAX_IOV - 1, (VIRTQ_MAX_IOV - 1) * 512, 1, 512);
	for (unsigned i = 0; i < VIRTQ_MAX_IOV; i++)
		assert_piece(f, i, GUEST_DATA + 512 * i, 512);
}

/* Every descriptor of the ring in one chain: long, but no loop. */
static void a_chain_as_long_as_the_ring(void **state)
{
	static const uint32_t sizes[] = {1, 2, 128};
	struct fixture *f = *state;

	for (unsigned k = 0; k < COUNT(sizes); k++) {
		const uint32_t size = sizes[k];

		begin(f, size, 0);
		for (uint32_t i = 0; i < size; i++)
			hand_ring_write(&f->ring, i, GUEST_DATA + 512ull * i, 512, i ? NEXT : 0, (uint16_t)(i - 1));
		take(f, (uint16_t)(size - 1));
		assert_counts(f, size, 512ull * size, 0, 0);
		for (uint32_t i = 0; i < size; i++)
			assert_piece(f, i, GUEST_DATA + 512ull * (size - 1 - i), 512);
	}
}

/* LOW and NEXT follow each other in the guest, but not here. */
static void a_descriptor_across_two_regions(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 0);
	hand_ring_write(&f->ring, 0, GUEST_DATA, 16, NEXT, 1);
	hand_ring_write(&f->ring, 1, GUEST_NEXT - 100, 4096, NEXT, 2);
	hand_ring_write(&f->ring, 2, GUEST_NEXT - 1, 2, WRITE, 0);
	take(f, 0);
	assert_counts(f, 3, 16 + 4096, 2, 2);
	assert_piece(f, 1, GUEST_NEXT - 100, 100);
	assert_piece(f, 2, GUEST_NEXT, 3996);
	assert_piece(f, 3, GUEST_NEXT - 1, 1);
	assert_piece(f, 4, GUEST_NEXT, 1);
	assert_ptr_not_equal((char *)f->iov[1].iov_base + 100, f->iov[2].iov_base);
	/* Up to the border, and from it on, it stays in one piece. */
	hand_ring_write(&f->ring, 0, GUEST_NEXT - 100, 100, NEXT, 1);
	hand_ring_write(&f->ring, 1, GUEST_NEXT, GUEST_NEXT_SIZE, 0, 0);
	take(f, 0);
	assert_counts(f, 2, 100 + GUEST_NEXT_SIZE, 0, 0);
}

/* The largest chain there may be: one byte less than 4 GiB, reading and writing together (2.7.5.2). */
static void one_byte_below_4_gib(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 0);
	hand_ring_write(&f->ring, 0, GUEST_HUGE, 1u << 31, NEXT, 1);
	hand_ring_write(&f->ring, 1, GUEST_HUGE, (1u << 31) - 1, WRITE, 0);
	take(f, 0);
	assert_counts(f, 1, 1ull << 31, 1, (1ull << 31) - 1);
	hand_ring_write(&f->ring, 2, GUEST_HUGE, UINT32_MAX, WRITE, 0);
	take(f, 2);
	assert_counts(f, 0, 0, 1, UINT32_MAX);
}

/* All heads of the largest ring at once, from an index that wraps on the way. */
static void the_largest_ring(void **state)
{
	struct fixture *f = *state;
	struct vring_used_elem element;
	uint16_t head;

	begin(f, VIRTQ_MAX_SIZE, 50000);
	for (uint32_t i = 0; i < VIRTQ_MAX_SIZE; i++) {
		hand_ring_write(&f->ring, i, GUEST_DATA + i, 1, 0, 0);
		hand_ring_offer(&f->ring, (uint16_t)(i * 5 % VIRTQ_MAX_SIZE));
	}
	for (uint32_t i = 0; i < VIRTQ_MAX_SIZE; i++) {
		assert_int_equal(virtq_next(&f->vq, &head), 1);
		assert_int_equal(head, i * 5 % VIRTQ_MAX_SIZE);
		assert_int_equal(virtq_walk(&f->vq, head, &f->chain), 0);
		assert_piece(f, 0, GUEST_DATA + head, 1);
		hand_push(&f->vq, head, head);
	}
	assert_int_equal(virtq_next(&f->vq, &head), 0);
	virtq_publish(&f->vq);
	for (uint32_t i = 0; i < VIRTQ_MAX_SIZE; i++) {
		assert_true(hand_ring_collect(&f->ring, &element));
		assert_int_equal(element.id, i * 5 % VIRTQ_MAX_SIZE);
		assert_int_equal(element.len, element.id);
	}
	assert_false(hand_ring_collect(&f->ring, &element));
}

/* Three times around the 16-bit indices, in batches that do not divide the ring. */
static void around_the_indices(void **state)
{
	static const uint32_t sizes[] = {1, 4, 256};
	struct fixture *f = *state;

	for (unsigned k = 0; k < COUNT(sizes); k++) {
		const uint32_t size = sizes[k], batch = size > 3 ? 3 : 1;
		uint32_t offered = 0;

		begin(f, size, 65533);
		for (uint32_t i = 0; i < size; i++)
			hand_ring_write(&f->ring, i, GUEST_DATA + i, 1, 0, 0);
		while (offered < 3 * 65536) {
			uint16_t heads[3], head;
			struct vring_used_elem element;

			for (uint32_t i = 0; i < batch; i++) {
				heads[i] = (uint16_t)((offered + i) % size);
				hand_ring_offer(&f->ring, heads[i]);
			}
			for (uint32_t i = 0; i < batch; i++) {
				assert_int_equal(virtq_next(&f->vq, &head), 1);
				assert_int_equal(head, heads[i]);
				hand_push(&f->vq, head, offered + i);
			}
			assert_int_equal(virtq_next(&f->vq, &head), 0);
			assert_false(hand_ring_collect(&f->ring, &element));
			virtq_publish(&f->vq);
			for (uint32_t i = 0; i < batch; i++) {
				assert_true(hand_ring_collect(&f->ring, &element));
				assert_int_equal(element.id, heads[i]);
				assert_int_equal(element.len, offered + i);
			}
			offered += batch;
		}
	}
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_chain_in_the_ring),
		CASE(one_descriptor_of_either_kind),
		CASE(next_without_its_flag),
		CASE(a_chain_in_a_table),
		CASE(a_table_at_the_end_of_a_chain),
		CASE(a_table_longer_than_the_ring),
		CASE(a_chain_as_long_as_the_ring),
		CASE(a_descriptor_across_two_regions),
		CASE(one_byte_below_4_gib),
		CASE(the_largest_ring),
		CASE(around_the_indices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
