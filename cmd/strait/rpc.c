/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/command.h"
#include "command.h"

static const char *timeout;

static const struct client_option options[] = {
	{.name = "timeout",
	 .letter = 't',
	 .argument = "SECONDS",
	 .help = "how long to wait for the answer; default: 30",
	 .value = &timeout},
	{.name = NULL},
};

static const struct client_command command = {
	.name = "strait rpc",
	.usage = "[OPTION]... METHOD [PARAMETERS]",
	.about = "Call a method of a running straitd and print what it answers, as JSON. PARAMETERS is\n"
		 "a JSON object, or \"-\" to read one from standard input. Methods and their\n"
		 "parameters are those of \"strait rpc schema.get\".",
	.more = "Example:\n  strait rpc disk.get '{\"name\": \"vm3\"}'",
	.options = options,
	.operands_min = 1,
	.operands_max = 2,
	.no_json = true,
};

/* 0 with *params, which may be NULL; or an exit code. */
static int read_params(const char *text, json_t **params)
{
	json_error_t err;

	*params = NULL;
	if (!text)
		return 0;
	*params = strcmp(text, "-") == 0 ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &err)
					 : json_loads(text, JSON_REJECT_DUPLICATES, &err);
	if (json_is_object(*params))
		return 0;
	if (*params)
		snprintf(err.text, sizeof(err.text), "expected an object, such as {\"name\": \"vm3\"}");
	json_decref(*params);
	return client_command_misused(&command, "%.80s: %s", text, err.text);
}

static int call(struct client *client, const char *method, const json_t *params)
{
	json_t *answer, *error;
	struct error err;
	int code;

	if (client_ask(client, method, params, NULL, 0, &answer, &err) < 0)
		return client_command_failed(&command, client, &err);
	error = json_object_get(answer, "error");
	if (error) {
		/* As it came, so that a program finds code and data. */
		json_dumpf(error, stderr, JSON_INDENT(2));
		fprintf(stderr, "\n");
		code = CLIENT_EXIT_FINDINGS;
	} else {
		code = client_command_print(&command, json_object_get(answer, "result"));
	}
	json_decref(answer);
	return code;
}

int command_rpc(int argc, char **argv)
{
	struct client_arguments arguments;
	struct client *client;
	json_t *params;
	char *end = "";
	unsigned long seconds = 0;
	int code = client_command_parse(&command, argc, argv, &arguments);

	if (code != CLIENT_GO_ON)
		return code;
	if (timeout)
		seconds = strtoul(timeout, &end, 10);
	if (timeout && (*end || seconds < 1 || seconds > 86400))
		return client_command_misused(&command, "--timeout: %s: expected seconds from 1 to 86400", timeout);
	code = read_params(arguments.operand_count > 1 ? arguments.operands[1] : NULL, &params);
	if (code)
		return code;
	client = client_command_connect(&command, &arguments);
	if (client && timeout)
		client_set_timeout(client, (unsigned)seconds);
	code = client ? call(client, arguments.operands[0], params) : CLIENT_EXIT_FAILED;
	client_free(client);
	json_decref(params);
	return code;
}
