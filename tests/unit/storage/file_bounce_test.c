/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#include "storage/bounce.h"

/* Memory that O_DIRECT cannot take as it lies. */

static struct storage *open_direct(const char *name, uint64_t size)
{
	struct storage *storage = open_file_if_possible(make_file(name, size), STORAGE_CACHE_NONE);

	if (!storage)
		skip_because("this file system has no O_DIRECT");
	return storage;
}

/* More at once than there are buffers, some longer than a buffer, on two disks that share them. */
static void more_requests_than_buffers(enum ring_kind kind)
{
	enum { COUNT = 3 * STORAGE_BOUNCE_COUNT, LONGEST = 3 * STORAGE_BOUNCE_SIZE };
	struct storage *disks[2] = {open_direct("a", (uint64_t)COUNT * LONGEST), NULL};
	struct request *requests = calloc(COUNT, sizeof(*requests));
	char *memory[COUNT];
	struct worker worker;

	disks[1] = open_direct("b", (uint64_t)COUNT * LONGEST);
	assert_true(worker_start_ring(&worker, kind, 8));
	for (unsigned i = 0; i < COUNT; i++)
		memory[i] = aligned_memory(LONGEST + 4096);
	for (int op = STORAGE_WRITE; op >= STORAGE_READ; op--) {
		for (unsigned i = 0; i < COUNT; i++) {
			size_t length = i % 3 ? 4096 * (i % 7 + 1) : LONGEST - 4096 * (i % 5);
			uint64_t offset = (uint64_t)i * LONGEST;

			if (op == STORAGE_WRITE)
				stamp(memory[i] + 1 + i % 500, length, offset, i);
			else
				memset(memory[i], 0, LONGEST + 4096);
			request_init(&requests[i], (enum storage_op)op, offset, length);
			request_memory(&requests[i], memory[i] + 1 + i % 500);
			worker_submit(&worker, disks[i % 2], &requests[i]);
		}
		worker_wait(&worker);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		char *at = memory[i] + 1 + i % 500;

		assert_int_equal(requests[i].result, 0);
		assert_true(is_stamped(at, requests[i].io.length, requests[i].io.offset, i));
		assert_true(is_zero(memory[i], (size_t)(at - memory[i])));
		assert_true(is_zero(at + requests[i].io.length, 64));
		free(memory[i]);
	}
	assert_int_equal(worker.thread.bounced, 2 * COUNT);
	free(requests);
	storage_close(disks[0]);
	storage_close(disks[1]);
	worker_stop(&worker);
}

static void requests_wait_for_buffers(void **state)
{
	(void)state;
	more_requests_than_buffers(RING_PLAIN);
}

static void requests_wait_for_buffers_deferred(void **state)
{
	struct worker worker;

	(void)state;
	if (!worker_start_ring(&worker, RING_DEFERRED, 8))
		skip_because("this kernel has no DEFER_TASKRUN");
	worker_stop(&worker);
	more_requests_than_buffers(RING_DEFERRED);
}

/* Parts that together are whole blocks, while no part is. */
static void crooked_parts_are_copied(void **state)
{
	enum { PARTS = 1500, LENGTH = 200 * 1024 };
	struct storage *storage = open_direct("disk", 1 << 20);
	struct iovec *iov = calloc(PARTS, sizeof(*iov));
	char *memory = aligned_memory(LENGTH);
	struct request request;
	struct worker worker;

	(void)state;
	worker_start(&worker);
	for (int op = STORAGE_WRITE; op >= STORAGE_READ; op--) {
		size_t at = 0;

		for (unsigned i = 0; i < PARTS; i++) {
			size_t part = i == PARTS - 1 ? LENGTH - at : i % 271;

			iov[i] = (struct iovec){memory + at, part};
			at += part;
		}
		if (op == STORAGE_WRITE)
			stamp(memory, LENGTH, 4096, 1);
		else
			memset(memory, 0, LENGTH);
		request_init(&request, (enum storage_op)op, 4096, LENGTH);
		request.io.iov = iov;
		request.io.iov_count = PARTS;
		assert_int_equal(worker_run(&worker, storage, &request), 0);
	}
	assert_true(is_stamped(memory, LENGTH, 4096, 1));
	assert_int_equal(worker.thread.bounced, 2);
	free(memory);
	free(iov);
	storage_close(storage);
	worker_stop(&worker);
}

static void only_crooked_memory_is_copied(void **state)
{
	struct storage *storage = open_direct("disk", 1 << 20);
	uint32_t block = storage->info.block_size;
	char *memory = aligned_memory(16384);
	struct iovec parts[2] = {{memory, block / 2}, {memory + 4096, block / 2}};
	struct request request;
	struct worker worker;

	(void)state;
	memset(memory, 0, 16384);
	worker_start(&worker);
	assert_int_equal(do_write(&worker, storage, memory, 0, 8192), 0);
	assert_int_equal(do_write(&worker, storage, memory + block, 0, block), 0);
	assert_int_equal(worker.thread.bounced, 0);
	assert_int_equal(do_write(&worker, storage, memory + 1, 0, block), 0);
	assert_int_equal(worker.thread.bounced, 1);
	/* Older kernels than the one that runs this may want each part to be whole blocks. */
	request_init(&request, STORAGE_WRITE, 0, block);
	request.io.iov = parts;
	request.io.iov_count = 2;
	assert_int_equal(worker_run(&worker, storage, &request), 0);
	assert_int_equal(worker.thread.bounced, 2);
	storage_close(storage);
	/* The page cache takes anything. */
	storage = open_file(make_file("disk", 1 << 20), STORAGE_CACHE_WRITEBACK);
	stamp(memory + 1, 8192, 512, 1);
	assert_int_equal(do_write(&worker, storage, memory + 1, 512, 8192), 0);
	assert_int_equal(do_read(&worker, storage, memory + 3, 512, 8192), 0);
	assert_true(is_stamped(memory + 3, 8192, 512, 1));
	assert_int_equal(worker.thread.bounced, 2);
	free(memory);
	storage_close(storage);
	worker_stop(&worker);
}

/* A request whose done() brings the next one, as the engine does, while others wait. */
struct chain {
	struct request request; /* first */
	struct storage *storage;
	char *memory;
	unsigned left;
	void (*counted_done)(struct storage_io *io, int result);
};

static void chain_next(struct chain *chain);

static void chain_done(struct storage_io *io, int result)
{
	struct chain *chain = (struct chain *)io;

	chain->counted_done(io, result);
	assert_int_equal(result, 0);
	if (--chain->left)
		chain_next(chain);
}

static void chain_next(struct chain *chain)
{
	struct worker *worker = chain->request.worker; /* request_init() forgets it */

	request_init(&chain->request, STORAGE_WRITE, 0, 4096);
	request_memory(&chain->request, chain->memory);
	chain->counted_done = chain->request.io.done;
	chain->request.io.done = chain_done;
	worker_submit(worker, chain->storage, &chain->request);
}

static void requests_of_done_take_their_turn(void **state)
{
	enum { CHAINS = 2 * STORAGE_BOUNCE_COUNT + 1, LENGTH = 50 };
	struct storage *storage = open_direct("disk", 65536);
	struct chain *chains = calloc(CHAINS, sizeof(*chains));
	char *memory = aligned_memory(8192);
	struct worker worker;

	(void)state;
	memset(memory, 0, 8192);
	worker_start(&worker);
	for (unsigned i = 0; i < CHAINS; i++) {
		chains[i] = (struct chain){.storage = storage, .memory = memory + 1 + i, .left = LENGTH};
		chains[i].request.worker = &worker;
		chain_next(&chains[i]);
	}
	worker_wait(&worker);
	for (unsigned i = 0; i < CHAINS; i++)
		assert_int_equal(chains[i].left, 0);
	assert_int_equal(worker.thread.bounced, CHAINS * LENGTH);
	free(memory);
	free(chains);
	storage_close(storage);
	worker_stop(&worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_wait_for_buffers),
		cmocka_unit_test(requests_wait_for_buffers_deferred),
		cmocka_unit_test(crooked_parts_are_copied),
		cmocka_unit_test(only_crooked_memory_is_copied),
		cmocka_unit_test(requests_of_done_take_their_turn),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
