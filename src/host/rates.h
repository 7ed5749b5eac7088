/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_RATES_H
#define STRAIT_HOST_RATES_H

#include "host/value.h"

/*
 * What changed between two samples of a tree. Shares are of the time between them, 0 to 1; of a rate unknown is NAN.
 */
struct rate_cpu {
	unsigned number;
	double busy, steal, iowait, irq; /* irq: hard and soft */
};

struct rate_thread {
	int pid, tid;
	const char *comm;
	double run, delay;            /* on a CPU; runnable and waiting for one */
	double switches, involuntary; /* a second */
	int cpu;                      /* where it was last */
};

struct rate_irq {
	unsigned number; /* of host_irqs */
	double total;    /* a second */
	double most;     /* share of the CPU that got most of them */
	unsigned most_cpu;
};

struct rate_disk {
	const char *name;
	double reads, writes, read_bytes, write_bytes; /* a second */
	double utilization;                            /* share of time with something under way */
	double await_ns, read_await_ns, write_await_ns;
	double depth;
};

struct rate_net {
	const char *name;
	double rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped; /* a second */
};

struct rate_pressure {
	double some, full; /* shares of the time, by total= of /proc/pressure */
};

/* Of KVM, of each guest that can be asked (QMP query-stats, or debugfs). */
struct rate_exit {
	int pid;
	const char *reason; /* KVM's word: "exits", "halt_exits", "io_exits", "mmio_exits", ... */
	double rate;
};

/* Those that took a hundredth of a CPU or more, whoever they are. */
struct rate_process {
	int pid;
	const char *comm;
	double run; /* of one CPU; more than 1 where it has several threads */
	int cpu;    /* where its first thread was last */
};

struct rate_quota {
	int pid;
	const char *cgroup; /* as in guest_quota */
	double throttled;   /* share of the time that it held threads back, summed over CPUs */
};

/* What the control group has done on one device whose io.max holds the guest back; a second. */
struct rate_group {
	int pid;
	unsigned major, minor;
	double reads, writes, read_bytes, write_bytes;
};

/* As QEMU counts: from when the guest's request came until it was done, limits of QEMU's own included. */
struct rate_guest_disk {
	int pid;
	const char *id;                  /* of guest_disk */
	double reads, writes, flushes;   /* a second */
	double bytes;                    /* a second, read and written */
	double await_ns, flush_await_ns; /* of reads and writes */
};

struct host_rates {
	double seconds; /* 0: nothing was measured */
	struct rate_cpu *cpu;
	unsigned cpu_count;
	struct rate_thread *thread; /* of guests, of straitd and of kernel threads that serve them */
	unsigned thread_count;
	struct rate_irq *irq;
	unsigned irq_count;
	struct rate_disk *disk;
	unsigned disk_count;
	struct rate_net *net;
	unsigned net_count;
	struct rate_exit *exit;
	unsigned exit_count;
	struct rate_process *process;
	unsigned process_count;
	struct rate_quota *quota;
	unsigned quota_count;
	struct rate_group *group;
	unsigned group_count;
	struct rate_guest_disk *guest_disk;
	unsigned guest_disk_count;
	struct rate_pressure cpu_pressure, io_pressure, memory_pressure;
	int64_t dirty, writeback; /* bytes, the higher of both samples */
	double swap_in, swap_out; /* pages a second */
	double reclaim;           /* pages a second that those who wanted memory had to free themselves */
};

struct host;
/* Between the sample before and the current one. */
void host_rates_read(struct host *host, struct host_rates *rates);

const struct rate_thread *host_rate_of_thread(const struct host_rates *rates, int tid);
const struct rate_disk *host_rate_of_disk(const struct host_rates *rates, const char *name);
const struct rate_net *host_rate_of_net(const struct host_rates *rates, const char *name);

#endif
