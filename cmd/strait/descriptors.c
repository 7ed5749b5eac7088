/* SPDX-License-Identifier: Apache-2.0 */
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/listener.h"

static const char *text_of(const json_t *disk, const char *key)
{
	return json_string_value(json_object_get(disk, key));
}

static int make_absolute(json_t *disk, const char *key, struct error *err)
{
	const char *path = text_of(disk, key);
	char *here, *whole;
	int ret = 0;

	if (!path || path[0] == '/' || !path[0])
		return 0;
	here = getcwd(NULL, 0);
	if (!here)
		return error_set(err, -errno, "%s: where is it? %s", path, strerror(errno));
	if (asprintf(&whole, "%s/%s", here, path) < 0) {
		ret = error_set(err, -ENOMEM, "out of memory");
	} else {
		json_object_set_new(disk, key, json_string(whole));
		free(whole);
	}
	free(here);
	return ret;
}

int descriptors_make_absolute(json_t *disk, struct error *err)
{
	int ret = make_absolute(disk, "socket", err);

	if (ret == 0)
		ret = make_absolute(disk, "file", err);
	return ret == 0 ? make_absolute(disk, "record", err) : ret;
}

int descriptors_open_image(struct descriptors *descriptors, const json_t *disk, struct error *err)
{
	const char *path = text_of(disk, "file"), *lock = text_of(disk, "lock");
	const bool read_only = json_is_true(json_object_get(disk, "read-only"));
	int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
	struct stat status;

	if (!path || descriptors->image >= 0)
		return 0;
	/* As the daemon itself would: the kernel's own users of a device know no locks but this claim. */
	if (!read_only && !(lock && strcmp(lock, "running") == 0) && stat(path, &status) == 0 &&
	    S_ISBLK(status.st_mode))
		flags |= O_EXCL;
	descriptors->image = open(path, flags);
	if (descriptors->image >= 0)
		return 0;
	return error_set(err, -errno, "%s: %s%s", path, strerror(errno),
			 errno == EROFS && !read_only ? ": expected --read-only=true for it" : "");
}

json_t *descriptors_defaults(struct client *client)
{
	json_t *result, *defaults;
	struct error err;

	if (client_call(client, "config.get", NULL, &result, &err) < 0)
		return NULL;
	defaults = json_incref(json_object_get(result, "config"));
	json_decref(result);
	return defaults;
}

int descriptors_open_socket(struct descriptors *descriptors, const json_t *disk, const json_t *defaults,
			    struct error *err)
{
	const char *mode = text_of(disk, "socket-mode") ?: text_of(defaults, "socket-mode");
	/* Permissions as the daemon reads them; it refuses what is none. */
	const struct listener_access access = {
		.owner = text_of(disk, "socket-owner") ?: text_of(defaults, "socket-owner"),
		.group = text_of(disk, "socket-group") ?: text_of(defaults, "socket-group"),
		.mode = mode ? (int)strtol(mode, NULL, 8) : -1,
	};

	if (descriptors->socket >= 0)
		return 0;
	descriptors->socket = listener_open(text_of(disk, "socket"), SOCK_STREAM, &access, err);
	return descriptors->socket < 0 ? err->code : 0;
}

void descriptors_close(struct descriptors *descriptors, const json_t *disk, bool unlink_socket)
{
	if (descriptors->image >= 0)
		close(descriptors->image);
	if (descriptors->socket >= 0) {
		close(descriptors->socket);
		if (unlink_socket)
			unlink(text_of(disk, "socket"));
	}
	*descriptors = (struct descriptors){-1, -1};
}

unsigned descriptors_list(const struct descriptors *descriptors, int fds[2])
{
	unsigned count = 0;

	if (descriptors->socket >= 0)
		fds[count++] = descriptors->socket;
	if (descriptors->image >= 0)
		fds[count++] = descriptors->image;
	return count;
}
