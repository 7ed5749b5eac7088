/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_NOISE_H
#define STRAIT_CONTROL_NOISE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Which disk is too much for the others. Its pressure is its share of all that
 * the storage has to do: bytes that are there, times how long they are (Little's
 * law: what a request has, times the time all of them took). It is noisy when
 * it has more than half of that while another one suffers: that misses its
 * latency target, or takes twice as long as when nobody was noisy. Pure
 * arithmetic over an interval of a second or more.
 */
struct noise_disk {
	uint64_t requests, bytes; /* done in the interval */
	uint64_t storage_ns;      /* that these spent in the storage, together */
	uint64_t p99_ns;
	uint64_t target_ns; /* 0: none */

	double quiet_p99_ns; /* kept between intervals: p99 when nobody pressed; 0: not known yet */

	double pressure; /* 0 to 1 */
	bool noisy;
};

void noise_judge(struct noise_disk *const *disks, unsigned count);

#endif
