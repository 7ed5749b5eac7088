/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_METRICS_TEXT_H
#define STRAIT_CONTROL_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Prometheus' text format, version 0.0.4: families of samples, one after the
 * other. Where memory runs out failed is set, and the rest goes nowhere.
 */
struct metrics_text {
	char *at; /* the owner's, for free(3); not terminated */
	size_t length, room;
	bool failed;
};

/* "# HELP" and "# TYPE"; all samples of a family follow it. help has no backslash and no newline. */
void metrics_text_family(struct metrics_text *text, const char *name, const char *type, const char *help);

/* Up to three labels, NULL: no more. Values have no quote, backslash or newline. */
struct metrics_labels {
	const char *name[3], *value[3];
};

void metrics_text_uint(struct metrics_text *text, const char *name, const struct metrics_labels *labels,
		       uint64_t value);

/* Nanoseconds, in seconds. */
void metrics_text_seconds(struct metrics_text *text, const char *name, const struct metrics_labels *labels,
			  uint64_t ns);
void metrics_text_double(struct metrics_text *text, const char *name, const struct metrics_labels *labels,
			 double value);

/* NAME_bucket for each of count upper ends and +Inf, NAME_sum and NAME_count. cumulative has count + 1 numbers. */
void metrics_text_histogram(struct metrics_text *text, const char *name, const struct metrics_labels *labels,
			    const char *const *ends, const uint64_t *cumulative, unsigned count, uint64_t sum_ns);

#endif
