/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_HTTP_API_H
#define STRAIT_CONTROL_HTTP_API_H

#include "control/http_routes.h"

/*
 * The methods of RPC that readers may call, by HTTP: the result is the body.
 * An error is {"error": {"message": ...}}, with a status that says what
 * kind it is. Control thread.
 */
void http_api(struct daemon *daemon, const char *method, const struct http_request *request,
	      struct http_answer *answer);

void http_api_error(unsigned status, const char *sentence, struct http_answer *answer);

#endif
