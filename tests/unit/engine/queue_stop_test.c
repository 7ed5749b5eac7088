/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping a queue: it drains, wherever the driver and the storage are at that moment. */
#include "echo.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/* A message that kicks the queue at the start of each turn of its worker. */
struct kicker {
	struct mailbox_message message;
	struct worker *worker;
	int fd;
	bool enough;
};

static void kick_again(struct mailbox_message *message)
{
	struct kicker *kicker = (struct kicker *)message;

	if (__atomic_load_n(&kicker->enough, __ATOMIC_ACQUIRE))
		return;
	eventfd_write(kicker->fd, 1);
	worker_post(kicker->worker, message);
}

/* A driver may kick as often as it likes: it cannot keep a queue from stopping. */
static void kicks_all_the_time(void **state)
{
	(void)state;
	for (int profile = 0; profile < RING_PROFILE_COUNT; profile++) {
		struct storage *storage;
		struct kicker kicker = {.message.run = kick_again};
		struct driver driver;
		struct queue queue;
		struct error err;
		struct rig rig;

		rig_create(&rig, (enum ring_profile)profile, 0);
		assert_int_equal(storage_null_open("test", MIB, false, &storage, &err), 0);
		echo_queue(&queue, 0, storage);
		driver_create(&driver, &rig, &queue, 0, 8, 0);
		driver_start(&driver);
		kicker.worker = rig.worker;
		kicker.fd = driver.kick_fd;
		worker_post(rig.worker, &kicker.message);
		driver_stop(&driver);
		__atomic_store_n(&kicker.enough, true, __ATOMIC_RELEASE);
		driver_destroy(&driver);
		rig_destroy(&rig);
		storage_close(storage);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kicks_all_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
