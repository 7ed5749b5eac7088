/* SPDX-License-Identifier: Apache-2.0 */
#include "top/format.h"

#include <math.h>
#include <stdio.h>

static char *unknown(char *text, size_t size)
{
	snprintf(text, size, "-");
	return text;
}

/* Three digits, or as many as stand before the point. */
static char *three_digits(double value, const char *unit, char *text, size_t size)
{
	int digits = value < 0.005 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

	if (!*unit && value == floor(value))
		digits = 0;
	snprintf(text, size, "%.*f%s", digits, value, unit);
	return text;
}

char *top_format_count(double value, char *text, size_t size)
{
	static const char *const units[] = {"", "k", "M", "G", "T"};
	unsigned unit = 0;

	if (isnan(value))
		return unknown(text, size);
	if (value < 9999.5)
		return three_digits(value, "", text, size);
	while (value >= 999.5 && unit < 4) {
		value /= 1000;
		unit++;
	}
	return three_digits(value, units[unit], text, size);
}

char *top_format_count_plain(double value, char *text, size_t size)
{
	if (isnan(value))
		return unknown(text, size);
	snprintf(text, size, "%.*f", value < 9.995 && value >= 0.005 ? 2 : 0, value);
	return text;
}

char *top_format_ns(double ns, char *text, size_t size)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	unsigned unit = 0;

	if (isnan(ns))
		return unknown(text, size);
	while (ns >= 999.5 && unit < 3) {
		ns /= 1000;
		unit++;
	}
	if (unit == 0)
		snprintf(text, size, "%.0fns", ns);
	else
		three_digits(ns, units[unit], text, size);
	return text;
}

char *top_format_ns_plain(double ns, char *text, size_t size)
{
	if (isnan(ns))
		return unknown(text, size);
	snprintf(text, size, "%.1f", ns / 1000);
	return text;
}

char *top_format_megabytes(double bytes, char *text, size_t size)
{
	if (isnan(bytes))
		return unknown(text, size);
	return three_digits(bytes / 1e6, "", text, size);
}

char *top_format_share(double share, char *text, size_t size)
{
	if (isnan(share))
		return unknown(text, size);
	snprintf(text, size, "%.0f%%", share * 100);
	return text;
}
