/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_DESCRIPTORS_H
#define STRAIT_DESCRIPTORS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "client/client.h"

/*
 * What a daemon needs of a disk that it is to serve: it is in its sandbox and
 * opens nothing, so that image and socket are opened here, with the rights of
 * who adds the disk, and handed over.
 */
struct descriptors {
	int image, socket; /* -1: none */
};

/* The daemon has another current directory: paths in a disk's keys become absolute. 0, or -errno with err set. */
int descriptors_make_absolute(json_t *disk, struct error *err);

/* The configuration that runs: what disks have from it that they do not say. NULL: it cannot be had. */
json_t *descriptors_defaults(struct client *client);

/* Each opens what is not open yet; defaults may be NULL. 0, or a negative errno with err set. */
int descriptors_open_image(struct descriptors *descriptors, const json_t *disk, struct error *err);
int descriptors_open_socket(struct descriptors *descriptors, const json_t *disk, const json_t *defaults,
			    struct error *err);

/* Close both; unlink: the socket file goes, too, since nobody listens there. */
void descriptors_close(struct descriptors *descriptors, const json_t *disk, bool unlink_socket);

/* For client_call_fds(): how many there are. */
unsigned descriptors_list(const struct descriptors *descriptors, int fds[2]);

#endif
