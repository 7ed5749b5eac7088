/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_MODEL_FIELDS_H
#define STRAIT_HOST_MODEL_FIELDS_H

#include <stddef.h>

#include <jansson.h>

#include "host/host.h"

/* What model_json.c goes by: each structure of the model as a table of its members. */
enum model_kind {
	MODEL_TEXT,
	MODEL_INT, /* HOST_UNKNOWN is null */
	MODEL_UNSIGNED,
	MODEL_INT64, /* HOST_UNKNOWN is null */
	MODEL_UINT64,
	MODEL_DOUBLE, /* NAN is null */
	MODEL_ANSWER,
	MODEL_CPUS,
	MODEL_ENUM,    /* words */
	MODEL_TEXTS,   /* as many as the member at count says */
	MODEL_LIST,    /* structures, likewise */
	MODEL_PART,    /* a structure in this one */
	MODEL_POINTER, /* to a structure, or NULL */
	MODEL_JSON,    /* const json_t *, or NULL */
};

struct model_field {
	const char *name; /* of the member; NULL ends a table */
	size_t offset;
	enum model_kind kind;
	size_t count;                    /* offset of an unsigned */
	size_t size;                     /* of a structure in the list */
	const struct model_field *inner; /* of MODEL_LIST, MODEL_PART, MODEL_POINTER */
	const char *const *words;        /* of MODEL_ENUM; NULL ends them */
};

extern const struct model_field model_host[], model_guests[], model_guest[], model_guest_disk[], model_guest_nic[],
	model_guest_thread[], model_guest_memory_backend[], model_rates[];

/*
 * Take over what is not known in one structure, and known in another of the same kind: members that are unknown, 0 (of
 * amounts) or empty (of lists). Plain numbers and enums stay as they are.
 */
void model_fill(void *to, const void *from, const struct model_field *fields);

/* For the tables, model_*.c alone. */
/* The kind of a plain member, by its type. */
#define KIND(type, member)                                                                                             \
	_Generic(((struct type *)0)->member, const char *: MODEL_TEXT, int: MODEL_INT, unsigned: MODEL_UNSIGNED,       \
		 int64_t: MODEL_INT64, uint64_t: MODEL_UINT64, double: MODEL_DOUBLE, host_answer: MODEL_ANSWER,        \
		 struct cpu_list: MODEL_CPUS)
#define NAMED(type, member) .name = #member, .offset = offsetof(struct type, member)
#define FIELD(type, member)                                                                                            \
	{                                                                                                              \
		NAMED(type, member), .kind = KIND(type, member)                                                        \
	}
#define ENUM(type, member, table)                                                                                      \
	{                                                                                                              \
		NAMED(type, member), .kind = MODEL_ENUM, .words = (table)                                              \
	}
#define TEXTS(type, member, number)                                                                                    \
	{                                                                                                              \
		NAMED(type, member), .kind = MODEL_TEXTS, .count = offsetof(struct type, number)                       \
	}
#define LIST(type, member, number, of, fields)                                                                         \
	{                                                                                                              \
		NAMED(type, member), .kind = MODEL_LIST, .count = offsetof(struct type, number),                       \
				     .size = sizeof(struct of), .inner = (fields)                                      \
	}
#define PART(type, member, fields)                                                                                     \
	{                                                                                                              \
		NAMED(type, member), .kind = MODEL_PART, .inner = (fields)                                             \
	}
#define POINTER(type, member, fields)                                                                                  \
	{                                                                                                              \
		NAMED(type, member), .kind = MODEL_POINTER, .inner = (fields)                                          \
	}
#define JSON(type, member)                                                                                             \
	{                                                                                                              \
		NAMED(type, member), .kind = MODEL_JSON                                                                \
	}

#endif
