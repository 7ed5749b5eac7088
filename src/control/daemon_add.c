/* SPDX-License-Identifier: Apache-2.0 */
#include "control/daemon_add.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/log.h"

/* Keys of the file that disks refer to, or have what they do not say from. */
static const char *const shared_keys[] = {"groups", "socket-owner", "socket-group", "socket-mode"};

/* A file with this disk alone. NULL: no memory. */
static char *text_of(const json_t *from, const json_t *tree)
{
	json_t *file = json_object();
	char *text = NULL;
	int ret = file ? 0 : -1;

	for (unsigned i = 0; ret == 0 && i < sizeof(shared_keys) / sizeof(shared_keys[0]); i++) {
		json_t *value = json_object_get(from, shared_keys[i]);

		if (value)
			ret = json_object_set(file, shared_keys[i], value);
	}
	if (ret == 0)
		ret = json_object_set_new(file, "disks", json_pack("[O]", tree));
	if (ret == 0)
		text = json_dumps(file, JSON_COMPACT | JSON_REAL_PRECISION(15));
	json_decref(file);
	return text;
}

/* "disks[0].queues: ..." names a key; what it says of it is for whoever does not know of a list. */
static void name_key(const char *disk, const char *prefix, char field[DAEMON_FIELD], struct error *err)
{
	static const char place[] = "disks[0]";
	const char *rest = err->text + sizeof(place) - 1;
	char text[sizeof(err->text)];
	size_t key;

	snprintf(field, DAEMON_FIELD, "%s", prefix);
	if (strncmp(err->text, place, sizeof(place) - 1) != 0)
		return;
	key = *rest == '.' ? strcspn(rest + 1, ":") : 0;
	if (key)
		snprintf(field, DAEMON_FIELD, "%s.%.*s", prefix, (int)key, rest + 1);
	snprintf(text, sizeof(text), "%s", rest + 1 + (*rest == ':'));
	error_set(err, err->code, "disk %.63s: %s", disk, text);
}

int daemon_load_disk(const json_t *file, const json_t *tree, const char *prefix, struct config **out,
		     char field[DAEMON_FIELD], struct error *err)
{
	const char *name = json_string_value(json_object_get(tree, "name"));
	char *text = text_of(file, tree);
	int ret;

	*out = NULL;
	field[0] = '\0';
	if (!text)
		return error_set(err, -ENOMEM, "no memory for a disk");
	ret = config_load_text(text, strlen(text), false, out, err);
	free(text);
	if (ret < 0)
		name_key(name ? name : "", prefix, field, err);
	return ret;
}

static bool is_listening_socket(int fd)
{
	int domain = 0, type = 0, listening = 0;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

static int blame(const char *key, char field[DAEMON_FIELD], const struct error *err)
{
	snprintf(field, DAEMON_FIELD, "disk.%s", key);
	return err->code;
}

/* Which of the descriptors is what. They stay the caller's. */
static int sort(const struct config_disk *disk, const int fds[2], int *socket_fd, int *image_fd,
		char field[DAEMON_FIELD], struct error *err)
{
	struct stat status;

	*socket_fd = *image_fd = -1;
	for (unsigned i = 0; i < 2; i++) {
		int *which;

		if (fds[i] < 0)
			continue;
		if (fstat(fds[i], &status) < 0)
			return error_set(err, -errno, "disk %s: a descriptor cannot be looked at: %s", disk->name,
					 strerror(errno));
		which = S_ISSOCK(status.st_mode) ? socket_fd : image_fd;
		if (*which >= 0)
			return error_set(err, -EINVAL, "disk %s: two %s came with it: expected an image and a socket",
					 disk->name, which == socket_fd ? "sockets" : "images");
		*which = fds[i];
	}
	if (*socket_fd >= 0 && !is_listening_socket(*socket_fd)) {
		error_set(err, -EINVAL,
			  "disk %s: its socket came as a descriptor that does not listen: expected a "
			  "unix stream socket after listen(2)",
			  disk->name);
		return blame("socket", field, err);
	}
	if (*image_fd >= 0 && !disk->file) {
		error_set(err, -EINVAL, "disk %s: an image came with a null disk: expected a socket alone", disk->name);
		return blame("null", field, err);
	}
	return 0;
}

static int need_descriptors(const struct config_disk *disk, int socket_fd, int image_fd, char field[DAEMON_FIELD],
			    struct error *err)
{
	const char *missing = socket_fd < 0 ? "socket" : disk->file && image_fd < 0 ? "file" : NULL;

	if (missing) {
		error_set(err, -EACCES,
			  "disk %s: straitd is in its sandbox and opens nothing: expected image and socket as open "
			  "descriptors beside the call, as \"strait disk add\" hands them over",
			  disk->name);
		return blame(missing, field, err);
	}
	if (disk->record) {
		error_set(err, -EACCES,
			  "disk %s: record: straitd is in its sandbox and opens nothing: put the disk into the file "
			  "and restart straitd",
			  disk->name);
		return blame("record", field, err);
	}
	return 0;
}

/* Make a member of it and open it. The descriptors are taken in any case. */
static int open_member(struct daemon *daemon, struct fleet_disk *member, struct error *err)
{
	int ret = daemon_open_disk(daemon, member, err);
	const uint64_t most = daemon_descriptors(daemon);

	member->config->socket_fd = member->config->image_fd = -1;
	if (ret == 0 && most > daemon->descriptors)
		log_warning("disk %s: front ends can now take up %" PRIu64 " file descriptors together, and there are "
			    "%" PRIu64 ": raise RLIMIT_NOFILE, or lower queues or memory-regions-max",
			    member->config->name, most, daemon->descriptors);
	return ret;
}

static int admit(struct daemon *daemon, struct fleet_disk *member, int fds[2], char field[DAEMON_FIELD],
		 struct error *err)
{
	struct config_disk *config = member->config;
	const char *key;
	int ret = sort(config, fds, &config->socket_fd, &config->image_fd, field, err);

	if (ret == 0 && daemon->confined)
		ret = need_descriptors(config, config->socket_fd, config->image_fd, field, err);
	if (ret < 0)
		return ret;
	config->at_run_time = true;
	config->confined = daemon->confined;
	fleet_identify(member);
	ret = fleet_compare(&daemon->fleet, member, &key, err);
	if (ret < 0)
		return blame(key, field, err);
	fds[0] = fds[1] = -1;
	return open_member(daemon, member, err);
}

int daemon_add_disk(struct daemon *daemon, const json_t *tree, int fds[2], struct fleet_disk **out,
		    char field[DAEMON_FIELD], struct error *err)
{
	struct config *config;
	int ret = daemon_load_disk(daemon->config->tree, tree, "disk", &config, field, err);

	if (ret < 0)
		return ret;
	if (daemon->fleet.count >= CONFIG_MAX_DISKS)
		ret = error_set(err, -ENOSPC, "disk %s: there are %u disks, as many as there may be",
				config->disks[0].name, daemon->fleet.count);
	*out = ret == 0 ? fleet_add(&daemon->fleet, &config->disks[0], tree) : NULL;
	config_free(config);
	if (ret == 0 && !*out)
		ret = error_set(err, -ENOMEM, "no memory for a disk");
	if (ret < 0)
		return ret;
	ret = admit(daemon, *out, fds, field, err);
	if (ret == 0) {
		daemon_report_status(daemon, "");
		return 0;
	}
	fleet_forget(&daemon->fleet, *out);
	return ret;
}
