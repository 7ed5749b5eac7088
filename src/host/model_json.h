/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_MODEL_JSON_H
#define STRAIT_HOST_MODEL_JSON_H

#include <jansson.h>

#include "host/host.h"

/*
 * The model as JSON: keys are the members' names with "-" for "_", numbers in the units of the headers, lists of CPUs
 * as the kernel writes them ("0-3,8"), and null for what is not known. Texts of the machine need not be UTF-8: what is
 * none of it becomes U+FFFD. The caller gives the result back; NULL: no memory.
 */
json_t *host_json(const struct host *host);
json_t *host_guest_json(const struct guest *guest);
json_t *host_guests_json(const struct host_guests *guests);

/* One text as JSON; null where it is NULL. */
json_t *host_text_json(const char *text);

#endif
