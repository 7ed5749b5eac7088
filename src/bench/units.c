/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *suffix;
	double factor;
};

int bench_parse_number(const char *text, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	return errno ? -ERANGE : 0;
}

int bench_parse_size(const char *text, uint64_t *bytes)
{
	static const char letters[] = "kmgt";
	char *end;
	unsigned shift = 0;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end) {
		const char *letter = strchr(letters, tolower((unsigned char)*end));

		if (!letter || (end[1] && strcasecmp(end + 1, "ib") != 0))
			return -EINVAL;
		shift = 10 * (unsigned)(letter - letters + 1);
	}
	if (*bytes > UINT64_MAX >> shift)
		return -ERANGE;
	*bytes <<= shift;
	return 0;
}

/* A decimal fraction with one of the units, the first of which may be left out. */
static int parse_decimal(const char *text, const struct unit *units, double *value)
{
	char *end;

	/* strtod() would also take signs, exponents, hexadecimal and names. */
	if (!isdigit((unsigned char)*text) || strpbrk(text, "eExX"))
		return -EINVAL;
	*value = strtod(text, &end);
	if (!*end) {
		*value *= units[0].factor;
		return 0;
	}
	for (const struct unit *unit = units; unit->suffix; unit++) {
		if (strcasecmp(end, unit->suffix) == 0) {
			*value *= unit->factor;
			return 0;
		}
	}
	return -EINVAL;
}

int bench_parse_duration(const char *text, uint64_t *ns)
{
	static const struct unit units[] = {{"s", 1e9}, {"us", 1e3}, {"ms", 1e6}, {"m", 60e9}, {"h", 3600e9}, {0}};
	double value;

	if (parse_decimal(text, units, &value) < 0)
		return -EINVAL;
	/* A century, well below what the arithmetic of ticks can hold. */
	if (value > 3.2e18)
		return -ERANGE;
	*ns = (uint64_t)value;
	return 0;
}

int bench_parse_rate(const char *text, double *value)
{
	static const struct unit units[] = {{"", 1}, {"k", 1e3}, {"m", 1e6}, {0}};

	return parse_decimal(text, units, value);
}

static char *format(double value, double step, const char *const *units, char *text, size_t size)
{
	const char *space;
	int digits;

	while (value >= step * 0.9995 && units[1]) {
		value /= step;
		units++;
	}
	space = **units ? " " : "";
	if (value < 1e-9)
		digits = 0;
	else
		digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	if (value == floor(value) && value < 1000)
		digits = 0;
	snprintf(text, size, "%.*f%s%s", digits, value, space, *units);
	return text;
}

char *bench_format_ns(double ns, char *text, size_t size)
{
	static const char *const units[] = {"ns", "us", "ms", "s", NULL};

	return format(ns, 1000, units, text, size);
}

char *bench_format_count(double value, char *text, size_t size)
{
	static const char *const units[] = {"", "k", "M", "G", NULL};

	return format(value, 1000, units, text, size);
}

char *bench_format_bytes(double bytes, char *text, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};

	return format(bytes, 1024, units, text, size);
}

char *bench_format_size(uint64_t bytes, char *text, size_t size)
{
	static const char letters[] = "tgmk";

	for (unsigned i = 0; i < 4; i++) {
		const unsigned shift = 10 * (4 - i);

		if (bytes && !(bytes & (((uint64_t)1 << shift) - 1))) {
			snprintf(text, size, "%llu%c", (unsigned long long)(bytes >> shift), letters[i]);
			return text;
		}
	}
	snprintf(text, size, "%llu", (unsigned long long)bytes);
	return text;
}
