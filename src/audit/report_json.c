/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/clean.h"
#include "audit/report.h"

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *contexts_json(unsigned contexts)
{
	json_t *names = json_array();

	for (unsigned bit = CONTEXT_GENERAL; bit <= CONTEXT_REALTIME; bit <<= 1) {
		if (contexts & bit)
			json_array_append_new(names, json_string(rule_context_name(bit)));
	}
	return names;
}

static json_t *finding_json(const struct audit *audit, const struct finding *finding)
{
	const struct rule *rule = finding->rule;
	struct tree *tree = audit->host->tree;
	json_t *json = json_object();

	json_object_set_new(json, "id", json_string(rule->id));
	json_object_set_new(json, "title", json_string(rule->title));
	json_object_set_new(json, "status", json_string(finding_status_name(finding->status)));
	json_object_set_new(json, "guest",
			    text_or_null(finding->guest ? audit_clean(tree, finding->guest->name) : NULL));
	if (finding->guest && finding->guest->pid != HOST_UNKNOWN)
		json_object_set_new(json, "pid", json_integer(finding->guest->pid));
	json_object_set_new(json, "object", text_or_null(finding->object));
	json_object_set_new(json, "read", text_or_null(finding->read));
	json_object_set_new(json, "value", text_or_null(finding->value));
	json_object_set_new(json, "expected", text_or_null(finding->expected));
	json_object_set_new(json, "found", text_or_null(finding->why));
	json_object_set_new(json, "why", text_or_null(rule->why));
	json_object_set_new(json, "costs", text_or_null(rule->costs));
	json_object_set_new(json, "cure", text_or_null(audit_cure(audit, finding, rule->cure)));
	json_object_set_new(json, "lasting", text_or_null(audit_cure(audit, finding, rule->lasting)));
	json_object_set_new(json, "source", text_or_null(rule->source));
	json_object_set_new(json, "suppressed", text_or_null(finding->suppressed));
	return json;
}

static void add_unreadable(void *context, const char *path, int error)
{
	struct {
		json_t *list;
		struct tree *tree;
	} *into = context;

	json_array_append_new(into->list, json_pack("{s:s,s:s}", "path", audit_clean(into->tree, path), "error",
						    strerrordesc_np(-error) ? strerrordesc_np(-error) : "unknown"));
}

json_t *audit_report_json(const struct audit *audit)
{
	const struct audit_counts counts = audit_count(audit);
	struct {
		json_t *list;
		struct tree *tree;
	} unreadable = {json_array(), audit->host->tree};
	json_t *json = json_object(), *findings = json_array(), *summary = json_object(), *remarks = json_array();

	json_object_set_new(json, "machine", text_or_null(audit_clean(audit->host->tree, audit->host->name)));
	json_object_set_new(json, "kernel", text_or_null(audit_clean(audit->host->tree, audit->host->kernel)));
	json_object_set_new(json, "profile", text_or_null(audit->options.profile));
	json_object_set_new(json, "contexts", contexts_json(audit->options.contexts));
	for (size_t i = 0; i < audit->count; i++)
		json_array_append_new(findings, finding_json(audit, &audit->finding[i]));
	for (unsigned status = FINDING_PASS; status <= FINDING_FAIL; status++)
		json_object_set_new(summary, finding_status_name(status), json_integer(counts.of[status]));
	json_object_set_new(summary, "suppressed", json_integer(counts.suppressed));
	for (unsigned i = 0; i < audit->remark_count; i++)
		json_array_append_new(remarks, json_string(audit->remark[i]));
	tree_unreadable(audit->host->tree, add_unreadable, &unreadable);
	json_object_set_new(json, "summary", summary);
	json_object_set_new(json, "findings", findings);
	json_object_set_new(json, "remarks", remarks);
	json_object_set_new(json, "unreadable", unreadable.list);
	return json;
}

static json_t *case_json(const struct rule_case *wanted)
{
	static const char *const names[] = {
		[COMPARE_REPORT] = "report",   [COMPARE_EQUAL] = "equal",       [COMPARE_DIFFERS] = "differs",
		[COMPARE_AT_MOST] = "at-most", [COMPARE_AT_LEAST] = "at-least", [COMPARE_CHOSEN] = "chosen",
	};

	return json_pack("{s:o,s:s,s:o,s:s}", "contexts", contexts_json(wanted->contexts), "comparison",
			 names[wanted->comparison], "expected", text_or_null(wanted->expected), "otherwise",
			 finding_status_name(wanted->otherwise));
}

static json_t *rule_json(const struct rule *rule)
{
	json_t *json = json_object(), *cases = json_array();

	for (unsigned i = 0; i < RULE_CASES && rule->cases[i].contexts; i++)
		json_array_append_new(cases, case_json(&rule->cases[i]));
	json_object_set_new(json, "id", json_string(rule->id));
	json_object_set_new(json, "title", text_or_null(rule->title));
	json_object_set_new(json, "of", json_string(rule->of_guest ? "guest" : "host"));
	json_object_set_new(json, "contexts", contexts_json(rule->contexts));
	json_object_set_new(json, "reads", text_or_null(rule->reads ? rule->reads : rule->path));
	json_object_set_new(json, "only-if", text_or_null(rule->only_if));
	json_object_set_new(json, "cases", cases);
	json_object_set_new(json, "wants", text_or_null(rule->wants));
	json_object_set_new(json, "why", text_or_null(rule->why));
	json_object_set_new(json, "costs", text_or_null(rule->costs));
	json_object_set_new(json, "cure", text_or_null(rule->cure));
	json_object_set_new(json, "lasting", text_or_null(rule->lasting));
	json_object_set_new(json, "source", text_or_null(rule->source));
	return json;
}

json_t *audit_list_json(void)
{
	json_t *list = json_array();

	for (unsigned table = 0; rule_tables[table]; table++) {
		for (size_t i = 0; i < rule_tables[table]->count; i++)
			json_array_append_new(list, rule_json(&rule_tables[table]->rules[i]));
	}
	return list;
}
