/* SPDX-License-Identifier: Apache-2.0 */
#include "top/columns.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "top/format.h"

typedef char *format_fn(double value, char *text, size_t size);

struct column {
	const char *name, *title, *title_plain;
	unsigned width, width_plain;
	unsigned importance; /* 1: the last to go where there is no place */
	format_fn *format, *format_plain;
	size_t field; /* in struct top_row: a double, or text where there is no format */
	const char *help;
};

#define FIELD(name) offsetof(struct top_row, name)
#define COUNT       top_format_count, top_format_count_plain
#define NS          top_format_ns, top_format_ns_plain
#define MEGABYTES   top_format_megabytes, top_format_megabytes
#define SHARE       top_format_share, top_format_share
#define TEXT        NULL, NULL

static const struct column columns[TOP_COLUMN_COUNT] = {
	[TOP_COLUMN_NAME] = {"name", "DISK", "DISK", 9, 9, 1, TEXT, FIELD(name), "name of the disk"},
	[TOP_COLUMN_STATE] = {"state", "STATE", "STATE", 9, 9, 11, TEXT, FIELD(state),
			      "serving, connected, paused, draining or failed"},
	[TOP_COLUMN_GROUP] = {"group", "GROUP", "GROUP", 10, 10, 15, TEXT, FIELD(group), "QoS group"},
	[TOP_COLUMN_IOPS] = {"iops", "IOPS", "IOPS", 6, 8, 2, COUNT, FIELD(iops), "requests a second"},
	[TOP_COLUMN_MEGABYTES] = {"mbps", "MB/s", "MB/s", 5, 7, 4, MEGABYTES, FIELD(bytes),
				  "megabytes (10^6) a second"},
	[TOP_COLUMN_DEPTH] = {"depth", "DEPTH", "DEPTH", 5, 6, 7, COUNT, FIELD(depth), "requests under way"},
	[TOP_COLUMN_P50] = {"p50", "P50", "P50us", 6, 9, 6, NS, FIELD(p50_ns), "median latency"},
	[TOP_COLUMN_P99] = {"p99", "P99", "P99us", 6, 9, 3, NS, FIELD(p99_ns), "99th percentile of the latency"},
	[TOP_COLUMN_P999] = {"p99.9", "P99.9", "P99.9us", 6, 9, 5, NS, FIELD(p999_ns),
			     "99.9th percentile of the latency"},
	[TOP_COLUMN_STAGE] = {"stage", "STAGE", "STAGE", 12, 12, 4, SHARE, FIELD(stage_share),
			      "stage in which most time was spent, and its share"},
	[TOP_COLUMN_HELD] = {"held", "HELD", "HELD", 9, 10, 8, SHARE, FIELD(held_share),
			     "requests held back by QoS now, and held time as a share of all"},
	[TOP_COLUMN_CPU] = {"cpu", "CPU", "CPU", 4, 4, 9, SHARE, FIELD(cpu), "CPU of the busiest of its workers"},
	[TOP_COLUMN_KICKS] = {"kicks", "KICK/IO", "KICK/IO", 7, 7, 12, COUNT, FIELD(kicks), "kicks an I/O"},
	[TOP_COLUMN_CALLS] = {"calls", "CALL/IO", "CALL/IO", 7, 7, 12, COUNT, FIELD(calls), "calls an I/O"},
	[TOP_COLUMN_POLLS] = {"polls", "POLLS", "POLLS", 6, 8, 13, COUNT, FIELD(polls),
			      "turns of its workers a second"},
	[TOP_COLUMN_SLEEPS] = {"sleeps", "SLEEPS", "SLEEPS", 6, 8, 13, COUNT, FIELD(sleeps),
			       "sleeps of its workers a second"},
	[TOP_COLUMN_ERRORS] = {"errors", "ERR/s", "ERR/s", 6, 6, 10, COUNT, FIELD(errors), "failed requests a second"},
	[TOP_COLUMN_READ_IOPS] = {"read-iops", "READ/s", "READ/s", 6, 8, 14, COUNT, FIELD(read_iops), "reads a second"},
	[TOP_COLUMN_WRITE_IOPS] = {"write-iops", "WRIT/s", "WRITE/s", 6, 8, 14, COUNT, FIELD(write_iops),
				   "writes a second"},
};

enum top_column top_column_find(const char *name)
{
	unsigned i = 0;

	while (i < TOP_COLUMN_COUNT && strcmp(columns[i].name, name) != 0)
		i++;
	return (enum top_column)i;
}

const char *top_column_name(enum top_column column)
{
	return columns[column].name;
}

const char *top_column_title(enum top_column column, bool plain)
{
	return plain ? columns[column].title_plain : columns[column].title;
}

const char *top_column_help(enum top_column column)
{
	return columns[column].help;
}

bool top_column_is_text(enum top_column column)
{
	return !columns[column].format;
}

static unsigned width_of(enum top_column column, bool plain, unsigned name_length)
{
	const unsigned width = plain ? columns[column].width_plain : columns[column].width;

	/* The mark of a noisy one stands before the name. */
	return column == TOP_COLUMN_NAME && name_length + 1 > width ? name_length + 1 : width;
}

/* The next to be left out: the least important, of these the last. The first column stays. */
static unsigned least_important(const struct top_choice *choice)
{
	unsigned least = 1;

	for (unsigned i = 2; i < choice->count; i++) {
		if (columns[choice->column[i]].importance >= columns[choice->column[least]].importance)
			least = i;
	}
	return least;
}

static unsigned total_width(const struct top_choice *choice)
{
	unsigned total = choice->count - 1;

	for (unsigned i = 0; i < choice->count; i++)
		total += choice->width[i];
	return total;
}

static void leave_out(struct top_choice *choice, unsigned place)
{
	choice->count--;
	memmove(&choice->column[place], &choice->column[place + 1],
		(choice->count - place) * sizeof(choice->column[0]));
	memmove(&choice->width[place], &choice->width[place + 1], (choice->count - place) * sizeof(choice->width[0]));
}

/* A name is no reason to leave out all numbers: it may lose its end first, down to the usual width. */
static void shorten_name(struct top_choice *choice, unsigned width, bool plain)
{
	const unsigned total = total_width(choice);

	for (unsigned i = 0; i < choice->count && total > width; i++) {
		const unsigned least = width_of(choice->column[i], plain, 0), over = total - width;

		if (choice->column[i] != TOP_COLUMN_NAME || choice->width[i] <= least)
			continue;
		choice->width[i] = choice->width[i] - least > over ? choice->width[i] - over : least;
	}
}

void top_columns_choose(struct top_choice *choice, const struct top_choice *wanted, unsigned width, bool plain,
			unsigned name_length)
{
	/* One long name shall not push numbers out that all the others have room for. */
	const unsigned name_limit = width / 4 > 24 ? width / 4 : 24;

	if (name_length > name_limit)
		name_length = name_limit;
	choice->count = wanted ? wanted->count : TOP_COLUMN_COUNT;
	for (unsigned i = 0; i < choice->count; i++) {
		choice->column[i] = wanted ? wanted->column[i] : (enum top_column)i;
		choice->width[i] = width_of(choice->column[i], plain, name_length);
	}
	while (total_width(choice) > width) {
		if (choice->count <= 4)
			shorten_name(choice, width, plain);
		if (total_width(choice) <= width)
			break;
		if (choice->count == 1) {
			choice->width[0] = width;
			break;
		}
		leave_out(choice, least_important(choice));
	}
}

double top_value(const struct top_row *row, enum top_column column)
{
	double value;

	memcpy(&value, (const char *)row + columns[column].field, sizeof(value));
	return value;
}

static const char *text_of(const struct top_row *row, enum top_column column)
{
	return (const char *)row + columns[column].field;
}

void top_cell(const struct top_row *row, enum top_column column, bool plain, char *text, size_t size)
{
	const struct column *info = &columns[column];
	/* For programs a cell is a word. */
	const char *joint = plain ? ":" : " ";
	char number[TOP_NUMBER], held[TOP_NUMBER];

	if (!info->format) {
		snprintf(text, size, "%s%s", column == TOP_COLUMN_NAME && row->noisy ? "!" : "", text_of(row, column));
		return;
	}
	(plain ? info->format_plain : info->format)(top_value(row, column), number, sizeof(number));
	if (column == TOP_COLUMN_STAGE && row->stage[0])
		snprintf(text, size, "%.7s%s%s", row->stage, joint, number);
	else if (column == TOP_COLUMN_HELD && (row->held > 0 || row->held_share > 0))
		snprintf(text, size, "%s%s%s", top_format_count(row->held, held, sizeof(held)), joint, number);
	else if (column == TOP_COLUMN_HELD)
		snprintf(text, size, "-");
	else
		snprintf(text, size, "%s", number);
}

struct order {
	enum top_column column;
	bool reverse;
};

static int compare(const void *left, const void *right, void *context)
{
	const struct top_row *a = left, *b = right;
	const struct order *order = context;
	int result = 0;

	if (top_column_is_text(order->column)) {
		result = strverscmp(text_of(a, order->column), text_of(b, order->column));
	} else {
		const double x = top_value(a, order->column), y = top_value(b, order->column);

		/* What is not known is no extreme in either direction. */
		if (isnan(x) || isnan(y))
			result = order->reverse ? (isnan(y) - isnan(x)) : (isnan(x) - isnan(y));
		else
			result = (x < y) - (x > y);
	}
	if (result)
		return order->reverse ? -result : result;
	return strverscmp(a->name, b->name);
}

void top_rows_sort(struct top_row *rows, unsigned count, enum top_column column, bool reverse)
{
	struct order order = {column, reverse};

	qsort_r(rows, count, sizeof(*rows), compare, &order);
}

bool top_row_matches(const struct top_row *row, const char *filter)
{
	return !*filter || strcasestr(row->name, filter) || strcasestr(row->group, filter) ||
	       strcasestr(row->state, filter);
}
