/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "audit/rules_guest.h"
#include "audit/suspect.h"
#include "host/group_io.h"

/* Is what is below the guest's disks slow: saturated, slow by itself, or held back by a limit? */

#define BUSY      0.85
#define SLOW_NS   5e6 /* a request to something without moving parts */
#define SLOW_DISK 25e6
#define SLOWEST   20 /* so many times that explains it all */
#define AT_LIMIT  0.9

static double limit_of(const struct host_block *block)
{
	return block->rotational == 1 ? SLOW_DISK : SLOW_NS;
}

static const char *disk_text(struct suspicion *suspicion, const struct observed_disk *disk)
{
	return tree_format(suspicion->diagnosis->host->tree, "%s was %s busy with %.0f requests a second, %s each",
			   disk->block->name, suspect_share(suspicion, series_mean(&disk->utilization)),
			   series_mean(&disk->ios),
			   disk->await_ns.count ? suspect_ns(suspicion, series_mean(&disk->await_ns)) : "none");
}

/* Requests of its own queue up before a saturated device; a slow one is slow with few. */
static bool is_saturated(const struct observed_disk *disk)
{
	return series_mean(&disk->utilization) >= BUSY && series_mean(&disk->depth) >= 2 &&
	       series_mean(&disk->await_ns) >= limit_of(disk->block) / 5;
}

static bool is_slow(const struct observed_disk *disk)
{
	return series_mean(&disk->await_ns) >= limit_of(disk->block);
}

static bool has_disks(struct suspicion *suspicion)
{
	for (unsigned i = 0; i < suspicion->seen->disk_count; i++) {
		if (suspicion->seen->disk[i].utilization.count)
			return true;
	}
	if (suspicion->seen->disk_count)
		suspect_unknown(suspicion, "/proc/diskstats could not be read twice");
	else
		suspect_unknown(suspicion, "no block device of this host is known to be below its disks");
	return false;
}

/* times: of what a request of such a disk should take */
typedef void accuse_disk(struct suspicion *suspicion, const struct observed_disk *disk, double times);

static void look_at_disks(struct suspicion *suspicion, bool (*is_guilty)(const struct observed_disk *disk),
			  accuse_disk *accuse)
{
	if (!has_disks(suspicion))
		return;
	for (unsigned i = 0; i < suspicion->seen->disk_count; i++) {
		const struct observed_disk *disk = &suspicion->seen->disk[i];

		if (!disk->utilization.count)
			continue;
		if (is_guilty(disk))
			accuse(suspicion, disk, series_mean(&disk->await_ns) / limit_of(disk->block));
		else
			suspect_clear(suspicion, "%s", disk_text(suspicion, disk));
	}
}

static void accuse_saturated(struct suspicion *suspicion, const struct observed_disk *disk, double times)
{
	suspect_found(suspicion, suspect_weight(times, 0.2, SLOWEST, 65, 90), "%s, %.1f under way",
		      disk_text(suspicion, disk), series_mean(&disk->depth));
	suspect_next(suspicion, "iostat -x 1 %s; strait map %s", disk->block->name, suspect_guest(suspicion));
}

static void look_at_saturation(struct suspicion *suspicion)
{
	look_at_disks(suspicion, is_saturated, accuse_saturated);
}

static bool is_only_slow(const struct observed_disk *disk)
{
	return is_slow(disk) && !is_saturated(disk);
}

static void accuse_slow(struct suspicion *suspicion, const struct observed_disk *disk, double times)
{
	suspect_found(suspicion, suspect_weight(times, 1, SLOWEST, 60, 91), "%s, worst interval %s",
		      disk_text(suspicion, disk), suspect_ns(suspicion, disk->await_ns.worst));
	suspect_next(suspicion, "iostat -x 1 %s; nvme smart-log or smartctl -a of its device", disk->block->name);
}

static void look_at_slowness(struct suspicion *suspicion)
{
	look_at_disks(suspicion, is_only_slow, accuse_slow);
}

static const char *const stage_titles[][2] = {
	{"ring", "its worker looked late at the ring"},       {"held", "a limit (QoS) held requests"},
	{"submit", "its worker was slow to pass them on"},    {"backend", "the back end was slow"},
	{"publish", "its worker was slow to give them back"}, {"notify", "the guest was told late"},
};

#define STAGES (sizeof(stage_titles) / sizeof(*stage_titles))

/* p99 of what straitd measured, and where most of it went. */
static void look_at_budget(struct suspicion *suspicion, const struct guest_disk *disk,
			   const struct host_straitd_disk *served)
{
	const json_t *budget = served->budget, *level = json_array_get(json_object_get(budget, "levels"), 1);
	const json_t *stages = json_object_get(level, "stages");
	const double total = json_number_value(json_object_get(level, "total-ns"));
	const double requests = json_number_value(json_object_get(budget, "requests"));
	size_t most = 0;
	double ns[STAGES];

	for (size_t i = 0; i < STAGES; i++) {
		ns[i] = json_number_value(json_object_get(stages, stage_titles[i][0]));
		most = ns[i] > ns[most] ? i : most;
	}
	if (!budget || requests <= 0 || total <= 0) {
		suspect_unknown(suspicion, "straitd has no requests of %s to tell about", rule_disk_name(disk));
		return;
	}
	if (total < SLOW_NS) {
		suspect_clear(suspicion, "p99 of %s is %s in straitd", rule_disk_name(disk),
			      suspect_ns(suspicion, total));
		return;
	}
	suspect_found(suspicion, suspect_weight(total / SLOW_NS, 1, SLOWEST, 66, 95),
		      "p99 of %s is %s in straitd, and %s of that is the stage \"%s\": %s", rule_disk_name(disk),
		      suspect_ns(suspicion, total), suspect_share(suspicion, ns[most] / total), stage_titles[most][0],
		      stage_titles[most][1]);
	suspect_next(suspicion, "strait budget %s; strait slow %s", served->name ? served->name : "",
		     served->name ? served->name : "");
}

static void look_at_straitd(struct suspicion *suspicion)
{
	const struct guest *guest = suspicion->seen->guest;
	unsigned known = 0;

	for (unsigned i = 0; i < guest->disk_count; i++) {
		const struct host_straitd_disk *served = NULL;

		if (guest->disk[i].vhost_socket)
			served = host_straitd_by_socket(&suspicion->seen->host->straitd, guest->disk[i].vhost_socket);
		if (!served)
			continue;
		known++;
		look_at_budget(suspicion, &guest->disk[i], served);
	}
	if (!known)
		suspect_unknown(suspicion, "none of its disks is served by a straitd that answers");
}

static double below_ns(const struct observed_guest_disk *disk)
{
	return disk->below ? series_mean(&disk->below->await_ns) : NAN;
}

/* Not where the device had no requests: that they wait above it is then certain. Nor where it is not known. */
static bool is_mostly_below(const struct observed_guest_disk *disk)
{
	return below_ns(disk) >= series_mean(&disk->await_ns) / 2;
}

/*
 * How slow the guest's requests are is what it suffers, not why. What is left when the device's part is taken off is
 * QEMU's: image formats, limits, and threads that do not run.
 */
static void look_at_requests(struct suspicion *suspicion)
{
	const struct observation *seen = suspicion->seen;
	bool counted = false;

	for (unsigned i = 0; i < seen->guest->disk_count; i++) {
		const struct observed_guest_disk *disk = &seen->guest_disk[i];
		const double all = series_mean(&disk->await_ns);
		const double below = below_ns(disk);
		const char *text;

		if (!disk->ios.count)
			continue;
		counted = true;
		if (!disk->await_ns.count)
			continue;
		text = tree_format(seen->host->tree, "%s: %.0f requests a second of %s each by QEMU's count%s%s",
				   rule_disk_name(disk->disk), series_mean(&disk->ios), suspect_ns(suspicion, all),
				   isnan(below) ? "" : ", the device below took ",
				   isnan(below) ? "" : suspect_ns(suspicion, below));
		if (all < SLOW_NS) {
			suspect_clear(suspicion, "%s", text);
			continue;
		}
		suspect_found(suspicion, suspect_weight(all / SLOW_NS, 1, SLOWEST, 42, 58), "%s%s", text,
			      isnan(below)            ? ""
			      : is_mostly_below(disk) ? ": most of it is the device's"
						      : ": most of it is spent in QEMU");
		suspect_next(suspicion, "strait map %s %s", suspect_guest(suspicion), rule_disk_name(disk->disk));
	}
	if (counted)
		suspect_clear(suspicion, "its disks had no requests");
	else
		suspect_unknown(suspicion, "QEMU could not be asked for its statistics (QMP, query-blockstats)");
}

/* What the device did was seen, so that what it did not do is known, too: a server's (NBD, RBD) never is. */
static bool is_above(const struct observed_guest_disk *disk)
{
	return disk->below && disk->below->utilization.count && !is_mostly_below(disk);
}

/*
 * At its limit by QEMU's count, a disk is slow for no other reason. One that asks in bursts stays below it on average:
 * what tells then is that its requests wait above the device.
 */
static bool is_held_back(const struct observed_guest_disk *disk, double share)
{
	return share >= AT_LIMIT || (share >= 0.4 && series_mean(&disk->await_ns) >= SLOW_NS && is_above(disk));
}

static double share_of(double value, int64_t limit)
{
	return limit > 0 ? value / (double)limit : 0;
}

static void tell_throttle(struct suspicion *suspicion, const struct observed_guest_disk *disk)
{
	const struct guest_throttle *limit = &disk->disk->throttle;
	const double ios = series_mean(&disk->ios);
	const double bytes = series_mean(&disk->bytes);
	const bool by_ios = is_held_back(disk, share_of(ios, limit->iops));
	const bool by_bytes = is_held_back(disk, share_of(bytes, limit->bps));
	struct tree *tree = suspicion->diagnosis->host->tree;

	suspect_found(suspicion, by_ios || by_bytes ? 88 : 35,
		      "%s is limited to %lld I/Os and %lld bytes a second (0: no limit)%s", rule_disk_name(disk->disk),
		      (long long)limit->iops, (long long)limit->bps,
		      by_ios     ? tree_format(tree, ", and did %.1f I/Os a second of %s each", ios,
					       suspect_ns(suspicion, series_mean(&disk->await_ns)))
		      : by_bytes ? tree_format(tree, ", and moved %.0f bytes a second", bytes)
				 : "");
	suspect_next(suspicion, "virsh blkdeviotune %s %s, or query-block of QMP", suspect_guest(suspicion),
		     rule_disk_name(disk->disk));
}

static const struct observed_group *group_of(const struct observation *seen, const struct group_io *limit)
{
	static const struct observed_group unknown;

	for (unsigned i = 0; i < seen->group_count; i++) {
		if (seen->group[i].major == limit->major && seen->group[i].minor == limit->minor)
			return &seen->group[i];
	}
	return &unknown;
}

/* The guest's disk that is on a device: it shows whether requests wait above. NULL: none that is known. */
static const struct observed_guest_disk *disk_on(const struct observation *seen, const struct host_block *block)
{
	for (unsigned i = 0; i < seen->disk_count; i++) {
		for (unsigned k = 0; seen->disk[i].block == block && k < seen->guest->disk_count; k++) {
			if (seen->guest_disk[k].disk == seen->disk[i].of)
				return &seen->guest_disk[k];
		}
	}
	return NULL;
}

/* A line of io.max, and what io.stat says that the group did on that device. Returns whether it limits anything. */
static bool tell_group(struct suspicion *suspicion, const struct group_io *limit)
{
	const struct observation *seen = suspicion->seen;
	const struct observed_group *group = group_of(seen, limit);
	const struct host_block *block = host_block_by_number(&seen->host->blocks, limit->major, limit->minor);
	const struct {
		const char *what;
		int64_t limit;
		double did;
	} kinds[] = {
		{"reads", limit->reads, series_mean(&group->reads)},
		{"writes", limit->writes, series_mean(&group->writes)},
		{"bytes read", limit->read_bytes, series_mean(&group->read_bytes)},
		{"bytes written", limit->write_bytes, series_mean(&group->write_bytes)},
	};
	const struct observed_guest_disk *disk = disk_on(seen, block);
	const char *allowed = "", *did = "";
	struct tree *tree = seen->host->tree;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const double share = share_of(kinds[i].did, kinds[i].limit);

		if (kinds[i].limit <= 0)
			continue;
		allowed = tree_format(tree, "%s%s%lld %s", allowed, *allowed ? ", " : "", (long long)kinds[i].limit,
				      kinds[i].what);
		if (disk ? is_held_back(disk, share) : share >= AT_LIMIT)
			did = tree_format(tree, "%s, and it did %.1f %s", did, kinds[i].did, kinds[i].what);
	}
	if (!*allowed)
		return false;
	suspect_found(suspicion, *did ? 88 : 36, "io.max of its control group lets it do %s a second on %s%s", allowed,
		      block ? block->name : tree_format(tree, "%u:%u", limit->major, limit->minor), did);
	suspect_next(suspicion, "virsh blkiotune %s, or io.max and io.stat of its control group",
		     suspect_guest(suspicion));
	return true;
}

static void look_at_limits(struct suspicion *suspicion)
{
	const struct guest *guest = suspicion->seen->guest;
	const char *at = guest->io_max;
	struct group_io limit;
	bool grouped = false;

	while ((at = group_io_next(at, &limit)))
		grouped |= tell_group(suspicion, &limit);
	for (unsigned i = 0; i < guest->disk_count; i++) {
		if (guest->disk[i].throttle.iops > 0 || guest->disk[i].throttle.bps > 0)
			tell_throttle(suspicion, &suspicion->seen->guest_disk[i]);
	}
	if (!guest->io_max)
		suspect_unknown(suspicion, "io.max of its control group could not be read");
	else if (guest->disk_count || grouped)
		suspect_clear(suspicion, "neither its disks nor its control group have limits");
	else
		suspect_unknown(suspicion, "its disks are not known");
}

const struct suspect suspects_storage[] = {
	{
		.id = "storage.saturated",
		.title = "the device below is saturated",
		.cure = "Less load on it, or a faster one: more depth only makes the waiting room larger.",
		.look = look_at_saturation,
	},
	{
		.id = "storage.slow",
		.title = "the device below is slow although it is not saturated",
		.cure = "Look at the device: errors, firmware, power states, temperature, what else is on it.",
		.look = look_at_slowness,
	},
	{
		.id = "storage.straitd",
		.title = "straitd sees slow requests",
		.cure = "The stage says whose it is: back end, a limit, or a worker without a CPU.",
		.look = look_at_straitd,
	},
	{
		.id = "storage.requests",
		.title = "the guest's requests take long",
		.cure = "Those above say why. If none does: the layers between guest and device (strait map).",
		.look = look_at_requests,
	},
	{
		.id = "storage.limits",
		.title = "limits on its I/O",
		.cure = "Raise them where they are not meant.",
		.look = look_at_limits,
	},
	{.id = NULL},
};
