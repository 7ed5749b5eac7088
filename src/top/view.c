/* SPDX-License-Identifier: Apache-2.0 */
#include "top/view.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "top/format.h"

/* Where a page is being written. */
struct draft {
	struct top_page *page;
	unsigned width;
	bool failed;
};

static struct top_line *new_line(struct draft *draft, enum top_style style)
{
	struct top_page *page = draft->page;

	if (page->count == page->capacity) {
		const unsigned capacity = page->capacity ? 2 * page->capacity : 64;
		struct top_line *lines = realloc(page->lines, capacity * sizeof(*lines));

		if (!lines) {
			draft->failed = true;
			return NULL;
		}
		page->lines = lines;
		page->capacity = capacity;
	}
	page->lines[page->count] = (struct top_line){.style = style};
	return &page->lines[page->count++];
}

static void put(struct draft *draft, enum top_style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What does not fit is cut, and a mark says so. */
static void put(struct draft *draft, enum top_style style, const char *format, ...)
{
	struct top_line *line = new_line(draft, style);
	char text[1024];
	va_list arguments;

	if (!line)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (strlen(text) > draft->width)
		text[draft->width - 1] = '>';
	snprintf(line->text, draft->width + 1, "%s", text);
}

static void put_title(struct draft *draft, const struct top_view *view, const struct top_rates *rates)
{
	char iops[TOP_NUMBER], bytes[TOP_NUMBER], filter[TOP_TEXT + 16] = "";
	const bool known = rates && !isnan(rates->seconds);

	if (view->filter[0] && !view->typing)
		snprintf(filter, sizeof(filter), "  filter \"%s\"", view->filter);
	put(draft, TOP_STYLE_TITLE, "strait top%s  %u disk%s  %s IOPS  %s MB/s%s  every %gs",
	    view->frozen ? "  FROZEN" : "", rates ? rates->count : 0, rates && rates->count == 1 ? "" : "s",
	    top_format_count(known ? rates->iops : NAN, iops, sizeof(iops)),
	    top_format_megabytes(known ? rates->bytes : NAN, bytes, sizeof(bytes)), filter, view->delay);
}

/* Who harms others is named first, with what makes it so. */
static void put_noisy(struct draft *draft, const struct top_rates *rates, unsigned limit)
{
	unsigned noisy = 0;

	for (unsigned i = 0; i < rates->count; i++) {
		const struct top_row *row = &rates->rows[i];
		char share_iops[TOP_NUMBER], share_bytes[TOP_NUMBER];

		if (!row->noisy || ++noisy > limit)
			continue;
		put(draft, TOP_STYLE_NOISY, "! noisy neighbour %s: %s of IOPS, %s of bytes, pressure %.2f%s%s",
		    row->name,
		    top_format_share(rates->iops > 0 ? row->iops / rates->iops : NAN, share_iops, sizeof(share_iops)),
		    top_format_share(rates->bytes > 0 ? row->bytes / rates->bytes : NAN, share_bytes,
				     sizeof(share_bytes)),
		    row->pressure, row->group[0] ? ", group " : "", row->group);
	}
	if (noisy > limit)
		put(draft, TOP_STYLE_NOISY, "! and %u more noisy neighbours", noisy - limit);
}

static int compare_workers(const void *left, const void *right)
{
	const struct top_worker_row *a = left, *b = right;
	const double x = isnan(a->cpu) ? 0 : a->cpu, y = isnan(b->cpu) ? 0 : b->cpu;

	if (x != y)
		return (x < y) - (x > y);
	return (a->index > b->index) - (a->index < b->index);
}

/* The busiest first, since there may be more than there is room for. */
static void put_workers(struct draft *draft, struct top_rates *rates, unsigned limit)
{
	qsort(rates->workers, rates->worker_count, sizeof(*rates->workers), compare_workers);
	for (unsigned i = 0; i < rates->worker_count && i < limit; i++) {
		const struct top_worker_row *worker = &rates->workers[i];
		char cpu[TOP_NUMBER], delay[TOP_NUMBER], polls[TOP_NUMBER], sleeps[TOP_NUMBER];

		put(draft, TOP_STYLE_PLAIN, "worker %-3u %4s CPU  %4s waiting  %6s polls/s  %6s sleeps/s%s%s",
		    worker->index, top_format_share(worker->cpu, cpu, sizeof(cpu)),
		    top_format_share(worker->run_delay, delay, sizeof(delay)),
		    top_format_count(worker->polls, polls, sizeof(polls)),
		    top_format_count(worker->sleeps, sleeps, sizeof(sleeps)), worker->cpus[0] ? "  CPUs " : "",
		    worker->cpus);
	}
	if (rates->worker_count > limit)
		put(draft, TOP_STYLE_FAINT, "and %u more worker%s", rates->worker_count - limit,
		    rates->worker_count - limit == 1 ? "" : "s");
}

/* Text to the left, numbers to the right. The last column of text is not padded. */
static unsigned put_cell(char *line, unsigned at, const char *text, unsigned width, bool left)
{
	return at + (unsigned)sprintf(line + at, left ? "%-*.*s" : "%*.*s", (int)width, (int)width, text);
}

static void put_header(struct draft *draft, const struct top_view *view, const struct top_choice *choice)
{
	struct top_line *line = new_line(draft, TOP_STYLE_HEADER);
	unsigned at = 0;

	for (unsigned i = 0; line && i < choice->count; i++) {
		const enum top_column column = choice->column[i];
		const unsigned from = i ? at + 1 : 0;

		if (i)
			line->text[at++] = ' ';
		at = put_cell(line->text, at, top_column_title(column, view->plain), choice->width[i],
			      top_column_is_text(column));
		if (column == view->sort) {
			line->mark_from = from;
			line->mark_to = at;
		}
	}
}

static void put_row(struct draft *draft, const struct top_view *view, const struct top_choice *choice,
		    const struct top_row *row)
{
	struct top_line *line = new_line(draft, row->noisy ? TOP_STYLE_NOISY : TOP_STYLE_PLAIN);
	unsigned at = 0;

	for (unsigned i = 0; line && i < choice->count; i++) {
		const enum top_column column = choice->column[i];
		char text[2 * TOP_TEXT];

		top_cell(row, column, view->plain, text, sizeof(text));
		if (strlen(text) > choice->width[i])
			text[choice->width[i] - 1] = '>';
		if (i)
			line->text[at++] = ' ';
		at = put_cell(line->text, at, text, choice->width[i], top_column_is_text(column));
	}
}

static const char *const keys[] = {
	"q            end",
	"left, right  sort by another column",
	"n i m d p h  sort by name, IOPS, MB/s, depth, p99, held",
	"r            turn the order round",
	"/            filter by name, group or state; Esc: all again",
	"up, down     scroll, also with page up and down, home, end",
	"space        freeze, and go on",
	"u            numbers with or without units",
	"w            show workers, or not",
	"+ -          longer or shorter delay",
	"?            this, and back",
	"",
};

#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* Keys and columns; it is scrolled as disks are. */
static void put_help(struct draft *draft, struct top_view *view, unsigned room)
{
	struct top_page *page = draft->page;

	page->disks = KEYS + TOP_COLUMN_COUNT;
	page->rows = page->disks < room ? page->disks : room;
	if (view->offset > page->disks - page->rows)
		view->offset = page->disks - page->rows;
	for (unsigned i = view->offset; i < view->offset + page->rows; i++) {
		if (i < KEYS)
			put(draft, TOP_STYLE_PLAIN, "%s", keys[i]);
		else
			put(draft, TOP_STYLE_PLAIN, "%-12s %s", top_column_title((enum top_column)(i - KEYS), false),
			    top_column_help((enum top_column)(i - KEYS)));
	}
}

/* Lines for what can be scrolled, if so many are taken besides it. */
static unsigned room_for(unsigned height, unsigned taken)
{
	if (!height)
		return UINT32_MAX;
	return height > taken ? height - taken : 0;
}

static void put_keys(struct draft *draft, const struct top_view *view, const struct top_page *page)
{
	if (view->typing)
		put(draft, TOP_STYLE_FAINT, "filter: %s_", view->filter);
	else if (page->disks > page->rows && page->rows)
		put(draft, TOP_STYLE_FAINT,
		    "%u-%u of %u  q quit  ? help  <> sort  r reverse  / filter  space freeze  u units",
		    view->offset + 1, view->offset + page->rows, page->disks);
	else
		put(draft, TOP_STYLE_FAINT,
		    "q quit  ? help  <> sort  r reverse  / filter  space freeze  u units  w workers");
}

static unsigned longest_name(const struct top_rates *rates)
{
	unsigned longest = 0;

	for (unsigned i = 0; rates && i < rates->count; i++) {
		const unsigned length = (unsigned)strlen(rates->rows[i].name);

		longest = length > longest ? length : longest;
	}
	return longest;
}

static void put_disks(struct draft *draft, struct top_view *view, struct top_rates *rates, unsigned room)
{
	struct top_page *page = draft->page;
	struct top_choice choice;
	unsigned matching = 0;

	top_columns_choose(&choice, view->wanted.count ? &view->wanted : NULL, draft->width, view->plain,
			   longest_name(rates));
	put_header(draft, view, &choice);
	top_rows_sort(rates->rows, rates->count, view->sort, view->reverse);
	for (unsigned i = 0; i < rates->count; i++)
		page->disks += top_row_matches(&rates->rows[i], view->filter);
	page->rows = page->disks < room ? page->disks : room;
	if (view->offset > page->disks - page->rows)
		view->offset = page->disks - page->rows;
	for (unsigned i = 0; i < rates->count; i++) {
		if (!top_row_matches(&rates->rows[i], view->filter))
			continue;
		if (matching >= view->offset && matching < view->offset + page->rows)
			put_row(draft, view, &choice, &rates->rows[i]);
		matching++;
	}
	if (!matching && room)
		put(draft, TOP_STYLE_FAINT, "%s", rates->count ? "no disk matches the filter" : "no disks");
}

/* The last line is that of the keys, whatever had to be left out above it. */
static void finish(struct draft *draft, const struct top_view *view, unsigned height)
{
	struct top_page *page = draft->page;

	if (!height)
		return;
	if (page->count > height - 1)
		page->count = height - 1;
	while (page->count < height - 1 && !draft->failed)
		put(draft, TOP_STYLE_PLAIN, "%s", "");
	put_keys(draft, view, page);
}

int top_view_render(struct top_view *view, struct top_rates *rates, unsigned width, unsigned height,
		    struct top_page *page)
{
	struct draft draft = {page, width, false};

	page->count = page->disks = page->rows = 0;
	if (draft.width > TOP_MAX_WIDTH)
		draft.width = TOP_MAX_WIDTH;
	if (draft.width < TOP_MIN_WIDTH)
		draft.width = TOP_MIN_WIDTH;
	put_title(&draft, view, rates);
	if (view->problem)
		put(&draft, TOP_STYLE_PROBLEM, "%s", view->problem);
	if (view->help) {
		put_help(&draft, view, room_for(height, page->count + 1));
	} else if (rates) {
		put_noisy(&draft, rates, height ? (height + 7) / 8 : UINT32_MAX);
		/* In a small window the disks come first. */
		if (view->workers && (!height || height >= 12))
			put_workers(&draft, rates, height ? height / 6 : UINT32_MAX);
		/* Below are the header and the keys. */
		put_disks(&draft, view, rates, room_for(height, page->count + 2));
	}
	finish(&draft, view, height);
	return draft.failed ? -ENOMEM : 0;
}

void top_page_free(struct top_page *page)
{
	free(page->lines);
	*page = (struct top_page){0};
}

void top_view_sort_next(struct top_view *view, int direction, unsigned width, const struct top_rates *rates)
{
	struct top_choice choice;
	unsigned place = 0;

	top_columns_choose(&choice, view->wanted.count ? &view->wanted : NULL,
			   width < TOP_MAX_WIDTH ? width : TOP_MAX_WIDTH, view->plain, longest_name(rates));
	while (place < choice.count && choice.column[place] != view->sort)
		place++;
	if (place == choice.count)
		place = 0;
	else
		place = (place + choice.count + (direction > 0 ? 1 : choice.count - 1)) % choice.count;
	view->sort = choice.column[place];
}
