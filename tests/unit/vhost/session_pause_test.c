/* SPDX-License-Identifier: Apache-2.0 */
/* A session stands still where it is, whatever it was doing, and goes on from there. */
#include "stage.h"

/* A pause while queues stop for a message: the message is carried out first, nothing is started after it. */
static void a_pause_during_a_message(void **state)
{
	struct stage *stage = *state;

	stage_run(stage);
	say_state(stage, VHOST_GET_VRING_BASE, 0, 0);
	assert_false(vhost_session_pause(stage->session));
	stage_drain(stage, 5);
	hear(stage, VHOST_GET_VRING_BASE);
	assert_false(vhost_session_paused(stage->session));
	stage_drain(stage, 6);
	assert_true(vhost_session_paused(stage->session));
	assert_heard(stage, "stop 0; stop 1");
	vhost_session_resume(stage->session);
	assert_heard(stage, "start 1");
}

static void a_pause_that_is_called_off(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg question = message(VHOST_GET_QUEUE_NUM, NULL, 0);

	stage_run(stage);
	/* While queues drain. */
	assert_false(vhost_session_pause(stage->session));
	vhost_session_resume(stage->session);
	assert_heard(stage, "stop 0; stop 1");
	stage_drain(stage, 9);
	assert_heard(stage, "start 0; start 1");
	assert_int_equal(stage->queue[0].setup.ring.base, 9);
	/* Afterwards. What the front end said meanwhile waits. */
	assert_false(vhost_session_pause(stage->session));
	stage_drain(stage, 10);
	assert_true(vhost_session_paused(stage->session));
	put_message(stage, &question);
	assert_true(vhost_session_readable(stage->session));
	hear_nothing(stage);
	vhost_session_resume(stage->session);
	assert_heard(stage, "stop 0; stop 1; start 0; start 1");
	assert_true(vhost_session_readable(stage->session));
	hear_u64(stage, VHOST_GET_QUEUE_NUM);
}

/* Nothing runs, yet the front end is heard: it sets rings up and stops them as ever. */
static void quiet_and_heard(void **state)
{
	struct stage *stage = *state;
	struct vhost_msg answer;

	stage_run(stage);
	vhost_session_quiet(stage->session, true);
	assert_false(vhost_session_is_quiet(stage->session));
	assert_heard(stage, "stop 0; stop 1");
	stage_drain(stage, 7);
	assert_true(vhost_session_is_quiet(stage->session));
	say(stage, VHOST_GET_QUEUE_NUM);
	hear_u64(stage, VHOST_GET_QUEUE_NUM);
	/* A ring that the front end stops was stopped where it is; one that it enables does not run. */
	say_state(stage, VHOST_GET_VRING_BASE, 1, 0);
	answer = hear(stage, VHOST_GET_VRING_BASE);
	assert_int_equal(answer.payload.state.num, 7);
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 0);
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 1);
	assert_heard(stage, "");
	vhost_session_quiet(stage->session, false);
	assert_heard(stage, "start 0");
	assert_int_equal(stage->queue[0].setup.ring.base, 7);
}

/* Asked for while a message waits for a queue, or taken back while queues drain. */
static void quiet_in_between(void **state)
{
	struct stage *stage = *state;

	stage_run(stage);
	say_state(stage, VHOST_GET_VRING_BASE, 0, 0);
	vhost_session_quiet(stage->session, true);
	assert_heard(stage, "stop 0");
	stage_drain(stage, 5);
	hear(stage, VHOST_GET_VRING_BASE);
	assert_heard(stage, "stop 1");
	assert_false(vhost_session_is_quiet(stage->session));
	vhost_session_quiet(stage->session, false);
	assert_heard(stage, "");
	stage_drain(stage, 6);
	assert_heard(stage, "start 1");
	assert_false(vhost_session_is_quiet(stage->session));
}

/* An upgrade in place that comes while a disk is quiet, and is called off, does not wake it. */
static void quiet_beside_a_pause(void **state)
{
	struct stage *stage = *state;

	stage_run(stage);
	vhost_session_quiet(stage->session, true);
	stage_drain(stage, 5);
	assert_true(vhost_session_pause(stage->session));
	vhost_session_resume(stage->session);
	assert_heard(stage, "stop 0; stop 1");
	vhost_session_quiet(stage->session, false);
	assert_heard(stage, "start 0; start 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_pause_during_a_message, stage_set_up, stage_tear_down),
		cmocka_unit_test_setup_teardown(a_pause_that_is_called_off, stage_set_up, stage_tear_down),
		cmocka_unit_test_setup_teardown(quiet_and_heard, stage_set_up, stage_tear_down),
		cmocka_unit_test_setup_teardown(quiet_in_between, stage_set_up, stage_tear_down),
		cmocka_unit_test_setup_teardown(quiet_beside_a_pause, stage_set_up, stage_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
