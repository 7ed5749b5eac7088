/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TEST_TOP_SAMPLE_H
#define STRAIT_TEST_TOP_SAMPLE_H

#include "top/rates.h"

/* A reading of this JSON, in which ' stands for ". It must be one. */
void sample_reading(struct top_reading *reading, const char *json);

/* Rates of count disks "vm0", "vm1", ... with (i + 1) * 1000 IOPS; the last is noisy where asked for. Two workers. */
void sample_rates(struct top_rates *rates, unsigned count, bool noisy);

#endif
