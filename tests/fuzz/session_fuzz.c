/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front end and its driver against a whole disk: messages and rings together,
 * memory that changes and goes away, all of it real but that the workers'
 * loops are turned by hand. A session ends when its front end has left, and
 * nothing of it stays.
 */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/disk.h"
#include "control/placement.h"
#include "driver_side.h"
#include "leaks.h"
#include "messages.h"
#include "turned_worker.h"

enum { FLAVOURS = 5, QUEUES = 4, RING_SIZE = 16 };

/* Long enough for a machine that is busy with other things: no session may take longer to end. */
#define DEADLINE_NS 60000000000ull

/* The daemon around the disk. */
static struct loop loop;
static struct mailbox mailbox;
static struct placement placement;
static struct loop_source messages, lost_memory;
static struct config *config;
static struct disk disks[FLAVOURS];
static int listening[FLAVOURS];

struct run {
	struct disk *disk;
	struct input input;
	struct front front;
	struct driver_side driver[QUEUES];
};

static const char configuration[] =
	"workers: 2\n"
	"disks:\n"
	"  - {name: empty, socket: /1, queues: 4, null: 1MiB}\n"
	"  - {name: failing, socket: /2, queues: 4, null: 1MiB, queue-size-max: 64,\n"
	"     fault: [{on: [read, write, flush], rate: 0.3, error: EIO}], delay: {mean-us: 20, distribution: uniform,\n"
	"     spread-us: 20}}\n"
	"  - {name: cached, socket: /3, queues: 4, file: /proc/self/fd/%1$d, cache: writeback}\n"
	"  - {name: direct, socket: /4, queues: 4, file: /proc/self/fd/%2$d, cache: none}\n"
	"  - {name: fixed, socket: /5, queues: 4, file: /proc/self/fd/%3$d, cache: writethrough, read-only: true}\n";

static void messages_ready(struct loop_source *source)
{
	eventfd_t count;

	(void)!eventfd_read(source->fd, &count);
	mailbox_run(&mailbox);
}

static void memory_was_lost(struct loop_source *source)
{
	eventfd_t count;

	(void)!eventfd_read(source->fd, &count);
	for (unsigned i = 0; i < FLAVOURS; i++)
		disk_check_memory(&disks[i]);
}

static void disk_changed(struct disk_host *host)
{
	(void)host;
}

static struct disk_host host = {.loop = &loop, .placement = &placement, .mailbox = &mailbox, .changed = disk_changed};

/* An image of 1 MiB, on a file system with O_DIRECT where there is one. */
static int make_image(const char *directory)
{
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		fd = memfd_create("image", MFD_CLOEXEC);
	MUST(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
	return fd;
}

static void must(int ret, const struct error *err)
{
	if (ret == 0)
		return;
	fprintf(stderr, "%s\n", err->text);
	abort();
}

static void load_configuration(void)
{
	int file = memfd_create("config", MFD_CLOEXEC);
	struct error err = {0};
	char path[64];

	MUST(dprintf(file, configuration, make_image("/dev/shm"), make_image("/var/tmp"), make_image("/var/tmp")) > 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	must(config_load(path, &config, &err), &err);
	MUST(config->disk_count == FLAVOURS);
	/* Each input is a connection: thousands a second are what is wanted here. */
	for (unsigned i = 0; i < FLAVOURS; i++)
		config->disks[i].connection_rate = 0;
	close(file);
}

/* On a socket that is found by no name in a file system. */
static void open_disk(unsigned i, struct config_disk *config)
{
	const struct sockaddr_un any = {.sun_family = AF_UNIX};
	struct error err = {0};

	listening[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	MUST(bind(listening[i], (const struct sockaddr *)&any, sizeof(any.sun_family)) == 0);
	MUST(listen(listening[i], 1) == 0);
	config->socket = NULL;
	config->socket_fd = listening[i];
	must(disk_open(&disks[i], &host, config, &err), &err);
}

static int connect_to(unsigned i)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	socklen_t length = sizeof(address);

	MUST(getsockname(listening[i], (struct sockaddr *)&address, &length) == 0);
	MUST(connect(fd, (const struct sockaddr *)&address, length) == 0);
	return fd;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct error err;

	(void)argc;
	(void)argv;
	load_configuration();
	MUST(loop_init(&loop) == 0 && mailbox_init(&mailbox) == 0);
	must(placement_create(&placement, config, &mailbox, true, &err), &err);
	must(placement_start(&placement, &err), &err);
	messages = (struct loop_source){.fd = mailbox.event_fd, .ready = messages_ready};
	lost_memory = (struct loop_source){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .ready = memory_was_lost};
	MUST(loop_watch(&loop, &messages) == 0 && loop_watch(&loop, &lost_memory) == 0);
	MUST(memguard_install(lost_memory.fd) == 0);
	for (unsigned i = 0; i < FLAVOURS; i++)
		open_disk(i, &config->disks[i]);
	front_init();
	return 0;
}

/* A round of everybody: the control thread until it has nothing to do, then each worker. */
static void work(void)
{
	struct epoll_event event;

	while (epoll_wait(loop.epoll_fd, &event, 1, 0) == 1) {
		struct loop_source *source = event.data.ptr;

		source->ready(source);
	}
	for (unsigned i = 0; i < placement.count; i++)
		turned_worker_turn(placement.worker[i]);
}

static void put_into_file(void *memory, uint64_t guest, const void *bytes, size_t length)
{
	/* What has been cut off stays cut off: writing there would make the file longer again. */
	off_t end = lseek(*(int *)memory, 0, SEEK_END);

	if (guest < (uint64_t)end && length <= (uint64_t)end - guest)
		(void)!pwrite(*(int *)memory, bytes, length, (off_t)guest);
}

static uint64_t any_address(struct input *input)
{
	return input_u8(input) % 8 ? input_u16(input) * 4ull : input_u64(input);
}

static void set_up_drivers(struct run *run, bool packed)
{
	for (unsigned i = 0; i < QUEUES; i++) {
		const uint64_t ring = FRONT_RAM_GUEST + FRONT_RING(i);

		run->driver[i] = (struct driver_side){
			.put = put_into_file,
			.any_address = any_address,
			.memory = &run->front.ram,
			.desc = ring,
			.avail = ring + 0x400,
			.tables = ring + 0x4000,
			.headers = ring + 0x8000,
			.data = 0xc000,
			.size = RING_SIZE,
			.packed = packed,
			.wrap = true,
		};
	}
}

static void negotiate(struct run *run)
{
	uint64_t protocol, features;

	if (!run->disk->session)
		return;
	protocol = input_u32(&run->input);
	features = run->disk->session->ops->features(run->disk) & ~(input_u64(&run->input) & input_u64(&run->input));
	front_negotiate(&run->front, features | 1ull << VHOST_USER_F_PROTOCOL_FEATURES, protocol);
	set_up_drivers(run, features >> VIRTIO_F_RING_PACKED & 1);
}

static void rarely(struct run *run, unsigned which)
{
	switch (which) {
	case 0:
		disk_refresh(run->disk);
		if (run->disk->session)
			vhost_session_config_changed(run->disk->session);
		break;
	case 1:
		front_ask_inflight(&run->front, QUEUES, RING_SIZE);
		work();
		front_listen(&run->front);
		break;
	case 2:
		front_give_inflight(&run->front);
		break;
	default:
		front_spoil_inflight(&run->front, &run->input);
	}
}

static void step(struct run *run)
{
	struct input *input = &run->input;
	const uint8_t what = input_u8(input);
	const unsigned ring = what / 16 % QUEUES;
	struct driver_side *driver = &run->driver[ring];

	switch (what % 16) {
	case 0:
		negotiate(run);
		break;
	case 1:
		front_set_memory(&run->front);
		break;
	case 2:
		front_set_up_ring(&run->front, (uint8_t)ring, RING_SIZE, driver->packed ? 0x80008000u : 0);
		break;
	case 3:
		driver_side_bytes(driver, input);
		break;
	case 4:
		driver_side_descriptor(driver, input);
		break;
	case 5:
	case 6:
	case 7:
		driver_side_request(driver, input);
		break;
	case 8:
		eventfd_write(run->front.kick, 1);
		work();
		break;
	case 9:
		MUST(ftruncate(run->front.ram, input_u8(input) * 1024) == 0);
		break;
	case 10:
		front_listen(&run->front);
		break;
	case 11:
		if (run->front.socket >= 0)
			shutdown(run->front.socket, SHUT_WR);
		break;
	case 12:
		rarely(run, ring);
		break;
	default:
		front_say_anything(&run->front, input);
	}
	work();
}

/* The front end is gone: so is the session, when all has drained. */
static void finish(const struct disk *disk)
{
	const uint64_t start = clock_monotonic_ns();

	while (disk->session) {
		MUST(clock_monotonic_ns() - start < DEADLINE_NS);
		work();
	}
	MUST(!disk->closed && disk->listener.watched);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = {.input = {data, size}};
	const unsigned descriptors = open_descriptors(), flavour = input_u8(&run.input) % FLAVOURS;

	run.disk = &disks[flavour];
	front_open(&run.front, connect_to(flavour));
	work();
	MUST(run.disk->session);
	set_up_drivers(&run, false);
	while (run.input.left && run.disk->session)
		step(&run);
	front_close(&run.front);
	finish(run.disk);
	MUST(placement.seat_count == 0);
	MUST(open_descriptors() == descriptors);
	return 0;
}
