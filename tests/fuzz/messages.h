/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_FUZZ_MESSAGES_H
#define STRAIT_TESTS_FUZZ_MESSAGES_H

#include "input.h"
#include "vhost/codec.h"

/*
 * The front end's side of a session, played from a fuzzer's input: messages
 * that are nearly right more often than not, with descriptors of all kinds.
 */
struct front {
	int socket;                            /* non-blocking, -1 once closed */
	int ram;                               /* the guest's memory: a memfd of FRONT_RAM_SIZE bytes */
	int kick, call, err;                   /* eventfds */
	int inflight;                          /* what GET_INFLIGHT_FD brought, or -1, */
	struct vhost_inflight_msg inflight_as; /* and what was said of it */
};

/* Guest and user address of the first byte of ram: small numbers, so that few bits decide. */
#define FRONT_RAM_GUEST 0x0ull
#define FRONT_RAM_USER  0x10000000ull
#define FRONT_RAM_SIZE  0x40000ull
/* Where ring i begins in ram, if the front end sets it up as it should. */
#define FRONT_RING(i) (0x1000ull * (i))

void front_open(struct front *front, int socket);
void front_close(struct front *front);

/* Descriptors that stay open from one input to the next are made here, once. */
void front_init(void);

/* Any message that the input describes, perhaps in pieces. */
void front_say_anything(struct front *front, struct input *input);

/* Exactly as they should be. */
void front_negotiate(struct front *front, uint64_t features, uint64_t protocol_features);
void front_set_memory(struct front *front);
void front_set_up_ring(struct front *front, uint8_t index, uint32_t size, uint32_t base);

/* Ask for an in-flight region; hand back what came; write into it, if it is there. */
void front_ask_inflight(struct front *front, uint16_t queues, uint16_t size);
void front_give_inflight(struct front *front);
void front_spoil_inflight(struct front *front, struct input *input);

/* Read what has come, closing descriptors but for an in-flight region's. */
void front_listen(struct front *front);

#endif
