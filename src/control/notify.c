/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

static int notify_fd = -1;

/* A path, or "@" and a name that is not in the file system. The length of the address, 0: it is neither. */
static socklen_t make_address(const char *text, struct sockaddr_un *address)
{
	const size_t length = strlen(text);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if ((text[0] != '/' && text[0] != '@') || length < 2 || length >= sizeof(address->sun_path))
		return 0;
	memcpy(address->sun_path, text, length);
	if (text[0] == '@')
		address->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

void notify_open(void)
{
	const char *text = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	socklen_t length;

	if (!text || !text[0])
		return;
	length = make_address(text, &address);
	if (!length) {
		log_warning(
			"NOTIFY_SOCKET: \"%.60s\": expected a path or an abstract socket; nobody is told that this is "
			"ready",
			text);
		return;
	}
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify_fd >= 0 && connect(notify_fd, (const struct sockaddr *)&address, length) == 0)
		return;
	log_warning("NOTIFY_SOCKET: \"%.60s\": %s; nobody is told that this is ready", text, strerror(errno));
	notify_close();
}

void notify_close(void)
{
	if (notify_fd >= 0)
		close(notify_fd);
	notify_fd = -1;
}

void notify_send(const char *format, ...)
{
	char text[512];
	va_list args;
	int length;

	if (notify_fd < 0)
		return;
	va_start(args, format);
	length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (length > (int)sizeof(text) - 1)
		length = (int)sizeof(text) - 1;
	/* Blocks, as sd_notify(3) does, rather than lose a READY. */
	if (send(notify_fd, text, (size_t)length, MSG_NOSIGNAL) < 0)
		log_debug("NOTIFY_SOCKET: %s", strerror(errno));
}
