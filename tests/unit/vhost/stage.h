/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_VHOST_STAGE_H
#define STRAIT_TESTS_VHOST_STAGE_H

/* What cmocka.h wants before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_config.h>

#include "traces.h"
#include "vhost/session.h"

/*
 * A session between a front end, which the test plays word by word over a real
 * socket pair, and a device that does nothing but write down what it is asked.
 * Its queues stop when the test says so, as real ones do when they have drained.
 */
#define STAGE_FEATURES                                                                                                 \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_RING_F_INDIRECT_DESC)

#define STAGE_LOG_ALL (1ull << VHOST_USER_F_LOG_ALL)

enum { STAGE_CONFIG_SIZE = 60, STAGE_MOST_QUEUES = VHOST_MAX_QUEUES };

struct stage_queue {
	bool running, stop_asked;
	struct vhost_queue_setup setup; /* with what it was last started, or refused */
	unsigned starts;
};

struct stage {
	struct vhost_session *session;
	int front; /* the front end's end of the socket pair, -1 once closed */
	bool alive;

	/* the device */
	uint32_t queue_count;
	char trace[8192]; /* words of what was asked: see stage_heard() */
	uint64_t features;
	uint64_t more; /* features offered beside STAGE_FEATURES */
	uint8_t config[STAGE_CONFIG_SIZE];
	unsigned all_stopped; /* times that it was told so */
	struct stage_queue queue[STAGE_MOST_QUEUES];

	/* the front end's memory: one file of RAM_SIZE bytes */
	int ram_fd;
};

/* Guest memory of the front end: guest and user address of its first byte, and its size. */
#define RAM_GUEST 0x40000000ull
#define RAM_USER  0x7e0000000000ull
#define RAM_SIZE  0x100000ull

/* For cmocka_unit_test_setup_teardown(): a stage with two queues. Ends the session and checks what is left behind. */
int stage_set_up(void **state);
int stage_tear_down(void **state);

void stage_create(struct stage *stage, uint32_t queue_count);
/* End the session as the daemon does, stopping queues. The device must have forgotten all memory. */
void stage_end(struct stage *stage);
void stage_destroy(struct stage *stage);

/*
 * What the device has heard since the last question, in words: "features",
 * "start N", "refuse N" (no such ring in memory), "stop N", "call N", "add",
 * "remove" (memory), "config", "reset", separated by "; ".
 */
#define assert_heard(stage, expected)                                                                                  \
	do {                                                                                                           \
		assert_string_equal((stage)->trace, (expected));                                                       \
		(stage)->trace[0] = '\0';                                                                              \
	} while (0)

/* The queues that have been asked to stop so far have drained; base is what they say. */
void stage_drain(struct stage *stage, uint32_t base);

/* Send a message as it is, descriptors included (they stay the test's), and let the session work. */
void say_message(struct stage *stage, const struct vhost_msg *msg);
/* Only send. */
void put_message(struct stage *stage, const struct vhost_msg *msg);

struct vhost_msg message(uint32_t request, const void *payload, uint32_t size);
struct vhost_msg message_u64(uint32_t request, uint64_t value);
struct vhost_msg message_state(uint32_t request, uint32_t index, uint32_t num);
/* SET_VRING_ADDR of a small ring in RAM, one place a ring; its size is to be RING_SIZE. */
enum { RING_SIZE = 16 };
struct vhost_msg message_addr(uint32_t index);
/* SET_VRING_KICK, CALL or ERR with a new event descriptor, which is gone once the message is sent by say_fd(). */
void say_fd(struct stage *stage, uint32_t request, uint64_t value);
/* SET_MEM_TABLE with the whole RAM in one region. */
void say_memory(struct stage *stage);
struct vhost_msg message_region(uint32_t request, uint64_t guest, uint64_t size, uint64_t user, uint64_t offset,
				int fd);

void say(struct stage *stage, uint32_t request);
void say_u64(struct stage *stage, uint32_t request, uint64_t value);
void say_state(struct stage *stage, uint32_t request, uint32_t index, uint32_t num);
/* The same, acknowledged: the answer to need_reply. */
uint64_t say_and_ask(struct stage *stage, struct vhost_msg msg);

/* The next reply, which must be there, to this request. */
struct vhost_msg hear(struct stage *stage, uint32_t request);
uint64_t hear_u64(struct stage *stage, uint32_t request);
/* Nothing more was sent; the connection is open. */
void hear_nothing(struct stage *stage);

/* Negotiate everything there is but dirty logging, whose rings would wait for a log. */
void stage_negotiate(struct stage *stage);
/* Set all of ring index up, kick and call descriptors included, but do not enable it. */
void stage_set_up_ring(struct stage *stage, uint32_t index);
/* All at once: negotiate, memory, all rings running. Forgets what was heard. */
void stage_run(struct stage *stage);

#define assert_contains(text, part)                                                                                    \
	do {                                                                                                           \
		if (!strstr((text), (part)))                                                                           \
			fail_msg("expected \"%s\" in \"%s\"", (part), (text));                                         \
	} while (0)

#endif
