/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_LIBVIRT_H
#define STRAIT_HOST_LIBVIRT_H

#include <stddef.h>

#include "host/guest.h"

/*
 * Guests by libvirt, asked through connections that can only read. The URI is $LIBVIRT_DEFAULT_URI, else qemu:///system
 * and qemu:///session, where a daemon has a socket there already: none is started by asking.
 *
 * Documents (host/tree.h): "libvirt/domains.json", {"uri", "error", "domains": [{"name", "uuid", "state", "uri"}]},
 * with "error" where a daemon is there that refused or did not answer in time; and "libvirt/NAME.xml", what
 * virDomainGetXMLDesc() says without secrets.
 */
struct tree;

/*
 * All of libvirt's guests, running or not: the first ones of guests, which has to be
 * empty. Sets guests->libvirt and libvirt_unreadable. What only the process shows is unknown, pid too:
 * libvirt does not tell it. guest_take_process() adds it.
 */
void host_libvirt_read(struct tree *tree, struct host_guests *guests);

/* One definition, as XML; false: it is none. Everything in guest is set. */
bool guest_read_xml(struct tree *tree, const char *xml, size_t length, struct guest *guest);

/*
 * Complete what libvirt says of a guest by what its process is seen to have (same uuid): threads, pid, memory
 * places, and all that a definition leaves to libvirt or QEMU.
 */
void guest_take_process(struct tree *tree, struct guest *guest, const struct guest *process);

#endif
