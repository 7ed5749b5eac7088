/* SPDX-License-Identifier: Apache-2.0 */
#include "control/listener.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int set_address(struct sockaddr_un *address, const char *path, struct error *err)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return error_set(err, -ENAMETOOLONG, "socket path %s: expected at most %zu bytes", path,
				 sizeof(address->sun_path) - 1);
	strcpy(address->sun_path, path);
	return 0;
}

/* What lies at path already. 0: nothing any more; negative errno: something that stays. */
static int clear_path(const struct sockaddr_un *address, struct error *err)
{
	const char *path = address->sun_path;
	struct stat st;
	int fd, ret;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_set(err, -errno, "socket %s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST,
				 "socket %s: there is a file of that name which is not a socket; choose another "
				 "path or remove it",
				 path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "socket %s: %s", path, strerror(errno));
	ret = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	close(fd);
	if (ret != ECONNREFUSED)
		return error_set(err, -EADDRINUSE,
				 "socket %s is in use by another process; end that process or choose another path",
				 path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(err, -errno, "stale socket %s cannot be removed: %s", path, strerror(errno));
	return 0;
}

int listener_open(const char *path, struct error *err)
{
	struct sockaddr_un address;
	int fd, ret = set_address(&address, path, err);

	if (ret == 0)
		ret = clear_path(&address, err);
	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "socket %s: %s", path, strerror(errno));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0) {
		ret = error_set(err, -errno,
				"socket %s cannot be created: %s; does its directory exist and may it be "
				"written?",
				path, strerror(errno));
		close(fd);
		return ret;
	}
	return fd;
}

void listener_close(int fd, const char *path)
{
	unlink(path);
	close(fd);
}
