/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <jansson.h>

#include "audit/advise_parts.h"
#include "audit/clean.h"
#include "client/table.h"

static void is(struct advising *advising, enum advice_workload workload, const char *evidence)
{
	advising->advice->workload = workload;
	advising->advice->workload_evidence = evidence;
}

/* What straitd has found out of one of its own. */
static bool by_straitd(struct advising *advising)
{
	static const struct {
		const char *class;
		enum advice_workload workload;
	} classes[] = {
		{"idle", WORKLOAD_UNKNOWN},
		{"latency-sensitive", WORKLOAD_LATENCY},
		{"throughput", WORKLOAD_THROUGHPUT},
		{"mixed", WORKLOAD_GENERAL},
	};
	const struct host_straitd *straitd = &advising->host->straitd;
	const char *socket = advising->disk ? advising->disk->vhost_socket : NULL, *class, *first;

	for (unsigned i = 0; socket && i < straitd->count; i++) {
		const struct host_straitd_disk *disk = &straitd->disk[i];

		if (!disk->socket || strcmp(disk->socket, socket) != 0)
			continue;
		class = json_string_value(json_object_get(disk->profile, "class"));
		first = json_string_value(json_array_get(json_object_get(disk->profile, "evidence"), 0));
		for (unsigned j = 0; class && j < sizeof(classes) / sizeof(classes[0]); j++) {
			if (strcmp(class, classes[j].class) != 0)
				continue;
			is(advising, classes[j].workload,
			   tree_format(advising->tree, "straitd's profile: %s%s%s", class, first ? ": " : "",
				       first ? audit_clean(advising->tree, first) : ""));
			return true;
		}
	}
	return false;
}

void advise_workload(struct advising *advising)
{
	const enum advice_workload asked = advising->options->workload;

	if (asked != WORKLOAD_MEASURED)
		is(advising, asked, tree_format(advising->tree, "--workload says %s", advice_workload_name(asked)));
	else if (!by_straitd(advising))
		is(advising, WORKLOAD_UNKNOWN, "what it is used for is not known: say --workload");
}
