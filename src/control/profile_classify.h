/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_PROFILE_CLASSIFY_H
#define STRAIT_CONTROL_PROFILE_CLASSIFY_H

#include <stdint.h>

#include "device/blk/blk_profile.h"

/*
 * What a disk is used for, from what was counted of it in a span of time. Pure.
 *
 * idle: less than a request a second. latency-sensitive: who waits for each
 * request, because few are under way and they are small, or because writes are
 * made stable one by one. throughput: who does not, because many are under
 * way or most bytes move in large requests. mixed: both, or neither clearly.
 */
enum profile_class {
	PROFILE_IDLE,
	PROFILE_LATENCY_SENSITIVE,
	PROFILE_THROUGHPUT,
	PROFILE_MIXED,
};

extern const char *const profile_class_names[];

/* The figures that it is told by; shares are 0 to 1. */
struct profile {
	double seconds;
	double requests[STORAGE_OP_COUNT];
	double all_requests;
	double bytes;         /* read and written */
	double sized;         /* requests whose size was looked at: reads and writes */
	double small, large;  /* shares of these: up to 16 KiB, 64 KiB and more */
	double large_bytes;   /* the share of bytes that move in large ones */
	double sequential[2]; /* shares of reads, writes that go on where an earlier one ended */
	double depth_mean;    /* under way on a request's queue when it came, with it */
	double depth_p99;
	double burstiness;               /* 1: they come evenly or by chance; n: n times as dense as on average */
	double sync;                     /* of writes: alone, with a flush behind them */
	unsigned common_op, common_size; /* what most are: operation type, largest size in bytes */
	double common;                   /* and how many: share of all sized ones; 0: none are */
};

/*
 * From the counters of operation types (in the same span), bytes moved and the
 * words of blk_profile.h.
 */
void profile_make(struct profile *profile, double seconds, const uint64_t ops[STORAGE_OP_COUNT], uint64_t bytes,
		  const uint64_t word[BLK_PROFILE_WORDS]);

/* Sentences that say why, most telling first. */
#define PROFILE_SENTENCES 8
struct profile_verdict {
	enum profile_class class;
	unsigned sentence_count;
	char sentence[PROFILE_SENTENCES][128];
};

void profile_classify(const struct profile *profile, struct profile_verdict *verdict);

#endif
