/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/counters.h"
#include "host/document.h"
#include "host/qmp.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STATISTICS   "/sys/kernel/debug/kvm"

/* Those of KVM's statistics that count events a guest pays for; the others are states, or pages. */
static const char *const counted[] = {
	"exits",      "halt_exits",   "io_exits",          "mmio_exits",           "irq_exits",
	"hypercalls", "signal_exits", "irq_window_exits",  "request_irq_exits",    "nmi_window_exits",
	"pf_taken",   "pf_emulate",   "insn_emulation",    "halt_successful_poll", "halt_attempted_poll",
	"tlb_flush",  "invlpg",       "halt_wakeup",       "irq_injections",       "nmi_injections",
	"req_event",  "fpu_reload",   "host_state_reload", "nested_run",
};

static void add_exit(struct tree *tree, struct counter_list *exits, int pid, const char *reason, uint64_t count)
{
	struct counter_exit *exit = exits->item;

	/* Each CPU has its own by QMP, and a process may run several machines. */
	for (size_t i = 0; i < exits->count; i++) {
		if (exit[i].pid == pid && !strcmp(exit[i].reason, reason)) {
			exit[i].count += count;
			return;
		}
	}
	exit = counter_add(tree, exits, sizeof(*exit));
	if (exit)
		*exit = (struct counter_exit){pid, reason, count};
}

/* Each virtual machine has a directory "PID-FD". */
static void read_debugfs(struct tree *tree, struct counter_list *exits)
{
	const char *const *names;
	const ssize_t count = tree_list(tree, STATISTICS, &names);

	for (ssize_t i = 0; i < count; i++) {
		const char *text;
		int pid, fd;

		if (sscanf(names[i], "%d-%d", &pid, &fd) != 2)
			continue;
		for (size_t k = 0; k < COUNT(counted); k++) {
			if (tree_reread(tree, &text, STATISTICS "/%s/%s", names[i], counted[k]) > 0)
				add_exit(tree, exits, pid, counted[k], strtoull(text, NULL, 10));
		}
	}
}

static void add_answer(struct tree *tree, struct counter_list *exits, int pid, const json_t *answer)
{
	const json_t *object, *statistic;
	size_t i, k;

	json_array_foreach(answer, i, object)
	{
		json_array_foreach(document_member(object, "stats"), k, statistic)
		{
			const char *name = json_string_value(document_member(statistic, "name"));
			const int64_t value = document_number(statistic, "value");

			for (size_t n = 0; name && value >= 0 && n < COUNT(counted); n++) {
				if (!strcmp(name, counted[n]))
					add_exit(tree, exits, pid, counted[n], (uint64_t)value);
			}
		}
	}
}

/* QEMU reads the same for us, where debugfs is not mounted or not ours to read. */
static void ask_guest(struct tree *tree, struct counter_list *exits, const struct guest *guest)
{
	static const char arguments[] = "{\"target\": \"vcpu\", \"providers\": [{\"provider\": \"kvm\"}]}";
	struct qmp *qmp = qmp_new(tree, guest);
	json_t *answer = qmp_ask_again(qmp, "query-stats", arguments, "query-stats");

	qmp_hang_up(qmp);
	add_answer(tree, exits, guest->pid, answer);
	json_decref(answer);
}

static bool is_counted(const struct counter_list *exits, int pid)
{
	const struct counter_exit *exit = exits->item;

	for (size_t i = 0; i < exits->count; i++) {
		if (exit[i].pid == pid)
			return true;
	}
	return false;
}

void host_counters_exits(struct host *host, struct counter_list *exits)
{
	read_debugfs(host->tree, exits);
	for (unsigned i = 0; i < host->guests.count; i++) {
		const struct guest *guest = &host->guests.guest[i];

		/* One that did not answer when the machine was read would be waited for in each sample. */
		if (guest->pid > 0 && guest->qmp && !guest->unreadable && guest->accelerator &&
		    !strcmp(guest->accelerator, "kvm") && !is_counted(exits, guest->pid))
			ask_guest(host->tree, exits, guest);
	}
}
