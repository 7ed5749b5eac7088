/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/blocks.h"
#include "bench/report.h"

static struct bench_result result;
static struct bench_options options;

static int set_up(void **state)
{
	const char *why;

	(void)state;
	memset(&result, 0, sizeof(result));
	memset(&options, 0, sizeof(options));
	options.socket = "disk.sock";
	options.rw = "randrw";
	options.block_text = "4k";
	options.mixed = true;
	bench_blocks_parse(&options.blocks, "4k", &why);
	for (unsigned op = 0; op < BENCH_OP_COUNT; op++)
		hist_reset(&result.op[op].latency);
	result.device.capacity = (uint64_t)8 << 30;
	result.device.features = 1;
	result.seconds = 2;
	for (unsigned i = 0; i < 1000; i++) {
		hist_add(&result.op[BENCH_READ].latency, 10000);
		hist_add(&result.op[BENCH_WRITE].latency, 20000);
	}
	result.op[BENCH_READ].bytes = 4096000;
	result.op[BENCH_WRITE].bytes = 4096000;
	result.kicks = 500;
	return 0;
}

typedef int (*reporter)(FILE *, const struct bench_options *, const struct bench_result *);

static char *report(reporter write)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	assert_int_equal(write(out, &options, &result), 0);
	fclose(out);
	return text;
}

static void test_json(void **state)
{
	char *text = report(bench_report_json);
	json_t *root = json_loads(text, 0, NULL), *total, *read;

	(void)state;
	assert_non_null(root);
	total = json_object_get(root, "total");
	assert_int_equal(json_integer_value(json_object_get(total, "ios")), 2000);
	assert_true(json_real_value(json_object_get(total, "iops")) == 1000);
	read = json_object_get(json_object_get(root, "operations"), "read");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(read, "latency_ns"), "max")), 10000);
	assert_null(json_object_get(json_object_get(root, "operations"), "flush"));
	assert_true(json_is_null(json_object_get(root, "verify")));
	assert_true(json_is_null(json_object_get(root, "failure")));
	assert_true(json_real_value(json_object_get(json_object_get(root, "notifications"), "kicks_per_io")) == 0.25);
	/* Not known is null, not 0. */
	assert_true(json_is_null(json_object_get(json_object_get(root, "back_end"), "cpu")));
	/* A bit this version has no name for. */
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(json_object_get(root, "device"), "features"), 0)),
		"bit 0");
	json_decref(root);
	free(text);
}

/* A serial number of bytes that are no text must not cost the report. */
static void test_json_of_failure(void **state)
{
	json_t *root;
	char *text;

	(void)state;
	result.outcome = BENCH_FAILED;
	strcpy(result.failure, "disk.sock: gone");
	memset(result.device.serial, 0xff, DRIVER_BLK_ID_SIZE);
	result.seconds = 0;
	text = report(bench_report_json);
	root = json_loads(text, 0, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "failure")), "disk.sock: gone");
	assert_int_equal(json_integer_value(json_object_get(root, "exit_code")), 3);
	assert_true(json_is_null(json_object_get(json_object_get(root, "total"), "iops")));
	json_decref(root);
	free(text);
}

static void test_text(void **state)
{
	char *text;

	(void)state;
	result.op[BENCH_READ].errors[BENCH_ERROR_IO] = 3;
	result.sample_count = 1;
	result.sample[0].offset = 8192;
	result.verified = true;
	result.verify.bad[BENCH_STAMP_TORN] = 4;
	result.verify.sample_count = 1;
	result.verify.sample[0].verdict = BENCH_STAMP_TORN;
	options.reconnects = 1;
	options.rate = 1000;
	text = report(bench_report_text);
	for (const char *const *word = (const char *const[]){"disk.sock", "IOPS", "P99.99", "read ", "write ", "all ",
							     "kicks", "torn", "io-error", "reconnects", NULL};
	     *word; word++) {
		if (!strstr(text, *word))
			fail_msg("%s is missing in:\n%s", *word, text);
	}
	free(text);
}

static void test_exit_codes(void **state)
{
	(void)state;
	assert_int_equal(bench_result_exit_code(&result), 0);
	result.op[BENCH_FLUSH].errors[BENCH_ERROR_UNSUPPORTED] = 1;
	assert_int_equal(bench_result_exit_code(&result), 1);
	result.outcome = BENCH_REFUSED;
	assert_int_equal(bench_result_exit_code(&result), 2);
	result.outcome = BENCH_FAILED;
	assert_int_equal(bench_result_exit_code(&result), 3);
	set_up(NULL);
	result.verify.bad[BENCH_STAMP_STALE] = 1;
	assert_int_equal(bench_result_exit_code(&result), 0);
	result.verified = true;
	assert_int_equal(bench_result_exit_code(&result), 1);
}

static void test_procstat(void **state)
{
	struct bench_procstat before, after, used;
	volatile unsigned work __attribute__((unused)) = 0;

	(void)state;
	bench_procstat_read(&before, getpid());
	assert_true(before.valid);
	do {
		for (unsigned i = 0; i < 1000000; i++)
			work += i;
		bench_procstat_read(&after, getpid());
	} while (after.user_s - before.user_s < 0.03);
	used = bench_procstat_between(&before, &after);
	assert_true(used.valid && used.user_s >= 0.03);
	/* Exact, where ticks are not: no more than a tick apart, and what is less than a tick is seen. */
	assert_true(used.cpu_s > 0 && used.cpu_s > used.user_s - 0.03);
	before = after;
	for (unsigned i = 0; i < 100000; i++)
		work += i;
	bench_procstat_read(&after, getpid());
	assert_true(after.cpu_s > before.cpu_s);
	bench_procstat_read(&after, 0);
	assert_false(after.valid);
	assert_false(bench_procstat_between(&before, &after).valid);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_json),       TEST(test_json_of_failure), TEST(test_text),
		TEST(test_exit_codes), TEST(test_procstat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
