/* SPDX-License-Identifier: Apache-2.0 */
#include "client/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTIONS 80

/* What is one of ours for getopt_long(3), above any letter; own options follow. */
enum {
	CODE_SOCKET = 256,
	CODE_FROM,
	CODE_JSON,
	CODE_HELP,
	CODE_OWN,
};

/* Where the texts of options begin. */
#define HELP_COLUMN 28

static void print_option(char letter, const char *name, const char *argument, const char *help)
{
	char head[64], short_name[8] = "    ";
	const char *rest = help;

	if (letter)
		snprintf(short_name, sizeof(short_name), "-%c, ", letter);
	snprintf(head, sizeof(head), "  %s--%s%s%s", short_name, name, argument ? "=" : "", argument ? argument : "");
	/* One that is too long has a line of its own. */
	if (strlen(head) + 2 > HELP_COLUMN)
		printf("%s\n%*s", head, HELP_COLUMN, "");
	else
		printf("%-*s", HELP_COLUMN, head);
	while (*rest) {
		const size_t length = strcspn(rest, "\n");

		printf("%.*s\n", (int)length, rest);
		rest += length + (rest[length] != '\0');
		if (*rest)
			printf("%*s", HELP_COLUMN, "");
	}
}

static const char *socket_option(const struct client_command *command)
{
	return command->socket_option ? command->socket_option : "socket";
}

/* What it talks to, or looks at. */
static void print_where(const struct client_command *command)
{
	if (!command->of_host)
		print_option('s', socket_option(command), "PATH",
			     "the RPC socket of the straitd that is meant;\n"
			     "default: $STRAIT_SOCKET, or " CLIENT_DEFAULT_SOCKET);
	else if (!command->live_only)
		print_option('f', "from", "FILE",
			     "look at a machine that \"strait capture\" wrote down, not at\nthis one");
}

static const char *exits(const struct client_command *command)
{
	if (command->exits)
		return command->exits;
	return command->of_host ? "0 done, 2 wrong usage, 3 it could not be done."
				: "0 done, 1 straitd refused, 2 wrong usage, 3 there is no straitd or it\n"
				  "did not answer.";
}

static void print_help(const struct client_command *command)
{
	printf("Usage: %s %s\n\n%s\n\nOptions:\n", command->name, command->usage, command->about);
	for (const struct client_option *option = command->options; option && option->name; option++)
		print_option(option->letter, option->name, option->argument, option->help);
	print_where(command);
	if (!command->no_json)
		print_option('j', "json", NULL, "print JSON, for programs");
	print_option('h', "help", NULL, "show this help and exit");
	if (command->more)
		printf("\n%s\n", command->more);
	printf("\nExit status: %s\n", exits(command));
}

int client_command_misused(const struct client_command *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", command->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nTry \"%s --help\".\n", command->name);
	return CLIENT_EXIT_USAGE;
}

struct table {
	struct option options[MAX_OPTIONS];
	char letters[3 + 2 * MAX_OPTIONS];
};

static void add(struct table *table, unsigned *count, const char *name, char letter, bool argument, int code)
{
	const size_t used = strlen(table->letters);

	if (*count + 1 >= MAX_OPTIONS)
		abort();
	table->options[(*count)++] =
		(struct option){.name = name, .has_arg = argument ? required_argument : no_argument, .val = code};
	if (letter)
		snprintf(table->letters + used, sizeof(table->letters) - used, "%c%s", letter, argument ? ":" : "");
}

static void fill(const struct client_command *command, struct table *table)
{
	unsigned count = 0;

	*table = (struct table){.letters = ":"};
	if (!command->of_host) {
		add(table, &count, socket_option(command), 's', true, CODE_SOCKET);
	} else if (!command->live_only) {
		add(table, &count, "from", 'f', true, CODE_FROM);
		add(table, &count, "root", 0, true, CODE_FROM);
	}
	if (!command->no_json)
		add(table, &count, "json", 'j', false, CODE_JSON);
	add(table, &count, "help", 'h', false, CODE_HELP);
	for (unsigned i = 0; command->options && command->options[i].name; i++)
		add(table, &count, command->options[i].name, command->options[i].letter,
		    command->options[i].argument != NULL, CODE_OWN + (int)i);
}

/* Of a letter, the option it stands for. */
static int code_of(const struct client_command *command, int found)
{
	if (found >= CODE_SOCKET)
		return found;
	for (unsigned i = 0; command->options && command->options[i].name; i++) {
		if (command->options[i].letter == found)
			return CODE_OWN + (int)i;
	}
	return found == 's' ? CODE_SOCKET : found == 'f' ? CODE_FROM : found == 'j' ? CODE_JSON : CODE_HELP;
}

static void take_own(const struct client_option *option, const char *argument)
{
	if (option->value)
		*option->value = argument;
	if (option->flag)
		*option->flag = true;
}

static int count_operands(const struct client_command *command, const struct client_arguments *arguments)
{
	if (arguments->operand_count < command->operands_min)
		return client_command_misused(command, "expected %s", command->usage);
	if (arguments->operand_count > command->operands_max)
		return client_command_misused(command, "%s: not expected", arguments->operands[command->operands_max]);
	return CLIENT_GO_ON;
}

int client_command_parse(const struct client_command *command, int argc, char **argv,
			 struct client_arguments *arguments)
{
	struct table table;
	int found;

	*arguments = (struct client_arguments){.socket = NULL};
	fill(command, &table);
	opterr = 0;
	optind = 1;
	while ((found = getopt_long(argc, argv, table.letters, table.options, NULL)) != -1) {
		if (found == '?' || found == ':')
			return client_command_misused(command, "%s: %s", argv[optind - 1],
						      found == ':' ? "expected a value"
								   : "no such option, or a value too much");
		found = code_of(command, found);
		if (found == CODE_HELP) {
			print_help(command);
			return client_command_flush(command);
		}
		if (found == CODE_SOCKET)
			arguments->socket = optarg;
		else if (found == CODE_FROM)
			arguments->from = optarg;
		else if (found == CODE_JSON)
			arguments->json = true;
		else
			take_own(&command->options[found - CODE_OWN], optarg);
	}
	arguments->operands = argv + optind;
	arguments->operand_count = (unsigned)(argc - optind);
	return count_operands(command, arguments);
}

struct client *client_command_connect(const struct client_command *command, const struct client_arguments *arguments)
{
	struct error err;
	struct client *client = client_connect(arguments->socket, &err);

	if (!client)
		fprintf(stderr, "%s: %s\n", command->name, err.text);
	return client;
}

int client_command_failed(const struct client_command *command, const struct client *client, const struct error *err)
{
	fprintf(stderr, "%s: %s\n", command->name, err->text);
	return client && client_was_refused(client) ? CLIENT_EXIT_FINDINGS : CLIENT_EXIT_FAILED;
}

json_t *client_command_call(const struct client_command *command, struct client *client, const char *method,
			    const json_t *params, int *code)
{
	struct error err;
	json_t *result;

	*code = CLIENT_EXIT_OK;
	if (client_call(client, method, params, &result, &err) < 0)
		*code = client_command_failed(command, client, &err);
	return result;
}

int client_command_flush(const struct client_command *command)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CLIENT_EXIT_OK;
	fprintf(stderr, "%s: standard output: %s\n", command->name, strerror(errno));
	return CLIENT_EXIT_FAILED;
}

int client_command_print(const struct client_command *command, const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
	return client_command_flush(command);
}
