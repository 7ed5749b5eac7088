/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_QMP_H
#define STRAIT_HOST_QMP_H

#include <jansson.h>

#include "host/guest.h"

/*
 * Questions to a running QEMU by its machine protocol (docs/interop/qmp-spec of QEMU). Only commands
 * that change nothing are sent, and nothing before the greeting of QMP has come: what the path leads to may be
 * anything. Such a socket serves one client at a time, so it is connected to when the first question is asked and left
 * by qmp_hang_up(). Answers are the documents qmp/PID/NAME.json, "return" of each alone.
 */
struct tree;
struct qmp;

/* Connects to nothing yet. Memory is the tree's. */
struct qmp *qmp_new(struct tree *tree, const struct guest *guest);

/*
 * arguments: NULL, or a JSON object. name: of the document. NULL, or what the caller gives back by json_decref(). Of
 * one that did not work out the others that need a connection fail at once. again: in the current sample.
 */
json_t *qmp_ask(struct qmp *qmp, const char *command, const char *arguments, const char *name);
json_t *qmp_ask_again(struct qmp *qmp, const char *command, const char *arguments, const char *name);

/* A property of an object, "/machine/peripheral/vda" and "num-queues". */
json_t *qmp_property(struct qmp *qmp, const char *path, const char *property);

/* Why it cannot be talked to: negative errno; 0: it can, or nobody has tried. */
int qmp_error(const struct qmp *qmp);

void qmp_hang_up(struct qmp *qmp);

/*
 * What QEMU itself says, in place of what its command line let one think: version, state, threads of vCPUs and
 * iothreads, images, what was plugged in later. Sets guest->unreadable where its socket cannot be talked to.
 */
void guest_qmp_read(struct tree *tree, struct guest *guest);

/* Part of it: of devices. */
void guest_qmp_devices(struct tree *tree, struct qmp *qmp, struct guest *guest);

#endif
