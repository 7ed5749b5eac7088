/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/qemu.h"
#include "host/tree.h"

const char *qemu_path(struct tree *tree, int pid, const char *path)
{
	const char *directory = *path == '/' || pid < 0 ? NULL : tree_link(tree, "/proc/%d/cwd", pid);

	if (!directory || *directory != '/')
		return path;
	return tree_format(tree, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory,
			   strncmp(path, "./", 2) == 0 ? path + 2 : path);
}

const char *qemu_chardev_path(struct tree *tree, const struct qemu_command *command, int pid, const char *id)
{
	const struct qemu_option *option = qemu_option_by_id(command, "chardev", id);
	const char *backend = option ? qemu_key(&option->keys, "backend") : NULL;
	const char *path = backend && strcmp(backend, "socket") == 0 ? qemu_key(&option->keys, "path") : NULL;

	return path ? qemu_path(tree, pid, path) : NULL;
}

bool qemu_chardev_listens(const struct qemu_command *command, const char *id)
{
	const struct qemu_option *option = qemu_option_by_id(command, "chardev", id);

	return option && qemu_answer(qemu_key(&option->keys, "server"), 0) == 1;
}

/* Of a socket that QEMU listens at. Where it is the client nobody else can connect. */
static const char *server_of(struct tree *tree, int pid, const struct qemu_keys *keys)
{
	const char *path = qemu_key(keys, "path"), *host = qemu_key(keys, "host"), *port = qemu_key(keys, "port");

	if (qemu_answer(qemu_key(keys, "server"), 0) != 1)
		return NULL;
	if (path)
		return qemu_path(tree, pid, path);
	return port ? tree_format(tree, "%s:%s", host && *host ? host : "localhost", port) : NULL;
}

/* -qmp unix:/path,server=on,wait=off or tcp:localhost:4444,server */
static const char *read_short(struct tree *tree, int pid, const char *text)
{
	struct qemu_keys keys;
	const char *address;

	if (strncmp(text, "unix:", 5) == 0)
		keys = qemu_keys_read(tree, text + 5, "path");
	else if (strncmp(text, "tcp:", 4) == 0)
		keys = qemu_keys_read(tree, text + 4, "address");
	else
		return NULL;
	address = qemu_key(&keys, "address");
	if (!address)
		return server_of(tree, pid, &keys);
	return qemu_answer(qemu_key(&keys, "server"), 0) == 1
		       ? tree_format(tree, "%s%s", *address == ':' ? "localhost" : "", address)
		       : NULL;
}

const char *qemu_qmp_socket(struct tree *tree, const struct qemu_command *command, int pid)
{
	for (unsigned i = 0; i < command->count; i++) {
		const struct qemu_option *option = &command->option[i], *chardev;
		const char *mode = qemu_key(&option->keys, "mode"), *found = NULL;

		if (strcmp(option->name, "qmp") == 0 || strcmp(option->name, "qmp-pretty") == 0) {
			found = read_short(tree, pid, option->text);
			chardev = strncmp(option->text, "chardev:", 8) == 0
					  ? qemu_option_by_id(command, "chardev", option->text + 8)
					  : NULL;
			if (chardev)
				found = server_of(tree, pid, &chardev->keys);
		} else if (strcmp(option->name, "mon") == 0 && mode && strcmp(mode, "control") == 0) {
			chardev = qemu_option_by_id(command, "chardev", qemu_key(&option->keys, "chardev"));
			found = chardev ? server_of(tree, pid, &chardev->keys) : NULL;
		}
		if (found)
			return found;
	}
	return NULL;
}
