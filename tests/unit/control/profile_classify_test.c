/* SPDX-License-Identifier: Apache-2.0 */
#include "control/profile_classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KIB 1024u

/* A minute of a workload: so many reads and writes of a size a second, at a depth. */
struct load {
	unsigned reads, read_size, writes, write_size, flushes;
	unsigned depth;
	double sequential, sync;
};

static const struct {
	const char *text;
	struct load load[2];
	enum profile_class class;
	const char *evidence; /* one of the sentences has it */
} cases[] = {
	{"nothing", {{0}}, PROFILE_IDLE, "no request in 60 s"},
	{"random reads, one at a time",
	 {{.reads = 9000, .read_size = 4 * KIB, .depth = 1}},
	 PROFILE_LATENCY_SENSITIVE,
	 "100% of requests are reads of 4 KiB at depth 1.0"},
	{"large sequential writes",
	 {{.writes = 500, .write_size = 1024 * KIB, .depth = 32, .sequential = 1}},
	 PROFILE_THROUGHPUT,
	 "100% of writes go on where another ended"},
	{"large sequential reads, one at a time",
	 {{.reads = 500, .read_size = 1024 * KIB, .depth = 1, .sequential = 1}},
	 PROFILE_THROUGHPUT,
	 "100% of bytes move in requests of 64 KiB or more"},
	{"random reads, many at a time",
	 {{.reads = 90000, .read_size = 4 * KIB, .depth = 32}},
	 PROFILE_THROUGHPUT,
	 "32 are under way when another comes"},
	{"a database's log",
	 {{.writes = 2000, .write_size = 8 * KIB, .flushes = 2000, .depth = 1, .sync = 1}},
	 PROFILE_LATENCY_SENSITIVE,
	 "100% of writes are made stable one by one"},
	{"a database and its backup",
	 {{.reads = 9000, .read_size = 8 * KIB, .depth = 2}, {.reads = 900, .read_size = 1024 * KIB, .depth = 4}},
	 PROFILE_MIXED,
	 "of bytes move in requests of 64 KiB"},
	{"neither", {{.reads = 9000, .read_size = 32 * KIB, .depth = 6}}, PROFILE_MIXED, "neither small ones"},
};

static unsigned place_of(unsigned size)
{
	unsigned place = 0;

	while (512u << place < size)
		place++;
	return place;
}

static void put(uint64_t word[BLK_PROFILE_WORDS], uint64_t ops[STORAGE_OP_COUNT], uint64_t *bytes,
		const struct load *load)
{
	const uint64_t reads = 60ull * load->reads, writes = 60ull * load->writes, flushes = 60ull * load->flushes;

	ops[STORAGE_READ] += reads;
	ops[STORAGE_WRITE] += writes;
	ops[STORAGE_FLUSH] += flushes;
	*bytes += reads * load->read_size + writes * load->write_size;
	word[BLK_PROFILE_SIZE + STORAGE_READ * BLK_PROFILE_SIZES + place_of(load->read_size)] += reads;
	word[BLK_PROFILE_SIZE + STORAGE_WRITE * BLK_PROFILE_SIZES + place_of(load->write_size)] += writes;
	word[BLK_PROFILE_SEQUENTIAL + STORAGE_READ] += (uint64_t)((double)reads * load->sequential);
	word[BLK_PROFILE_SEQUENTIAL + STORAGE_WRITE] += (uint64_t)((double)writes * load->sequential);
	word[BLK_PROFILE_SYNC] += (uint64_t)((double)writes * load->sync);
	word[BLK_PROFILE_DEPTH + blk_profile_depth(load->depth)] += reads + writes + flushes;
	word[BLK_PROFILE_DEPTH_SUM] += load->depth * (reads + writes + flushes);
}

static void classes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t word[BLK_PROFILE_WORDS] = {0}, ops[STORAGE_OP_COUNT] = {0}, bytes = 0;
		struct profile_verdict verdict;
		struct profile profile;
		bool found = false;

		put(word, ops, &bytes, &cases[i].load[0]);
		put(word, ops, &bytes, &cases[i].load[1]);
		profile_make(&profile, 60, ops, bytes, word);
		profile_classify(&profile, &verdict);
		for (unsigned k = 0; k < verdict.sentence_count; k++)
			found = found || strstr(verdict.sentence[k], cases[i].evidence);
		if (verdict.class != cases[i].class || !found)
			fail_msg("%s: %s, since %s; %s", cases[i].text, profile_class_names[verdict.class],
				 verdict.sentence[0], verdict.sentence[1]);
	}
}

/* Requests on the disk that were not looked at change no share of what was. */
static void figures(void **state)
{
	uint64_t word[BLK_PROFILE_WORDS] = {0};
	const uint64_t ops[STORAGE_OP_COUNT] = {[STORAGE_READ] = 900, [STORAGE_WRITE] = 100};
	struct profile profile;

	(void)state;
	word[BLK_PROFILE_SIZE + STORAGE_READ * BLK_PROFILE_SIZES + place_of(4 * KIB)] = 90;
	word[BLK_PROFILE_SIZE + STORAGE_WRITE * BLK_PROFILE_SIZES + place_of(64 * KIB)] = 10;
	word[BLK_PROFILE_SEQUENTIAL + STORAGE_WRITE] = 5;
	word[BLK_PROFILE_DEPTH + blk_profile_depth(2)] = 98;
	word[BLK_PROFILE_DEPTH + blk_profile_depth(64)] = 2;
	word[BLK_PROFILE_DEPTH_SUM] = 98 * 2 + 2 * 64;
	word[BLK_PROFILE_SPANS] = 100;
	word[BLK_PROFILE_SPAN_REQUESTS] = 1000;
	word[BLK_PROFILE_SPAN_SQUARES] = 10 * 100 * 100; /* ten spans with 100 each */
	profile_make(&profile, 10, ops, 1000, word);
	assert_true(profile.small == 0.9 && profile.large == 0.1);
	assert_true(profile.sequential[STORAGE_WRITE] == 0.5 && profile.sequential[STORAGE_READ] == 0);
	assert_true(profile.depth_mean > 3.2 && profile.depth_mean < 3.3);
	assert_true(profile.depth_p99 == 64);
	assert_true(profile.burstiness > 9.8 && profile.burstiness <= 10);
	assert_true(profile.common == 0.9 && profile.common_size == 4 * KIB && profile.common_op == STORAGE_READ);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes),
		cmocka_unit_test(figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
