/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* Block devices of the host: their queues, and how they are stacked. */

typedef void block_check(struct audit *audit, const struct rule *rule, const struct host_block *block);

/* What can hold a guest's disk: no empty loop device, CD-ROM or floppy drive. */
static bool is_storage(const struct host_block *block)
{
	return block->size && block->kind != HOST_BLOCK_OTHER && strncmp(block->name, "sr", 2) != 0 &&
	       strncmp(block->name, "fd", 2) != 0;
}

static void each_block(struct audit *audit, const struct rule *rule, block_check *check)
{
	const struct host_blocks *blocks = &audit->host->blocks;

	for (unsigned i = 0; i < blocks->count; i++) {
		if (is_storage(&blocks->block[i]))
			check(audit, rule, &blocks->block[i]);
	}
}

/* Partitions have the queue of their disk, which is judged once. */
static void each_queue(struct audit *audit, const struct rule *rule, block_check *check)
{
	const struct host_blocks *blocks = &audit->host->blocks;

	for (unsigned i = 0; i < blocks->count; i++) {
		if (is_storage(&blocks->block[i]) && blocks->block[i].kind != HOST_BLOCK_PARTITION)
			check(audit, rule, &blocks->block[i]);
	}
}

static bool is_stacked(const struct host_block *block)
{
	return block->kind == HOST_BLOCK_DM || block->kind == HOST_BLOCK_MD || block->kind == HOST_BLOCK_LOOP;
}

/* NULL: nothing can be said against any. */
static const char *good_schedulers(const struct host *host, const struct host_block *block)
{
	if (block->controller || is_stacked(block))
		return "none";
	/* What another hypervisor shows says nothing of the medium behind it. */
	if (host->cpus.hypervisor == 1 ||
	    (block->transport && strncmp(block->transport, "virtio", strlen("virtio")) == 0))
		return "none|mq-deadline";
	if (block->rotational == HOST_UNKNOWN)
		return NULL;
	return block->rotational ? "mq-deadline|bfq" : "none|mq-deadline";
}

static void check_scheduler_of(struct audit *audit, const struct rule *rule, const struct host_block *block)
{
	const char *good = good_schedulers(audit->host, block);
	const struct rule_case *fits = audit_case(audit, rule);
	const char *first = good && strcmp(good, "mq-deadline|bfq") == 0 ? "mq-deadline" : "none";

	if (!block->scheduler) {
		/* What takes bios, without queues of its own, has none (since Linux 6.11 not even the file). */
		if (block->hardware_queues != HOST_UNKNOWN)
			audit_unknown(audit, rule, block->name, 0, "its queue/scheduler cannot be read");
	} else if (!good || rule_word_is(block->scheduler, good)) {
		audit_pass(audit, rule, block->name, block->scheduler);
	} else {
		audit_found(audit, rule, fits ? fits->otherwise : FINDING_NOTE, block->name, block->scheduler, first,
			    "%s",
			    block->controller   ? "an NVMe device sorts requests better than the host can"
			    : is_stacked(block) ? "the devices below it have schedulers of their own"
			    : block->rotational ? "a disk that rotates needs requests in the order of their places"
						: "there is nothing to be saved by sorting");
	}
}

static void check_scheduler(struct audit *audit, const struct rule *rule)
{
	each_queue(audit, rule, check_scheduler_of);
}

static void judge_number(struct audit *audit, const struct rule *rule, const struct host_block *block, const char *file,
			 int64_t value)
{
	struct tree *tree = audit->host->tree;

	if (value != HOST_UNKNOWN)
		audit_judge(audit, rule, block->name,
			    tree_format(tree, "/sys/class/block/%s/queue/%s", block->name, file),
			    tree_format(tree, "%lld", (long long)value));
}

static void check_depth_of(struct audit *audit, const struct rule *rule, const struct host_block *block)
{
	const char *value = tree_format(audit->host->tree, "%lld", (long long)block->nr_requests);
	const bool deep = rule_compare(audit_case(audit, rule), value) == 1;

	if (!block->controller || block->nr_requests == HOST_UNKNOWN)
		return;
	if (!deep && block->queue_tags == HOST_UNKNOWN)
		audit_unknown(audit, rule, block->name, 0,
			      "it has %s; how many it could have, mq/0/nr_tags, cannot be read", value);
	else
		rule_verdict(audit, rule, deep || block->nr_requests >= block->queue_tags, block->name, value,
			     "its queues hold %lld", (long long)block->queue_tags);
}

static void check_depth(struct audit *audit, const struct rule *rule)
{
	each_queue(audit, rule, check_depth_of);
}

static void check_completion_of(struct audit *audit, const struct rule *rule, const struct host_block *block)
{
	if (!is_stacked(block))
		judge_number(audit, rule, block, "rq_affinity", block->rq_affinity);
}

static void check_completion(struct audit *audit, const struct rule *rule)
{
	each_queue(audit, rule, check_completion_of);
}

static void check_throttling_of(struct audit *audit, const struct rule *rule, const struct host_block *block)
{
	if (!is_stacked(block))
		judge_number(audit, rule, block, "wbt_lat_usec", block->wbt_lat_us);
}

static void check_throttling(struct audit *audit, const struct rule *rule)
{
	each_queue(audit, rule, check_throttling_of);
}

static void check_merges_of(struct audit *audit, const struct rule *rule, const struct host_block *block)
{
	if (!is_stacked(block))
		judge_number(audit, rule, block, "nomerges", block->nomerges);
}

static void check_merges(struct audit *audit, const struct rule *rule)
{
	each_queue(audit, rule, check_merges_of);
}

static void check_write_cache_of(struct audit *audit, const struct rule *rule, const struct host_block *block)
{
	if (is_stacked(block))
		return;
	if (!block->write_cache)
		audit_unknown(audit, rule, block->name, 0, "its queue/write_cache cannot be read");
	else
		audit_found(audit, rule, FINDING_NOTE, block->name, block->write_cache, NULL, "%s",
			    strcmp(block->write_cache, "write back") == 0
				    ? "a flush is sent to it: what it costs is in the time of flushes"
				    : "no flush is sent to it: that is right only if it has no cache that a loss of "
				      "power empties");
}

static void check_write_cache(struct audit *audit, const struct rule *rule)
{
	each_queue(audit, rule, check_write_cache_of);
}

static void check_alignment_of(struct audit *audit, const struct rule *rule, const struct host_block *block)
{
	const int64_t unit = host_block_unit(block);
	struct tree *tree = audit->host->tree;

	if (block->aligned == HOST_UNKNOWN)
		audit_unknown(audit, rule, block->name, 0, "its alignment_offset cannot be read");
	else if (block->aligned)
		audit_pass(audit, rule, block->name, "aligned");
	else if (block->start != HOST_UNKNOWN && unit > 0 && block->start % unit)
		rule_verdict(audit, rule, false, block->name,
			     tree_format(tree, "begins at byte %lld", (long long)block->start),
			     "its disk works in units of %lld bytes", (long long)unit);
	else
		rule_verdict(audit, rule, false, block->name, "not aligned", "the kernel says so of its stack");
}

static void check_alignment(struct audit *audit, const struct rule *rule)
{
	each_block(audit, rule, check_alignment_of);
}

static void check_redundancy_of(struct audit *audit, const struct rule *rule, const struct host_block *block)
{
	struct tree *tree = audit->host->tree;

	if (block->kind != HOST_BLOCK_MD || !block->md_level || rule_word_is(block->md_level, "raid0|linear"))
		return;
	if (block->md_degraded == HOST_UNKNOWN)
		audit_unknown(audit, rule, block->name, 0, "its md/degraded cannot be read");
	else
		rule_verdict(audit, rule, !block->md_degraded, block->name,
			     tree_format(tree, "%lld missing of %s", (long long)block->md_degraded, block->md_level),
			     NULL);
}

static void check_redundancy(struct audit *audit, const struct rule *rule)
{
	each_queue(audit, rule, check_redundancy_of);
}

/* Images of software (snaps, CDs), which nobody writes to and which no guest has. */
static bool is_of_software(const struct host_block *block)
{
	return rule_word_is(block->content, "squashfs|iso9660|erofs|cramfs");
}

static void check_loop_of(struct audit *audit, const struct rule *rule, const struct host_block *block)
{
	if (block->kind == HOST_BLOCK_LOOP && block->loop_direct != HOST_UNKNOWN && !is_of_software(block))
		rule_verdict(audit, rule, block->loop_direct, block->name,
			     tree_format(audit->host->tree, "%s%s", block->loop_direct ? "direct, " : "cached, ",
					 block->loop_file ? block->loop_file : "?"),
			     NULL);
}

static void check_loop(struct audit *audit, const struct rule *rule)
{
	each_queue(audit, rule, check_loop_of);
}

#define TUNED (CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME)

static const struct rule rules[] = {
	{
		.id = "host.block.scheduler",
		.title = "I/O scheduler",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "none for NVMe and stacks, mq-deadline for disks that rotate",
			   FINDING_WARN}},
		.check = check_scheduler,
		.reads = "/sys/class/block/*/queue/{scheduler,rotational}",
		.why = "A scheduler takes a lock for each request of a device that does hundreds of thousands a "
		       "second; without one a disk that rotates seeks more than it reads.",
		.costs = "Without a scheduler neither ionice nor io.weight (bfq) has an effect.",
		.cure = "echo none >/sys/class/block/%s/queue/scheduler (mq-deadline for a disk that rotates)",
		.lasting = "A udev rule that sets ATTR{queue/scheduler} by ATTR{queue/rotational}.",
		.source = "Linux, Documentation/block/switching-sched.rst; SUSE, System Analysis and Tuning Guide",
	},
	{
		.id = "host.block.requests",
		.title = "requests that an NVMe device may have waiting",
		.contexts = CONTEXT_GENERAL | TUNED,
		.cases = {{CONTEXT_ALL, COMPARE_AT_LEAST, "127", FINDING_WARN}},
		.check = check_depth,
		.reads = "/sys/class/block/*/{queue/nr_requests,mq/0/nr_tags}",
		.wants = "at least 127, which a queue of 128 entries holds, or all that the device's queues hold",
		.why = "Guests with several queues fill a short one; then they wait for a free request, which no "
		       "statistic of the device shows.",
		.costs = "A deeper queue is a longer wait where the device is the limit: look at p99.",
		.cure = "cat /sys/class/block/%s/mq/0/nr_tags >/sys/class/block/%s/queue/nr_requests",
		.lasting = "A udev rule that sets ATTR{queue/nr_requests} to as many; or none, as that is the default.",
		.source = "Linux, Documentation/ABI/stable/sysfs-block",
	},
	{
		.id = "host.block.completion",
		.title = "CPU that completes a request",
		.contexts = CONTEXT_GENERAL | TUNED,
		.cases = {{CONTEXT_ALL, COMPARE_REPORT, NULL, FINDING_NOTE}},
		.check = check_completion,
		.reads = "/sys/class/block/*/queue/rq_affinity",
		.why = "0: where the interrupt arrives; 1: on a CPU that shares a cache with the submitter; 2: on the "
		       "submitter itself, which keeps its data warm and costs an interrupt between CPUs.",
		.costs = "2 takes time from the CPU that submits, which may be an I/O thread that is busy.",
		.cure = "echo 2 >/sys/class/block/%s/queue/rq_affinity",
		.lasting = "A udev rule that sets ATTR{queue/rq_affinity}.",
		.source = "Linux, Documentation/ABI/stable/sysfs-block",
	},
	{
		.id = "host.block.throttling",
		.title = "throttling of writing back",
		.contexts = CONTEXT_GENERAL | TUNED,
		.cases = {{CONTEXT_ALL, COMPARE_REPORT, NULL, FINDING_NOTE}},
		.check = check_throttling,
		.reads = "/sys/class/block/*/queue/wbt_lat_usec",
		.why = "Microseconds that a read may take before the page cache has to write less at a time; 0: "
		       "never. It protects reads of guests from caches that are flushed.",
		.costs = "Writes through the page cache become slower while others read.",
		.cure = "echo 2000 >/sys/class/block/%s/queue/wbt_lat_usec (-1: the default of the kernel)",
		.lasting = "A udev rule that sets ATTR{queue/wbt_lat_usec}.",
		.source = "Linux, Documentation/ABI/stable/sysfs-block",
	},
	{
		.id = "host.block.merges",
		.title = "merging of neighbouring requests",
		.contexts = CONTEXT_GENERAL | TUNED,
		.cases = {{CONTEXT_ALL, COMPARE_REPORT, NULL, FINDING_NOTE}},
		.check = check_merges,
		.reads = "/sys/class/block/*/queue/nomerges",
		.why = "0: all merges are tried; 1: only cheap ones; 2: none, which saves time where requests are "
		       "random and loses throughput where they are sequential and small.",
		.costs = "Requests that could be one are several.",
		.cure = "echo 0 >/sys/class/block/%s/queue/nomerges",
		.lasting = "A udev rule that sets ATTR{queue/nomerges}.",
		.source = "Linux, Documentation/ABI/stable/sysfs-block",
	},
	{
		.id = "host.block.write-cache",
		.title = "cache of a disk",
		.contexts = CONTEXT_ALL,
		.check = check_write_cache,
		.reads = "/sys/class/block/*/queue/write_cache",
		.wants = "Nothing: it is reported.",
		.why = "The kernel sends flushes only to a device that has a volatile cache. One that is wrongly said "
		       "to be \"write through\" loses what guests believe to be on the disk.",
		.costs = "Flushes take time, which is the price of data that are safe.",
		.cure = "echo \"write back\" >/sys/class/block/%s/queue/write_cache",
		.lasting = "A udev rule that sets ATTR{queue/write_cache}.",
		.source = "Linux, Documentation/block/writeback_cache_control.rst",
	},
	{
		.id = "host.block.alignment",
		.title = "alignment through the stack",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "aligned all the way down", FINDING_WARN}},
		.check = check_alignment,
		.reads = "/sys/class/block/*/{alignment_offset,start,queue/{physical_block_size,optimal_io_size}}",
		.why = "A write that does not begin where a block of the device begins is a read and two writes.",
		.costs = "The partition or the array has to be made anew, and its data moved.",
		.cure = "lsblk -s -o NAME,ALIGNMENT,PHY-SEC,OPT-IO /dev/%s shows what it lies on; move the data to "
			"an aligned one",
		.lasting = "The same: parted -a optimal, pvcreate --dataalignment.",
		.source = "Linux, Documentation/ABI/stable/sysfs-block",
	},
	{
		.id = "host.block.redundancy",
		.title = "members of an array",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "none missing", FINDING_FAIL}},
		.check = check_redundancy,
		.reads = "/sys/class/block/*/md/{level,degraded}",
		.why = "The next failure loses data; until then reads of raid5 and raid6 are worked out of the others, "
		       "and rebuilding takes the disks' time.",
		.costs = "A disk; less I/O while it is rebuilt.",
		.cure = "mdadm --detail /dev/%s; mdadm /dev/%s --add DEVICE",
		.lasting = "mdadm --monitor with a mail address, and a spare.",
		.source = "Linux, Documentation/admin-guide/md.rst",
	},
	{
		.id = "host.block.loop",
		.title = "loop devices and the page cache",
		.contexts = CONTEXT_ALL,
		.cases = {{TUNED, COMPARE_EQUAL, "direct", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "direct", FINDING_NOTE}},
		.check = check_loop,
		.reads = "/sys/class/block/loop*/loop/{dio,backing_file}",
		.why = "Without direct I/O all data are cached twice: as pages of the loop device and of its file.",
		.costs = "Nothing, where the file's sector size allows it.",
		.cure = "losetup --direct-io=on /dev/%s",
		.lasting = "losetup --direct-io=on where it is set up.",
		.source = "losetup(8)",
	},
};

const struct rule_table rules_block = RULE_TABLE(rules);
