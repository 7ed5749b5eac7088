/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *err, int code, const char *format, ...)
{
	if (err) {
		va_list args;

		err->code = code;
		va_start(args, format);
		vsnprintf(err->text, sizeof(err->text), format, args);
		va_end(args);
	}
	return code;
}

int error_prefix(struct error *err, const char *format, ...)
{
	char text[sizeof(err->text)];
	va_list args;
	size_t used;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	used = strlen(text);
	/* What does not fit is cut off at the end, as everywhere. */
	for (const char *more = ": "; *more && used < sizeof(text) - 1; more++)
		text[used++] = *more;
	for (const char *more = err->text; *more && used < sizeof(text) - 1; more++)
		text[used++] = *more;
	text[used] = '\0';
	memcpy(err->text, text, used + 1);
	return err->code;
}
