/* SPDX-License-Identifier: Apache-2.0 */
/* The map of guest memory: what may be in it, and what it finds. */
#include "hand_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A region whose addresses of the front end's and ours are easily told from the guest's. */
static struct memmap_region region(uint64_t guest, uint64_t size)
{
	return (struct memmap_region){
		.guest = guest, .size = size, .user = guest ^ 1ull << 45, .host = (char *)(guest ^ 1ull << 46)};
}

static int add(struct memmap *map, uint64_t guest, uint64_t size)
{
	const struct memmap_region added = region(guest, size);
	struct error err = {0};
	int ret = memmap_add(map, &added, &err);

	assert_int_equal(err.code, ret);
	return ret;
}

/* Field by field: what lies between them is anything. */
static void assert_region(const struct memmap_region *got, const struct memmap_region *expected)
{
	assert_int_equal(got->guest, expected->guest);
	assert_int_equal(got->size, expected->size);
	assert_int_equal(got->user, expected->user);
	assert_ptr_equal(got->host, expected->host);
}

static void regions_are_kept_in_order(void **state)
{
	static const uint64_t order[] = {5, 2, 9, 1, 7, 3, 8, 0, 6, 4};
	struct memmap map = {.count = 0};

	(void)state;
	for (unsigned i = 0; i < COUNT(order); i++) {
		assert_int_equal(add(&map, order[i] << 20, 4096 + order[i]), 0);
		assert_int_equal(map.count, i + 1);
	}
	for (unsigned i = 0; i < map.count; i++) {
		const struct memmap_region expected = region((uint64_t)i << 20, 4096 + i);

		assert_region(&map.region[i], &expected);
	}
}

/* Around one region from 0x10000 to 0x12000. */
static void overlap_at_each_edge(void **state)
{
	static const struct {
		uint64_t guest, size;
		int result;
	} cases[] = {
		{0xf000, 0x1000, 0},        /* ends where the region begins */
		{0xf000, 0x1001, -EINVAL},  /* one byte into it */
		{0xffff, 0x2, -EINVAL},     /* likewise */
		{0x10000, 0x2000, -EINVAL}, /* the same */
		{0x10000, 1, -EINVAL},      /* its first byte */
		{0x10800, 0x100, -EINVAL},  /* inside */
		{0x11fff, 1, -EINVAL},      /* its last byte */
		{0x11fff, 2, -EINVAL},      /* and one more */
		{0xf000, 0x8000, -EINVAL},  /* all around it */
		{0x12000, 0x1000, 0},       /* begins where it ends */
		{0, 0x10001, -EINVAL},      /* from far below */
		{0, 0x10000, 0},
		{0x12000, 1ull << 63, 0}, /* far above */
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct memmap map = {.count = 0}, before;

		assert_int_equal(add(&map, 0x10000, 0x2000), 0);
		before = map;
		assert_int_equal(add(&map, cases[i].guest, cases[i].size), cases[i].result);
		assert_int_equal(map.count, cases[i].result ? 1 : 2);
		if (cases[i].result)
			assert_memory_equal(&map, &before, sizeof(map));
	}
}

/* A gap of 0x1000 between two regions. */
static void a_gap_is_filled_to_the_byte(void **state)
{
	struct memmap map = {.count = 0};

	(void)state;
	assert_int_equal(add(&map, 0x1000, 0x1000), 0);
	assert_int_equal(add(&map, 0x3000, 0x1000), 0);
	assert_int_equal(add(&map, 0x1fff, 0x1001), -EINVAL);
	assert_int_equal(add(&map, 0x2000, 0x1001), -EINVAL);
	assert_int_equal(add(&map, 0x2000, 0x1000), 0);
	assert_int_equal(map.count, 3);
}

static void empty_and_wrapping_regions(void **state)
{
	static const struct {
		uint64_t guest, size, user;
		int result;
	} cases[] = {
		{0x1000, 0, 0x1000, -EINVAL},
		{0, 0, 0, -EINVAL},
		{UINT64_MAX, 0, 0x1000, -EINVAL},
		{UINT64_MAX - 0xfff, 0x1001, 0x1000, -EINVAL}, /* one byte around */
		{UINT64_MAX - 0xfff, 0x1000, 0x1000, 0},       /* up to the last one */
		{UINT64_MAX, 2, 0x1000, -EINVAL},
		{0x1000, UINT64_MAX, 0x1000, -EINVAL},
		{0x1000, 0x1001, UINT64_MAX - 0xfff, -EINVAL}, /* the front end's address wraps */
		{0x1000, 0x1000, UINT64_MAX - 0xfff, 0},
		{0, UINT64_MAX, 0, 0},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		const struct memmap_region added = {
			.guest = cases[i].guest, .size = cases[i].size, .user = cases[i].user};
		struct memmap map = {.count = 0};
		struct error err = {0};

		assert_int_equal(memmap_add(&map, &added, &err), cases[i].result);
		assert_int_equal(map.count, cases[i].result == 0);
		if (cases[i].result)
			assert_contains(err.text, "empty or wraps");
	}
}

static void as_many_as_there_are_slots(void **state)
{
	struct memmap map = {.count = 0};
	struct memmap_region removed;

	(void)state;
	for (unsigned i = 0; i < MEMMAP_MAX_REGIONS; i++)
		assert_int_equal(add(&map, (uint64_t)i * 0x2000, 0x1000), 0);
	/* Below, between and above. */
	assert_int_equal(add(&map, 0x1000, 0x1000), -ENOSPC);
	assert_int_equal(add(&map, 1ull << 40, 0x1000), -ENOSPC);
	assert_int_equal(map.count, MEMMAP_MAX_REGIONS);
	assert_int_equal(memmap_remove(&map, 0x4000, 0x1000, 0x4000 ^ 1ull << 45, &removed), 0);
	assert_int_equal(add(&map, 0x5000, 0x1000), 0);
	assert_int_equal(map.region[2].guest, 0x5000);
	assert_int_equal(add(&map, 0x4000, 0x1000), -ENOSPC);
}

static void the_hint_remembers_the_region_hit(void **state)
{
	struct memmap map = {.count = 0};
	uint64_t length = 16;
	uint32_t hint = 0;

	(void)state;
	assert_null(memmap_guest(&map, &hint, 0x1000, &length));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(add(&map, 0x10000 * (i + 1), 0x1000), 0);
	/* A miss: the search finds it and remembers it. */
	assert_ptr_equal(memmap_guest(&map, &hint, 0x30010, &length), (char *)(0x30010 ^ 1ull << 46));
	assert_int_equal(hint, 2);
	/* A hit, to the last byte. */
	assert_ptr_equal(memmap_guest(&map, &hint, 0x30ff0, &length), (char *)(0x30ff0 ^ 1ull << 46));
	assert_int_equal(hint, 2);
	assert_int_equal(length, 16);
	/* Below and above the region that the hint names. */
	assert_ptr_equal(memmap_guest(&map, &hint, 0x10000, &length), (char *)(0x10000 ^ 1ull << 46));
	assert_int_equal(hint, 0);
	assert_ptr_equal(memmap_guest(&map, &hint, 0x40000, &length), (char *)(0x40000 ^ 1ull << 46));
	assert_int_equal(hint, 3);
	/* Nothing found leaves it as it is. */
	assert_null(memmap_guest(&map, &hint, 0x41000, &length));
	assert_null(memmap_guest(&map, &hint, 0xfff, &length));
	assert_int_equal(hint, 3);
}

/* The map has shrunk or changed since: a hint is no more than that. */
static void a_stale_hint_does_no_harm(void **state)
{
	struct memmap map = {.count = 0};
	struct memmap_region removed;
	uint64_t length = 8;
	uint32_t hint = 1;

	(void)state;
	assert_int_equal(add(&map, 0x10000, 0x1000), 0);
	assert_int_equal(add(&map, 0x20000, 0x1000), 0);
	assert_int_equal(memmap_remove(&map, 0x20000, 0x1000, 0x20000 ^ 1ull << 45, &removed), 0);
	assert_null(memmap_guest(&map, &hint, 0x20000, &length));
	assert_ptr_equal(memmap_guest(&map, &hint, 0x10008, &length), (char *)(0x10008 ^ 1ull << 46));
	hint = UINT32_MAX;
	assert_ptr_equal(memmap_guest(&map, &hint, 0x10008, &length), (char *)(0x10008 ^ 1ull << 46));
}

static void a_translation_is_clipped_at_the_end_of_its_region(void **state)
{
	static const struct {
		uint64_t guest, wanted, got; /* got 0: nothing there */
	} cases[] = {
		{0x10000, 0x1000, 0x1000},
		{0x10000, 0x1001, 0x1000},
		{0x10ff0, 0x10, 0x10},
		{0x10ff0, 0x11, 0x10},
		{0x10fff, 1, 1},
		{0x10fff, UINT64_MAX, 1},
		{0x10001, 0x1000, 0xfff},
		{0x11000, 1, 0},
		{0xffff, 1, 0},
		{0xffff, 0x1000, 0},
		{0x10000, UINT64_MAX, 0x1000},
		{UINT64_MAX, 1, 0},
		/* the neighbour of 0x20000 begins at its end: it is another region all the same */
		{0x20800, 0x1000, 0x800},
		{0x21000, 0x1000, 0x1000},
	};
	struct memmap map = {.count = 0};

	(void)state;
	assert_int_equal(add(&map, 0x10000, 0x1000), 0);
	assert_int_equal(add(&map, 0x20000, 0x1000), 0);
	assert_int_equal(add(&map, 0x21000, 0x1000), 0);
	for (unsigned i = 0; i < COUNT(cases) * 4; i++) {
		/* With each hint, the right one, wrong ones and none. */
		uint32_t hint = i / COUNT(cases);
		uint64_t length = cases[i % COUNT(cases)].wanted;
		uint64_t guest = cases[i % COUNT(cases)].guest, got = cases[i % COUNT(cases)].got;
		void *at = memmap_guest(&map, &hint, guest, &length);

		assert_ptr_equal(at, got ? (char *)(guest ^ 1ull << 46) : NULL);
		if (got)
			assert_int_equal(length, got);
	}
}

/* The search against counting through, in a full map of uneven regions, at all their edges. */
static void the_search_finds_what_counting_finds(void **state)
{
	struct memmap *map = calloc(1, sizeof(*map));
	uint64_t at = 0x1000;

	(void)state;
	for (unsigned i = 0; i < MEMMAP_MAX_REGIONS; i++) {
		uint64_t size = 1 + i * 7919 % 5000;

		assert_int_equal(add(map, at, size), 0);
		at += size + (i % 3 ? i * 31 % 100 : 0);
	}
	for (unsigned i = 0; i < MEMMAP_MAX_REGIONS * 5; i++) {
		const struct memmap_region *near = &map->region[i / 5];
		uint64_t edges[] = {near->guest - 1, near->guest, near->guest + near->size / 2,
				    near->guest + near->size - 1, near->guest + near->size};
		uint64_t guest = edges[i % 5], length = 1;
		uint32_t hint = i * 13 % MEMMAP_MAX_REGIONS;
		char *expected = NULL;

		for (unsigned k = 0; k < MEMMAP_MAX_REGIONS; k++) {
			if (guest >= map->region[k].guest && guest < map->region[k].guest + map->region[k].size)
				expected = map->region[k].host + (guest - map->region[k].guest);
		}
		assert_ptr_equal(memmap_guest(map, &hint, guest, &length), expected);
	}
	free(map);
}

static void only_the_exact_region_is_removed(void **state)
{
	const uint64_t user = 0x20000 ^ 1ull << 45;
	struct memmap map = {.count = 0};
	struct memmap_region removed, expected = region(0x20000, 0x1000);

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(add(&map, i * 0x10000, 0x1000), 0);
	assert_int_equal(memmap_remove(&map, 0x20001, 0x1000, user, &removed), -ENOENT);
	assert_int_equal(memmap_remove(&map, 0x20000, 0xfff, user, &removed), -ENOENT);
	assert_int_equal(memmap_remove(&map, 0x20000, 0x1001, user, &removed), -ENOENT);
	assert_int_equal(memmap_remove(&map, 0x20000, 0x1000, user + 1, &removed), -ENOENT);
	assert_int_equal(map.count, 3);
	assert_int_equal(memmap_remove(&map, 0x20000, 0x1000, user, &removed), 0);
	assert_region(&removed, &expected);
	assert_int_equal(memmap_remove(&map, 0x20000, 0x1000, user, &removed), -ENOENT);
	assert_int_equal(map.count, 2);
	assert_int_equal(map.region[0].guest, 0x10000);
	assert_int_equal(map.region[1].guest, 0x30000);
	assert_int_equal(memmap_remove(&map, 0x30000, 0x1000, 0x30000 ^ 1ull << 45, &removed), 0);
	assert_int_equal(memmap_remove(&map, 0x10000, 0x1000, 0x10000 ^ 1ull << 45, &removed), 0);
	assert_int_equal(map.count, 0);
}

/* Front end addresses 0x7000-0x8000 and 0x8000-0x9000, in the other order in the guest; and the last page. */
static void the_front_ends_addresses(void **state)
{
	static const struct {
		uint64_t user, length, host; /* host 0: nothing there */
	} cases[] = {
		{0x7000, 0x1000, 0x100000},
		{0x7000, 0x1001, 0},
		{0x7fff, 1, 0x100fff},
		{0x7fff, 2, 0},
		{0x8000, 1, 0x200000},
		{0x6fff, 2, 0},
		{0x6fff, 1, 0},
		{0x9000, 1, 0},
		{0x8800, 0x800, 0x200800},
		{0x8800, 0x801, 0},
		{0x8800, UINT64_MAX, 0},
		{UINT64_MAX, 1, 0x300fff},
		{UINT64_MAX, 2, 0},
		{0x20000, 1, 0},
		{0, 1, 0},
	};
	const struct memmap_region regions[] = {
		{.guest = 0x20000, .size = 0x1000, .user = 0x7000, .host = (char *)0x100000},
		{.guest = 0x10000, .size = 0x1000, .user = 0x8000, .host = (char *)0x200000},
		{.guest = 0x40000, .size = 0x1000, .user = UINT64_MAX - 0xfff, .host = (char *)0x300000},
	};
	struct memmap map = {.count = 0};
	struct error err;

	(void)state;
	for (unsigned i = 0; i < COUNT(regions); i++)
		assert_int_equal(memmap_add(&map, &regions[i], &err), 0);
	for (unsigned i = 0; i < COUNT(cases); i++)
		assert_ptr_equal(memmap_user(&map, cases[i].user, cases[i].length), (char *)cases[i].host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regions_are_kept_in_order),
		cmocka_unit_test(overlap_at_each_edge),
		cmocka_unit_test(a_gap_is_filled_to_the_byte),
		cmocka_unit_test(empty_and_wrapping_regions),
		cmocka_unit_test(as_many_as_there_are_slots),
		cmocka_unit_test(the_hint_remembers_the_region_hit),
		cmocka_unit_test(a_stale_hint_does_no_harm),
		cmocka_unit_test(a_translation_is_clipped_at_the_end_of_its_region),
		cmocka_unit_test(the_search_finds_what_counting_finds),
		cmocka_unit_test(only_the_exact_region_is_removed),
		cmocka_unit_test(the_front_ends_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
