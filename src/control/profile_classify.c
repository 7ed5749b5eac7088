/* SPDX-License-Identifier: Apache-2.0 */
#include "control/profile_classify.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define IDLE_RATE         1.0 /* requests a second */
#define SMALL_BYTES       (16u << 10)
#define LARGE_BYTES       (64u << 10)
#define FEW_UNDER_WAY     4.0 /* who waits for each */
#define MANY_UNDER_WAY    8.0 /* when one comes: of a batch that comes at once, half on average */
#define MOST              0.5
#define MOSTLY_SMALL      0.6
#define MOSTLY_SEQUENTIAL 0.8
#define BURSTY            4.0

const char *const profile_class_names[] = {"idle", "latency-sensitive", "throughput", "mixed"};

static uint64_t size_of_place(unsigned place)
{
	return 512ull << place;
}

static double share(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

static void add_sizes(struct profile *profile, unsigned op, const uint64_t size[BLK_PROFILE_SIZES], double *bytes)
{
	for (unsigned place = 0; place < BLK_PROFILE_SIZES; place++) {
		const double count = (double)size[place];
		/* Sizes at a place lie between the last place's and its own; powers of two are the most common by far.
		 */
		const double moved = count * (double)size_of_place(place);

		profile->sized += count;
		*bytes += moved;
		if (size_of_place(place) <= SMALL_BYTES)
			profile->small += count;
		if (size_of_place(place) >= LARGE_BYTES) {
			profile->large += count;
			profile->large_bytes += moved;
		}
		if (count > profile->common) {
			profile->common = count;
			profile->common_op = op;
			profile->common_size = (unsigned)size_of_place(place);
		}
	}
}

static void add_depths(struct profile *profile, const uint64_t word[BLK_PROFILE_WORDS])
{
	const uint64_t *depth = &word[BLK_PROFILE_DEPTH];
	uint64_t count = 0, seen = 0;
	unsigned place = 0;

	for (unsigned i = 0; i < BLK_PROFILE_DEPTHS; i++)
		count += depth[i];
	if (!count)
		return;
	profile->depth_mean = (double)word[BLK_PROFILE_DEPTH_SUM] / (double)count;
	while (place < BLK_PROFILE_DEPTHS - 1 && (double)(seen + depth[place]) < 0.99 * (double)count)
		seen += depth[place++];
	profile->depth_p99 = blk_profile_depth_limit(place);
}

/* How dense it is around a request, on average, over the average density: the second factorial moment of spans. */
static double burstiness(const uint64_t word[BLK_PROFILE_WORDS])
{
	const double requests = (double)word[BLK_PROFILE_SPAN_REQUESTS],
		     squares = (double)word[BLK_PROFILE_SPAN_SQUARES];

	return share((squares - requests) * (double)word[BLK_PROFILE_SPANS], requests * requests);
}

void profile_make(struct profile *profile, double seconds, const uint64_t ops[STORAGE_OP_COUNT], uint64_t bytes,
		  const uint64_t word[BLK_PROFILE_WORDS])
{
	double counted_bytes = 0, sized[2];

	*profile = (struct profile){.seconds = seconds, .bytes = (double)bytes};
	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++) {
		profile->requests[op] = (double)ops[op];
		profile->all_requests += (double)ops[op];
	}
	for (unsigned op = STORAGE_READ; op <= STORAGE_WRITE; op++) {
		sized[op] = profile->sized;
		add_sizes(profile, op, &word[BLK_PROFILE_SIZE + op * BLK_PROFILE_SIZES], &counted_bytes);
		sized[op] = profile->sized - sized[op];
		profile->sequential[op] = share((double)word[BLK_PROFILE_SEQUENTIAL + op], sized[op]);
	}
	profile->small = share(profile->small, profile->sized);
	profile->large = share(profile->large, profile->sized);
	profile->common = share(profile->common, profile->sized);
	profile->large_bytes = share(profile->large_bytes, counted_bytes);
	profile->sync = share((double)word[BLK_PROFILE_SYNC], sized[STORAGE_WRITE]);
	profile->burstiness = burstiness(word);
	add_depths(profile, word);
}

static void say(struct profile_verdict *verdict, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct profile_verdict *verdict, const char *format, ...)
{
	va_list arguments;

	if (verdict->sentence_count == PROFILE_SENTENCES)
		return;
	va_start(arguments, format);
	vsnprintf(verdict->sentence[verdict->sentence_count++], sizeof(verdict->sentence[0]), format, arguments);
	va_end(arguments);
}

static const char *size_text(unsigned bytes, char text[16])
{
	if (bytes >= 1u << 20)
		snprintf(text, 16, "%u MiB", bytes >> 20);
	else if (bytes >= 1u << 10)
		snprintf(text, 16, "%u KiB", bytes >> 10);
	else
		snprintf(text, 16, "%u bytes", bytes);
	return text;
}

static void say_what_is_common(const struct profile *profile, struct profile_verdict *verdict)
{
	static const char *const names[] = {"reads", "writes"};
	const double data = profile->requests[STORAGE_READ] + profile->requests[STORAGE_WRITE];
	char size[16];

	/* Powers of two are meant: a place has what is up to its size. */
	if (profile->common > 0)
		say(verdict, "%.0f%% of requests are %s of %s at depth %.1f",
		    100 * profile->common * share(data, profile->all_requests), names[profile->common_op],
		    size_text(profile->common_size, size), profile->depth_mean);
}

static void say_the_rest(const struct profile *profile, struct profile_verdict *verdict)
{
	static const char *const names[] = {"reads", "writes"};

	for (unsigned op = STORAGE_READ; op <= STORAGE_WRITE; op++) {
		if (profile->sequential[op] >= MOSTLY_SEQUENTIAL)
			say(verdict, "%.0f%% of %s go on where another ended", 100 * profile->sequential[op],
			    names[op]);
	}
	if (profile->burstiness >= BURSTY)
		say(verdict, "requests come in bursts: %.0f times as dense as on average", profile->burstiness);
	if (profile->requests[STORAGE_DISCARD] + profile->requests[STORAGE_WRITE_ZEROES] > profile->all_requests / 10)
		say(verdict, "%.0f%% of requests are discards or write zeroes",
		    100 * share(profile->requests[STORAGE_DISCARD] + profile->requests[STORAGE_WRITE_ZEROES],
				profile->all_requests));
}

static bool is_idle(const struct profile *profile, struct profile_verdict *verdict)
{
	const double rate = share(profile->all_requests, profile->seconds);

	if (rate >= IDLE_RATE)
		return false;
	verdict->class = PROFILE_IDLE;
	if (profile->all_requests > 0)
		say(verdict, "%.0f requests in %.0f s", profile->all_requests, profile->seconds);
	else
		say(verdict, "no request in %.0f s", profile->seconds);
	return true;
}

void profile_classify(const struct profile *profile, struct profile_verdict *verdict)
{
	/* What is known of few requests alone is known. */
	const bool sync = profile->sync >= MOST;
	const bool few = profile->sized > 0 && profile->depth_mean <= FEW_UNDER_WAY && profile->small >= MOSTLY_SMALL;
	const bool many = profile->depth_mean >= MANY_UNDER_WAY;
	const bool large = profile->large_bytes >= MOST && profile->sized > 0;
	const bool waits = sync || few, moves = many || large;

	*verdict = (struct profile_verdict){.class = PROFILE_MIXED};
	if (is_idle(profile, verdict))
		return;
	if (waits != moves)
		verdict->class = waits ? PROFILE_LATENCY_SENSITIVE : PROFILE_THROUGHPUT;
	say_what_is_common(profile, verdict);
	if (sync)
		say(verdict, "%.0f%% of writes are made stable one by one: a flush follows, nothing else is under way",
		    100 * profile->sync);
	if (few)
		say(verdict, "%.0f%% of requests are of 16 KiB or less, and few are under way: somebody waits for each",
		    100 * profile->small);
	if (many)
		say(verdict, "%.0f are under way when another comes: no single one is waited for", profile->depth_mean);
	if (large)
		say(verdict, "%.0f%% of bytes move in requests of 64 KiB or more", 100 * profile->large_bytes);
	if (!waits && !moves)
		say(verdict, "neither small ones that are waited for nor large or many ones prevail");
	say_the_rest(profile, verdict);
}
