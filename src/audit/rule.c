/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/rules.h"

/* The order of a report: the machine from its processor outwards, then its guests. */
const struct rule_table *const rule_tables[] = {
	&rules_kvm,        &rules_cpu,         &rules_isolation, &rules_memory,       &rules_numa,
	&rules_kernel,     &rules_block,       &rules_nvme,      &rules_pci,          &rules_irq,
	&rules_net,        &rules_log,         &rules_guest_cpu, &rules_guest_thread, &rules_guest_memory,
	&rules_guest_disk, &rules_guest_image, &rules_guest_nic, &rules_near,         NULL,
};

const struct rule *rule_find(const char *id)
{
	for (unsigned table = 0; rule_tables[table]; table++) {
		for (size_t i = 0; i < rule_tables[table]->count; i++) {
			if (strcmp(rule_tables[table]->rules[i].id, id) == 0)
				return &rule_tables[table]->rules[i];
		}
	}
	return NULL;
}

bool rule_matches(const struct rule *rule, const char *word)
{
	const size_t length = strlen(word);

	return length && strncmp(rule->id, word, length) == 0 && (!rule->id[length] || rule->id[length] == '.');
}

bool rule_is_known(const char *word)
{
	for (unsigned table = 0; rule_tables[table]; table++) {
		for (size_t i = 0; i < rule_tables[table]->count; i++) {
			if (rule_matches(&rule_tables[table]->rules[i], word))
				return true;
		}
	}
	return false;
}

const char *rule_context_name(enum rule_context context)
{
	switch (context) {
	case CONTEXT_GENERAL:
		return "general";
	case CONTEXT_LATENCY:
		return "latency";
	case CONTEXT_THROUGHPUT:
		return "throughput";
	case CONTEXT_DENSITY:
		return "density";
	case CONTEXT_REALTIME:
		return "realtime";
	case CONTEXT_ALL:
		break;
	}
	return NULL;
}

const char *finding_status_name(enum finding_status status)
{
	static const char *const names[] = {
		[FINDING_PASS] = "PASS", [FINDING_NOTE] = "NOTE", [FINDING_UNKNOWN] = "UNKNOWN",
		[FINDING_WARN] = "WARN", [FINDING_FAIL] = "FAIL",
	};

	return names[status];
}

/* "none|mq-deadline" as "none or mq-deadline". */
static const char *join_words(struct tree *tree, const char *words)
{
	const char *text = "";

	for (const char *at = words; *at;) {
		const size_t length = strcspn(at, "|");
		const bool is_last = !at[length] || !at[length + 1];
		const char *between = at == words ? "" : is_last ? " or " : ", ";

		text = tree_format(tree, "%s%s%.*s", text, between, (int)length, at);
		at += length + (at[length] == '|');
	}
	return text;
}

const char *rule_expectation(struct tree *tree, const struct rule_case *wanted)
{
	switch (wanted->comparison) {
	case COMPARE_REPORT:
		break;
	case COMPARE_EQUAL:
	case COMPARE_CHOSEN:
		return join_words(tree, wanted->expected);
	case COMPARE_DIFFERS:
		return tree_format(tree, "not %s", join_words(tree, wanted->expected));
	case COMPARE_AT_MOST:
		return tree_format(tree, "at most %s", wanted->expected);
	case COMPARE_AT_LEAST:
		return tree_format(tree, "at least %s", wanted->expected);
	}
	return NULL;
}

/* Whether one of the words is value[0, length). */
static bool has_word(const char *words, const char *value, size_t length)
{
	while (*words) {
		const size_t word = strcspn(words, "|");

		if (word == length && strncmp(words, value, length) == 0)
			return true;
		words += word + (words[word] == '|');
	}
	return false;
}

static bool has_chosen(const char *words, const char *value)
{
	const char *open = strchr(value, '['), *close = open ? strchr(open, ']') : NULL;

	/* Some files have brackets only where there is a choice. */
	return close ? has_word(words, open + 1, (size_t)(close - open - 1)) : has_word(words, value, strlen(value));
}

static int compare_numbers(const struct rule_case *wanted, const char *value)
{
	const long long limit = strtoll(wanted->expected, NULL, 10);
	long long number;
	char *end;

	errno = 0;
	number = strtoll(value, &end, 10);
	if (end == value || *end || errno)
		return -EINVAL;
	return wanted->comparison == COMPARE_AT_MOST ? number <= limit : number >= limit;
}

int rule_compare(const struct rule_case *wanted, const char *value)
{
	switch (wanted->comparison) {
	case COMPARE_REPORT:
		break;
	case COMPARE_EQUAL:
		return has_word(wanted->expected, value, strlen(value));
	case COMPARE_DIFFERS:
		return !has_word(wanted->expected, value, strlen(value));
	case COMPARE_CHOSEN:
		return has_chosen(wanted->expected, value);
	case COMPARE_AT_MOST:
	case COMPARE_AT_LEAST:
		return compare_numbers(wanted, value);
	}
	return 1;
}
