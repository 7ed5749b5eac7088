/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "audit/rule.h"

static struct tree *tree;

static int set_up(void **state)
{
	struct error err;

	(void)state;
	tree = tree_open_directory("/", &err);
	return tree ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	tree_close(tree);
	return 0;
}

static int compare(enum rule_comparison comparison, const char *expected, const char *value)
{
	const struct rule_case wanted = {CONTEXT_ALL, comparison, expected, FINDING_WARN};

	return rule_compare(&wanted, value);
}

static void words_are_compared_whole(void **state)
{
	(void)state;
	assert_int_equal(compare(COMPARE_EQUAL, "none|mq-deadline", "none"), 1);
	assert_int_equal(compare(COMPARE_EQUAL, "none|mq-deadline", "mq-deadline"), 1);
	assert_int_equal(compare(COMPARE_EQUAL, "none|mq-deadline", "mq"), 0);
	assert_int_equal(compare(COMPARE_EQUAL, "none|mq-deadline", "mq-deadlines"), 0);
	assert_int_equal(compare(COMPARE_EQUAL, "none|mq-deadline", "none|mq-deadline"), 0);
	assert_int_equal(compare(COMPARE_EQUAL, "none", ""), 0);
	assert_int_equal(compare(COMPARE_DIFFERS, "qemu64|kvm64", "kvm64"), 0);
	assert_int_equal(compare(COMPARE_DIFFERS, "qemu64|kvm64", "host"), 1);
	assert_int_equal(compare(COMPARE_REPORT, NULL, "anything"), 1);
}

static void the_chosen_word_counts(void **state)
{
	(void)state;
	assert_int_equal(compare(COMPARE_CHOSEN, "none", "[none] mq-deadline kyber"), 1);
	assert_int_equal(compare(COMPARE_CHOSEN, "none", "none [mq-deadline] kyber"), 0);
	assert_int_equal(compare(COMPARE_CHOSEN, "none", "none"), 1);
	assert_int_equal(compare(COMPARE_CHOSEN, "none", "[none"), 0);
	assert_int_equal(compare(COMPARE_CHOSEN, "none", "none]["), 0);
	assert_int_equal(compare(COMPARE_CHOSEN, "none", "[]"), 0);
}

static void numbers_are_compared_as_numbers(void **state)
{
	(void)state;
	assert_int_equal(compare(COMPARE_AT_MOST, "200000", "200000"), 1);
	assert_int_equal(compare(COMPARE_AT_MOST, "200000", "200001"), 0);
	assert_int_equal(compare(COMPARE_AT_MOST, "10", "9"), 1);
	assert_int_equal(compare(COMPARE_AT_LEAST, "10", "9"), 0);
	assert_int_equal(compare(COMPARE_AT_LEAST, "10", "100"), 1);
	assert_int_equal(compare(COMPARE_AT_LEAST, "0", "-1"), 0);
	assert_int_equal(compare(COMPARE_AT_MOST, "10", "9 eggs"), -EINVAL);
	assert_int_equal(compare(COMPARE_AT_MOST, "10", ""), -EINVAL);
	assert_int_equal(compare(COMPARE_AT_MOST, "10", "99999999999999999999"), -EINVAL);
}

static const char *expectation(enum rule_comparison comparison, const char *expected)
{
	const struct rule_case wanted = {CONTEXT_ALL, comparison, expected, FINDING_WARN};

	return rule_expectation(tree, &wanted);
}

static void what_is_expected_is_said_in_words(void **state)
{
	(void)state;
	assert_string_equal(expectation(COMPARE_EQUAL, "0"), "0");
	assert_string_equal(expectation(COMPARE_EQUAL, "0|2"), "0 or 2");
	assert_string_equal(expectation(COMPARE_CHOSEN, "a|b|c"), "a, b or c");
	assert_string_equal(expectation(COMPARE_DIFFERS, "a|b"), "not a or b");
	assert_string_equal(expectation(COMPARE_AT_MOST, "70"), "at most 70");
	assert_string_equal(expectation(COMPARE_AT_LEAST, "2"), "at least 2");
	assert_null(expectation(COMPARE_REPORT, NULL));
}

static void ids_match_up_to_a_dot(void **state)
{
	const struct rule *rule = rule_find("host.kvm.ept");

	(void)state;
	assert_non_null(rule);
	assert_true(rule_matches(rule, "host.kvm.ept"));
	assert_true(rule_matches(rule, "host.kvm"));
	assert_true(rule_matches(rule, "host"));
	assert_false(rule_matches(rule, "host.kv"));
	assert_false(rule_matches(rule, "host.kvm."));
	assert_false(rule_matches(rule, "host.kvm.ept.more"));
	assert_false(rule_matches(rule, ""));
	assert_true(rule_is_known("guest.disk"));
	assert_false(rule_is_known("guest.dis"));
	assert_null(rule_find("host.kvm"));
}

/* What a table must not have, whoever writes it: the rest of a rule is looked at by tests/lint/test_rules.py. */
static void check_rule(const struct rule *rule)
{
	bool is_covered = false;

	assert_ptr_equal(rule_find(rule->id), rule);
	if (!rule->check)
		assert_non_null(rule->path);
	if (rule->path && strchr(rule->path, '*'))
		assert_null(strchr(strchr(rule->path, '*') + 1, '*'));
	for (unsigned i = 0; i < RULE_CASES && rule->cases[i].contexts; i++) {
		assert_true(rule->cases[i].expected || rule->cases[i].comparison == COMPARE_REPORT);
		assert_false(is_covered); /* nothing comes behind a case for all */
		is_covered = (rule->cases[i].contexts & rule->contexts) == rule->contexts;
		if (rule->cases[i].comparison != COMPARE_REPORT)
			assert_true(rule->cases[i].otherwise == FINDING_NOTE ||
				    rule->cases[i].otherwise == FINDING_WARN ||
				    rule->cases[i].otherwise == FINDING_FAIL);
	}
}

static void tables_are_sound(void **state)
{
	unsigned count = 0;

	(void)state;
	for (unsigned table = 0; rule_tables[table]; table++) {
		for (size_t i = 0; i < rule_tables[table]->count; i++, count++) {
			print_message("%s\n", rule_tables[table]->rules[i].id);
			check_rule(&rule_tables[table]->rules[i]);
		}
	}
	assert_true(count >= 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_compared_whole),        cmocka_unit_test(the_chosen_word_counts),
		cmocka_unit_test(numbers_are_compared_as_numbers), cmocka_unit_test(what_is_expected_is_said_in_words),
		cmocka_unit_test(ids_match_up_to_a_dot),           cmocka_unit_test(tables_are_sound),
	};

	return cmocka_run_group_tests_name("rule", tests, set_up, tear_down);
}
