/* SPDX-License-Identifier: Apache-2.0 */
#include "top_source.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/client.h"

/* Seconds until it is said that straitd does not answer. */
#define PATIENCE 3

struct top_source {
	const char *socket;
	unsigned window;
	struct client *client; /* NULL: not connected */
	int questions[2];      /* a byte each, to the thread */
	int answers[2];        /* a pointer each, from it */
};

struct top_source *top_source_new(const char *socket, unsigned window)
{
	struct top_source *source = calloc(1, sizeof(*source));

	if (source) {
		source->socket = socket;
		source->window = window;
	}
	return source;
}

void top_source_free(struct top_source *source)
{
	client_free(source->client);
	free(source);
}

static int ask(struct top_source *source, json_t **result, struct error *err)
{
	json_t *params;
	int ret;

	if (!source->client) {
		source->client = client_connect(source->socket, err);
		if (!source->client)
			return err->code;
		client_set_timeout(source->client, PATIENCE);
	}
	params = json_pack("{s:i}", "window", (int)source->window);
	ret = client_call(source->client, "stats.get", params, result, err);
	json_decref(params);
	if (ret < 0 && !client_was_refused(source->client)) {
		client_free(source->client);
		source->client = NULL;
	}
	return ret;
}

struct top_answer *top_source_fetch(struct top_source *source)
{
	struct top_answer *answer = calloc(1, sizeof(*answer));
	json_t *result = NULL;

	if (!answer)
		return NULL;
	answer->ret = ask(source, &result, &answer->err);
	if (answer->ret == 0) {
		answer->ret = top_reading_parse(&answer->reading, result, &answer->err);
		json_decref(result);
	}
	return answer;
}

void top_answer_free(struct top_answer *answer)
{
	if (!answer)
		return;
	top_reading_free(&answer->reading);
	free(answer);
}

static void *run(void *context)
{
	struct top_source *source = context;
	char question;

	while (read(source->questions[0], &question, 1) == 1) {
		struct top_answer *answer = top_source_fetch(source);

		/* A pointer is less than PIPE_BUF: it is written whole. */
		if (write(source->answers[1], &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	return NULL;
}

int top_source_start(struct top_source *source)
{
	sigset_t all, before;
	pthread_t thread;
	int ret;

	if (pipe2(source->questions, O_CLOEXEC) < 0 || pipe2(source->answers, O_CLOEXEC) < 0)
		return -errno;
	/* Signals are for the thread that has the terminal. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = -pthread_create(&thread, NULL, run, source);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret < 0)
		return ret;
	pthread_detach(thread);
	return source->answers[0];
}

void top_source_ask(struct top_source *source)
{
	/* There is one question at a time, so there is room for it. */
	if (write(source->questions[1], "?", 1) != 1)
		abort();
}

struct top_answer *top_source_take(struct top_source *source)
{
	struct top_answer *answer;

	if (read(source->answers[0], &answer, sizeof(answer)) != sizeof(answer))
		return NULL;
	return answer;
}
