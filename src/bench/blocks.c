/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/blocks.h"

#include <errno.h>
#include <string.h>

#include "bench/random.h"
#include "bench/units.h"

#define SECTOR 512u

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		const uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* The size at *at up to one of the separators, which *at then points to. */
static int parse_one(const char **at, uint64_t *size, const char **why)
{
	const size_t length = strcspn(*at, ",-");
	char text[32];

	*why = "expected sizes such as 4k, 4k,64k or 8k-1m";
	if (!length || length >= sizeof(text))
		return -EINVAL;
	memcpy(text, *at, length);
	text[length] = '\0';
	if (bench_parse_size(text, size) < 0)
		return -EINVAL;
	*why = "expected multiples of 512 bytes from 512 to 64m";
	if (!*size || *size % SECTOR || *size > BENCH_MAX_BLOCK_SIZE)
		return -EINVAL;
	*at += length;
	return 0;
}

static int finish_range(struct bench_block_sizes *blocks, const char **why)
{
	*why = "the range must have two ends, the lower one first";
	if (blocks->count != 2 || blocks->size[1] < blocks->size[0])
		return -EINVAL;
	blocks->unit = blocks->size[0];
	blocks->size[1] -= blocks->size[1] % blocks->unit;
	blocks->max = blocks->size[1];
	return 0;
}

int bench_blocks_parse(struct bench_block_sizes *blocks, const char *text, const char **why)
{
	const char *at = text;

	memset(blocks, 0, sizeof(*blocks));
	for (;;) {
		uint64_t size;

		if (blocks->count == BENCH_MAX_BLOCK_SIZES) {
			*why = "at most 16 sizes are possible";
			return -EINVAL;
		}
		if (parse_one(&at, &size, why) < 0)
			return -EINVAL;
		blocks->size[blocks->count++] = size;
		blocks->unit = greatest_common_divisor(size, blocks->unit);
		if (size > blocks->max)
			blocks->max = size;
		if (!*at)
			break;
		if (*at == '-')
			blocks->is_range = true;
		at++;
	}
	return blocks->is_range ? finish_range(blocks, why) : 0;
}

uint64_t bench_blocks_pick(const struct bench_block_sizes *blocks, uint64_t random)
{
	uint64_t low = 1, high, steps;
	unsigned doublings;

	if (blocks->count == 1)
		return blocks->size[0];
	if (!blocks->is_range)
		return blocks->size[bench_random_below(random, blocks->count)];
	/* First which doubling, then which multiple of the unit in it; the last one may be cut short. */
	steps = blocks->max / blocks->unit;
	doublings = 64u - (unsigned)__builtin_clzll(steps);
	low <<= bench_random_below(random, doublings);
	high = 2 * low - 1 < steps ? 2 * low - 1 : steps;
	return (low + bench_random_below(bench_random_mix(random), high - low + 1)) * blocks->unit;
}
