/* SPDX-License-Identifier: Apache-2.0 */
#include "host/exit_counts.h"

#include <stdlib.h>
#include <string.h>

#include "base/hist.h"
#include "host/model_json.h"

/* More than a machine has. What is beyond them is not counted. */
#define THREADS 8192u
#define REASONS 128u
#define NAMES   1024u
#define ALL     8192u /* reasons of all threads together */

struct reason {
	const char *name;
	struct hist time;
	uint64_t count; /* time has only those that were entered again */
};

struct vcpu {
	int tid, pid; /* pid: 0: no event told */
	const char *pending;
	uint64_t since;
	struct reason *reason[REASONS];
	unsigned count;
};

struct exit_counts {
	struct vcpu *vcpu[THREADS];
	char *name[NAMES];
	unsigned reasons;
	uint64_t first, last;
};

struct exit_counts *exit_counts_new(void)
{
	return calloc(1, sizeof(struct exit_counts));
}

void exit_counts_free(struct exit_counts *counts)
{
	if (!counts)
		return;
	for (unsigned i = 0; i < THREADS; i++) {
		for (unsigned k = 0; counts->vcpu[i] && k < counts->vcpu[i]->count; k++)
			free(counts->vcpu[i]->reason[k]);
		free(counts->vcpu[i]);
	}
	for (unsigned i = 0; i < NAMES; i++)
		free(counts->name[i]);
	free(counts);
}

const char *exit_counts_name(struct exit_counts *counts, const char *text)
{
	for (unsigned i = 0; i < NAMES; i++) {
		if (!counts->name[i])
			return counts->name[i] = strdup(text);
		if (!strcmp(counts->name[i], text))
			return counts->name[i];
	}
	return NULL;
}

/* Its place, found from its number on. */
static struct vcpu *vcpu_of(struct exit_counts *counts, int tid)
{
	for (unsigned i = 0; i < THREADS; i++) {
		struct vcpu **place = &counts->vcpu[((unsigned)tid + i) % THREADS];

		if (*place && (*place)->tid == tid)
			return *place;
		if (*place)
			continue;
		*place = calloc(1, sizeof(**place));
		if (*place)
			(*place)->tid = tid;
		return *place;
	}
	return NULL;
}

static struct reason *reason_of(struct exit_counts *counts, struct vcpu *vcpu, const char *name)
{
	struct reason *reason;

	for (unsigned i = 0; i < vcpu->count; i++) {
		if (vcpu->reason[i]->name == name)
			return vcpu->reason[i];
	}
	if (vcpu->count == REASONS || counts->reasons == ALL)
		return NULL;
	reason = calloc(1, sizeof(*reason));
	if (reason) {
		reason->name = name;
		hist_reset(&reason->time);
		vcpu->reason[vcpu->count++] = reason;
		counts->reasons++;
	}
	return reason;
}

static void saw(struct exit_counts *counts, uint64_t ns)
{
	if (!counts->first || ns < counts->first)
		counts->first = ns;
	if (ns > counts->last)
		counts->last = ns;
}

void exit_counts_exit(struct exit_counts *counts, int tid, const char *reason, uint64_t ns)
{
	struct vcpu *vcpu = tid > 0 ? vcpu_of(counts, tid) : NULL;
	struct reason *entry = vcpu && reason ? reason_of(counts, vcpu, reason) : NULL;

	if (!entry)
		return;
	saw(counts, ns);
	entry->count++;
	vcpu->pending = reason;
	vcpu->since = ns;
}

void exit_counts_entry(struct exit_counts *counts, int tid, uint64_t ns)
{
	struct vcpu *vcpu = tid > 0 ? vcpu_of(counts, tid) : NULL;
	struct reason *entry = vcpu && vcpu->pending ? reason_of(counts, vcpu, vcpu->pending) : NULL;

	saw(counts, ns);
	/* An exit that was lost leaves none pending; events of two CPUs may be seen out of order. */
	if (entry && ns >= vcpu->since)
		hist_add(&entry->time, ns - vcpu->since);
	if (vcpu)
		vcpu->pending = NULL;
}

void exit_counts_process(struct exit_counts *counts, int tid, int pid)
{
	struct vcpu *vcpu = tid > 0 ? vcpu_of(counts, tid) : NULL;

	if (vcpu)
		vcpu->pid = pid;
}

double exit_counts_seconds(const struct exit_counts *counts)
{
	return (double)(counts->last - counts->first) / 1e9;
}

static json_t *histogram(const struct hist *hist)
{
	json_t *steps = json_array();

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		if (hist->bucket[i])
			json_array_append_new(
				steps, json_pack("[I,I]", (json_int_t)hist_lower(i), (json_int_t)hist->bucket[i]));
	}
	return steps;
}

static json_t *describe(const struct vcpu *vcpu, const struct reason *reason, int pid)
{
	json_t *entry = json_pack("{s:i,s:s,s:I}", "tid", vcpu->tid, "reason", reason->name, "count",
				  (json_int_t)reason->count);

	if (pid > 0)
		json_object_set_new(entry, "pid", json_integer(pid));
	if (reason->time.count) {
		json_object_set_new(entry, "ns", json_integer((json_int_t)reason->time.sum));
		json_object_set_new(entry, "min-ns", json_integer((json_int_t)reason->time.min));
		json_object_set_new(entry, "max-ns", json_integer((json_int_t)reason->time.max));
		json_object_set_new(entry, "histogram", histogram(&reason->time));
	}
	return entry;
}

json_t *exit_counts_json(const struct exit_counts *counts, const struct exit_origin *origin)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < THREADS; i++) {
		const struct vcpu *vcpu = counts->vcpu[i];
		const int pid = !vcpu || vcpu->pid ? 0 : origin->pid_of ? origin->pid_of(vcpu->tid) : 0;

		for (unsigned k = 0; vcpu && k < vcpu->count; k++)
			json_array_append_new(list, describe(vcpu, vcpu->reason[k], vcpu->pid ? vcpu->pid : pid));
	}
	return json_pack("{s:f,s:o,s:I,s:o}", "seconds", origin->seconds, "source", host_text_json(origin->source),
			 "lost", (json_int_t)origin->lost, "exits", list);
}
