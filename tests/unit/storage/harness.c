/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/bounce.h"

const char *const cache_name[] = {"none", "writeback", "writethrough", "directsync", "unsafe"};

bool worker_start_ring(struct worker *worker, enum ring_kind kind, unsigned entries)
{
	unsigned flags = kind == RING_DEFERRED ? IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN : 0;
	struct error err;
	int ret;

	memset(worker, 0, sizeof(*worker));
	ret = io_uring_queue_init(entries, &worker->ring, flags);
	if (ret == -EINVAL && flags)
		return false;
	assert_int_equal(ret, 0);
	worker->thread.ring = &worker->ring;
	assert_int_equal(storage_bounce_create(&worker->thread.bounce, &err), 0);
	return true;
}

void worker_start(struct worker *worker)
{
	assert_true(worker_start_ring(worker, RING_PLAIN, 64));
}

void worker_stop(struct worker *worker)
{
	assert_int_equal(worker->in_flight, 0);
	storage_bounce_destroy(worker->thread.bounce);
	io_uring_queue_exit(&worker->ring);
}

static void request_done(struct storage_io *io, int result)
{
	struct request *request = (struct request *)io;

	assert_false(request->done);
	request->done = true;
	request->result = result;
	request->worker->in_flight--;
}

void request_init(struct request *request, enum storage_op op, uint64_t offset, uint64_t length)
{
	memset(request, 0, sizeof(*request));
	/* What a back end must set itself holds rubbish, as in a request that was used before. */
	memset(&request->io, 0xa5, sizeof(request->io));
	request->io.op = op;
	request->io.flags = 0;
	request->io.offset = offset;
	request->io.length = length;
	request->io.iov = NULL;
	request->io.iov_count = 0;
	request->io.done = request_done;
}

void request_memory(struct request *request, void *memory)
{
	request->iov = (struct iovec){.iov_base = memory, .iov_len = request->io.length};
	request->io.iov = &request->iov;
	request->io.iov_count = 1;
}

void worker_submit(struct worker *worker, struct storage *storage, struct request *request)
{
	request->worker = worker;
	worker->in_flight++;
	storage_submit(storage, &worker->thread, &request->io);
}

void worker_wait(struct worker *worker)
{
	while (worker->in_flight) {
		struct io_uring_cqe *cqe;
		int ret = io_uring_submit_and_wait(&worker->ring, 1);

		if (ret == -EINTR)
			continue;
		assert_true(ret >= 0);
		while (!io_uring_peek_cqe(&worker->ring, &cqe)) {
			struct storage_io *io = io_uring_cqe_get_data(cqe);
			int32_t result = cqe->res;

			io_uring_cqe_seen(&worker->ring, cqe);
			if (worker->alter)
				result = worker->alter(worker, io, result);
			io->event(io, result);
		}
	}
}

int worker_run(struct worker *worker, struct storage *storage, struct request *request)
{
	worker_submit(worker, storage, request);
	worker_wait(worker);
	assert_true(request->done);
	return request->result;
}

static int transfer(struct worker *worker, struct storage *storage, enum storage_op op, void *memory, uint64_t offset,
		    uint64_t length)
{
	struct request request;

	request_init(&request, op, offset, length);
	request_memory(&request, memory);
	return worker_run(worker, storage, &request);
}

int do_read(struct worker *worker, struct storage *storage, void *memory, uint64_t offset, uint64_t length)
{
	return transfer(worker, storage, STORAGE_READ, memory, offset, length);
}

int do_write(struct worker *worker, struct storage *storage, void *memory, uint64_t offset, uint64_t length)
{
	return transfer(worker, storage, STORAGE_WRITE, memory, offset, length);
}

int do_op(struct worker *worker, struct storage *storage, enum storage_op op, uint32_t flags, uint64_t offset,
	  uint64_t length)
{
	struct request request;

	request_init(&request, op, offset, length);
	request.io.flags = flags;
	return worker_run(worker, storage, &request);
}

const struct io_uring_sqe *last_sqe(const struct worker *worker)
{
	const struct io_uring_sq *sq = &worker->ring.sq;

	assert_true(io_uring_sq_ready(&worker->ring) > 0);
	return &sq->sqes[(sq->sqe_tail - 1) & *sq->kring_mask];
}

void *aligned_memory(size_t size)
{
	void *memory = aligned_alloc(4096, (size + 4095) / 4096 * 4096);

	assert_non_null(memory);
	return memory;
}

static uint64_t stamp_word(uint64_t offset, unsigned generation)
{
	return (offset + 1) * 0x9e3779b97f4a7c15u + generation * 0x100000001b3u;
}

void stamp(void *memory, size_t size, uint64_t offset, unsigned generation)
{
	for (size_t at = 0; at + 8 <= size; at += 8) {
		uint64_t word = stamp_word(offset + at, generation);

		memcpy((char *)memory + at, &word, 8);
	}
}

bool is_stamped(const void *memory, size_t size, uint64_t offset, unsigned generation)
{
	for (size_t at = 0; at + 8 <= size; at += 8) {
		uint64_t word = stamp_word(offset + at, generation);

		if (memcmp((const char *)memory + at, &word, 8))
			return false;
	}
	return true;
}

bool is_zero(const void *memory, size_t size)
{
	const char *bytes = memory;

	return !size || (!bytes[0] && !memcmp(bytes, bytes + 1, size - 1));
}

static char directory[256];

int make_directory(void **state)
{
	const char *parent = getenv("TMPDIR");

	(void)state;
	snprintf(directory, sizeof(directory), "%s/strait-storage-XXXXXX", parent ? parent : "/var/tmp");
	if (!mkdtemp(directory))
		return -1;
	/* Some tests look at what another user may do. */
	return chmod(directory, 0755);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int remove_directory(void **state)
{
	(void)state;
	return nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *in_directory(const char *name)
{
	static char paths[8][512];
	static unsigned turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

const char *make_file(const char *name, uint64_t size)
{
	const char *path = in_directory(name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
	return path;
}

struct storage *open_file_if_possible(const char *path, enum storage_cache cache)
{
	struct storage_file_options options = {.path = path, .cache = cache};
	bool direct = cache == STORAGE_CACHE_NONE || cache == STORAGE_CACHE_DIRECTSYNC;
	struct storage *storage = NULL;
	struct error err = {0};

	if (storage_file_open("test", &options, &storage, &err)) {
		if (direct && strstr(err.text, "does not support O_DIRECT"))
			return NULL;
		fail_msg("%s", err.text);
	}
	return storage;
}

struct storage *open_file(const char *path, enum storage_cache cache)
{
	struct storage *storage = open_file_if_possible(path, cache);

	assert_non_null(storage);
	return storage;
}

void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("expected \"%s\" in \"%s\"", part, text);
}
