/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_KEYS_H
#define STRAIT_KEYS_H

#include "client/command.h"

/*
 * The keys of disks and groups as options. What they are called and what
 * --help says of them is rpc.schema.json's.
 */
enum key_kind {
	KEY_TEXT,
	KEY_NUMBER, /* or text with a unit, which the daemon reads as it does in its file */
	KEY_SWITCH, /* true or false */
};

struct schema_key {
	const char *name; /* NULL ends a table */
	const char *argument;
	const char *help;
	enum key_kind kind;
};

/* Made by keys.py. */
extern const struct schema_key disk_keys[], disk_qos_keys[], group_keys[];

#define KEYS_MAX 64

/* The options of a command: its own, then those of keys. Static, because tables of options are. */
struct key_options {
	struct client_option options[KEYS_MAX + 1];
	const char *values[KEYS_MAX];
	const struct schema_key *keys[KEYS_MAX]; /* NULL of an own one */
	unsigned count;
};

/* Add own options (ended by a NULL name), or those of a table of keys. */
void key_options_add(struct key_options *options, const struct client_option *own);
void key_options_add_keys(struct key_options *options, const struct schema_key *keys);

/* The first of the options that was given and is of a table; NULL: none was. */
const char *key_options_given(const struct key_options *options, const struct schema_key *keys);

/*
 * Put what was given of a table into an object. 0, or -EINVAL with err set.
 */
int key_options_take(const struct key_options *options, const struct schema_key *keys, json_t *object,
		     struct error *err);

/* Whether a table has a key. */
bool keys_have(const struct schema_key *keys, const char *name);

/* Each key of a list with commas becomes null in the object. */
void keys_take_unset(const char *list, json_t *object);

#endif
