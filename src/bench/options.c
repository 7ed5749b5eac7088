/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#include "base/checked.h"
#include "base/cpus.h"
#include "bench/blocks.h"
#include "bench/units.h"

const char *const bench_op_names[BENCH_OP_COUNT] = {
	[BENCH_READ] = "read",
	[BENCH_WRITE] = "write",
	[BENCH_FLUSH] = "flush",
	[BENCH_DISCARD] = "discard",
	[BENCH_WRITE_ZEROES] = "write-zeroes",
};

#define DEFAULT_TIME_NS 10000000000u
#define COUNT(array)    (sizeof(array) / sizeof((array)[0]))

enum kind {
	FLAG,     /* no argument: store min, a bool or an int */
	NUMBER,   /* unsigned */
	NUMBER64, /* uint64_t */
	SIZE,     /* uint64_t, bytes */
	DURATION, /* uint64_t, ns */
	CUSTOM,
};

struct spec {
	const char *name;
	const char *arg;
	const char *help;
	enum kind kind;
	size_t field; /* in struct bench_options */
	uint64_t min, max;
	/* CUSTOM: 0, or -EINVAL with what is allowed in *expected. */
	int (*parse)(struct bench_options *options, const char *value, const char **expected);
};

static int parse_rw(struct bench_options *options, const char *value, const char **expected)
{
	static const struct {
		const char *name;
		enum bench_op op;
		bool random, mixed;
	} loads[] = {
		{"read", BENCH_READ, false, false},
		{"write", BENCH_WRITE, false, false},
		{"randread", BENCH_READ, true, false},
		{"randwrite", BENCH_WRITE, true, false},
		{"rw", BENCH_READ, false, true},
		{"randrw", BENCH_READ, true, true},
		{"flush", BENCH_FLUSH, false, false},
		{"discard", BENCH_DISCARD, true, false},
		{"write-zeroes", BENCH_WRITE_ZEROES, true, false},
	};

	for (unsigned i = 0; i < COUNT(loads); i++) {
		if (strcmp(value, loads[i].name) == 0) {
			options->rw = value;
			options->op = loads[i].op;
			options->random = loads[i].random;
			options->mixed = loads[i].mixed;
			return 0;
		}
	}
	*expected = "read, write, randread, randwrite, rw, randrw, flush, discard or write-zeroes";
	return -EINVAL;
}

static int parse_block_size(struct bench_options *options, const char *value, const char **expected)
{
	options->block_text = value;
	return bench_blocks_parse(&options->blocks, value, expected);
}

static int parse_queue_size(struct bench_options *options, const char *value, const char **expected)
{
	uint64_t size;

	*expected = "a power of two from 4 to 32768, or with --ring=packed any number of them";
	if (bench_parse_number(value, &size) < 0 || size < 4 || size > 32768)
		return -EINVAL;
	options->queue_size = (unsigned)size;
	return 0;
}

static int parse_ring(struct bench_options *options, const char *value, const char **expected)
{
	*expected = "split or packed";
	if (strcmp(value, "split") != 0 && strcmp(value, "packed") != 0)
		return -EINVAL;
	options->packed = value[0] == 'p';
	return 0;
}

static int parse_mode(struct bench_options *options, const char *value, const char **expected)
{
	*expected = "polled or event";
	if (strcmp(value, "polled") != 0 && strcmp(value, "event") != 0)
		return -EINVAL;
	options->mode = value[0] == 'p' ? BENCH_POLLED : BENCH_EVENT;
	return 0;
}

static int parse_rate(struct bench_options *options, const char *value, const char **expected)
{
	*expected = "requests a second from 0.001 to 100m, such as 20k";
	if (bench_parse_rate(value, &options->rate) < 0 || options->rate < 0.001 || options->rate > 1e8)
		return -EINVAL;
	return 0;
}

static int parse_cpus(struct bench_options *options, const char *value, const char **expected)
{
	*expected = "a list of CPUs such as 0-3,8";
	options->has_cpus = true;
	return cpus_parse(value, &options->cpus, NULL);
}

#define FIELD(name)  offsetof(struct bench_options, name)
#define SECONDS_1(n) ((uint64_t)(n)*1000000000u)
#define YEAR_NS      SECONDS_1(366 * 86400)

/* The order is that of --help. Names, arguments and the man page agree. */
static const struct spec specs[] = {
	{"rw", "MODE",
	 "read, write, randread, randwrite, rw, randrw, flush, discard or write-zeroes (default randread)",
	 .kind = CUSTOM, .parse = parse_rw},
	{"read-percent", "N", "share of reads in rw and randrw (default 70)", NUMBER, FIELD(read_percent), 0, 100,
	 NULL},
	{"block-size", "SIZES", "a size, a list 4k,64k or a range 8k-1m (default 4k)", .kind = CUSTOM,
	 .parse = parse_block_size},
	{"segment-size", "SIZE", "cut a block's buffer into descriptors of this size", SIZE, FIELD(segment_size), 512,
	 BENCH_MAX_BLOCK_SIZE, NULL},
	{"depth", "N", "requests in flight on each queue (default 32)", NUMBER, FIELD(depth), 1, BENCH_MAX_DEPTH, NULL},
	{"queues", "N", "queues to drive, all from one thread (default 1)", NUMBER, FIELD(queues), 1, BENCH_MAX_QUEUES,
	 NULL},
	{"queue-size", "N", "entries of each ring (default 256)", .kind = CUSTOM, .parse = parse_queue_size},
	{"ring", "LAYOUT", "layout of the rings: split or packed (default split)", .kind = CUSTOM, .parse = parse_ring},
	{"mode", "MODE", "polled: never sleep; event: sleep until called (default polled)", .kind = CUSTOM,
	 .parse = parse_mode},
	{"no-event-idx", NULL, "do not negotiate VIRTIO_F_EVENT_IDX", FLAG, FIELD(event_idx), 0, 0, NULL},
	{"no-indirect", NULL, "do not negotiate VIRTIO_F_INDIRECT_DESC", FLAG, FIELD(indirect), 0, 0, NULL},
	{"no-inflight", NULL, "do not negotiate INFLIGHT_SHMFD", FLAG, FIELD(inflight), 0, 0, NULL},
	{"flush-every", "N", "flush after each N writes of a queue", NUMBER, FIELD(flush_every), 1, 1000000000, NULL},
	{"unmap", NULL, "let write-zeroes deallocate", FLAG, FIELD(unmap), 1, 0, NULL},
	{"rate", "IOPS", "send at this rate whatever completes (default: as completions allow)", .kind = CUSTOM,
	 .parse = parse_rate},
	{"time", "TIME", "how long to measure (default 10s, none with --io-count)", DURATION, FIELD(time_ns), 1000000,
	 YEAR_NS, NULL},
	{"warm-up", "TIME", "run this long before measuring (default 0)", DURATION, FIELD(warm_up_ns), 0, YEAR_NS,
	 NULL},
	{"offset", "SIZE", "start of the region of the disk to use (default 0)", SIZE, FIELD(offset), 0, UINT64_MAX,
	 NULL},
	{"size", "SIZE", "size of that region (default: to the end)", SIZE, FIELD(size), 512, UINT64_MAX, NULL},
	{"io-count", "N", "measure this many requests", NUMBER64, FIELD(io_count), 1, UINT64_MAX, NULL},
	{"verify", NULL, "stamp what is written and check what is read; overwrites the region", FLAG, FIELD(verify), 1,
	 0, NULL},
	{"seed", "N", "seed of offsets, sizes and stamps (default: random)", NUMBER64, FIELD(seed), 0, UINT64_MAX,
	 NULL},
	{"reconnect", "N", "stop the queues, disconnect and connect again N times on the way", NUMBER,
	 FIELD(reconnects), 1, BENCH_MAX_RECONNECTS, NULL},
	{"survive", "TIME", "when the back end dies, wait this long for another one and go on with it", DURATION,
	 FIELD(survive_ns), 1000000, SECONDS_1(86400), NULL},
	{"timeout", "TIME", "give up when nothing completes for this long (default 30s)", DURATION, FIELD(timeout_ns),
	 10000000, SECONDS_1(86400), NULL},
	{"force-writes", NULL, "write even to a disk that says it is read-only", FLAG, FIELD(force_writes), 1, 0, NULL},
	{"huge-pages", NULL, "back guest memory with huge pages", FLAG, FIELD(huge_pages), 1, 0, NULL},
	{"cpu", "LIST", "run on these CPUs, such as 0-3,8", .kind = CUSTOM, .parse = parse_cpus},
	{"pid", "PID", "process whose CPU time counts (default: who listens on SOCKET)", NUMBER, FIELD(pid), 1, 1 << 22,
	 NULL},
	{"json", NULL, "report as JSON", FLAG, FIELD(json), 1, 0, NULL},
	{"progress", NULL, "show progress even if standard error is not a terminal", FLAG, FIELD(progress), 1, 0, NULL},
	{"no-progress", NULL, "show no progress", FLAG, FIELD(progress), 0, 0, NULL},
	{"quiet", NULL, "no progress and no table; errors and --json remain", FLAG, FIELD(quiet), 1, 0, NULL},
	{"help", NULL, "show this help and exit", FLAG, FIELD(help), 1, 0, NULL},
};

void bench_options_help(FILE *out)
{
	for (unsigned i = 0; i < COUNT(specs); i++) {
		const struct spec *spec = &specs[i];
		const int used = fprintf(out, "  %s --%s%s%s", strcmp(spec->name, "help") == 0 ? "-h," : "   ",
					 spec->name, spec->arg ? "=" : "", spec->arg ? spec->arg : "");

		fprintf(out, "%*s%s\n", used < 28 ? 28 - used : 2, "", spec->help);
	}
}

static void store_flag(struct bench_options *options, const struct spec *spec)
{
	if (spec->field == FIELD(progress))
		options->progress = (int)spec->min;
	else
		*(bool *)((char *)options + spec->field) = spec->min;
}

static int out_of_range(const struct spec *spec, const char *value, struct error *err)
{
	char low[32], high[32];

	switch (spec->kind) {
	case SIZE:
		if (spec->max == UINT64_MAX)
			return error_set(err, -EINVAL, "--%s=%s: expected a size of %s or more, such as 1g", spec->name,
					 value, bench_format_size(spec->min, low, sizeof(low)));
		return error_set(err, -EINVAL, "--%s=%s: expected a size from %s to %s", spec->name, value,
				 bench_format_size(spec->min, low, sizeof(low)),
				 bench_format_size(spec->max, high, sizeof(high)));
	case DURATION:
		return error_set(err, -EINVAL, "--%s=%s: expected a time from %s to %s, such as 500ms, 10s or 2m",
				 spec->name, value, bench_format_ns((double)spec->min, low, sizeof(low)),
				 spec->max == YEAR_NS ? "a year"
						      : bench_format_ns((double)spec->max, high, sizeof(high)));
	default:
		return error_set(err, -EINVAL, "--%s=%s: expected a number from %llu to %llu", spec->name, value,
				 (unsigned long long)spec->min, (unsigned long long)spec->max);
	}
}

static int parse_custom(struct bench_options *options, const struct spec *spec, const char *value, struct error *err)
{
	const char *expected = "something else";

	if (spec->parse(options, value, &expected) < 0)
		return error_set(err, -EINVAL, "--%s=%s: %s%s", spec->name, value,
				 strncmp(expected, "expected", 8) == 0 || spec->parse == parse_block_size ? ""
													  : "expected ",
				 expected);
	return 0;
}

static int apply(struct bench_options *options, const struct spec *spec, const char *value, struct error *err)
{
	uint64_t number;
	int ret;

	if (spec->kind == FLAG) {
		store_flag(options, spec);
		return 0;
	}
	if (spec->kind == CUSTOM)
		return parse_custom(options, spec, value, err);
	if (spec->kind == SIZE)
		ret = bench_parse_size(value, &number);
	else if (spec->kind == DURATION)
		ret = bench_parse_duration(value, &number);
	else
		ret = bench_parse_number(value, &number);
	if (ret < 0 || number < spec->min || number > spec->max)
		return out_of_range(spec, value, err);
	if (spec->kind == NUMBER)
		*(unsigned *)((char *)options + spec->field) = (unsigned)number;
	else
		*(uint64_t *)((char *)options + spec->field) = number;
	return 0;
}

_Static_assert(sizeof(pid_t) == sizeof(unsigned), "--pid is stored as a NUMBER");

static void set_defaults(struct bench_options *options)
{
	const char *why;

	memset(options, 0, sizeof(*options));
	options->rw = "randread";
	options->op = BENCH_READ;
	options->random = true;
	options->read_percent = UINT32_MAX;
	options->block_text = "4k";
	bench_blocks_parse(&options->blocks, options->block_text, &why);
	options->depth = 32;
	options->queues = 1;
	options->queue_size = 256;
	options->event_idx = options->indirect = options->inflight = true;
	options->timeout_ns = SECONDS_1(30);
	options->progress = -1;
	if (getrandom(&options->seed, sizeof(options->seed), 0) < 0)
		options->seed = 1;
	/* Short enough to be typed again. */
	options->seed &= UINT32_MAX;
}

/* What makes no sense together. */
static int check_combination(struct bench_options *options, struct error *err)
{
	const char *rw = options->rw;
	const bool writes = options->op == BENCH_WRITE || options->mixed;

	if (options->read_percent != UINT32_MAX && !options->mixed)
		return error_set(err, -EINVAL, "--read-percent=%u: only with --rw=rw or --rw=randrw, not with --rw=%s",
				 options->read_percent, rw);
	if (options->flush_every && !writes)
		return error_set(err, -EINVAL, "--flush-every=%u: only with a load that writes, not with --rw=%s",
				 options->flush_every, rw);
	if (options->unmap && options->op != BENCH_WRITE_ZEROES)
		return error_set(err, -EINVAL, "--unmap: only with --rw=write-zeroes, not with --rw=%s", rw);
	if (options->verify && (options->op == BENCH_FLUSH || options->op == BENCH_DISCARD))
		return error_set(err, -EINVAL, "--verify: --rw=%s leaves nothing behind that could be checked", rw);
	if (!options->packed && !is_power_of_two(options->queue_size))
		return error_set(err, -EINVAL, "--queue-size=%u: a split ring has a power of two entries",
				 options->queue_size);
	if (options->depth > options->queue_size)
		return error_set(err, -EINVAL, "--depth=%u: more than a ring of --queue-size=%u holds", options->depth,
				 options->queue_size);
	return 0;
}

static void fill_in(struct bench_options *options)
{
	if (options->read_percent == UINT32_MAX)
		options->read_percent = 70;
	if (!options->time_ns && !options->io_count)
		options->time_ns = DEFAULT_TIME_NS;
}

static int finish(struct bench_options *options, int argc, char **argv, struct error *err)
{
	if (options->help)
		return 0;
	if (optind == argc)
		return error_set(err, -EINVAL, "no SOCKET given: name the UNIX socket of a vhost-user-blk back end");
	if (optind + 1 < argc)
		return error_set(err, -EINVAL, "%s: one SOCKET is enough (it is %s)", argv[optind + 1], argv[optind]);
	options->socket = argv[optind];
	if (check_combination(options, err) < 0)
		return -EINVAL;
	fill_in(options);
	return 0;
}

int bench_options_parse(struct bench_options *options, int argc, char **argv, struct error *err)
{
	struct option table[COUNT(specs) + 1] = {0};
	int letter, index = -1;

	set_defaults(options);
	for (unsigned i = 0; i < COUNT(specs); i++)
		table[i] = (struct option){specs[i].name, specs[i].arg ? required_argument : no_argument, NULL, 0};
	opterr = 0;
	optind = 0;
	while ((letter = getopt_long(argc, argv, ":h", table, &index)) != -1) {
		if (letter == 'h')
			options->help = true;
		else if (letter == ':')
			return error_set(err, -EINVAL, "%s: an argument is missing", argv[optind - 1]);
		else if (letter == '?')
			return error_set(err, -EINVAL, "%s: no such option, or not with an argument",
					 argv[optind > 1 ? optind - 1 : 1]);
		else if (apply(options, &specs[index], optarg, err) < 0)
			return -EINVAL;
	}
	return finish(options, argc, argv, err);
}
