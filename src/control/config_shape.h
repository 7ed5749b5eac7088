/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_CONFIG_SHAPE_H
#define STRAIT_CONTROL_CONFIG_SHAPE_H

#include <cyaml/cyaml.h>

#include "control/config_document.h"

/*
 * Compare a document with a schema of libcyaml and say, with its place, what
 * libcyaml would refuse or silently accept: unknown, missing and repeated
 * keys, a list where a text is expected, an empty or too long list, a word
 * that is not among the allowed ones. What passes here loads there.
 */
int config_shape_check(struct config_document *doc, const cyaml_schema_value_t *schema, struct error *err);

#endif
