/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_STORAGE_HARNESS_H
#define STRAIT_TESTS_STORAGE_HARNESS_H

/* What cmocka.h wants before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/storage.h"

/*
 * Stands for a worker of the engine: a ring, what it lends to back ends, and a
 * loop that submits in batches and hands completions to events.
 */
struct worker {
	struct io_uring ring;
	struct storage_thread thread;
	unsigned in_flight;

	/* Where set, what a completion says is first passed through this. */
	int32_t (*alter)(struct worker *worker, struct storage_io *io, int32_t result);
	unsigned altered; /* for alter's own use */
};

/* Ring set-ups that a worker may have: the plain one works on every kernel. */
enum ring_kind {
	RING_PLAIN,
	RING_DEFERRED, /* SINGLE_ISSUER and DEFER_TASKRUN */
	RING_KIND_COUNT,
};

/* False where the kernel does not know this kind. */
bool worker_start_ring(struct worker *worker, enum ring_kind kind, unsigned entries);
/* The plain kind with 64 entries. */
void worker_start(struct worker *worker);
void worker_stop(struct worker *worker);

struct request {
	struct storage_io io;
	struct iovec iov; /* of request_memory() */
	struct worker *worker;
	int result;
	bool done;
};

void request_init(struct request *request, enum storage_op op, uint64_t offset, uint64_t length);
/* One piece of memory, of the request's length. */
void request_memory(struct request *request, void *memory);

void worker_submit(struct worker *worker, struct storage *storage, struct request *request);
/* Until nothing is in flight. */
void worker_wait(struct worker *worker);
/* Submit, wait and return the result. */
int worker_run(struct worker *worker, struct storage *storage, struct request *request);

int do_read(struct worker *worker, struct storage *storage, void *memory, uint64_t offset, uint64_t length);
int do_write(struct worker *worker, struct storage *storage, void *memory, uint64_t offset, uint64_t length);
/* FLUSH, DISCARD, WRITE_ZEROES */
int do_op(struct worker *worker, struct storage *storage, enum storage_op op, uint32_t flags, uint64_t offset,
	  uint64_t length);

/* The entry that was queued last and not yet handed to the kernel. */
const struct io_uring_sqe *last_sqe(const struct worker *worker);

/* Memory aligned to 4096, freed by free(). */
void *aligned_memory(size_t size);
/* Fill memory with what no other offset or generation has. */
void stamp(void *memory, size_t size, uint64_t offset, unsigned generation);
bool is_stamped(const void *memory, size_t size, uint64_t offset, unsigned generation);
bool is_zero(const void *memory, size_t size);

/*
 * A directory of this test program's own, on TMPDIR or /var/tmp, which is more
 * often on a disk than /tmp. Both are for cmocka_run_group_tests().
 */
int make_directory(void **state);
int remove_directory(void **state);
/* A path in it; valid until eight more have been asked for. */
const char *in_directory(const char *name);
/* Make (or make again) a file of size bytes that is one hole, and return its path. */
const char *make_file(const char *name, uint64_t size);

/* Open or fail the test. */
struct storage *open_file(const char *path, enum storage_cache cache);
/* NULL where the file system has no O_DIRECT, else as open_file(). */
struct storage *open_file_if_possible(const char *path, enum storage_cache cache);
extern const char *const cache_name[]; /* by enum storage_cache */
#define CACHE_COUNT 5

/* Skip the test and say why. */
#define skip_because(...)                                                                                              \
	do {                                                                                                           \
		print_message("skipped: " __VA_ARGS__);                                                                \
		print_message("\n");                                                                                   \
		skip();                                                                                                \
	} while (0)

void assert_contains(const char *text, const char *part);

#endif
