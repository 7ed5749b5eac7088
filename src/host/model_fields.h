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
	model_guest_thread[], model_guest_memory_backend[];

/*
 * Take over what is not known in one structure, and known in another of the same kind: members that are unknown, 0 (of
 * amounts) or empty (of lists). Plain numbers and enums stay as they are.
 */
void model_fill(void *to, const void *from, const struct model_field *fields);

#endif
