/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_EXITS_H
#define STRAIT_HOST_EXITS_H

#include "base/hist.h"
#include "host/host.h"

/* Exits of a thread that is a guest's CPU, for one reason. */
struct host_exit {
	int pid, tid; /* pid: HOST_UNKNOWN where the trace does not tell */
	const char *reason;
	uint64_t count;
	const struct hist *time; /* ns until the guest was entered again; of fewer exits than count, maybe of none */
};

struct host_exits {
	double seconds;     /* 0: nothing was traced */
	const char *source; /* "tracepoints", or the file they are from */
	uint64_t lost;      /* events that the kernel had no room for */
	struct host_exit *exit;
	unsigned count;
};

/*
 * host_measure() with tracepoints meanwhile, of one guest's CPUs or all's (NULL). As it returns; that exits could not
 * be traced is no failure of it but said by *why (code 0: they were), and only KVM's statistics are there then, in
 * host->rates. From a capture they are what was traced when it was taken.
 */
int host_measure_exits(struct host *host, const struct guest *guest, uint64_t interval_ns, struct host_exits *exits,
		       struct error *why, struct error *err);

/* The document "kvm-exits.json", which may be from anywhere: 0, or -EINVAL. Memory is the tree's. */
int host_exits_parse(struct tree *tree, const char *text, size_t length, struct host_exits *exits);

#endif
