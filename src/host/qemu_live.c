/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "host/array.h"
#include "host/document.h"
#include "host/qmp.h"
#include "host/tree.h"

static void read_version(struct tree *tree, struct qmp *qmp, struct guest *guest)
{
	json_t *version = qmp_ask(qmp, "query-version", NULL, "query-version");
	const json_t *qemu = document_member(version, "qemu");
	const int64_t major = document_number(qemu, "major");

	if (major != HOST_UNKNOWN)
		guest->version =
			tree_format(tree, "%lld.%lld.%lld", (long long)major, (long long)document_number(qemu, "minor"),
				    (long long)document_number(qemu, "micro"));
	json_decref(version);
}

static void read_state(struct tree *tree, struct qmp *qmp, struct guest *guest)
{
	json_t *status = qmp_ask(qmp, "query-status", NULL, "query-status");
	json_t *kvm = qmp_ask(qmp, "query-kvm", NULL, "query-kvm");
	const host_answer enabled = document_answer(kvm, "enabled");

	guest->state = document_string(tree, status, "status");
	if (enabled == 1)
		guest->accelerator = "kvm";
	else if (enabled == 0 && guest->accelerator && strcmp(guest->accelerator, "kvm") == 0)
		guest->accelerator = "tcg"; /* what it fell back to */
	json_decref(kvm);
	json_decref(status);
}

/* Those that it has now: some may have been plugged in or out. */
static void read_vcpus(struct tree *tree, struct qmp *qmp, struct guest *guest)
{
	json_t *cpus = qmp_ask(qmp, "query-cpus-fast", NULL, "query-cpus-fast");
	struct guest_thread *vcpu = NULL;
	const json_t *cpu;
	unsigned count = 0;
	size_t i;

	json_array_foreach(cpus, i, cpu)
	{
		const int64_t index = document_number(cpu, "cpu-index"), tid = document_number(cpu, "thread-id");

		if (index < 0 || index >= CPU_LIST_END || count >= CPU_LIST_END)
			continue;
		vcpu = array_grow(tree, vcpu, count, sizeof(*vcpu));
		vcpu[count++] = (struct guest_thread){.tid = tid > 0 && tid <= INT32_MAX ? (int)tid : HOST_UNKNOWN,
						      .index = (unsigned)index,
						      .poll_max_ns = HOST_UNKNOWN};
	}
	if (count) {
		guest->vcpu = vcpu;
		guest->vcpu_count = count;
	}
	json_decref(cpus);
}

static struct guest_thread *find_iothread(struct tree *tree, struct guest *guest, const char *name)
{
	struct guest_thread *thread;

	for (unsigned i = 0; i < guest->iothread_count; i++) {
		if (guest->iothread[i].name && strcmp(guest->iothread[i].name, name) == 0)
			return &guest->iothread[i];
	}
	guest->iothread = array_grow(tree, guest->iothread, guest->iothread_count, sizeof(*guest->iothread));
	thread = &guest->iothread[guest->iothread_count];
	*thread = (struct guest_thread){.tid = HOST_UNKNOWN, .index = guest->iothread_count++, .name = name};
	return thread;
}

static void read_iothreads(struct tree *tree, struct qmp *qmp, struct guest *guest)
{
	json_t *threads = qmp_ask(qmp, "query-iothreads", NULL, "query-iothreads");
	const json_t *thread;
	size_t i;

	json_array_foreach(threads, i, thread)
	{
		const char *name = document_string(tree, thread, "id");
		const int64_t tid = document_number(thread, "thread-id");
		struct guest_thread *iothread;

		if (!name || i >= CPU_LIST_END)
			continue;
		iothread = find_iothread(tree, guest, name);
		iothread->tid = tid > 0 && tid <= INT32_MAX ? (int)tid : HOST_UNKNOWN;
		iothread->poll_max_ns = document_number(thread, "poll-max-ns");
	}
	json_decref(threads);
}

static void read_memory(struct qmp *qmp, struct guest *guest)
{
	json_t *summary = qmp_ask(qmp, "query-memory-size-summary", NULL, "query-memory-size-summary");
	const int64_t base = document_number(summary, "base-memory"), more = document_number(summary, "plugged-memory");

	if (base > 0 && base < INT64_MAX / 2)
		guest->memory.size = (uint64_t)base + (more > 0 && more < INT64_MAX / 2 ? (uint64_t)more : 0);
	json_decref(summary);
}

static const char *explain(struct tree *tree, const struct guest *guest, int error)
{
	const char *why = strerror(-error);

	if (error == -ETIMEDOUT)
		why = "no greeting in time, most likely because another client is connected to it";
	else if (error == -EPROTO)
		why = "what is there does not speak QMP";
	return tree_format(tree, "QMP at %s: %s", guest->qmp, why);
}

void guest_qmp_read(struct tree *tree, struct guest *guest)
{
	struct qmp *qmp;

	if (!guest->qmp)
		return;
	qmp = qmp_new(tree, guest);
	read_version(tree, qmp, guest);
	read_state(tree, qmp, guest);
	read_vcpus(tree, qmp, guest);
	read_iothreads(tree, qmp, guest);
	read_memory(qmp, guest);
	guest_qmp_devices(tree, qmp, guest);
	if (qmp_error(qmp) < 0)
		guest->unreadable = explain(tree, guest, qmp_error(qmp));
	qmp_hang_up(qmp);
}
