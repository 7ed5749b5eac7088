/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	__atomic_store_n(&max_level, level, __ATOMIC_RELAXED);
}

enum log_level log_get_level(void)
{
	return __atomic_load_n(&max_level, __ATOMIC_RELAXED);
}

static const char *level_word(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error: ";
	case LOG_LEVEL_WARNING:
		return "warning: ";
	case LOG_LEVEL_DEBUG:
		return "debug: ";
	case LOG_LEVEL_INFO:
		break;
	}
	return "";
}

void log_write(enum log_level level, const char *format, ...)
{
	char line[1024];
	va_list args;
	int used;

	if (level > log_get_level())
		return;
	if (getenv("JOURNAL_STREAM"))
		used = snprintf(line, sizeof(line), "<%d>", (int)level);
	else
		used = snprintf(line, sizeof(line), "straitd: %s", level_word(level));
	va_start(args, format);
	used += vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, args);
	va_end(args);
	if ((size_t)used > sizeof(line) - 2)
		used = (int)sizeof(line) - 2;
	line[used++] = '\n';
	/* A log that cannot be written has nowhere to say so. */
	if (write(STDERR_FILENO, line, (size_t)used) < 0)
		return;
}

bool log_may_say(struct log_quota *quota, const char *disk)
{
	unsigned before;

	if (!quota)
		return true;
	/* First, so that it never comes round to 0. */
	if (__atomic_load_n(&quota->used, __ATOMIC_RELAXED) >= LOG_QUOTA)
		return false;
	before = __atomic_fetch_add(&quota->used, 1, __ATOMIC_RELAXED);
	if (before == LOG_QUOTA - 1)
		log_warning(
			"disk %s: what comes next is the last of %d complaints about this front end and its driver, "
			"until it connects again; messages that are refused are said all the same",
			disk, LOG_QUOTA);
	return before < LOG_QUOTA;
}
