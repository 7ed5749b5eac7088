/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sample_reading(struct top_reading *reading, const char *json)
{
	char *text = strdup(json);
	struct error err = {0};
	json_t *result;

	assert_non_null(text);
	for (char *c = text; *c; c++) {
		if (*c == '\'')
			*c = '"';
	}
	result = json_loads(text, 0, NULL);
	assert_non_null(result);
	assert_int_equal(top_reading_parse(reading, result, &err), 0);
	json_decref(result);
	free(text);
}

static json_t *disk(unsigned i, bool noisy, unsigned seconds)
{
	const int ios = (int)((i + 1) * 1000 * seconds);
	char name[16];

	snprintf(name, sizeof(name), "vm%u", i);
	return json_pack(
		"{s:s, s:s, s:s, s:I, s:b, s:f, s:[i], s:{s:i, s:i, s:I, s:i, s:i, s:i}, s:{s:i, s:i, s:i, s:i, s:i, "
		"s:s, s:f}}",
		"name", name, "state", "connected", "group", "tenant", "window-ns", (json_int_t)1000000000, "noisy",
		noisy, "pressure", 0.5, "workers", (int)(i % 2), "counters", "requests", ios, "reads", ios,
		"bytes-read", (json_int_t)ios * 4096, "kicks", ios / 10, "calls", ios / 2, "in-flight", 4, "latency",
		"requests", ios / (int)seconds, "p50-ns", 85000, "p99-ns", 1234567, "p999-ns", 9876543, "mean-ns",
		90000, "dominant-stage", "backend", "dominant-share", 0.75);
}

static void reading_of(struct top_reading *reading, unsigned count, bool noisy, unsigned seconds)
{
	json_t *disks = json_array(), *result;
	struct error err = {0};

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(disks, disk(i, noisy && i + 1 == count, seconds));
	result = json_pack("{s:i, s:I, s:o, s:[{s:i, s:I, s:i, s:i}, {s:i, s:I, s:i, s:i}]}", "epoch", 1, "time-ns",
			   (json_int_t)1000000000 * seconds, "disks", disks, "workers", "index", 0, "cpu-ns",
			   (json_int_t)250000000 * seconds, "turns", 5000 * seconds, "sleeps", 100 * seconds, "index",
			   1, "cpu-ns", (json_int_t)750000000 * seconds, "turns", 9000 * seconds, "sleeps", 0);
	assert_non_null(result);
	assert_int_equal(top_reading_parse(reading, result, &err), 0);
	json_decref(result);
}

void sample_rates(struct top_rates *rates, unsigned count, bool noisy)
{
	struct top_reading before, now;

	reading_of(&before, count, noisy, 1);
	reading_of(&now, count, noisy, 2);
	assert_int_equal(top_rates_compute(rates, &before, &now), 0);
	top_reading_free(&before);
	top_reading_free(&now);
}
