/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_VERIFY_H
#define STRAIT_BENCH_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "bench/stamp.h"
#include "bench/workload.h"

/*
 * Knows what the region should contain. One entry a unit of the load's block
 * sizes: which write filled it last, that it is zero, or that nobody can say
 * (never written in this run, discarded, or a write failed). Requests on
 * overlapping units are never in flight together, so each read has one right
 * answer.
 */
#define BENCH_VERIFY_SAMPLES 16

/* One bad sector, for the report. */
struct bench_verify_sample {
	enum bench_stamp_verdict verdict;
	uint64_t offset; /* of the sector, bytes on the disk */
	uint64_t request_offset;
	uint32_t request_length;
	uint32_t expected_generation; /* 0: zeroes */
	struct bench_stamp_found found;
};

struct bench_verify {
	uint64_t region;
	uint64_t unit;
	uint64_t units;
	uint64_t seed;
	uint32_t last_generation;
	uint32_t *expected; /* by unit */
	uint64_t *busy;     /* one bit a unit: a request is in flight */

	uint64_t written;                   /* bytes stamped */
	uint64_t checked;                   /* bytes read and compared */
	uint64_t unknown;                   /* bytes read whose contents nobody can say */
	uint64_t bad_requests;              /* reads with at least one bad sector */
	uint64_t bad[BENCH_STAMP_VERDICTS]; /* sectors by verdict; GOOD stays 0 */
	unsigned sample_count;
	struct bench_verify_sample sample[BENCH_VERIFY_SAMPLES]; /* the first bad blocks, one sector of each */
};

/* For the region, unit and seed of this load. 0, or -ENOMEM with err set. */
int bench_verify_init(struct bench_verify *verify, const struct bench_workload *workload, uint64_t seed,
		      struct error *err);
void bench_verify_free(struct bench_verify *verify);

/* Claim the units of io, which lies in the region. False: one of them is in flight. */
bool bench_verify_claim(struct bench_verify *verify, const struct bench_io *io);

/*
 * Prepare the buffer of a claimed request: stamp what is written, poison what
 * is read into. The generation to hand to bench_verify_done().
 */
uint32_t bench_verify_prepare(struct bench_verify *verify, const struct bench_io *io, void *buffer);

/* The request is over: release its units, check what was read or remember what was written. */
void bench_verify_done(struct bench_verify *verify, const struct bench_io *io, uint32_t generation, const void *buffer,
		       bool succeeded);

/* Bad sectors of all kinds. */
uint64_t bench_verify_errors(const struct bench_verify *verify);

#endif
