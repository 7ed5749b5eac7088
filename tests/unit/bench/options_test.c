/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/options.h"

#define MAX_WORDS 24

/* Parse the words of a command line. */
static int parse(struct bench_options *options, struct error *err, const char *line)
{
	static char copy[512];
	char *argv[MAX_WORDS + 2] = {"bench"}, *word, *rest = copy;
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	while ((word = strsep(&rest, " ")) && argc <= MAX_WORDS) {
		if (*word)
			argv[argc++] = word;
	}
	memset(err, 0, sizeof(*err));
	return bench_options_parse(options, argc, argv, err);
}

static void test_defaults(void **state)
{
	struct bench_options options;
	struct error err;

	(void)state;
	assert_int_equal(parse(&options, &err, "disk.sock"), 0);
	assert_string_equal(options.socket, "disk.sock");
	assert_string_equal(options.rw, "randread");
	assert_true(options.random && !options.mixed && options.op == BENCH_READ);
	assert_int_equal(options.blocks.max, 4096);
	assert_int_equal(options.depth, 32);
	assert_int_equal(options.queues, 1);
	assert_int_equal(options.queue_size, 256);
	assert_int_equal(options.mode, BENCH_POLLED);
	assert_true(options.event_idx && options.indirect);
	assert_int_equal(options.time_ns, 10000000000u);
	assert_int_equal(options.io_count, 0);
	assert_int_equal(options.progress, -1);
	assert_false(options.verify || options.json || options.quiet || options.help || options.has_cpus);
}

static void test_everything(void **state)
{
	struct bench_options options;
	struct error err;

	(void)state;
	assert_int_equal(
		parse(&options, &err,
		      "--rw=randrw --read-percent 55 --block-size=8k-64k --depth 7 --queues=3 --queue-size 512 "
		      "disk.sock --mode event --rate=20k --no-progress"),
		0);
	assert_true(options.mixed && options.random);
	assert_int_equal(options.read_percent, 55);
	assert_int_equal(options.blocks.unit, 8192);
	assert_int_equal(options.depth, 7);
	assert_int_equal(options.queues, 3);
	assert_int_equal(options.queue_size, 512);
	assert_int_equal(options.mode, BENCH_EVENT);
	assert_true(options.rate == 20000);
	assert_int_equal(options.progress, 0);
	assert_string_equal(options.socket, "disk.sock");

	assert_int_equal(parse(&options, &err,
			       "s --rw write --flush-every 9 --offset 1m --size 1g --io-count 1000 --verify --seed 5 "
			       "--reconnect 3"),
			 0);
	assert_int_equal(options.op, BENCH_WRITE);
	assert_false(options.random);
	assert_int_equal(options.flush_every, 9);
	assert_int_equal(options.offset, 1 << 20);
	assert_int_equal(options.size, 1 << 30);
	assert_int_equal(options.io_count, 1000);
	/* A count alone is not cut short by a time nobody asked for. */
	assert_int_equal(options.time_ns, 0);
	assert_int_equal(options.seed, 5);
	assert_int_equal(options.reconnects, 3);
	assert_true(options.verify);

	assert_int_equal(
		parse(&options, &err,
		      "s --no-event-idx --no-indirect --ring split --time 500ms --warm-up 1s --timeout 2s --cpu 0 "
		      "--json"),
		0);
	assert_false(options.event_idx || options.indirect || options.packed);
	assert_int_equal(options.time_ns, 500000000);
	assert_int_equal(options.warm_up_ns, 1000000000);
	assert_int_equal(options.timeout_ns, 2000000000);
	assert_true(options.has_cpus && CPU_ISSET(0, &options.cpus) && CPU_COUNT(&options.cpus) == 1);
	assert_int_equal(parse(&options, &err, "s --rw write-zeroes --unmap --pid 12 --huge-pages --force-writes"), 0);
	assert_true(options.unmap && options.huge_pages && options.force_writes);
	assert_int_equal(options.pid, 12);
	assert_int_equal(parse(&options, &err, "s --ring packed --queue-size 100"), 0);
	assert_true(options.packed);
	assert_int_equal(options.queue_size, 100);
	assert_int_equal(parse(&options, &err, "--help --depth 4"), 0);
	assert_true(options.help);
	assert_int_equal(parse(&options, &err, "-h"), 0);
	assert_true(options.help);
}

/* Each names the option, the value, and what would be right. */
static void test_bad_values(void **state)
{
	static const char *const lines[][3] = {
		{"--rw=append s", "--rw=append", "randwrite"},
		{"--read-percent=101 --rw=rw s", "--read-percent=101", "0 to 100"},
		{"--block-size=1000 s", "--block-size=1000", "512"},
		{"--block-size=64k-4k s", "--block-size=64k-4k", "lower one first"},
		{"--segment-size=1 s", "--segment-size=1", "from 512 to 64m"},
		{"--depth=0 s", "--depth=0", "1 to 4096"},
		{"--depth=ten s", "--depth=ten", "1 to 4096"},
		{"--queues=1000 s", "--queues=1000", "1 to 256"},
		{"--queue-size=100 s", "--queue-size=100", "power of two"},
		{"--ring=round s", "--ring=round", "split or packed"},
		{"--queue-size=3 --ring=packed s", "--queue-size=3", "32768"},
		{"--queue-size=32769 --ring=packed s", "--queue-size=32769", "32768"},
		{"--mode=fast s", "--mode=fast", "polled or event"},
		{"--rate=-5 s", "--rate=-5", "20k"},
		{"--time=forever s", "--time=forever", "10s"},
		{"--time=0 s", "--time=0", "1 ms to a year"},
		{"--offset=x s", "--offset=x", "such as 1g"},
		{"--size=100 s", "--size=100", "512 or more"},
		{"--cpu=9-1 s", "--cpu=9-1", "0-3,8"},
		{"--reconnect=0 s", "--reconnect=0", "1 to"},
		{"--pid=-1 s", "--pid=-1", "1 to"},
		{"--read-percent=50 s", "--read-percent=50", "--rw=rw"},
		{"--flush-every=5 s", "--flush-every=5", "writes"},
		{"--unmap s", "--unmap", "--rw=write-zeroes"},
		{"--verify --rw=discard s", "--verify", "nothing behind"},
		{"--depth=300 s", "--depth=300", "--queue-size=256"},
		{"--frobnicate s", "--frobnicate", "no such option"},
		{"--json=yes s", "--json=yes", "not with an argument"},
		{"s --depth", "--depth", "argument is missing"},
		{"--depth 4", "SOCKET", "UNIX socket"},
		{"a b", "b", "one SOCKET"},
	};
	struct bench_options options;
	struct error err;

	(void)state;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(parse(&options, &err, lines[i][0]), -EINVAL);
		if (!strstr(err.text, lines[i][1]) || !strstr(err.text, lines[i][2]))
			fail_msg("%s: %s", lines[i][0], err.text);
	}
}

static void test_help_lists_options(void **state)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	assert_non_null(out);
	bench_options_help(out);
	fclose(out);
	assert_non_null(strstr(text, "\n      --depth=N "));
	assert_non_null(strstr(text, "\n  -h, --help "));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strncmp(line, "      --", 8) == 0 || strncmp(line, "  -h, --", 8) == 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_help_lists_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
