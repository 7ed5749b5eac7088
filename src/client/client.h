/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CLIENT_CLIENT_H
#define STRAIT_CLIENT_CLIENT_H

#include <jansson.h>

#include "base/error.h"

/*
 * The other end of a daemon's RPC socket (docs/rpc.md): one call at a time.
 * One thread.
 */
struct client;

/* Where a daemon listens if nobody says otherwise: $STRAIT_SOCKET, else this. */
#define CLIENT_DEFAULT_SOCKET "/run/strait/rpc.sock"
const char *client_default_socket(void);

/* How long an answer may take, seconds, unless client_set_timeout() says otherwise. */
#define CLIENT_TIMEOUT 30

/* For what waits until requests that are under way have finished: these take as long as they take. */
#define CLIENT_PATIENT 86400

/* Connect to path (NULL: the default). NULL with err set, whose sentence says what to do. */
struct client *client_connect(const char *path, struct error *err);
void client_set_timeout(struct client *client, unsigned seconds);
void client_free(struct client *client);

/*
 * Call a method. params is an object or NULL, and stays the caller's; so do
 * descriptors. 0 with *result, which the caller gives back; or a negative errno
 * with err set: -EPROTO, -ETIMEDOUT, -ECONNRESET and the like where no answer
 * came, after which the connection is of no use, or what the daemon said.
 */
int client_call(struct client *client, const char *method, const json_t *params, json_t **result, struct error *err);
int client_call_fds(struct client *client, const char *method, const json_t *params, const int *fds, unsigned fd_count,
		    json_t **result, struct error *err);

/*
 * The same, but an error of the daemon's is a success with *answer, which has
 * "result" or "error".
 */
int client_ask(struct client *client, const char *method, const json_t *params, const int *fds, unsigned fd_count,
	       json_t **answer, struct error *err);

/* Whether the last client_call() has failed because of what the daemon answered, not for want of an answer. */
int client_was_refused(const struct client *client);

#endif
