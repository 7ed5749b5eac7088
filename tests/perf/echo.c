/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to be woken by one eventfd and to wake by another, and nothing
 * else: no back end that sleeps between requests, and whose driver sleeps too,
 * can take less CPU time a request.
 *
 *   echo [--rate=20000] [--count=20000] [--cpus=BACK,FRONT]
 *
 * Prints the CPU time of the side that echoes: "us N.NN".
 */
#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

struct options {
	double rate;
	unsigned count;
	int back_cpu, front_cpu; /* -1: any */
};

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* The back end's part. Its exit status says whether it went well. */
static int echo(const struct options *options, int kick, int call)
{
	struct timespec cpu;
	eventfd_t value;

	pin(options->back_cpu);
	for (unsigned i = 0; i < options->count; i++) {
		if (eventfd_read(kick, &value) < 0 || eventfd_write(call, 1) < 0)
			return 1;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	printf("us %.2f\n", ((double)cpu.tv_sec * 1e6 + (double)cpu.tv_nsec / 1e3) / options->count);
	return fflush(stdout) != 0;
}

/* The driver's: a kick at each of its times, then sleep until the call. */
static int drive(const struct options *options, int kick, int call)
{
	uint64_t next = clock_monotonic_ns();
	eventfd_t value;

	pin(options->front_cpu);
	for (unsigned i = 0; i < options->count; i++) {
		struct timespec until;

		next += (uint64_t)(1e9 / options->rate);
		until = (struct timespec){.tv_sec = (time_t)(next / 1000000000), .tv_nsec = (long)(next % 1000000000)};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		if (eventfd_write(kick, 1) < 0 || eventfd_read(call, &value) < 0)
			return 1;
	}
	return 0;
}

static bool parse(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {{"rate", required_argument, NULL, 'r'},
					      {"count", required_argument, NULL, 'n'},
					      {"cpus", required_argument, NULL, 'c'},
					      {0}};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 'r')
			options->rate = atof(optarg);
		else if (option == 'n')
			options->count = (unsigned)atoi(optarg);
		else if (option != 'c' || sscanf(optarg, "%d,%d", &options->back_cpu, &options->front_cpu) != 2)
			return false;
	}
	return optind == argc && options->rate > 0 && options->count > 0;
}

int main(int argc, char **argv)
{
	struct options options = {.rate = 20000, .count = 20000, .back_cpu = -1, .front_cpu = -1};
	const int kick = eventfd(0, 0), call = eventfd(0, 0);
	int status = 1, ret;
	pid_t child;

	if (!parse(argc, argv, &options)) {
		fprintf(stderr, "usage: echo [--rate=20000] [--count=20000] [--cpus=BACK,FRONT]\n");
		return 2;
	}
	child = kick < 0 || call < 0 ? -1 : fork();
	if (child < 0) {
		perror("echo");
		return 1;
	}
	if (child == 0)
		_exit(echo(&options, kick, call));
	ret = drive(&options, kick, call);
	waitpid(child, &status, 0);
	return ret || status != 0;
}
