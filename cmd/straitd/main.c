/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "background.h"
#include "base/error.h"
#include "base/log.h"
#include "check.h"
#include "control/config.h"
#include "control/daemon.h"
#include "control/http.h"
#include "exit_status.h"
#include "options.h"

static int usage_error(const struct error *err)
{
	fprintf(stderr, "straitd: %s\n", err->text);
	return EXIT_STATUS_USAGE;
}

static int exit_status_of(int ret, const struct error *err)
{
	if (ret == 0)
		return EXIT_STATUS_CLEAN;
	log_error("%s", err->text);
	return ret == -ENOMEM ? EXIT_STATUS_INTERNAL : EXIT_STATUS_FINDINGS;
}

static int serve(struct config *config)
{
	struct error err;
	int ret = daemon_run(config, NULL, &err);

	return exit_status_of(ret, &err);
}

static void taken_over(void *context, uint64_t longest_pause_ns)
{
	background_done(context, "process %d serves from here on; no disk stood still for more than %.1f ms",
			(int)getpid(), (double)longest_pause_ns / 1e6);
}

static int take_over(struct background *background, void *context)
{
	const struct daemon_upgrade upgrade = {.done = taken_over, .context = background};
	struct error err;
	int ret = daemon_run(context, &upgrade, &err);

	/* Told to stop before it was done. */
	if (ret == 0 && background->report_fd >= 0)
		return EXIT_STATUS_FINDINGS;
	return exit_status_of(ret, &err);
}

static int act(enum options_action action, struct config *config)
{
	switch (action) {
	case OPTIONS_CHECK:
		return check_config(config);
	case OPTIONS_UPGRADE:
		return background_run(take_over, config);
	default:
		return serve(config);
	}
}

/* The command line is stronger than the configuration. */
static int choose_sandbox(const struct options *options, struct sandbox_options *sandbox, struct error *err)
{
	if (options->sandbox < 0)
		return 0;
	sandbox->mode = (enum sandbox_mode)options->sandbox;
	if (sandbox->mode == SANDBOX_REQUIRED && sandbox->without)
		return error_set(err, -EINVAL,
				 "--sandbox=required: the configuration leaves out parts of the sandbox "
				 "(sandbox-without): expected one that leaves out none");
	return 0;
}

static int load_and_do(const struct options *options)
{
	struct config *config;
	struct error err;
	int ret, status;

	if (options->config)
		ret = config_load(options->config, &config, &err);
	else
		ret = config_single(options->socket_path, options->fd, options->blk_file, options->read_only, &config,
				    &err);
	if (ret < 0)
		return ret == -ENOMEM ? EXIT_STATUS_INTERNAL : usage_error(&err);
	if (options->log_level)
		log_set_level((enum log_level)options->log_level);
	else if (config->log_level)
		log_set_level((enum log_level)config->log_level);
	ret = choose_sandbox(options, &config->sandbox, &err);
	status = ret < 0 ? usage_error(&err) : act(options->action, config);
	config_free(config);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	struct error err;
	int status = EXIT_STATUS_CLEAN;
	char build[128];

	if (options_parse(argc, argv, &options, &err) < 0)
		return usage_error(&err);
	switch (options.action) {
	case OPTIONS_CAPABILITIES:
		puts("{\"type\":\"block\",\"features\":[\"read-only\",\"blk-file\"]}");
		break;
	case OPTIONS_VERSION:
		sandbox_describe_build(build, sizeof(build));
		printf("straitd " STRAIT_VERSION "\n%s\n%s\n", build, http_describe_build());
		break;
	case OPTIONS_HELP:
		options_print_help();
		break;
	default:
		status = load_and_do(&options);
	}
	/* What could not be written was not said: a script must not take it for success. */
	if (fflush(stdout) != 0 || ferror(stdout))
		return EXIT_STATUS_INTERNAL;
	return status;
}
