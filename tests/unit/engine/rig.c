/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

#define WORKER_INDEX 7 /* for the name of its thread */

void rig_create(struct rig *rig, enum ring_profile best, uint32_t poll_max_us)
{
	const struct worker_options options = {
		.index = WORKER_INDEX, .poll_max_us = poll_max_us, .best_ring = best, .restrict_ring = true};
	static bool calibrated;
	struct error err = {0};

	if (!calibrated)
		clock_init();
	calibrated = true;
	guest_create(&rig->guest);
	assert_int_equal(mailbox_init(&rig->control), 0);
	rig->worker = worker_create(&options, &err);
	if (!rig->worker || worker_start(rig->worker, &err) < 0)
		fail_msg("%s", err.text);
}

void rig_destroy(struct rig *rig)
{
	worker_destroy(rig->worker);
	mailbox_destroy(&rig->control);
	guest_destroy(&rig->guest);
}

void wait_readable(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	int ret;

	do {
		ret = poll(&wait, 1, RIG_DEADLINE_MS);
	} while (ret < 0 && errno == EINTR);
	if (ret != 1)
		fail_msg("nothing came to descriptor %d", fd);
}

bool is_readable(int fd)
{
	struct pollfd look = {.fd = fd, .events = POLLIN};

	return poll(&look, 1, 0) == 1;
}

uint64_t read_event(int fd)
{
	eventfd_t value = 0;

	return eventfd_read(fd, &value) ? 0 : value;
}

void rig_run_control(struct rig *rig)
{
	wait_readable(rig->control.event_fd);
	read_event(rig->control.event_fd);
	mailbox_run(&rig->control);
}

struct marker {
	struct mailbox_message message; /* first */
	sem_t passed;
};

static void pass_marker(struct mailbox_message *message)
{
	sem_post(&((struct marker *)message)->passed);
}

void rig_let_worker_turn(struct rig *rig)
{
	struct marker marker = {.message.run = pass_marker};

	sem_init(&marker.passed, 0, 0);
	/* A turn begins with the messages: between the first and the second lies all the rest of one. */
	for (unsigned i = 0; i < 2; i++) {
		worker_post(rig->worker, &marker.message);
		while (sem_wait(&marker.passed) < 0)
			continue;
	}
	sem_destroy(&marker.passed);
}

bool rig_has_packed_rings(void)
{
	const char *ring = getenv("RING");

	return ring && strcmp(ring, "packed") == 0;
}

void driver_create(struct driver *driver, struct rig *rig, struct queue *queue, uint64_t at, uint32_t size,
		   uint16_t start)
{
	*driver = (struct driver){.rig = rig, .queue = queue, .event_idx = true, .packed = rig_has_packed_rings()};
	if (driver->packed)
		hand_packed_create(&driver->packed_ring, &rig->guest, at, size, (uint16_t)(start % size), true);
	else
		hand_ring_create(&driver->ring, &rig->guest, at, size, start);
	driver->kicked = driver->packed ? driver->packed_ring.avail : start;
	driver->kicked_wrap = true;
	driver->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	driver->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	driver->err_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void driver_destroy(struct driver *driver)
{
	close_fd(driver->kick_fd);
	close_fd(driver->call_fd);
	close_fd(driver->err_fd);
}

static int duplicate(int fd)
{
	return fd < 0 ? -1 : dup(fd);
}

static struct virtq_setup driver_ring(const struct driver *driver)
{
	return driver->packed ? hand_packed_setup(&driver->packed_ring) : hand_ring_setup(&driver->ring);
}

void driver_start_at(struct driver *driver, uint32_t base)
{
	struct queue_setup setup = {
		.ring = driver_ring(driver),
		.kick_fd = duplicate(driver->kick_fd),
		.call_fd = duplicate(driver->call_fd),
		.err_fd = duplicate(driver->err_fd),
		.quota = driver->quota,
	};
	struct error err = {0};

	setup.ring.base = base;
	setup.ring.event_idx = driver->event_idx;
	if (queue_start(driver->queue, driver->rig->worker, &setup, &err) < 0)
		fail_msg("%s", err.text);
}

void driver_start(struct driver *driver)
{
	driver_start_at(driver, driver_ring(driver).base);
}

/* Queues that have stopped and whose drivers have not noticed. */
static const struct queue *stopped[16];

static const struct queue **find_stopped(const struct queue *queue)
{
	for (unsigned i = 0; i < sizeof(stopped) / sizeof(stopped[0]); i++) {
		if (stopped[i] == queue)
			return &stopped[i];
	}
	return NULL;
}

static void on_stopped(struct queue *queue)
{
	const struct queue **slot = find_stopped(NULL);

	assert_non_null(slot);
	*slot = queue;
}

void driver_ask_to_stop(struct driver *driver)
{
	queue_stop(driver->queue, &driver->rig->control, on_stopped);
}

bool driver_has_stopped(const struct driver *driver)
{
	mailbox_run(&driver->rig->control);
	return find_stopped(driver->queue) != NULL;
}

uint32_t driver_wait_stopped(struct driver *driver)
{
	while (!driver_has_stopped(driver))
		rig_run_control(driver->rig);
	*find_stopped(driver->queue) = NULL;
	return virtq_base(&driver->queue->vq);
}

uint32_t driver_stop(struct driver *driver)
{
	driver_ask_to_stop(driver);
	return driver_wait_stopped(driver);
}

void driver_forget(struct driver *driver)
{
	struct hand_packed *ring = &driver->packed_ring;

	if (driver->packed) {
		hand_packed_create(ring, ring->guest, ring->desc_at, ring->size, ring->avail, ring->avail_wrap);
		driver->kicked = ring->avail;
		driver->kicked_wrap = ring->avail_wrap;
	}
}

/* By steps: whether the place that the device waits for was passed since the last kick (virtio 1.2, 2.8.10). */
static bool wanted_by_packed(struct driver *driver)
{
	const struct hand_packed *ring = &driver->packed_ring;
	const uint32_t word = __atomic_load_n((const uint32_t *)ring->device, __ATOMIC_RELAXED);
	const struct vring_packed_desc_event wish = {.off_wrap = (uint16_t)word, .flags = (uint16_t)(word >> 16)};
	bool wanted = wish.flags == VRING_PACKED_EVENT_FLAG_ENABLE;

	while (driver->kicked != ring->avail || driver->kicked_wrap != ring->avail_wrap) {
		wanted = wanted || (wish.flags == VRING_PACKED_EVENT_FLAG_DESC &&
				    wish.off_wrap == (driver->kicked | (driver->kicked_wrap ? 0x8000 : 0)));
		if (++driver->kicked == ring->size) {
			driver->kicked = 0;
			driver->kicked_wrap = !driver->kicked_wrap;
		}
	}
	return wanted;
}

static bool wanted_by_split(struct driver *driver)
{
	struct hand_ring *ring = &driver->ring;
	const uint16_t before = driver->kicked;

	driver->kicked = ring->offered;
	if (driver->event_idx)
		return vring_need_event(__atomic_load_n(hand_ring_avail_event(ring), __ATOMIC_RELAXED), ring->offered,
					before);
	return !(__atomic_load_n(&ring->used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
}

void driver_kick(struct driver *driver)
{
	bool wanted;

	/* Pairs with the device's between saying whether it wants kicks and looking once more (virtio 1.2, 2.7.13.4).
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = driver->packed ? wanted_by_packed(driver) : wanted_by_split(driver);
	if (wanted && driver->kick_fd >= 0)
		assert_int_equal(eventfd_write(driver->kick_fd, 1), 0);
}

void driver_offer(struct driver *driver, uint16_t head)
{
	hand_ring_offer(&driver->ring, head);
	driver_kick(driver);
}

void driver_put(struct driver *driver, const struct vring_desc *chain, unsigned count, uint16_t head)
{
	struct vring_packed_desc packed[160];

	assert_true(count <= sizeof(packed) / sizeof(packed[0]));
	for (unsigned i = 0; i < count; i++) {
		const uint16_t flags = (uint16_t)(chain[i].flags | (i + 1 < count ? VRING_DESC_F_NEXT : 0));

		if (driver->packed)
			packed[i] = (struct vring_packed_desc){chain[i].addr, chain[i].len, 0, chain[i].flags};
		else
			hand_ring_write(&driver->ring, head + i, chain[i].addr, chain[i].len, flags,
					(uint16_t)(head + i + 1));
	}
	if (driver->packed)
		hand_packed_offer(&driver->packed_ring, packed, (uint16_t)count, head);
	else
		hand_ring_offer(&driver->ring, head);
}

bool driver_collect(struct driver *driver, struct vring_used_elem *element)
{
	struct vring_packed_desc used;

	if (!driver->packed)
		return hand_ring_collect(&driver->ring, element);
	if (!hand_packed_collect(&driver->packed_ring, &used))
		return false;
	*element = (struct vring_used_elem){.id = used.id, .len = used.len};
	return true;
}

/* Ask for a call at the next used element. */
static void ask_for_call(struct driver *driver)
{
	struct hand_packed *ring = &driver->packed_ring;

	if (driver->packed && driver->event_idx) {
		__atomic_store_n((uint32_t *)ring->driver,
				 ring->used | (ring->used_wrap ? 0x8000u : 0) |
					 (uint32_t)VRING_PACKED_EVENT_FLAG_DESC << 16,
				 __ATOMIC_RELEASE);
	} else if (!driver->packed) {
		__atomic_store_n(hand_ring_used_event(&driver->ring), driver->ring.seen, __ATOMIC_RELAXED);
	}
	/* Pairs with the device's between publishing and reading our wish (virtio 1.2, 2.7.7.2). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

struct vring_used_elem driver_wait(struct driver *driver)
{
	struct vring_used_elem element;

	while (!driver_collect(driver, &element)) {
		read_event(driver->call_fd);
		ask_for_call(driver);
		if (driver_collect(driver, &element))
			break;
		wait_readable(driver->call_fd);
	}
	return element;
}

uint64_t count_of(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* One letter from /proc: S is asleep. */
static char thread_state(const char *task)
{
	char path[300], line[256], *end;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/stat", task);
	file = fopen(path, "re");
	if (!file)
		return 0;
	end = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	if (!end || !strstr(line, "(worker-"))
		return 0;
	return end[2];
}

/* Every worker's thread of this process sleeps. */
static bool workers_sleep(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *task;
	bool asleep = true;

	assert_non_null(tasks);
	while ((task = readdir(tasks))) {
		char state = thread_state(task->d_name);

		asleep = asleep && (state == 0 || state == 'S');
	}
	closedir(tasks);
	return asleep;
}

void wait_asleep(const struct worker *worker)
{
	const struct worker_counters *counters = worker_counters(worker);
	const uint64_t start = clock_monotonic_ns();

	while (clock_monotonic_ns() - start < RIG_DEADLINE_MS * 1000000ull) {
		uint64_t sleeps = count_of(&counters->sleeps), turns = count_of(&counters->turns);

		/* Seen asleep between two equal counts: it slept all the while. */
		if (sleeps && workers_sleep() && count_of(&counters->turns) == turns &&
		    count_of(&counters->sleeps) == sleeps)
			return;
		sched_yield();
	}
	fail_msg("the worker does not fall asleep");
}
