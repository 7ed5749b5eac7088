/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "top/options.h"
#include "top/report_json.h"
#include "top_screen.h"
#include "top_source.h"

#define EXIT_USAGE  2
#define EXIT_FAILED 3

static void print_help(void)
{
	printf("Usage: strait top [OPTION]...\n"
	       "\n"
	       "Show what the disks of a running straitd do, as it happens: how much, how fast,\n"
	       "where requests spend their time, and who disturbs the others.\n"
	       "\n"
	       "Options:\n");
	top_options_help(stdout);
	printf("\n"
	       "On a terminal: q ends, ? shows the keys. Exit status: 0 clean, 2 wrong usage,\n"
	       "3 straitd is not there (--batch and --json; otherwise it is waited for).\n");
}

static void wait_for(double seconds)
{
	struct timespec left = {(time_t)seconds, (long)(fmod(seconds, 1) * 1e9)};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		continue;
}

static int print_page(struct top_options *options, struct top_rates *rates, struct top_page *page)
{
	int ret = top_view_render(&options->view, rates, TOP_MAX_WIDTH, 0, page);

	for (unsigned i = 0; ret == 0 && i < page->count; i++)
		puts(page->lines[i].text);
	/* A blank line ends a reading. */
	puts("");
	return ret;
}

static int print_json(const struct top_options *options, struct top_rates *rates)
{
	json_t *report = top_report_json(&options->view, rates);
	int ret = report ? json_dumpf(report, stdout, JSON_COMPACT) : -1;

	puts("");
	json_decref(report);
	return ret;
}

/* 0, or the exit code where it cannot go on. */
static int print_rates(struct top_options *options, const struct top_answer *before, const struct top_answer *now,
		       struct top_page *page)
{
	struct top_rates rates;
	int ret = top_rates_compute(&rates, before ? &before->reading : NULL, &now->reading);

	if (ret == 0)
		ret = options->json ? print_json(options, &rates) : print_page(options, &rates, page);
	top_rates_free(&rates);
	if (ret < 0)
		fprintf(stderr, "strait top: out of memory\n");
	else if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	else
		fprintf(stderr, "strait top: cannot write: %s\n", strerror(errno));
	return EXIT_FAILED;
}

/* For files and programs: a reading that says nothing of rates is not printed, so there is one more than that. */
static int run_batch(struct top_options *options, struct top_source *source)
{
	struct top_answer *before = NULL;
	struct top_page page = {0};
	int code = 0;

	for (unsigned long done = 0; code == 0 && (!options->count || done < options->count);) {
		struct top_answer *now = top_source_fetch(source);

		if (!now || now->ret < 0) {
			fprintf(stderr, "strait top: %s\n", now ? now->err.text : "out of memory");
			top_answer_free(now);
			code = EXIT_FAILED;
			break;
		}
		if (before) {
			code = print_rates(options, before, now, &page);
			done++;
		}
		top_answer_free(before);
		before = now;
		if (code == 0 && (!options->count || done < options->count))
			wait_for(options->view.delay);
	}
	top_answer_free(before);
	top_page_free(&page);
	return code;
}

int command_top(int argc, char **argv)
{
	struct top_options options;
	struct top_source *source;
	struct error err;

	if (top_options_parse(&options, argc, argv, &err) < 0) {
		fprintf(stderr, "strait top: %s\nTry \"strait top --help\".\n", err.text);
		return EXIT_USAGE;
	}
	if (options.help) {
		print_help();
		return 0;
	}
	/* Latencies are kept by the second. */
	source = top_source_new(options.socket, (unsigned)ceil(options.view.delay));
	if (!source) {
		fprintf(stderr, "strait top: out of memory\n");
		return EXIT_FAILED;
	}
	if (options.batch || options.json) {
		const int code = run_batch(&options, source);

		top_source_free(source);
		return code;
	}
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		top_source_free(source);
		fprintf(stderr, "strait top: standard input and output are not a terminal: say --batch or --json\n");
		return EXIT_USAGE;
	}
	return top_screen_run(&options, source);
}
