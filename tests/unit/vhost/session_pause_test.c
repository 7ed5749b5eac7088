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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_pause_during_a_message, stage_set_up, stage_tear_down),
		cmocka_unit_test_setup_teardown(a_pause_that_is_called_off, stage_set_up, stage_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
