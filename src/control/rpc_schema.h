/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_RPC_SCHEMA_H
#define STRAIT_CONTROL_RPC_SCHEMA_H

#include <jansson.h>

#include "base/error.h"
#include "control/rpc.h"

/*
 * rpc.schema.json, which is part of the program: of each method its role, what
 * it does, its parameters and its result. Parameters are described by a subset
 * of JSON Schema: $ref (to #/definitions/NAME), type (one or a list), enum,
 * minimum, maximum, maxLength, items, maxItems, properties, required,
 * additionalProperties (false, where there are properties). One thread.
 */

/* The schema, read when it is asked for first; the program's for ever. */
const json_t *rpc_schema(void);

/* What it says of a method; NULL where there is none of that name. */
const json_t *rpc_schema_method(const char *name);

/* Who may call it. */
enum rpc_role rpc_schema_role(const json_t *method);

/* A part of the schema, or the definition that it refers to. */
const json_t *rpc_schema_resolve(const json_t *schema);

/* What is wrong with parameters. */
struct rpc_schema_fault {
	char field[128];    /* "disk.queues"; "params" for all of them */
	char expected[256]; /* "a whole number from 1 to 64" */
	char value[64];     /* as it was given, cut short; "": it is missing */
};

/* Compare params (an object; NULL: none) with a method's. 0, or -EINVAL with fault and err set. */
int rpc_schema_check(const json_t *method, const json_t *params, struct rpc_schema_fault *fault, struct error *err);

/*
 * A parameter of a method from text, as in a URL: the value with the type that
 * the schema wants of it, or else a string, for rpc_schema_check() to refuse.
 * NULL: no memory, or no UTF-8.
 */
json_t *rpc_schema_read(const json_t *method, const char *name, const char *text);

#endif
