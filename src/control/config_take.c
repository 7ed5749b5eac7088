/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config_take.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "control/units.h"

int config_take_refuse(const struct config_taker *taker, const char *key, const char *value, const char *format, ...)
{
	const struct config_place place = config_document_key(taker->doc, taker->mapping, key);
	char quoted[CONFIG_QUOTE_SIZE] = "", reason[288];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	if (value)
		config_quote(value, quoted);
	return config_document_error(taker->doc, place.where ? place.where : taker->mapping, taker->err,
				     "%s%s%s: %s%s%s", taker->path, taker->path[0] ? "." : "", key, quoted,
				     value ? ": " : "", reason);
}

int config_take_uint(const struct config_taker *taker, const char *key, const char *text, uint64_t min, uint64_t max,
		     uint64_t *out)
{
	uint64_t value;

	if (!text)
		return 0;
	if (units_parse_uint(text, &value) < 0 || value < min || value > max)
		return config_take_refuse(taker, key, text, "expected a whole number from %" PRIu64 " to %" PRIu64, min,
					  max);
	*out = value;
	return 0;
}

int config_take_size(const struct config_taker *taker, const char *key, const char *text, uint64_t min, uint64_t max,
		     uint64_t *out)
{
	char least[32], most[32];
	uint64_t value;

	if (!text)
		return 0;
	if (units_parse_size(text, &value) < 0 || value < min || value > max) {
		units_format_size(min, least, sizeof(least));
		units_format_size(max, most, sizeof(most));
		return config_take_refuse(taker, key, text,
					  "expected a size from %s to %s: bytes as in 4096, or with KiB, MiB, GiB, "
					  "TiB, PiB or EiB as in 10GiB",
					  least, most);
	}
	*out = value;
	return 0;
}

int config_take_decimal(const struct config_taker *taker, const char *key, const char *text, double min, double max,
			double *out)
{
	double value;

	if (!text)
		return 0;
	if (units_parse_decimal(text, &value) < 0 || value < min || value > max)
		return config_take_refuse(taker, key, text, "expected a number from %.10g to %.10g", min, max);
	*out = value;
	return 0;
}
