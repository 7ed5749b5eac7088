/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that changes a packed ring and an indirect table while the device
 * reads them. What the device checked must be what it uses: each iovec lies
 * inside one region, the counts say what the iovecs are, and positions and ids
 * stay below the size of the ring.
 */
#include "hand_packed.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

enum { SIZE = 7, TABLE_SIZE = 4, ROUNDS = 300000, COUNTED = SIZE + TABLE_SIZE };

struct flipper {
	struct guest guest;
	struct hand_packed ring;
	volatile struct vring_packed_desc *desc[COUNTED]; /* of the ring, then of the table */
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
 * Each field alone, between good values and bad ones. Flags of both rounds are
 * among them, so that the ring goes on. A race by intent: the thread sanitizer
 * is not to look.
 */
__attribute__((no_sanitize("thread"), no_sanitize("undefined"))) static void flip(struct flipper *f, uint64_t value)
{
	static const uint64_t address[] = {GUEST_DATA,     GUEST_NEXT - 8, GUEST_HIGH + GUEST_HIGH_SIZE - 16,
					   GUEST_TABLES,   GUEST_HOLE,     GUEST_TOP,
					   UINT64_MAX - 7, GUEST_DATA + 1};
	static const uint32_t length[] = {16, 16, 1, 64, 0, UINT32_MAX, 4096, 17};
	static const uint16_t flags[] = {0, 0, NEXT, NEXT, WRITE, WRITE, NEXT | WRITE, INDIRECT};
	static const uint16_t id[] = {0, 1, 2, 3, 4, SIZE - 1, SIZE, 65535};
	volatile struct vring_packed_desc *desc = f->desc[(value >> 8) % COUNTED];

	switch (value % 6) {
	case 0:
		desc->addr = address[(value >> 16) % 8];
		break;
	case 1:
		desc->len = length[(value >> 16) % 8];
		break;
	case 2:
		desc->id = id[(value >> 16) % 8];
		break;
	default:
		desc->flags = (uint16_t)(flags[(value >> 16) % 8] | (value >> 20 & 1 ? PACKED_AVAIL : PACKED_USED));
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
	assert_true(chain->head < SIZE);
	assert_in_range(chain->slots, 1, SIZE);
	for (unsigned i = 0; i < chain->readable + chain->writable; i++) {
		assert_inside(guest, &chain->iov[i]);
		*(i < chain->readable ? &readable : &writable) += chain->iov[i].iov_len;
	}
	assert_int_equal(readable, chain->readable_bytes);
	assert_int_equal(writable, chain->writable_bytes);
	assert_true(readable + writable <= UINT32_MAX);
}

/* Take what there is and give it back. 1: a chain was good, 0: there was none, -EPROTO: the queue is broken. */
static int take(struct flipper *f, struct virtq *vq, struct virtq_chain *chain)
{
	uint16_t id = 0xabcd;
	int ret = virtq_next(vq, &id);

	assert_true(vq->avail_next < SIZE && vq->used_next < SIZE && vq->packed.held <= SIZE);
	if (ret <= 0)
		return ret;
	ret = virtq_walk(vq, id, chain);
	if (ret < 0)
		return ret;
	assert_consistent(&f->guest, chain);
	virtq_push(vq, chain, 1);
	virtq_publish(vq);
	virtq_wants_call(vq);
	virtq_enable_kicks(vq);
	return 1;
}

static void a_ring_that_changes_while_it_is_read(void **state)
{
	struct flipper *f = calloc(1, sizeof(*f));
	struct iovec iov[VIRTQ_MAX_IOV];
	struct virtq_chain chain = {.iov = iov};
	unsigned good = 0, broken = 0;
	struct virtq_setup setup;
	pthread_t thread;
	struct error err;
	struct virtq vq;

	(void)state;
	guest_create(&f->guest);
	hand_packed_create(&f->ring, &f->guest, 0, SIZE, 0, true);
	for (unsigned i = 0; i < COUNTED; i++) {
		f->desc[i] = i < SIZE ? &f->ring.desc[i]
				      : (struct vring_packed_desc *)guest_at(&f->guest, GUEST_TABLES) + (i - SIZE);
		f->desc[i]->addr = GUEST_DATA;
		f->desc[i]->len = 16;
	}
	setup = hand_packed_setup(&f->ring);
	assert_int_equal(virtq_init(&vq, &setup, &err), 0);
	assert_int_equal(pthread_create(&thread, NULL, flip_all_the_time, f), 0);
	while (!__atomic_load_n(&f->started, __ATOMIC_RELAXED))
		sched_yield();
	/* Until it has seen enough of both, however the threads are scheduled. */
	for (unsigned i = 0; i < ROUNDS || good < 100 || broken < 100; i++) {
		int ret = take(f, &vq, &chain);

		good += ret == 1;
		if (ret >= 0)
			continue;
		assert_int_equal(ret, -EPROTO);
		assert_non_null(vq.broken);
		broken++;
		setup.base = virtq_base(&vq) & 0xffff;
		assert_int_equal(virtq_init(&vq, &setup, &err), 0);
	}
	__atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	guest_destroy(&f->guest);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_that_changes_while_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
