/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/exits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Published rules of thumb: what operators of KVM look for first. */
static const struct exit_limit limits[] = {
	{EXIT_KIND_HALT, "halts", 0, 0, "expected of an idle guest"},
	{EXIT_KIND_IO, "I/O", 1000, 10000, "virtio with ioeventfd, or passthrough, instead of an emulated device"},
	{EXIT_KIND_MEMORY, "page faults", 100, 1000, "back its memory with huge pages, preallocated"},
	{EXIT_KIND_INTERRUPT, "interrupts", 0, 0, "posted interrupts spare these where they are frequent"},
	{EXIT_KIND_CONTROL_REGISTER, "control registers", 100, 1000, "look at what the guest does"},
};

/* Of KVM's statistics those that are exits of a kind, and the sum of all. */
static const struct {
	const char *name;
	enum exit_kind kind;
} statistics[] = {
	{"halt_exits", EXIT_KIND_HALT}, {"io_exits", EXIT_KIND_IO},         {"mmio_exits", EXIT_KIND_IO},
	{"pf_taken", EXIT_KIND_MEMORY}, {"irq_exits", EXIT_KIND_INTERRUPT},
};
#define ALL_EXITS "exits"

const struct exit_limit *exit_limit_of(enum exit_kind kind)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (limits[i].kind == kind)
			return &limits[i];
	}
	return NULL;
}

static enum exit_kind kind_of(const char *reason)
{
	for (size_t i = 0; i < sizeof(statistics) / sizeof(statistics[0]); i++) {
		if (!strcmp(statistics[i].name, reason))
			return statistics[i].kind;
	}
	return exit_reason_kind(reason);
}

static bool is_thread_of(const struct guest *guest, int tid)
{
	for (unsigned i = 0; i < guest->vcpu_count; i++) {
		if (guest->vcpu[i].tid == tid)
			return true;
	}
	return false;
}

static const struct guest *guest_of(const struct host *host, int pid, int tid)
{
	for (unsigned i = 0; i < host->guests.count; i++) {
		const struct guest *guest = &host->guests.guest[i];

		if ((pid > 0 && guest->pid == pid) || (tid > 0 && is_thread_of(guest, tid)))
			return guest;
	}
	return NULL;
}

/* The entry of a guest, or of a process that is none; NULL where it is not asked for. */
static struct guest_exits *entry_of(struct host *host, struct exit_summary *summary, int pid, int tid,
				    const struct guest *only)
{
	const struct guest *guest = guest_of(host, pid, tid);
	struct guest_exits *entry;

	if (only && guest != only)
		return NULL;
	if (guest)
		pid = guest->pid;
	for (unsigned i = 0; i < summary->count; i++) {
		if (summary->guest[i].pid == pid)
			return &summary->guest[i];
	}
	entry = &summary->guest[summary->count++];
	entry->guest = guest;
	entry->pid = pid;
	entry->rate = NAN;
	return entry;
}

static struct exit_row *row_of(struct tree *tree, struct guest_exits *entry, const char *reason, unsigned room)
{
	struct exit_row *row;

	for (unsigned i = 0; i < entry->count; i++) {
		if (!strcmp(entry->row[i].reason, reason))
			return &entry->row[i];
	}
	if (!entry->row)
		entry->row = tree_alloc(tree, room * sizeof(*entry->row));
	row = &entry->row[entry->count++];
	row->reason = reason;
	row->limit = exit_limit_of(kind_of(reason));
	row->share = row->time = NAN;
	return row;
}

/* Of all reasons, with those of one guest behind one another in the order of host_exits. */
static void add_traced(struct host *host, const struct host_exits *exits, struct exit_summary *summary,
		       const struct guest *only)
{
	for (unsigned i = 0; i < exits->count; i++) {
		const struct host_exit *exit = &exits->exit[i];
		struct guest_exits *entry = entry_of(host, summary, exit->pid, exit->tid, only);
		struct exit_row *row = entry ? row_of(host->tree, entry, exit->reason, exits->count) : NULL;
		struct hist *taken;
		bool seen = false;

		if (!row)
			continue;
		if (!row->taken) {
			row->taken = taken = tree_alloc(host->tree, sizeof(*taken));
			hist_reset(taken);
		}
		hist_merge((struct hist *)row->taken, exit->time);
		row->rate += (double)exit->count / exits->seconds;
		entry->rate = (entry->traced ? entry->rate : 0) + (double)exit->count / exits->seconds;
		entry->traced = true;
		for (unsigned k = 0; k < i && !seen; k++)
			seen = exits->exit[k].tid == exit->tid && exits->exit[k].pid == exit->pid;
		entry->threads += !seen;
	}
}

static void add_statistics(struct host *host, struct exit_summary *summary, const struct guest *only)
{
	for (unsigned i = 0; i < host->rates.exit_count; i++) {
		const struct rate_exit *exit = &host->rates.exit[i];
		struct guest_exits *entry = entry_of(host, summary, exit->pid, 0, only);

		if (!entry || entry->traced || isnan(exit->rate))
			continue;
		if (!strcmp(exit->reason, ALL_EXITS))
			entry->rate = exit->rate;
		else
			row_of(host->tree, entry, exit->reason, host->rates.exit_count)->rate += exit->rate;
	}
}

static int by_rate(const void *a, const void *b)
{
	const struct exit_row *left = a, *right = b;

	if (left->rate != right->rate)
		return left->rate < right->rate ? 1 : -1;
	return strcmp(left->reason, right->reason);
}

static enum exit_verdict judge(const struct guest_exits *entry, const struct exit_limit *limit)
{
	double rate = 0;

	if (!limit || limit->worrying == 0)
		return EXIT_NOT_JUDGED;
	for (unsigned i = 0; i < entry->count; i++)
		rate += entry->row[i].limit == limit ? entry->row[i].rate : 0;
	return rate > limit->worrying ? EXIT_WORRYING : rate < limit->normal ? EXIT_NORMAL : EXIT_RAISED;
}

static void finish(struct guest_exits *entry, double seconds)
{
	for (unsigned i = 0; i < entry->count; i++) {
		struct exit_row *row = &entry->row[i];

		row->verdict = judge(entry, row->limit);
		if (entry->traced) {
			row->share = row->rate / entry->rate;
			row->time = (double)row->taken->sum / 1e9 / seconds / entry->threads;
		}
	}
	if (entry->count)
		qsort(entry->row, entry->count, sizeof(*entry->row), by_rate);
}

struct exit_summary exits_summarize(struct host *host, const struct host_exits *exits, const struct guest *only)
{
	struct exit_summary summary = {0};

	summary.guest = tree_alloc(host->tree, (exits->count + host->rates.exit_count + 1) * sizeof(*summary.guest));
	add_traced(host, exits, &summary, only);
	add_statistics(host, &summary, only);
	for (unsigned i = 0; i < summary.count; i++)
		finish(&summary.guest[i], exits->seconds);
	return summary;
}

enum exit_verdict exits_worst(const struct exit_summary *summary)
{
	enum exit_verdict worst = EXIT_NOT_JUDGED;

	for (unsigned i = 0; i < summary->count; i++) {
		for (unsigned k = 0; k < summary->guest[i].count; k++) {
			if (summary->guest[i].row[k].verdict > worst)
				worst = summary->guest[i].row[k].verdict;
		}
	}
	return worst;
}

const char *exit_verdict_name(enum exit_verdict verdict)
{
	static const char *const names[] = {NULL, "normal", "raised", "worrying"};

	return names[verdict];
}
