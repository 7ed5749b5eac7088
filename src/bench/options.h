/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_OPTIONS_H
#define STRAIT_BENCH_OPTIONS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/error.h"

/* What a benchmark is asked to do: the command line of "strait bench", checked as far as it can be without a disk. */

#define BENCH_MAX_BLOCK_SIZES 16
#define BENCH_MAX_BLOCK_SIZE  ((uint64_t)64 << 20)
#define BENCH_MAX_DEPTH       4096
#define BENCH_MAX_QUEUES      256
#define BENCH_MAX_RECONNECTS  1000000

/* The requests of virtio-blk that a benchmark sends. */
enum bench_op {
	BENCH_READ,
	BENCH_WRITE,
	BENCH_FLUSH,
	BENCH_DISCARD,
	BENCH_WRITE_ZEROES,
	BENCH_OP_COUNT,
};

/* "read", "write", "flush", "discard", "write-zeroes". */
extern const char *const bench_op_names[BENCH_OP_COUNT];

enum bench_mode {
	BENCH_POLLED, /* look at the used rings without pause; calls suppressed */
	BENCH_EVENT,  /* sleep until called */
};

/*
 * Sizes of blocks: a list of sizes, each as likely as the others, or a range
 * of the multiples of its low end, each doubling as likely as the others.
 */
struct bench_block_sizes {
	bool is_range;
	unsigned count; /* of sizes; a range has two */
	uint64_t size[BENCH_MAX_BLOCK_SIZES];
	uint64_t unit; /* bytes; divides every size, and every offset is a multiple of it */
	uint64_t max;
};

struct bench_options {
	const char *socket;
	enum bench_op op;      /* what is not mixed */
	bool mixed;            /* reads and writes by read_percent */
	bool random;           /* offsets; otherwise one ascending stream over all queues */
	const char *rw;        /* as given */
	unsigned read_percent; /* 0 to 100 */
	struct bench_block_sizes blocks;
	const char *block_text; /* as given */
	uint64_t segment_size;  /* bytes per descriptor at most; 0: as much as the disk allows */
	unsigned depth;         /* requests in flight a queue */
	unsigned queues;
	unsigned queue_size;
	bool packed; /* layout of the rings */
	enum bench_mode mode;
	bool event_idx;
	bool indirect;
	unsigned flush_every; /* a flush after this many writes of a queue; 0: none */
	bool unmap;           /* with write-zeroes */
	double rate;          /* requests a second over all queues; 0: closed loop */
	uint64_t time_ns;     /* 0: until io_count */
	uint64_t warm_up_ns;
	uint64_t offset; /* of the region, in bytes */
	uint64_t size;   /* of the region; 0: to the end of the disk */
	uint64_t io_count;
	bool verify;
	uint64_t seed;
	unsigned reconnects;
	uint64_t survive_ns; /* how long to wait for another back end when the connection is lost; 0: not at all */
	bool inflight;       /* negotiate INFLIGHT_SHMFD */
	uint64_t timeout_ns; /* without a completion, or for an answer */
	bool force_writes;
	bool huge_pages;
	bool has_cpus;
	cpu_set_t cpus;
	pid_t pid; /* of the back end; 0: who listens on the socket */
	bool json;
	bool quiet;
	int progress; /* 1: always, 0: never, -1: if standard error is a terminal */
	bool help;
};

/*
 * Parse argv (argv[0] is skipped). 0, or -EINVAL with a sentence that names the
 * option, its value and what is allowed. Strings stay argv's. With --help
 * given nothing else is checked.
 */
int bench_options_parse(struct bench_options *options, int argc, char **argv, struct error *err);

/* Every option, one a line, in GNU style. */
void bench_options_help(FILE *out);

#endif
