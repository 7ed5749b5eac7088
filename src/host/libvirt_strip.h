/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_LIBVIRT_STRIP_H
#define STRAIT_HOST_LIBVIRT_STRIP_H

/*
 * A definition without what is nobody's business and may be a secret: metadata of others than libosinfo (user data of
 * clouds), variables and options handed through to QEMU, start-up data. NULL: it is no XML. The caller frees it.
 */
char *libvirt_strip(const char *xml);

#endif
