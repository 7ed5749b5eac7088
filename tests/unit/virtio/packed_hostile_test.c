/* SPDX-License-Identifier: Apache-2.0 */
/* Packed rings that no driver writes: each breaks the queue with a cause, and nothing comes out of it any more. */
#include "hand_packed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NEXT         VRING_DESC_F_NEXT
#define WRITE        VRING_DESC_F_WRITE
#define INDIRECT     VRING_DESC_F_INDIRECT

#define MARKS (PACKED_AVAIL | PACKED_USED)

#define DATA  GUEST_DATA
#define TABLE GUEST_TABLES

enum { SIZE = 8 };

/*
 * The chain as it stands in the ring, and an indirect table. Descriptors are
 * made available unless they have marks: both are those of a used one, USED
 * alone stands for those of an available one of the other round.
 */
struct hostile_chain {
	const char *name;
	const char *cause;
	struct vring_packed_desc ring[4];
	struct vring_packed_desc table[4];
	bool not_negotiated; /* INDIRECT_DESC */
};

static const struct hostile_chain chains[] = {
	{"one that goes on into nothing", "not made available", .ring = {{DATA, 16, 0, NEXT}}},
	{"three that go on into nothing", "not made available",
	 .ring = {{DATA, 16, 0, NEXT}, {DATA, 16, 0, NEXT}, {DATA, 1, 0, WRITE | NEXT}}},
	{"one that goes on into a used one", "not made available",
	 .ring = {{DATA, 16, 0, NEXT}, {DATA, 1, 0, PACKED_AVAIL | PACKED_USED | WRITE}}},
	{"one that goes on into one of the round before", "not made available",
	 .ring = {{DATA, 16, 0, NEXT}, {DATA, 1, 0, PACKED_USED | WRITE}}},

	{"an id just beyond the ring", "id that is not below", .ring = {{DATA, 16, SIZE, 0}}},
	{"an id far beyond the ring", "id that is not below", .ring = {{DATA, 16, 65535, 0}}},
	{"an id beyond the ring in the last of a chain", "id that is not below",
	 .ring = {{DATA, 16, 0, NEXT}, {DATA, 16, 32768, WRITE}}},

	{"length 0", "length 0", .ring = {{DATA, 0, 0, 0}}},
	{"length 0, writable", "length 0", .ring = {{DATA, 16, 0, NEXT}, {DATA, 0, 0, WRITE}}},
	{"length 0 nowhere", "length 0", .ring = {{GUEST_HOLE, 0, 0, 0}}},
	{"length 0 in a table", "length 0", .ring = {{TABLE, 16, 0, INDIRECT}}, .table = {{DATA, 0, 0, 0}}},
	{"length 0 in a table, last", "length 0", .ring = {{TABLE, 32, 0, INDIRECT}},
	 .table = {{DATA, 16, 0, 0}, {DATA, 0, 0, 0}}},
	{"as long as can be", "outside guest memory", .ring = {{DATA, UINT32_MAX, 0, 0}}},
	{"as long as can be, writable", "outside guest memory", .ring = {{DATA, UINT32_MAX, 0, WRITE}}},
	{"one byte out of its region", "outside guest memory", .ring = {{GUEST_HIGH, GUEST_HIGH_SIZE + 1, 0, 0}}},
	{"two bytes at the last one", "outside guest memory", .ring = {{GUEST_HIGH + GUEST_HIGH_SIZE - 1, 2, 0, 0}}},
	{"just below its region", "outside guest memory", .ring = {{GUEST_HIGH - 1, 2, 0, 0}}},
	{"just above its region", "outside guest memory", .ring = {{GUEST_HIGH + GUEST_HIGH_SIZE, 1, 0, 0}}},
	{"in the hole", "outside guest memory", .ring = {{GUEST_HOLE + 100, 16, 0, 0}}},
	{"across the hole", "outside guest memory", .ring = {{GUEST_HOLE - 16, GUEST_HIGH - GUEST_HOLE + 32, 0, 0}}},
	{"across two regions and into the hole", "outside guest memory",
	 .ring = {{GUEST_NEXT - 1, GUEST_NEXT_SIZE + 2, 0, 0}}},
	{"nowhere, second", "outside guest memory", .ring = {{DATA, 16, 0, NEXT}, {GUEST_HOLE, 16, 0, WRITE}}},
	{"nowhere, in a table", "outside guest memory", .ring = {{TABLE, 16, 0, INDIRECT}},
	 .table = {{GUEST_HOLE, 16, 0, 0}}},
	{"the front end's address", "outside guest memory", .ring = {{0x550000000000, 16, 0, 0}}},
	{"half the address space away", "outside guest memory", .ring = {{1ull << 63, 16, 0, 0}}},
	{"around the address space", "wraps", .ring = {{UINT64_MAX, 2, 0, 0}}},
	{"around the address space, long", "wraps", .ring = {{GUEST_TOP, UINT32_MAX, 0, 0}}},
	{"around the address space, writable", "wraps", .ring = {{UINT64_MAX - 15, 17, 0, WRITE}}},

	{"a table in a table", "inside an indirect table", .ring = {{TABLE, 16, 0, INDIRECT}},
	 .table = {{TABLE, 16, 0, INDIRECT}}},
	{"a table in a table, second", "inside an indirect table", .ring = {{TABLE, 32, 0, INDIRECT}},
	 .table = {{DATA, 16, 0, 0}, {TABLE, 16, 0, INDIRECT}}},
	{"a table that is its own descriptor", "inside an indirect table", .ring = {{0, 16, 0, INDIRECT}}},
	{"a table with a next one", "in a chain with others",
	 .ring = {{TABLE, 16, 0, INDIRECT | NEXT}, {DATA, 16, 0, 0}}, .table = {{DATA, 16, 0, 0}}},
	{"a table at the end of a chain", "in a chain with others",
	 .ring = {{DATA, 16, 0, NEXT}, {TABLE, 16, 0, INDIRECT}}, .table = {{DATA, 16, 0, 0}}},
	{"a table of length 0", "not a multiple of 16", .ring = {{TABLE, 0, 0, INDIRECT}}, .table = {{DATA, 16, 0, 0}}},
	{"a table of length 15", "not a multiple of 16", .ring = {{TABLE, 15, 0, INDIRECT}},
	 .table = {{DATA, 16, 0, 0}}},
	{"a table of length 17", "not a multiple of 16", .ring = {{TABLE, 17, 0, INDIRECT}},
	 .table = {{DATA, 16, 0, 0}}},
	{"a table of the largest length", "not a multiple of 16", .ring = {{TABLE, UINT32_MAX, 0, INDIRECT}}},
	{"a table of almost 4 GiB", "table outside guest memory", .ring = {{TABLE, UINT32_MAX - 15, 0, INDIRECT}}},
	{"a table in the hole", "table outside guest memory", .ring = {{GUEST_HOLE, 16, 0, INDIRECT}}},
	{"a table that leaves its region", "table outside guest memory",
	 .ring = {{GUEST_HIGH + GUEST_HIGH_SIZE - 16, 32, 0, INDIRECT}}},
	{"a table in two pieces", "table outside guest memory", .ring = {{GUEST_NEXT - 16, 32, 0, INDIRECT}}},
	{"a table around the address space", "table outside guest memory",
	 .ring = {{UINT64_MAX - 15, 32, 0, INDIRECT}}},
	{"a table that was not negotiated", "not negotiated", .ring = {{TABLE, 16, 0, INDIRECT}},
	 .table = {{DATA, 16, 0, 0}}, .not_negotiated = true},

	{"4 GiB to read", "4 GiB", .ring = {{GUEST_HUGE, 1u << 31, 0, NEXT}, {GUEST_HUGE, 1u << 31, 0, 0}}},
	{"4 GiB to write", "4 GiB", .ring = {{GUEST_HUGE, UINT32_MAX, 0, NEXT | WRITE}, {DATA, 1, 0, WRITE}}},
	{"4 GiB both ways", "4 GiB", .ring = {{GUEST_HUGE, 1, 0, NEXT}, {GUEST_HUGE, UINT32_MAX, 0, WRITE}}},
	{"4 GiB in a table", "4 GiB", .ring = {{TABLE, 32, 0, INDIRECT}},
	 .table = {{GUEST_HUGE, UINT32_MAX, 0, 0}, {GUEST_HUGE, UINT32_MAX, 0, 0}}},

	{"readable after writable", "readable descriptor after",
	 .ring = {{DATA, 16, 0, NEXT | WRITE}, {DATA, 16, 0, 0}}},
	{"readable again after writable", "readable descriptor after",
	 .ring = {{DATA, 16, 0, NEXT}, {DATA, 16, 0, NEXT | WRITE}, {DATA, 16, 0, 0}}},
	{"readable after writable in a table", "readable descriptor after", .ring = {{TABLE, 32, 0, INDIRECT}},
	 .table = {{DATA, 16, 0, WRITE}, {DATA, 16, 0, 0}}},
};

struct fixture {
	struct guest guest;
	struct hand_packed ring;
	struct virtq vq;
	struct iovec iov[VIRTQ_MAX_IOV + 1]; /* the last one is to stay as it is */
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

static void begin(struct fixture *f, uint32_t size, uint16_t start, bool indirect)
{
	struct virtq_setup setup;
	struct error err;

	hand_packed_create(&f->ring, &f->guest, 0, size, start, true);
	setup = hand_packed_setup(&f->ring);
	setup.indirect = indirect;
	assert_int_equal(virtq_init(&f->vq, &setup, &err), 0);
	memset(f->iov, 0, sizeof(f->iov));
}

/* The queue is broken for this reason, and stays so although the ring is in order now. */
static void assert_broken(struct fixture *f, const char *name, const char *cause)
{
	const char *broken = f->vq.broken;
	const uint32_t base = virtq_base(&f->vq);
	uint16_t id = 0xabcd;

	if (!broken || !strstr(broken, cause))
		fail_msg("%s: broken because of \"%s\", expected \"%s\"", name, broken ? broken : "nothing", cause);
	assert_null(f->iov[VIRTQ_MAX_IOV].iov_base);
	hand_packed_create(&f->ring, &f->guest, 0, f->ring.size, base & 0x7fff, base >> 15 & 1);
	hand_packed_offer_byte(&f->ring, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(virtq_next(&f->vq, &id), -EPROTO);
	assert_int_equal(id, 0xabcd);
	assert_ptr_equal(f->vq.broken, broken);
}

/* What stands in the ring is refused, when it is fetched or when it is followed. */
static void assert_chain_breaks(struct fixture *f, const char *name, const char *cause)
{
	uint16_t id;
	int ret = virtq_next(&f->vq, &id);

	if (ret == 1) {
		assert_true(id < f->ring.size);
		ret = virtq_walk(&f->vq, id, &f->chain);
	}
	if (ret != -EPROTO)
		fail_msg("%s was taken", name);
	assert_broken(f, name, cause);
}

/* From the first place of the ring, and from the last, so that longer ones go across its end. */
static void hostile_chains(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2 * COUNT(chains); i++) {
		const struct hostile_chain *chain = &chains[i / 2];

		begin(f, SIZE, i % 2 ? SIZE - 1 : 0, !chain->not_negotiated);
		memcpy(guest_at(&f->guest, TABLE), chain->table, sizeof(chain->table));
		for (unsigned k = 0; k < 4 && chain->ring[k].addr | chain->ring[k].len; k++) {
			struct vring_packed_desc desc = chain->ring[k];

			/* Its own place in the ring, for the table that is its own descriptor. */
			if (desc.flags & INDIRECT && !desc.addr)
				desc.addr = f->ring.desc_at + 16ull * f->ring.avail;
			if ((desc.flags & MARKS) == PACKED_USED)
				desc.flags ^= PACKED_USED ^ MARKS ^ hand_packed_mark(&f->ring);
			else if (!(desc.flags & MARKS))
				desc.flags |= hand_packed_mark(&f->ring);
			hand_packed_write(&f->ring, desc);
		}
		assert_chain_breaks(f, chain->name, chain->cause);
	}
}

/* Every descriptor says that another one follows: there are no more of them than the ring has. */
static void chains_without_end(void **state)
{
	static const struct {
		uint32_t size;
		const char *cause;
	} cases[] = {
		{1, "more descriptors were made available"},
		{SIZE, "more descriptors were made available"},
		{VIRTQ_MAX_IOV, "more descriptors were made available"},
		{VIRTQ_MAX_IOV + 1, "more segments"},
		{VIRTQ_MAX_SIZE, "more segments"},
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < COUNT(cases); i++) {
		begin(f, cases[i].size, 0, true);
		/* Twice around: of this round and of the next one. */
		for (uint32_t k = 0; k < cases[i].size; k++)
			hand_packed_write(&f->ring, (struct vring_packed_desc){DATA, 1, 0, PACKED_AVAIL | NEXT});
		assert_chain_breaks(f, "a chain without an end", cases[i].cause);
	}
}

/* One segment more than there is room for: one descriptor too many, or one that lies in two regions. */
static void too_many_segments(void **state)
{
	struct fixture *f = *state;

	for (unsigned kind = 0; kind < 4; kind++) {
		const bool table = kind & 1, in_two_regions = kind & 2;
		const uint32_t count = VIRTQ_MAX_IOV + 1 - in_two_regions;
		struct vring_packed_desc desc[VIRTQ_MAX_IOV + 1];

		begin(f, 256, 250, true);
		for (uint32_t i = 0; i < count; i++)
			desc[i] = (struct vring_packed_desc){.addr = DATA, .len = 2};
		if (in_two_regions)
			desc[count - 1].addr = GUEST_NEXT - 1;
		if (table) {
			memcpy(guest_at(&f->guest, TABLE), desc, count * sizeof(desc[0]));
			desc[0] = (struct vring_packed_desc){TABLE, count * 16, 0, INDIRECT};
		}
		hand_packed_offer(&f->ring, desc, table ? 1 : (uint16_t)count, 0);
		assert_chain_breaks(f, "a chain of too many segments", "more segments");
	}
}

/* A table of 64 Ki entries is not walked further than there is room. */
static void a_huge_table(void **state)
{
	const struct vring_packed_desc desc = {TABLE, MIB, 0, INDIRECT};
	struct fixture *f = *state;
	struct vring_packed_desc *table;

	begin(f, SIZE, 0, true);
	table = guest_at(&f->guest, TABLE);
	for (uint32_t i = 0; i < MIB / 16; i++)
		table[i] = (struct vring_packed_desc){.addr = DATA, .len = 1};
	hand_packed_offer(&f->ring, &desc, 1, 0);
	assert_chain_breaks(f, "a table of 64 Ki entries", "more segments");
}

/* The driver goes on over what the device still has: chains that were not given back. */
static void more_than_the_ring_holds(void **state)
{
	struct fixture *f = *state;
	uint16_t id;

	for (unsigned given_back = 0; given_back < 3; given_back++) {
		begin(f, SIZE, 3, true);
		for (uint16_t i = 0; i < SIZE; i++) {
			hand_packed_offer_byte(&f->ring, i);
			assert_int_equal(virtq_next(&f->vq, &id), 1);
		}
		for (uint16_t i = 0; i < given_back; i++) {
			const struct virtq_chain chain = {.head = i, .slots = 1};

			virtq_push(&f->vq, &chain, 0);
		}
		virtq_publish(&f->vq);
		/* As many as were given back are good, and then one too many. */
		for (uint16_t i = 0; i < given_back; i++) {
			hand_packed_offer_byte(&f->ring, i);
			assert_int_equal(virtq_next(&f->vq, &id), 1);
		}
		hand_packed_offer_byte(&f->ring, 7);
		/* The question before sleep must not hang on it either. */
		assert_true(virtq_enable_kicks(&f->vq));
		assert_int_equal(virtq_next(&f->vq, &id), -EPROTO);
		assert_broken(f, "one more than the ring holds", "more descriptors were made available");
	}
	/* Together with what is in flight the chain is too long. */
	begin(f, SIZE, 0, true);
	for (uint16_t i = 0; i < 4; i++) {
		hand_packed_offer_byte(&f->ring, i);
		assert_int_equal(virtq_next(&f->vq, &id), 1);
	}
	for (uint16_t i = 0; i < 5; i++)
		hand_packed_write(&f->ring, (struct vring_packed_desc){
						    DATA, 1, 5, hand_packed_mark(&f->ring) | (i < 4 ? NEXT : 0)});
	assert_chain_breaks(f, "a chain over those in flight", "more descriptors were made available");
}

/* What came before a broken chain is served. */
static void after_good_ones(void **state)
{
	struct fixture *f = *state;
	uint16_t id;

	begin(f, SIZE, 0, true);
	hand_packed_offer_byte(&f->ring, 1);
	hand_packed_offer_byte(&f->ring, 2);
	hand_packed_write(&f->ring, (struct vring_packed_desc){DATA, 1, SIZE, PACKED_AVAIL});
	hand_packed_offer_byte(&f->ring, 3);
	for (uint16_t i = 1; i < 3; i++) {
		assert_int_equal(virtq_next(&f->vq, &id), 1);
		assert_int_equal(id, i);
		assert_int_equal(virtq_walk(&f->vq, id, &f->chain), 0);
	}
	assert_int_equal(virtq_next(&f->vq, &id), -EPROTO);
	/* Where it stands is said, not beyond. */
	assert_int_equal(virtq_base(&f->vq) & 0xffff, 0x8002);
	assert_broken(f, "a bad one after good ones", "id that is not below");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(hostile_chains), CASE(chains_without_end),       CASE(too_many_segments),
		CASE(a_huge_table),   CASE(more_than_the_ring_holds), CASE(after_good_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
