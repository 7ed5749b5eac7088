/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "audit/diagnose.h"
#include "client/command.h"
#include "command.h"
#include "host_tool.h"
#include "seconds.h"

#define SECONDS_DEFAULT 10

static const char *seconds_text;

static const struct client_option options[] = {
	HOST_TOOL_FOR(&seconds_text, "measure for so long; default: 10. A capture is measured to its end"),
	{.name = NULL},
};

static const struct client_command command = {
	.name = "strait diagnose",
	.usage = "[OPTION]... VM",
	.about = "Tell why a guest (name, UUID or process id) is slow, while it is: what its threads, the devices "
		 "below\n"
		 "its disks, the host's memory, interrupts, exits and the kernel's log say, the causes ranked, each "
		 "with\n"
		 "what shows it and what to do next; what was ruled out; what could not be looked at.",
	.more = "Examples:\n"
		"  strait diagnose --for 30 db1\n"
		"  strait capture --for 30 -o slow.tar.zst; strait diagnose --from slow.tar.zst db1",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
	.of_host = true,
	.exits =
		"0 nothing found, 1 a cause was found, 2 wrong usage, 3 the machine could not be\nlooked at, or has no "
		"such guest.",
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static bool is_interrupted(void)
{
	return interrupted;
}

/* The first signal ends the measurement and the diagnosis still comes; the second one kills. */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int show(const struct client_arguments *arguments, const struct diagnosis *diagnosis)
{
	json_t *json;
	int code;

	if (!arguments->json) {
		diagnosis_print(diagnosis, isatty(STDOUT_FILENO));
		return client_command_flush(&command);
	}
	json = diagnosis_to_json(diagnosis);
	code = json ? client_command_print(&command, json) : command_no_memory(&command);
	json_decref(json);
	return code;
}

static int run(const struct client_arguments *arguments, struct tree *tree, unsigned seconds)
{
	struct host *host = host_read(tree);
	const struct guest *guest = host_tool_guest(&command, host, arguments->operands[0]);
	const struct diagnosis *diagnosis;
	struct error err;
	int code;

	if (!guest)
		return CLIENT_EXIT_FAILED;
	if (guest->pid == HOST_UNKNOWN) {
		fprintf(stderr, "%s: %s does not run: start it, and diagnose it while it is slow\n", command.name,
			arguments->operands[0]);
		return CLIENT_EXIT_FAILED;
	}
	diagnosis = diagnose(host, guest, seconds, is_interrupted, &err);
	if (!diagnosis) {
		fprintf(stderr, "%s: %s\n", command.name, err.text);
		return CLIENT_EXIT_FAILED;
	}
	code = show(arguments, diagnosis);
	if (code == CLIENT_EXIT_OK && diagnosis_found(diagnosis))
		code = CLIENT_EXIT_FINDINGS;
	host_tool_tell_unreadable(&command, tree);
	return code;
}

int command_diagnose(int argc, char **argv)
{
	struct client_arguments arguments;
	unsigned seconds = SECONDS_DEFAULT;
	struct tree *tree;
	int code = client_command_parse(&command, argc, argv, &arguments);

	if (code != CLIENT_GO_ON)
		return code;
	code = host_tool_seconds(&command, seconds_text, &seconds);
	if (code != CLIENT_GO_ON)
		return code;
	tree = host_tool_open(&command, &arguments);
	if (!tree)
		return CLIENT_EXIT_FAILED;
	catch_signals();
	/* A capture has as many samples as it has. */
	code = run(&arguments, tree, tree_is_live(tree) || seconds_text ? seconds : SECONDS_MAX);
	tree_close(tree);
	return code;
}
