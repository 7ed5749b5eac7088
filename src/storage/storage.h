/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_STORAGE_STORAGE_H
#define STRAIT_STORAGE_STORAGE_H

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"

/*
 * The contract between whoever has a request (the engine) and whoever can
 * serve it (a back end). null.c is the shortest correct example.
 *
 * A back end object (struct storage) is opened and closed on the control
 * thread and shared by all workers. submit() and everything after it happen on
 * a worker, for which struct storage_thread stands: nothing is shared there.
 */

enum storage_op {
	STORAGE_READ,
	STORAGE_WRITE,
	STORAGE_FLUSH,
	STORAGE_DISCARD,
	STORAGE_WRITE_ZEROES,
	STORAGE_OP_COUNT,
};

extern const char *const storage_op_names[STORAGE_OP_COUNT]; /* "read", "write-zeroes", ... as users read them */

/* storage_io.flags */
enum {
	STORAGE_STABLE = 1 << 0, /* WRITE, WRITE_ZEROES, DISCARD: on stable storage before it completes */
	STORAGE_UNMAP = 1 << 1,  /* WRITE_ZEROES: the range may be deallocated */
};

struct storage;
struct storage_thread;
struct storage_io;

/*
 * One request on its way through the back ends. The caller fills the first
 * part and keeps the object and the memory behind iov alive until done() has
 * been called: exactly once, on the submitting thread, possibly before
 * submit() returns.
 */
struct storage_io {
	/* the caller's */
	enum storage_op op;
	uint32_t flags;
	uint64_t offset;   /* bytes, a multiple of info.block_size; within info.size when checked by the caller */
	uint64_t length;   /* bytes; READ and WRITE: the sum of iov */
	struct iovec *iov; /* READ, WRITE: memory to fill or to write. The back end may change array, iov, iov_count */
	uint32_t iov_count;
	void (*done)(struct storage_io *io, int result); /* 0 or negative errno */

	/* the back end's, from submit() to done() */
	void (*event)(struct storage_io *io, int32_t result); /* what the io_uring completion calls */
	struct storage *owner;                                /* whose event() it is */
	struct storage_thread *thread;
	struct storage_io *next;
	uint64_t progress; /* bytes done */
	union {
		struct {
			void *bounce;     /* an aligned buffer standing in for the guest's */
			uint32_t retries; /* since progress was last made */
		};
		struct __kernel_timespec timeout; /* kept for the kernel while a timer runs */
	};
};

/*
 * What a worker lends to the back ends it submits to; one a worker.
 *
 * A back end completes in one of three ways:
 *  1. through the worker's ring: take an entry with storage_sqe(), set its
 *     data to the io (io_uring_sqe_set_data) and io->event; the worker calls
 *     event() with the completion's result. The worker submits entries in
 *     batches: a back end never calls io_uring_submit() itself.
 *  2. by being polled: ops->poll() is called in each turn of the worker while
 *     the back end has requests.
 *  3. from a thread of its own: it calls thread->post(), from anywhere, and the
 *     worker calls done() with that result.
 */
struct storage_thread {
	struct io_uring *ring;
	uint64_t random;               /* state of storage_random(); begin with another in each worker */
	uint64_t submits;              /* io_uring_enter calls made to submit or wait */
	uint64_t bounced;              /* requests whose data was copied for alignment */
	struct storage_bounce *bounce; /* see bounce.h */
	void (*post)(struct storage_thread *thread, struct storage_io *io, int result);
	unsigned fixed_files; /* images registered with ring now */

	/* The engine's clock, which it reads a few times a turn; in ticks. */
	uint64_t now;
	uint64_t woke;  /* when it last woke from a sleep */
	bool looking;   /* it has no work and looks for some */
	unsigned index; /* of the worker */
};

/* Places in the table of registered files that a worker's ring has, where the kernel gives it one. */
#define STORAGE_RING_FILES 1024

/*
 * What a disk looks like. Everything but size, and what ops->set_cache() may
 * change, stays as it is while open. size
 * is read by workers while the control thread may change it, hence
 * storage_size() and storage_set_size().
 */
struct storage_info {
	uint64_t size;                /* bytes, a multiple of block_size */
	uint32_t block_size;          /* smallest unit of offset and length: 512 to 4096, a power of two */
	uint32_t physical_block;      /* bytes written without read-modify-write, >= block_size */
	uint32_t optimal_io;          /* bytes, 0 if not known */
	uint32_t discard_granularity; /* bytes; 0: discard not supported */
	bool read_only;
	bool write_zeroes;   /* WRITE_ZEROES supported */
	bool volatile_cache; /* writes need FLUSH (or STORAGE_STABLE) to be stable */
	bool writeback;      /* initial state of the guest's write cache (QEMU's cache modes) */
	bool flush_ignored;  /* FLUSH and STORAGE_STABLE are acknowledged and not carried out (cache mode unsafe) */
	bool works_inline;   /* submit() usually does all the work, and takes the time for that */
};

struct storage_ops {
	const char *name;

	/* Start one request. Never blocks, never fails by itself: errors go to done(). */
	void (*submit)(struct storage *storage, struct storage_thread *thread, struct storage_io *io);

	/* Optional. Look for completions; returns how many were found. */
	int (*poll)(struct storage *storage, struct storage_thread *thread);

	/*
	 * Optional, worker: the first queue of the storage has come to the thread,
	 * or its last one has left it. No request is in flight there. What a back
	 * end registers with thread->ring stays from one to the other.
	 */
	void (*attach)(struct storage *storage, struct storage_thread *thread);
	void (*detach)(struct storage *storage, struct storage_thread *thread);

	/*
	 * Optional, control thread: guest memory [base, base + length) was added or
	 * is about to go. No request is in flight on it.
	 */
	void (*memory_changed)(struct storage *storage, void *base, uint64_t length, bool added);

	/*
	 * Optional, control thread: a file descriptor that becomes readable when
	 * the size may have changed (owned by the back end), or -1.
	 */
	int (*watch_fd)(struct storage *storage);

	/*
	 * Optional, control thread: drain watch_fd, look at the size again and
	 * storage_set_size(). 1 changed, 0 not, negative errno with err set.
	 */
	int (*refresh)(struct storage *storage, struct error *err);

	/*
	 * Optional, control thread: make the disk larger, to size bytes, a multiple
	 * of block_size. 0, or a negative errno with err set: nothing has changed.
	 * What is not there to be resized says -EOPNOTSUPP.
	 */
	int (*resize)(struct storage *storage, uint64_t size, struct error *err);

	/*
	 * Optional, control thread, no request in flight and no queue attached: go
	 * on with another cache mode, with info but for block_size changed to match.
	 * Negative errno with err set: nothing has changed. cache is enum storage_cache.
	 */
	int (*set_cache)(struct storage *storage, int cache, struct error *err);

	/*
	 * Optional, control thread, no request in flight: become the only one who
	 * writes, before the first request, and stop being it. 1: done; 0: it was so
	 * already; -EBUSY with err set: somebody else is. Where a back end is that
	 * from open to close, deactivate does nothing.
	 */
	int (*activate)(struct storage *storage, struct error *err);
	void (*deactivate)(struct storage *storage);

	/*
	 * Optional, control thread: the open file behind the disk, which holds its
	 * locks, for a successor in another process; or -1. Stays the back end's.
	 */
	int (*image_fd)(const struct storage *storage);

	/*
	 * Optional, control thread, before the first request: who left us its open
	 * image has died without stopping. Wait until the kernel is through with
	 * what it had in flight, so that nothing of it comes after our own writes.
	 * Negative errno with err set: that cannot be told, the disk is of no use.
	 */
	int (*reclaim)(struct storage *storage, struct error *err);

	/* Free everything. No request is in flight. Wrappers close what they wrap. */
	void (*close)(struct storage *storage);
};

struct storage {
	const struct storage_ops *ops;
	struct storage_info info;
	struct storage *lower; /* what a wrapper wraps, else NULL */
	char name[64];         /* the disk's name, for messages */
};

static inline uint64_t storage_size(const struct storage *storage)
{
	return __atomic_load_n(&storage->info.size, __ATOMIC_RELAXED);
}

static inline void storage_set_size(struct storage *storage, uint64_t size)
{
	__atomic_store_n(&storage->info.size, size, __ATOMIC_RELAXED);
}

static inline void storage_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	storage->ops->submit(storage, thread, io);
}

/* Default implementations of the optional parts: ask the layer below. */
int storage_poll(struct storage *storage, struct storage_thread *thread);
bool storage_needs_poll(const struct storage *storage);
void storage_attach(struct storage *storage, struct storage_thread *thread);
void storage_detach(struct storage *storage, struct storage_thread *thread);
void storage_memory_changed(struct storage *storage, void *base, uint64_t length, bool added);
int storage_watch_fd(struct storage *storage);
int storage_refresh(struct storage *storage, struct error *err);
int storage_resize(struct storage *storage, uint64_t size, struct error *err);
int storage_set_cache(struct storage *storage, int cache, struct error *err);
int storage_activate(struct storage *storage, struct error *err);
void storage_deactivate(struct storage *storage);
int storage_image_fd(const struct storage *storage);
int storage_reclaim(struct storage *storage, struct error *err);
void storage_close(struct storage *storage);

/*
 * A free submission entry, zeroed of earlier use; never NULL (a full queue is
 * handed to the kernel first).
 */
struct io_uring_sqe *storage_sqe(struct storage_thread *thread);

/* Uniform 64-bit random numbers, a stream a worker. */
uint64_t storage_random(struct storage_thread *thread);

/*
 * The back ends. Each opens into *out or returns a negative errno with err
 * set. name is for messages.
 */
int storage_null_open(const char *name, uint64_t size, bool read_only, struct storage **out, struct error *err);

/* Names and meaning are QEMU's (qemu(1), cache=). */
enum storage_cache {
	STORAGE_CACHE_NONE,         /* O_DIRECT, write cache on */
	STORAGE_CACHE_WRITEBACK,    /* page cache, write cache on */
	STORAGE_CACHE_WRITETHROUGH, /* page cache, each write stable */
	STORAGE_CACHE_DIRECTSYNC,   /* O_DIRECT, each write stable */
	STORAGE_CACHE_UNSAFE,       /* page cache, flushes ignored */
};

struct storage_file_options {
	const char *path; /* regular file or block device */
	enum storage_cache cache;
	bool read_only;
	bool no_discard;   /* do not offer DISCARD, never deallocate */
	bool lock_running; /* lock the image by activate and deactivate, not by open and close */
	bool inherited;    /* fd is path, open and locked as these options say; it is the back end's from here on */
	bool given; /* fd is path, open; not locked, and not known to be what these options say. The back end's, too */
	bool confined; /* with given: no path may be looked at, in a sandbox: a resize by others is not noticed */
	bool at_once;  /* a lock that is held is an error now; else one left by a dead process is waited for */
	int fd;
};

int storage_file_open(const char *name, const struct storage_file_options *options, struct storage **out,
		      struct error *err);

/* One rule of the fault wrapper; the first that matches a request decides. */
struct storage_fault_rule {
	uint32_t ops;    /* bit 1 << enum storage_op; 0: all */
	double rate;     /* share of matching requests that fail, 0 to 1 */
	uint64_t offset; /* first byte of the range */
	uint64_t length; /* of the range; 0: to the end. Ranges do not match FLUSH unless they are the whole disk */
	uint64_t count;  /* stop after so many errors, over all workers; 0: never */
	int error;       /* positive errno: EIO, ENOSPC, ... */
};

/* Wraps lower, which the new object owns, also after a failure. rules are copied. */
int storage_fault_open(struct storage *lower, const struct storage_fault_rule *rules, unsigned rule_count,
		       struct storage **out, struct error *err);

enum storage_delay_kind {
	STORAGE_DELAY_FIXED,       /* mean_us */
	STORAGE_DELAY_UNIFORM,     /* mean_us - spread_us to mean_us + spread_us */
	STORAGE_DELAY_NORMAL,      /* mean_us, standard deviation spread_us, never below 0 */
	STORAGE_DELAY_EXPONENTIAL, /* mean_us */
	STORAGE_DELAY_PARETO,      /* mean_us, a heavy tail of shape 1.5 cut at 1000 times the mean */
};

struct storage_delay_options {
	uint32_t ops; /* bit 1 << enum storage_op; 0: all */
	enum storage_delay_kind kind;
	double mean_us;
	double spread_us;
};

/* Wraps lower, which the new object owns, also after a failure. */
int storage_delay_open(struct storage *lower, const struct storage_delay_options *options, struct storage **out,
		       struct error *err);

/*
 * Record what changes the disk in the file path, which is made or gone on with
 * (record_format.h). Wraps lower, which the new object owns, also after a failure.
 */
int storage_record_open(struct storage *lower, const char *path, struct storage **out, struct error *err);

#endif
