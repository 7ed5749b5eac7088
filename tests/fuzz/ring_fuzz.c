/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings and block requests in guest memory, good, bad and changing, served by a
 * real worker: split and packed, with a storage that checks what reaches it.
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "device/blk/blk.h"
#include "driver_side.h"
#include "leaks.h"
#include "nasty.h"
#include "turned_worker.h"

enum { WORKERS = 2, MOST_TURNS = 10000, LOG_PAGES = 32 };

/* One run: what the input has said so far. */
struct run {
	struct input input;
	struct driver_side driver;
	struct virtq_setup setup;
	int kick, call;
};

static struct worker *worker[WORKERS];
static struct mailbox control;
static struct ram ram;
static struct nasty nasty;
static struct blk blk;
static bool running;
static uint8_t log_bits[LOG_PAGES / 8];
static struct dirty_log dirty = {.bits = log_bits, .pages = LOG_PAGES, .event_fd = -1};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	for (unsigned i = 0; i < WORKERS; i++)
		worker[i] = turned_worker_create();
	MUST(mailbox_init(&control) == 0);
	ram_create(&ram);
	return 0;
}

static struct queue *the_queue(void)
{
	return &blk.queue[0].queue;
}

static void on_stopped(struct queue *queue)
{
	MUST(queue->in_flight == 0 && nasty.held_count == 0);
	running = false;
}

static void work(void)
{
	/* Twice, since a queue may come from the second to the first. */
	for (unsigned i = 0; i < 2 * WORKERS; i++)
		turned_worker_work(worker[i % WORKERS]);
	mailbox_run(&control);
}

static void stop(struct run *run)
{
	if (!running)
		return;
	queue_stop(the_queue(), &control, on_stopped);
	for (unsigned turns = 0; running; turns++) {
		MUST(turns < MOST_TURNS);
		turned_worker_turn(worker[turns % WORKERS]);
		mailbox_run(&control);
	}
	run->setup.base = virtq_base(&the_queue()->vq);
}

static void start(struct run *run)
{
	struct queue_setup setup = {
		.ring = run->setup, .kick_fd = dup(run->kick), .call_fd = dup(run->call), .err_fd = -1};
	struct error err = {0};

	if (running) {
		close(setup.kick_fd);
		close(setup.call_fd);
		return;
	}
	running = queue_start(the_queue(), worker[0], &setup, &err) == 0;
	MUST(running || (err.code < 0 && err.text[0]));
}

static void step(struct run *run)
{
	struct driver_side *driver = &run->driver;
	struct input *input = &run->input;

	switch (input_u8(input) % 16) {
	case 0:
		driver_side_bytes(driver, input);
		break;
	case 1:
		driver_side_descriptor(driver, input);
		break;
	case 2:
		driver_side_offer(driver, input_u16(input) % (DRIVER_SIDE_MOST + 1));
		break;
	case 3:
		stop(run);
		break;
	case 4:
		stop(run);
		run->setup.base = input_u32(input);
		start(run);
		break;
	case 5:
		driver_side_header(driver, input, ram_any_address(input));
		break;
	case 6:
		if (running)
			MUST(queue_set_call(the_queue(), dup(run->call)) == 0);
		break;
	case 7:
	case 8:
		start(run);
		eventfd_write(run->kick, 1);
		work();
		break;
	case 9:
		storage_set_size(&nasty.storage, input_u8(input) * 4096ull);
		break;
	case 10:
		if (running)
			queue_move(the_queue(), worker[input_u8(input) % WORKERS]);
		break;
	default:
		driver_side_request(driver, input);
	}
}

/* A second thread that changes the rings all the time. A race by intent: ram_write() is not looked at for one. */
static void *change_all_the_time(void *stop_flag)
{
	uint64_t seed = 0x123456789abcdef;

	while (!__atomic_load_n((bool *)stop_flag, __ATOMIC_RELAXED)) {
		uint64_t value;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		value = seed >> 40;
		ram_write(&ram, seed % RAM_DATA, &value, 1 + (seed >> 32) % 2);
	}
	return NULL;
}

static void put_into_ram(void *memory, uint64_t guest, const void *bytes, size_t length)
{
	ram_write(memory, guest, bytes, length);
}

static void set_up_ring(struct run *run, uint8_t layout, uint8_t abilities, uint8_t service)
{
	const bool packed = layout & 1;
	const uint32_t size = packed ? 1u + (layout >> 2) % DRIVER_SIDE_MOST : 1u << (layout >> 2) % 7;

	run->driver = (struct driver_side){
		.put = put_into_ram,
		.any_address = ram_any_address,
		.memory = &ram,
		.desc = RAM_DESC,
		.avail = RAM_AVAIL,
		.tables = RAM_TABLES,
		.headers = RAM_HEADERS,
		.data = RAM_DATA,
		.size = size,
		.packed = packed,
		.wrap = true,
	};
	run->setup = (struct virtq_setup){
		.map = &ram.map,
		.size = size,
		.base = virtq_first_base(packed),
		.desc = RAM_USER + RAM_DESC,
		.avail = RAM_USER + RAM_AVAIL,
		.used = RAM_USER + RAM_USED,
		.packed = packed,
		.event_idx = abilities & 0x20,
		.indirect = !(abilities & 0x40),
		.log = service & 1 ? &dirty : NULL,
		.ring_log = service & 2 ? &dirty : NULL,
		.used_log = RAM_USED,
	};
	/* Parts of the ring that lie on each other, or elsewhere. */
	if (abilities & 0x80) {
		run->setup.desc = RAM_USER + input_u16(&run->input) * 4ull;
		run->setup.avail = RAM_USER + input_u16(&run->input) * 2ull;
		run->setup.used = RAM_USER + input_u16(&run->input) * 4ull;
	}
}

/* True where a second thread is to disturb. */
static bool set_up(struct run *run)
{
	struct input script = input_cut(&run->input);
	const uint8_t layout = input_u8(&run->input), abilities = input_u8(&run->input),
		      service = input_u8(&run->input);
	struct error err;

	ram_clear(&ram);
	nasty_init(&nasty, &ram, script, abilities);
	MUST(blk_init(&blk, "fuzz", "serial", 1, &nasty.storage, &err) == 0);
	the_queue()->policy = (struct queue_policy){
		.poll = POLL_NEVER, .coalesce_count = service & 4 ? 8 : 0, .coalesce_ns = service & 4 ? 1000 : 0};
	set_up_ring(run, layout, abilities, service);
	run->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	run->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return service >> 3 == 31;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = {.input = {data, size}};
	bool done = false, disturbed;
	const unsigned descriptors = open_descriptors();
	pthread_t thread;

	disturbed = set_up(&run);
	if (disturbed)
		MUST(pthread_create(&thread, NULL, change_all_the_time, &done) == 0);
	while (run.input.left)
		step(&run);
	start(&run);
	work();
	stop(&run);
	if (disturbed) {
		__atomic_store_n(&done, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
	}
	blk_destroy(&blk);
	close(run.kick);
	close(run.call);
	MUST(open_descriptors() == descriptors);
	return 0;
}
