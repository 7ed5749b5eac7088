/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* The device a guest sees and what serves it: bus, queues, I/O threads, cache and AIO mode. The image:
 * rules_guest_image.c. */

typedef void disk_check(struct audit *audit, const struct rule *rule, const struct guest_disk *disk);

static void each_disk(struct audit *audit, const struct rule *rule, disk_check *check)
{
	for (unsigned i = 0; i < audit->guest->disk_count; i++) {
		if (rule_is_disk(&audit->guest->disk[i]))
			check(audit, rule, &audit->guest->disk[i]);
	}
}

static void check_bus_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	if (!disk->bus)
		audit_unknown(audit, rule, rule_disk_name(disk), 0, "its bus is not known");
	else
		rule_verdict(audit, rule, rule_word_is(disk->bus, "virtio|scsi"), rule_disk_name(disk),
			     disk->model ? tree_format(audit->host->tree, "%s (%s)", disk->bus, disk->model)
					 : disk->bus,
			     NULL);
}

static void check_bus(struct audit *audit, const struct rule *rule)
{
	each_disk(audit, rule, check_bus_of);
}

/* Those that QEMU serves, by a device that can be given an I/O thread. */
static bool can_have_iothread(const struct guest_disk *disk)
{
	return !rule_is_vhost_user(disk) && rule_word_is(disk->bus, "virtio|scsi");
}

static void check_iothread_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	if (can_have_iothread(disk))
		rule_verdict(audit, rule, disk->iothread || disk->iothread_count, rule_disk_name(disk),
			     disk->iothread         ? disk->iothread
			     : disk->iothread_count ? "a mapping of its queues"
						    : "the main loop",
			     NULL);
}

static void check_iothread(struct audit *audit, const struct rule *rule)
{
	each_disk(audit, rule, check_iothread_of);
}

static unsigned disks_of(const struct guest *guest)
{
	unsigned count = 0;

	for (unsigned i = 0; i < guest->disk_count; i++)
		count += rule_is_disk(&guest->disk[i]);
	return count;
}

/* More I/O threads than disks are idle, more than two a CPU take turns. Queue mappings are why there may be more. */
static void check_iothread_count(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;
	unsigned wanted = disks_of(guest);

	if (!guest->iothread_count)
		return;
	for (unsigned i = 0; i < guest->disk_count; i++)
		wanted += guest->disk[i].iothread_count;
	if (audit->host->cpus.count && wanted > 2 * audit->host->cpus.count)
		wanted = 2 * audit->host->cpus.count;
	rule_verdict(audit, rule, guest->iothread_count <= wanted, NULL,
		     tree_format(audit->host->tree, "%u for %u disks on %u CPUs", guest->iothread_count,
				 disks_of(guest), audit->host->cpus.count),
		     NULL);
}

static void check_mapping_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	if (can_have_iothread(disk) && disk->queues > 1 && (disk->iothread || disk->iothread_count))
		rule_verdict(audit, rule, disk->iothread_count > 1, rule_disk_name(disk),
			     tree_format(audit->host->tree, "%lld queues, %u I/O threads", (long long)disk->queues,
					 disk->iothread_count ? disk->iothread_count : 1),
			     NULL);
}

static void check_mapping(struct audit *audit, const struct rule *rule)
{
	each_disk(audit, rule, check_mapping_of);
}

#define POLL_MOST_NS 1000000

static void check_poll(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;
	const bool saves = audit_is_for(audit, CONTEXT_DENSITY);

	for (unsigned i = 0; i < guest->iothread_count; i++) {
		const int64_t poll = guest->iothread[i].poll_max_ns;

		if (poll == HOST_UNKNOWN)
			audit_unknown(audit, rule, guest->iothread[i].name, 0, "poll-max-ns is not known");
		else
			rule_verdict(audit, rule, (poll > 0 || saves) && poll <= POLL_MOST_NS, guest->iothread[i].name,
				     tree_format(audit->host->tree, "%lld ns", (long long)poll), "%s",
				     poll ? "it burns a CPU while it waits" : "it sleeps after each request");
	}
}

static bool is_older(const char *version, int major, int minor)
{
	int own_major, own_minor;

	return sscanf(version, "%d.%d", &own_major, &own_minor) == 2 &&
	       (own_major < major || (own_major == major && own_minor < minor));
}

/* Whether the machine type keeps what QEMU did before 5.2, whatever QEMU it is: "pc-i440fx-4.2", "pc-q35-rhel8.3.0". */
static bool is_old_machine(const char *machine)
{
	static const char old_ubuntu[] = "trusty|utopic|vivid|wily|xenial|yakkety|zesty|artful|bionic|cosmic|disco|"
					 "eoan|focal|groovy";
	const char *dash = machine ? strrchr(machine, '-') : NULL;
	char word[32];

	if (!dash)
		return false;
	if (!strncmp(dash + 1, "rhel", 4))
		return is_older(dash + 5, 8, 4);
	/* "focal", and "5.1+pve0" */
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(dash + 1, "+"), dash + 1);
	return is_older(word, 5, 2) || rule_word_is(word, old_ubuntu);
}

/* QEMU gives virtio-blk and virtio-scsi a queue for each vCPU since 5.2; libvirt leaves that to it. */
static int64_t queues_of(const struct guest *guest, const struct guest_disk *disk)
{
	int major, minor;

	if (disk->queues != HOST_UNKNOWN)
		return disk->queues;
	if (is_old_machine(guest->machine))
		return 1;
	if (!guest->version || sscanf(guest->version, "%d.%d", &major, &minor) != 2)
		return HOST_UNKNOWN;
	return major > 5 || (major == 5 && minor >= 2) ? guest->vcpu_count : 1;
}

static void check_queues_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	const struct guest *guest = audit->guest;
	const int64_t queues = queues_of(guest, disk);
	const unsigned vcpus = guest->vcpu_count;

	if (!rule_word_is(disk->bus, "virtio|scsi"))
		return;
	if (queues == HOST_UNKNOWN || !vcpus) {
		audit_unknown(audit, rule, rule_disk_name(disk), 0, "%s",
			      vcpus ? "how many queues it has is not known" : "its vCPUs are not known");
		return;
	}
	rule_verdict(audit, rule, queues >= vcpus, rule_disk_name(disk),
		     tree_format(audit->host->tree, "%lld for %u vCPUs", (long long)queues, vcpus), "%s",
		     queues == 1 ? "all vCPUs share one queue, its lock and its interrupt" : "vCPUs share queues");
}

static void check_queues(struct audit *audit, const struct rule *rule)
{
	each_disk(audit, rule, check_queues_of);
}

/* Those whose image the host reads by itself: cache and AIO modes are about its page cache. */
static bool is_of_host(const struct guest_disk *disk)
{
	const char *protocol = disk->image_count ? disk->image[disk->image_count - 1].protocol : NULL;

	return !rule_is_vhost_user(disk) && (!protocol || rule_word_is(protocol, "file|host_device|host_cdrom"));
}

static void check_cache_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	const char *name = rule_disk_name(disk);

	if (rule_is_vhost_user(disk))
		return;
	if (!disk->cache)
		audit_unknown(audit, rule, name, 0, "its cache mode is not known");
	else if (!strcmp(disk->cache, "unsafe") && disk->read_only != 1)
		audit_found(audit, rule, FINDING_FAIL, name, disk->cache, "none or directsync",
			    "the guest's flushes are ignored: what it was told is durable is lost with the host");
	else
		rule_verdict(audit, rule,
			     disk->read_only == 1 || !is_of_host(disk) || rule_word_is(disk->cache, "none|directsync"),
			     name, disk->cache, NULL);
}

static void check_cache(struct audit *audit, const struct rule *rule)
{
	each_disk(audit, rule, check_cache_of);
}

static void check_aio_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	if (!is_of_host(disk) || disk->read_only == 1)
		return;
	if (!disk->aio)
		audit_unknown(audit, rule, rule_disk_name(disk), 0, "its AIO mode is not known");
	else
		rule_verdict(audit, rule, rule_word_is(disk->aio, "native|io_uring"), rule_disk_name(disk), disk->aio,
			     NULL);
}

static void check_aio(struct audit *audit, const struct rule *rule)
{
	each_disk(audit, rule, check_aio_of);
}

static void check_discard_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	const bool discards = rule_word_is(disk->discard, "unmap|on");
	const bool detects = rule_word_is(disk->detect_zeroes, "on|unmap");
	const char *value = tree_format(audit->host->tree, "discard %s, detect-zeroes %s",
					disk->discard ? disk->discard : "not said",
					disk->detect_zeroes ? disk->detect_zeroes : "not said");

	if (disk->read_only == 1 || rule_is_vhost_user(disk))
		return;
	if (rule_word_is(disk->detect_zeroes, "unmap") && !discards)
		audit_found(audit, rule, FINDING_WARN, rule_disk_name(disk), value,
			    "discard=unmap with detect-zeroes=unmap",
			    "zeroes are looked for in every write and cannot be given back");
	else
		rule_verdict(audit, rule, disk->discard && !detects, rule_disk_name(disk), value, "%s",
			     detects ? "every write is searched for zeroes"
				     : "what the guest frees stays allocated unless somebody meant that");
}

static void check_discard(struct audit *audit, const struct rule *rule)
{
	each_disk(audit, rule, check_discard_of);
}

static void check_throttle_of(struct audit *audit, const struct rule *rule, const struct guest_disk *disk)
{
	const struct guest_throttle *limit = &disk->throttle;

	rule_verdict(audit, rule, limit->iops <= 0 && limit->bps <= 0, rule_disk_name(disk),
		     limit->iops > 0 && limit->bps > 0
			     ? tree_format(audit->host->tree, "%lld I/Os and %s a second", (long long)limit->iops,
					   rule_size(audit, (uint64_t)limit->bps))
		     : limit->iops > 0 ? tree_format(audit->host->tree, "%lld I/Os a second", (long long)limit->iops)
		     : limit->bps > 0
			     ? tree_format(audit->host->tree, "%s a second", rule_size(audit, (uint64_t)limit->bps))
			     : "none",
		     NULL);
}

static void check_throttle(struct audit *audit, const struct rule *rule)
{
	each_disk(audit, rule, check_throttle_of);
}

#define TUNED (CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME)

static const struct rule rules[] = {
	{
		.id = "guest.disk.bus",
		.title = "bus the guest's disk is on",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "virtio|virtio-scsi", FINDING_WARN}},
		.check = check_bus,
		.of_guest = true,
		.reads = "the guest's definition: -device, <target bus=>",
		.why = "IDE, SATA, USB and emulated controllers take several exits for each request, in the main loop, "
		       "one "
		       "request or 32 at a time.",
		.costs = "The guest needs a virtio driver, Windows an additional one.",
		.cure = "Chosen at start: -device virtio-blk-pci, or scsi-hd on virtio-scsi-pci.",
		.lasting = "libvirt: <target dev='vda' bus='virtio'/>.",
		.source = "Red Hat, Virtualization Tuning and Optimization: Block I/O",
	},
	{
		.id = "guest.disk.iothread",
		.title = "I/O thread of a disk",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_DENSITY, COMPARE_EQUAL, "an I/O thread", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "an I/O thread", FINDING_WARN}},
		.check = check_iothread,
		.of_guest = true,
		.reads = "the guest's definition: iothread=, <driver iothread=>",
		.why = "Without one the disk is served by QEMU's main loop, beside the monitor, timers and every "
		       "emulated device, "
		       "and under a lock that vCPUs take too.",
		.costs = "A thread, which may want a CPU of its own.",
		.cure = "Chosen at start: -object iothread,id=io0 and iothread=io0 of the device.",
		.lasting = "libvirt: <iothreads>1</iothreads>, <driver name='qemu' iothread='1'/>.",
		.source = "libvirt, Domain XML: IOThreads Allocation; IBM, KVM block I/O best practices",
	},
	{
		.id = "guest.iothread.count",
		.title = "number of I/O threads",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "no more than disks, nor than two a CPU of the host",
			   FINDING_NOTE}},
		.check = check_iothread_count,
		.of_guest = true,
		.reads = "the guest's definition: -object iothread, <iothreads>",
		.why = "A disk without a mapping of its queues uses one I/O thread: more of them are idle, and more "
		       "than the host "
		       "has CPUs for take turns.",
		.costs = "Nothing.",
		.cure = "virsh iothreaddel GUEST ID, or object_del in the monitor.",
		.lasting = "Start it with fewer.",
		.source = "libvirt, Domain XML: IOThreads Allocation",
	},
	{
		.id = "guest.disk.queue-mapping",
		.title = "queues spread over I/O threads",
		.contexts = CONTEXT_THROUGHPUT,
		.cases = {{CONTEXT_THROUGHPUT, COMPARE_EQUAL, "two or more I/O threads for hot disks", FINDING_NOTE}},
		.check = check_mapping,
		.of_guest = true,
		.reads = "the guest's definition: iothread-vq-mapping (QEMU 9.0), <iothreads> of a disk's driver "
			 "(libvirt 10.0)",
		.why = "All queues of the disk end in one thread: several queues help the guest then, but not what one "
		       "thread can "
		       "do, some 300,000 requests a second.",
		.costs = "I/O threads, and CPUs for them.",
		.cure = "Chosen at start: iothread-vq-mapping of virtio-blk-pci, in JSON.",
		.lasting = "libvirt: <driver><iothreads><iothread id='1'/>...</iothreads></driver>.",
		.source = "QEMU 9.0, virtio-blk-pci; libvirt 10.0",
	},
	{
		.id = "guest.iothread.poll",
		.title = "polling of I/O threads",
		.contexts = CONTEXT_LATENCY | CONTEXT_REALTIME | CONTEXT_DENSITY,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL,
			   "from 1 to 1000000 ns; 32768 is QEMU's default", FINDING_WARN},
			  {CONTEXT_DENSITY, COMPARE_EQUAL, "up to 1000000 ns", FINDING_NOTE}},
		.check = check_poll,
		.of_guest = true,
		.reads = "poll-max-ns: query-iothreads, or the guest's definition",
		.why = "An I/O thread that looks for a while before it sleeps saves the wake-up and the kick for what "
		       "comes soon; "
		       "one that looks too long is a CPU that is always busy.",
		.costs = "CPU time while it polls.",
		.cure = "qom-set /objects/io0 poll-max-ns 32768 by QMP, or virsh iothreadset GUEST ID --poll-max-ns "
			"32768.",
		.lasting = "-object iothread,id=io0,poll-max-ns=32768; libvirt: <iothread id='1'><poll max='32768'/>.",
		.source = "QEMU, -object iothread",
	},
	{
		.id = "guest.disk.queues",
		.title = "queues of a disk",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_DENSITY, COMPARE_EQUAL, "one for each vCPU", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "one for each vCPU", FINDING_WARN}},
		.check = check_queues,
		.of_guest = true,
		.reads = "the guest's definition: num-queues=, <driver queues=>; QEMU's default by version and machine "
			 "type",
		.why = "vCPUs that share a queue take turns at its lock, and its interrupt goes to one of them, which "
		       "is not the "
		       "one that waits.",
		.costs = "Some memory and an interrupt vector for each queue.",
		.cure = "Chosen at start: num-queues=N of virtio-blk-pci, or of virtio-scsi-pci.",
		.lasting = "libvirt: <driver name='qemu' queues='N'/>.",
		.source = "QEMU, virtio-blk-pci; IBM, KVM block I/O best practices",
	},
	{
		.id = "guest.disk.cache",
		.title = "cache mode of a disk",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_DENSITY, COMPARE_EQUAL, "none|directsync", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "none|directsync", FINDING_WARN}},
		.check = check_cache,
		.of_guest = true,
		.reads = "the guest's definition: cache=, cache.direct, cache.no-flush, <driver cache=>; query-block",
		.why = "Through the host's page cache data is kept twice, written in bursts that belong to nobody, and "
		       "a flush "
		       "waits for them. unsafe ignores flushes: a failure, whatever the context.",
		.costs = "none does not use the host's free memory as a cache, from which guests with little memory "
			 "profit.",
		.cure = "Chosen at start: cache=none, or cache.direct=on. writeback where it is meant.",
		.lasting = "libvirt: <driver cache='none'/>.",
		.source = "Red Hat, Virtualization Tuning and Optimization: Caching; libvirt",
	},
	{
		.id = "guest.disk.aio",
		.title = "how QEMU does a disk's I/O",
		.contexts = CONTEXT_ALL,
		.cases = {{TUNED, COMPARE_EQUAL, "native|io_uring", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "native|io_uring", FINDING_NOTE}},
		.check = check_aio,
		.of_guest = true,
		.reads = "the guest's definition: aio=, <driver io=>",
		.why = "threads hands each request to a pool of up to 64 threads: two context switches a request, on "
		       "whatever CPU "
		       "is free.",
		.costs = "native wants cache=none and may block where a file has to be allocated; io_uring wants a "
			 "kernel from 5.6.",
		.cure = "Chosen at start: aio=native or aio=io_uring.",
		.lasting = "libvirt: <driver io='native'/>.",
		.source = "Red Hat, Virtualization Tuning and Optimization: Disk I/O Modes",
	},
	{
		.id = "guest.disk.discard",
		.title = "discard and detection of zeroes",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "discard=unmap or discard=ignore, on purpose; detect-zeroes=off",
			   FINDING_NOTE}},
		.check = check_discard,
		.of_guest = true,
		.reads = "the guest's definition: discard=, detect-zeroes=, <driver discard=>",
		.why = "Discards that reach the image keep it small and a flash device fast; discards at a bad time "
		       "are "
		       "latency. Either is right where it was decided.",
		.costs = "unmap: trims of the guest become work of the host's. ignore: images only grow.",
		.cure = "Chosen at start: discard=unmap, and a schedule for fstrim in the guest.",
		.lasting = "libvirt: <driver discard='unmap' detect_zeroes='off'/>.",
		.source = "QEMU, -blockdev; libvirt, Domain XML: Hard drives",
	},
	{
		.id = "guest.disk.throttle",
		.title = "limits of a disk",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "none that is not known of", FINDING_NOTE}},
		.check = check_throttle,
		.of_guest = true,
		.reads = "the guest's definition: throttling.*, throttle-group, <iotune>; query-block",
		.why = "Requests above a limit wait in QEMU: in the guest that looks like a slow disk, on the host "
		       "like an idle one.",
		.costs = "Without limits one disk can take all of a device.",
		.cure = "virsh blkdeviotune GUEST DISK, or block_set_io_throttle by QMP.",
		.lasting = "libvirt: <iotune>.",
		.source = "libvirt, Domain XML: Hard drives",
	},
};

const struct rule_table rules_guest_disk = RULE_TABLE(rules);
