/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TOP_COLUMNS_H
#define STRAIT_TOP_COLUMNS_H

#include "top/rates.h"

/* What can be shown of a disk. */
enum top_column {
	TOP_COLUMN_NAME,
	TOP_COLUMN_STATE,
	TOP_COLUMN_GROUP,
	TOP_COLUMN_IOPS,
	TOP_COLUMN_MEGABYTES,
	TOP_COLUMN_DEPTH,
	TOP_COLUMN_P50,
	TOP_COLUMN_P99,
	TOP_COLUMN_P999,
	TOP_COLUMN_STAGE,
	TOP_COLUMN_HELD,
	TOP_COLUMN_CPU,
	TOP_COLUMN_KICKS,
	TOP_COLUMN_CALLS,
	TOP_COLUMN_POLLS,
	TOP_COLUMN_SLEEPS,
	TOP_COLUMN_ERRORS,
	TOP_COLUMN_READ_IOPS,
	TOP_COLUMN_WRITE_IOPS,
	TOP_COLUMN_COUNT,
};

/* A choice of columns, in the order in which they are shown. */
struct top_choice {
	enum top_column column[TOP_COLUMN_COUNT];
	unsigned width[TOP_COLUMN_COUNT];
	unsigned count;
};

/* As --sort and --columns have it. TOP_COLUMN_COUNT: none has that name. */
enum top_column top_column_find(const char *name);
const char *top_column_name(enum top_column column);
const char *top_column_title(enum top_column column, bool plain);
const char *top_column_help(enum top_column column);
bool top_column_is_text(enum top_column column);

/*
 * The most important columns that fit into this many characters with a blank
 * between them, the first of them always, cut if need be. wanted (or NULL, for
 * all) limits and orders them; name_length is that of the longest disk name.
 */
void top_columns_choose(struct top_choice *choice, const struct top_choice *wanted, unsigned width, bool plain,
			unsigned name_length);

/* What stands in a cell, not padded. */
void top_cell(const struct top_row *row, enum top_column column, bool plain, char *text, size_t size);

/* What a column is sorted by; only where it is not text. NAN: unknown, comes last. */
double top_value(const struct top_row *row, enum top_column column);

/* By a column, downwards where it is a number, upwards where it is text; reverse turns that round. Ties go by name. */
void top_rows_sort(struct top_row *rows, unsigned count, enum top_column column, bool reverse);

/* Whether a name, group or state has the text in it, whatever its case. "" is in everything. */
bool top_row_matches(const struct top_row *row, const char *filter);

#endif
