/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages with descriptors, in any order and cut anywhere, to a session whose
 * device writes down what it is asked and checks that (tests/unit/vhost/stage.h):
 * that nothing runs when memory changes or is forgotten, that queues are asked
 * to stop once and only when they run.
 */
#include "stage.h"

#include <sys/socket.h>
#include <unistd.h>

#include "leaks.h"
#include "messages.h"

enum { QUEUES = 3 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* The stage's assertions are cmocka's: outside its tests they are to crash. */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	MUST(memguard_install(-1) == 0);
	front_init();
	return 0;
}

/* As the daemon does: a session that waits for its queues is not read. */
static void work(struct stage *stage)
{
	if (stage->alive && !vhost_session_busy(stage->session))
		stage->alive = vhost_session_readable(stage->session);
}

static void step(struct stage *stage, struct front *front, struct input *input)
{
	switch (input_u8(input) % 16) {
	case 0:
		stage_drain(stage, input_u16(input));
		break;
	case 1:
		front_listen(front);
		break;
	case 2:
		front_negotiate(front, input_u64(input) & (STAGE_FEATURES | 1ull << 30), input_u32(input));
		break;
	case 3:
		front_set_memory(front);
		break;
	case 4:
		front_set_up_ring(front, input_u8(input) % QUEUES, 16, input_u16(input));
		break;
	case 5:
		vhost_session_config_changed(stage->session);
		break;
	case 6:
		/* Not below where it may be touched by the stage, which is not guarded while it is being mapped. */
		MUST(ftruncate(front->ram, input_u8(input) * 1024) == 0);
		break;
	case 7:
		if (front->socket >= 0)
			shutdown(front->socket, SHUT_WR);
		break;
	default:
		front_say_anything(front, input);
	}
	work(stage);
	if (stage->alive && vhost_session_lost_memory(stage->session))
		stage->alive = false;
	stage->trace[0] = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	static struct stage stage;
	struct front front;
	const unsigned descriptors = open_descriptors();

	stage_create(&stage, QUEUES);
	front_open(&front, dup(stage.front));
	while (input.left && stage.alive)
		step(&stage, &front, &input);
	front_close(&front);
	stage_destroy(&stage);
	MUST(open_descriptors() == descriptors);
	return 0;
}
