/* SPDX-License-Identifier: Apache-2.0 */
#include "report/style.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_WIDTH 80

/* Told apart without colours, too. */
static const char *const shades[REPORT_PARTS] = {"\u2591", "\u2573", "\u2592", "\u2588", "\u2593", "\u258c"};

/* Colours of a terminal's palette that most people can tell apart: cyan, magenta, yellow, blue, green, red. */
static const int colours[REPORT_PARTS] = {36, 35, 33, 34, 32, 31};

struct report_style report_style(void)
{
	struct report_style style = {.width = DEFAULT_WIDTH};
	const char *columns = getenv("COLUMNS"), *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size;

	style.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	style.colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		style.width = size.ws_col;
	else if (columns && atoi(columns) > 0)
		style.width = (unsigned)atoi(columns);
	return style;
}

static size_t append(char *text, size_t size, size_t used, const char *more)
{
	const size_t length = strlen(more);

	/* Never half a character. */
	if (used + length + 1 > size)
		return used;
	memcpy(text + used, more, length + 1);
	return used + length;
}

static size_t append_part(const struct report_style *style, unsigned part, const char *letters, unsigned count,
			  char *text, size_t size, size_t used)
{
	char code[16], letter[2] = {letters[part], '\0'};

	if (!count)
		return used;
	if (style->colour) {
		snprintf(code, sizeof(code), "\033[%dm", colours[part]);
		used = append(text, size, used, code);
	}
	while (count--)
		used = append(text, size, used, style->unicode ? shades[part] : letter);
	if (style->colour)
		used = append(text, size, used, "\033[0m");
	return used;
}

void report_bar(const struct report_style *style, const double share[REPORT_PARTS], const char *letters, unsigned width,
		char *text, size_t size)
{
	double sum = 0, seen = 0;
	unsigned drawn = 0;
	size_t used = 0;

	text[0] = '\0';
	for (unsigned part = 0; part < REPORT_PARTS; part++)
		sum += share[part];
	for (unsigned part = 0; part < REPORT_PARTS && sum > 0; part++) {
		unsigned end;

		/* Where it ends is rounded, not how long it is: so the lengths add up. */
		seen += share[part];
		end = (unsigned)(seen / sum * width + 0.5);
		end = end > width ? width : end;
		used = append_part(style, part, letters, end - drawn, text, size, used);
		drawn = end;
	}
	while (drawn++ < width)
		used = append(text, size, used, " ");
}

void report_mark(const struct report_style *style, unsigned part, const char *letters, char *text, size_t size)
{
	text[0] = '\0';
	append_part(style, part, letters, 1, text, size, 0);
}
