/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_QEMU_OPTION_H
#define STRAIT_HOST_QEMU_OPTION_H

#include <stddef.h>

#include "host/value.h"

/*
 * QEMU's command line as options with keys, whichever way it was written: "-device virtio-blk-pci,drive=d,,0" and
 * -device '{"driver":"virtio-blk-pci","drive":"d,0"}' are the same here (qemu(1); qapi/ and util/keyval.c of QEMU).
 * What a structure holds within another has a dotted name: "cache.direct", "file.filename", "host-nodes.0".
 * Memory is the tree's. Whatever the command line holds, this ends, and with bounded memory.
 */
#define QEMU_WORDS_MAX 4096u
#define QEMU_KEYS_MAX  1024u

struct qemu_key {
	const char *name, *value; /* booleans of JSON are "on" and "off", null is "" */
};

struct qemu_keys {
	struct qemu_key *key;
	unsigned count;
};

struct qemu_option {
	const char *name; /* "drive": without dashes */
	const char *text; /* its argument as it was; "" where it has none */
	const char *id;   /* of -blockdev the node-name; NULL: none */
	struct qemu_keys keys;
};

struct qemu_command {
	const char *binary; /* word 0 */
	struct qemu_option *option;
	unsigned count;
	unsigned configs;          /* how many -readconfig there are; what they add is among the options */
	const char *unread_config; /* one whose file could not be read; NULL: none */
};

struct tree;

/* What /proc/PID/cmdline holds: words that end with a NUL each. An image that is no option's becomes "hda". */
struct qemu_command *qemu_command_read(struct tree *tree, int pid, const char *text, size_t length);

/* One more option, behind all others. */
void qemu_option_add(struct tree *tree, struct qemu_command *command, const char *name, const char *text,
		     struct qemu_keys keys);

/* What -set and -global say of other options, put into their keys; qemu_command_read() has done it. */
void qemu_settings_apply(struct tree *tree, struct qemu_command *command);

/* One argument; implied is the key of a first value that has none, or NULL. */
struct qemu_keys qemu_keys_read(struct tree *tree, const char *text, const char *implied);

/* One more; nothing where there are QEMU_KEYS_MAX. */
void qemu_keys_add(struct tree *tree, struct qemu_keys *keys, const char *name, const char *value);

/* The last value given, as QEMU has it; NULL: none. Names are below prefix, "file." or "". */
const char *qemu_key(const struct qemu_keys *keys, const char *name);
const char *qemu_key_below(const struct qemu_keys *keys, const char *prefix, const char *name);

/* The last such option; NULL: none. */
const struct qemu_option *qemu_option_find(const struct qemu_command *command, const char *name);

/* A key of the last option of that name that has it. */
const char *qemu_option_key(const struct qemu_command *command, const char *name, const char *key);

/* The option of a name ("netdev") whose id (or node-name) it is; NULL: none. */
const struct qemu_option *qemu_option_by_id(const struct qemu_command *command, const char *name, const char *id);

/* "on", "yes", "true", "y" and their contraries; fallback for NULL and others. */
host_answer qemu_answer(const char *value, host_answer fallback);

/* A number; fallback for NULL and what is none. */
int64_t qemu_number(const char *value, int64_t fallback);

/* "1.5G" in bytes, a number alone in units of unit; fallback for NULL and what is no size. */
uint64_t qemu_size(const char *value, uint64_t unit, uint64_t fallback);

/* A list of numbers: name=0-1,name=4 or name.0=0,name.1=1 */
struct cpu_list qemu_list(struct tree *tree, const struct qemu_keys *keys, const char *name);

#endif
