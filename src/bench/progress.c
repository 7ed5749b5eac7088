/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/units.h"

void bench_progress_init(struct bench_progress *progress, int wanted)
{
	memset(progress, 0, sizeof(*progress));
	progress->terminal = isatty(STDERR_FILENO);
	progress->on = wanted > 0 || (wanted < 0 && progress->terminal);
}

void bench_progress_begin(struct bench_progress *progress, uint64_t now_ns, uint64_t ios)
{
	progress->last_ns = now_ns;
	progress->last_ios = ios;
}

void bench_progress_show(struct bench_progress *progress, const char *phase, double share, uint64_t now_ns,
			 uint64_t elapsed_ns, uint64_t ios)
{
	const double seconds = (double)(now_ns - progress->last_ns) / 1e9;
	char rate[32], line[128];
	int length;

	if (!progress->on || seconds <= 0)
		return;
	bench_format_count((double)(ios - progress->last_ios) / seconds, rate, sizeof(rate));
	length = snprintf(line, sizeof(line), "%-9s %3.0f%%  %s IOPS  %.0f s", phase, share > 1 ? 100.0 : share * 100,
			  rate, (double)elapsed_ns / 1e9);
	if (progress->terminal)
		fprintf(stderr, "\r%-*s", (int)progress->width, line);
	else
		fprintf(stderr, "%s\n", line);
	fflush(stderr);
	progress->width = (unsigned)length;
	bench_progress_begin(progress, now_ns, ios);
}

void bench_progress_clear(struct bench_progress *progress)
{
	if (progress->on && progress->terminal && progress->width)
		fprintf(stderr, "\r%*s\r", (int)progress->width, "");
	progress->width = 0;
}
