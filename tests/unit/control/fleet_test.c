/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/fleet.h"

static struct fleet_disk *add(struct fleet *fleet, const char *name)
{
	char text[32];
	struct config_disk config = {.name = text, .socket = text, .file = text, .access = {.owner = text}};
	json_t *tree = json_pack("{s:s}", "name", name);
	struct fleet_disk *member;

	strcpy(text, name);
	member = fleet_add(fleet, &config, tree);
	json_decref(tree);
	assert_non_null(member);
	/* The member has strings of its own. */
	memset(text, 'x', sizeof(text) - 1);
	return member;
}

static void check_names(const struct fleet *fleet, const char *const *names)
{
	const struct fleet_disk *member = fleet->first;
	unsigned count = 0;

	for (; names[count]; count++, member = member->next) {
		assert_non_null(member);
		assert_string_equal(member->config->name, names[count]);
		assert_string_equal(member->config->socket, names[count]);
		assert_string_equal(member->config->access.owner, names[count]);
		assert_string_equal(json_string_value(json_object_get(member->tree, "name")), names[count]);
	}
	assert_null(member);
	assert_int_equal(fleet->count, count);
}

static void keeps_order_and_places(void **state)
{
	struct fleet fleet = {0};
	struct fleet_disk *a = add(&fleet, "a"), *b = add(&fleet, "b"), *c = add(&fleet, "c");

	(void)state;
	check_names(&fleet, (const char *const[]){"a", "b", "c", NULL});
	fleet_forget(&fleet, b);
	check_names(&fleet, (const char *const[]){"a", "c", NULL});
	assert_null(fleet_find(&fleet, "b"));
	assert_ptr_equal(fleet_find(&fleet, "a"), a);
	assert_ptr_equal(fleet_find(&fleet, "c"), c);
	b = add(&fleet, "b");
	check_names(&fleet, (const char *const[]){"a", "c", "b", NULL});
	fleet_forget(&fleet, b);
	fleet_forget(&fleet, a);
	check_names(&fleet, (const char *const[]){"c", NULL});
	fleet_clear(&fleet);
	check_names(&fleet, (const char *const[]){NULL});
}

static void finds_the_member_of_a_disk(void **state)
{
	struct fleet fleet = {0};
	struct fleet_disk *a = add(&fleet, "a");

	(void)state;
	assert_ptr_equal(fleet_member(&a->disk), a);
	/* Also one that never opened says whose it is. */
	assert_ptr_equal(a->disk.config, a->config);
	fleet_clear(&fleet);
}

static void counts(void **state)
{
	struct fleet fleet = {0};
	struct fleet_tally tally;

	(void)state;
	add(&fleet, "a")->disk.closed = false;
	add(&fleet, "b")->failed = true;
	add(&fleet, "c");
	tally = fleet_count(&fleet);
	assert_int_equal(tally.open, 1);
	assert_int_equal(tally.connected, 0);
	assert_int_equal(tally.failed, 1);
	fleet_clear(&fleet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_order_and_places),
		cmocka_unit_test(finds_the_member_of_a_disk),
		cmocka_unit_test(counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
