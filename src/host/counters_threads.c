/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/counters.h"

/* What one line "key:\t123" of /proc/PID/task/TID/status says. */
static int64_t status_number(const char *text, const char *key)
{
	const char *at = text ? strstr(text, key) : NULL;

	return at ? strtoll(at + strlen(key), NULL, 10) : HOST_UNKNOWN;
}

/* comm and the CPU it was on last, out of stat, whose second word is in parentheses and may hold any. */
static void read_stat(struct tree *tree, const char *text, struct counter_thread *thread)
{
	const char *open = strchr(text, '('), *at = strrchr(text, ')');

	if (!open || !at || at < open)
		return;
	thread->comm = tree_format(tree, "%.*s", (int)(at - open - 1), open + 1);
	/* The CPU is field 39, what follows the parenthesis is the third. */
	for (unsigned field = 2; field < 39 && *at; field++)
		at += strcspn(at, " \n"), at += strspn(at, " ");
	if (*at)
		thread->cpu = atoi(at);
}

static bool is_known(const struct counter_list *threads, int tid)
{
	const struct counter_thread *thread = threads->item;

	for (size_t i = 0; i < threads->count; i++) {
		if (thread[i].tid == tid)
			return true;
	}
	return false;
}

static void add_thread(struct tree *tree, struct counter_list *threads, int pid, int tid)
{
	struct counter_thread thread = {pid, tid, NULL, HOST_UNKNOWN, HOST_UNKNOWN, HOST_UNKNOWN, HOST_UNKNOWN, 0},
			      *kept;
	const char *text;
	long long run, delay;

	if (pid <= 0 || tid <= 0 || is_known(threads, tid) ||
	    tree_reread(tree, &text, "/proc/%d/task/%d/stat", pid, tid) < 0)
		return;
	read_stat(tree, text, &thread);
	if (tree_reread(tree, &text, "/proc/%d/task/%d/schedstat", pid, tid) > 0 &&
	    sscanf(text, "%lld %lld", &run, &delay) == 2) {
		thread.run = run;
		thread.delay = delay;
	}
	if (tree_reread(tree, &text, "/proc/%d/task/%d/status", pid, tid) < 0)
		text = NULL;
	thread.involuntary = status_number(text, "\nnonvoluntary_ctxt_switches:");
	thread.switches = status_number(text, "\nvoluntary_ctxt_switches:");
	if (thread.switches >= 0 && thread.involuntary >= 0)
		thread.switches += thread.involuntary;
	kept = counter_add(tree, threads, sizeof(*kept));
	if (kept)
		*kept = thread;
}

static void add_those_of(struct tree *tree, struct counter_list *threads, int pid, const struct guest_thread *thread,
			 unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		add_thread(tree, threads, pid, thread[i].tid);
}

static void add_all_of(struct tree *tree, struct counter_list *threads, int pid)
{
	const char *const *names;
	const ssize_t count = tree_listf(tree, &names, "/proc/%d/task", pid);

	for (ssize_t i = 0; i < count; i++)
		add_thread(tree, threads, pid, atoi(names[i]));
}

/* straitd's own, and the kernel's that copy packets or take pages away from guests. */
static bool serves_guests(const char *comm)
{
	static const char *const beginnings[] = {"straitd", "vhost-", "kswapd", "ksmd", "khugepaged", "kcompactd"};

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		if (!strncmp(comm, beginnings[i], strlen(beginnings[i])))
			return true;
	}
	return false;
}

static void add_servants(struct tree *tree, struct counter_list *threads)
{
	const char *const *names, *comm;
	const ssize_t count = tree_list(tree, "/proc", &names);

	for (ssize_t i = 0; i < count; i++) {
		const int pid = atoi(names[i]);

		comm = pid > 0 ? tree_line(tree, "/proc/%d/comm", pid) : NULL;
		if (comm && serves_guests(comm))
			add_all_of(tree, threads, pid);
	}
}

void host_counters_threads(struct host *host, struct counter_list *threads)
{
	for (unsigned i = 0; i < host->guests.count; i++) {
		const struct guest *guest = &host->guests.guest[i];

		add_thread(host->tree, threads, guest->pid, guest->pid);
		add_those_of(host->tree, threads, guest->pid, guest->vcpu, guest->vcpu_count);
		add_those_of(host->tree, threads, guest->pid, guest->iothread, guest->iothread_count);
		add_those_of(host->tree, threads, guest->pid, guest->other, guest->other_count);
	}
	add_servants(host->tree, threads);
}
