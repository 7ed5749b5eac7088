/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/counters.h"
#include "host/document.h"

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

static json_t *threads_in(const char *pid)
{
	json_t *threads = json_array();
	const struct dirent *entry;
	DIR *directory;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	directory = opendir(path);
	while (directory && (entry = readdir(directory))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			json_array_append_new(threads, json_integer(atoi(entry->d_name)));
	}
	if (directory)
		closedir(directory);
	return threads;
}

static void look_at(json_t *servants, const char *pid)
{
	char path[64], comm[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	file = isdigit((unsigned char)*pid) && strlen(pid) < 16 ? fopen(path, "re") : NULL;
	if (file && fgets(comm, sizeof(comm), file) && serves_guests(comm))
		json_array_append_new(servants, json_pack("{s:i,s:o}", "pid", atoi(pid), "threads", threads_in(pid)));
	if (file)
		fclose(file);
}

/* Of other processes nothing is kept, not even that they are there. */
static ssize_t provide(void *context, char **text)
{
	json_t *servants = json_array();
	const struct dirent *entry;
	DIR *directory = opendir("/proc");

	(void)context;
	while (directory && (entry = readdir(directory)))
		look_at(servants, entry->d_name);
	if (directory)
		closedir(directory);
	return document_text(json_pack("{s:o}", "servants", servants), text);
}

static void add_servants(struct tree *tree, struct counter_list *threads)
{
	const char *text;
	const ssize_t length = tree_ask(tree, &text, provide, NULL, "servants.json");
	json_t *document = document_object(text, length);
	const json_t *servant, *tid;
	size_t i, k;

	json_array_foreach(document_member(document, "servants"), i, servant)
	{
		const int64_t pid = document_number(servant, "pid");

		json_array_foreach(document_member(servant, "threads"), k, tid)
		{
			if (pid > 0 && pid <= INT32_MAX && json_is_integer(tid) && json_integer_value(tid) <= INT32_MAX)
				add_thread(tree, threads, (int)pid, (int)json_integer_value(tid));
		}
	}
	json_decref(document);
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
