/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/clean.h"

unsigned audit_profile(const char *name)
{
	static const struct {
		const char *name;
		unsigned contexts;
	} profiles[] = {
		{"general", CONTEXT_GENERAL},
		{"database", CONTEXT_GENERAL | CONTEXT_THROUGHPUT},
		{"low-latency", CONTEXT_GENERAL | CONTEXT_LATENCY},
		{"density", CONTEXT_GENERAL | CONTEXT_DENSITY},
		{"realtime", CONTEXT_GENERAL | CONTEXT_LATENCY | CONTEXT_REALTIME},
	};

	for (unsigned i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
		if (strcmp(profiles[i].name, name) == 0)
			return profiles[i].contexts;
	}
	return 0;
}

bool audit_is_for(const struct audit *audit, unsigned contexts)
{
	return audit->options.contexts & contexts;
}

static struct finding *add(struct audit *audit, const struct rule *rule, enum finding_status status, const char *object,
			   const char *value)
{
	struct tree *tree = audit->host->tree;
	struct finding *finding;

	if (audit->count == audit->room) {
		audit->room = audit->room ? audit->room * 2 : 64;
		finding = tree_alloc(tree, audit->room * sizeof(*finding));
		if (audit->count)
			memcpy(finding, audit->finding, audit->count * sizeof(*finding));
		audit->finding = finding;
	}
	finding = &audit->finding[audit->count++];
	finding->rule = rule;
	finding->status = status;
	finding->guest = audit->guest;
	finding->object = audit_clean(tree, object);
	finding->read = rule->path ? rule->path : rule->reads;
	finding->value = audit_clean(tree, value);
	return finding;
}

static const char *print(struct audit *audit, const char *format, va_list arguments)
{
	char text[512];

	vsnprintf(text, sizeof(text), format, arguments);
	return audit_clean(audit->host->tree, text);
}

void audit_pass(struct audit *audit, const struct rule *rule, const char *object, const char *value)
{
	add(audit, rule, FINDING_PASS, object, value);
}

void audit_found(struct audit *audit, const struct rule *rule, enum finding_status status, const char *object,
		 const char *value, const char *expected, const char *format, ...)
{
	struct finding *finding = add(audit, rule, status, object, value);
	va_list arguments;

	finding->expected = audit_clean(audit->host->tree, expected);
	if (!format)
		return;
	va_start(arguments, format);
	finding->why = print(audit, format, arguments);
	va_end(arguments);
}

void audit_unknown(struct audit *audit, const struct rule *rule, const char *object, int error, const char *format, ...)
{
	struct finding *finding = add(audit, rule, FINDING_UNKNOWN, object, NULL);
	va_list arguments;

	va_start(arguments, format);
	finding->why = print(audit, format, arguments);
	va_end(arguments);
	if (error)
		finding->why = tree_format(audit->host->tree, "%s: %s", finding->why, strerror(-error));
}

enum finding_status audit_worst(const struct audit *audit)
{
	enum finding_status worst = FINDING_PASS;

	for (size_t i = 0; i < audit->count; i++) {
		if (!audit->finding[i].suppressed && audit->finding[i].status > worst)
			worst = audit->finding[i].status;
	}
	return worst;
}

static bool is_listed(const struct rule *rule, const char *const *words)
{
	for (; words && *words; words++) {
		if (rule_matches(rule, *words))
			return true;
	}
	return false;
}

static bool is_asked(const struct audit *audit, const struct rule *rule)
{
	return audit_is_for(audit, rule->contexts) && !is_listed(rule, audit->options.skip) &&
	       (!audit->options.only || is_listed(rule, audit->options.only));
}

static void ask(struct audit *audit, const struct rule *rule)
{
	if (rule->check)
		rule->check(audit, rule);
	else
		audit_compare(audit, rule);
}

static void ask_of_guests(struct audit *audit, const struct rule *rule)
{
	const struct host_guests *guests = &audit->host->guests;
	const struct guest *only = audit->options.guest ? host_guest_find(guests, audit->options.guest) : NULL;

	for (unsigned i = 0; i < guests->count; i++) {
		audit->guest = &guests->guest[i];
		if (!audit->options.guest || audit->guest == only)
			ask(audit, rule);
	}
	audit->guest = NULL;
}

struct audit *audit_run(struct host *host, const struct audit_options *options)
{
	struct audit *audit = tree_alloc(host->tree, sizeof(*audit));

	audit->host = host;
	audit->options = *options;
	for (unsigned table = 0; rule_tables[table]; table++) {
		for (size_t i = 0; i < rule_tables[table]->count; i++) {
			const struct rule *rule = &rule_tables[table]->rules[i];

			if (!is_asked(audit, rule))
				continue;
			if (rule->of_guest)
				ask_of_guests(audit, rule);
			else
				ask(audit, rule);
		}
	}
	return audit;
}
