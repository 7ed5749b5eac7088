/* SPDX-License-Identifier: Apache-2.0 */
/* Rings that no driver writes: each breaks the queue with a cause, and nothing comes out of it any more. */
#include "hand_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NEXT         VRING_DESC_F_NEXT
#define WRITE        VRING_DESC_F_WRITE
#define INDIRECT     VRING_DESC_F_INDIRECT

#define DATA  GUEST_DATA
#define TABLE GUEST_TABLES

enum { SIZE = 8 };

/* The first descriptors of the ring and of an indirect table; the chain begins with descriptor 0. */
struct hostile_chain {
	const char *name;
	const char *cause;
	struct vring_desc ring[4];
	struct vring_desc table[4];
	bool not_negotiated; /* INDIRECT_DESC */
};

static const struct hostile_chain chains[] = {
	{"a loop of one", "a loop", .ring = {{DATA, 16, NEXT, 0}}},
	{"a loop of two", "a loop", .ring = {{DATA, 16, NEXT, 1}, {DATA, 16, NEXT, 0}}},
	{"a loop behind a tail", "a loop", .ring = {{DATA, 16, NEXT, 1}, {DATA, 16, NEXT, 2}, {DATA, 16, NEXT, 1}}},
	{"a loop of writable ones", "a loop", .ring = {{DATA, 16, NEXT, 1}, {DATA, 1, NEXT | WRITE, 1}}},
	{"a loop in a table", "a loop", .ring = {{TABLE, 64, INDIRECT, 0}},
	 .table = {{DATA, 16, NEXT, 1}, {DATA, 16, NEXT, 3}, {DATA, 16, 0, 0}, {DATA, 16, NEXT, 0}}},
	{"a loop in a table of one", "a loop", .ring = {{TABLE, 16, INDIRECT, 0}}, .table = {{DATA, 16, NEXT, 0}}},
	{"a loop of large ones", "4 GiB", .ring = {{GUEST_HUGE, 1u << 31, NEXT, 1}, {GUEST_HUGE, 1u << 31, NEXT, 0}}},

	{"next just beyond the ring", "beyond its table", .ring = {{DATA, 16, NEXT, SIZE}}},
	{"next far beyond the ring", "beyond its table", .ring = {{DATA, 16, NEXT, 65535}}},
	{"next beyond the ring, second", "beyond its table", .ring = {{DATA, 16, NEXT, 1}, {DATA, 16, NEXT, SIZE}}},
	{"next just beyond a table, but not the ring", "beyond its table", .ring = {{TABLE, 32, INDIRECT, 0}},
	 .table = {{DATA, 16, NEXT, 2}, {DATA, 16, 0, 0}, {DATA, 16, 0, 0}}},
	{"next far beyond a table", "beyond its table", .ring = {{TABLE, 32, INDIRECT, 0}},
	 .table = {{DATA, 16, NEXT, 65535}}},

	{"length 0", "length 0", .ring = {{DATA, 0, 0, 0}}},
	{"length 0, writable", "length 0", .ring = {{DATA, 16, NEXT, 1}, {DATA, 0, WRITE, 0}}},
	{"length 0 nowhere", "length 0", .ring = {{GUEST_HOLE, 0, 0, 0}}},
	{"length 0 in a table", "length 0", .ring = {{TABLE, 16, INDIRECT, 0}}, .table = {{DATA, 0, 0, 0}}},
	{"as long as can be", "outside guest memory", .ring = {{DATA, UINT32_MAX, 0, 0}}},
	{"as long as can be, writable", "outside guest memory", .ring = {{DATA, UINT32_MAX, WRITE, 0}}},
	{"one byte out of its region", "outside guest memory", .ring = {{GUEST_HIGH, GUEST_HIGH_SIZE + 1, 0, 0}}},
	{"two bytes at the last one", "outside guest memory", .ring = {{GUEST_HIGH + GUEST_HIGH_SIZE - 1, 2, 0, 0}}},
	{"just below its region", "outside guest memory", .ring = {{GUEST_HIGH - 1, 2, 0, 0}}},
	{"just above its region", "outside guest memory", .ring = {{GUEST_HIGH + GUEST_HIGH_SIZE, 1, 0, 0}}},
	{"in the hole", "outside guest memory", .ring = {{GUEST_HOLE + 100, 16, 0, 0}}},
	{"across the hole", "outside guest memory", .ring = {{GUEST_HOLE - 16, GUEST_HIGH - GUEST_HOLE + 32, 0, 0}}},
	{"across two regions and into the hole", "outside guest memory",
	 .ring = {{GUEST_NEXT - 1, GUEST_NEXT_SIZE + 2, 0, 0}}},
	{"nowhere, second", "outside guest memory", .ring = {{DATA, 16, NEXT, 1}, {GUEST_HOLE, 16, WRITE, 0}}},
	{"nowhere, in a table", "outside guest memory", .ring = {{TABLE, 16, INDIRECT, 0}},
	 .table = {{GUEST_HOLE, 16, 0, 0}}},
	{"the front end's address", "outside guest memory", .ring = {{0x550000000000, 16, 0, 0}}},
	{"half the address space away", "outside guest memory", .ring = {{1ull << 63, 16, 0, 0}}},
	{"around the address space", "wraps", .ring = {{UINT64_MAX, 2, 0, 0}}},
	{"around the address space, long", "wraps", .ring = {{GUEST_TOP, UINT32_MAX, 0, 0}}},
	{"around the address space, writable", "wraps", .ring = {{UINT64_MAX - 15, 17, WRITE, 0}}},

	{"a table in a table", "inside an indirect table", .ring = {{TABLE, 16, INDIRECT, 0}},
	 .table = {{TABLE, 16, INDIRECT, 0}}},
	{"a table in a table, second", "inside an indirect table", .ring = {{TABLE, 32, INDIRECT, 0}},
	 .table = {{DATA, 16, NEXT, 1}, {TABLE, 16, INDIRECT, 0}}},
	{"a table that is the ring", "inside an indirect table", .ring = {{0, 16 * SIZE, INDIRECT, 0}}},
	{"a table that is the ring, second", "inside an indirect table",
	 .ring = {{DATA, 16, NEXT, 1}, {0, 16 * SIZE, INDIRECT, 0}}},
	{"a table with a next one", "with a next one", .ring = {{TABLE, 16, INDIRECT | NEXT, 1}, {DATA, 16, 0, 0}},
	 .table = {{DATA, 16, 0, 0}}},
	{"a table of length 0", "not a multiple of 16", .ring = {{TABLE, 0, INDIRECT, 0}}, .table = {{DATA, 16, 0, 0}}},
	{"a table of length 15", "not a multiple of 16", .ring = {{TABLE, 15, INDIRECT, 0}},
	 .table = {{DATA, 16, 0, 0}}},
	{"a table of length 17", "not a multiple of 16", .ring = {{TABLE, 17, INDIRECT, 0}},
	 .table = {{DATA, 16, 0, 0}}},
	{"a table of the largest length", "not a multiple of 16", .ring = {{TABLE, UINT32_MAX, INDIRECT, 0}}},
	{"a table of almost 4 GiB", "table outside guest memory", .ring = {{TABLE, UINT32_MAX - 15, INDIRECT, 0}}},
	{"a table in the hole", "table outside guest memory", .ring = {{GUEST_HOLE, 16, INDIRECT, 0}}},
	{"a table that leaves its region", "table outside guest memory",
	 .ring = {{GUEST_HIGH + GUEST_HIGH_SIZE - 16, 32, INDIRECT, 0}}},
	{"a table in two pieces", "table outside guest memory", .ring = {{GUEST_NEXT - 16, 32, INDIRECT, 0}}},
	{"a table around the address space", "table outside guest memory",
	 .ring = {{UINT64_MAX - 15, 32, INDIRECT, 0}}},
	{"a table that was not negotiated", "not negotiated", .ring = {{TABLE, 16, INDIRECT, 0}},
	 .table = {{DATA, 16, 0, 0}}, .not_negotiated = true},

	{"4 GiB to read", "4 GiB", .ring = {{GUEST_HUGE, 1u << 31, NEXT, 1}, {GUEST_HUGE, 1u << 31, 0, 0}}},
	{"4 GiB to write", "4 GiB", .ring = {{GUEST_HUGE, UINT32_MAX, NEXT | WRITE, 1}, {DATA, 1, WRITE, 0}}},
	{"4 GiB both ways", "4 GiB", .ring = {{GUEST_HUGE, 1, NEXT, 1}, {GUEST_HUGE, UINT32_MAX, WRITE, 0}}},
	{"12 GiB", "4 GiB",
	 .ring = {{GUEST_HUGE, UINT32_MAX, NEXT, 1},
		  {GUEST_HUGE, UINT32_MAX, NEXT, 2},
		  {GUEST_HUGE, UINT32_MAX, 0, 0}}},

	{"readable after writable", "readable descriptor after",
	 .ring = {{DATA, 16, NEXT | WRITE, 1}, {DATA, 16, 0, 0}}},
	{"readable again after writable", "readable descriptor after",
	 .ring = {{DATA, 16, NEXT, 1}, {DATA, 16, NEXT | WRITE, 2}, {DATA, 16, 0, 0}}},
	{"readable after writable in a table", "readable descriptor after", .ring = {{TABLE, 32, INDIRECT, 0}},
	 .table = {{DATA, 16, NEXT | WRITE, 1}, {DATA, 16, 0, 0}}},
	{"writable, then a readable one in a table", "readable descriptor after",
	 .ring = {{DATA, 16, NEXT | WRITE, 1}, {TABLE, 16, INDIRECT, 0}}, .table = {{DATA, 16, 0, 0}}},
};

struct fixture {
	struct guest guest;
	struct hand_ring ring;
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

static void begin(struct fixture *f, uint32_t size, bool indirect)
{
	struct virtq_setup setup;
	struct error err;

	hand_ring_create(&f->ring, &f->guest, 0, size, 65535);
	setup = hand_ring_setup(&f->ring);
	setup.indirect = indirect;
	assert_int_equal(virtq_init(&f->vq, &setup, &err), 0);
	memset(f->iov, 0, sizeof(f->iov));
}

/* The queue is broken for this reason, and stays so although the ring is in order now. */
static void assert_broken(struct fixture *f, const char *name, const char *cause)
{
	const char *broken = f->vq.broken;
	uint16_t head = 0xabcd;

	if (!broken || !strstr(broken, cause))
		fail_msg("%s: broken because of \"%s\", expected \"%s\"", name, broken ? broken : "nothing", cause);
	assert_null(f->iov[VIRTQ_MAX_IOV].iov_base);
	hand_ring_create(&f->ring, &f->guest, 0, f->ring.size, f->vq.avail_next);
	hand_ring_write(&f->ring, 0, DATA, 16, 0, 0);
	hand_ring_offer(&f->ring, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(virtq_next(&f->vq, &head), -EPROTO);
	assert_int_equal(head, 0xabcd);
	assert_ptr_equal(f->vq.broken, broken);
}

/* Descriptor 0 starts a chain that is refused. */
static void assert_chain_breaks(struct fixture *f, const char *name, const char *cause)
{
	uint16_t head;

	hand_ring_offer(&f->ring, 0);
	assert_int_equal(virtq_next(&f->vq, &head), 1);
	if (virtq_walk(&f->vq, head, &f->chain) != -EPROTO)
		fail_msg("%s was taken", name);
	assert_broken(f, name, cause);
}

static void hostile_chains(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < COUNT(chains); i++) {
		const struct hostile_chain *chain = &chains[i];

		begin(f, SIZE, !chain->not_negotiated);
		for (unsigned k = 0; k < 4; k++) {
			f->ring.desc[k] = chain->ring[k];
			hand_table_write(&f->guest, TABLE, k, chain->table[k]);
		}
		assert_chain_breaks(f, chain->name, chain->cause);
	}
}

static void a_loop_in_a_ring_of_one(void **state)
{
	struct fixture *f = *state;

	begin(f, 1, true);
	hand_ring_write(&f->ring, 0, DATA, 16, NEXT, 0);
	assert_chain_breaks(f, "a loop in a ring of one", "a loop");
	begin(f, 1, true);
	hand_ring_write(&f->ring, 0, DATA, 16, NEXT, 1);
	assert_chain_breaks(f, "next beyond a ring of one", "beyond its table");
}

/* Long loops end with the segments there is room for: in the ring, and in a table of the largest size. */
static void long_loops(void **state)
{
	const uint32_t entries = (uint32_t)(MIB / 16);
	struct fixture *f = *state;

	begin(f, VIRTQ_MAX_SIZE, true);
	for (uint32_t i = 0; i < VIRTQ_MAX_SIZE; i++)
		hand_ring_write(&f->ring, i, DATA, 1, NEXT, (uint16_t)((i + 1) % VIRTQ_MAX_SIZE));
	assert_chain_breaks(f, "a loop through all of the largest ring", "more segments");
	begin(f, SIZE, true);
	for (uint32_t i = 0; i < entries; i++)
		hand_table_write(&f->guest, TABLE, i, hand_desc(DATA, 1, NEXT, (uint16_t)(i + 1)));
	hand_ring_write(&f->ring, 0, TABLE, entries * 16, INDIRECT, 0);
	assert_chain_breaks(f, "a loop in a table of 64 Ki entries", "more segments");
}

/* One segment more than there is room for: one descriptor too many, or one that lies in two regions. */
static void too_many_segments(void **state)
{
	struct fixture *f = *state;

	for (unsigned in_two_regions = 0; in_two_regions < 2; in_two_regions++) {
		const uint32_t count = VIRTQ_MAX_IOV + 1 - in_two_regions;

		for (unsigned table = 0; table < 2; table++) {
			begin(f, 256, true);
			for (uint32_t i = 0; i < count; i++) {
				const bool last = i == count - 1;
				const struct vring_desc desc = hand_desc(last && in_two_regions ? GUEST_NEXT - 1 : DATA,
									 2, last ? 0 : NEXT, (uint16_t)(i + 1));

				if (table)
					hand_table_write(&f->guest, TABLE, i, desc);
				else
					f->ring.desc[i] = desc;
			}
			if (table)
				hand_ring_write(&f->ring, 0, TABLE, count * 16, INDIRECT, 0);
			assert_chain_breaks(f, "a chain of too many segments", "more segments");
		}
	}
}

static void heads_beyond_the_ring(void **state)
{
	static const uint16_t heads[] = {SIZE, SIZE + 1, 32768, 65535};
	struct fixture *f = *state;
	uint16_t head;

	for (unsigned i = 0; i < COUNT(heads); i++) {
		begin(f, SIZE, true);
		hand_ring_write(&f->ring, 1, DATA, 16, 0, 0);
		hand_ring_offer(&f->ring, 1);
		hand_ring_offer(&f->ring, heads[i]);
		hand_ring_offer(&f->ring, 1);
		/* What came before is served. */
		assert_int_equal(virtq_next(&f->vq, &head), 1);
		assert_int_equal(virtq_walk(&f->vq, head, &f->chain), 0);
		assert_int_equal(virtq_next(&f->vq, &head), -EPROTO);
		assert_broken(f, "a head beyond the ring", "starts beyond");
	}
}

/* The available index from where it should be: up to the size it is work, above (which is also behind) a lie. */
static void available_indices(void **state)
{
	static const struct {
		uint32_t size;
		uint16_t ahead;
		bool good;
	} cases[] = {
		{SIZE, SIZE, true},
		{SIZE, SIZE + 1, false},
		{SIZE, 32768, false},
		{SIZE, 65535, false},
		{1, 1, true},
		{1, 2, false},
		{1, 65535, false},
		{VIRTQ_MAX_SIZE, 32768, true},
		{VIRTQ_MAX_SIZE, 32769, false},
		{VIRTQ_MAX_SIZE, 65535, false},
	};
	struct fixture *f = *state;
	uint16_t head;

	for (unsigned i = 0; i < COUNT(cases); i++) {
		begin(f, cases[i].size, true);
		f->ring.avail->idx = (uint16_t)(f->ring.avail->idx + cases[i].ahead);
		if (cases[i].good) {
			assert_int_equal(virtq_next(&f->vq, &head), 1);
			continue;
		}
		/* The question before sleep must not hang on it either. */
		assert_true(virtq_enable_kicks(&f->vq));
		assert_int_equal(virtq_next(&f->vq, &head), -EPROTO);
		assert_broken(f, "an available index too far ahead", "ahead by more");
	}
}

/* The index runs ahead only after some of what it announced was taken. */
static void an_index_that_jumps_later(void **state)
{
	struct fixture *f = *state;
	uint16_t head;

	begin(f, SIZE, true);
	for (unsigned i = 0; i < SIZE; i++)
		hand_ring_offer(&f->ring, (uint16_t)i);
	for (unsigned i = 0; i < SIZE; i++) {
		assert_int_equal(virtq_next(&f->vq, &head), 1);
		f->ring.avail->idx = (uint16_t)(f->ring.avail->idx + 1000);
	}
	assert_int_equal(virtq_next(&f->vq, &head), -EPROTO);
	assert_broken(f, "an available index that jumps", "ahead by more");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(hostile_chains),
		CASE(a_loop_in_a_ring_of_one),
		CASE(long_loops),
		CASE(too_many_segments),
		CASE(heads_beyond_the_ring),
		CASE(available_indices),
		CASE(an_index_that_jumps_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
