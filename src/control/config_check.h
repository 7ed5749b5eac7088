/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_CONFIG_CHECK_H
#define STRAIT_CONTROL_CONFIG_CHECK_H

#include "control/config.h"
#include "control/config_document.h"
#include "control/config_schema.h"

/*
 * From what the file says to what the daemon is told: ranges, units, what
 * excludes what, defaults. config is zeroed, config->document is raw and
 * config->disks has room for raw->disks_count. All set err with a place and
 * return a negative errno on failure.
 */
int config_check_workers(struct config_document *doc, const struct config_raw *raw, struct config *config,
			 struct error *err);
int config_check_disk(struct config_document *doc, const struct config_raw *raw, unsigned index,
		      struct config_disk *disk, struct error *err);

/*
 * What no two disks may share: names, sockets, and an image unless all only
 * read it. With look, whatever they are called.
 */
int config_check_unique(struct config_document *doc, const struct config *config, bool look, struct error *err);

/* config_limits.c: who may connect, which overrides what *access says already, also to the RPC socket; and what a disk
 * may take up. */
struct config_taker;
int config_check_access(const struct config_taker *taker, const struct config_raw_access *raw,
			struct listener_access *access);
void config_inherit_access(const struct listener_access *from, struct listener_access *access);
int config_check_rpc(const struct config_taker *taker, const struct config_raw *raw, struct config *config);
int config_check_limits(const struct config_taker *taker, const struct config_raw_disk *raw, struct config_disk *disk);
void config_limits_defaults(struct config_disk *disk);

/* config_qos.c: a disk's qos, which may not be there; all groups; that there is a group wherever a disk says so. */
int config_check_qos(const struct config_taker *taker, const struct config_raw_qos *raw, struct qos_settings *settings);
int config_check_groups(struct config_document *doc, const struct config_raw *raw, struct config *config,
			struct error *err);
int config_check_members(struct config_document *doc, const struct config *config, struct error *err);
const struct config_group *config_find_group(const struct config *config, const char *name);

/* The defaults, before anything that was given. */
#define CONFIG_DEFAULT_POLL_MAX_US 20
void config_disk_defaults(struct config_disk *disk);

#define CONFIG_MAX_NAME 63
extern const char config_name_letters[];

/* 0, or -EINVAL with *expected saying what a socket path looks like. */
int config_socket_path_ok(const char *path, const char **expected);

#endif
