/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "control/nearest.h"
#include "control/sandbox.h"
#include "control/units.h"

enum option_id {
	OPTION_CONFIG = 256,
	OPTION_CHECK,
	OPTION_UPGRADE,
	OPTION_SOCKET_PATH,
	OPTION_FD,
	OPTION_BLK_FILE,
	OPTION_READ_ONLY,
	OPTION_PRINT_CAPABILITIES,
	OPTION_SANDBOX,
	OPTION_LOG_LEVEL,
	OPTION_VERSION,
	OPTION_HELP,
	OPTION_END,
};

static const struct option_text {
	char letter; /* of the short form, or '\0' */
	const char *name;
	const char *value; /* NULL: takes none */
	const char *help;
} texts[] = {
	[OPTION_CONFIG - 256] = {'\0', "config", "FILE", "serve the disks of a configuration, see straitd.yaml(5)"},
	[OPTION_CHECK - 256] = {'\0', "check", NULL, "try everything, say what would be served, and serve nothing"},
	[OPTION_UPGRADE - 256] = {'\0', "upgrade", NULL,
				  "take over from the running straitd, whose front ends notice nothing"},
	[OPTION_SOCKET_PATH - 256] = {'\0', "socket-path", "PATH", "serve one disk: listen on this socket"},
	[OPTION_FD - 256] = {'\0', "fd", "NUMBER", "serve one disk: use this socket, opened by whoever starts straitd"},
	[OPTION_BLK_FILE - 256] = {'\0', "blk-file", "FILE", "serve one disk: its image or block device"},
	[OPTION_READ_ONLY - 256] = {'\0', "read-only", NULL, "serve one disk: refuse to write"},
	[OPTION_PRINT_CAPABILITIES - 256] = {'\0', "print-capabilities", NULL,
					     "print what this back end can do, as JSON"},
	[OPTION_SANDBOX - 256] = {'\0', "sandbox", "MODE", "on (the default), required or off, see straitd(8)"},
	[OPTION_LOG_LEVEL - 256] = {'\0', "log-level", "LEVEL", "error, warning, info (the default) or debug"},
	[OPTION_VERSION - 256] = {'V', "version", NULL, "print the version"},
	[OPTION_HELP - 256] = {'h', "help", NULL, "print this text"},
};

#define OPTION_COUNT (OPTION_END - OPTION_CONFIG)

void options_print_help(void)
{
	printf("Usage: straitd --config=FILE [--check | --upgrade] [OPTION...]\n"
	       "       straitd --socket-path=PATH --blk-file=FILE [--read-only] [--check] [OPTION...]\n"
	       "       straitd --fd=NUMBER --blk-file=FILE [--read-only] [OPTION...]\n"
	       "Serve disks to virtual machines over vhost-user.\n\n");
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const struct option_text *text = &texts[i];
		char left[40];

		snprintf(left, sizeof(left), "%c%c%c --%s%s%s", text->letter ? '-' : ' ',
			 text->letter ? text->letter : ' ', text->letter ? ',' : ' ', text->name,
			 text->value ? "=" : "", text->value ? text->value : "");
		printf("  %-26s  %s\n", left, text->help);
	}
	printf("\nstraitd stays in the foreground and logs to standard error. SIGTERM and SIGINT let\n"
	       "requests finish and end it, a second one gives them up; SIGHUP makes it look at the size\n"
	       "of every disk again.\n"
	       "Exit status: 0 all is well, 1 no disk could be served, --check found something, --upgrade\n"
	       "was refused or requests were given up, 2 wrong usage or configuration, 3 an internal error.\n");
}

static int unknown_option(const char *text, struct error *err)
{
	const char *word = text + strspn(text, "-"), *best = NULL;
	char name[40];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		best = nearest_of(name, best, texts[i].name);
	if (best)
		return error_set(err, -EINVAL, "%.100s: no such option: did you mean --%s?", text, best);
	return error_set(err, -EINVAL, "%.100s: no such option: straitd --help lists all", text);
}

static int parse_log_level(const char *value, int *level, struct error *err)
{
	static const struct {
		const char *word;
		int level;
	} levels[] = {{"error", LOG_LEVEL_ERROR},
		      {"warning", LOG_LEVEL_WARNING},
		      {"info", LOG_LEVEL_INFO},
		      {"debug", LOG_LEVEL_DEBUG}};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(value, levels[i].word) == 0) {
			*level = levels[i].level;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "--log-level: \"%.60s\": expected error, warning, info or debug", value);
}

static int parse_sandbox(const char *value, int *mode, struct error *err)
{
	static const char *const words[] = {
		[SANDBOX_ON] = "on", [SANDBOX_REQUIRED] = "required", [SANDBOX_OFF] = "off"};

	for (int i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++) {
		if (strcmp(value, words[i]) == 0) {
			*mode = i;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "--sandbox: \"%.60s\": expected on, required or off", value);
}

static int parse_fd(const char *value, int *fd, struct error *err)
{
	uint64_t number;
	int domain;
	socklen_t length = sizeof(domain);

	if (units_parse_uint(value, &number) < 0 || number > INT32_MAX)
		return error_set(err, -EINVAL, "--fd: \"%.60s\": expected the number of a file descriptor", value);
	if (getsockopt((int)number, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0)
		return error_set(err, -EINVAL, "--fd: %d: %s: expected a UNIX socket opened by whoever starts straitd",
				 (int)number, strerror(errno));
	if (domain != AF_UNIX)
		return error_set(err, -EINVAL, "--fd: %d is not a UNIX socket: expected one, connected or listening",
				 (int)number);
	*fd = (int)number;
	return 0;
}

static int take_string(const char **to, const char *name, const char *value, struct error *err)
{
	if (*to)
		return error_set(err, -EINVAL, "--%s: \"%.60s\": given twice, first as \"%.60s\": expected once", name,
				 value, *to);
	if (!value[0])
		return error_set(err, -EINVAL, "--%s: \"\": expected a path", name);
	*to = value;
	return 0;
}

static int choose(struct options *options, enum options_action action, struct error *err)
{
	if (options->action != OPTIONS_SERVE && options->action != action)
		return error_set(err, -EINVAL, "--upgrade: --check is given as well: expected one or the other");
	options->action = action;
	return 0;
}

static int apply(struct options *options, int id, const char *value, struct error *err)
{
	switch (id) {
	case OPTION_CONFIG:
		return take_string(&options->config, "config", value, err);
	case OPTION_SOCKET_PATH:
		return take_string(&options->socket_path, "socket-path", value, err);
	case OPTION_BLK_FILE:
		return take_string(&options->blk_file, "blk-file", value, err);
	case OPTION_FD:
		return parse_fd(value, &options->fd, err);
	case OPTION_SANDBOX:
		return parse_sandbox(value, &options->sandbox, err);
	case OPTION_LOG_LEVEL:
		return parse_log_level(value, &options->log_level, err);
	case OPTION_READ_ONLY:
		options->read_only = true;
		return 0;
	case OPTION_CHECK:
		return choose(options, OPTIONS_CHECK, err);
	case OPTION_UPGRADE:
		return choose(options, OPTIONS_UPGRADE, err);
	case 'V':
	case OPTION_VERSION:
		options->action = OPTIONS_VERSION;
		return 0;
	case 'h':
	case OPTION_HELP:
		options->action = OPTIONS_HELP;
		return 0;
	default:
		return 0;
	}
}

/* What getopt_long(3) could not make sense of: result is its '?' or ':', text the argument. */
static int refuse(int result, int id, const char *text, struct error *err)
{
	if (result == ':')
		return error_set(err, -EINVAL, "%.100s: nothing given: expected --%s=%s", text, texts[id - 256].name,
				 texts[id - 256].value);
	if (id >= OPTION_CONFIG && id < OPTION_END)
		return error_set(err, -EINVAL, "%.100s: expected no value after --%s", text, texts[id - 256].name);
	return unknown_option(text, err);
}

/* Which options need or exclude each other. */
static int check_together(const struct options *options, struct error *err)
{
	const char *single = options->socket_path ? "--socket-path"
			     : options->fd >= 0   ? "--fd"
			     : options->blk_file  ? "--blk-file"
			     : options->read_only ? "--read-only"
						  : NULL;

	if (options->action == OPTIONS_UPGRADE && !options->config)
		return error_set(err, -EINVAL,
				 "--upgrade: without a configuration: expected --config=FILE with it, the file of the "
				 "straitd that is to be upgraded");
	if (options->config && single)
		return error_set(err, -EINVAL,
				 "%s: serves one disk, --config serves those of a file: expected one or the other",
				 single);
	if (options->config)
		return 0;
	if (!single)
		return error_set(err, -EINVAL,
				 "nothing to serve: expected --config=FILE, or --socket-path=PATH and "
				 "--blk-file=FILE");
	if (options->socket_path && options->fd >= 0)
		return error_set(err, -EINVAL, "--fd: %d: --socket-path is given as well: expected one or the other",
				 options->fd);
	if (!options->socket_path && options->fd < 0)
		return error_set(err, -EINVAL,
				 "%s: without a socket: expected --socket-path=PATH or --fd=NUMBER with it", single);
	if (!options->blk_file)
		return error_set(err, -EINVAL, "%s: without an image: expected --blk-file=FILE with it", single);
	return 0;
}

static bool asks_for_capabilities(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--print-capabilities") == 0)
			return true;
	}
	return false;
}

int options_parse(int argc, char **argv, struct options *options, struct error *err)
{
	struct option longs[OPTION_COUNT + 1] = {{0}};

	*options = (struct options){.fd = -1, .sandbox = -1};
	if (asks_for_capabilities(argc, argv)) {
		options->action = OPTIONS_CAPABILITIES;
		return 0;
	}
	for (int i = 0; i < OPTION_COUNT; i++)
		longs[i] =
			(struct option){texts[i].name, texts[i].value ? required_argument : no_argument, NULL, 256 + i};
	opterr = 0;
	for (;;) {
		/* The argument getopt_long() will look at; "+" keeps it from changing their order. */
		const char *text = argv[optind];
		int result = getopt_long(argc, argv, "+:hV", longs, NULL), ret;

		if (result < 0)
			break;
		ret = result == '?' || result == ':' ? refuse(result, optopt, text, err)
						     : apply(options, result, optarg, err);
		if (ret < 0)
			return ret;
		if (options->action == OPTIONS_HELP || options->action == OPTIONS_VERSION)
			return 0;
	}
	if (argv[optind])
		return error_set(err, -EINVAL, "\"%.100s\": expected only options, see straitd --help", argv[optind]);
	return check_together(options, err);
}
