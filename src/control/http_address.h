/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_HTTP_ADDRESS_H
#define STRAIT_CONTROL_HTTP_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"
#include "control/listener.h"

/*
 * Where HTTP is served: "127.0.0.1:9105", "[::1]:9105" or "unix:/path". What
 * leaves the machine is not among them: there is neither encryption nor a login.
 */

/*
 * 0 with the address of text. -EINVAL, with *expected, where it is none of
 * these: also of one that others can reach.
 */
int http_address_parse(const char *text, struct sockaddr_storage *address, socklen_t *length, const char **expected);

/* The same, short of the address. */
int http_address_check(const char *text, const char **expected);

/* The path of a unix socket, NULL of the others. */
const char *http_address_path(const char *text);

/*
 * A listening socket there, non-blocking; access is of a unix socket's file.
 * Takes rights. The descriptor, or a negative errno with err set.
 */
int http_address_open(const char *text, const struct listener_access *access, struct error *err);

/* Whether a socket listens where text says. */
bool http_address_is(const char *text, int fd);

/* Close the socket; the file of a unix socket goes. */
void http_address_close(const char *text, int fd);

#endif
