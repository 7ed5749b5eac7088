/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "audit/suspect.h"

/* Does the host take memory away, or write it back, just now? */

#define DIRTY_MUCH     0.10 /* of what is available */
#define WRITEBACK_MUCH 0.05
#define PRESSURE_MUCH  0.05

static void look_at_reclaim(struct suspicion *suspicion)
{
	const struct observation *seen = suspicion->seen;
	const double in = series_mean(&seen->swap_in), out = series_mean(&seen->swap_out);
	const double reclaim = series_mean(&seen->reclaim), pressure = series_mean(&seen->memory_pressure);
	const bool swaps = in + out >= 10, reclaims = reclaim >= 100;

	if (!seen->swap_in.count && !seen->memory_pressure.count) {
		suspect_unknown(suspicion, "/proc/vmstat could not be read twice");
		return;
	}
	if (swaps)
		suspect_found(suspicion, suspect_weight(in + out, 10, 5000, 60, 92),
			      "%.0f pages a second were swapped in and %.0f out", in, out);
	if (reclaims)
		suspect_found(suspicion, suspect_weight(reclaim, 100, 20000, 50, 80),
			      "%.0f pages a second were freed by those who waited for them (direct reclaim)", reclaim);
	if (pressure >= PRESSURE_MUCH)
		suspect_found(suspicion, suspect_weight(pressure, PRESSURE_MUCH, 0.6, 50, 90),
			      "something waited for memory %s of the time (PSI)", suspect_share(suspicion, pressure));
	if (suspicion->cause->state == CAUSE_FOUND)
		suspect_next(suspicion, "vmstat 1; cat /proc/pressure/memory; grep VmSwap /proc/%d/status",
			     seen->guest->pid);
	else
		suspect_clear(suspicion, "%.0f pages a second swapped, %.0f reclaimed by those who waited",
			      isnan(in + out) ? 0 : in + out, isnan(reclaim) ? 0 : reclaim);
}

static void look_at_writeback(struct suspicion *suspicion)
{
	const struct observation *seen = suspicion->seen;
	const int64_t available = seen->host->memory.available;
	const double dirty = seen->dirty.worst, writeback = seen->writeback.worst;

	if (!seen->dirty.count || available <= 0) {
		suspect_unknown(suspicion, "/proc/meminfo could not be read");
		return;
	}
	if (dirty >= DIRTY_MUCH * (double)available || writeback >= WRITEBACK_MUCH * (double)available) {
		suspect_found(
			suspicion, suspect_weight((dirty + writeback) / (double)available, DIRTY_MUCH, 0.5, 55, 85),
			"%s were dirty and %s being written back, of %s available", suspect_size(suspicion, dirty),
			suspect_size(suspicion, writeback), suspect_size(suspicion, (double)available));
		suspect_next(suspicion, "grep -E 'Dirty|Writeback' /proc/meminfo; sysctl vm.dirty_bytes "
					"vm.dirty_background_bytes vm.dirty_ratio");
	} else {
		suspect_clear(suspicion, "at most %s dirty and %s being written back, of %s available",
			      suspect_size(suspicion, dirty), suspect_size(suspicion, writeback),
			      suspect_size(suspicion, (double)available));
	}
}

/* Kernel threads that work on everybody's memory. */
static void look_at_kernel(struct suspicion *suspicion)
{
	static const char *const names[] = {"ksmd", "khugepaged", "kcompactd", "kswapd"};
	const struct observation *seen = suspicion->seen;
	const struct observed_other *most = NULL;

	for (unsigned i = 0; i < seen->other_count; i++) {
		const struct observed_other *other = &seen->other[i];
		const double run = series_mean(&other->run);
		bool is_one = false;

		for (size_t k = 0; other->comm && k < sizeof(names) / sizeof(*names); k++)
			is_one |= !strncmp(other->comm, names[k], strlen(names[k]));
		if (!is_one || !other->run.count)
			continue;
		if (!most || run > series_mean(&most->run))
			most = other;
		if (run < 0.1)
			continue;
		suspect_found(suspicion, suspect_weight(run, 0.1, 1, 45, 65), "%s ran %s of the time, on CPU %d",
			      other->comm, suspect_share(suspicion, run), other->cpu);
		suspect_next(suspicion, "strait audit --only host.memory; grep . /sys/kernel/mm/ksm/*");
	}
	if (most)
		suspect_clear(suspicion, "%s ran most, %s of the time", most->comm,
			      suspect_share(suspicion, series_mean(&most->run)));
	else
		suspect_unknown(suspicion, "ksmd, khugepaged, kcompactd and kswapd could not be seen");
}

const struct suspect suspects_memory[] = {
	{
		.id = "memory.reclaim",
		.title = "the host is short of memory",
		.cure = "Less overcommit, locked or huge pages for guests that matter, swap off or on something fast.",
		.look = look_at_reclaim,
	},
	{
		.id = "memory.writeback",
		.title = "a storm of writeback",
		.cure = "cache=none for guests' disks, or vm.dirty_background_bytes so small that it is written "
			"steadily.",
		.look = look_at_writeback,
	},
	{
		.id = "memory.kernel",
		.title = "the kernel works on memory",
		.cure = "KSM off or slower, transparent huge pages to madvise, memory to spare.",
		.look = look_at_kernel,
	},
	{.id = NULL},
};
