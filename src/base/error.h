/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BASE_ERROR_H
#define STRAIT_BASE_ERROR_H

/*
 * Errors at the edge (command line, configuration, log) are a sentence that
 * names the thing, the value, what was expected and what to do. Inside, an
 * error is a negative errno; error_set() ties the two together.
 */
struct error {
	int code; /* negative errno, 0 when nothing is set */
	char text[512];
};

/*
 * Fill err (which may be NULL) and return code, so that a caller can write
 * "return error_set(err, -EINVAL, ...)". code must be negative.
 */
int error_set(struct error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Put "format: " before the text of err, which must be set. Returns err->code. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
