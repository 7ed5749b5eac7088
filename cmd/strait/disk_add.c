/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/listener.h"

/*
 * The daemon is in its sandbox and opens nothing: image and socket are opened
 * here, with the rights of who adds the disk, and handed over.
 */

/* The daemon has another current directory. */
static int make_absolute(json_t *disk, const char *key, struct error *err)
{
	const char *path = json_string_value(json_object_get(disk, key));
	char *here, *whole;
	int ret = 0;

	if (!path || path[0] == '/' || !path[0])
		return 0;
	here = getcwd(NULL, 0);
	if (!here)
		return error_set(err, -errno, "%s: where is it? %s", path, strerror(errno));
	if (asprintf(&whole, "%s/%s", here, path) < 0)
		ret = error_set(err, -ENOMEM, "out of memory");
	if (ret == 0) {
		json_object_set_new(disk, key, json_string(whole));
		free(whole);
	}
	free(here);
	return ret;
}

static int open_image(const json_t *disk, struct error *err)
{
	const char *path = json_string_value(json_object_get(disk, "file"));
	const bool read_only = json_is_true(json_object_get(disk, "read-only"));
	int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return error_set(err, -errno, "%s: %s%s", path, strerror(errno),
				 errno == EROFS && !read_only ? ": expected --read-only=true for it" : "");
	return fd;
}

/* Permissions as the daemon reads them; it refuses what is none. */
static int mode_of(const json_t *disk)
{
	const char *text = json_string_value(json_object_get(disk, "socket-mode"));

	return text ? (int)strtol(text, NULL, 8) : -1;
}

static int open_socket(const json_t *disk, struct error *err)
{
	const struct listener_access access = {
		.owner = json_string_value(json_object_get(disk, "socket-owner")),
		.group = json_string_value(json_object_get(disk, "socket-group")),
		.mode = mode_of(disk),
	};

	return listener_open(json_string_value(json_object_get(disk, "socket")), SOCK_STREAM, &access, err);
}

/* 0 with descriptors, those of a null disk one less; or a negative errno with err set and nothing left. */
static int open_both(const json_t *disk, int fds[2], unsigned *count, struct error *err)
{
	int image = -1, socket;

	*count = 0;
	if (json_object_get(disk, "file")) {
		image = open_image(disk, err);
		if (image < 0)
			return image;
	}
	socket = open_socket(disk, err);
	if (socket < 0) {
		if (image >= 0)
			close(image);
		return socket;
	}
	fds[(*count)++] = socket;
	if (image >= 0)
		fds[(*count)++] = image;
	return 0;
}

static int hand_over(const struct disk_command *disk, const json_t *keys, const int *fds, unsigned count)
{
	const char *socket = json_string_value(json_object_get(keys, "socket"));
	json_t *params = json_pack("{s:O}", "disk", keys), *result = NULL;
	struct error err;
	int code = CLIENT_EXIT_OK;

	if (client_call_fds(disk->client, "disk.add", params, fds, count, &result, &err) < 0) {
		code = client_command_failed(disk->command, disk->client, &err);
		/* Where no answer came, it may be served all the same. */
		if (client_was_refused(disk->client))
			unlink(socket);
	} else if (disk->arguments->json) {
		code = client_command_print(disk->command, result);
	}
	json_decref(result);
	json_decref(params);
	return code;
}

static int add(const struct disk_command *disk, json_t *keys)
{
	struct error err = {0};
	unsigned count = 0;
	int fds[2], ret, code;

	json_object_set_new(keys, "name", json_string(disk->arguments->operands[1]));
	if (!json_is_string(json_object_get(keys, "socket")))
		return client_command_misused(disk->command, "add: expected --socket, where the front end connects");
	if (!json_is_string(json_object_get(keys, "file")) == !json_object_get(keys, "null"))
		return client_command_misused(disk->command, "add: expected either --file or --null");
	ret = make_absolute(keys, "socket", &err);
	if (ret == 0)
		ret = make_absolute(keys, "file", &err);
	if (ret == 0)
		ret = make_absolute(keys, "record", &err);
	if (ret == 0)
		ret = open_both(keys, fds, &count, &err);
	if (ret < 0) {
		fprintf(stderr, "%s: %s\n", disk->command->name, err.text);
		return CLIENT_EXIT_FINDINGS;
	}
	code = hand_over(disk, keys, fds, count);
	while (count)
		close(fds[--count]);
	return code;
}

int disk_add(const struct disk_command *disk)
{
	int code = CLIENT_EXIT_OK;
	json_t *keys = disk_given_keys(disk, &code);

	if (!keys)
		return code;
	code = add(disk, keys);
	json_decref(keys);
	return code;
}
