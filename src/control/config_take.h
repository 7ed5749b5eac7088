/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_CONFIG_TAKE_H
#define STRAIT_CONTROL_CONFIG_TAKE_H

#include <stdint.h>

#include "control/config_document.h"

/*
 * Reading a value out of its text, with a message that names file, line, key,
 * value and what is allowed. text is NULL where the key was not given: *out
 * stays as it is, which is how defaults are set.
 */
struct config_taker {
	struct config_document *doc;
	const yaml_node_t *mapping; /* the mapping whose keys are read */
	char path[64];              /* its name, "disks[3].delay"; "" for the root */
	struct error *err;
};

int config_take_uint(const struct config_taker *taker, const char *key, const char *text, uint64_t min, uint64_t max,
		     uint64_t *out);
int config_take_size(const struct config_taker *taker, const char *key, const char *text, uint64_t min, uint64_t max,
		     uint64_t *out);
int config_take_decimal(const struct config_taker *taker, const char *key, const char *text, double min, double max,
			double *out);

/* "FILE:LINE: path.key: VALUE: expected ..."; value may be NULL. Returns -EINVAL. */
int config_take_refuse(const struct config_taker *taker, const char *key, const char *value, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
