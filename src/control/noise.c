/* SPDX-License-Identifier: Apache-2.0 */
#include "control/noise.h"

#define MOST    0.5 /* pressure above which a disk can be to blame */
#define SUFFERS 2.0 /* times what it took in quiet */
#define FOLLOWS 0.1 /* how fast that is learnt anew */

/* A flush has no bytes, but something to do. */
#define LEAST_BYTES 512.0

static double load_of(const struct noise_disk *disk)
{
	const double each = disk->requests ? (double)disk->bytes / (double)disk->requests : 0;

	return (each > LEAST_BYTES ? each : LEAST_BYTES) * (double)disk->storage_ns;
}

static bool suffers(const struct noise_disk *disk)
{
	if (!disk->requests)
		return false;
	return (disk->target_ns && disk->p99_ns > disk->target_ns) ||
	       (disk->quiet_p99_ns > 0 && (double)disk->p99_ns > SUFFERS * disk->quiet_p99_ns);
}

static void learn(struct noise_disk *disk)
{
	if (!disk->requests)
		return;
	disk->quiet_p99_ns = disk->quiet_p99_ns > 0
				     ? disk->quiet_p99_ns + FOLLOWS * ((double)disk->p99_ns - disk->quiet_p99_ns)
				     : (double)disk->p99_ns;
}

void noise_judge(struct noise_disk *const *disks, unsigned count)
{
	unsigned active = 0, suffering = 0;
	double sum = 0;

	for (unsigned i = 0; i < count; i++) {
		active += disks[i]->requests > 0;
		suffering += suffers(disks[i]);
		sum += load_of(disks[i]);
	}
	for (unsigned i = 0; i < count; i++) {
		struct noise_disk *disk = disks[i];

		disk->pressure = sum > 0 ? load_of(disk) / sum : 0;
		disk->noisy = active > 1 && disk->pressure > MOST && suffering > suffers(disk);
	}
	/* Quiet for a disk is a time in which nobody else could be to blame. */
	for (unsigned i = 0; i < count; i++) {
		bool pressed = false;

		for (unsigned k = 0; k < count && !pressed; k++)
			pressed = k != i && disks[k]->pressure > MOST;
		if (!pressed)
			learn(disks[i]);
	}
}
