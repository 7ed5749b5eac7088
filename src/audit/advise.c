/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/advise_parts.h"
#include "audit/clean.h"
#include "audit/rules_guest.h"

static const char *const workload_names[] = {
	[WORKLOAD_MEASURED] = "measured", [WORKLOAD_GENERAL] = "general",       [WORKLOAD_LATENCY] = "latency",
	[WORKLOAD_DATABASE] = "database", [WORKLOAD_THROUGHPUT] = "throughput", [WORKLOAD_DENSITY] = "density",
	[WORKLOAD_UNKNOWN] = "unknown",
};

const char *advice_workload_name(enum advice_workload workload)
{
	return workload_names[workload];
}

bool advice_workload_find(const char *name, enum advice_workload *workload)
{
	for (unsigned i = WORKLOAD_GENERAL; i < WORKLOAD_UNKNOWN; i++) {
		if (strcmp(workload_names[i], name) == 0) {
			*workload = (enum advice_workload)i;
			return true;
		}
	}
	return false;
}

const char *advice_answer_name(enum advice_answer answer)
{
	return answer == ADVICE_VIRTIO ? "virtio" : answer == ADVICE_PASSTHROUGH ? "passthrough" : "neither";
}

static bool is_critical(const struct advice *advice)
{
	return advice->workload == WORKLOAD_LATENCY || advice->workload == WORKLOAD_DATABASE;
}

static struct advice_condition *add_condition(struct advice *advice, const char *what)
{
	struct advice_condition *condition = &advice->condition[advice->condition_count++];

	condition->what = what;
	return condition;
}

static void check_critical(struct advising *advising)
{
	const struct advice *advice = advising->advice;
	struct advice_condition *condition =
		add_condition(advising->advice, "the workload is critical at p99 and p99.9");

	condition->holds = is_critical(advice) ? 1 : advice->workload == WORKLOAD_UNKNOWN ? HOST_UNKNOWN : 0;
	condition->evidence = advice->workload_evidence;
	if (condition->holds != 1)
		condition->change = "its tail latency matters: say --workload latency, or database";
}

static void check_migration(struct advising *advising)
{
	struct advice_condition *condition = add_condition(advising->advice, "the guest is not migrated live");

	condition->holds = !(advising->options->needs & NEED_MIGRATION);
	condition->evidence = condition->holds ? "--needs does not name migration" : "--needs names migration";
	if (!condition->holds)
		condition->change = "live migration can be given up";
}

/* What needs the host between the guest and the device. */
static void check_between(struct advising *advising)
{
	struct advice_condition *condition =
		add_condition(advising->advice, "nothing needs the host between guest and device");
	const unsigned needs = advising->options->needs & (NEED_SHARING | NEED_SNAPSHOTS | NEED_LIMITS);

	condition->holds = !needs;
	condition->evidence =
		!needs ? "--needs names neither sharing, snapshots nor limits"
		       : tree_format(advising->tree, "--needs names%s%s%s", needs & NEED_SHARING ? " sharing" : "",
				     needs & NEED_SNAPSHOTS ? " snapshots" : "", needs & NEED_LIMITS ? " limits" : "");
	if (needs)
		condition->change = "that is done elsewhere: by the guest, or by the device";
}

static void check_failover(struct advising *advising)
{
	struct advice_condition *condition =
		add_condition(advising->advice, "there is a design for the failure of the device");

	condition->holds = advising->options->failover ? 1 : HOST_UNKNOWN;
	condition->evidence = condition->holds == 1 ? "--failover says so"
						    : "nobody can read that from a host: a device that resets is lost "
						      "to the guest, which nothing cushions";
	if (condition->holds != 1)
		condition->change = "its loss is designed for and tested (replication, a bond): say --failover";
}

static void check_conditions(struct advising *advising)
{
	check_critical(advising);
	if (advising->disk)
		advise_find_drive(advising, add_condition(advising->advice, "a drive can be the guest's alone"));
	else
		advise_find_function(advising,
				     add_condition(advising->advice, "a function of a NIC can be the guest's alone"));
	check_migration(advising);
	check_between(advising);
	advise_check_group(advising, add_condition(advising->advice, "VFIO can hand it out"));
	check_failover(advising);
}

static unsigned contexts_of(enum advice_workload workload)
{
	switch (workload) {
	case WORKLOAD_LATENCY:
		return audit_profile("low-latency");
	case WORKLOAD_DATABASE:
		return audit_profile("database") | audit_profile("low-latency");
	case WORKLOAD_THROUGHPUT:
		return audit_profile("database");
	case WORKLOAD_DENSITY:
		return audit_profile("density");
	default:
		return audit_profile("general");
	}
}

/* Whether a rule of guests speaks of the path alone, and not of limits that somebody set. */
static bool is_of_path(const struct advising *advising, const struct finding *finding)
{
	const char *id = finding->rule->id;

	if (advising->hostdev)
		return !strncmp(id, "guest.hostdev.", 14);
	if (advising->disk)
		return (!strncmp(id, "guest.disk.", 11) || !strncmp(id, "guest.image.", 12)) &&
		       strcmp(id, "guest.disk.throttle") != 0 && strcmp(id, "guest.disk.discard") != 0;
	return !strncmp(id, "guest.nic.", 10);
}

/* Whether the object of a finding is a device of the host that the path leads through. */
static bool is_under(const struct advising *advising, const char *object)
{
	const struct host_block *disks[16], *block;
	unsigned count;

	if (advising->hostdev)
		return !strcmp(object, advising->hostdev->address);
	if (advising->nic)
		return advising->nic->interface && !strcmp(object, advising->nic->interface);
	if (!advising->disk->image_count || !advising->disk->image[0].file)
		return false;
	block = host_block_of_path(advising->tree, &advising->host->blocks, advising->disk->image[0].file);
	if (!block)
		return false;
	count = host_block_disks(&advising->host->blocks, block, disks, sizeof(disks) / sizeof(disks[0]));
	for (unsigned i = 0; i < count; i++) {
		if (!strcmp(object, disks[i]->name))
			return true;
	}
	return !strcmp(object, block->name);
}

static const char *name_of(const struct advising *advising)
{
	const char *name = advising->hostdev ? advising->hostdev->address
			   : advising->disk  ? rule_disk_name(advising->disk)
					     : advising->nic->id;

	return name ? name : "nic";
}

static bool is_layer(const struct advising *advising, const struct finding *finding)
{
	if (finding->status < FINDING_WARN || !finding->object)
		return false;
	if (!finding->guest)
		return is_under(advising, finding->object);
	return finding->guest == advising->guest && is_of_path(advising, finding) &&
	       !strcmp(finding->object, name_of(advising));
}

static void find_layers(struct advising *advising)
{
	const struct audit_options options = {.contexts = contexts_of(advising->advice->workload),
					      .guest = advising->guest->name};
	const struct audit *audit = audit_run(advising->host, &options);
	struct advice *advice = advising->advice;

	for (size_t i = 0; i < audit->count && advice->layer_count < ADVICE_LAYERS; i++) {
		if (is_layer(advising, &audit->finding[i]))
			advice->layer[advice->layer_count++] = &audit->finding[i];
	}
}

static bool is_paravirtual(const struct advising *advising)
{
	if (advising->disk)
		return rule_word_is(advising->disk->bus, "virtio|scsi") || rule_is_vhost_user(advising->disk);
	return advising->nic->model && strncmp(advising->nic->model, "virtio", 6) == 0;
}

static bool all_hold(const struct advice *advice)
{
	for (unsigned i = 0; i < advice->condition_count; i++) {
		if (advice->condition[i].holds != 1)
			return false;
	}
	return true;
}

static bool none_fails(const struct advice *advice)
{
	for (unsigned i = 0; i < advice->condition_count; i++) {
		if (advice->condition[i].holds == 0)
			return false;
	}
	return true;
}

#define GIVES_UP "live migration, sharing, limits of the host and its cushion when the device resets"

/* Of what is passed through already: what cannot be read is no reason to take it away. */
static void decide_hostdev(struct advice *advice)
{
	if (all_hold(advice)) {
		advice->answer = ADVICE_PASSTHROUGH;
		advice->sentence = "it is what it should be: leave it";
	} else if (none_fails(advice)) {
		advice->answer = ADVICE_PASSTHROUGH;
		advice->sentence = "leave it, if what cannot be read from here holds, too";
	} else {
		advice->answer = ADVICE_VIRTIO;
		advice->sentence = "take virtio: not all that passthrough needs is given";
	}
	if (advice->answer == ADVICE_PASSTHROUGH)
		advice->gives_up = GIVES_UP;
}

static void decide(struct advising *advising)
{
	struct advice *advice = advising->advice;
	const char *model = advising->disk ? advising->disk->model : advising->nic->model;

	if (advising->hostdev) {
		decide_hostdev(advice);
	} else if (all_hold(advice)) {
		advice->answer = ADVICE_PASSTHROUGH;
		advice->sentence = tree_format(advising->tree, "hand out %s: all that passthrough needs is given",
					       advising->device->address);
		advice->gives_up = GIVES_UP;
	} else if (!is_paravirtual(advising)) {
		advice->answer = ADVICE_VIRTIO;
		advice->sentence =
			tree_format(advising->tree, "take virtio instead of %s, which is emulated step by step",
				    model ? audit_clean(advising->tree, model) : "what it has");
		advice->gives_up = "the guest needs virtio drivers; Windows has them to be installed first";
	} else if (advice->layer_count) {
		advice->answer = ADVICE_NEITHER;
		advice->sentence = advice->layer_count == 1
					   ? "virtio is there already: take out what is in its way needlessly"
					   : tree_format(advising->tree,
							 "virtio is there already: take out %u things that are in its "
							 "way needlessly",
							 advice->layer_count);
	} else if (advice->near_end && advice->way == ADVICE_WAY_VHOST_NET) {
		advice->answer = ADVICE_VIRTIO;
		advice->sentence = "stay with virtio, but by vhost-user: vhost-net is near its end";
		advice->gives_up = "a CPU of the host that polls, and the guest's memory is shared with the switch";
	} else {
		advice->answer = ADVICE_VIRTIO;
		advice->sentence = "it is what it should be: leave it";
	}
}

static struct advice *advise(struct advising *advising)
{
	advising->tree = advising->host->tree;
	advising->advice = tree_alloc(advising->tree, sizeof(*advising->advice));
	if (advising->nic)
		advise_traffic(advising);
	advise_workload(advising);
	check_conditions(advising);
	find_layers(advising);
	decide(advising);
	if (advising->advice->answer == ADVICE_PASSTHROUGH)
		advise_shape_passthrough(advising);
	else if (advising->disk)
		advise_shape_virtio_disk(advising);
	else
		advise_shape_virtio_nic(advising);
	return advising->advice;
}

struct advice *advise_disk(struct host *host, const struct guest *guest, const struct guest_disk *disk,
			   const struct advice_options *options)
{
	struct advising advising = {.host = host, .guest = guest, .disk = disk, .options = options};

	return advise(&advising);
}

struct advice *advise_nic(struct host *host, const struct guest *guest, const struct guest_nic *nic,
			  const struct advice_options *options)
{
	struct advising advising = {.host = host, .guest = guest, .nic = nic, .options = options};

	return advise(&advising);
}

#define CLASS_STORAGE 0x01u
#define CLASS_NETWORK 0x02u

struct advice *advise_hostdev(struct host *host, const struct guest *guest, const struct guest_hostdev *hostdev,
			      const struct advice_options *options)
{
	const struct host_pci_device *device = hostdev->address ? host_pci_find(&host->pci, hostdev->address) : NULL;
	struct advising advising = {
		.host = host, .guest = guest, .hostdev = hostdev, .options = options, .device = device};
	struct guest_disk *disk;
	struct guest_nic *nic;

	if (device && device->class >> 16 == CLASS_STORAGE) {
		disk = tree_alloc(host->tree, sizeof(*disk));
		*disk = (struct guest_disk){.id = hostdev->id, .queues = HOST_UNKNOWN, .queue_size = HOST_UNKNOWN};
		advising.disk = disk;
	} else if (device && device->class >> 16 == CLASS_NETWORK) {
		nic = tree_alloc(host->tree, sizeof(*nic));
		*nic = (struct guest_nic){.id = hostdev->id, .queues = HOST_UNKNOWN};
		advising.nic = nic;
	} else {
		return NULL;
	}
	return advise(&advising);
}
