/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/config_check.h"
#include "control/config_take.h"

/*
 * What a path stands for, so that /run/a.sock, /run//a.sock and a symbolic
 * link are recognised as one: the inode where there is one; a socket does not
 * exist yet, so it is the inode of its directory and the last name. Where
 * neither exists only equal spelling is the same.
 */
struct identity {
	dev_t device;
	ino_t inode;
	bool known;
	const char *last_name; /* NULL where device and inode are the thing itself */
};

struct identities {
	struct identity *file;
	struct identity *socket;
};

static struct identity identity_of_file(const char *path)
{
	struct identity identity = {.last_name = NULL};
	struct stat status;

	if (path && stat(path, &status) == 0) {
		/* A block device is the same by whatever node it is reached. */
		identity.known = true;
		identity.device = S_ISBLK(status.st_mode) ? status.st_rdev : status.st_dev;
		identity.inode = S_ISBLK(status.st_mode) ? 0 : status.st_ino;
	}
	return identity;
}

/* last_name points into path. */
static struct identity identity_of_socket(char *path)
{
	struct identity identity = {.last_name = path};
	char *slash = strrchr(path, '/');
	struct stat status;
	int ret;

	if (slash) {
		identity.last_name = slash + 1;
		/* The directory with its slash: "/" for "/a.sock". */
		char first = slash[1];

		slash[1] = '\0';
		ret = stat(path, &status);
		slash[1] = first;
	} else {
		ret = stat(".", &status);
	}
	if (ret == 0) {
		identity.known = true;
		identity.device = status.st_dev;
		identity.inode = status.st_ino;
	}
	return identity;
}

static bool same(const struct identity *a, const struct identity *b, const char *a_path, const char *b_path)
{
	if (strcmp(a_path, b_path) == 0)
		return true;
	if (!a->known || !b->known || a->device != b->device || a->inode != b->inode)
		return false;
	return !a->last_name || strcmp(a->last_name, b->last_name) == 0;
}

static int refuse(struct config_document *doc, const struct config *config, unsigned first, unsigned second,
		  const char *key, const char *expected, struct error *err)
{
	const struct config_place list = config_document_key(doc, config_document_root(doc), "disks");
	const yaml_node_t *other = config_document_item(doc, list.value, first).value;
	struct config_taker taker = {.doc = doc, .err = err};
	const struct config_disk *disk = &config->disks[second];
	const char *value = strcmp(key, "name") == 0   ? disk->name
			    : strcmp(key, "file") == 0 ? disk->file
						       : disk->socket;

	taker.mapping = config_document_item(doc, list.value, second).value;
	snprintf(taker.path, sizeof(taker.path), "disks[%u]", second);
	return config_take_refuse(&taker, key, value, "disks[%u] on line %zu has it already: expected %s", first,
				  config_document_key(doc, other, key).where->start_mark.line + 1, expected);
}

static int compare(struct config_document *doc, const struct config *config, const struct identities *identities,
		   unsigned first, unsigned second, struct error *err)
{
	const struct config_disk *a = &config->disks[first], *b = &config->disks[second];

	if (strcmp(a->name, b->name) == 0)
		return refuse(doc, config, first, second, "name", "a name of its own for each disk", err);
	if (same(&identities->socket[first], &identities->socket[second], a->socket, b->socket))
		return refuse(doc, config, first, second, "socket", "a socket of its own for each disk", err);
	if (a->file && b->file && !(a->read_only && b->read_only) &&
	    same(&identities->file[first], &identities->file[second], a->file, b->file))
		return refuse(doc, config, first, second, "file",
			      "an image of its own for each disk, unless all of them are read-only", err);
	return 0;
}

int config_check_unique(struct config_document *doc, const struct config *config, bool look, struct error *err)
{
	struct identities identities;
	int ret = 0;

	identities.file = calloc(config->disk_count, sizeof(*identities.file));
	identities.socket = calloc(config->disk_count, sizeof(*identities.socket));
	if (!identities.file || !identities.socket)
		ret = error_set(err, -ENOMEM, "out of memory for %u disks", config->disk_count);
	for (unsigned i = 0; i < config->disk_count && ret == 0; i++) {
		if (look) {
			identities.file[i] = identity_of_file(config->disks[i].file);
			identities.socket[i] = identity_of_socket(config->disks[i].socket);
		}
		for (unsigned j = 0; j < i && ret == 0; j++)
			ret = compare(doc, config, &identities, j, i, err);
	}
	free(identities.file);
	free(identities.socket);
	return ret;
}
