/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_REPORT_STYLE_H
#define STRAIT_REPORT_STYLE_H

#include <stdbool.h>
#include <stddef.h>

/* What standard output can show. */
struct report_style {
	bool unicode; /* the locale says so */
	bool colour;  /* a terminal, and NO_COLOR is not set */
	unsigned width;
};

/* Call setlocale() first. */
struct report_style report_style(void);

/*
 * A bar of width characters, cut into parts by their shares: each as long as
 * its share is large, rounded so that all together fill the bar. Parts are told
 * apart by colour, by shading, or in ASCII by letters. All shares 0: an empty
 * bar. text is terminated and cut short at size.
 */
#define REPORT_PARTS 6
void report_bar(const struct report_style *style, const double share[REPORT_PARTS], const char *letters, unsigned width,
		char *text, size_t size);

/* The same for one character that stands for a part in a legend. */
void report_mark(const struct report_style *style, unsigned part, const char *letters, char *text, size_t size);

#endif
