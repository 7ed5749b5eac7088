/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Values of expected[] that are no generation. */
#define UNKNOWN          0u
#define ZERO             1u
#define FIRST_GENERATION 2u

int bench_verify_init(struct bench_verify *verify, const struct bench_workload *workload, uint64_t seed,
		      struct error *err)
{
	memset(verify, 0, sizeof(*verify));
	verify->region = workload->region;
	verify->unit = workload->blocks.unit;
	verify->units = workload->region_units;
	verify->seed = seed;
	verify->last_generation = FIRST_GENERATION - 1;
	verify->expected = calloc(verify->units, sizeof(*verify->expected));
	verify->busy = calloc(verify->units / 64 + 1, sizeof(*verify->busy));
	if (verify->expected && verify->busy)
		return 0;
	bench_verify_free(verify);
	return error_set(err, -ENOMEM,
			 "--verify: no memory for a table of %llu blocks: use --size or a larger --block-size",
			 (unsigned long long)(workload->region_units));
}

void bench_verify_free(struct bench_verify *verify)
{
	free(verify->expected);
	free(verify->busy);
	verify->expected = NULL;
	verify->busy = NULL;
}

static uint64_t first_unit(const struct bench_verify *verify, const struct bench_io *io)
{
	return (io->offset - verify->region) / verify->unit;
}

/* The bits of a request in one word of busy[], from unit on; *unit moves past them. */
static uint64_t next_bits(uint64_t *unit, uint64_t end, uint64_t *word)
{
	const unsigned shift = *unit % 64;
	const uint64_t count = end - *unit < 64 - shift ? end - *unit : 64 - shift;
	const uint64_t ones = count == 64 ? UINT64_MAX : ((uint64_t)1 << count) - 1;

	*word = *unit / 64;
	*unit += count;
	return ones << shift;
}

bool bench_verify_claim(struct bench_verify *verify, const struct bench_io *io)
{
	const uint64_t start = first_unit(verify, io), end = start + io->length / verify->unit;
	uint64_t word, bits;

	for (uint64_t unit = start; unit < end;) {
		bits = next_bits(&unit, end, &word);
		if (verify->busy[word] & bits)
			return false;
	}
	for (uint64_t unit = start; unit < end;) {
		bits = next_bits(&unit, end, &word);
		verify->busy[word] |= bits;
	}
	return true;
}

static void release(struct bench_verify *verify, const struct bench_io *io)
{
	const uint64_t start = first_unit(verify, io), end = start + io->length / verify->unit;
	uint64_t word, bits;

	for (uint64_t unit = start; unit < end;) {
		bits = next_bits(&unit, end, &word);
		verify->busy[word] &= ~bits;
	}
}

uint32_t bench_verify_prepare(struct bench_verify *verify, const struct bench_io *io, void *buffer)
{
	switch (io->op) {
	case BENCH_READ:
		bench_stamp_poison(buffer, io->length);
		return UNKNOWN;
	case BENCH_WRITE:
		/* After 2^32 writes numbers repeat; a stale sector would have to be exactly that old to pass. */
		if (++verify->last_generation < FIRST_GENERATION)
			verify->last_generation = FIRST_GENERATION;
		for (uint32_t at = 0; at < io->length; at += BENCH_STAMP_SECTOR)
			bench_stamp_write((char *)buffer + at, io->offset + at, verify->last_generation, verify->seed);
		verify->written += io->length;
		return verify->last_generation;
	case BENCH_WRITE_ZEROES:
		return ZERO;
	default:
		return UNKNOWN;
	}
}

static void record(struct bench_verify *verify, const struct bench_io *io, uint64_t offset, uint32_t expected,
		   enum bench_stamp_verdict verdict, const struct bench_stamp_found *found)
{
	if (verify->sample_count == BENCH_VERIFY_SAMPLES)
		return;
	verify->sample[verify->sample_count++] = (struct bench_verify_sample){
		.verdict = verdict,
		.offset = offset,
		.request_offset = io->offset,
		.request_length = io->length,
		.expected_generation = expected == ZERO ? 0 : expected,
		.found = *found,
	};
}

/*
 * Check length bytes from io->offset + start that one write should have filled.
 * A write that arrived in part is torn rather than stale, which only its
 * other part shows. The number of bad sectors.
 */
static uint64_t check_run(struct bench_verify *verify, const struct bench_io *io, uint64_t start, uint64_t length,
			  uint32_t expected, const char *buffer)
{
	uint64_t bad[BENCH_STAMP_VERDICTS] = {0}, total = 0, first_at = 0;
	enum bench_stamp_verdict first = BENCH_STAMP_GOOD;
	struct bench_stamp_found found = {0}, first_found = {0};

	for (uint64_t at = start; at < start + length; at += BENCH_STAMP_SECTOR) {
		const uint64_t offset = io->offset + at;
		const enum bench_stamp_verdict verdict =
			expected == ZERO ? bench_stamp_check_zero(buffer + at, offset, verify->seed, &found)
					 : bench_stamp_check(buffer + at, offset, expected, verify->seed, &found);

		bad[verdict]++;
		if (verdict != BENCH_STAMP_GOOD && first == BENCH_STAMP_GOOD) {
			first = verdict;
			first_at = offset;
			first_found = found;
		}
	}
	if (first == BENCH_STAMP_GOOD)
		return 0;
	if (bad[BENCH_STAMP_GOOD]) {
		bad[BENCH_STAMP_TORN] = bad[BENCH_STAMP_STALE];
		bad[BENCH_STAMP_STALE] = 0;
		if (first == BENCH_STAMP_STALE)
			first = BENCH_STAMP_TORN;
	}
	for (unsigned i = BENCH_STAMP_GOOD + 1; i < BENCH_STAMP_VERDICTS; i++) {
		verify->bad[i] += bad[i];
		total += bad[i];
	}
	record(verify, io, first_at, expected, first, &first_found);
	return total;
}

static void check_read(struct bench_verify *verify, const struct bench_io *io, const char *buffer)
{
	const uint64_t start = first_unit(verify, io), end = start + io->length / verify->unit;
	uint64_t bad = 0;

	for (uint64_t unit = start; unit < end;) {
		const uint32_t expected = verify->expected[unit];
		const uint64_t run_start = unit;
		uint64_t length;

		while (unit < end && verify->expected[unit] == expected)
			unit++;
		length = (unit - run_start) * verify->unit;
		if (expected == UNKNOWN) {
			verify->unknown += length;
			continue;
		}
		verify->checked += length;
		bad += check_run(verify, io, (run_start - start) * verify->unit, length, expected, buffer);
	}
	verify->bad_requests += bad != 0;
}

void bench_verify_done(struct bench_verify *verify, const struct bench_io *io, uint32_t generation, const void *buffer,
		       bool succeeded)
{
	const uint64_t start = first_unit(verify, io), end = start + io->length / verify->unit;

	release(verify, io);
	if (io->op == BENCH_READ) {
		if (succeeded)
			check_read(verify, io, buffer);
		return;
	}
	/* A write that failed may have reached the disk in part. */
	for (uint64_t unit = start; unit < end; unit++)
		verify->expected[unit] = succeeded ? generation : UNKNOWN;
}

uint64_t bench_verify_errors(const struct bench_verify *verify)
{
	uint64_t total = 0;

	for (unsigned i = BENCH_STAMP_GOOD + 1; i < BENCH_STAMP_VERDICTS; i++)
		total += verify->bad[i];
	return total;
}
