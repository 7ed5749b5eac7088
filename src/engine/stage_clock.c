/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/stage_clock.h"

#include <string.h>
#include <sys/mman.h>

#include "engine/stage_hooks.h"

/*
 * A turn that took so many requests may be repeated, and so often: with the
 * one that is measured a prime number, so that where turns of several kinds
 * alternate each kind is measured.
 */
#define REPEATED_FROM 8
#define REPEATS       22

struct stage_clock *stage_clock_create(void)
{
	void *at;

	if (!STRAIT_STAGE_CLOCK)
		return NULL;
	at = mmap(NULL, sizeof(struct stage_clock), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		  -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	/* Of histograms little is touched, which a huge page would not know. Without huge pages the call fails,
	 * rightly. */
	madvise(at, sizeof(struct stage_clock), MADV_NOHUGEPAGE);
	return at;
}

void stage_clock_destroy(struct stage_clock *clock)
{
	if (clock)
		munmap(clock, sizeof(*clock));
}

/* What the device has counted is in samples or in times. */
static void sync_counted(struct queue *queue)
{
	if (queue->op_counts)
		memcpy(queue->clock->counted, queue->op_counts, sizeof(queue->clock->counted));
}

void stage_clock_start(struct queue *queue)
{
	struct stage_clock *clock = stage_clock_of(queue);

	queue->stamp_each = false;
	if (!clock)
		return;
	clock->looked = clock->published = clock_ticks();
	clock->known = 0;
	clock->unsubmitted = NULL;
	clock->sample_count = clock->unpublished = 0;
	clock->repeats = 0;
	clock->alike = 0;
	clock->last = NULL;
	sync_counted(queue);
}

const struct stage_times *stage_clock_times(const struct queue *queue, enum storage_op op)
{
	const struct stage_clock *clock = stage_clock_of(queue);

	return clock ? &clock->times[op] : NULL;
}

struct slow_recorder *stage_clock_slow(const struct queue *queue)
{
	return stage_clock_of(queue) ? &queue->clock->slow : NULL;
}

/* Of the middle one of those that are taken together. */
static uint64_t seen_of_known(const struct stage_clock *clock)
{
	const uint32_t group = clock->known < STAGE_BATCH ? clock->known : STAGE_BATCH;

	return clock->known_since + clock->known_gap * (clock->known_taken + group / 2);
}

static void begin_look(struct queue *queue, struct stage_clock *clock)
{
	const struct storage_thread *thread = queue->thread;

	clock->taken = thread->now;
	/* The clocks of two CPUs may differ a little, where it was another that looked last. */
	clock->since = clock->looked < thread->now ? clock->looked : thread->now;
	clock->gap = thread->now - clock->since;
	clock->activity = thread->looking ? STAGE_LOOKING : STAGE_BUSY;
	if (thread->woke > clock->looked) {
		clock->since = thread->woke;
		clock->activity = STAGE_ASLEEP;
	}
}

/* The look of a turn that counts as an earlier one: its requests came as it began. Only where somebody asks. */
static void look_alike(struct stage_clock *clock, uint64_t at)
{
	clock->seen = clock->taken = clock->since = at;
	clock->gap = 0;
	clock->activity = STAGE_BUSY;
}

/* The sample of these stamps, new where there is none. */
static struct stage_sample *sample_of(struct queue *queue, const struct stage_sample *like)
{
	struct stage_clock *clock = queue->clock;
	struct stage_sample *sample = &clock->sample[clock->latest[like->op]];
	const unsigned index = clock->latest[like->op];

	if (index >= clock->unpublished && index < clock->sample_count && sample->op == like->op &&
	    sample->completed == like->completed && sample->submitted == like->submitted &&
	    sample->admitted == like->admitted && sample->taken == like->taken && sample->seen == like->seen &&
	    like->completed - like->seen <= clock->slow.floor_ticks) {
		sample->requests += like->requests;
		return sample;
	}
	if (clock->sample_count == STAGE_SAMPLES) {
		stage_clock_published(queue);
		stage_clock_called(queue, 0);
	}
	sample = &clock->sample[clock->sample_count];
	clock->latest[like->op] = clock->sample_count++;
	*sample = *like;
	return sample;
}

/* Those that were over at once and are in no sample yet, of each operation type. last stands for them, if it is known.
 */
static void end_group(struct queue *queue, struct stage_clock *clock, const struct request *last)
{
	struct stage_sample sample = {.seen = clock->seen,
				      .taken = clock->taken,
				      .admitted = clock->taken,
				      .submitted = clock->taken,
				      .completed = clock->taken,
				      .gap = clock->gap,
				      .activity = clock->activity};

	if (!queue->op_counts)
		return;
	for (uint8_t op = 0; op < STORAGE_OP_COUNT; op++) {
		sample.requests = (uint32_t)(queue->op_counts[op] - clock->counted[op]);
		sample.op = op;
		clock->counted[op] = queue->op_counts[op];
		if (!sample.requests)
			continue;
		sample.depth = last && last->io.op == op ? queue->in_flight + 1 : 0;
		sample.offset = sample.depth ? last->io.offset : 0;
		sample.length = sample.depth ? last->io.length : 0;
		sample_of(queue, &sample);
	}
}

unsigned stage_clock_group(struct queue *queue, unsigned taken, unsigned most)
{
	struct stage_clock *clock = queue->clock;

	if (taken == 0)
		begin_look(queue, clock);
	else if (!clock->repeats && !queue->stamp_each)
		end_group(queue, clock, NULL);
	if (taken < clock->known) {
		clock->seen = seen_of_known(clock);
		most = clock->known < most ? clock->known : most;
	} else {
		clock->seen = clock->since + (clock->taken - clock->since) / 2;
	}
	/* What may be among the slowest has to be told from what comes with it. */
	if (taken == 0)
		queue->stamp_each = !queue->op_counts || queue->storage->info.works_inline ||
				    clock->taken - clock->seen > clock->slow.floor_ticks;
	return most;
}

void stage_clock_looked(struct queue *queue, const struct request *last, unsigned taken, bool empty)
{
	struct stage_clock *clock = queue->clock;
	const uint64_t now = queue->thread->now;
	uint32_t found, waiting;

	clock->last = last;
	clock->taken_count = taken;
	if (queue->stamp_each)
		sync_counted(queue);
	else if (!clock->repeats)
		end_group(queue, clock, last);
	if (taken < clock->known && !empty) {
		clock->known -= taken;
		clock->known_taken += taken;
		return;
	}
	waiting = empty ? 0 : virtq_waiting(&queue->vq);
	found = taken - (taken < clock->known ? taken : clock->known) + waiting;
	clock->known = waiting;
	clock->known_taken = found - waiting;
	if (waiting) {
		clock->known_since = clock->since;
		clock->known_gap = (now - clock->since) / found;
	}
	/* Exactly those were taken that were known: nobody looked what is behind them. */
	if (found || empty)
		clock->looked = now;
}

static void stamp(struct queue *queue, struct request *request)
{
	const struct stage_clock *clock = queue->clock;

	request->seen = clock->seen;
	request->taken = request->admitted = queue->thread->now;
	request->gap = clock->gap;
	request->activity = clock->activity;
	request->depth = queue->in_flight;
	request->stamp = STAMP_TAKEN;
}

/* It is with the storage, or will be when QoS lets it. */
static void submitted(struct queue *queue, struct request *request)
{
	request->stamp = STAMP_HANDED;
	if (request->unsubmitted)
		return;
	request->unsubmitted = true;
	request->next_unsubmitted = queue->clock->unsubmitted;
	queue->clock->unsubmitted = request;
}

void stage_clock_stamp_first(struct queue *queue, struct request *request)
{
	stamp(queue, request);
	/* It is not counted yet. */
	request->depth++;
	/* Who answers it without having found out its type leaves this. */
	request->io.op = STORAGE_OP_COUNT;
}

void stage_clock_handled(struct queue *queue, struct request *request)
{
	if (!queue->clock || request->stamp != STAMP_NONE)
		return;
	if (stage_repeats(queue))
		look_alike(queue->clock, queue->thread->now);
	stamp(queue, request);
	queue->clock->counted[request->io.op]++;
	request->handed = request->submitted = request->taken;
	if (request->state == REQUEST_SUBMITTED)
		submitted(queue, request);
}

void stage_clock_submit(struct queue *queue, struct request *request)
{
	request->stamp = STAMP_HANDED;
	request->handed = request->submitted = queue->thread->now;
	storage_submit(queue->storage, queue->thread, &request->io);
	/* Where it is over, its place may have been taken by nobody yet. */
	if (request->stamp == STAMP_HANDED)
		submitted(queue, request);
}

void stage_clock_entered(struct queue *queue)
{
	struct request *request = queue->clock->unsubmitted;

	queue->clock->unsubmitted = NULL;
	for (; request; request = request->next_unsubmitted) {
		request->unsubmitted = false;
		if (request->stamp != STAMP_HANDED)
			continue;
		request->submitted = queue->thread->now;
		request->stamp = STAMP_SUBMITTED;
	}
}

void stage_clock_done(struct queue *queue, struct request *request)
{
	struct stage_sample sample = {.seen = request->seen,
				      .taken = request->taken,
				      .admitted = request->admitted,
				      .submitted = request->submitted,
				      .requests = 1,
				      .offset = request->io.offset,
				      .length = request->io.length,
				      .gap = request->gap,
				      .depth = request->depth,
				      .op = (uint8_t)request->io.op,
				      .activity = request->activity};
	const bool handed = request->stamp != STAMP_TAKEN;

	request->stamp = STAMP_NONE;
	if (sample.op >= STORAGE_OP_COUNT)
		return;
	sample.completed = queue->storage->info.works_inline ? stage_now(queue->thread) : queue->thread->now;
	if (!handed)
		sample.submitted = request->handed = sample.completed;
	/* It came back with the call that carried it, which has done the work. */
	if (sample.completed == sample.submitted)
		sample.submitted = request->handed;
	sample_of(queue, &sample);
}

/* What came back since the last time was published at this one. */
static void publish_samples(struct queue *queue, struct stage_clock *clock, uint64_t published)
{
	/* What a turn took that was thought to be like another. */
	if (clock->repeats) {
		if (stage_repeats(queue))
			look_alike(clock, clock->looked);
		stage_clock_rest(queue);
		end_group(queue, clock, clock->last);
	}
	for (unsigned i = clock->unpublished; i < clock->sample_count; i++)
		clock->sample[i].published = published;
	clock->unpublished = clock->sample_count;
}

uint64_t stage_clock_published(struct queue *queue)
{
	struct stage_clock *clock = queue->clock;
	const uint64_t now = stage_now(queue->thread), since = clock->published;

	clock->published = now;
	/* A turn like the one before: nothing is to be done for it. */
	if (clock->repeats && !clock->sample_count && !queue->in_flight &&
	    now - since - clock->like_least <= clock->like_span)
		return now;
	publish_samples(queue, clock, now);
	return now;
}

/* The requests of turns that count as the last one that was measured; those of this turn may have come to them. */
static void count_alike(struct queue *queue, struct stage_clock *clock)
{
	uint64_t all = 0;

	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++)
		all += queue->op_counts[op] - clock->counted[op];
	for (unsigned op = 0; op < STORAGE_OP_COUNT && all; op++) {
		const uint64_t requests = queue->op_counts[op] - clock->counted[op];
		const uint64_t share = clock->alike >= all ? requests : requests * clock->alike / all;

		clock->counted[op] += share;
		if (share)
			stage_count(&clock->times[op], clock->like, (uint32_t)share);
	}
	clock->alike = 0;
}

void stage_clock_repeated(struct queue *queue)
{
	struct stage_clock *clock = queue->clock;

	clock->alike += clock->taken_count;
	if (--clock->repeats == 0)
		count_alike(queue, clock);
}

void stage_clock_rest(struct queue *queue)
{
	if (queue->clock->repeats)
		count_alike(queue, queue->clock);
	queue->clock->repeats = 0;
}

/* The TSC is read without waiting: a little later may be a little earlier. */
static uint64_t between_ns(uint64_t from, uint64_t to)
{
	return to > from ? clock_ticks_to_ns(to - from) : 0;
}

/* The next turns may be like this one, of which that was all. */
static void expect_repeats(struct stage_clock *clock, const struct stage_sample *sample, const uint64_t *spent_ns)
{
	const uint64_t turn = sample->published - sample->taken;

	memcpy(clock->like, spent_ns, sizeof(clock->like));
	clock->like_least = turn / 2;
	clock->like_span = turn + turn / 2;
	clock->repeats = REPEATS;
	clock->known = 0;
}

static void record_slow(struct queue *queue, const struct stage_sample *sample, const uint64_t spent_ns[STAGE_COUNT],
			uint64_t total_ns)
{
	struct slow_request slow = {
		.op = sample->op,
		.offset = sample->offset,
		.length = sample->length,
		.total_ns = total_ns,
		.depth = sample->depth,
		.queue = queue->index,
		.worker = queue->thread->index,
		.activity = sample->activity,
		.last_look_ns = clock_ticks_to_ns(sample->gap),
	};

	memcpy(slow.spent_ns, spent_ns, sizeof(slow.spent_ns));
	slow_record(&queue->clock->slow, &slow);
}

void stage_clock_called(struct queue *queue, uint64_t called)
{
	struct stage_clock *clock = queue->clock;
	uint64_t total_ns;
	unsigned count;

	/* It was like the one before, up to the call. */
	if (clock->repeats && !clock->sample_count)
		publish_samples(queue, clock, clock->published);
	slow_look(&clock->slow, clock->published);
	count = clock->sample_count;
	for (unsigned i = 0; i < count; i++) {
		const struct stage_sample *sample = &clock->sample[i];
		const uint64_t spent_ns[STAGE_COUNT] = {
			[STAGE_RING] = between_ns(sample->seen, sample->taken),
			[STAGE_HELD] = between_ns(sample->taken, sample->admitted),
			[STAGE_SUBMIT] = between_ns(sample->admitted, sample->submitted),
			[STAGE_BACKEND] = between_ns(sample->submitted, sample->completed),
			[STAGE_PUBLISH] = between_ns(sample->completed, sample->published),
			[STAGE_NOTIFY] = called ? between_ns(sample->published, called) : 0,
		};

		total_ns = stage_count(&clock->times[sample->op], spent_ns, sample->requests);
		if (__builtin_expect(total_ns > clock->slow.floor_ns, 0) && sample->depth)
			record_slow(queue, sample, spent_ns, total_ns);
		if (count == 1 && sample->requests >= REPEATED_FROM && sample->completed == sample->taken && !called)
			expect_repeats(clock, sample, spent_ns);
	}
	clock->sample_count = clock->unpublished = 0;
}
