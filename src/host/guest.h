/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_GUEST_H
#define STRAIT_HOST_GUEST_H

#include "host/value.h"

/*
 * A guest, the same whether libvirt tells of it, QEMU's command line or a
 * capture of either. What the running process shows (threads, where its memory lies) is read from /proc and QMP
 * in each case.
 */
enum guest_hypervisor { GUEST_QEMU, GUEST_CLOUD_HYPERVISOR, GUEST_FIRECRACKER, GUEST_OTHER };
enum guest_source { GUEST_OF_COMMAND_LINE, GUEST_OF_LIBVIRT };

struct guest_thread {
	int tid;                 /* HOST_UNKNOWN */
	unsigned index;          /* vCPU number */
	const char *name;        /* id of an iothread; comm of others */
	struct cpu_list allowed; /* CPUs it may run on */
	struct cpu_list nodes;   /* whose memory its cpuset lets it have */
	int64_t poll_max_ns;     /* of an iothread */
	const char *cpu_cgroup;  /* directory in which its cpu controller has it; NULL: not known */
};

struct guest_memory_backend {
	const char *id;   /* NULL: plain -m */
	host_answer ram;  /* the guest's memory from the start; others are those of devices: DIMMs, shared memory */
	uint64_t size;    /* bytes */
	const char *path; /* of memory-backend-file */
	uint64_t page;    /* bytes, of huge pages; 0: ordinary ones */
	host_answer share, prealloc, merge;
	const char *policy; /* bind, preferred, interleave; NULL: default */
	struct cpu_list host_nodes;
	struct cpu_list guest_cpus; /* vCPUs of the NUMA node that it is the memory of */
};

struct guest_memory_place {
	unsigned node; /* of the host */
	uint64_t bytes;
};

struct guest_memory {
	uint64_t size; /* bytes */
	struct guest_memory_backend *backend;
	unsigned backend_count;
	host_answer locked, balloon, merge; /* merge: mem-merge of the machine: it takes part in KSM */
	struct guest_memory_place *place;   /* by numa_maps; where it really is */
	unsigned place_count;
	uint64_t huge_bytes; /* of these, on huge pages; HOST_UNKNOWN cast where unreadable */
};

/* One node of an image's chain, from what the guest sees down to the file: formats, then a protocol. */
struct guest_image {
	const char *format;   /* qcow2, raw, vmdk, ...; NULL: found out by QEMU */
	const char *protocol; /* file, host_device, nbd, rbd, ...; */
	const char *file;     /* path, or URL */
	host_answer preallocated;
	uint64_t size;                 /* bytes that the guest sees; 0: unknown */
	uint64_t cluster, cache_bytes; /* qcow2: size of a cluster, l2-cache-size; 0: default */
};

struct guest_throttle {
	int64_t iops, bps; /* total; 0: none */
};

struct guest_disk {
	const char *id;     /* of the device, as in QEMU; "virtio-disk0" */
	const char *target; /* libvirt's name, "vda"; NULL: none */
	const char *model;  /* virtio-blk, scsi-hd, ide-hd, nvme, vhost-user-blk, usb-storage, sd-card, floppy, ... */
	const char *bus;    /* virtio, scsi (virtio-scsi), scsi-other, ide, sata, nvme, usb, ... */
	const char *controller;       /* id of a SCSI controller */
	int64_t queues, queue_size;   /* HOST_UNKNOWN: QEMU's default of that version */
	const char *iothread;         /* NULL: the main loop */
	const char *const *iothreads; /* of a mapping of queues */
	unsigned iothread_count;
	const char *cache; /* none, writeback, writethrough, directsync, unsafe */
	const char *aio;   /* threads, native, io_uring */
	const char *discard, *detect_zeroes;
	host_answer read_only, cdrom;
	struct guest_image *image; /* [0] is what the guest writes to, others are its backing files */
	unsigned image_count;      /* 0: no medium, or vhost-user */
	host_answer whole;         /* 1: nothing is behind the last image; 0: nobody has said so */
	const char *vhost_socket;  /* vhost-user-blk: the chardev's path */
	struct guest_throttle throttle;
};

struct guest_nic {
	const char *id, *mac;
	const char *model;     /* virtio-net, e1000, rtl8139, ... */
	const char *backend;   /* tap, user, bridge, vhost-user, vhost-vdpa, socket, ... */
	const char *interface; /* tap device of the host */
	host_answer vhost;
	int64_t queues;
	const char *vhost_socket;
	host_answer vhost_server; /* the guest's side listens there, as Open vSwitch (dpdkvhostuserclient) wants it */
};

struct guest_hostdev {
	const char *id, *address; /* of the PCI device */
};

/* A quota of CPU time: of a control group that has threads of the guest, or of one above it. */
struct guest_quota {
	const char *cgroup; /* directory */
	const char *max;    /* cpu.max as version 2 writes it */
};

struct guest {
	const char *name, *uuid;
	int pid;           /* HOST_UNKNOWN: it does not run */
	const char *state; /* running, paused, shut off, ... */
	enum guest_hypervisor hypervisor;
	enum guest_source source;
	const char *binary, *version;    /* "7.2.0" */
	const char *accelerator;         /* kvm, tcg */
	const char *machine;             /* q35, pc-i440fx-7.2, ... */
	const char *cpu_model;           /* host, qemu64, ...: host-passthrough is "host" */
	const char *const *cpu_features; /* as given: "+invtsc", "hv_relaxed=on"; */
	unsigned cpu_feature_count;
	host_answer hpet, realtime_locked;
	host_answer windows; /* has Hyper-V enlightenments or is said to be Windows */
	struct guest_thread *vcpu;
	unsigned vcpu_count;
	struct guest_thread *iothread;
	unsigned iothread_count;
	struct guest_thread *other; /* emulator, workers, vhost */
	unsigned other_count;
	struct guest_memory memory;
	struct guest_disk *disk;
	unsigned disk_count;
	struct guest_nic *nic;
	unsigned nic_count;
	struct guest_hostdev *hostdev;
	unsigned hostdev_count;
	const char *cgroup;        /* path */
	const char *cpu_cgroup;    /* directory in which its cpu controller has it */
	struct guest_quota *quota; /* those above it, then those of other threads */
	unsigned quota_count;
	host_answer quotas_known;       /* 1: there are no others; else there may be */
	const char *io_max, *io_weight; /* as version 2 writes them, which the group may not be of; "": none; NULL: not
					   known */
	const char *io_cgroup;          /* directory of the group, it or one above, that has io_max */
	const char *qmp;                /* socket; NULL: none */
	const char *unreadable;         /* what could not be asked, and why; NULL: all could */
};

struct host_guests {
	struct guest *guest;
	unsigned count;
	const char *libvirt;            /* URI that answered; NULL: none */
	const char *libvirt_unreadable; /* why not, where there is one */
};

struct host;
struct tree;
void host_guests_read(struct tree *tree, struct host_guests *guests);

/* By name, uuid or pid; NULL: none. */
const struct guest *host_guest_find(const struct host_guests *guests, const char *word);
/* By id, target (of a NIC: its interface on the host, or MAC) or number from 0. */
const struct guest_disk *guest_disk_find(const struct guest *guest, const char *word);
const struct guest_nic *guest_nic_find(const struct guest *guest, const char *word);

/* Whether it may run everywhere: its vCPU or thread is pinned to fewer CPUs than there are online. */
struct host_cpus;
bool guest_thread_is_pinned(const struct guest_thread *thread, const struct host_cpus *cpus);

#endif
