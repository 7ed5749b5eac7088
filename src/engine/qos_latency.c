/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/qos_latency.h"

#include <stddef.h>

#define CALM    5   /* intervals without a miss before anybody gets more */
#define SPARE   20  /* intervals without need before a cap goes */
#define ROOM    0.8 /* of a target: above it is not the time to try */
#define PROBE   100 /* intervals between two attempts at more than is known to be good */
#define CAP_MAX 1024

static bool all_have_room(struct latency_disk *const *disks, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (disks[i]->target_ns && (double)disks[i]->p99_ns > ROOM * (double)disks[i]->target_ns)
			return false;
	}
	return true;
}

static bool any_missed(struct latency_disk *const *disks, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (qos_latency_missed(disks[i]))
			return true;
	}
	return false;
}

/* Who can have less. */
static struct latency_disk *largest(struct latency_disk *const *disks, unsigned count)
{
	struct latency_disk *found = NULL;

	for (unsigned i = 0; i < count; i++) {
		struct latency_disk *disk = disks[i];

		if (qos_latency_missed(disk) || disk->cap == 1 || disk->load <= 0)
			continue;
		if (!found || disk->load > found->load)
			found = disk;
	}
	return found;
}

static void lower(struct latency_disk *disk)
{
	const double now = disk->cap && disk->cap < disk->under_way ? disk->cap : disk->under_way;

	disk->cap = now >= 2 * CAP_MAX ? CAP_MAX : now >= 4 ? (uint32_t)(now / 2) : 1;
	disk->too_much = now >= CAP_MAX ? CAP_MAX : (uint32_t)now;
	disk->waits = disk->spare = 0;
}

/* Three quarters of what was too much are known to be good, or are soon found not to be. */
static bool goes_up(struct latency_disk *disk)
{
	const uint32_t step = disk->cap < 8 ? 1 : disk->cap / 8;

	if (disk->too_much && (disk->cap + step) * 4 > disk->too_much * 3 && ++disk->waits < PROBE)
		return false;
	disk->waits = 0;
	disk->cap += step;
	return true;
}

static void raise(struct latency_disk *disk)
{
	if (!disk->cap)
		return;
	disk->spare = disk->under_way < disk->cap / 2.0 ? disk->spare + 1 : 0;
	if (disk->spare >= SPARE || (goes_up(disk) && disk->cap > CAP_MAX))
		disk->cap = disk->too_much = disk->waits = disk->spare = 0;
}

static bool any_to_protect(struct latency_disk *const *disks, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (disks[i]->target_ns && disks[i]->load > 0)
			return true;
	}
	return false;
}

void qos_latency_step(struct latency_control *control, struct latency_disk *const *disks, unsigned count)
{
	const bool anybody = any_to_protect(disks, count);

	if (any_missed(disks, count)) {
		struct latency_disk *disk = largest(disks, count);

		control->calm = 0;
		if (disk)
			lower(disk);
		return;
	}
	if (!all_have_room(disks, count))
		return;
	if (++control->calm < CALM)
		return;
	for (unsigned i = 0; i < count; i++) {
		/* Without anybody who has a target and something to do, nothing can be too much. */
		if (!anybody)
			disks[i]->too_much = 0;
		raise(disks[i]);
	}
}
