/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "audit/path_build.h"
#include "client/table.h"

/* Part of a stage of p99 from which it is worth saying. */
#define MOST 0.5
/* Of the time in which a worker wanted to run, it had to wait for a CPU. */
#define MUCH_DELAY 0.1

static const json_t *level_of(const json_t *budget, double quantile)
{
	const json_t *levels = json_object_get(budget, "levels"), *level;
	size_t i;

	json_array_foreach(levels, i, level)
	{
		if (fabs(json_number_value(json_object_get(level, "quantile")) - quantile) < 1e-6)
			return level;
	}
	return NULL;
}

static void add_level(struct path_build *build, struct path_layer *layer, const json_t *budget, const char *key,
		      double quantile)
{
	const double ns = json_number_value(json_object_get(level_of(budget, quantile), "total-ns"));
	char text[CLIENT_TEXT];

	if (ns > 0)
		path_fact(build, layer, key, tree_format(build->tree, "%s", client_format_ns(ns, text)));
}

/* What most of p99 is. */
static void note_stage(struct path_build *build, struct path_layer *layer, const json_t *budget)
{
	static const struct {
		const char *stage;
		enum path_weight weight;
		const char *text;
	} texts[] = {
		{"ring", PATH_COST, "waits in the ring for a worker"},
		{"held", PATH_COST, "is held by QoS"},
		{"submit", PATH_COST, "is submission to the kernel"},
		{"publish", PATH_COST, "waits to be published"},
		{"notify", PATH_COST, "waits for the guest to be told"},
	};
	const json_t *level = level_of(budget, 0.99), *stages = json_object_get(level, "stages");
	const double total = json_number_value(json_object_get(level, "total-ns"));

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]) && total > 0; i++) {
		const double share = json_number_value(json_object_get(stages, texts[i].stage)) / total;

		if (share >= MOST)
			path_note(build, layer, texts[i].weight, "%.0f%% of p99 %s", 100 * share, texts[i].text);
	}
}

static void add_budget(struct path_build *build, struct path_layer *layer, const json_t *budget)
{
	const json_int_t requests = json_integer_value(json_object_get(budget, "requests"));
	const json_t *host = json_object_get(budget, "host"), *level = level_of(budget, 0.99);
	const double delay = json_number_value(json_object_get(host, "run-delay-share")),
		     total = json_number_value(json_object_get(level, "total-ns"));
	const double backend = json_number_value(json_object_get(json_object_get(level, "stages"), "backend"));

	path_number(build, layer, "requests", requests);
	if (requests <= 0)
		return;
	add_level(build, layer, budget, "p50", 0.5);
	add_level(build, layer, budget, "p99", 0.99);
	if (total > 0)
		path_fact(build, layer, "back-end", tree_format(build->tree, "%.0f%% of p99", 100 * backend / total));
	note_stage(build, layer, budget);
	if (delay >= MUCH_DELAY)
		path_note(build, layer, PATH_RISK, "its worker waits for a CPU %.0f%% of the time", 100 * delay);
}

void path_straitd(struct path_build *build, struct path_layer *above, const char *socket)
{
	const struct host_straitd *straitd = &build->host->straitd;
	const struct host_straitd_disk *disk = host_straitd_by_socket(straitd, socket);
	struct path_layer *layer;

	if (!disk) {
		path_fact(build, above, "served-by", "an unknown process");
		if (straitd->unreadable)
			path_fact(build, above, "straitd", straitd->unreadable);
		return;
	}
	layer = path_own(build, above, "straitd", disk->name);
	path_fact(build, layer, "state", disk->state);
	path_number(build, layer, "queues", disk->queues);
	path_fact(build, layer, "cache", json_string_value(json_object_get(disk->disk, "cache")));
	path_fact(build, layer, "polling", json_string_value(json_object_get(disk->disk, "polling")));
	add_budget(build, layer, disk->budget);
	if (!disk->file) {
		path_fact(build, layer, "file", "none: a null disk");
		return;
	}
	layer = path_own(build, layer, "image", disk->file);
	path_word(build, layer, "format", "raw");
	path_file(build, layer, disk->file);
}
