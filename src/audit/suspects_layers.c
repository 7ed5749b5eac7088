/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/report.h"
#include "audit/suspect.h"

/*
 * The most suspicious layer: what the rules find about this guest. Nothing of it was measured, so that it weighs less
 * than what was (but for a guest without KVM, which is slow whatever else there is); among themselves they are ranked
 * by what removing such a layer usually brings.
 */
static const struct {
	const char *rule;
	double weight;
} weights[] = {
	{"guest.accelerator", 58},        {"guest.disk.bus", 38},          {"guest.nic.model", 37},
	{"guest.image.chain", 36},        {"guest.cpu.shared", 36},        {"guest.thread.iothread", 35},
	{"guest.image.format", 34},       {"guest.disk.cache", 33},        {"guest.memory.place", 33},
	{"guest.disk.iothread", 32},      {"guest.hostdev.near", 32},      {"guest.cpu.node", 31},
	{"guest.nic.vhost", 31},          {"guest.nic.backend", 31},       {"guest.disk.queues", 30},
	{"guest.hostdev.interrupts", 30}, {"guest.image.layers", 29},      {"guest.disk.aio", 28},
	{"guest.thread.emulator", 27},    {"guest.image.file-system", 27}, {"guest.cpu.pinned", 26},
	{"guest.memory.hugepages", 25},   {"guest.memory.bound", 25},      {"guest.cpu.model", 24},
};

static double weight_of(const struct finding *finding)
{
	const double base = finding->status == FINDING_FAIL ? 39 : 22;

	for (size_t i = 0; i < sizeof(weights) / sizeof(*weights); i++) {
		if (!strcmp(finding->rule->id, weights[i].rule))
			return weights[i].weight;
	}
	return finding->guest ? base : base - 7;
}

/* Those measured by suspects of their own are not said twice. */
static bool is_measured(const struct finding *finding)
{
	return !strcmp(finding->rule->id, "guest.thread.delay") || !strcmp(finding->rule->id, "guest.exits") ||
	       !strcmp(finding->rule->id, "guest.limits") || !strcmp(finding->rule->id, "guest.disk.throttle");
}

static void tell_finding(struct suspicion *suspicion, const struct audit *audit, const struct finding *finding)
{
	const struct rule *rule = finding->rule;

	suspect_another(suspicion, rule->id, rule->title, audit_cure(audit, finding, rule->cure));
	suspect_found(suspicion, weight_of(finding), "%s%s%s; expected: %s", finding->object ? finding->object : "",
		      finding->object ? ": " : "", finding->value ? finding->value : "",
		      finding->expected ? finding->expected : "otherwise");
	if (finding->why && *finding->why)
		suspect_tell(suspicion, "%s", finding->why);
	suspect_next(suspicion, "strait audit --vm %s --only %s", suspect_guest(suspicion), rule->id);
}

/* Findings of one rule are one cause, whose objects are its evidence. */
static void add_finding(struct suspicion *suspicion, const struct audit *audit, const struct finding *finding)
{
	const struct audit_group group = {.finding = *finding, .count = 2};

	if (suspicion->cause->id != finding->rule->id) {
		tell_finding(suspicion, audit, finding);
		return;
	}
	suspect_found(suspicion, weight_of(finding), "%s%s%s", finding->object ? finding->object : "",
		      finding->object ? ": " : "", finding->value ? finding->value : "");
	suspicion->cause->cure = audit_group_cure(audit, &group, finding->rule->cure);
}

static void look_at_settings(struct suspicion *suspicion)
{
	static const char *const only[] = {"guest", "host", NULL};
	const struct guest *guest = suspicion->seen->guest;
	const struct audit_options options = {
		.contexts = CONTEXT_GENERAL,
		.only = only,
		.guest = guest->name   ? guest->name
			 : guest->uuid ? guest->uuid
				       : tree_format(suspicion->diagnosis->host->tree, "%d", guest->pid),
	};
	const struct audit *audit = audit_run(suspicion->diagnosis->host, &options);
	struct cause *summary = suspicion->cause;
	const unsigned place = (unsigned)(summary - suspicion->diagnosis->cause);
	size_t asked = 0, found = 0;

	for (size_t i = 0; i < audit->count; i++) {
		const struct finding *finding = &audit->finding[i];

		if (finding->guest && finding->guest != guest)
			continue;
		asked += finding->status != FINDING_UNKNOWN;
		if (finding->status < FINDING_WARN || is_measured(finding))
			continue;
		found++;
		add_finding(suspicion, audit, finding);
	}
	suspicion->cause = &suspicion->diagnosis->cause[place];
	if (found)
		suspect_clear(suspicion, "of %zu settings all but %zu", asked, found);
	else if (asked)
		suspect_clear(suspicion, "%zu settings of the guest and the host are as they should be", asked);
	else
		suspect_unknown(suspicion, "no setting could be read");
}

const struct suspect suspects_layers[] = {
	{
		.id = "layers.settings",
		.title = "settings known for slowness (strait audit)",
		.look = look_at_settings,
	},
	{.id = NULL},
};
