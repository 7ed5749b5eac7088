/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between threads: none is lost, none overtakes another of its sender, and the receiver is woken. */
#include "rig.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct note {
	struct mailbox_message message; /* first */
	unsigned sender, number;
};

/* What has been received, by one thread. */
static struct {
	unsigned count;
	unsigned next[8]; /* number expected of each sender */
	bool disordered;
} inbox;

static void receive(struct mailbox_message *message)
{
	const struct note *note = (struct note *)message;

	inbox.count++;
	inbox.disordered |= note->number != inbox.next[note->sender]++;
}

static void in_the_order_of_posting(void **state)
{
	struct note notes[5];
	struct mailbox mailbox;

	(void)state;
	memset(&inbox, 0, sizeof(inbox));
	assert_int_equal(mailbox_init(&mailbox), 0);
	assert_false(mailbox_has_messages(&mailbox));
	assert_false(mailbox_run(&mailbox));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 5; i++) {
			/* What has been received may be sent again. */
			notes[i] = (struct note){.message.run = receive, .number = round * 5 + i};
			mailbox_post(&mailbox, &notes[i].message);
		}
		assert_true(mailbox_has_messages(&mailbox));
		assert_true(mailbox_run(&mailbox));
		assert_false(mailbox_run(&mailbox));
		assert_int_equal(inbox.count, (round + 1) * 5);
	}
	assert_false(inbox.disordered);
	mailbox_destroy(&mailbox);
}

/* The first message into an empty mailbox wakes, and no other: the receiver takes all there is. */
static void one_wake_up_for_many(void **state)
{
	struct note notes[4] = {{.number = 0}};
	struct mailbox mailbox;

	(void)state;
	assert_int_equal(mailbox_init(&mailbox), 0);
	assert_false(is_readable(mailbox.event_fd));
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 4; i++) {
			notes[i].message.run = receive;
			mailbox_post(&mailbox, &notes[i].message);
		}
		assert_true(is_readable(mailbox.event_fd));
		assert_int_equal(read_event(mailbox.event_fd), 1);
		assert_true(mailbox_run(&mailbox));
		assert_false(is_readable(mailbox.event_fd));
	}
	mailbox_destroy(&mailbox);
}

struct returning {
	struct mailbox_message message; /* first */
	struct mailbox *mailbox;
	unsigned times;
};

static void come_back(struct mailbox_message *message)
{
	struct returning *returning = (struct returning *)message;

	if (++returning->times < 3)
		mailbox_post(returning->mailbox, message);
}

/* A message that posts itself does not keep its receiver for ever. */
static void a_message_that_posts_itself(void **state)
{
	struct returning returning = {.message.run = come_back};
	struct mailbox mailbox;

	(void)state;
	assert_int_equal(mailbox_init(&mailbox), 0);
	returning.mailbox = &mailbox;
	mailbox_post(&mailbox, &returning.message);
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(is_readable(mailbox.event_fd));
		read_event(mailbox.event_fd);
		assert_true(mailbox_run(&mailbox));
		assert_int_equal(returning.times, i);
	}
	assert_false(mailbox_run(&mailbox));
	mailbox_destroy(&mailbox);
}

enum { SENDERS = 4, EACH = 20000 };

struct sender {
	struct mailbox *mailbox;
	struct note *notes;
};

static void *send_all(void *argument)
{
	struct sender *sender = argument;

	for (unsigned i = 0; i < EACH; i++) {
		mailbox_post(sender->mailbox, &sender->notes[i].message);
		if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

/* The receiver sleeps on the descriptor alone: a wake-up that is lost hangs it. */
static void from_many_threads(void **state)
{
	struct sender senders[SENDERS];
	pthread_t threads[SENDERS];
	struct mailbox mailbox;

	(void)state;
	memset(&inbox, 0, sizeof(inbox));
	assert_int_equal(mailbox_init(&mailbox), 0);
	for (unsigned s = 0; s < SENDERS; s++) {
		senders[s] = (struct sender){.mailbox = &mailbox, .notes = calloc(EACH, sizeof(struct note))};
		for (unsigned i = 0; i < EACH; i++)
			senders[s].notes[i] = (struct note){.message.run = receive, .sender = s, .number = i};
		assert_int_equal(pthread_create(&threads[s], NULL, send_all, &senders[s]), 0);
	}
	while (inbox.count < SENDERS * EACH) {
		wait_readable(mailbox.event_fd);
		read_event(mailbox.event_fd);
		mailbox_run(&mailbox);
	}
	for (unsigned s = 0; s < SENDERS; s++) {
		pthread_join(threads[s], NULL);
		free(senders[s].notes);
		assert_int_equal(inbox.next[s], EACH);
	}
	assert_false(inbox.disordered);
	assert_int_equal(inbox.count, SENDERS * EACH);
	assert_false(mailbox_has_messages(&mailbox));
	mailbox_destroy(&mailbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_the_order_of_posting),
		cmocka_unit_test(one_wake_up_for_many),
		cmocka_unit_test(a_message_that_posts_itself),
		cmocka_unit_test(from_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
