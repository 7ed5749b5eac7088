/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/report.h"
#include "audit/suppress.h"
#include "base/replace.h"
#include "client/command.h"
#include "command.h"
#include "host_tool.h"
#include "seconds.h"

static const char *profile, *only, *skip, *guest, *format, *output, *suppressions, *seconds_text;
static bool quiet, list;

static const struct client_option options[] = {
	{.name = "profile",
	 .letter = 'p',
	 .argument = "NAME",
	 .help = "what the machine is for, which decides what is expected of it:\n"
		 "general (default), database, low-latency, density or realtime",
	 .value = &profile},
	{.name = "only",
	 .letter = 'O',
	 .argument = "RULE,...",
	 .help = "ask these rules alone: ids, or their beginnings up to a dot",
	 .value = &only},
	{.name = "skip", .letter = 'S', .argument = "RULE,...", .help = "leave these out", .value = &skip},
	{.name = "vm",
	 .letter = 'm',
	 .argument = "VM",
	 .help = "of the guests, look at this one alone (name, UUID or process id)",
	 .value = &guest},
	HOST_TOOL_FOR(&seconds_text, "measure what changes for so long; default: 1"),
	{.name = "suppressions",
	 .letter = 'x',
	 .argument = "FILE",
	 .help = "findings that do not count, with reason and expiry (YAML)",
	 .value = &suppressions},
	{.name = "format",
	 .letter = 'F',
	 .argument = "FORMAT",
	 .help = "table (default), json, junit or html",
	 .value = &format},
	{.name = "output",
	 .letter = 'o',
	 .argument = "FILE",
	 .help = "write the report there instead of to standard output",
	 .value = &output},
	{.name = "quiet", .letter = 'q', .help = "a line for each WARN and FAIL, nothing else", .flag = &quiet},
	{.name = "list", .letter = 'l', .help = "name the rules instead of asking them", .flag = &list},
	{.name = NULL},
};

static const struct client_command command = {
	.name = "strait audit",
	.usage = "[OPTION]...",
	.about = "Judge this machine and its guests by rules, each of which says what was read and where, what was\n"
		 "expected, why, what the cure is and what it costs. What cannot be read is UNKNOWN, never PASS.",
	.more = "Examples:\n"
		"  strait audit --profile database\n"
		"  strait audit --vm db1 --only guest.disk,guest.cpu\n"
		"  strait audit --from host7.tar.zst --format html -o host7.html",
	.options = options,
	.of_host = true,
	.exits = "0 nothing found, 1 a WARN or FAIL that is not suppressed, 2 wrong usage,\n3 the machine could not be "
		 "looked at.",
};

/* Words between commas, for audit_options; NULL: none were given, or no memory. Both are freed by the caller. */
static const char **split(const char *text, char **copy)
{
	const char **words;
	size_t count = 0;

	*copy = text ? strdup(text) : NULL;
	words = *copy ? calloc(strlen(text) + 2, sizeof(*words)) : NULL;
	if (!words)
		return NULL;
	for (char *rest = *copy, *word; (word = strsep(&rest, ","));)
		words[count++] = word;
	return words;
}

static int check_words(const char *const *words)
{
	for (; words && *words; words++) {
		if (!rule_is_known(*words))
			return client_command_misused(&command, "%s: no such rule: --list names all of them", *words);
	}
	return CLIENT_GO_ON;
}

static void write_json(FILE *out, json_t *json)
{
	json_dumpf(json, out, JSON_INDENT(2));
	putc('\n', out);
	json_decref(json);
}

static void write_report(FILE *out, const struct audit *audit)
{
	struct audit_style style = audit_style();

	style.quiet = quiet;
	style.colour = style.colour && !output;
	if (strcmp(format, "json") == 0)
		write_json(out, audit_report_json(audit));
	else if (strcmp(format, "junit") == 0)
		audit_report_junit(out, audit);
	else if (strcmp(format, "html") == 0)
		audit_report_html(out, audit);
	else
		audit_report_text(out, audit, &style);
}

/* In memory first: a file gets all of it or none, and an end of a pipe is told once. */
static int deliver(const struct audit *audit)
{
	struct error err;
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	int code = CLIENT_EXIT_OK;

	if (out)
		write_report(out, audit);
	if (!out || ferror(out) || fclose(out) != 0) {
		free(text);
		return command_no_memory(&command);
	}
	if (output && replace_file(output, text, length, &err) < 0) {
		fprintf(stderr, "%s: %s\n", command.name, err.text);
		code = CLIENT_EXIT_FAILED;
	} else if (!output) {
		fwrite(text, 1, length, stdout);
		code = client_command_flush(&command);
	}
	free(text);
	return code;
}

/* Rules that want rates say UNKNOWN where there are none: of a capture with a single sample. */
static void measure(struct host *host, unsigned seconds)
{
	struct error err;
	const int ret = host_measure(host, seconds * 1000000000ull, &err);

	if (ret < 0 && ret != -ENOENT)
		fprintf(stderr, "%s: %s\n", command.name, err.text);
}

static int run(const struct client_arguments *arguments, const struct audit_options *asked, unsigned seconds)
{
	struct tree *tree = host_tool_open(&command, arguments);
	struct audit *audit;
	struct host *host;
	struct error err;
	int code;

	if (!tree)
		return CLIENT_EXIT_FAILED;
	host = host_read(tree);
	if (guest && !host_tool_guest(&command, host, guest)) {
		tree_close(tree);
		return CLIENT_EXIT_FAILED;
	}
	measure(host, seconds);
	audit = audit_run(host, asked);
	if (suppressions && audit_suppress(audit, suppressions, time(NULL), &err) < 0) {
		fprintf(stderr, "%s: %s\n", command.name, err.text);
		tree_close(tree);
		return err.code == -EINVAL ? CLIENT_EXIT_USAGE : CLIENT_EXIT_FAILED;
	}
	code = deliver(audit);
	if (code == CLIENT_EXIT_OK && audit_worst(audit) >= FINDING_WARN)
		code = CLIENT_EXIT_FINDINGS;
	if (!quiet)
		host_tool_tell_unreadable(&command, tree);
	tree_close(tree);
	return code;
}

static int show_list(bool json)
{
	if (json)
		write_json(stdout, audit_list_json());
	else
		audit_list_text(stdout);
	return client_command_flush(&command);
}

static int check_usage(const struct client_arguments *arguments)
{
	static const char *const formats[] = {"table", "json", "junit", "html"};
	bool is_format = false;

	if (arguments->json && format && strcmp(format, "json") != 0)
		return client_command_misused(&command, "--json and --format=%s: only one of them", format);
	if (!format)
		format = arguments->json ? "json" : "table";
	if (!profile)
		profile = "general";
	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		is_format |= strcmp(format, formats[i]) == 0;
	if (!is_format)
		return client_command_misused(&command, "--format=%s: expected table, json, junit or html", format);
	if (!audit_profile(profile))
		return client_command_misused(&command, "--profile=%s: expected one of " AUDIT_PROFILES, profile);
	return CLIENT_GO_ON;
}

int command_audit(int argc, char **argv)
{
	char *only_copy = NULL, *skip_copy = NULL;
	const char **only_words, **skip_words;
	struct client_arguments arguments;
	struct audit_options asked;
	unsigned seconds = 1;
	int code = client_command_parse(&command, argc, argv, &arguments);

	if (code != CLIENT_GO_ON)
		return code;
	code = check_usage(&arguments);
	if (code != CLIENT_GO_ON)
		return code;
	code = host_tool_seconds(&command, seconds_text, &seconds);
	if (code != CLIENT_GO_ON)
		return code;
	if (list)
		return show_list(strcmp(format, "json") == 0);
	only_words = split(only, &only_copy);
	skip_words = split(skip, &skip_copy);
	asked = (struct audit_options){.profile = profile,
				       .contexts = audit_profile(profile),
				       .only = only_words,
				       .skip = skip_words,
				       .guest = guest};
	code = check_words(only_words);
	if (code == CLIENT_GO_ON)
		code = check_words(skip_words);
	if (code == CLIENT_GO_ON)
		code = run(&arguments, &asked, seconds);
	free(only_words);
	free(skip_words);
	free(only_copy);
	free(skip_copy);
	return code;
}
