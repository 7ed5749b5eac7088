/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the dirty log of a real back end (named on the command line) is
 * exact: after each round of requests the pages of guest memory that differ
 * from what they were are those that are marked, none missing and none more.
 * And whether what a front end copies by it while requests run is in the end
 * what guest memory holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/blk.h"
#include "frontend/device.h"
#include "frontend/packed.h"
#include "frontend/split.h"

#define BIT(n) ((uint64_t)1 << (n))
#define PAGE   4096u

enum {
	REQUESTS = 16,
	CAPACITY = 65536,
	RING = 512, /* room for all requests at their longest, without indirect tables */
	IMAGE = 16 << 20,
	ROUNDS = 40,
};

static const char *program;
static pid_t back_end;

struct rig {
	pid_t pid;
	char directory[64], image[96], socket[96];
	struct driver_device device;
	struct driver_memory memory;
	struct driver_ring *ring;
	struct driver_queue queue;
	struct driver_blk_request request[REQUESTS];
	uint64_t features;
	int log_fd;
	uint8_t *log;
	size_t log_size;
	uint64_t random;
	struct error err;
};

static void check(const struct rig *rig, int ret)
{
	if (ret < 0)
		fail_msg("%s", rig->err.text);
}

static uint32_t draw(struct rig *rig, uint32_t below)
{
	rig->random = rig->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rig->random >> 33) % below;
}

/* An image no two sectors of which are alike, and none like what buffers are filled with. */
static void make_image(struct rig *rig)
{
	FILE *file;

	strcpy(rig->directory, "/tmp/strait-dirty-XXXXXX");
	assert_non_null(mkdtemp(rig->directory));
	snprintf(rig->image, sizeof(rig->image), "%s/image", rig->directory);
	snprintf(rig->socket, sizeof(rig->socket), "%s/sock", rig->directory);
	file = fopen(rig->image, "w");
	assert_non_null(file);
	for (unsigned i = 0; i < IMAGE / sizeof(uint32_t); i++)
		fwrite(&i, sizeof(i), 1, file);
	assert_int_equal(fclose(file), 0);
}

/* Also where the test fails. A signal at our death would not do: straitd forgets it when it changes its user. */
static void end_back_end(void)
{
	if (back_end > 0)
		kill(back_end, SIGTERM);
}

static void start_back_end(struct rig *rig)
{
	char config[96], socket[128], text[512];
	FILE *file;

	snprintf(config, sizeof(config), "%s/straitd.yaml", rig->directory);
	file = fopen(config, "w");
	assert_non_null(file);
	snprintf(text, sizeof(text), "disks:\n  - {name: vda, socket: %s, file: %s, cache: writeback}\n", rig->socket,
		 rig->image);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	snprintf(socket, sizeof(socket), "--config=%s", config);
	rig->pid = fork();
	assert_true(rig->pid >= 0);
	back_end = rig->pid;
	if (rig->pid == 0) {
		execl(program, program, socket, (char *)NULL);
		_exit(127);
	}
}

static void connect_back_end(struct rig *rig, uint64_t features)
{
	const struct driver_wishes wishes = {features, driver_known_protocol_features, 30000};

	start_back_end(rig);
	while (driver_device_connect(&rig->device, rig->socket, &wishes, &rig->err) < 0) {
		assert_int_equal(waitpid(rig->pid, NULL, WNOHANG), 0);
		usleep(2000);
	}
	assert_int_equal(rig->device.features & features, features);
}

/* Turn logging on as QEMU does: the log, the feature, the ring. */
static void log_on(struct rig *rig)
{
	struct vhost_msg msg;

	check(rig, driver_channel_set_u64(&rig->device.channel, VHOST_SET_PROTOCOL_FEATURES,
					  rig->device.protocol_features | BIT(VHOST_PROTOCOL_F_LOG_SHMFD), &rig->err));
	driver_msg_init(&msg, VHOST_SET_LOG_BASE, sizeof(msg.payload.log));
	msg.payload.log.size = rig->log_size;
	msg.fds[msg.fd_count++] = rig->log_fd;
	check(rig, driver_channel_query(&rig->device.channel, &msg, &rig->err));
	check(rig, driver_channel_set_u64(&rig->device.channel, VHOST_SET_FEATURES,
					  rig->device.features | BIT(VHOST_USER_F_LOG_ALL), &rig->err));
	driver_msg_init(&msg, VHOST_SET_VRING_ADDR, sizeof(msg.payload.addr));
	msg.payload.addr.flags = VHOST_VRING_LOG;
	msg.payload.addr.desc_user = driver_memory_user(&rig->memory, rig->ring->descriptor_area);
	msg.payload.addr.avail_user = driver_memory_user(&rig->memory, rig->ring->driver_area);
	msg.payload.addr.used_user = driver_memory_user(&rig->memory, rig->ring->device_area);
	msg.payload.addr.log_guest = driver_memory_guest(&rig->memory, rig->ring->device_area);
	check(rig, driver_channel_command(&rig->device.channel, &msg, &rig->err));
}

static void rig_create(struct rig *rig, uint64_t features, bool indirect)
{
	const size_t sizes[] = {4 << 20, 8 << 20};
	const bool packed = features >> VIRTIO_F_RING_PACKED & 1, event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
	const struct driver_region *last;

	memset(rig, 0, sizeof(*rig));
	rig->random = features + indirect;
	make_image(rig);
	connect_back_end(rig, features);
	check(rig, driver_memory_create(&rig->memory, sizes, 2, 0, &rig->err));
	if (packed)
		rig->ring = (struct driver_ring *)driver_packed_create(&rig->memory, 0, RING, event_idx, 0, &rig->err);
	else
		rig->ring = (struct driver_ring *)driver_split_create(&rig->memory, 0, RING, event_idx, 0, &rig->err);
	assert_non_null(rig->ring);
	for (unsigned i = 0; i < REQUESTS; i++) {
		/* From a piece a sector to a piece for all of it. */
		const struct driver_blk_layout layout = {.frame_region = 0,
							 .data_region = 1,
							 .capacity = CAPACITY,
							 .segment = 512u << i % 8,
							 .indirect = indirect};
		struct driver_span gap;

		check(rig, driver_blk_init(&rig->request[i], &rig->memory, &layout));
		/* A page between any two, and at times less, so that pages are shared. */
		assert_int_equal(driver_memory_take(&rig->memory, 0, i % 3 ? PAGE : 64, 64, &gap), 0);
	}
	last = &rig->memory.region[rig->memory.region_count - 1];
	rig->log_size = (last->guest + last->size) / PAGE / 8 + 1;
	rig->log_fd = memfd_create("dirty", MFD_CLOEXEC);
	assert_int_equal(ftruncate(rig->log_fd, (off_t)rig->log_size), 0);
	rig->log = mmap(NULL, rig->log_size, PROT_READ | PROT_WRITE, MAP_SHARED, rig->log_fd, 0);
	assert_true(rig->log != MAP_FAILED);
	check(rig, driver_device_set_memory(&rig->device, &rig->memory, &rig->err));
	check(rig, driver_queue_open(&rig->queue, 0, rig->ring, &rig->err));
	check(rig, driver_device_start_queue(&rig->device, &rig->queue, rig->ring->ops->base(rig->ring), &rig->err));
	check(rig, driver_device_ready(&rig->device, &rig->err));
	log_on(rig);
}

static void rig_destroy(struct rig *rig)
{
	char config[96];

	driver_device_disconnect(&rig->device);
	driver_queue_close(&rig->queue);
	driver_ring_destroy(rig->ring);
	driver_memory_destroy(&rig->memory);
	munmap(rig->log, rig->log_size);
	close(rig->log_fd);
	kill(rig->pid, SIGTERM);
	waitpid(rig->pid, NULL, 0);
	back_end = 0;
	snprintf(config, sizeof(config), "%s/straitd.yaml", rig->directory);
	unlink(config);
	unlink(rig->image);
	rmdir(rig->directory);
}

/* One request of any kind. Some read beyond the end, and get nothing but a status. */
static void send(struct rig *rig, struct driver_blk_request *request)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN,  VIRTIO_BLK_T_IN,    VIRTIO_BLK_T_IN,    VIRTIO_BLK_T_IN,
					 VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID};
	const uint32_t type = types[draw(rig, 7)];
	uint32_t most = request->segment * 100 < CAPACITY ? request->segment * 100 : CAPACITY;
	const uint32_t length = (1 + draw(rig, most / 512)) * 512;
	uint64_t sector = draw(rig, (IMAGE - CAPACITY) / 512);

	if (type == VIRTIO_BLK_T_IN && draw(rig, 8) == 0)
		sector = IMAGE / 512;
	assert_int_equal(driver_blk_prepare(rig->ring, request, type, sector, length, false), 0);
	rig->ring->ops->add(rig->ring, &request->chain);
}

/* Fetch what has come back; the number of requests. */
static unsigned collect(struct rig *rig, struct driver_completion *done)
{
	const int count = rig->ring->ops->reap(rig->ring, done, REQUESTS);

	if (count < 0)
		fail_msg("%s", rig->ring->error);
	assert_false(driver_queue_failed(&rig->queue));
	return (unsigned)count;
}

static void publish(struct rig *rig)
{
	if (rig->ring->ops->publish(rig->ring))
		driver_queue_kick(&rig->queue);
}

/* Page i of region r: is it marked? Takes the mark away. */
static bool take_mark(struct rig *rig, unsigned r, size_t i)
{
	const uint64_t page = rig->memory.region[r].guest / PAGE + i;
	const uint8_t bit = (uint8_t)(1u << page % 8);

	return __atomic_fetch_and(&rig->log[page / 8], (uint8_t)~bit, __ATOMIC_ACQ_REL) & bit;
}

static char *page_at(const struct rig *rig, unsigned r, size_t i)
{
	return rig->memory.base + rig->memory.region[r].offset + i * PAGE;
}

/* The device writes into this page of the ring: when, is not known, as its wish for kicks is its own affair. */
static bool is_ring(const struct rig *rig, const char *page)
{
	const char *used = rig->ring->device_area, *desc = rig->ring->descriptor_area;
	const bool packed = rig->device.features >> VIRTIO_F_RING_PACKED & 1;
	const size_t used_bytes = packed ? 4 : 6 + RING * sizeof(struct vring_used_elem);

	return (page + PAGE > used && page < used + used_bytes) ||
	       (packed && page + PAGE > desc && page < desc + RING * sizeof(struct vring_packed_desc));
}

/* The driver's own words change these; the device never writes there. */
static bool is_drivers(const struct rig *rig, const char *page)
{
	const char *avail = rig->ring->driver_area, *desc = rig->ring->descriptor_area;

	return !is_ring(rig, page) && ((page + PAGE > avail && page < avail + 6 + 2 * RING) ||
				       (page + PAGE > desc && page < desc + RING * sizeof(struct vring_desc)));
}

/* Requests that have all been written down before the snapshot: what differs after them is the device's work. */
static void compare_pages(struct rig *rig)
{
	struct driver_completion done[REQUESTS];
	char *before = malloc(rig->memory.size);
	unsigned marked = 0;

	assert_non_null(before);
	for (unsigned round = 0; round < ROUNDS; round++) {
		const unsigned count = 1 + draw(rig, REQUESTS);

		for (unsigned r = 0; r < rig->memory.region_count; r++)
			for (size_t i = 0; i < rig->memory.region[r].size / PAGE; i++)
				if (is_ring(rig, page_at(rig, r, i)))
					take_mark(rig, r, i);
		for (unsigned i = 0; i < count; i++) {
			struct driver_blk_request *request = &rig->request[i];

			send(rig, request);
			/* What is written must be another thing than what reads find in their buffers. */
			memset(request->data.at, request->frame->header.type == VIRTIO_BLK_T_OUT ? 0x5a : 0xa5,
			       CAPACITY);
		}
		memcpy(before, rig->memory.base, rig->memory.size);
		publish(rig);
		for (unsigned got = 0; got < count;)
			got += collect(rig, done);
		for (unsigned r = 0; r < rig->memory.region_count; r++) {
			for (size_t i = 0; i < rig->memory.region[r].size / PAGE; i++) {
				const char *page = page_at(rig, r, i);
				const bool differs = memcmp(page, before + (page - rig->memory.base), PAGE) != 0;
				bool mark;

				if (is_ring(rig, page))
					continue;
				mark = take_mark(rig, r, i);
				marked += mark;
				if (mark && (!differs || is_drivers(rig, page)))
					fail_msg("round %u: page %zu of region %u is marked, and nothing wrote there",
						 round, i, r);
				if (!mark && differs && !is_drivers(rig, page))
					fail_msg("round %u: page %zu of region %u was written, and is not marked",
						 round, i, r);
			}
		}
	}
	assert_true(marked > ROUNDS);
	free(before);
}

/* Copy what is marked, as a migration does; the number of pages. */
static unsigned copy_marked(struct rig *rig, char *copy)
{
	unsigned pages = 0;

	for (unsigned r = 0; r < rig->memory.region_count; r++) {
		for (size_t i = 0; i < rig->memory.region[r].size / PAGE; i++) {
			const char *page = page_at(rig, r, i);

			if (!take_mark(rig, r, i))
				continue;
			memcpy(copy + (page - rig->memory.base), page, PAGE);
			pages++;
		}
	}
	return pages;
}

/* While requests run; what the driver wrote itself is not in the log and not compared. */
static void copy_while_it_runs(struct rig *rig)
{
	struct driver_completion done[REQUESTS];
	char *copy = malloc(rig->memory.size);
	unsigned sent = 0, finished = 0, pages = 0;
	uint32_t base;

	assert_non_null(copy);
	memcpy(copy, rig->memory.base, rig->memory.size);
	for (; sent < REQUESTS; sent++)
		send(rig, &rig->request[sent]);
	publish(rig);
	while (finished < sent) {
		const unsigned count = collect(rig, done);

		finished += count;
		for (unsigned i = 0; i < count && sent < 40 * REQUESTS; i++, sent++)
			send(rig, (struct driver_blk_request *)done[i].chain);
		publish(rig);
		pages += copy_marked(rig, copy);
	}
	check(rig, driver_device_stop_queue(&rig->device, &rig->queue, &base, &rig->err));
	pages += copy_marked(rig, copy);
	assert_true(pages > 0);
	for (unsigned i = 0; i < REQUESTS; i++) {
		const struct driver_blk_request *request = &rig->request[i];
		const char *status = (const char *)&request->frame->status;

		assert_memory_equal(copy + ((char *)request->data.at - rig->memory.base), request->data.at, CAPACITY);
		assert_int_equal(copy[status - rig->memory.base], *status);
	}
	if (!(rig->device.features >> VIRTIO_F_RING_PACKED & 1))
		assert_memory_equal(copy + ((char *)rig->ring->device_area - rig->memory.base), rig->ring->device_area,
				    6 + RING * sizeof(struct vring_used_elem));
	else
		assert_memory_equal(copy + ((char *)rig->ring->device_area - rig->memory.base), rig->ring->device_area,
				    4);
	free(copy);
}

static void exact(void **state)
{
	const uint64_t common = BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(VIRTIO_BLK_F_FLUSH);

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		const uint64_t features = common | (i & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0) |
					  (i & 2 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0) |
					  (i & 4 ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0);
		struct rig rig;

		rig_create(&rig, features, i & 4);
		compare_pages(&rig);
		copy_while_it_runs(&rig);
		rig_destroy(&rig);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(exact)};

	if (argc != 2)
		return 2;
	program = argv[1];
	atexit(end_back_end);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
