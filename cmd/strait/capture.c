/* SPDX-License-Identifier: Apache-2.0 */
#include "host/capture.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "audit/advise.h"
#include "audit/audit.h"
#include "audit/clean.h"
#include "audit/observe.h"
#include "audit/path.h"
#include "base/replace.h"
#include "client/table.h"
#include "command.h"
#include "host/exits.h"
#include "host/kernel_log.h"
#include "host/model_json.h"
#include "host_tool.h"

#define INTERVAL_NS 1000000000ull

static const char *output, *seconds_text;

static const struct client_option options[] = {
	{.name = "output",
	 .letter = 'o',
	 .argument = "FILE",
	 .help = "write it there; \"-\": to standard output; default:\nstrait-HOST-TIME.tar.zst",
	 .value = &output},
	HOST_TOOL_FOR(&seconds_text, "measure what changes for so long, once a second; default: 2"),
	{.name = NULL},
};

static const struct client_command command = {
	.name = "strait capture",
	.usage = "[OPTION]...",
	.about = "Write down this machine and its guests as they are now: all that the commands read that\n"
		 "look at a machine. With --from FILE they give the same answers from it, anywhere. Secrets\n"
		 "are left out. What was left out and what could not be read is listed.",
	.more = "Example:\n  strait capture --for 30 -o slow.tar.zst && strait diagnose --from slow.tar.zst vm3",
	.options = options,
	.of_host = true,
	.live_only = true,
};

/* What "strait diagnose" looks at in each sample, whichever guest it will be asked for. */
static struct observation **begin_observations(struct host *host)
{
	struct observation **seen = tree_alloc(host->tree, (host->guests.count + 1) * sizeof(struct observation *));

	for (unsigned i = 0; i < host->guests.count; i++)
		seen[i] = observe_begin(host, &host->guests.guest[i]);
	return seen;
}

static int measure(struct host *host, unsigned seconds, struct error *err)
{
	struct observation **seen = begin_observations(host);
	struct host_exits exits;
	struct error untraced;
	int ret = 0;

	for (unsigned i = 0; i < seconds && ret == 0; i++) {
		if (!tree_has_room(host->tree)) {
			fprintf(stderr, "%s: measured for %u of %u seconds: a capture holds no more of this machine\n",
				command.name, i, seconds);
			break;
		}
		/* Tracing costs guests a little, so that it is for the first second alone. */
		ret = i ? host_measure(host, INTERVAL_NS, err)
			: host_measure_exits(host, NULL, INTERVAL_NS, &exits, &untraced, err);
		for (unsigned k = 0; k < host->guests.count && ret == 0; k++)
			observe_rates(seen[k]);
	}
	return ret;
}

/* All that is ever read: the model, all rules, what advice and paths need, and what changes. */
static int read_all(struct tree *tree, unsigned seconds, struct error *err)
{
	const struct audit_options all = {.contexts = CONTEXT_ALL};
	struct host *host = host_read(tree);
	const struct kernel_log_line *lines;
	int ret;

	audit_run(host, &all);
	advise_read(host);
	for (unsigned i = 0; i < host->guests.count; i++)
		path_of_guest(host, &host->guests.guest[i], NULL);
	host_kernel_log(tree, &lines);
	ret = measure(host, seconds, err);
	/* With what the kernel had to say meanwhile. */
	host_kernel_log(tree, &lines);
	return ret;
}

/* "strait-HOST-20261121-195000.tar.zst" in the current directory; the name of a host is anything. */
static const char *default_name(struct tree *tree)
{
	const char *name = tree_line(tree, "/proc/sys/kernel/hostname");
	char *host = tree_format(tree, "%.64s", name ? name : "host"), when[32] = "";
	const time_t now = time(NULL);
	struct tm tm;

	for (char *c = host; *c; c++) {
		if (!isalnum((unsigned char)*c) && *c != '.' && *c != '_')
			*c = '-';
	}
	if (localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
	return tree_format(tree, "strait-%s-%s.tar.zst", host, when);
}

/* Into a device or a pipe, which are no files to be replaced. */
static int write_into(const struct capture *capture, const char *name)
{
	FILE *file = fopen(name, "we");
	int error = file ? 0 : errno;

	if (file && fwrite(capture->bytes, 1, capture->length, file) != capture->length)
		error = errno;
	if (file && fclose(file) != 0 && !error)
		error = errno;
	if (!error)
		return CLIENT_EXIT_OK;
	fprintf(stderr, "%s: %s: cannot be written: %s\n", command.name, name, strerror(error));
	return CLIENT_EXIT_FAILED;
}

/* What a machine tells root is not for everybody. */
static int write_out(const struct capture *capture, const char *name)
{
	struct error err;
	struct stat status;
	mode_t mask;
	int ret;

	if (strcmp(name, "-") == 0) {
		fwrite(capture->bytes, 1, capture->length, stdout);
		return client_command_flush(&command);
	}
	if (stat(name, &status) == 0 && !S_ISREG(status.st_mode))
		return write_into(capture, name);
	mask = umask(077);
	ret = replace_file(name, capture->bytes, capture->length, &err);
	umask(mask);
	return ret < 0 ? client_command_failed(&command, NULL, &err) : CLIENT_EXIT_OK;
}

struct listing {
	struct tree *tree;
	FILE *to;
	json_t *list;
	unsigned count;
};

static void list_unreadable(void *context, const char *path, int error)
{
	struct listing *listing = context;

	if (!host_tool_is_withheld(error))
		return;
	if (listing->list)
		json_array_append_new(listing->list, json_pack("{s:o,s:s}", "path", host_text_json(path), "why",
							       host_tool_why(error)));
	else
		fprintf(listing->to, "%s  %s: %s\n", listing->count ? "" : "Could not be read:\n",
			audit_clean(listing->tree, host_tool_thing(listing->tree, path)), host_tool_why(error));
	listing->count++;
}

static void tell(struct tree *tree, const struct capture *capture, const char *name)
{
	struct listing listing = {.tree = tree, .to = strcmp(name, "-") == 0 ? stderr : stdout};
	char size[CLIENT_TEXT];

	fprintf(listing.to, "%s: %u files, %s, %u samples\n", name, capture->files,
		client_format_size(capture->length, size), tree_sample(tree) + 1);
	for (unsigned i = 0; i < capture->left_out_count; i++)
		fprintf(listing.to, "%s  %s: %s\n", i ? "" : "Left out:\n",
			audit_clean(tree, capture->left_out[i].path), capture->left_out[i].what);
	tree_unreadable(tree, list_unreadable, &listing);
}

static int tell_json(const struct tree *tree, const struct capture *capture, const char *name)
{
	json_t *left_out = json_array();
	struct listing listing = {.list = json_array()};
	json_t *all;
	int code;

	for (unsigned i = 0; i < capture->left_out_count; i++)
		json_array_append_new(left_out,
				      json_pack("{s:o,s:s}", "path", host_text_json(capture->left_out[i].path), "what",
						capture->left_out[i].what));
	tree_unreadable(tree, list_unreadable, &listing);
	all = json_pack("{s:s,s:i,s:I,s:i,s:o,s:o}", "file", name, "files", (int)capture->files, "bytes",
			(json_int_t)capture->length, "samples", (int)tree_sample(tree) + 1, "left_out", left_out,
			"unreadable", listing.list);
	code = client_command_print(&command, all);
	json_decref(all);
	return code;
}

static int capture_tree(struct tree *tree, const struct client_arguments *arguments, unsigned seconds)
{
	const char *name = output ? output : default_name(tree);
	struct capture capture;
	struct error err;
	int code;

	if (read_all(tree, seconds, &err) < 0 || capture_pack(tree, &capture, &err) < 0)
		return client_command_failed(&command, NULL, &err);
	code = write_out(&capture, name);
	if (code == CLIENT_EXIT_OK && arguments->json)
		code = tell_json(tree, &capture, name);
	else if (code == CLIENT_EXIT_OK)
		tell(tree, &capture, name);
	capture_free(&capture);
	return code == CLIENT_EXIT_OK ? client_command_flush(&command) : code;
}

int command_capture(int argc, char **argv)
{
	struct client_arguments arguments;
	unsigned seconds = 2;
	struct tree *tree;
	int code = client_command_parse(&command, argc, argv, &arguments);

	if (code != CLIENT_GO_ON)
		return code;
	code = host_tool_seconds(&command, seconds_text, &seconds);
	if (code != CLIENT_GO_ON)
		return code;
	if (arguments.json && output && strcmp(output, "-") == 0)
		return client_command_misused(&command, "--json and --output=- both want the standard output");
	tree = host_tool_open(&command, &arguments);
	if (!tree)
		return CLIENT_EXIT_FAILED;
	code = capture_tree(tree, &arguments, seconds);
	tree_close(tree);
	return code;
}
