/* SPDX-License-Identifier: Apache-2.0 */
/* Disks and groups by name: who is limited by what, what is refused, and what is used again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/qos_tree.h"

static struct qos_settings settings(const char *group, uint64_t iops)
{
	struct qos_settings settings;

	qos_settings_defaults(&settings);
	strcpy(settings.group, group);
	settings.limits.limit[QOS_IOPS].rate = iops;
	return settings;
}

static void set_group(struct qos_tree *tree, const char *name, const char *parent, uint64_t iops, int expected)
{
	const struct qos_settings new = settings(parent, iops);
	struct error err;

	assert_int_equal(qos_tree_set_group(tree, name, &new, &err), expected);
}

static void set_disk(struct qos_tree *tree, const char *group, uint64_t iops, int expected)
{
	const struct qos_settings new = settings(group, iops);
	struct error err;

	assert_int_equal(qos_tree_set_disk(tree, "disk", &new, &err), expected);
}

static void limits_reach_the_queues(void **state)
{
	struct storage storage = {.info.size = 1 << 20};
	const struct qos_settings none = settings("", 0);
	const struct config config = {0};
	struct qos_tree tree;
	struct error err;
	struct blk blk;

	(void)state;
	assert_int_equal(qos_tree_init(&tree, &config, NULL, &err), 0);
	assert_int_equal(blk_init(&blk, "disk", "", 3, &storage, &err), 0);
	assert_int_equal(qos_tree_add_disk(&tree, "disk", &blk, &none, &err), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_ptr_equal(blk.queue[i].queue.qos, &tree.disks->node);
		assert_false(blk.queue[i].queue.limited);
	}
	set_group(&tree, "outer", "", 0, 0);
	set_group(&tree, "inner", "outer", 0, 0);
	set_disk(&tree, "inner", 0, 0);
	assert_false(blk.queue[2].queue.limited);
	/* A limit anywhere above is one. */
	set_group(&tree, "outer", "", 5, 0);
	assert_true(blk.queue[2].queue.limited);
	set_disk(&tree, "", 0, 0);
	assert_false(blk.queue[2].queue.limited);
	qos_tree_cap(&tree, tree.disks, 4);
	assert_true(blk.queue[2].queue.limited);
	qos_tree_cap(&tree, tree.disks, 0);
	set_disk(&tree, "nowhere", 9, -ENOENT);
	assert_false(blk.queue[2].queue.limited);
	qos_tree_remove_disk(&tree, &blk);
	assert_null(tree.disks);
	set_disk(&tree, "", 0, -ENOENT);
	blk_destroy(&blk);
	qos_tree_destroy(&tree);
}

static void groups_are_nested_within_limits(void **state)
{
	const struct config config = {0};
	struct qos_tree tree;
	struct error err;

	(void)state;
	assert_int_equal(qos_tree_init(&tree, &config, NULL, &err), 0);
	set_group(&tree, "b", "a", 0, -ENOENT);
	assert_null(qos_tree_find_group(&tree, "b"));
	set_group(&tree, "a", "", 0, 0);
	set_group(&tree, "b", "a", 0, 0);
	set_group(&tree, "c", "b", 0, 0);
	set_group(&tree, "d", "c", 0, 0);
	set_group(&tree, "e", "d", 0, -EINVAL);
	set_group(&tree, "e", "", 0, 0);
	set_group(&tree, "a", "e", 0, -EINVAL); /* with four inside of it */
	set_group(&tree, "a", "a", 0, -EINVAL);
	set_group(&tree, "a", "d", 0, -EINVAL);
	set_group(&tree, "d", "e", 0, 0);
	set_group(&tree, "a", "e", 0, 0);
	assert_int_equal(qos_tree_remove_group(&tree, "a", &err), -EBUSY);
	assert_int_equal(qos_tree_remove_group(&tree, "x", &err), -ENOENT);
	qos_tree_destroy(&tree);
}

/* However often groups come and go, no more memory is used than for as many as there were at a time. */
static void nodes_are_used_again(void **state)
{
	const struct config config = {0};
	const struct qos_group *first;
	struct qos_tree tree;
	struct error err;

	(void)state;
	assert_int_equal(qos_tree_init(&tree, &config, NULL, &err), 0);
	set_group(&tree, "a", "", 7, 0);
	first = tree.groups;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(qos_tree_remove_group(&tree, "a", &err), 0);
		set_group(&tree, "a", "", 0, 0);
		assert_ptr_equal(tree.groups, first);
		assert_false(qos_node_limits(&first->node));
	}
	qos_tree_destroy(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_reach_the_queues),
		cmocka_unit_test(groups_are_nested_within_limits),
		cmocka_unit_test(nodes_are_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
