/* SPDX-License-Identifier: Apache-2.0 */
#include "host/straitd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "host/document.h"
#include "host/tree.h"

/* Seconds: what answers later is in trouble itself, and those who ask have more to look at. */
#define PATIENCE 3
/* Of the budgets that are read. */
#define WINDOW_SECONDS 10
#define DISKS_MOST     4096u

/* The connection, live: made for the first document. */
struct asking {
	const char *socket;
	struct client *client;
	struct error err;
};

struct question {
	struct asking *asking;
	const char *method;
	json_t *params;
};

static int connect_once(struct asking *asking)
{
	if (asking->client)
		return 0;
	if (!asking->socket)
		asking->socket = client_default_socket();
	/* No socket, no straitd: nothing to complain of. */
	if (access(asking->socket, F_OK) < 0 && errno == ENOENT)
		return -ENOENT;
	asking->client = client_connect(asking->socket, &asking->err);
	if (!asking->client)
		return asking->err.code;
	client_set_timeout(asking->client, PATIENCE);
	return 0;
}

static ssize_t provide(void *context, char **text)
{
	struct question *question = context;
	struct asking *asking = question->asking;
	json_t *result = NULL;
	/* After a failure the connection is of no use: what comes next need not wait for that again. */
	int ret = asking->err.code ? asking->err.code : connect_once(asking);

	if (ret < 0)
		return ret;
	ret = client_call(asking->client, question->method, question->params, &result, &asking->err);
	/* A disk that has just gone is refused, which is an answer. */
	if (ret < 0 && client_was_refused(asking->client))
		asking->err.code = 0;
	if (ret < 0)
		return ret;
	/* For those who read a capture. */
	if (strcmp(question->method, "disk.list") == 0)
		json_object_set_new(result, "asked", json_string(asking->socket));
	return document_text(result, text);
}

static void release(void *what)
{
	json_decref(what);
}

/* The answer, which is the tree's; NULL: none. disk: NULL: of all. */
static const json_t *ask(struct tree *tree, struct asking *asking, const char *method, const char *disk)
{
	struct question question = {asking, method, NULL};
	const char *name = tree_format(tree, "straitd/%s%s%s.json", method, disk ? "/" : "", disk ? disk : ""), *text;
	json_t *answer;
	ssize_t length;

	if (disk)
		question.params = json_pack("{s:s}", "disk", disk);
	if (strcmp(method, "budget.get") == 0)
		json_object_set_new(question.params, "window", json_integer(WINDOW_SECONDS));
	length = tree_ask(tree, &text, provide, &question, "%s", name);
	json_decref(question.params);
	answer = document_object(text, length);
	if (answer)
		tree_at_close(tree, release, answer);
	else if (length >= 0 && !asking->err.code)
		error_set(&asking->err, -EPROTO, "the answer of %s is no JSON object", method);
	else if (length < 0 && length != -ENOENT && !disk && !asking->err.code)
		error_set(&asking->err, (int)length, "straitd cannot be asked: %s", strerror((int)-length));
	return answer;
}

/* It becomes a part of a document's name. */
static bool is_plain(const char *name)
{
	return name && *name && *name != '.' && !strchr(name, '/');
}

static void read_disk(struct tree *tree, struct asking *asking, const json_t *entry, struct host_straitd *straitd)
{
	const char *name = document_string(tree, entry, "name");
	struct host_straitd_disk *disk = &straitd->disk[straitd->count];

	if (!is_plain(name))
		return;
	*disk = (struct host_straitd_disk){
		.name = name,
		.socket = document_string(tree, entry, "socket"),
		.file = document_string(tree, entry, "file"),
		.queues = document_number(entry, "queues"),
		.state = document_string(tree, entry, "state"),
		.disk = entry,
		.budget = ask(tree, asking, "budget.get", name),
		.profile = ask(tree, asking, "profile.get", name),
	};
	straitd->count++;
}

void host_straitd_read(struct tree *tree, const char *socket, struct host_straitd *straitd)
{
	struct asking asking = {.socket = socket};
	const json_t *list = ask(tree, &asking, "disk.list", NULL), *disks = document_member(list, "disks");
	size_t count = json_array_size(disks);

	*straitd = (struct host_straitd){.socket = list ? document_string(tree, list, "asked") : NULL};
	count = count < DISKS_MOST ? count : DISKS_MOST;
	straitd->disk = tree_alloc(tree, count * sizeof(*straitd->disk));
	for (size_t i = 0; i < count; i++)
		read_disk(tree, &asking, json_array_get(disks, i), straitd);
	if (asking.err.code)
		straitd->unreadable = tree_format(tree, "%s", asking.err.text);
	client_free(asking.client);
}

const struct host_straitd_disk *host_straitd_by_socket(const struct host_straitd *straitd, const char *socket)
{
	for (unsigned i = 0; i < straitd->count && socket; i++) {
		if (straitd->disk[i].socket && strcmp(straitd->disk[i].socket, socket) == 0)
			return &straitd->disk[i];
	}
	return NULL;
}
