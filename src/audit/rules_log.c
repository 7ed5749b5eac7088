/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"
#include "host/kernel_log.h"

/* What the kernel said about devices. */

/* The name of the device that a line complains about; NULL: it is no such line. */
typedef const char *log_subject(struct tree *tree, const char *line);

static bool has_one(const char *line, const char *const *words)
{
	for (; *words; words++) {
		if (strstr(line, *words))
			return true;
	}
	return false;
}

/* "nvme0" of "nvme nvme0: I/O tag 12 (100c) QID 1 timeout, aborting", if it is one of the driver's complaints. */
static const char *nvme_in_trouble(struct tree *tree, const char *line)
{
	static const char *const words[] = {
		" timeout, ",         "resetting controller",       "controller is down",
		"Abort status:",      "Device not ready;",          "Removing after probe failure",
		"frozen state error", "Device shutdown incomplete", NULL,
	};

	for (const char *at = strstr(line, "nvme"); at && has_one(line, words); at = strstr(at + 1, "nvme")) {
		const size_t digits = strspn(at + 4, "0123456789");

		if (digits && digits < 10)
			return tree_format(tree, "%.*s", (int)(4 + digits), at);
	}
	return NULL;
}

/* "sda" of "I/O error, dev sda, sector 12 op 0x0:(READ)", "critical medium error, dev ...". */
static const char *disk_in_trouble(struct tree *tree, const char *line)
{
	static const char dev[] = " error, dev ";
	const char *at = strstr(line, dev);
	const size_t length = at ? strcspn(at + strlen(dev), ", ") : 0;

	return length && length < 64 ? tree_format(tree, "%.*s", (int)length, at + strlen(dev)) : NULL;
}

/* "0000:01:00.0" of "pcieport 0000:00:01.0: AER: ... error message received from 0000:01:00.0". */
static const char *link_in_trouble(struct tree *tree, const char *line)
{
	static const char *const words[] = {"Uncorrected", "Uncorrectable", "Fatal error", "DPC: ", NULL};
	const char *colon = strchr(line, ':');

	if (!has_one(line, words) || (!strstr(line, "AER: ") && !strstr(line, "DPC: ")) || !colon)
		return NULL;
	for (const char *at = line; *at; at += strcspn(at, " ") + (at[strcspn(at, " ")] == ' ')) {
		const size_t length = strcspn(at, " ");
		const char *path =
			tree_format(tree, "/%.*s", (int)(length && at[length - 1] == ':' ? length - 1 : length), at);
		const char *address = length < 20 ? host_pci_of_path(tree, path) : NULL;

		if (address)
			return address;
	}
	return NULL;
}

#define SUBJECTS 64

struct subject {
	const char *name, *last;
	unsigned count;
};

static unsigned collect(struct tree *tree, const struct kernel_log_line *lines, ssize_t count, log_subject *subject_of,
			struct subject subject[SUBJECTS])
{
	unsigned found = 0, k;

	for (ssize_t i = 0; i < count; i++) {
		const char *name = subject_of(tree, lines[i].text);

		for (k = 0; name && k < found && strcmp(subject[k].name, name) != 0;)
			k++;
		if (!name || k == SUBJECTS)
			continue;
		if (k == found)
			subject[found++] = (struct subject){.name = name};
		subject[k].count++;
		subject[k].last = lines[i].text;
	}
	return found;
}

static void check_log(struct audit *audit, const struct rule *rule, log_subject *subject_of)
{
	struct tree *tree = audit->host->tree;
	struct subject subject[SUBJECTS];
	const struct kernel_log_line *lines;
	const ssize_t count = host_kernel_log(tree, &lines);
	const unsigned found = count > 0 ? collect(tree, lines, count, subject_of, subject) : 0;

	if (count < 0)
		audit_unknown(audit, rule, NULL, (int)count, "the kernel's log");
	else if (!found)
		audit_pass(audit, rule, NULL, "none");
	for (unsigned i = 0; i < found; i++)
		rule_verdict(audit, rule, false, subject[i].name,
			     tree_format(tree, "%u %s", subject[i].count, subject[i].count == 1 ? "line" : "lines"),
			     "the last: %s", subject[i].last);
}

static void check_resets(struct audit *audit, const struct rule *rule)
{
	check_log(audit, rule, nvme_in_trouble);
}

static void check_errors(struct audit *audit, const struct rule *rule)
{
	check_log(audit, rule, disk_in_trouble);
}

static void check_links(struct audit *audit, const struct rule *rule)
{
	check_log(audit, rule, link_in_trouble);
}

static const struct rule rules[] = {
	{
		.id = "host.nvme.resets",
		.title = "resets and timeouts of NVMe devices",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "none", FINDING_WARN}},
		.check = check_resets,
		.reads = "the kernel's log",
		.why = "While a controller is reset all of its guests stand still, and a timeout is half a minute: the "
		       "best prediction of the next one.",
		.costs = "Firmware updates need a maintenance window.",
		.cure = "journalctl -k -g nvme; look at firmware, power states (APST) and the slot",
		.lasting = "New firmware; nvme_core.default_ps_max_latency_us=0 where power states are the cause.",
		.source = "Linux, drivers/nvme/host",
	},
	{
		.id = "host.block.errors",
		.title = "errors of disks",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "none", FINDING_WARN}},
		.check = check_errors,
		.reads = "the kernel's log",
		.why = "A request failed for good, after the device had tried for long: a guest sees an error, or with "
		       "werror=stop stands still.",
		.costs = "A new disk; a path that works.",
		.cure = "journalctl -k -g 'error, dev %s'; smartctl -a or nvme smart-log",
		.lasting = "Redundancy below the guests' disks, and an alert on this line.",
		.source = "Linux, block/blk-core.c",
	},
	{
		.id = "host.pci.log",
		.title = "errors of PCIe in the kernel's log",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "none", FINDING_WARN}},
		.check = check_links,
		.reads = "the kernel's log",
		.why = "Packets between the processor and a device were lost for good: requests time out, or the port "
		       "shuts the device off (DPC).",
		.costs = "Reseating a card needs a maintenance window.",
		.cure = "journalctl -k -g 'AER|DPC'; lspci -vv -s %s",
		.lasting = "Another slot or riser, new firmware.",
		.source = "Linux, Documentation/PCI/pcieaer-howto.rst",
	},
};

const struct rule_table rules_log = RULE_TABLE(rules);
