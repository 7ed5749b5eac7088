/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BASE_LOG_H
#define STRAIT_BASE_LOG_H

#include <stdbool.h>

/*
 * One line an event on standard error, prefixed "<N>" (sd-daemon(3)) when
 * standard error is the journal. Any thread may log; a line is one write(2).
 * Nothing on the way of an I/O logs except the first of its kind.
 */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* Lines above level are dropped. The default is LOG_LEVEL_INFO. Any thread, at any time. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * How often a front end and its driver have been complained of. They can do
 * wrong as often as they like, and the log is everybody's.
 */
struct log_quota {
	unsigned used;
};

#define LOG_QUOTA 64

/* Whether one more line may be written; that the next is the last is said. Any thread. NULL has no end. */
bool log_may_say(struct log_quota *quota, const char *disk);

#endif
