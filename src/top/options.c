/* SPDX-License-Identifier: Apache-2.0 */
#include "top/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_MIN 0.1
#define DELAY_MAX 3600.0

enum {
	OPTION_JSON = 256,
	OPTION_SORT,
	OPTION_REVERSE,
	OPTION_FILTER,
	OPTION_COLUMNS,
	OPTION_UNITS,
};

static const struct option table[] = {
	{"socket", required_argument, NULL, 's'},
	{"delay", required_argument, NULL, 'd'},
	{"count", required_argument, NULL, 'n'},
	{"batch", no_argument, NULL, 'b'},
	{"json", no_argument, NULL, OPTION_JSON},
	{"sort", required_argument, NULL, OPTION_SORT},
	{"reverse", no_argument, NULL, OPTION_REVERSE},
	{"filter", required_argument, NULL, OPTION_FILTER},
	{"columns", required_argument, NULL, OPTION_COLUMNS},
	{"units", required_argument, NULL, OPTION_UNITS},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

void top_options_help(FILE *out)
{
	fputs("  -s, --socket=PATH           RPC socket of straitd (default: $STRAIT_SOCKET, or\n"
	      "                              /run/strait/rpc.sock)\n"
	      "  -d, --delay=SECONDS         time between two readings (default 1)\n"
	      "  -n, --count=N               end after so many readings\n"
	      "  -b, --batch                 print plain lines, one block for each reading\n"
	      "      --json                  print one JSON object a line for each reading\n"
	      "      --sort=COLUMN           sort by this column (default iops)\n"
	      "      --reverse               the other way round\n"
	      "      --filter=TEXT           only disks with this in name, group or state\n"
	      "      --columns=LIST          show these columns, as far as there is room\n"
	      "      --units=UNITS           human: 12.3k, 4.2us; plain: no units, times in us\n"
	      "                              (default human, with --batch plain)\n"
	      "  -h, --help                  show this help and exit\n"
	      "\n"
	      "Columns:",
	      out);
	for (unsigned i = 0, used = 8; i < TOP_COLUMN_COUNT; i++) {
		const char *name = top_column_name((enum top_column)i);

		used += (unsigned)strlen(name) + 2;
		if (used > 78) {
			fprintf(out, "\n        ");
			used = 8 + (unsigned)strlen(name) + 2;
		}
		fprintf(out, " %s%s", name, i + 1 < TOP_COLUMN_COUNT ? "," : "\n");
	}
}

static int parse_delay(double *delay, const char *value, struct error *err)
{
	char *end;

	/* strtod() would also take signs, exponents, hexadecimal and names. */
	*delay = isdigit((unsigned char)*value) && !strpbrk(value, "eExX") ? strtod(value, &end) : -1;
	if (*delay < DELAY_MIN || *delay > DELAY_MAX || *end)
		return error_set(err, -EINVAL, "--delay=%s: expected seconds from %g to %g, such as 0.5", value,
				 DELAY_MIN, DELAY_MAX);
	return 0;
}

static int parse_count(unsigned long *count, const char *value, struct error *err)
{
	char *end = NULL;

	errno = 0;
	*count = isdigit((unsigned char)*value) ? strtoul(value, &end, 10) : 0;
	if (*count == 0 || errno || *end)
		return error_set(err, -EINVAL, "--count=%s: expected a number of readings, 1 or more", value);
	return 0;
}

static int parse_filter(struct top_view *view, const char *value, struct error *err)
{
	bool bad = strlen(value) >= sizeof(view->filter);

	for (const char *c = value; *c && !bad; c++)
		bad = *c < ' ' || *c > '~';
	if (bad)
		return error_set(err, -EINVAL, "--filter: expected at most %zu characters of ASCII",
				 sizeof(view->filter) - 1);
	strcpy(view->filter, value);
	return 0;
}

static int parse_column(enum top_column *column, const char *option, const char *value, struct error *err)
{
	*column = top_column_find(value);
	if (*column == TOP_COLUMN_COUNT)
		return error_set(err, -EINVAL, "--%s=%s: there is no such column: \"strait top --help\" lists them",
				 option, value);
	return 0;
}

static int parse_columns(struct top_choice *wanted, const char *value, struct error *err)
{
	char list[512], *rest = list, *name;

	if (strlen(value) >= sizeof(list))
		return error_set(err, -EINVAL, "--columns: a list of %zu characters: it is too long", strlen(value));
	strcpy(list, value);
	wanted->count = 0;
	while ((name = strsep(&rest, ","))) {
		enum top_column column;

		if (parse_column(&column, "columns", name, err) < 0)
			return -EINVAL;
		for (unsigned i = 0; i < wanted->count; i++) {
			if (wanted->column[i] == column)
				return error_set(err, -EINVAL, "--columns=%s: %s is there twice", value, name);
		}
		wanted->column[wanted->count++] = column;
	}
	return 0;
}

/* Whether the units were said: otherwise they depend on --batch, which may come later. */
static int parse_units(struct top_view *view, const char *value, bool *said, struct error *err)
{
	if (strcmp(value, "human") != 0 && strcmp(value, "plain") != 0)
		return error_set(err, -EINVAL, "--units=%s: expected human or plain", value);
	view->plain = value[0] == 'p';
	*said = true;
	return 0;
}

static int apply(struct top_options *options, int letter, bool *units, struct error *err)
{
	switch (letter) {
	case 's':
		options->socket = optarg;
		return 0;
	case 'd':
		return parse_delay(&options->view.delay, optarg, err);
	case 'n':
		return parse_count(&options->count, optarg, err);
	case 'b':
		options->batch = true;
		return 0;
	case OPTION_JSON:
		options->json = true;
		return 0;
	case OPTION_SORT:
		return parse_column(&options->view.sort, "sort", optarg, err);
	case OPTION_REVERSE:
		options->view.reverse = true;
		return 0;
	case OPTION_FILTER:
		return parse_filter(&options->view, optarg, err);
	case OPTION_COLUMNS:
		return parse_columns(&options->view.wanted, optarg, err);
	default:
		return parse_units(&options->view, optarg, units, err);
	}
}

int top_options_parse(struct top_options *options, int argc, char **argv, struct error *err)
{
	bool units = false;
	int letter;

	*options = (struct top_options){.view = {.sort = TOP_COLUMN_IOPS, .delay = 1, .workers = true}};
	opterr = 0;
	optind = 0;
	while ((letter = getopt_long(argc, argv, ":s:d:n:bh", table, NULL)) != -1) {
		if (letter == 'h')
			options->help = true;
		else if (letter == ':')
			return error_set(err, -EINVAL, "%s: an argument is missing", argv[optind - 1]);
		else if (letter == '?')
			return error_set(err, -EINVAL, "%s: no such option, or not with an argument",
					 argv[optind > 1 ? optind - 1 : 1]);
		else if (apply(options, letter, &units, err) < 0)
			return -EINVAL;
	}
	if (optind < argc && !options->help)
		return error_set(err, -EINVAL, "%s: expected options only", argv[optind]);
	if (options->batch && options->json)
		return error_set(err, -EINVAL, "--batch and --json: expected one of them");
	if (!units)
		options->view.plain = options->batch;
	return 0;
}
