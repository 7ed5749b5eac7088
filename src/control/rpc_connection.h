/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_RPC_CONNECTION_H
#define STRAIT_CONTROL_RPC_CONNECTION_H

#include "control/rpc_message.h"
#include "control/rpc_server.h"

/*
 * One client of the RPC server. It is read from only while all that it has
 * said has been answered and the answers are taken; so it has one message, one
 * call and one answer at a time. Control thread.
 */
struct rpc_connection {
	struct loop_source source;
	struct rpc_server *server;
	struct rpc_connection *next, **link; /* in the server's list */
	struct rpc_peer peer;

	char *input; /* from input_start: what was read and not yet worked on */
	size_t input_start, input_end, input_room;
	size_t scanned; /* up to where there is no end of a line */
	bool ended;     /* it says no more */

	/* Descriptors, and the end of the bytes that each came with: they are of the message that has the last of
	 * these. */
	int fds[RPC_MAX_FDS];
	size_t fds_end[RPC_MAX_FDS];
	unsigned fd_count;
	size_t excess_end; /* there were more, 0: no */

	char *output; /* an answer under way; NULL: none */
	size_t output_length, output_sent;
	bool doomed; /* to be closed after that */

	json_t *message; /* of a batch; NULL: none under way */
	size_t batch_next;
	bool batch_begun; /* its first answer is out */
	bool in_batch;

	const struct rpc_request *request; /* being called; NULL: none */
	const char *what;                  /* as the log has it */
	struct rpc_deferred *deferred;     /* the call that has its answer outstanding */
	bool in_step;                      /* what goes on is the caller's matter */
	uint64_t deadline_ns;              /* by when the message or the answer has to be through; 0: nothing is due */
};

/* A connection over fd. Negative errno: there is none, and fd is the caller's. */
int rpc_connection_create(struct rpc_server *server, int fd, const struct rpc_peer *peer,
			  struct rpc_connection **connection);

void rpc_connection_destroy(struct rpc_connection *connection);

/* Queue an answer, as rpc_message_result() makes it; NULL: it was too long, which is answered to id. */
void rpc_connection_answer(struct rpc_connection *connection, const json_t *id, char *text, size_t length);

/* After an answer that may come outside of a turn: send it, go on. The connection may be gone afterwards. */
void rpc_connection_go_on(struct rpc_connection *connection);

/* Tell it why, and close it. */
void rpc_connection_dismiss(struct rpc_connection *connection, int code, const char *reason);

#endif
