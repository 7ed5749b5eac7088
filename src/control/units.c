/* SPDX-License-Identifier: Apache-2.0 */
#include "control/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned shift;
} units[] = {{"EiB", 60}, {"PiB", 50}, {"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}};

#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

/* Digits at *at, which is moved behind them. */
static int take_digits(const char **at, uint64_t *value)
{
	const char *start = *at;

	*value = 0;
	if (!isdigit((unsigned char)*start))
		return -EINVAL;
	if (start[0] == '0' && isdigit((unsigned char)start[1]))
		return -EINVAL;
	for (; isdigit((unsigned char)**at); (*at)++) {
		if (__builtin_mul_overflow(*value, 10u, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(**at - '0'), value))
			return -ERANGE;
	}
	return 0;
}

int units_parse_uint(const char *text, uint64_t *value)
{
	const char *at = text;
	int ret = take_digits(&at, value);

	if (ret == -EINVAL || text[strspn(text, "0123456789")] != '\0')
		return -EINVAL;
	return ret;
}

int units_parse_size(const char *text, uint64_t *bytes)
{
	const char *at = text;
	uint64_t count;
	int ret = take_digits(&at, &count);

	if (ret < 0)
		return ret;
	if (*at == '\0') {
		*bytes = count;
		return 0;
	}
	if (*at == ' ')
		at++;
	for (unsigned i = 0; i < UNIT_COUNT; i++) {
		if (strcmp(at, units[i].name) != 0)
			continue;
		return __builtin_mul_overflow(count, (uint64_t)1 << units[i].shift, bytes) ? -ERANGE : 0;
	}
	return -EINVAL;
}

int units_parse_rate(const char *text, uint64_t thousand, uint64_t *rate)
{
	static const char letters[] = "kmg";
	const char *at = text, *letter;
	uint64_t factor = 1;
	int ret = take_digits(&at, rate);

	if (ret < 0)
		return ret;
	letter = *at ? strchr(letters, *at) : NULL;
	if (!letter || at[1])
		return thousand == 1024 ? units_parse_size(text, rate) : units_parse_uint(text, rate);
	for (const char *each = letters; each <= letter; each++)
		factor *= thousand;
	return __builtin_mul_overflow(*rate, factor, rate) ? -ERANGE : 0;
}

int units_parse_decimal(const char *text, double *value)
{
	const size_t max_digits = 15; /* what a double holds without loss */
	const char *at = text;
	uint64_t whole, part = 0, scale = 1;
	int ret;

	if (strlen(text) > max_digits + 1)
		return text[strspn(text, "0123456789.")] == '\0' ? -ERANGE : -EINVAL;
	ret = take_digits(&at, &whole);
	if (ret < 0)
		return ret;
	if (*at == '.') {
		at++;
		if (!isdigit((unsigned char)*at))
			return -EINVAL;
		for (; isdigit((unsigned char)*at); at++) {
			part = part * 10 + (uint64_t)(*at - '0');
			scale *= 10;
		}
	}
	if (*at != '\0')
		return -EINVAL;
	*value = (double)whole + (double)part / (double)scale;
	return 0;
}

void units_format_size(uint64_t bytes, char *text, size_t capacity)
{
	unsigned i = 0;
	uint64_t whole, tenths;

	while (i < UNIT_COUNT - 1 && !(bytes >> units[i].shift))
		i++;
	whole = bytes >> units[i].shift;
	/* The rest is below 2^60: ten times it fits. */
	tenths = ((bytes - (whole << units[i].shift)) * 10) >> units[i].shift;
	if (tenths)
		snprintf(text, capacity, "%" PRIu64 ".%" PRIu64 " %s", whole, tenths, units[i].name);
	else
		snprintf(text, capacity, "%" PRIu64 " %s", whole, units[i].name);
}

void units_write_size(uint64_t bytes, char *text, size_t capacity)
{
	unsigned i = 0;

	while (i < UNIT_COUNT - 1 && (!bytes || bytes & (((uint64_t)1 << units[i].shift) - 1)))
		i++;
	snprintf(text, capacity, "%" PRIu64 "%s", bytes >> units[i].shift, i < UNIT_COUNT - 1 ? units[i].name : "");
}
