/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_STORAGE_DELAY_SAMPLE_H
#define STRAIT_STORAGE_DELAY_SAMPLE_H

#include <stdint.h>

#include "storage/storage.h"

/*
 * One delay in microseconds, >= 0, of the distribution that options describe
 * (mean_us, spread_us >= 0; a uniform one's spread_us <= mean_us), from two
 * uniform 64-bit random numbers. No state.
 */
double delay_sample(const struct storage_delay_options *options, uint64_t random1, uint64_t random2);

#endif
