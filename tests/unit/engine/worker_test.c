/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's thread: where it runs, what it runs, how it begins and ends. */
#include "rig.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"

struct note {
	struct mailbox_message message; /* first */
	sem_t done;
	pthread_t thread;
	cpu_set_t cpus;
	sigset_t blocked;
	char name[16];
};

static void look_around(struct mailbox_message *message)
{
	struct note *note = (struct note *)message;

	note->thread = pthread_self();
	pthread_getaffinity_np(note->thread, sizeof(note->cpus), &note->cpus);
	pthread_sigmask(SIG_SETMASK, NULL, &note->blocked);
	pthread_getname_np(note->thread, note->name, sizeof(note->name));
	sem_post(&note->done);
}

static void ask(struct worker *worker, struct note *note)
{
	memset(note, 0, sizeof(*note));
	note->message.run = look_around;
	sem_init(&note->done, 0, 0);
	worker_post(worker, &note->message);
	while (sem_wait(&note->done) < 0)
		continue;
	sem_destroy(&note->done);
}

static struct worker *create(const struct worker_options *options)
{
	struct error err = {0};
	struct worker *worker = worker_create(options, &err);

	if (!worker || worker_start(worker, &err) < 0)
		fail_msg("%s", err.text);
	return worker;
}

static void a_thread_of_its_own(void **state)
{
	struct worker *worker = create(&(struct worker_options){.index = 3, .poll_max_us = 10});
	struct note note;

	(void)state;
	ask(worker, &note);
	assert_false(pthread_equal(note.thread, pthread_self()));
	assert_string_equal(note.name, "worker-3");
	/* Signals are the control thread's. */
	assert_true(sigismember(&note.blocked, SIGTERM));
	assert_true(sigismember(&note.blocked, SIGPIPE));
	assert_true(sigismember(&note.blocked, SIGCHLD));
	worker_destroy(worker);
	pthread_sigmask(SIG_SETMASK, NULL, &note.blocked);
	assert_false(sigismember(&note.blocked, SIGTERM));
}

static void on_the_cpus_it_was_given(void **state)
{
	cpu_set_t allowed, one;
	unsigned cpu = 0;
	struct worker *worker;
	struct note note;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	while (!CPU_ISSET(cpu, &allowed))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	worker = create(&(struct worker_options){.cpus = &one});
	ask(worker, &note);
	assert_true(CPU_EQUAL(&note.cpus, &one));
	worker_destroy(worker);
}

static void cpus_that_are_not_there(void **state)
{
	const unsigned before = count_open_fds();
	struct error err = {0};
	struct worker *worker;
	cpu_set_t none;

	(void)state;
	CPU_ZERO(&none);
	CPU_SET(CPU_SETSIZE - 1, &none);
	worker = worker_create(&(struct worker_options){.index = 5, .cpus = &none}, &err);
	assert_non_null(worker);
	assert_int_equal(worker_start(worker, &err), -EINVAL);
	worker_destroy(worker);
	assert_contains(err.text, "worker 5");
	assert_int_equal(count_open_fds(), before);
}

static struct {
	unsigned count;
	bool disordered;
} received;

struct numbered {
	struct mailbox_message message; /* first */
	unsigned number;
};

static void receive(struct mailbox_message *message)
{
	received.disordered |= ((struct numbered *)message)->number != received.count++;
}

/* What was posted before the end is run before the end. */
static void messages_before_the_end(void **state)
{
	struct numbered messages[1000];

	(void)state;
	for (int profile = 0; profile < RING_PROFILE_COUNT; profile++) {
		const unsigned before = count_open_fds();
		struct worker *worker = create(&(struct worker_options){.best_ring = (enum ring_profile)profile});

		assert_true(worker_ring_profile(worker) >= (enum ring_profile)profile);
		memset(&received, 0, sizeof(received));
		for (unsigned i = 0; i < 1000; i++) {
			messages[i] = (struct numbered){.message.run = receive, .number = i};
			worker_post(worker, &messages[i].message);
		}
		worker_destroy(worker);
		assert_int_equal(received.count, 1000);
		assert_false(received.disordered);
		assert_int_equal(count_open_fds(), before);
	}
}

/* Begun and ended again and again, asleep, looking, or not even that far. */
static void many_short_lives(void **state)
{
	const unsigned before = count_open_fds();

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		struct worker *worker = create(&(struct worker_options){
			.best_ring = (enum ring_profile)(i % RING_PROFILE_COUNT), .poll_max_us = i % 4 * 100});

		if (i % 3 == 0)
			wait_asleep(worker);
		worker_destroy(worker);
	}
	assert_int_equal(count_open_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_of_its_own),     cmocka_unit_test(on_the_cpus_it_was_given),
		cmocka_unit_test(cpus_that_are_not_there), cmocka_unit_test(messages_before_the_end),
		cmocka_unit_test(many_short_lives),
	};

	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
