/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_QEMU_H
#define STRAIT_HOST_QEMU_H

#include <jansson.h>

#include "host/guest.h"
#include "host/qemu_option.h"

/*
 * A guest as QEMU's command line describes it (qemu(1) of 7.2 to 9.2). Fills in what is said there, and
 * QEMU's defaults where those do not depend on its version; threads, places of memory and what was plugged in later are
 * not there. All memory is the tree's.
 */
struct tree;

/* guest is zeroed but for its pid. */
void qemu_guest_read(struct tree *tree, const struct qemu_command *command, struct guest *guest);

/*
 * Add the options that a -readconfig's file holds, as process pid sees it (document readconfig/PID/N.json, N its number
 * on the command line from 0). qemu_command_read() does.
 */
void qemu_config_read(struct tree *tree, int pid, struct qemu_command *command, const char *path);

/* What such a file says: {"groups": [{"group", "keys": {}}]}, of groups that the model has. NULL: it is none. */
json_t *qemu_config_describe(const char *text, size_t length);

/* Parts of it, in the order in which they need each other. */
void qemu_machine_read(struct tree *tree, const struct qemu_command *command, struct guest *guest);
void qemu_memory_read(struct tree *tree, const struct qemu_command *command, struct guest *guest);
void qemu_disks_read(struct tree *tree, const struct qemu_command *command, struct guest *guest);
void qemu_nics_read(struct tree *tree, const struct qemu_command *command, struct guest *guest);
void qemu_hostdevs_read(struct tree *tree, const struct qemu_command *command, struct guest *guest);

/*
 * What a disk is made of, into image, cache, aio, discard, detect_zeroes, throttle, read_only and cdrom of disk:
 * by the keys of a -drive, or by the -blockdev of its top node, with the keys of the device that it belongs to.
 */
void qemu_drive_read(struct tree *tree, const struct qemu_command *command, const struct qemu_keys *keys, int pid,
		     struct guest_disk *disk);
void qemu_node_read(struct tree *tree, const struct qemu_command *command, const struct qemu_option *blockdev, int pid,
		    const struct qemu_keys *device, struct guest_disk *disk);

/* Whether a driver of QEMU's is a disk: model, cdrom and bus (NULL: that of its controller) of disk. */
bool qemu_disk_model(const char *driver, struct guest_disk *disk);

/* The model of a card that a driver is; NULL: it is no card. */
const char *qemu_nic_model(const char *driver);

/* "none", "writeback", ... */
const char *qemu_cache_mode(host_answer direct, host_answer no_flush, bool write_back);

/* A file name as QEMU takes it, "nbd://host/name" or a path: into file and protocol of image. */
void qemu_name_file(struct tree *tree, struct guest_image *image, const char *name);

/* A path as it is outside of QEMU, which takes relative ones from the directory it is in. */
const char *qemu_path(struct tree *tree, int pid, const char *path);

/* The path of a socket that a chardev has; NULL: it has none, or none such. */
const char *qemu_chardev_path(struct tree *tree, const struct qemu_command *command, int pid, const char *id);

/* Whether QEMU listens at the socket of a chardev; else it connects to who does. */
bool qemu_chardev_listens(const struct qemu_command *command, const char *id);

/* The socket that a client of QMP may connect to: "/path", or "host:port" of TCP. NULL: none. */
const char *qemu_qmp_socket(struct tree *tree, const struct qemu_command *command, int pid);

/* What the first bytes of an image say: {"format", "cluster-size", "virtual-size", "backing", "backing-format"}; NULL:
 * no memory. "backing" is null where it has one whose name cannot be read. */
json_t *qemu_image_describe(const void *bytes, size_t length);

/*
 * What the files of a disk's images say of themselves: their format where nobody said it, how much of each is there,
 * and, unless the disk's chain is whole, the backing files of the last one. Read is the header alone (document
 * image/PID/PATH.json), in the file system that process pid sees: a path may be another file for each. PID is 0 where
 * there is no process.
 */
void qemu_images_complete(struct tree *tree, int pid, struct guest_disk *disk);

#endif
