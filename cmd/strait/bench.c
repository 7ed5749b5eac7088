/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/run.h"
#include "command.h"

#define EXIT_USAGE  2
#define EXIT_FAILED 3

static void on_signal(int number)
{
	(void)number;
	bench_interrupt();
}

/* The first signal ends the run and the report still comes; the second one kills. */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void print_help(void)
{
	printf("Usage: strait bench [OPTION]... SOCKET\n"
	       "\n"
	       "Drive the vhost-user-blk back end that listens on the UNIX socket SOCKET, as a\n"
	       "guest would, and measure it.\n"
	       "\n"
	       "Options:\n");
	bench_options_help(stdout);
	printf("\n"
	       "SIZE takes k, m, g and t (powers of 1024), IOPS takes k and m (powers of 1000),\n"
	       "TIME takes us, ms, s, m and h. Exit status: 0 clean, 1 errors of the disk,\n"
	       "2 wrong usage, 3 the back end is not there, vanished or broke the protocol.\n");
}

static int report(const struct bench_options *options, const struct bench_result *result)
{
	int ret = 0;

	if (result->outcome != BENCH_FINISHED)
		fprintf(stderr, "strait bench: %s\n", result->failure);
	if (options->json)
		ret = bench_report_json(stdout, options, result);
	else if (!options->quiet && result->outcome == BENCH_FINISHED)
		ret = bench_report_text(stdout, options, result);
	if (ret < 0) {
		fprintf(stderr, "strait bench: cannot write the report\n");
		return EXIT_FAILED;
	}
	return bench_result_exit_code(result);
}

int command_bench(int argc, char **argv)
{
	struct bench_options options;
	struct bench_result *result;
	struct error err;
	int code;

	if (bench_options_parse(&options, argc, argv, &err) < 0) {
		fprintf(stderr, "strait bench: %s\nTry \"strait bench --help\".\n", err.text);
		return EXIT_USAGE;
	}
	if (options.help) {
		print_help();
		return 0;
	}
	result = malloc(sizeof(*result));
	if (!result) {
		fprintf(stderr, "strait bench: out of memory\n");
		return EXIT_FAILED;
	}
	clock_init();
	catch_signals();
	bench_run(&options, result);
	code = report(&options, result);
	free(result);
	return code;
}
