/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "sample.h"

#define DISK(more) "{'name':'a','state':'connected','workers':[0,1],'counters':{" more "}}"
#define READING(epoch, ns, disks)                                                                                      \
	"{'epoch':" epoch ",'time-ns':" ns ",'disks':[" disks "],'workers':["                                          \
	"{'index':0,'cpu-ns':" ns "},{'index':1,'cpu-ns':500,'turns':10}]}"

static void compute(struct top_rates *rates, const char *before, const char *now)
{
	struct top_reading first, second;

	sample_reading(&first, before);
	sample_reading(&second, now);
	assert_int_equal(top_rates_compute(rates, &first, &second), 0);
	top_reading_free(&first);
	top_reading_free(&second);
}

static void test_rates(void **state)
{
	struct top_rates rates;
	const struct top_row *row;

	(void)state;
	compute(&rates,
		READING("1", "1000000000",
			DISK("'requests':100,'reads':60,'writes':40,'bytes-read':1000,'bytes-written':0,'kicks':0,'"
			     "calls':5")),
		READING("1", "3000000000",
			DISK("'requests':300,'reads':160,'writes':140,'bytes-read':5000,'bytes-written':200,'kicks':"
			     "100,"
			     "'calls':5,'errors':4,'in-flight':7,'held-now':3")));
	assert_int_equal(rates.count, 1);
	row = &rates.rows[0];
	assert_true(rates.seconds == 2);
	assert_true(row->iops == 100 && row->read_iops == 50 && row->write_iops == 50);
	assert_true(row->bytes == 2100 && row->read_bytes == 2000 && row->write_bytes == 100);
	assert_true(row->kicks == 0.5 && row->calls == 0 && row->errors == 2);
	assert_true(row->held == 3);
	/* Without a latency there is no average depth. */
	assert_true(row->depth == 7 && isnan(row->p99_ns) && isnan(row->stage_share));
	/* Worker 0 ran all the time. */
	assert_true(row->cpu == 1 && row->polls == 0);
	assert_true(rates.iops == 100 && rates.bytes == 2100);
	top_rates_free(&rates);
}

static void test_latency(void **state)
{
	struct top_rates rates;
	const struct top_row *row;

	(void)state;
	compute(&rates, READING("1", "1000000000", "{'name':'a','counters':{'requests':0,'held-ns':0}}"),
		READING("1", "2000000000",
			"{'name':'a','window-ns':1000000000,'counters':{'requests':1000,'in-flight':50,'held-ns':"
			"1000000000},'latency':{"
			"'requests':1000,'p50-ns':3,'p99-ns':4,'p999-ns':5,'max-ns':6,'mean-ns':4000000,"
			"'dominant-stage':'held','dominant-share':0.5}}"));
	row = &rates.rows[0];
	assert_true(row->p50_ns == 3 && row->p99_ns == 4 && row->p999_ns == 5 && row->max_ns == 6);
	assert_string_equal(row->stage, "held");
	assert_true(row->stage_share == 0.5);
	/* 1000 requests of 4 ms in a second are 4 at a time; a second of these four was held. */
	assert_true(row->depth == 4);
	assert_true(row->held_share == 0.25);
	top_rates_free(&rates);
}

static void check_unknown(const char *before, const char *now)
{
	struct top_rates rates;

	compute(&rates, before, now);
	assert_int_equal(rates.count, 1);
	assert_true(isnan(rates.rows[0].iops) && isnan(rates.rows[0].kicks));
	assert_true(rates.iops == 0);
	top_rates_free(&rates);
}

static void test_unknown(void **state)
{
	struct top_reading one;
	struct top_rates rates;

	(void)state;
	/* Another epoch, a clock that went back, a disk that is new, one whose counters went back. */
	check_unknown(READING("1", "1", DISK("'requests':1")), READING("2", "2", DISK("'requests':5")));
	check_unknown(READING("1", "3", DISK("'requests':1")), READING("1", "2", DISK("'requests':5")));
	check_unknown(READING("1", "1", ""), READING("1", "2", DISK("'requests':5")));
	check_unknown(READING("1", "1", DISK("'requests':6")), READING("1", "2", DISK("'requests':5")));
	sample_reading(&one, READING("1", "1", DISK("'requests':1")));
	assert_int_equal(top_rates_compute(&rates, NULL, &one), 0);
	assert_true(isnan(rates.seconds) && isnan(rates.rows[0].iops) && isnan(rates.rows[0].cpu));
	top_rates_free(&rates);
	top_reading_free(&one);
}

static void test_disks_that_move(void **state)
{
	struct top_rates rates;

	(void)state;
	compute(&rates,
		READING("1", "1000000000",
			"{'name':'gone'},{'name':'b','counters':{'requests':1}},"
			"{'name':'a','counters':{'requests':2}}"),
		READING("1", "2000000000",
			"{'name':'a','counters':{'requests':12}},"
			"{'name':'b','counters':{'requests':21}}"));
	assert_true(rates.rows[0].iops == 10 && rates.rows[1].iops == 20);
	top_rates_free(&rates);
}

/* What a terminal could obey, what is too long, and what has another type. */
static void test_bad_readings(void **state)
{
	struct top_reading reading;
	struct error err = {0};
	json_t *bad = json_pack("{s:[]}", "disks");

	(void)state;
	assert_int_equal(top_reading_parse(&reading, bad, &err), -EPROTO);
	assert_non_null(strstr(err.text, "another version"));
	top_reading_free(&reading);
	assert_int_equal(top_reading_parse(&reading, NULL, &err), -EPROTO);
	top_reading_free(&reading);
	json_decref(bad);
	sample_reading(&reading,
		       "{'disks':[{'name':'a\\u001b[2Jb\\u00e4','state':'0123456789012345678901234567890123456789"
		       "0123456789012345678901234567890123456789','counters':{'requests':-5,'reads':'x'},"
		       "'latency':[],'pressure':-1e308,'workers':[-1,99999,'x',2]},7],'workers':[null]}");
	assert_int_equal(reading.disk_count, 2);
	assert_string_equal(reading.disks[0].name, "a?[2Jb??");
	assert_int_equal(strlen(reading.disks[0].state), TOP_TEXT - 1);
	assert_true(reading.disks[0].counters.requests == 0 && reading.disks[0].counters.reads == 0);
	assert_true(reading.disks[0].worker[2] && !reading.disks[0].worker[0]);
	assert_true(reading.disks[0].pressure == 0);
	top_reading_free(&reading);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),        cmocka_unit_test(test_latency),
		cmocka_unit_test(test_unknown),      cmocka_unit_test(test_disks_that_move),
		cmocka_unit_test(test_bad_readings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
