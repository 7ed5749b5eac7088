/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* What NVMe devices say about themselves. */

typedef void health_check(struct audit *audit, const struct rule *rule, const char *controller,
			  const struct host_nvme_health *health);

/* Each controller once, by the first disk that it has. */
static void each_controller(struct audit *audit, const struct rule *rule, health_check *check)
{
	const struct host_blocks *blocks = &audit->host->blocks;

	for (unsigned i = 0; i < blocks->count; i++) {
		const struct host_block *block = &blocks->block[i];
		bool is_first = block->controller != NULL;

		for (unsigned k = 0; is_first && k < i; k++)
			is_first = !blocks->block[k].controller ||
				   strcmp(blocks->block[k].controller, block->controller) != 0;
		if (!is_first)
			continue;
		if (block->nvme)
			check(audit, rule, block->controller, block->nvme);
		else
			audit_unknown(audit, rule, block->controller, 0, "%s",
				      block->nvme_unreadable ? block->nvme_unreadable : "its SMART log is not known");
	}
}

/* The bits of byte 0 of the SMART log (NVM Express Base Specification, 5.16.1.3). */
static const char *warnings(struct tree *tree, int64_t bits)
{
	static const char *const names[] = {
		"little spare left",       "too hot or too cold",     "reliability degraded",
		"media are read-only now", "backup of memory failed", "persistent memory is read-only",
	};
	const char *text = "";

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (bits >> i & 1)
			text = tree_format(tree, "%s%s%s", text, *text ? ", " : "", names[i]);
	}
	return *text ? text : tree_format(tree, "%lld", (long long)bits);
}

static void check_warning_of(struct audit *audit, const struct rule *rule, const char *controller,
			     const struct host_nvme_health *health)
{
	if (health->critical_warning == HOST_UNKNOWN)
		audit_unknown(audit, rule, controller, 0, "its SMART log has no critical_warning");
	else if (!health->critical_warning)
		audit_pass(audit, rule, controller, "none");
	else
		rule_verdict(audit, rule, false, controller, warnings(audit->host->tree, health->critical_warning),
			     NULL);
}

static void check_warning(struct audit *audit, const struct rule *rule)
{
	each_controller(audit, rule, check_warning_of);
}

static void judge(struct audit *audit, const struct rule *rule, const char *controller, const char *what, int64_t value)
{
	struct tree *tree = audit->host->tree;

	if (value == HOST_UNKNOWN)
		audit_unknown(audit, rule, controller, 0, "its SMART log has no %s", what);
	else
		audit_judge(audit, rule, controller, tree_format(tree, "SMART log of %s: %s", controller, what),
			    tree_format(tree, "%lld", (long long)value));
}

static void check_media_of(struct audit *audit, const struct rule *rule, const char *controller,
			   const struct host_nvme_health *health)
{
	judge(audit, rule, controller, "media_errors", health->media_errors);
}

static void check_media(struct audit *audit, const struct rule *rule)
{
	each_controller(audit, rule, check_media_of);
}

static void check_errors_of(struct audit *audit, const struct rule *rule, const char *controller,
			    const struct host_nvme_health *health)
{
	judge(audit, rule, controller, "num_err_log_entries", health->error_log_entries);
}

static void check_errors(struct audit *audit, const struct rule *rule)
{
	each_controller(audit, rule, check_errors_of);
}

static void check_wear_of(struct audit *audit, const struct rule *rule, const char *controller,
			  const struct host_nvme_health *health)
{
	judge(audit, rule, controller, "percent_used", health->percent_used);
}

static void check_wear(struct audit *audit, const struct rule *rule)
{
	each_controller(audit, rule, check_wear_of);
}

static const struct rule rules[] = {
	{
		.id = "host.nvme.warning",
		.title = "critical warnings of an NVMe device",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "none", FINDING_FAIL}},
		.check = check_warning,
		.reads = "SMART log: critical_warning",
		.why = "The device says itself that it is about to fail, too hot, or no longer written to.",
		.costs = "A new device.",
		.cure = "nvme smart-log /dev/%s; move its guests away, then replace it",
		.lasting = "An alert on the SMART log.",
		.source = "NVM Express Base Specification, SMART / Health Information",
	},
	{
		.id = "host.nvme.media-errors",
		.title = "media errors of an NVMe device",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_AT_MOST, "0", FINDING_WARN}},
		.check = check_media,
		.reads = "SMART log: media_errors",
		.why = "Data could not be read back. Before that happens a device reads again and again, which guests "
		       "see as requests of seconds.",
		.costs = "A new device.",
		.cure = "nvme error-log /dev/%s; plan its replacement",
		.lasting = "An alert on the SMART log.",
		.source = "NVM Express Base Specification, SMART / Health Information",
	},
	{
		.id = "host.nvme.errors",
		.title = "error log of an NVMe device",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_AT_MOST, "0", FINDING_NOTE}},
		.check = check_errors,
		.reads = "SMART log: num_err_log_entries",
		.why = "It counts commands that failed, also harmless ones that tools try; that it grows is the news.",
		.costs = "Nothing.",
		.cure = "nvme error-log /dev/%s",
		.lasting = "Keep the number with the host's baseline.",
		.source = "NVM Express Base Specification, SMART / Health Information",
	},
	{
		.id = "host.nvme.wear",
		.title = "wear of an NVMe device",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_AT_MOST, "90", FINDING_WARN}},
		.check = check_wear,
		.reads = "SMART log: percent_used",
		.why = "In percent of the life that the vendor gives it: beyond it, errors and slow blocks become "
		       "more.",
		.costs = "A new device.",
		.cure = "nvme smart-log /dev/%s; plan its replacement",
		.lasting = "An alert on the SMART log.",
		.source = "NVM Express Base Specification, SMART / Health Information",
	},
};

const struct rule_table rules_nvme = RULE_TABLE(rules);
