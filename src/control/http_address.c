/* SPDX-License-Identifier: Apache-2.0 */
#include "control/http_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/config_check.h"
#include "control/units.h"

#define UNIX_PREFIX "unix:"
#define BACKLOG     128

const char *http_address_path(const char *text)
{
	const size_t length = strlen(UNIX_PREFIX);

	return strncmp(text, UNIX_PREFIX, length) == 0 ? text + length : NULL;
}

static int parse_port(const char *text, in_port_t *port, const char **expected)
{
	uint64_t number;

	if (units_parse_uint(text, &number) < 0 || number < 1 || number > UINT16_MAX) {
		*expected = "expected a port from 1 to 65535 behind the address";
		return -EINVAL;
	}
	*port = htons((uint16_t)number);
	return 0;
}

static int refuse_host(const char **expected)
{
	*expected = "expected 127.0.0.1:PORT, [::1]:PORT or unix:PATH: there is neither encryption nor a login, so it "
		    "is not served to other machines; use a proxy that has both";
	return -EINVAL;
}

static int parse_ip(const char *text, struct sockaddr_storage *address, socklen_t *length, const char **expected)
{
	const char *colon = strrchr(text, ':');
	const size_t host_length = colon ? (size_t)(colon - text) : 0;
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	char host[64];

	if (!colon || host_length >= sizeof(host))
		return refuse_host(expected);
	memcpy(host, text, host_length);
	host[host_length] = '\0';
	if (strcmp(host, "[::1]") == 0) {
		six.sin6_addr = in6addr_loopback;
		memcpy(address, &six, *length = sizeof(six));
		return parse_port(colon + 1, &((struct sockaddr_in6 *)address)->sin6_port, expected);
	}
	/* All of 127.0.0.0/8 is this machine. */
	if (inet_pton(AF_INET, host, &four.sin_addr) != 1 || ntohl(four.sin_addr.s_addr) >> 24 != 127)
		return refuse_host(expected);
	memcpy(address, &four, *length = sizeof(four));
	return parse_port(colon + 1, &((struct sockaddr_in *)address)->sin_port, expected);
}

int http_address_parse(const char *text, struct sockaddr_storage *address, socklen_t *length, const char **expected)
{
	const char *path = http_address_path(text);
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	int ret;

	*address = (struct sockaddr_storage){0};
	if (!path)
		return parse_ip(text, address, length, expected);
	ret = config_socket_path_ok(path, expected);
	if (ret < 0)
		return ret;
	strcpy(local.sun_path, path);
	memcpy(address, &local, *length = sizeof(local));
	return 0;
}

int http_address_check(const char *text, const char **expected)
{
	struct sockaddr_storage address;
	socklen_t length;

	return http_address_parse(text, &address, &length, expected);
}

/* Where a predecessor has just ended, its connections keep the port for a minute: that must not keep us away. */
static int open_port(const char *text, const struct sockaddr_storage *address, socklen_t length, struct error *err)
{
	const int on = 1;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret;

	if (fd < 0)
		return error_set(err, -errno, "http-listen: %s: %s%s", text, strerror(errno),
				 errno == EAFNOSUPPORT ? ": systemd's unit allows no network without the drop-in "
							 "http.conf, see straitd(8)"
						       : "");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)address, length) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	ret = error_set(err, -errno, "http-listen: %s: %s%s", text, strerror(errno),
			errno == EADDRINUSE ? ": expected a port that nobody listens on" : "");
	close(fd);
	return ret;
}

int http_address_open(const char *text, const struct listener_access *access, struct error *err)
{
	struct sockaddr_storage address;
	const char *expected;
	socklen_t length;
	int ret = http_address_parse(text, &address, &length, &expected);

	if (ret < 0)
		return error_set(err, ret, "http-listen: %.120s: %s", text, expected);
	if (!http_address_path(text))
		return open_port(text, &address, length, err);
	ret = listener_open(http_address_path(text), SOCK_STREAM, access, err);
	return ret < 0 ? error_prefix(err, "http-listen") : ret;
}

bool http_address_is(const char *text, int fd)
{
	struct sockaddr_storage wanted, found = {0};
	socklen_t length, found_length = sizeof(found);
	const char *expected;

	if (http_address_parse(text, &wanted, &length, &expected) < 0 ||
	    getsockname(fd, (struct sockaddr *)&found, &found_length) < 0 || found.ss_family != wanted.ss_family)
		return false;
	if (wanted.ss_family == AF_UNIX)
		return strcmp(((struct sockaddr_un *)&wanted)->sun_path, ((struct sockaddr_un *)&found)->sun_path) == 0;
	return found_length == length && memcmp(&wanted, &found, length) == 0;
}

void http_address_close(const char *text, int fd)
{
	if (http_address_path(text))
		listener_close(fd, http_address_path(text));
	else
		close(fd);
}
