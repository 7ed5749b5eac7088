/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/counters.h"

#define STATISTICS "/sys/kernel/debug/kvm"

/* Those of KVM's statistics that count events a guest pays for; the others are states, or pages. */
static const char *const counted[] = {
	"exits",      "halt_exits",   "io_exits",          "mmio_exits",           "irq_exits",
	"hypercalls", "signal_exits", "irq_window_exits",  "request_irq_exits",    "nmi_window_exits",
	"pf_taken",   "pf_emulate",   "insn_emulation",    "halt_successful_poll", "halt_attempted_poll",
	"tlb_flush",  "invlpg",       "halt_wakeup",       "irq_injections",       "nmi_injections",
	"req_event",  "fpu_reload",   "host_state_reload", "nested_run",
};

/* Each virtual machine has a directory "PID-FD". */
void host_counters_exits(struct host *host, struct counter_list *exits)
{
	const char *const *names;
	const ssize_t count = tree_list(host->tree, STATISTICS, &names);

	for (ssize_t i = 0; i < count; i++) {
		int pid, fd;

		if (sscanf(names[i], "%d-%d", &pid, &fd) != 2)
			continue;
		for (size_t k = 0; k < sizeof(counted) / sizeof(counted[0]); k++) {
			const char *text;
			struct counter_exit *exit;

			if (tree_reread(host->tree, &text, STATISTICS "/%s/%s", names[i], counted[k]) <= 0)
				continue;
			exit = counter_add(host->tree, exits, sizeof(*exit));
			if (exit)
				*exit = (struct counter_exit){pid, counted[k], strtoull(text, NULL, 10)};
		}
	}
}
