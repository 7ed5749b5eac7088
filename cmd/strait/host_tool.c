/* SPDX-License-Identifier: Apache-2.0 */
#include "host_tool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/clean.h"
#include "seconds.h"

/* As many are named. */
#define NAMED 3

int host_tool_seconds(const struct client_command *command, const char *text, unsigned *seconds)
{
	if (seconds_read(text, seconds))
		return CLIENT_GO_ON;
	return client_command_misused(command, "--for=%s: expected seconds from 1 to %d", text, SECONDS_MAX);
}

struct tree *host_tool_open(const struct client_command *command, const struct client_arguments *arguments)
{
	struct error err;
	struct tree *tree = arguments->from ? tree_open_capture(arguments->from, &err) : tree_open_live(&err);

	if (!tree)
		fprintf(stderr, "%s: %s\n", command->name, err.text);
	return tree;
}

const struct guest *host_tool_guest(const struct client_command *command, const struct host *host, const char *word)
{
	const struct guest *guest = host_guest_find(&host->guests, word);

	if (!guest)
		fprintf(stderr, "%s: %s: no guest has this name, UUID or process id: \"strait list\" shows all\n",
			command->name, word);
	return guest;
}

bool host_tool_is_withheld(int error)
{
	switch (-error) {
	case EACCES:
	case EPERM:
	case EIO:
	case E2BIG:
	case ETIMEDOUT:
	case ECONNREFUSED:
	case ELOOP:
	case ENOMEM:
	case EPROTO:
		return true;
	default:
		return false;
	}
}

const char *host_tool_thing(struct tree *tree, const char *path)
{
	static const char end[] = ".json";
	const int length = (int)strlen(path) - (int)strlen(end);
	int name = 0;

	if (length <= 0 || strcmp(path + length, end) != 0)
		return path;
	/* The first word is the process that has it. */
	sscanf(path, "/.strait/image/%*u%n", &name);
	if (name && name < length)
		return tree_format(tree, "%.*s", length - name, path + name);
	sscanf(path, "/.strait/blkid/%n", &name);
	sscanf(path, "/.strait/nvme/%n", &name);
	return name && name < length ? tree_format(tree, "/dev/%.*s", length - name, path + name) : path;
}

const char *host_tool_why(int error)
{
	switch (-error) {
	case E2BIG:
		return "too large to be read as a whole";
	case EPROTO:
		return "no answer, or none that makes sense";
	default:
		return strerror(-error);
	}
}

struct telling {
	const struct tree *tree;
	unsigned refused, other;
	const char *path[NAMED];
	int error[NAMED];
	/* Not in the capture, though this command would have read it. */
	unsigned missing;
	const char *first_missing;
};

static void count(void *context, const char *path, int error)
{
	struct telling *telling = context;
	const unsigned sum = telling->refused + telling->other;

	if (error == -ENODATA && !tree_is_live(telling->tree) && !telling->missing++)
		telling->first_missing = path;
	if (!host_tool_is_withheld(error))
		return;
	if (sum < NAMED) {
		telling->path[sum] = path;
		telling->error[sum] = error;
	}
	if (error == -EACCES || error == -EPERM)
		telling->refused++;
	else
		telling->other++;
}

static void tell_missing(const struct client_command *command, struct tree *tree, const struct telling *telling)
{
	fprintf(stderr, "%s: the capture has not got ", command->name);
	if (telling->missing > 1)
		fprintf(stderr, "%u files that are read now, among them ", telling->missing);
	fprintf(stderr, "%s: take a new one with this version of strait\n", audit_clean(tree, telling->first_missing));
}

void host_tool_tell_unreadable(const struct client_command *command, struct tree *tree)
{
	struct telling telling = {.tree = tree};
	unsigned sum;

	tree_unreadable(tree, count, &telling);
	if (telling.missing)
		tell_missing(command, tree, &telling);
	sum = telling.refused + telling.other;
	if (!sum)
		return;
	fprintf(stderr, "%s: could not read ", command->name);
	for (unsigned i = 0; i < sum && i < NAMED; i++)
		fprintf(stderr, "%s%s (%s)", i ? ", " : "", audit_clean(tree, host_tool_thing(tree, telling.path[i])),
			host_tool_why(telling.error[i]));
	if (sum > NAMED)
		fprintf(stderr, " and %u more", sum - NAMED);
	fprintf(stderr, "%s\n",
		!telling.refused      ? ""
		: !tree_is_live(tree) ? ": whoever took the capture was not allowed to"
		: geteuid() == 0      ? ""
				      : ": run as root to see them");
}
