/* SPDX-License-Identifier: Apache-2.0 */
/* Packed rings: what the device is given for a chain, and how both go round and round. */
#include "hand_packed.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NEXT         VRING_DESC_F_NEXT
#define WRITE        VRING_DESC_F_WRITE
#define INDIRECT     VRING_DESC_F_INDIRECT

struct fixture {
	struct guest guest;
	struct hand_packed ring;
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

static void begin_at(struct fixture *f, uint32_t size, uint16_t start, bool wrap)
{
	struct virtq_setup setup;
	struct error err = {0};

	hand_packed_create(&f->ring, &f->guest, 0, size, start, wrap);
	setup = hand_packed_setup(&f->ring);
	if (virtq_init(&f->vq, &setup, &err))
		fail_msg("%s", err.text);
	assert_int_equal(virtq_base(&f->vq), setup.base);
}

static void begin(struct fixture *f, uint32_t size)
{
	begin_at(f, size, 0, true);
}

/* Fetch and follow the chain that was offered under id. */
static void take(struct fixture *f, uint16_t id)
{
	uint16_t got;

	assert_int_equal(virtq_next(&f->vq, &got), 1);
	assert_int_equal(got, id);
	if (virtq_walk(&f->vq, got, &f->chain))
		fail_msg("%s", f->vq.broken);
	assert_int_equal(f->chain.head, id);
	assert_int_equal(f->chain.slots, f->ring.slots[id]);
}

static void assert_none(struct fixture *f)
{
	uint16_t got;

	assert_int_equal(virtq_next(&f->vq, &got), 0);
}

static void give_back(struct fixture *f, uint16_t id, uint16_t slots, uint32_t written)
{
	const struct virtq_chain chain = {.head = id, .slots = slots};

	virtq_push(&f->vq, &chain, written);
}

static void assert_collected(struct fixture *f, uint16_t id, uint32_t written)
{
	struct vring_packed_desc element;

	assert_true(hand_packed_collect(&f->ring, &element));
	assert_int_equal(element.id, id);
	assert_int_equal(element.len, written);
	assert_int_equal(element.flags & WRITE, written ? WRITE : 0);
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

static const struct vring_packed_desc request[] = {
	{.addr = GUEST_DATA, .len = 16},
	{.addr = GUEST_NEXT - 100, .len = 4096}, /* in two regions */
	{.addr = GUEST_HIGH, .len = 512, .flags = WRITE},
	{.addr = GUEST_TOP + GUEST_TOP_SIZE - 1, .len = 1, .flags = WRITE},
};

static void assert_request(const struct fixture *f)
{
	assert_counts(f, 3, 4112, 2, 513);
	assert_piece(f, 0, GUEST_DATA, 16);
	assert_piece(f, 1, GUEST_NEXT - 100, 100);
	assert_piece(f, 2, GUEST_NEXT, 3996);
	assert_piece(f, 3, GUEST_HIGH, 512);
	assert_piece(f, 4, GUEST_TOP + GUEST_TOP_SIZE - 1, 1);
}

/* From each position of a small ring, in both rounds: also where the chain goes across the end. */
static void a_chain_in_the_ring(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 14; i++) {
		begin_at(f, 7, (uint16_t)(i % 7), i / 7);
		assert_none(f);
		hand_packed_offer(&f->ring, request, 4, 5);
		take(f, 5);
		assert_request(f);
		assert_none(f);
		give_back(f, 5, 4, 513);
		virtq_publish(&f->vq);
		assert_collected(f, 5, 513);
		assert_int_equal(virtq_base(&f->vq), hand_packed_setup(&f->ring).base);
	}
}

/* The name is in the last descriptor; what the others have there means nothing. */
static void the_name_stands_last(void **state)
{
	struct fixture *f = *state;
	uint16_t got;

	begin(f, 8);
	hand_packed_write(&f->ring, (struct vring_packed_desc){GUEST_DATA, 1, 65535, PACKED_AVAIL | NEXT});
	hand_packed_write(&f->ring, (struct vring_packed_desc){GUEST_DATA, 1, 8, PACKED_AVAIL | NEXT});
	hand_packed_write(&f->ring, (struct vring_packed_desc){GUEST_DATA, 1, 7, PACKED_AVAIL});
	assert_int_equal(virtq_next(&f->vq, &got), 1);
	assert_int_equal(got, 7);
}

/* What stands in the ring after virtq_next() is not looked at again. */
static void the_chain_is_a_copy(void **state)
{
	struct fixture *f = *state;
	uint16_t got;

	begin(f, 8);
	hand_packed_offer(&f->ring, request, 4, 3);
	assert_int_equal(virtq_next(&f->vq, &got), 1);
	memset(f->ring.desc, 0xff, 8 * sizeof(*f->ring.desc));
	assert_int_equal(virtq_walk(&f->vq, got, &f->chain), 0);
	assert_request(f);
}

/* Aligned, not, at the end of a region, with WRITE (2.8.7); and with flags and ids in it that mean nothing there. */
static void a_chain_in_a_table(void **state)
{
	static const struct {
		uint64_t table;
		uint16_t flags, inner_flags;
	} cases[] = {
		{GUEST_TABLES, 0, 0},
		{GUEST_TABLES + 1, 0, 0},
		{GUEST_LOW_SIZE - 4 * 16, 0, 0},
		{GUEST_TABLES, WRITE, 0},
		{GUEST_TABLES, 0, NEXT | PACKED_AVAIL | PACKED_USED},
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < COUNT(cases); i++) {
		const struct vring_packed_desc desc = {cases[i].table, 4 * 16, 0, INDIRECT | cases[i].flags};

		begin(f, 2);
		for (unsigned k = 0; k < 4; k++) {
			struct vring_packed_desc entry = request[k];

			entry.flags |= cases[i].inner_flags;
			entry.id = (uint16_t)(1000 + k);
			memcpy(guest_at(&f->guest, cases[i].table + 16 * k), &entry, sizeof(entry));
		}
		hand_packed_offer(&f->ring, &desc, 1, 1);
		take(f, 1);
		assert_request(f);
	}
}

static void a_table_longer_than_the_ring(void **state)
{
	const struct vring_packed_desc desc = {GUEST_TABLES, VIRTQ_MAX_IOV * 16, 0, INDIRECT};
	struct fixture *f = *state;
	struct vring_packed_desc *table;

	begin(f, 1);
	table = guest_at(&f->guest, GUEST_TABLES);
	for (unsigned i = 0; i < VIRTQ_MAX_IOV; i++)
		table[i] = (struct vring_packed_desc){GUEST_DATA + 512 * i, 512, 0, i ? WRITE : 0};
	hand_packed_offer(&f->ring, &desc, 1, 0);
	take(f, 0);
	assert_counts(f, 1, 512, VIRTQ_MAX_IOV - 1, (VIRTQ_MAX_IOV - 1) * 512);
	for (unsigned i = 0; i < VIRTQ_MAX_IOV; i++)
		assert_piece(f, i, GUEST_DATA + 512 * i, 512);
}

/* Every descriptor of the ring in one chain, from its beginning and across its end. */
static void a_chain_as_long_as_the_ring(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 100, VIRTQ_MAX_IOV};
	struct vring_packed_desc chain[VIRTQ_MAX_IOV];
	struct fixture *f = *state;

	for (unsigned k = 0; k < 2 * COUNT(sizes); k++) {
		const uint16_t size = (uint16_t)sizes[k / 2];

		begin_at(f, size, k % 2 ? size / 2 : 0, true);
		for (uint16_t i = 0; i < size; i++)
			chain[i] = (struct vring_packed_desc){.addr = GUEST_DATA + i, .len = 1};
		for (unsigned round = 0; round < 3; round++) {
			hand_packed_offer(&f->ring, chain, size, 0);
			take(f, 0);
			assert_counts(f, size, size, 0, 0);
			assert_none(f);
			give_back(f, 0, size, 0);
			virtq_publish(&f->vq);
			assert_collected(f, 0, 0);
		}
	}
}

/*
 * Chains of one to three descriptors, given back in another order than they
 * came in, in batches that divide nothing, many times around the ring.
 */
static void around_the_ring(void **state)
{
	static const uint32_t sizes[] = {9, 64, 100, 32768};
	struct fixture *f = *state;

	for (unsigned k = 0; k < COUNT(sizes); k++) {
		const unsigned rounds = sizes[k] < 1000 ? 5000 : 20000;

		begin(f, sizes[k]);
		for (unsigned round = 0; round < rounds; round++) {
			uint16_t slots[3];

			for (uint16_t id = 0; id < 3; id++) {
				slots[id] = (uint16_t)((round + id) % 3 + 1);
				hand_packed_offer(&f->ring, request, slots[id], id);
			}
			for (uint16_t id = 0; id < 3; id++)
				take(f, id);
			assert_none(f);
			give_back(f, 2, slots[2], round);
			give_back(f, 0, slots[0], 0);
			assert_true(virtq_unpublished(&f->vq));
			if (round % 2)
				virtq_publish(&f->vq);
			give_back(f, 1, slots[1], round + 1);
			virtq_publish(&f->vq);
			assert_false(virtq_unpublished(&f->vq));
			assert_collected(f, 2, round);
			assert_collected(f, 0, 0);
			assert_collected(f, 1, round + 1);
		}
		assert_int_equal(virtq_base(&f->vq), hand_packed_setup(&f->ring).base);
	}
}

/* All ids of the largest ring at once, given back in one batch. */
static void the_largest_ring(void **state)
{
	struct fixture *f = *state;
	struct vring_packed_desc element;

	begin_at(f, VIRTQ_MAX_SIZE, 20000, false);
	for (uint32_t i = 0; i < VIRTQ_MAX_SIZE; i++)
		hand_packed_offer_byte(&f->ring, (uint16_t)(i * 5 % VIRTQ_MAX_SIZE));
	for (uint32_t i = 0; i < VIRTQ_MAX_SIZE; i++)
		take(f, (uint16_t)(i * 5 % VIRTQ_MAX_SIZE));
	assert_none(f);
	for (uint32_t i = 0; i < VIRTQ_MAX_SIZE; i++)
		give_back(f, (uint16_t)i, 1, i);
	assert_true(virtq_unpublished(&f->vq));
	assert_false(hand_packed_collect(&f->ring, &element));
	virtq_publish(&f->vq);
	for (uint32_t i = 0; i < VIRTQ_MAX_SIZE; i++)
		assert_collected(f, (uint16_t)i, i);
	assert_none(f);
}

/* Of a batch nothing shows before all of it does: the first element has its flags last. */
static void what_is_published(void **state)
{
	struct fixture *f = *state;
	struct vring_packed_desc element;

	begin_at(f, 4, 3, true);
	for (uint16_t id = 0; id < 3; id++)
		hand_packed_offer_byte(&f->ring, id);
	for (uint16_t id = 0; id < 3; id++)
		take(f, id);
	assert_false(virtq_unpublished(&f->vq));
	give_back(f, 1, 1, 7);
	give_back(f, 0, 1, 8);
	assert_true(virtq_unpublished(&f->vq));
	assert_int_equal(f->ring.desc[3].flags, PACKED_AVAIL);
	assert_false(hand_packed_collect(&f->ring, &element));
	virtq_publish(&f->vq);
	assert_false(virtq_unpublished(&f->vq));
	assert_int_equal(f->ring.desc[3].flags, PACKED_AVAIL | PACKED_USED | WRITE);
	assert_int_equal(f->ring.desc[0].flags, WRITE);
	assert_collected(f, 1, 7);
	assert_collected(f, 0, 8);
	assert_false(hand_packed_collect(&f->ring, &element));
	/* Nothing was pushed: nothing changes. */
	virtq_publish(&f->vq);
	assert_false(hand_packed_collect(&f->ring, &element));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_chain_in_the_ring),
		CASE(the_name_stands_last),
		CASE(the_chain_is_a_copy),
		CASE(a_chain_in_a_table),
		CASE(a_table_longer_than_the_ring),
		CASE(a_chain_as_long_as_the_ring),
		CASE(around_the_ring),
		CASE(the_largest_ring),
		CASE(what_is_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
