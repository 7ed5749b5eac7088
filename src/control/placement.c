/* SPDX-License-Identifier: Apache-2.0 */
#include "control/placement.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/placement_policy.h"

/* What is judged: an interval of at least the first, and of no more than the second length. */
#define INTERVAL_MS     100
#define INTERVAL_MAX_MS 2000

/* How often a worker with work reports for the statistics alone. */
#define STATISTICS_MS 900

/* Intervals for which a queue that could not move is left where it is. */
#define REST_LOOKS 50

static void worked(void *context);

/* Who has nowhere to go need not report often. */
static uint32_t report_ms(enum config_placement policy, unsigned used)
{
	return policy == PLACEMENT_ADAPTIVE && used > 1 ? INTERVAL_MS : STATISTICS_MS;
}

static int create_worker(struct placement *placement, const struct config *config, struct mailbox *mailbox, unsigned i,
			 bool restrict_ring, struct error *err)
{
	const struct worker_options options = {
		.index = i,
		.cpus = config->pinned ? &config->worker_cpus[i] : NULL,
		.poll_max_us = config->poll_max_us,
		.best_ring = RING_DEFER_TASKRUN,
		.restrict_ring = restrict_ring,
		.report_to = mailbox,
		.report_ms = report_ms(config->placement, config->workers),
		.on_report = worked,
		.report_context = placement,
	};

	if (config->pinned)
		placement->cpus[i] = config->worker_cpus[i];
	else
		sched_getaffinity(0, sizeof(placement->cpus[i]), &placement->cpus[i]);
	placement->worker[i] = worker_create(&options, err);
	return placement->worker[i] ? 0 : err->code;
}

int placement_create(struct placement *placement, const struct config *config, struct mailbox *mailbox,
		     bool restrict_rings, struct error *err)
{
	*placement = (struct placement){.policy = config->placement, .used = config->workers, .cpu_idle.fd = -1};
	for (unsigned i = 0; i < config->workers_max; i++) {
		if (create_worker(placement, config, mailbox, i, restrict_rings, err) < 0) {
			placement_stop(placement);
			return err->code;
		}
		placement->count++;
	}
	if (placement->count > 1 && cpu_idle_open(&placement->cpu_idle) < 0)
		log_warning("/proc/stat cannot be read: queues are not moved to idle CPUs");
	return 0;
}

int placement_start(struct placement *placement, struct error *err)
{
	for (unsigned i = 0; i < placement->count; i++) {
		int ret = worker_start(placement->worker[i], err);

		if (ret < 0)
			return ret;
	}
	log_info("%u worker%s, io_uring with %s", placement->used, placement->used == 1 ? "" : "s",
		 ring_profile_name(worker_ring_profile(placement->worker[0])));
	return 0;
}

bool placement_rings_restricted(const struct placement *placement)
{
	for (unsigned i = 0; i < placement->count; i++) {
		if (!worker_ring_restricted(placement->worker[i]))
			return false;
	}
	return true;
}

void placement_stop(struct placement *placement)
{
	for (unsigned i = 0; i < placement->count; i++)
		worker_stop(placement->worker[i]);
	for (unsigned i = 0; i < placement->count; i++)
		worker_destroy(placement->worker[i]);
	placement->count = 0;
	cpu_idle_close(&placement->cpu_idle);
	free(placement->seats);
	placement->seats = NULL;
}

static unsigned index_of(const struct placement *placement, const struct worker *worker)
{
	unsigned i = 0;

	while (i < placement->count && placement->worker[i] != worker)
		i++;
	return i;
}

/* Where the queues of the disk are, or else where the fewest are. */
static unsigned choose(const struct placement *placement, const void *disk)
{
	unsigned queues[CONFIG_MAX_WORKERS] = {0};
	unsigned best = 0;

	for (unsigned i = 0; i < placement->seat_count; i++) {
		unsigned worker = index_of(placement, queue_worker(placement->seats[i].queue));

		if (placement->seats[i].disk == disk && placement->policy != PLACEMENT_SPREAD &&
		    worker < placement->used)
			return worker;
		queues[worker]++;
	}
	for (unsigned i = 1; i < placement->used; i++) {
		if (queues[i] < queues[best])
			best = i;
	}
	return best;
}

struct worker *placement_take(struct placement *placement, struct queue *queue, const void *disk)
{
	unsigned worker = choose(placement, disk);

	if (placement->seat_count == placement->seat_room) {
		unsigned room = placement->seat_room * 2 + 64;
		struct placement_seat *seats = realloc(placement->seats, room * sizeof(*seats));

		if (!seats)
			return NULL;
		placement->seats = seats;
		placement->seat_room = room;
	}
	placement->seats[placement->seat_count++] =
		(struct placement_seat){.queue = queue,
					.disk = disk,
					.requests = queue->counters.requests,
					.moves_given_up = queue->counters.moves_given_up};
	return placement->worker[worker];
}

void placement_release(struct placement *placement, const struct queue *queue)
{
	for (unsigned i = 0; i < placement->seat_count; i++) {
		if (placement->seats[i].queue != queue)
			continue;
		placement->seats[i] = placement->seats[--placement->seat_count];
		return;
	}
}

static uint64_t idle_ticks(const struct worker *worker, uint64_t now)
{
	const struct worker_counters *counters = worker_counters(worker);
	uint64_t since = __atomic_load_n(&counters->idle_since, __ATOMIC_RELAXED);

	return __atomic_load_n(&counters->idle_ticks, __ATOMIC_RELAXED) + (since && now > since ? now - since : 0);
}

/* Between 0 and 1, whatever the clocks of two threads made of it. */
static double share(double part, double whole)
{
	double quotient = whole > 0 ? part / whole : 0;

	return quotient < 0 ? 0 : quotient > 1 ? 1 : quotient;
}

static void measure_workers(struct placement *placement, uint64_t now, struct placement_worker *workers)
{
	const double ticks = (double)(now - placement->looked);
	const double ns = (double)clock_ticks_to_ns(now - placement->looked);

	cpu_idle_look(&placement->cpu_idle);
	for (unsigned i = 0; i < placement->count; i++) {
		struct placement_measure *last = &placement->measure[i];
		const struct placement_measure new = {.idle_ticks = idle_ticks(placement->worker[i], now),
						      .run_delay_ns = worker_run_times(placement->worker[i]).waiting};

		workers[i] = (struct placement_worker){
			.busy = 1 - share((double)new.idle_ticks - (double)last->idle_ticks, ticks),
			.starved = share((double)(new.run_delay_ns - last->run_delay_ns), ns),
			.spare = cpu_idle_best(&placement->cpu_idle, &placement->cpus[i]),
		};
		*last = new;
	}
	placement->looked = now;
}

/* A queue that could not drain in time has paused in vain: that is not tried again soon. */
static bool rests(struct placement_seat *seat)
{
	uint64_t given_up = __atomic_load_n(&seat->queue->counters.moves_given_up, __ATOMIC_RELAXED);

	if (given_up != seat->moves_given_up)
		seat->rest = REST_LOOKS;
	else if (seat->rest)
		seat->rest--;
	seat->moves_given_up = given_up;
	return seat->rest > 0;
}

/* What share of its worker's requests each queue had. */
static void measure_queues(struct placement *placement, struct placement_worker *workers,
			   struct placement_queue *queues)
{
	double done[CONFIG_MAX_WORKERS] = {0};

	for (unsigned i = 0; i < placement->seat_count; i++) {
		struct placement_seat *seat = &placement->seats[i];
		uint64_t requests = __atomic_load_n(&seat->queue->counters.requests, __ATOMIC_RELAXED);

		queues[i].worker = index_of(placement, queue_worker(seat->queue));
		queues[i].share = (double)(requests - seat->requests);
		workers[queues[i].worker].queues += requests != seat->requests;
		done[queues[i].worker] += queues[i].share;
		seat->requests = requests;
	}
	for (unsigned i = 0; i < placement->seat_count; i++)
		queues[i].share = rests(&placement->seats[i]) ? 0 : share(queues[i].share, done[queues[i].worker]);
}

static void balance(struct placement *placement)
{
	struct placement_worker workers[CONFIG_MAX_WORKERS];
	struct placement_queue *queues;
	uint64_t now = clock_ticks(), interval_ms = clock_ticks_to_ns(now - placement->looked) / 1000000;
	unsigned queue, to;

	if (interval_ms < INTERVAL_MS || !placement->seat_count)
		return;
	queues = calloc(placement->seat_count, sizeof(*queues));
	if (!queues)
		return;
	measure_workers(placement, now, workers);
	measure_queues(placement, workers, queues);
	/* After a long silence the figures say nothing about now. */
	if (interval_ms <= INTERVAL_MAX_MS &&
	    placement_advise(workers, placement->used, queues, placement->seat_count, &queue, &to)) {
		struct queue *moving = placement->seats[queue].queue;

		log_debug("disk %s: queue %u moves to worker %u", moving->name, moving->index, to);
		queue_move(moving, placement->worker[to]);
	}
	free(queues);
}

int placement_adjust(struct placement *placement, unsigned used, enum config_placement policy, uint32_t poll_max_us)
{
	placement->used = used;
	placement->policy = policy;
	for (unsigned i = 0; i < placement->count; i++) {
		int ret = worker_adjust(placement->worker[i], poll_max_us, report_ms(policy, used));

		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Where the queue of a seat goes whose worker is not used any more: with the others of its disk, if those are to be
 * together. */
static unsigned find_home(const struct placement *placement, unsigned seat, const unsigned *queues)
{
	unsigned best = 0;

	for (unsigned i = 0; i < placement->seat_count && placement->policy != PLACEMENT_SPREAD; i++) {
		const unsigned worker = index_of(placement, queue_worker(placement->seats[i].queue));

		if (i == seat || placement->seats[i].disk != placement->seats[seat].disk)
			continue;
		if (worker < placement->used)
			return worker;
		if (i < seat)
			return placement->seats[i].home;
	}
	for (unsigned i = 1; i < placement->used; i++) {
		if (queues[i] < queues[best])
			best = i;
	}
	return best;
}

unsigned placement_vacate(struct placement *placement, uint64_t patience_ns)
{
	unsigned queues[CONFIG_MAX_WORKERS] = {0}, left = 0;

	for (unsigned i = 0; i < placement->seat_count; i++)
		queues[index_of(placement, queue_worker(placement->seats[i].queue))]++;
	for (unsigned i = 0; i < placement->seat_count; i++) {
		struct placement_seat *seat = &placement->seats[i];

		if (index_of(placement, queue_worker(seat->queue)) < placement->used)
			continue;
		seat->home = find_home(placement, i, queues);
		queues[seat->home]++;
		queue_move_within(seat->queue, placement->worker[seat->home], patience_ns);
		left++;
	}
	return left;
}

void placement_on_work(struct placement *placement, void (*on_work)(void *context), void *context)
{
	const unsigned place = placement->on_work[0].call != NULL;

	placement->on_work[place].call = on_work;
	placement->on_work[place].context = context;
}

/* A worker reports that it has been busy. */
static void worked(void *context)
{
	struct placement *placement = context;

	for (unsigned i = 0; i < sizeof(placement->on_work) / sizeof(placement->on_work[0]); i++) {
		if (placement->on_work[i].call)
			placement->on_work[i].call(placement->on_work[i].context);
	}
	if (placement->policy == PLACEMENT_ADAPTIVE && placement->used > 1)
		balance(placement);
}

uint64_t placement_workers_of(const struct placement *placement, const void *disk)
{
	uint64_t workers = 0;

	for (unsigned i = 0; i < placement->seat_count; i++) {
		if (placement->seats[i].disk == disk)
			workers |= 1ull << index_of(placement, queue_worker(placement->seats[i].queue));
	}
	return workers;
}
