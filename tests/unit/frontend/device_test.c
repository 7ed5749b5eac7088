/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/device.h"
#include "frontend/split.h"
#include "peer.h"

#define BIT(n) ((uint64_t)1 << (n))

static const struct virtio_blk_config disk = {.capacity = 2048,
					      .seg_max = 126,
					      .size_max = 65536,
					      .blk_size = 4096,
					      .num_queues = 3,
					      .max_discard_sectors = 99};

static struct driver_wishes all_wishes(void)
{
	return (struct driver_wishes){driver_known_features, driver_known_protocol_features, 100};
}

static const uint64_t blk_features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_BLK_F_MQ) | BIT(VIRTIO_BLK_F_SEG_MAX) |
				     BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(24) | BIT(63);

/* A back end that offers everything; with_mem_slots chooses how memory goes over. */
static void full_handshake(struct peer *peer, struct driver_device *device, bool with_mem_slots)
{
	const struct driver_wishes wishes = all_wishes();
	const uint64_t protocol = BIT(VHOST_PROTOCOL_F_MQ) | BIT(VHOST_PROTOCOL_F_REPLY_ACK) |
				  BIT(VHOST_PROTOCOL_F_CONFIG) | BIT(VHOST_PROTOCOL_F_STATUS) |
				  BIT(VHOST_PROTOCOL_F_BACKEND_REQ) | BIT(VHOST_PROTOCOL_F_LOG_SHMFD) |
				  (with_mem_slots ? BIT(VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS) : 0);
	struct error err = {0};
	struct vhost_msg msg;

	peer_open(peer);
	reply_u64(peer, VHOST_GET_FEATURES, blk_features | BIT(VHOST_USER_F_PROTOCOL_FEATURES));
	reply_u64(peer, VHOST_GET_PROTOCOL_FEATURES, protocol);
	reply_u64(peer, VHOST_GET_QUEUE_NUM, 8);
	if (with_mem_slots)
		reply_u64(peer, VHOST_GET_MAX_MEM_SLOTS, 64);
	reply_u64(peer, VHOST_SET_OWNER, 0);
	reply_u64(peer, VHOST_SET_BACKEND_REQ_FD, 0);
	reply_u64(peer, VHOST_SET_STATUS, 0);
	reply_u64(peer, VHOST_SET_FEATURES, 0);
	reply_u64(peer, VHOST_SET_STATUS, 0);
	reply_u64(peer, VHOST_GET_STATUS, DRIVER_STATUS_FEATURES_OK);
	reply_config(peer, &disk);
	assert_int_equal(driver_device_adopt(device, peer->front_fd, "disk.sock", &wishes, &err), 0);

	expect(peer, VHOST_GET_FEATURES);
	expect(peer, VHOST_GET_PROTOCOL_FEATURES);
	msg = expect(peer, VHOST_SET_PROTOCOL_FEATURES);
	assert_int_equal(msg.payload.u64, protocol & ~BIT(VHOST_PROTOCOL_F_LOG_SHMFD));
	/* REPLY_ACK holds from the next message on. */
	assert_int_equal(msg.header.flags & VHOST_FLAG_NEED_REPLY, 0);
	expect(peer, VHOST_GET_QUEUE_NUM);
	if (with_mem_slots)
		expect(peer, VHOST_GET_MAX_MEM_SLOTS);
	msg = expect(peer, VHOST_SET_OWNER);
	assert_true(msg.header.flags & VHOST_FLAG_NEED_REPLY);
	msg = expect(peer, VHOST_SET_BACKEND_REQ_FD);
	assert_int_equal(msg.fd_count, 1);
	vhost_msg_close_fds(&msg);
	expect(peer, VHOST_SET_STATUS);
	msg = expect(peer, VHOST_SET_FEATURES);
	assert_int_equal(msg.payload.u64, (blk_features | BIT(VHOST_USER_F_PROTOCOL_FEATURES)) & ~BIT(24) & ~BIT(63));
	expect(peer, VHOST_SET_STATUS);
	expect(peer, VHOST_GET_STATUS);
	expect(peer, VHOST_GET_CONFIG);
	expect_nothing(peer);
}

static void test_handshake(void **state)
{
	struct driver_device device;
	struct peer peer;

	(void)state;
	full_handshake(&peer, &device, true);
	assert_int_equal(device.config.capacity, 2048);
	assert_int_equal(device.config.seg_max, 126);
	/* Never offered, so its field means nothing. */
	assert_int_equal(device.config.size_max, 0);
	assert_int_equal(device.config.max_discard_sectors, 0);
	/* The transport has 8, the disk 3. */
	assert_int_equal(device.queues_offered, 3);
	assert_int_equal(device.memory_slots, 64);
	peer_close(&peer);
	driver_device_disconnect(&device);
	driver_device_disconnect(&device);
}

static void test_minimal_back_end(void **state)
{
	const struct driver_wishes wishes = all_wishes();
	struct driver_device device;
	struct error err = {0};
	struct peer peer;

	(void)state;
	peer_open(&peer);
	reply_u64(&peer, VHOST_GET_FEATURES, BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES));
	reply_u64(&peer, VHOST_GET_PROTOCOL_FEATURES, BIT(VHOST_PROTOCOL_F_CONFIG));
	reply_config(&peer, &disk);
	assert_int_equal(driver_device_adopt(&device, peer.front_fd, "disk.sock", &wishes, &err), 0);
	assert_int_equal(device.queues_offered, 1);
	assert_int_equal(device.memory_slots, VHOST_MSG_MAX_REGIONS);
	assert_int_equal(device.config.blk_size, 0);
	assert_false(device.channel.reply_ack);
	driver_device_disconnect(&device);
	peer_close(&peer);
}

/* Start a handshake that must fail; the sentence names the socket. */
static void fail_with(struct peer *peer, int code, const char *word)
{
	const struct driver_wishes wishes = all_wishes();
	struct driver_device device;
	struct error err = {0};

	assert_int_equal(driver_device_adopt(&device, peer->front_fd, "disk.sock", &wishes, &err), code);
	assert_non_null(strstr(err.text, "disk.sock: "));
	assert_non_null(strstr(err.text, word));
	assert_int_equal(device.channel.fd, -1);
	assert_int_equal(device.backend_fd, -1);
	peer_close(peer);
}

static void test_failures(void **state)
{
	const uint64_t offered = BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	struct vhost_msg msg;
	struct peer peer;

	(void)state;
	peer_open(&peer); /* silence */
	fail_with(&peer, -ETIMEDOUT, "GET_FEATURES");

	peer_open(&peer); /* gone at once */
	shutdown(peer.fd, SHUT_RDWR);
	fail_with(&peer, -ECONNRESET, "closed the connection");

	peer_open(&peer); /* a legacy device */
	reply_u64(&peer, VHOST_GET_FEATURES, BIT(VIRTIO_BLK_F_MQ));
	fail_with(&peer, -ENOTSUP, "VERSION_1");

	peer_open(&peer); /* no way to learn the capacity */
	reply_u64(&peer, VHOST_GET_FEATURES, offered);
	reply_u64(&peer, VHOST_GET_PROTOCOL_FEATURES, 0);
	fail_with(&peer, -ENOTSUP, "config");

	peer_open(&peer); /* another answer than was asked for */
	reply_u64(&peer, VHOST_GET_QUEUE_NUM, 1);
	fail_with(&peer, -EPROTO, "GET_FEATURES");

	peer_open(&peer); /* a reply without the reply bit */
	driver_msg_init(&msg, VHOST_GET_FEATURES, 8);
	vhost_send(peer.fd, &msg);
	fail_with(&peer, -EPROTO, "GET_FEATURES");

	peer_open(&peer); /* of the wrong size */
	driver_msg_init(&msg, VHOST_GET_FEATURES, 4);
	msg.header.flags |= VHOST_FLAG_REPLY;
	vhost_send(peer.fd, &msg);
	fail_with(&peer, -EPROTO, "4 bytes");

	peer_open(&peer); /* a message is refused */
	reply_u64(&peer, VHOST_GET_FEATURES, offered);
	reply_u64(&peer, VHOST_GET_PROTOCOL_FEATURES, BIT(VHOST_PROTOCOL_F_CONFIG) | BIT(VHOST_PROTOCOL_F_REPLY_ACK));
	reply_u64(&peer, VHOST_SET_OWNER, 1);
	fail_with(&peer, -EREMOTEIO, "refused SET_OWNER");

	peer_open(&peer); /* features are not accepted */
	reply_u64(&peer, VHOST_GET_FEATURES, offered);
	reply_u64(&peer, VHOST_GET_PROTOCOL_FEATURES, BIT(VHOST_PROTOCOL_F_CONFIG) | BIT(VHOST_PROTOCOL_F_STATUS));
	reply_u64(&peer, VHOST_GET_STATUS, DRIVER_STATUS_ACKNOWLEDGE | DRIVER_STATUS_DRIVER);
	fail_with(&peer, -ENOTSUP, "does not accept the features");

	peer_open(&peer); /* not a disk */
	reply_u64(&peer, VHOST_GET_FEATURES, offered);
	reply_u64(&peer, VHOST_GET_PROTOCOL_FEATURES, BIT(VHOST_PROTOCOL_F_CONFIG));
	driver_msg_init(&msg, VHOST_GET_CONFIG, 0);
	msg.header.flags |= VHOST_FLAG_REPLY;
	vhost_send(peer.fd, &msg);
	fail_with(&peer, -EPROTO, "is it a disk?");
}

static bool same_file(int a, int b)
{
	struct stat first, second;

	return !fstat(a, &first) && !fstat(b, &second) && first.st_ino == second.st_ino &&
	       first.st_dev == second.st_dev;
}

static void test_memory(void **state)
{
	const size_t sizes[2] = {4096, 4096};
	struct driver_memory memory;
	struct driver_device device;
	struct vhost_msg msg;
	struct peer peer;

	(void)state;
	assert_int_equal(driver_memory_create(&memory, sizes, 2, 0, NULL), 0);
	full_handshake(&peer, &device, true);
	reply_u64(&peer, VHOST_ADD_MEM_REG, 0);
	reply_u64(&peer, VHOST_ADD_MEM_REG, 0);
	assert_int_equal(driver_device_set_memory(&device, &memory, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		msg = expect(&peer, VHOST_ADD_MEM_REG);
		assert_int_equal(msg.payload.region.region.guest_address, memory.region[i].guest);
		assert_int_equal(msg.payload.region.region.user_address, memory.region[i].user);
		assert_int_equal(msg.fd_count, 1);
		assert_true(same_file(msg.fds[0], memory.fd));
		vhost_msg_close_fds(&msg);
	}
	peer_close(&peer);
	driver_device_disconnect(&device);

	full_handshake(&peer, &device, false);
	reply_u64(&peer, VHOST_SET_MEM_TABLE, 0);
	assert_int_equal(driver_device_set_memory(&device, &memory, NULL), 0);
	msg = expect(&peer, VHOST_SET_MEM_TABLE);
	assert_int_equal(msg.payload.memory.count, 2);
	assert_int_equal(msg.header.size, 8 + 2 * sizeof(struct vhost_region_msg));
	assert_int_equal(msg.payload.memory.region[1].mmap_offset, memory.region[1].offset);
	assert_int_equal(msg.fd_count, 2);
	vhost_msg_close_fds(&msg);
	peer_close(&peer);
	driver_device_disconnect(&device);
	driver_memory_destroy(&memory);
}

/* A back end with room for fewer regions than there are is not tried. */
static void test_too_few_slots(void **state)
{
	const size_t sizes[2] = {4096, 4096};
	struct driver_memory memory;
	struct driver_device device;
	struct error err = {0};
	struct peer peer;

	(void)state;
	assert_int_equal(driver_memory_create(&memory, sizes, 2, 0, NULL), 0);
	full_handshake(&peer, &device, true);
	device.memory_slots = 1;
	assert_int_equal(driver_device_set_memory(&device, &memory, &err), -ENOTSUP);
	expect_nothing(&peer);
	peer_close(&peer);
	driver_device_disconnect(&device);
	driver_memory_destroy(&memory);
}

static const uint32_t start_messages[] = {VHOST_SET_VRING_NUM,   VHOST_SET_VRING_BASE, VHOST_SET_VRING_ADDR,
					  VHOST_SET_VRING_ERR,   VHOST_SET_VRING_CALL, VHOST_SET_VRING_KICK,
					  VHOST_SET_VRING_ENABLE};

static void check_start(struct peer *peer, const struct driver_queue *queue, const struct driver_memory *memory)
{
	const int fds[] = {-1, -1, -1, queue->err_fd, queue->call_fd, queue->kick_fd, -1};
	struct vhost_msg msg;

	for (unsigned i = 0; i < sizeof(start_messages) / sizeof(start_messages[0]); i++) {
		msg = expect(peer, start_messages[i]);
		assert_int_equal(msg.payload.state.index, 2);
		assert_int_equal(msg.fd_count, fds[i] >= 0);
		if (start_messages[i] == VHOST_SET_VRING_NUM)
			assert_int_equal(msg.payload.state.num, 64);
		if (start_messages[i] == VHOST_SET_VRING_BASE)
			assert_int_equal(msg.payload.state.num, 777);
		if (start_messages[i] == VHOST_SET_VRING_ADDR)
			assert_int_equal(msg.payload.addr.used_user,
					 driver_memory_user(memory, queue->ring->device_area));
		vhost_msg_close_fds(&msg);
	}
}

static void test_queue(void **state)
{
	const size_t size = 65536;
	struct driver_memory memory;
	struct driver_device device;
	struct driver_split *split;
	struct driver_queue queue;
	struct vhost_msg msg;
	struct peer peer;
	uint32_t base;

	(void)state;
	assert_int_equal(driver_memory_create(&memory, &size, 1, 0, NULL), 0);
	split = driver_split_create(&memory, 0, 64, true, 0, NULL);
	assert_non_null(split);
	assert_int_equal(driver_queue_open(&queue, 2, &split->ring, NULL), 0);
	full_handshake(&peer, &device, true);
	reply_u64(&peer, VHOST_ADD_MEM_REG, 0);
	assert_int_equal(driver_device_set_memory(&device, &memory, NULL), 0);
	msg = expect(&peer, VHOST_ADD_MEM_REG);
	vhost_msg_close_fds(&msg);
	for (unsigned i = 0; i < sizeof(start_messages) / sizeof(start_messages[0]); i++)
		reply_u64(&peer, start_messages[i], 0);
	assert_int_equal(driver_device_start_queue(&device, &queue, 777, NULL), 0);
	check_start(&peer, &queue, &memory);
	/* An empty ring is not kicked for. */
	assert_int_equal(queue.kicks, 0);

	driver_msg_init(&msg, VHOST_GET_VRING_BASE, sizeof(msg.payload.state));
	msg.header.flags |= VHOST_FLAG_REPLY;
	msg.payload.state.index = 2;
	msg.payload.state.num = 778;
	assert_int_equal(vhost_send(peer.fd, &msg), 0);
	assert_int_equal(driver_device_stop_queue(&device, &queue, &base, NULL), 0);
	assert_int_equal(base, 778);
	msg.payload.state.index = 1;
	assert_int_equal(vhost_send(peer.fd, &msg), 0);
	assert_int_equal(driver_device_stop_queue(&device, &queue, &base, NULL), -EPROTO);

	assert_false(driver_queue_failed(&queue));
	eventfd_write(queue.err_fd, 1);
	assert_true(driver_queue_failed(&queue));
	eventfd_write(queue.call_fd, 3);
	eventfd_write(queue.call_fd, 2);
	driver_queue_collect_calls(&queue);
	assert_int_equal(queue.calls, 5);
	driver_queue_kick(&queue);
	assert_int_equal(queue.kicks, 1);

	peer_close(&peer);
	assert_false(driver_channel_alive(&device.channel));
	driver_device_disconnect(&device);
	driver_queue_close(&queue);
	driver_ring_destroy(&split->ring);
	driver_memory_destroy(&memory);
}

static void test_config_change(void **state)
{
	struct virtio_blk_config grown = disk;
	struct driver_device device;
	struct vhost_msg msg, answer;
	struct vhost_reader reader;
	struct peer peer;
	int pair[2];

	(void)state;
	full_handshake(&peer, &device, true);
	/* Our own pair in place of the one whose other end went away with the message. */
	close(device.backend_fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	device.backend_fd = pair[0];
	assert_int_equal(driver_device_poll_backend(&device, NULL), 0);
	assert_int_equal(device.config_changes, 0);
	grown.capacity = 4096;
	reply_config(&peer, &grown);
	driver_msg_init(&msg, VHOST_BACKEND_CONFIG_CHANGE_MSG, 0);
	msg.header.flags |= VHOST_FLAG_NEED_REPLY;
	assert_int_equal(vhost_send(pair[1], &msg), 0);
	assert_int_equal(driver_device_poll_backend(&device, NULL), 0);
	assert_int_equal(device.config_changes, 1);
	assert_int_equal(device.config.capacity, 4096);
	vhost_reader_init(&reader);
	assert_int_equal(vhost_recv(pair[1], &reader, &answer), 1);
	assert_int_equal(answer.payload.u64, 0);
	assert_true(answer.header.flags & VHOST_FLAG_REPLY);
	close(pair[1]);
	peer_close(&peer);
	driver_device_disconnect(&device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake),     cmocka_unit_test(test_minimal_back_end),
		cmocka_unit_test(test_failures),      cmocka_unit_test(test_memory),
		cmocka_unit_test(test_too_few_slots), cmocka_unit_test(test_queue),
		cmocka_unit_test(test_config_change),

	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
