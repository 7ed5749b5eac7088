/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_LIBVIRT_ASK_H
#define STRAIT_HOST_LIBVIRT_ASK_H

#include <jansson.h>

/*
 * Ask the libvirt of this machine for everything at once, for some seconds at most: 0 with
 * {"uri", "error", "domains": [{"name", "uuid", "state", "uri", "xml"}]}, or -ENOENT where there is none (or strait was
 * built without it), -ETIMEDOUT where its daemon does not answer.
 */
int libvirt_gather(json_t **all);

#endif
