/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_DESCRIBE_H
#define STRAIT_DESCRIBE_H

#include <jansson.h>
#include <stddef.h>

/* A value of JSON in a few words, for a cell of a table; what does not fit is left out. NULL: "". */
void describe_json(const json_t *value, char *text, size_t size);

#endif
