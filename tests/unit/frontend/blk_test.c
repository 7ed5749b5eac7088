/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "frontend/blk.h"
#include "tiny_device.h"

#define FRAMES 0
#define DATA   1

struct fixture {
	struct driver_memory memory;
	struct driver_split *split;
	struct tiny_device device;
	struct driver_blk_layout layout;
	struct driver_blk_request request;
};

static void set_up(struct fixture *fixture, uint32_t capacity, uint32_t segment, bool indirect)
{
	const size_t sizes[2] = {(size_t)1 << 20, (size_t)8 << 20};

	assert_int_equal(driver_memory_create(&fixture->memory, sizes, 2, 0, NULL), 0);
	fixture->split = driver_split_create(&fixture->memory, FRAMES, 16, false, 0, NULL);
	assert_non_null(fixture->split);
	tiny_init(&fixture->device, fixture->split);
	fixture->layout = (struct driver_blk_layout){FRAMES, DATA, capacity, segment, indirect};
	assert_int_equal(driver_blk_init(&fixture->request, &fixture->memory, &fixture->layout), 0);
}

static void tear_down(struct fixture *fixture)
{
	driver_ring_destroy(&fixture->split->ring);
	driver_memory_destroy(&fixture->memory);
}

/* Prepare a request, send it through the ring and check header and status: what the device sees in between. */
static unsigned send(struct fixture *fixture, uint32_t type, uint64_t sector, uint32_t length, struct vring_desc *chain)
{
	struct driver_ring *ring = &fixture->split->ring;
	const struct virtio_blk_outhdr *header;
	struct driver_completion done;
	uint8_t *status;
	unsigned count;
	uint16_t head;

	assert_int_equal(driver_blk_prepare(ring, &fixture->request, type, sector, length, true), 0);
	assert_int_equal(driver_blk_status(&fixture->request), DRIVER_BLK_NO_STATUS);
	ring->ops->add(ring, &fixture->request.chain);
	ring->ops->publish(ring);
	head = tiny_pop(&fixture->device);
	count = tiny_walk(&fixture->device, &fixture->memory, head, chain, 16);
	header = driver_memory_at(&fixture->memory, chain[0].addr, sizeof(*header));
	assert_non_null(header);
	assert_int_equal(chain[0].len, sizeof(*header));
	assert_int_equal(chain[0].flags & VRING_DESC_F_WRITE, 0);
	assert_int_equal(header->type, type);
	assert_int_equal(chain[count - 1].len, 1);
	assert_int_equal(chain[count - 1].flags, VRING_DESC_F_WRITE);
	status = driver_memory_at(&fixture->memory, chain[count - 1].addr, 1);
	assert_non_null(status);
	*status = VIRTIO_BLK_S_OK;
	tiny_push(&fixture->device, head, 1);
	assert_int_equal(ring->ops->reap(ring, &done, 1), 1);
	assert_ptr_equal(done.chain, &fixture->request);
	assert_int_equal(driver_blk_status(&fixture->request), VIRTIO_BLK_S_OK);
	return count;
}

static void test_every_type(void **state)
{
	const struct virtio_blk_discard_write_zeroes *range;
	struct vring_desc chain[16];
	struct fixture fixture;

	(void)state;
	for (int indirect = 0; indirect < 2; indirect++) {
		set_up(&fixture, 8192, 8192, indirect);
		for (unsigned round = 0; round < 3; round++) {
			assert_int_equal(send(&fixture, VIRTIO_BLK_T_IN, 7, 8192, chain), 3);
			assert_int_equal(fixture.request.frame->header.sector, 7);
			assert_int_equal(chain[1].len, 8192);
			assert_true(chain[1].flags & VRING_DESC_F_WRITE);
			assert_int_equal(chain[1].addr, fixture.request.data.guest);
			assert_int_equal(send(&fixture, VIRTIO_BLK_T_OUT, 9, 8192, chain), 3);
			assert_false(chain[1].flags & VRING_DESC_F_WRITE);
			assert_int_equal(send(&fixture, VIRTIO_BLK_T_OUT, 9, 512, chain), 3);
			assert_int_equal(chain[1].len, 512);
			assert_int_equal(send(&fixture, VIRTIO_BLK_T_FLUSH, 0, 0, chain), 2);
			assert_int_equal(send(&fixture, VIRTIO_BLK_T_GET_ID, 0, 0, chain), 3);
			assert_int_equal(chain[1].len, DRIVER_BLK_ID_SIZE);
			assert_true(chain[1].flags & VRING_DESC_F_WRITE);
			assert_int_equal(send(&fixture, VIRTIO_BLK_T_DISCARD, 123, 4096, chain), 3);
			assert_false(chain[1].flags & VRING_DESC_F_WRITE);
			range = driver_memory_at(&fixture.memory, chain[1].addr, chain[1].len);
			assert_int_equal(chain[1].len, sizeof(*range));
			assert_int_equal(range->sector, 123);
			assert_int_equal(range->num_sectors, 8);
			assert_int_equal(fixture.request.frame->header.sector, 0);
			assert_int_equal(send(&fixture, VIRTIO_BLK_T_WRITE_ZEROES, 5, 512, chain), 3);
			assert_int_equal(range->flags, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
		}
		tear_down(&fixture);
	}
}

static void test_segments(void **state)
{
	struct vring_desc chain[16];
	struct fixture fixture;

	(void)state;
	for (int indirect = 0; indirect < 2; indirect++) {
		set_up(&fixture, 10 * 1024, 4096, indirect);
		assert_int_equal(driver_blk_descriptors(&fixture.layout), 5);
		assert_int_equal(send(&fixture, VIRTIO_BLK_T_OUT, 0, 10 * 1024, chain), 5);
		assert_int_equal(chain[1].len + chain[2].len + chain[3].len, 10 * 1024);
		assert_int_equal(chain[3].len, 2048);
		assert_int_equal(chain[3].addr, fixture.request.data.guest + 8192);
		assert_int_equal(send(&fixture, VIRTIO_BLK_T_IN, 0, 4096, chain), 3);
		assert_int_equal(send(&fixture, VIRTIO_BLK_T_IN, 0, 8192, chain), 4);
		assert_true(chain[1].flags & chain[2].flags & VRING_DESC_F_WRITE);
		tear_down(&fixture);
	}
}

/* The same request again costs no descriptor write; the direction alone does not relink. */
static void test_descriptors_are_reused(void **state)
{
	struct driver_ring *ring;
	struct vring_desc chain[16];
	struct fixture fixture;
	uint16_t head;

	(void)state;
	set_up(&fixture, 4096, 4096, false);
	ring = &fixture.split->ring;
	send(&fixture, VIRTIO_BLK_T_IN, 1, 4096, chain);
	head = fixture.request.chain.head;
	fixture.split->desc[head].len = 99;
	assert_int_equal(driver_blk_prepare(ring, &fixture.request, VIRTIO_BLK_T_IN, 2, 4096, false), 0);
	assert_int_equal(fixture.split->desc[head].len, 99);
	assert_int_equal(driver_blk_prepare(ring, &fixture.request, VIRTIO_BLK_T_OUT, 2, 4096, false), 0);
	assert_int_equal(fixture.request.chain.head, head);
	tear_down(&fixture);
}

static void test_out_of_descriptors(void **state)
{
	struct driver_blk_request more[6];
	struct driver_ring *ring;
	struct fixture fixture;

	(void)state;
	set_up(&fixture, 4096, 4096, false);
	ring = &fixture.split->ring;
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(driver_blk_init(&more[i], &fixture.memory, &fixture.layout), 0);
		assert_int_equal(driver_blk_prepare(ring, &more[i], VIRTIO_BLK_T_IN, 0, 4096, false),
				 i < 5 ? 0 : -ENOSPC);
	}
	/* And a request that could not be linked can be later. */
	ring->ops->unlink(ring, &more[0].chain);
	assert_int_equal(driver_blk_prepare(ring, &more[5], VIRTIO_BLK_T_IN, 0, 4096, false), 0);
	tear_down(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_descriptors_are_reused),
		cmocka_unit_test(test_out_of_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
