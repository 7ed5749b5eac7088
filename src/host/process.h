/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_PROCESS_H
#define STRAIT_HOST_PROCESS_H

#include <stddef.h>

#include "host/guest.h"

/* A process that runs a guest. */
struct process {
	int pid;
	enum guest_hypervisor hypervisor; /* never GUEST_OTHER */
	const char *command;              /* /proc/PID/cmdline: words that end with a NUL each */
	size_t length;
};

/*
 * All of them, by pid. Of other processes the tree keeps nothing: who they are is the document
 * /.strait/processes.json, made by looking at each one's program and first word. Memory is the tree's.
 */
struct tree;
struct process *processes_read(struct tree *tree, unsigned *count);

/* Threads of the kernel that move packets or blocks for a process (vhost), which are none of its own before Linux 6.4.
 */
#define PROCESSES_VHOST_MAX 256u
unsigned processes_vhost(struct tree *tree, int pid, int tid[PROCESSES_VHOST_MAX]);

/*
 * Open a file for reading as process pid sees it (its root, where that may be looked at): a descriptor, or a negative
 * errno. Its command line chose the path, so nothing is opened but what is a block device or a file, and none of the
 * kernel's: others may do things when they are opened or read.
 */
struct stat;
int process_open(int pid, const char *path, struct stat *st);

/* What runs there: threads with their CPUs, where memory lies, cgroup; in addition to what guest has already. Needs its
 * pid. */
void guest_process_read(struct tree *tree, struct guest *guest);

/* Parts of it. */
void guest_threads_read(struct tree *tree, struct guest *guest);
void guest_places_read(struct tree *tree, struct guest *guest);
void guest_cgroup_read(struct tree *tree, struct guest *guest);

#endif
