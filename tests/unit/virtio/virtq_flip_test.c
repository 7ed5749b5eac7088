/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that changes descriptors while the device reads them. Whatever the
 * device sees, what it checked must be what it uses: each iovec lies inside one
 * region, and the counts say what the iovecs are.
 */
#include "hand_ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

enum { SIZE = 8, TABLE_SIZE = 4, ROUNDS = 200000, COUNTED = SIZE + TABLE_SIZE };

struct flipper {
	struct guest guest;
	struct hand_ring ring;
	volatile struct vring_desc *desc[COUNTED]; /* of the ring, then of the table */
	bool started, stop;
};

static uint64_t random_number(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/*
 * Each field alone, between a good value and bad ones, so that a chain is often
 * good at the first look and bad at the second. This is a race by intent, as
 * between a guest and its device: the thread sanitizer is not to look.
 */
__attribute__((no_sanitize("thread"), no_sanitize("undefined"))) static void flip(struct flipper *f, uint64_t value)
{
	static const uint64_t address[] = {GUEST_DATA,     GUEST_NEXT - 8, GUEST_HIGH + GUEST_HIGH_SIZE - 16,
					   GUEST_TABLES,   GUEST_HOLE,     GUEST_TOP,
					   UINT64_MAX - 7, GUEST_DATA + 1};
	static const uint32_t length[] = {16, 16, 1, 64, 0, UINT32_MAX, 4096, 17};
	static const uint16_t flags[] = {0, NEXT, NEXT, WRITE, NEXT | WRITE, INDIRECT, INDIRECT, INDIRECT | NEXT};
	static const uint16_t next[] = {0, 1, 2, 3, 4, 7, SIZE, 65535};
	volatile struct vring_desc *desc = f->desc[(value >> 8) % COUNTED];

	switch (value % 4) {
	case 0:
		desc->addr = address[(value >> 16) % 8];
		break;
	case 1:
		desc->len = length[(value >> 16) % 8];
		break;
	case 2:
		desc->flags = flags[(value >> 16) % 8];
		break;
	default:
		desc->next = next[(value >> 16) % 8];
		break;
	}
}

static void *flip_all_the_time(void *argument)
{
	struct flipper *f = argument;
	uint64_t seed = 0x123456789abcdef;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		for (unsigned i = 0; i < 64; i++)
			flip(f, random_number(&seed));
		__atomic_store_n(&f->started, true, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void assert_inside(const struct guest *guest, const struct iovec *iov)
{
	for (uint32_t i = 0; i < guest->map.count; i++) {
		const struct memmap_region *region = &guest->map.region[i];
		const char *at = iov->iov_base;

		if (at >= region->host && at < region->host + region->size) {
			assert_true(iov->iov_len > 0);
			assert_true(iov->iov_len <= (size_t)(region->host + region->size - at));
			return;
		}
	}
	fail_msg("a segment at %p, where no guest memory is", iov->iov_base);
}

static void assert_consistent(const struct guest *guest, const struct virtq_chain *chain)
{
	uint64_t readable = 0, writable = 0;

	assert_true(chain->readable + chain->writable <= VIRTQ_MAX_IOV);
	for (unsigned i = 0; i < chain->readable + chain->writable; i++) {
		assert_inside(guest, &chain->iov[i]);
		*(i < chain->readable ? &readable : &writable) += chain->iov[i].iov_len;
	}
	assert_int_equal(readable, chain->readable_bytes);
	assert_int_equal(writable, chain->writable_bytes);
	assert_true(readable + writable <= UINT32_MAX);
}

static void descriptors_that_change_while_they_are_read(void **state)
{
	struct flipper *f = calloc(1, sizeof(*f));
	struct iovec iov[VIRTQ_MAX_IOV];
	struct virtq_chain chain = {.iov = iov};
	struct virtq_setup setup;
	pthread_t thread;
	struct error err;
	struct virtq vq;

	(void)state;
	guest_create(&f->guest);
	hand_ring_create(&f->ring, &f->guest, 0, SIZE, 0);
	for (unsigned i = 0; i < COUNTED; i++) {
		f->desc[i] = i < SIZE ? &f->ring.desc[i]
				      : (struct vring_desc *)guest_at(&f->guest, GUEST_TABLES) + (i - SIZE);
		*f->desc[i] = hand_desc(GUEST_DATA, 16, i % 2 ? NEXT : 0, 1);
	}
	setup = hand_ring_setup(&f->ring);
	assert_int_equal(virtq_init(&vq, &setup, &err), 0);
	assert_int_equal(pthread_create(&thread, NULL, flip_all_the_time, f), 0);
	while (!__atomic_load_n(&f->started, __ATOMIC_RELAXED))
		sched_yield();
	for (unsigned i = 0; i < ROUNDS; i++) {
		int ret = virtq_walk(&vq, (uint16_t)(i % SIZE), &chain);

		if (ret == 0) {
			assert_consistent(&f->guest, &chain);
			continue;
		}
		assert_int_equal(ret, -EPROTO);
		assert_non_null(vq.broken);
		vq.broken = NULL;
	}
	__atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	guest_destroy(&f->guest);
	free(f);
}

/* The available ring and its index change as well. */
static void *turn_the_available_ring(void *argument)
{
	struct flipper *f = argument;
	uint64_t seed = 0xfedcba987654321;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		for (unsigned i = 0; i < 64; i++) {
			uint64_t value = random_number(&seed);

			__atomic_store_n(&f->ring.avail->ring[value >> 8 & (SIZE - 1)], value >> 16 & (2 * SIZE - 1),
					 __ATOMIC_RELAXED);
			__atomic_store_n(&f->ring.avail->idx, value >> 32 & (4 * SIZE - 1), __ATOMIC_RELAXED);
		}
		__atomic_store_n(&f->started, true, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void an_available_ring_that_changes_while_it_is_read(void **state)
{
	struct flipper *f = calloc(1, sizeof(*f));
	struct virtq_setup setup;
	pthread_t thread;
	struct error err;
	struct virtq vq;

	(void)state;
	guest_create(&f->guest);
	hand_ring_create(&f->ring, &f->guest, 0, SIZE, 0);
	setup = hand_ring_setup(&f->ring);
	assert_int_equal(virtq_init(&vq, &setup, &err), 0);
	assert_int_equal(pthread_create(&thread, NULL, turn_the_available_ring, f), 0);
	while (!__atomic_load_n(&f->started, __ATOMIC_RELAXED))
		sched_yield();
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint16_t head = 0xabcd;
		int ret = virtq_next(&vq, &head);

		/* Never a head outside the table, never one more than there are descriptors ahead. */
		assert_true((uint16_t)(vq.split.avail_seen - vq.avail_next) <= SIZE || ret == -EPROTO);
		if (ret == 1) {
			assert_true(head < SIZE);
		} else if (ret < 0) {
			assert_int_equal(ret, -EPROTO);
			assert_int_equal(virtq_init(&vq, &setup, &err), 0);
		}
	}
	__atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	guest_destroy(&f->guest);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_that_change_while_they_are_read),
		cmocka_unit_test(an_available_ring_that_changes_while_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
