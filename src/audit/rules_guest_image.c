/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* What a disk's image is and what it lies on. */

typedef void image_check(struct audit *audit, const struct rule *rule, const struct guest_disk *disk);

static void each_image(struct audit *audit, const struct rule *rule, image_check *check)
{
	for (unsigned i = 0; i < audit->guest->disk_count; i++) {
		const struct guest_disk *disk = &audit->guest->disk[i];

		if (rule_is_disk(disk) && disk->image_count)
			check(audit, rule, disk);
	}
}

static void check_format_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	const char *format = disk->image[0].format;

	if (format)
		rule_verdict(audit, rule, !strcmp(format, "raw"), rule_disk_name(disk), format, NULL);
	else
		audit_unknown(audit, rule, rule_disk_name(disk), 0,
			      "no format is given: QEMU finds out, and the guest could change what it finds");
}

static void check_format(struct audit *audit, const struct rule *rule)
{
	each_image(audit, rule, check_format_of);
}

static void check_chain_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	const bool strict = audit_is_for(audit, CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME);
	const struct guest_image *last = &disk->image[disk->image_count - 1];
	const bool short_enough = disk->image_count <= (strict ? 1 : 2);

	if (short_enough && !disk->whole) {
		audit_unknown(audit, rule, rule_disk_name(disk), 0, "whether %s has a backing file cannot be read",
			      last->file ? last->file : "its image");
		return;
	}
	rule_verdict(audit, rule, short_enough, rule_disk_name(disk),
		     disk->image_count == 1 ? "no backing file"
		     : disk->image_count == 2
			     ? "one backing file"
			     : tree_format(audit->host->tree, "%u backing files", disk->image_count - 1),
		     NULL);
}

static void check_chain(struct audit *audit, const struct rule *rule)
{
	each_image(audit, rule, check_chain_of);
}

/* QEMU's defaults since 3.1: clusters of 64 KiB, whose tables for 256 GiB fit into 32 MiB. */
#define DEFAULT_CLUSTER (64u << 10)
#define DEFAULT_CACHE   (32u << 20)

static void check_tables_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	const struct guest_image *image = &disk->image[0];
	const uint64_t cluster = image->cluster ? image->cluster : DEFAULT_CLUSTER;
	const uint64_t cache = image->cache_bytes ? image->cache_bytes : DEFAULT_CACHE;
	/* An entry of eight bytes a cluster. Sizes are the user's: nothing may overflow. */
	const uint64_t covered = cluster > (1u << 30) || cache > (1ull << 32) ? UINT64_MAX : cache / 8 * cluster;

	if (!image->format || strcmp(image->format, "qcow2"))
		return;
	if (!image->size && covered != UINT64_MAX)
		audit_unknown(audit, rule, rule_disk_name(disk), 0, "it covers %s, and the size of %s cannot be read",
			      rule_size(audit, covered), image->file ? image->file : "the image");
	else
		rule_verdict(audit, rule, covered >= image->size, rule_disk_name(disk),
			     covered >= image->size
				     ? "all of it"
				     : tree_format(audit->host->tree, "%s of %s", rule_size(audit, covered),
						   rule_size(audit, image->size)),
			     NULL);
}

static void check_tables(struct audit *audit, const struct rule *rule)
{
	each_image(audit, rule, check_tables_of);
}

/* Those that copy on write, or ask another process (FUSE has a type for each: "fuse.sshfs") or machine. */
static bool is_roundabout(const char *type)
{
	return !strncmp(type, "fuse", strlen("fuse")) ||
	       rule_word_is(type,
			    "btrfs|bcachefs|zfs|overlay|nfs|nfs4|cifs|smb3|9p|virtiofs|ceph|lustre|gpfs|beegfs|afs");
}

static void check_file_system_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	const char *file = disk->image[0].file, *protocol = disk->image[0].protocol;
	const struct host_mount *mount = rule_mount_of(audit->host, disk);

	if (protocol && !rule_word_is(protocol, "file|host_device"))
		return;
	if (!file || *file != '/')
		audit_unknown(audit, rule, rule_disk_name(disk), 0, "where its image is is not known");
	else if (!strncmp(file, "/dev/", 5))
		audit_pass(audit, rule, rule_disk_name(disk), file);
	else if (!mount || !mount->type)
		audit_unknown(audit, rule, rule_disk_name(disk), 0, "what %s lies on is not known", file);
	else if (is_roundabout(mount->type))
		audit_found(audit, rule, FINDING_WARN, rule_disk_name(disk),
			    tree_format(audit->host->tree, "%s on %s", file, mount->type), "a block device",
			    "it copies on write, or asks another process or machine");
	else
		rule_verdict(audit, rule, false, rule_disk_name(disk),
			     tree_format(audit->host->tree, "%s on %s", file, mount->type), NULL);
}

static void check_file_system(struct audit *audit, const struct rule *rule)
{
	each_image(audit, rule, check_file_system_of);
}

#define DEEPEST 16

struct stack {
	const char *text; /* "dm-0 (CRYPT) on nvme0n1p2 on nvme0n1" */
	const char *bad;  /* the layer that costs; NULL: none */
};

static void add_layers(const struct audit *audit, const struct host_block *block, unsigned depth, struct stack *stack)
{
	struct tree *tree = audit->host->tree;
	const char *what = block->dm_kind ? block->dm_kind : block->md_level;

	stack->text = tree_format(tree, "%s%s%s%s%s%s", stack->text, *stack->text ? " on " : "", block->name,
				  what ? " (" : "", what ? what : "", what ? ")" : "");
	if (block->kind == HOST_BLOCK_LOOP)
		stack->bad = "a loop device takes each request through a file system and a thread of the kernel";
	else if (block->md_level && rule_word_is(block->md_level, "raid4|raid5|raid6"))
		stack->bad = "a write smaller than a stripe reads before it writes";
	else if (block->dm_kind && rule_word_is(block->dm_kind, "CRYPT|crypt"))
		stack->bad = "dm-crypt puts requests into work queues, unless no_read_workqueue and no_write_workqueue "
			     "are set";
	/* One way down is enough to tell what kind of stack it is. */
	if (block->below_count && depth < DEEPEST) {
		const struct host_block *below = host_block_find(&audit->host->blocks, block->below[0]);

		if (below)
			add_layers(audit, below, depth + 1, stack);
	}
}

static void check_layers_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	const struct host_block *block = rule_block_of(audit->host, disk);
	struct stack stack = {.text = ""};

	if (!block)
		return;
	add_layers(audit, block, 0, &stack);
	rule_verdict(audit, rule, !stack.bad, rule_disk_name(disk), stack.text, "%s", stack.bad ? stack.bad : "");
}

static void check_layers(struct audit *audit, const struct rule *rule)
{
	each_image(audit, rule, check_layers_of);
}

#define TUNED (CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME)

static const struct rule rules[] = {
	{
		.id = "guest.image.format",
		.title = "format of a disk's image",
		.contexts = CONTEXT_ALL,
		.cases = {{TUNED, COMPARE_EQUAL, "raw", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "raw", FINDING_NOTE}},
		.check = check_format,
		.of_guest = true,
		.reads = "the guest's definition: format=, driver=, <driver type=>; query-block",
		.why = "QCOW2 looks up where each request goes, allocates while the guest waits, and writes its own "
		       "tables next to "
		       "the data; on a file system that is done twice.",
		.costs = "raw has no snapshots, backing files or compression of its own: LVM or the storage has to "
			 "have them.",
		.cure = "drive-mirror to a raw target of the running guest (virsh blockcopy --format raw).",
		.lasting = "qemu-img convert -O raw, or a logical volume for each disk.",
		.source = "Red Hat, Virtualization Tuning and Optimization; QEMU, docs/qcow2-cache.txt",
	},
	{
		.id = "guest.image.chain",
		.title = "backing files of an image",
		.contexts = CONTEXT_ALL,
		.cases = {{TUNED, COMPARE_EQUAL, "no backing file", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "one backing file at most", FINDING_WARN}},
		.check = check_chain,
		.of_guest = true,
		.reads = "query-block; <backingStore>; headers of images",
		.why = "A read of what no overlay has asks each image in turn, with tables of each in memory, and a "
		       "write copies a "
		       "cluster up first. Snapshots that nobody deleted are the usual cause.",
		.costs = "Merging reads and writes what the overlays have, while the guest runs.",
		.cure = "virsh blockcommit GUEST DISK --active --pivot, or block-commit by QMP.",
		.lasting = "Let who makes snapshots delete them.",
		.source = "QEMU, Live Block Device Operations",
	},
	{
		.id = "guest.image.tables",
		.title = "what the cache of QCOW2's tables covers",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "all of the disk", FINDING_NOTE}},
		.check = check_tables,
		.of_guest = true,
		.reads = "the guest's definition: l2-cache-size (32 MiB where it is not said); query-block or the "
			 "image's header: sizes of the disk and of its clusters",
		.why = "A request whose table is not in the cache reads the table first: two I/Os for one.",
		.costs = "An eighth of a byte of memory for each KiB of disk with 64 KiB clusters: 1 MiB for 8 GiB.",
		.cure = "Chosen at start: l2-cache-size=, of which QEMU takes no more than the disk needs.",
		.lasting = "libvirt: <driver><metadata_cache><max_size>.",
		.source = "QEMU, docs/qcow2-cache.txt",
	},
	{
		.id = "guest.image.file-system",
		.title = "file system under an image",
		.contexts = CONTEXT_ALL,
		.cases = {{TUNED, COMPARE_EQUAL, "a block device", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "a block device for hot disks", FINDING_NOTE}},
		.check = check_file_system,
		.of_guest = true,
		.reads = "the image's path, /proc/self/mountinfo",
		.why = "A file system adds its journal to each flush, allocates where the image is sparse, and one "
		       "that copies on "
		       "write scatters the image.",
		.costs = "Block devices have to be managed: LVM, or namespaces.",
		.cure = "virsh blockcopy to a logical volume while the guest runs. btrfs: chattr +C for new images.",
		.lasting = "A storage pool of logical volumes.",
		.source = "Red Hat, Virtualization Tuning and Optimization: Block I/O",
	},
	{
		.id = "guest.image.layers",
		.title = "block devices under an image",
		.contexts = CONTEXT_ALL,
		.cases = {{TUNED, COMPARE_EQUAL, "no loop device, parity RAID or dm-crypt", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "no loop device, parity RAID or dm-crypt", FINDING_NOTE}},
		.check = check_layers,
		.of_guest = true,
		.reads = "the image's path, /sys/class/block/*/slaves, dm and md below it",
		.why = "What each layer adds is paid by every request, and none of it can be seen in the guest.",
		.costs = "Depends on the layer: encryption and redundancy are there for a reason.",
		.cure = "strait map shows all layers. dm-crypt: cryptsetup refresh --perf-no_read_workqueue "
			"--perf-no_write_workqueue.",
		.lasting = "Hot disks on a plain logical volume, mirror or namespace.",
		.source = "kernel, Documentation/admin-guide/device-mapper/dm-crypt",
	},
};

const struct rule_table rules_guest_image = RULE_TABLE(rules);
