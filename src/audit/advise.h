/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_ADVISE_H
#define STRAIT_AUDIT_ADVISE_H

#include "audit/audit.h"

/*
 * Advice for one disk or NIC of a guest: virtio, passthrough (VFIO), or neither, which means that
 * the path stays what it is and accidental layers are taken out of it. The decision list is the field's: passthrough
 * only if all conditions hold, and each says by what it does; accidental layers are what the audit's rules find on
 * the path. All strings are the tree's, and fit to be shown.
 */
enum advice_answer { ADVICE_VIRTIO, ADVICE_PASSTHROUGH, ADVICE_NEITHER };

enum advice_need {
	NEED_MIGRATION = 1 << 0, /* live */
	NEED_SHARING = 1 << 1,   /* the device serves others, too */
	NEED_SNAPSHOTS = 1 << 2, /* taken on the host */
	NEED_LIMITS = 1 << 3,    /* the host limits or weighs its I/O */
};

enum advice_workload {
	WORKLOAD_MEASURED, /* by what was seen of it */
	WORKLOAD_GENERAL,
	WORKLOAD_LATENCY, /* p99 and p99.9 matter */
	WORKLOAD_DATABASE,
	WORKLOAD_THROUGHPUT,
	WORKLOAD_DENSITY,
	WORKLOAD_UNKNOWN, /* only as an outcome: nothing was seen of it */
};

/* How a NIC's packets get to the host, in the order of merit. */
enum advice_way {
	ADVICE_WAY_UNKNOWN,
	ADVICE_WAY_EMULATED,
	ADVICE_WAY_QEMU, /* virtio without vhost */
	ADVICE_WAY_VHOST_NET,
	ADVICE_WAY_VHOST_USER,
	ADVICE_WAY_FUNCTION, /* passed through */
};

/* What went through a NIC while it was looked at, as the host counted it: sums. */
struct advice_traffic {
	const char *interface; /* of the host, its other end */
	double seconds;
	double to_packets, to_bytes, from_packets, from_bytes; /* to and from the guest */
	double dropped;
};

struct advice_options {
	enum advice_workload workload;
	unsigned seconds; /* to measure a NIC for, live; a capture is measured to its end */
	unsigned needs;   /* enum advice_need */
	bool failover;    /* what happens when the device fails is designed and tested */
};

/* One thing that has to hold for passthrough. */
struct advice_condition {
	const char *what;
	host_answer holds;
	const char *evidence; /* by what that is known, or why it is not */
	const char *change;   /* what would make it hold; NULL where it does */
};

#define ADVICE_CONDITIONS 6
#define ADVICE_LAYERS     32

struct advice {
	enum advice_answer answer;
	const char *sentence; /* the answer in words */
	enum advice_workload workload;
	const char *workload_evidence;
	/* Of a NIC alone: */
	enum advice_way way;                  /* the one that it has now */
	const struct advice_traffic *traffic; /* NULL: could not be measured */
	const char *measured;                 /* it in words, or why there is none */
	const char *capacity; /* what its way can carry, and how much of that is used; NULL: not known */
	bool near_end;        /* that is most of it */
	struct advice_condition condition[ADVICE_CONDITIONS];
	unsigned condition_count;
	const struct finding *layer[ADVICE_LAYERS]; /* what is in the way needlessly */
	unsigned layer_count;
	const char *gives_up; /* what the answer costs; NULL: nothing */
	const char *libvirt;  /* XML of the recommended shape, several lines */
	const char *qemu;     /* options of it, a line each */
	const char *fill_in;  /* what in both has to be put in by hand; NULL: nothing */
};

struct advice *advise_disk(struct host *host, const struct guest *guest, const struct guest_disk *disk,
			   const struct advice_options *options);
struct advice *advise_nic(struct host *host, const struct guest *guest, const struct guest_nic *nic,
			  const struct advice_options *options);

/* Of a drive or NIC that the guest has by passthrough: whether that is right. NULL: it is neither. */
struct advice *advise_hostdev(struct host *host, const struct guest *guest, const struct guest_hostdev *hostdev,
			      const struct advice_options *options);

/* Read what advice needs beyond the model, of all guests: so that a capture has it. */
void advise_read(struct host *host);

/* "virtio", "passthrough", "neither". */
const char *advice_answer_name(enum advice_answer answer);

/* "latency", ...; "measured" is no name. False: there is no such one. */
const char *advice_workload_name(enum advice_workload workload);
bool advice_workload_find(const char *name, enum advice_workload *workload);

#endif
