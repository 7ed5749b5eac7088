/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/array.h"
#include "host/process.h"
#include "host/tree.h"

#define THREADS_MAX 16384

static struct cpu_list list_of(struct tree *tree, const char *status, const char *key)
{
	const char *at = strstr(status, key);

	if (!at)
		return (struct cpu_list){0};
	at += strlen(key);
	return cpu_list_parse(tree, tree_format(tree, "%.*s", (int)strcspn(at, "\n"), at));
}

static void read_places(struct tree *tree, int pid, struct guest_thread *thread)
{
	const char *status;

	if (tree_readf(tree, &status, "/proc/%d/task/%d/status", pid, thread->tid) < 0)
		status = "";
	thread->allowed = list_of(tree, status, "\nCpus_allowed_list:\t");
	thread->nodes = list_of(tree, status, "\nMems_allowed_list:\t");
}

/* KVM's statistics name the threads of vCPUs since Linux 6.0: kvm/PID-FD/vcpuN/pid. */
static void ask_kvm(struct tree *tree, struct guest *guest)
{
	const char *const *names;
	const ssize_t count = tree_list(tree, "/sys/kernel/debug/kvm", &names);

	for (ssize_t i = 0; i < count; i++) {
		int pid, fd;

		if (sscanf(names[i], "%d-%d", &pid, &fd) != 2 || pid != guest->pid)
			continue;
		for (unsigned k = 0; k < guest->vcpu_count; k++) {
			const int64_t tid = tree_number(tree, HOST_UNKNOWN, "/sys/kernel/debug/kvm/%s/vcpu%u/pid",
							names[i], guest->vcpu[k].index);

			if (guest->vcpu[k].tid == HOST_UNKNOWN && tid > 0 && tid <= INT32_MAX)
				guest->vcpu[k].tid = (int)tid;
		}
	}
}

/* "CPU 3/KVM" of QEMU's -name debug-threads=on; "vcpu3" of cloud-hypervisor, "fc_vcpu 3" of firecracker. */
static struct guest_thread *vcpu_named(struct guest *guest, const char *comm)
{
	unsigned index;

	if (sscanf(comm, "CPU %u/", &index) != 1 && sscanf(comm, "vcpu%u", &index) != 1 &&
	    sscanf(comm, "fc_vcpu %u", &index) != 1)
		return NULL;
	for (unsigned i = 0; i < guest->vcpu_count; i++) {
		if (guest->vcpu[i].index == index)
			return &guest->vcpu[i];
	}
	return NULL;
}

/* "IO iothread1", of which the kernel keeps 15 characters: who they stand for must be the only one. */
static struct guest_thread *iothread_named(struct guest *guest, const char *comm)
{
	struct guest_thread *found = NULL;

	if (strncmp(comm, "IO ", 3) != 0)
		return NULL;
	for (unsigned i = 0; i < guest->iothread_count; i++) {
		const char *name = guest->iothread[i].name;

		if (!name || strncmp(name, comm + 3, 12) != 0 || (strlen(comm) < 15 && strcmp(name, comm + 3) != 0))
			continue;
		if (found)
			return NULL;
		found = &guest->iothread[i];
	}
	return found;
}

static struct guest_thread *thread_of_tid(struct guest_thread *thread, unsigned count, int tid)
{
	for (unsigned i = 0; i < count; i++) {
		if (thread[i].tid == tid)
			return &thread[i];
	}
	return NULL;
}

static struct guest_thread *add_other(struct tree *tree, struct guest *guest)
{
	struct guest_thread *thread;

	guest->other = array_grow(tree, guest->other, guest->other_count, sizeof(*guest->other));
	thread = &guest->other[guest->other_count];
	*thread = (struct guest_thread){.index = guest->other_count++, .poll_max_ns = HOST_UNKNOWN};
	return thread;
}

static void add_vhost(struct tree *tree, struct guest *guest)
{
	int tid[PROCESSES_VHOST_MAX];
	const unsigned count = processes_vhost(tree, guest->pid, tid);

	for (unsigned i = 0; i < count; i++) {
		struct guest_thread *thread = add_other(tree, guest);

		thread->tid = tid[i];
		thread->name = tree_line(tree, "/proc/%d/comm", tid[i]);
		read_places(tree, tid[i], thread);
	}
}

static void read_thread(struct tree *tree, struct guest *guest, int tid)
{
	const char *comm = tree_line(tree, "/proc/%d/task/%d/comm", guest->pid, tid);
	struct guest_thread *thread = thread_of_tid(guest->vcpu, guest->vcpu_count, tid);

	if (!thread)
		thread = thread_of_tid(guest->iothread, guest->iothread_count, tid);
	if (!thread && comm)
		thread = vcpu_named(guest, comm);
	if (!thread && comm)
		thread = iothread_named(guest, comm);
	if (thread && thread->tid != HOST_UNKNOWN && thread->tid != tid)
		thread = NULL; /* it is known, and another one */
	if (!thread)
		thread = add_other(tree, guest);
	thread->tid = tid;
	if (!thread->name)
		thread->name = comm;
	read_places(tree, guest->pid, thread);
}

void guest_threads_read(struct tree *tree, struct guest *guest)
{
	const char *const *names;
	const ssize_t count = tree_listf(tree, &names, "/proc/%d/task", guest->pid);

	ask_kvm(tree, guest);
	for (ssize_t i = 0; i < count && i < THREADS_MAX; i++) {
		if (isdigit((unsigned char)names[i][0]) && strlen(names[i]) <= 9)
			read_thread(tree, guest, atoi(names[i]));
	}
	if (count > THREADS_MAX)
		tree_note_too_large(tree, "/proc/%d/task", guest->pid);
	add_vhost(tree, guest);
}
