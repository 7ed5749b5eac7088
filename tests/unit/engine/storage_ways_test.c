/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three ways in which a back end may complete (storage.h), and at once, on
 * one worker: each request is answered once, with its own result.
 */
#include "echo.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Every seventh request fails. */
static int result_of(uint64_t number)
{
	return number % 7 == 6 ? -EIO : 0;
}

/* 1. Through the worker's ring. */
struct ring_storage {
	struct storage storage; /* first */
	uint64_t number;
};

static void ring_event(struct storage_io *io, int32_t result)
{
	io->done(io, result < 0 ? result : result_of(io->progress));
}

static void ring_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	struct io_uring_sqe *sqe = storage_sqe(thread);

	io->progress = ((struct ring_storage *)storage)->number++;
	io->event = ring_event;
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data(sqe, io);
}

/* 2. By being polled: a request is done when it has been looked at for the third time. */
struct polled_storage {
	struct storage storage; /* first */
	struct storage_io *first;
	uint64_t number;
	uint64_t polls; /* read by the test */
	bool held;      /* by the test: nothing completes */
};

static void polled_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	struct polled_storage *polled = (struct polled_storage *)storage;

	(void)thread;
	io->progress = 0;
	io->offset = polled->number++;
	io->next = polled->first;
	polled->first = io;
}

static int polled_poll(struct storage *storage, struct storage_thread *thread)
{
	struct polled_storage *polled = (struct polled_storage *)storage;
	struct storage_io **link = &polled->first;
	int found = 0;

	(void)thread;
	__atomic_store_n(&polled->polls, polled->polls + 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&polled->held, __ATOMIC_RELAXED))
		return 0;
	while (*link) {
		struct storage_io *io = *link;

		if (++io->progress < 3) {
			link = &io->next;
			continue;
		}
		*link = io->next;
		io->done(io, result_of(io->offset));
		found++;
	}
	return found;
}

/* 3. From a thread of its own, newest first. */
struct foreign_storage {
	struct storage storage; /* first */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct storage_io *first;
	uint64_t number;
	bool end;
};

static void foreign_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	struct foreign_storage *foreign = (struct foreign_storage *)storage;

	io->thread = thread;
	pthread_mutex_lock(&foreign->lock);
	io->offset = foreign->number++;
	io->next = foreign->first;
	foreign->first = io;
	pthread_cond_signal(&foreign->work);
	pthread_mutex_unlock(&foreign->lock);
}

static void *foreign_main(void *argument)
{
	struct foreign_storage *foreign = argument;

	pthread_mutex_lock(&foreign->lock);
	for (;;) {
		struct storage_io *io = foreign->first;

		if (!io && foreign->end)
			break;
		if (!io) {
			pthread_cond_wait(&foreign->work, &foreign->lock);
			continue;
		}
		foreign->first = io->next;
		pthread_mutex_unlock(&foreign->lock);
		io->thread->post(io->thread, io, result_of(io->offset));
		pthread_mutex_lock(&foreign->lock);
	}
	pthread_mutex_unlock(&foreign->lock);
	return NULL;
}

/* At once. */
struct inline_storage {
	struct storage storage; /* first */
	uint64_t number;
};

static void inline_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	(void)thread;
	io->done(io, result_of(((struct inline_storage *)storage)->number++));
}

static const struct storage_ops ring_ops = {.name = "ring", .submit = ring_submit};
static const struct storage_ops polled_ops = {.name = "polled", .submit = polled_submit, .poll = polled_poll};
static const struct storage_ops foreign_ops = {.name = "foreign", .submit = foreign_submit};
static const struct storage_ops inline_ops = {.name = "inline", .submit = inline_submit};

enum { RING, POLLED, FOREIGN, INLINE, WAYS };

struct fixture {
	struct rig rig;
	struct ring_storage ring;
	struct polled_storage polled;
	struct foreign_storage foreign;
	struct inline_storage at_once;
	struct storage *storage[WAYS];
	struct queue queue[WAYS];
	struct driver driver[WAYS];
	struct load load[WAYS];
};

static void begin(struct fixture *f, enum ring_profile profile, uint32_t poll_max_us)
{
	memset(f, 0, sizeof(*f));
	rig_create(&f->rig, profile, poll_max_us);
	f->ring.storage.ops = &ring_ops;
	f->polled.storage.ops = &polled_ops;
	f->foreign.storage.ops = &foreign_ops;
	f->at_once.storage.ops = &inline_ops;
	pthread_mutex_init(&f->foreign.lock, NULL);
	pthread_cond_init(&f->foreign.work, NULL);
	assert_int_equal(pthread_create(&f->foreign.thread, NULL, foreign_main, &f->foreign), 0);
	f->storage[RING] = &f->ring.storage;
	f->storage[POLLED] = &f->polled.storage;
	f->storage[FOREIGN] = &f->foreign.storage;
	f->storage[INLINE] = &f->at_once.storage;
	for (unsigned i = 0; i < WAYS; i++) {
		echo_queue(&f->queue[i], i, f->storage[i]);
		driver_create(&f->driver[i], &f->rig, &f->queue[i], i * 64 * 1024, 64, 65000);
		load_create(&f->load[i], &f->driver[i], GUEST_DATA + i * 64 * 1024, 32);
	}
}

static void end(struct fixture *f)
{
	for (unsigned i = 0; i < WAYS; i++)
		driver_destroy(&f->driver[i]);
	pthread_mutex_lock(&f->foreign.lock);
	f->foreign.end = true;
	pthread_cond_signal(&f->foreign.work);
	pthread_mutex_unlock(&f->foreign.lock);
	pthread_join(f->foreign.thread, NULL);
	pthread_mutex_destroy(&f->foreign.lock);
	pthread_cond_destroy(&f->foreign.work);
	rig_destroy(&f->rig);
}

/* A queue of each kind, alone: the driver waits asleep, so a wake-up that is lost hangs it. */
static void each_way_alone(void **state)
{
	static const unsigned at_a_time[] = {1, 32, 7};

	(void)state;
	for (int profile = 0; profile < RING_PROFILE_COUNT; profile++) {
		for (unsigned way = 0; way < WAYS; way++) {
			struct fixture f;

			begin(&f, (enum ring_profile)profile, profile ? 0 : 50);
			driver_start(&f.driver[way]);
			for (unsigned k = 0; f.load[way].completed < 700; k++) {
				load_offer(&f.load[way], at_a_time[k % COUNT(at_a_time)]);
				driver_kick(&f.driver[way]);
				load_drain(&f.load[way]);
			}
			driver_stop(&f.driver[way]);
			assert_int_equal(f.load[way].failed, f.load[way].completed / 7);
			end(&f);
		}
	}
}

/* All on one worker, stopped and started now and then. */
static void all_ways_together(void **state)
{
	struct fixture f;
	bool enough = false;

	(void)state;
	begin(&f, RING_DEFER_TASKRUN, 10);
	for (unsigned i = 0; i < WAYS; i++)
		driver_start(&f.driver[i]);
	for (unsigned k = 0; !enough; k++) {
		enough = true;
		for (unsigned i = 0; i < WAYS; i++) {
			load_offer(&f.load[i], 32);
			driver_kick(&f.driver[i]);
			load_collect(&f.load[i]);
			enough = enough && f.load[i].completed > 5000;
		}
		if (k % 100 == 99)
			driver_start_at(&f.driver[k / 100 % WAYS], driver_stop(&f.driver[k / 100 % WAYS]));
		sched_yield();
	}
	for (unsigned i = 0; i < WAYS; i++) {
		load_drain(&f.load[i]);
		driver_stop(&f.driver[i]);
		assert_int_equal(f.load[i].completed, f.load[i].next_tag - 1);
		assert_int_equal(f.load[i].failed, f.load[i].completed / 7);
	}
	end(&f);
}

/* While a polled back end has requests there is no sleep; when it has none, it is not asked. */
static void polled_as_long_as_there_is_something(void **state)
{
	const uint64_t *polls;
	struct fixture f;
	uint64_t before;

	(void)state;
	begin(&f, RING_DEFER_TASKRUN, 0);
	polls = &f.polled.polls;
	driver_start(&f.driver[POLLED]);
	wait_asleep(f.rig.worker);
	assert_int_equal(count_of(polls), 0);
	__atomic_store_n(&f.polled.held, true, __ATOMIC_RELAXED);
	load_offer(&f.load[POLLED], 1);
	driver_kick(&f.driver[POLLED]);
	while (count_of(polls) == 0)
		sched_yield();
	before = count_of(&worker_counters(f.rig.worker)->sleeps);
	while (count_of(polls) < 5000)
		sched_yield();
	assert_int_equal(count_of(&worker_counters(f.rig.worker)->sleeps), before);
	__atomic_store_n(&f.polled.held, false, __ATOMIC_RELAXED);
	load_drain(&f.load[POLLED]);
	wait_asleep(f.rig.worker);
	before = count_of(polls);
	driver_stop(&f.driver[POLLED]);
	assert_int_equal(count_of(polls), before);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_alone),
		cmocka_unit_test(all_ways_together),
		cmocka_unit_test(polled_as_long_as_there_is_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
