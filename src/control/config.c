/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_check.h"
#include "control/config_document.h"
#include "control/config_schema.h"
#include "control/config_shape.h"
#include "control/config_tree.h"

static int load_raw(struct config_document *doc, struct config_raw **raw, struct error *err)
{
	int ret = config_shape_check(doc, &config_schema, err);

	if (ret < 0)
		return ret;
	ret = config_raw_load(doc->text, doc->length, raw, err);
	return ret < 0 ? error_prefix(err, "%.120s", doc->path) : 0;
}

static int check_all(struct config_document *doc, const struct config_raw *raw, bool look, struct config *config,
		     struct error *err)
{
	int ret = config_check_workers(doc, raw, config, err);

	/* One that can be given disks may begin without. */
	if (ret == 0 && raw->disks_count == 0 && !config->rpc_socket)
		ret = config_document_error(
			doc, config_document_key(doc, config_document_root(doc), "disks").where, err,
			"disks: a list of 0: expected 1 to %d entries, or an rpc-socket to add disks by",
			CONFIG_MAX_DISKS);

	for (unsigned i = 0; i < raw->disks_count && ret == 0; i++) {
		ret = config_check_disk(doc, raw, i, &config->disks[i], err);
		config_inherit_access(&config->access, &config->disks[i].access);
		config->disk_count = i + 1;
	}
	if (ret == 0)
		ret = config_check_groups(doc, raw, config, err);
	/* What comes from a client may leave out the groups that there are already. */
	if (ret == 0 && (look || config->group_count))
		ret = config_check_members(doc, config, err);
	return ret == 0 ? config_check_unique(doc, config, look, err) : ret;
}

/* A configuration around raw, which it owns, also after a failure. */
static int new_config(struct config_raw *raw, struct config **out, struct error *err)
{
	struct config *config = calloc(1, sizeof(*config));

	*out = NULL;
	if (config) {
		config->disks = calloc(raw->disks_count, sizeof(*config->disks));
		config->groups = calloc(raw->groups_count + 1, sizeof(*config->groups));
	}
	if (!config || !config->disks || !config->groups) {
		config_free(config);
		config_raw_free(raw);
		return error_set(err, -ENOMEM, "out of memory for the configuration");
	}
	config->document = raw;
	*out = config;
	return 0;
}

/* What a document says, which is freed. */
static int load(struct config_document *doc, bool look, struct config **out, struct error *err)
{
	struct config_raw *raw = NULL;
	int ret = load_raw(doc, &raw, err);

	if (ret == 0)
		ret = new_config(raw, out, err);
	if (ret == 0)
		ret = check_all(doc, raw, look, *out, err);
	if (ret == 0) {
		(*out)->tree = config_tree(doc);
		if (!(*out)->tree)
			ret = error_set(err, -ENOMEM, "out of memory for the configuration");
	}
	if (ret < 0) {
		config_free(*out);
		*out = NULL;
	}
	return ret;
}

int config_load(const char *path, struct config **out, struct error *err)
{
	struct config_document doc;
	int ret;

	*out = NULL;
	ret = config_document_load(path, &doc, err);
	if (ret == 0)
		ret = load(&doc, true, out, err);
	if (ret == 0)
		(*out)->path = realpath(path, NULL);
	config_document_free(&doc);
	return ret;
}

static int load_text(const char *path, const char *text, size_t length, bool look, struct config **out,
		     struct error *err)
{
	struct config_document doc;
	int ret;

	*out = NULL;
	ret = config_document_parse(path, text, length, &doc, err);
	if (ret == 0)
		ret = load(&doc, look, out, err);
	config_document_free(&doc);
	return ret;
}

int config_load_text(const char *text, size_t length, bool look, struct config **out, struct error *err)
{
	return load_text("", text, length, look, out, err);
}

int config_load_sent(const char *path, const char *text, size_t length, struct config **out, struct error *err)
{
	return load_text(path, text, length, false, out, err);
}

/* A name for messages and the serial number, from the last part of the image's path. */
static char *name_of(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *name = strdup(slash && slash[1] ? slash + 1 : file);

	if (!name)
		return NULL;
	if (strlen(name) > CONFIG_MAX_NAME)
		name[CONFIG_MAX_NAME] = '\0';
	for (char *at = name; *at; at++) {
		if (!strchr(config_name_letters, *at))
			*at = '_';
	}
	return name;
}

static struct config_raw *raw_single(const char *socket, const char *file)
{
	struct config_raw *raw = calloc(1, sizeof(*raw));
	struct config_raw_disk *disk = calloc(1, sizeof(*disk));

	if (!raw || !disk) {
		free(raw);
		free(disk);
		return NULL;
	}
	raw->disks = disk;
	raw->disks_count = 1;
	disk->name = name_of(file);
	disk->file = strdup(file);
	disk->socket = socket ? strdup(socket) : NULL;
	if (!disk->name || !disk->file || (socket && !disk->socket)) {
		config_raw_free(raw);
		return NULL;
	}
	return raw;
}

int config_single(const char *socket, int socket_fd, const char *file, bool read_only, struct config **out,
		  struct error *err)
{
	char quoted[CONFIG_QUOTE_SIZE];
	const char *expected;
	struct config_raw *raw;
	struct config_disk *disk;
	int ret;

	*out = NULL;
	if (socket && config_socket_path_ok(socket, &expected) < 0)
		return error_set(err, -EINVAL, "--socket-path: %s: %s", config_quote(socket, quoted), expected);
	if (!file[0])
		return error_set(err, -EINVAL, "--blk-file: \"\": expected the path of an image or a block device");
	raw = raw_single(socket, file);
	if (!raw)
		return error_set(err, -ENOMEM, "out of memory for the configuration");
	ret = new_config(raw, out, err);
	if (ret < 0)
		return ret;
	(*out)->workers = (*out)->workers_max = 1;
	(*out)->poll_max_us = CONFIG_DEFAULT_POLL_MAX_US;
	(*out)->disk_count = 1;
	disk = &(*out)->disks[0];
	config_disk_defaults(disk);
	disk->name = raw->disks[0].name;
	disk->file = raw->disks[0].file;
	disk->socket = raw->disks[0].socket;
	disk->socket_fd = socket_fd;
	disk->read_only = read_only;
	(*out)->tree = config_tree_single(disk);
	if ((*out)->tree)
		return 0;
	config_free(*out);
	*out = NULL;
	return error_set(err, -ENOMEM, "out of memory for the configuration");
}

void config_free(struct config *config)
{
	if (!config)
		return;
	config_raw_free(config->document);
	json_decref(config->tree);
	free(config->path);
	free(config->disks);
	free(config->groups);
	free(config);
}
