/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_COUNTERS_H
#define STRAIT_HOST_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "host/group_io.h"
#include "host/host.h"
#include "host/pressure.h"

/*
 * What counts up in a machine, as one sample of its tree has it; rates are the difference of two. Only
 * rates.c and what reads these know of them. Memory is the tree's.
 */
struct counter_cpu {
	unsigned number;
	uint64_t busy, idle, iowait, irq, steal; /* ticks; busy has irq in it */
};

struct counter_thread {
	int pid, tid;
	const char *comm;
	int cpu;
	int64_t run, delay;            /* ns; HOST_UNKNOWN: the kernel does not count it */
	int64_t switches, involuntary; /* switches has both kinds */
};

struct counter_irq {
	unsigned number;
	uint64_t *counts; /* by CPU, in the order of host_cpus.cpu */
};

struct counter_disk {
	const char *name;
	uint64_t reads, read_sectors, read_ms, writes, write_sectors, write_ms, busy_ms, queued_ms;
};

struct counter_net {
	const char *name;
	uint64_t rx_bytes, rx_packets, rx_dropped, tx_bytes, tx_packets, tx_dropped;
};

struct counter_exit {
	int pid;
	const char *reason;
	uint64_t count;
};

struct counter_process {
	int pid;
	const char *comm;
	uint64_t ticks; /* of 10 ms, since the sample before */
	int cpu;
};

struct counter_quota {
	int pid;
	const char *cgroup;
	int64_t throttled_us; /* HOST_UNKNOWN: no cpu.stat */
};

struct counter_group {
	int pid;
	struct group_io done;
};

struct counter_guest_disk {
	int pid;
	const char *id;
	int64_t ios, reads, writes, bytes, flushes, io_ns, flush_ns; /* HOST_UNKNOWN: not told */
};

/* An array of any of them. */
struct counter_list {
	void *item;
	size_t count, room;
	bool full; /* there were more */
};

struct host_counters {
	uint64_t ns; /* CLOCK_BOOTTIME of that machine */
	struct counter_list cpus, threads, irqs, disks, nets, exits, processes, quotas, groups, guest_disks;
	struct counter_list raw_processes; /* live: what processes is the difference of */
	struct host_pressure cpu, io, memory;
	int64_t dirty, writeback; /* bytes */
	int64_t swap_in, swap_out, reclaimed;
};

/* Of the tree's current sample. */
struct host_counters *host_counters_read(struct host *host);

/* One more in a list, zeroed. NULL: there are too many, which host_counters_read() says. */
void *counter_add(struct tree *tree, struct counter_list *list, size_t size);

/* Parts of it: those of threads, and what KVM counts. */
void host_counters_threads(struct host *host, struct counter_list *threads);
void host_counters_exits(struct host *host, struct counter_list *exits);
void host_counters_processes(struct host *host, struct counter_list *raw, struct counter_list *processes);
void host_counters_guests(struct host *host, struct host_counters *counters);

/* And what changed in these parts: rates->process, quota, group and guest_disk. */
void host_rates_of_guests(struct tree *tree, const struct host_counters *before, const struct host_counters *now,
			  struct host_rates *rates);

#endif
