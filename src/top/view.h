/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TOP_VIEW_H
#define STRAIT_TOP_VIEW_H

#include "top/columns.h"

/* How it is looked at: what options and keys change. */
struct top_view {
	enum top_column sort;
	bool reverse;
	bool plain; /* numbers without units */
	bool frozen;
	bool workers; /* show them */
	bool help;    /* instead of the disks */
	bool typing;  /* the filter is being typed */
	char filter[TOP_TEXT];
	struct top_choice wanted; /* count 0: what fits */
	unsigned offset;          /* disks above the page; brought into range by top_view_render() */
	double delay;             /* seconds */
	const char *problem;      /* a sentence, or NULL */
};

enum top_style {
	TOP_STYLE_PLAIN,
	TOP_STYLE_TITLE,
	TOP_STYLE_HEADER,
	TOP_STYLE_NOISY,
	TOP_STYLE_PROBLEM,
	TOP_STYLE_FAINT,
};

#define TOP_MAX_WIDTH  512
#define TOP_MIN_WIDTH  8
#define TOP_MAX_HEIGHT 4096

/* One line of the screen, never longer than the width that was asked for: printable ASCII. */
struct top_line {
	char text[TOP_MAX_WIDTH + 1];
	enum top_style style;
	unsigned mark_from, mark_to; /* characters to stand out in a header: the column that is sorted by */
};

struct top_page {
	struct top_line *lines;
	unsigned count, capacity;
	unsigned disks; /* that match the filter */
	unsigned rows;  /* of these there is room for */
};

/*
 * Draw rates (which are sorted on the way; NULL before the first) into page.
 * height 0: no screen, so everything, without keys. 0 or -ENOMEM.
 */
int top_view_render(struct top_view *view, struct top_rates *rates, unsigned width, unsigned height,
		    struct top_page *page);
void top_page_free(struct top_page *page);

/* The next column to sort by, to the right (1) or to the left (-1), of those that there are. */
void top_view_sort_next(struct top_view *view, int direction, unsigned width, const struct top_rates *rates);

#endif
