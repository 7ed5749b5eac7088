/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_OBSERVE_H
#define STRAIT_AUDIT_OBSERVE_H

#include "host/host.h"

/*
 * What several measurements of a machine say of one guest: mean and worst of each.
 */
struct series {
	double sum, worst;
	unsigned count; /* of known values */
};

void series_add(struct series *series, double value); /* NAN is none */
double series_mean(const struct series *series);      /* NAN: none */

enum thread_role { ROLE_VCPU, ROLE_IOTHREAD, ROLE_EMULATOR };

struct observed_thread {
	enum thread_role role;
	const struct guest_thread *thread;
	const char *name;    /* "vCPU 3", "io0", "worker" */
	struct series run;   /* share of time on a CPU */
	struct series delay; /* waiting for one, as share of the time it wanted to run */
	struct series lost;  /* the same, as a share of all time */
	int cpu;             /* where it was last; HOST_UNKNOWN */
};

struct observed_disk {
	const struct host_block *block;
	const struct guest_disk *of; /* one of the guest's that are on it */
	bool leaf;                   /* nothing is below it */
	struct series utilization, await_ns, ios, depth;
};

struct observed_cpu {
	unsigned number;
	struct series busy, steal, irq;
	double own; /* share that the guest's threads took of it, mean */
};

struct observed_irq {
	const struct host_irq *irq;
	struct series total; /* a second */
	struct series most;  /* share of the CPU that got most of them */
	unsigned most_cpu;
};

struct observed_net {
	const struct host_net *net;
	struct series packets, dropped; /* a second, both directions */
};

struct observed_exit {
	const char *reason;
	struct series rate;
};

/* A disk as the guest sees it, by QEMU's count. */
struct observed_guest_disk {
	const struct guest_disk *disk;
	const struct observed_disk *below; /* the device it is on; NULL: not known */
	struct series ios, bytes, await_ns, flush_await_ns;
};

struct observed_quota {
	const struct guest_quota *quota;
	struct series throttled; /* share of the time */
};

/* What its control group did on a device that its io.max may name. */
struct observed_group {
	unsigned major, minor;
	struct series reads, writes, read_bytes, write_bytes; /* a second */
};

/* A thread (tid) that was measured and is not the guest's, or a whole process (tid is 0). */
struct observed_other {
	int pid, tid;
	const char *comm;
	struct series run;
	int cpu;
};

struct observation {
	struct host *host;
	const struct guest *guest;
	double seconds;
	unsigned samples;
	double began; /* seconds since boot, for the kernel's log */
	struct observed_thread *thread;
	unsigned thread_count;
	struct observed_disk *disk;
	unsigned disk_count;
	struct observed_cpu *cpu; /* of the host, as in host_cpus */
	unsigned cpu_count;
	struct observed_irq *irq; /* of what the guest depends on */
	unsigned irq_count;
	struct observed_net *net;
	unsigned net_count;
	struct observed_exit *exit;
	unsigned exit_count, exit_room;
	struct observed_guest_disk *guest_disk; /* as many as the guest has disks */
	struct observed_quota *quota;           /* as many as it has quotas */
	struct observed_group *group;
	unsigned group_count;
	struct observed_other *other;
	unsigned other_count, other_room;
	struct series cpu_pressure, io_pressure, memory_pressure; /* "some" */
	struct series dirty, writeback;                           /* bytes */
	struct series swap_in, swap_out, reclaim;                 /* pages a second */
};

/* What is going to be looked at: threads, disks and their stacks, interrupts. The tree's memory. */
struct observation *observe_begin(struct host *host, const struct guest *guest);

/* Take what host_measure() has just found. */
void observe_rates(struct observation *seen);

#endif
