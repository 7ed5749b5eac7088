/* SPDX-License-Identifier: Apache-2.0 */
#include "base/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

int listener_clear(const char *path, struct error *err)
{
	struct sockaddr_un address;
	int ret = set_address(&address, path, err);

	return ret < 0 ? ret : clear_path(&address, err);
}

/* Digits alone. */
static bool parse_number(const char *text, uint32_t *number)
{
	char *end;
	unsigned long long value;

	if (!text[0] || strspn(text, "0123456789") != strlen(text))
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	*number = (uint32_t)value;
	return errno == 0 && value < UINT32_MAX;
}

static int find_user(const char *name, uid_t *uid, struct error *err)
{
	const struct passwd *entry = getpwnam(name);
	uint32_t number = 0;

	if (!entry && !parse_number(name, &number))
		return error_set(err, -EINVAL,
				 "socket-owner: \"%.60s\": no such user: expected one of this machine's, "
				 "or a number",
				 name);
	*uid = entry ? entry->pw_uid : (uid_t)number;
	return 0;
}

static int find_group(const char *name, gid_t *gid, struct error *err)
{
	const struct group *entry = getgrnam(name);
	uint32_t number = 0;

	if (!entry && !parse_number(name, &number))
		return error_set(err, -EINVAL,
				 "socket-group: \"%.60s\": no such group: expected one of this machine's, "
				 "or a number",
				 name);
	*gid = entry ? entry->gr_gid : (gid_t)number;
	return 0;
}

/* (uid_t)-1 and (gid_t)-1 are those that stay as they are, see chown(2). */
static int find_owners(const struct listener_access *access, uid_t *uid, gid_t *gid, struct error *err)
{
	int ret = 0;

	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	if (access->owner)
		ret = find_user(access->owner, uid, err);
	if (ret == 0 && access->group)
		ret = find_group(access->group, gid, err);
	return ret;
}

int listener_check_access(const struct listener_access *access, struct error *err)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;

	return find_owners(access, &uid, &gid, err);
}

/*
 * The file that bind(2) has just made, by a descriptor, so that whoever may
 * write to the directory cannot put another file under the same name for us to
 * give away. Nobody connects meanwhile: that takes listen(2).
 */
static int give(const char *path, uid_t uid, gid_t gid)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), ret = 0;
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		ret = -errno;
	else if (!S_ISSOCK(status.st_mode) || status.st_uid != geteuid() || status.st_nlink != 1)
		ret = -EEXIST;
	else if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int bind_as(int fd, const struct sockaddr_un *address, const struct listener_access *access, uid_t uid,
		   gid_t gid, struct error *err)
{
	const int mode = access->mode < 0 && access->group ? 0660 : access->mode;
	const mode_t before = mode < 0 ? umask(0) : umask(~(mode_t)mode & 0777);
	int ret;

	if (mode < 0)
		umask(before);
	ret = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	umask(before);
	if (ret < 0)
		return error_set(err, ret,
				 "socket %s cannot be created: %s; does its directory exist and may it be written?",
				 address->sun_path, strerror(-ret));
	if (uid != (uid_t)-1 || gid != (gid_t)-1)
		ret = give(address->sun_path, uid, gid);
	if (ret < 0) {
		unlink(address->sun_path);
		return error_set(
			err, ret,
			"socket %s cannot be given to its socket-owner or socket-group: %s; only root may give "
			"files away",
			address->sun_path, strerror(-ret));
	}
	return 0;
}

int listener_open(const char *path, int type, const struct listener_access *access, struct error *err)
{
	struct sockaddr_un address;
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	int fd, ret = set_address(&address, path, err);

	if (ret == 0)
		ret = find_owners(access, &uid, &gid, err);
	if (ret == 0)
		ret = clear_path(&address, err);
	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "socket %s: %s", path, strerror(errno));
	ret = bind_as(fd, &address, access, uid, gid, err);
	if (ret == 0 && listen(fd, 8) < 0)
		ret = error_set(err, -errno, "socket %s: %s", path, strerror(errno));
	if (ret < 0) {
		close(fd);
		return ret;
	}
	return fd;
}

bool listener_is(int fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNSPEC};
	socklen_t length = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &length) == 0 && address.sun_family == AF_UNIX &&
	       strncmp(address.sun_path, path, sizeof(address.sun_path)) == 0;
}
