/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

double clock_ns_per_tick = 1.0;

uint64_t clock_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_ticks_slow(void)
{
	return clock_monotonic_ns();
}

#if defined(__x86_64__)
int clock_uses_tsc;

/* The kernel has checked the TSC against its other clocks; believe it. */
static int kernel_trusts_tsc(void)
{
	char name[32] = "";
	FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");

	if (!file)
		return 0;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return strncmp(name, "tsc", 3) == 0;
}

void clock_init(void)
{
	const uint64_t calibration_ns = 10000000;
	uint64_t start_ns, start_ticks, now_ns;

	if (!kernel_trusts_tsc())
		return;
	start_ns = clock_monotonic_ns();
	start_ticks = __rdtsc();
	do {
		now_ns = clock_monotonic_ns();
	} while (now_ns - start_ns < calibration_ns);
	clock_ns_per_tick = (double)(now_ns - start_ns) / (double)(__rdtsc() - start_ticks);
	clock_uses_tsc = 1;
}
#else
void clock_init(void)
{
}
#endif
