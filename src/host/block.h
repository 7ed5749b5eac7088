/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_BLOCK_H
#define STRAIT_HOST_BLOCK_H

#include "host/value.h"

enum host_block_kind {
	HOST_BLOCK_DISK,
	HOST_BLOCK_PARTITION,
	HOST_BLOCK_DM, /* with LVM, crypt, multipath */
	HOST_BLOCK_MD,
	HOST_BLOCK_LOOP,
	HOST_BLOCK_OTHER, /* zram, nbd, ... */
};

struct host_nvme_health {
	int64_t critical_warning, media_errors, error_log_entries, percent_used;
};

struct host_block {
	const char *name; /* in /sys/class/block */
	unsigned major, minor;
	enum host_block_kind kind;
	const char *dm_name, *dm_kind; /* dm/name; "LVM", "CRYPT", "mpath" by dm/uuid */
	const char *md_level;
	int64_t md_degraded;      /* members that are missing */
	const char *loop_file;    /* path of what a loop device shows; NULL: it shows nothing */
	host_answer loop_direct;  /* it reads past the page cache */
	uint64_t size;            /* bytes */
	int64_t start;            /* of a partition on its disk, bytes; HOST_UNKNOWN: is none */
	const char *const *below; /* names: its slaves, or the disk it is a partition of */
	unsigned below_count;
	const char *controller; /* "nvme0", or NULL */
	const char *pci;        /* address of its controller; NULL: none */
	const char *transport;  /* "pcie", "virtio", "sata", ..., NULL: unknown */
	const char *model;
	int node;
	/* of its queue; a partition's are its disk's */
	const char *scheduler; /* the chosen one */
	host_answer rotational;
	int64_t nr_requests, rq_affinity, wbt_lat_us, nomerges, io_poll, logical_block, physical_block, minimum_io,
		optimal_io;
	int64_t hardware_queues; /* HOST_UNKNOWN as well where it has none and takes bios: most of dm, md, ... */
	int64_t queue_tags;      /* the most that nr_requests can be without a scheduler, of each hardware queue */
	/*
	 * Whether its first byte lies where its queue's physical block (of a partition also the optimal I/O) begins.
	 * The kernel works it out through all layers below, but for the partition's own start.
	 */
	host_answer aligned;
	const char *write_cache;
	struct host_nvme_health *nvme; /* NULL: no NVMe, or it could not be asked */
	const char *nvme_unreadable;   /* why not, where it is one */
	const char *content;           /* by udev, a mount or libblkid: "ext4", "LVM2_member", ...; NULL: unknown */
};

struct host_mount {
	const char *source, *target, *type, *options; /* options: of the mount, then of the file system */
	int id, parent;        /* as the kernel numbers mounts; the root's parent is no mount here */
	unsigned major, minor; /* 0 and any: no block device */
};

struct host_blocks {
	struct host_block *block;
	unsigned count;
	struct host_mount *mount; /* of our mount namespace, in the order of mounting */
	unsigned mount_count;
	const struct host_mount *root; /* of these; NULL: none */
};

struct tree;
/* Parts of struct host_blocks, each by its own reader; host_blocks_read() calls them. */
void host_mounts_read(struct tree *tree, struct host_blocks *blocks);
const char *host_block_content(struct tree *tree, const struct host_blocks *blocks, const struct host_block *block);
void host_nvme_health_read(struct tree *tree, struct host_block *block);

void host_blocks_read(struct tree *tree, struct host_blocks *blocks);
const struct host_block *host_block_find(const struct host_blocks *blocks, const char *name);
const struct host_block *host_block_by_number(const struct host_blocks *blocks, unsigned major, unsigned minor);

/* What it does at once, bytes: its optimal I/O, or where that is none its physical block; HOST_UNKNOWN. */
int64_t host_block_unit(const struct host_block *block);

/* The mount that a path lies on, as it is seen now; path is absolute and without links (tree_resolve()). NULL: unknown.
 */
const struct host_mount *host_mount_of(const struct host_blocks *blocks, const char *path);

/*
 * The block device that a path names ("/dev/mapper/vg-vm1", "/dev/disk/by-id/...") or whose file system the file is on;
 * NULL: none, or not known.
 */
const struct host_block *host_block_of_path(struct tree *tree, const struct host_blocks *blocks, const char *path);

/* The disks at the bottom of a stack: each once, at most room of them. Returns how many. */
unsigned host_block_disks(const struct host_blocks *blocks, const struct host_block *block,
			  const struct host_block **disks, unsigned room);

#endif
