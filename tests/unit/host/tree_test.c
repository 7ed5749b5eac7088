/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/tree.h"

static char directory[] = "/tmp/strait-tree-XXXXXX";

static void put(const char *path, const char *text)
{
	char made[256];
	FILE *file;

	snprintf(made, sizeof(made), "%s", path);
	for (char *slash = strchr(made, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(made, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory) || chdir(directory) < 0 || mkdir("inside", 0755) < 0)
		return -1;
	put("secret", "of nobody's business\n");
	put("inside/sys/devices/pci0/block/sda/queue/scheduler", "none [mq-deadline] kyber\n");
	put("inside/sys/devices/pci0/block/sda/size", " 2048 \n");
	put("inside/sys/devices/pci0/block/sda/hex", "0x1af4\n");
	put("inside/sys/devices/pci0/block/sda/odd", "12 eggs\n");
	put("inside/sys/devices/pci0/block/sda/text", "12eggs\nand more\n");
	put("inside/sys/class/block/nvme10n1", "");
	put("inside/sys/class/block/nvme9n1", "");
	put("inside/.strait/qmp/7/query-block.json", "[]");
	return symlink("../../devices/pci0/block/sda", "inside/sys/class/block/sda") < 0 ||
			       symlink("/../../../../secret", "inside/out") < 0 ||
			       symlink("../secret", "inside/up") < 0 || symlink("round", "inside/round") < 0 ||
			       symlink("socket:[17]", "inside/fd") < 0 || mkfifo("inside/pipe", 0600) < 0
		       ? -1
		       : 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static struct tree *open_inside(void)
{
	struct error err;
	struct tree *tree = tree_open_directory("inside", &err);

	assert_non_null(tree);
	assert_false(tree_is_live(tree));
	return tree;
}

static void files_are_read_over_links(void **state)
{
	struct tree *tree = open_inside();
	const char *text;

	(void)state;
	assert_int_equal(tree_read(tree, "/sys/class/block/sda/queue/scheduler", &text), 25);
	assert_string_equal(text, "none [mq-deadline] kyber\n");
	assert_string_equal(tree_line(tree, "/sys/class/block/%s/queue/scheduler", "sda"), "none [mq-deadline] kyber");
	assert_string_equal(tree_resolve(tree, "/sys/class/block/sda"), "/sys/devices/pci0/block/sda");
	assert_string_equal(tree_link(tree, "/sys/class/block/sda"), "../../devices/pci0/block/sda");
	assert_string_equal(tree_link(tree, "/fd"), "socket:[17]");
	assert_null(tree_link(tree, "/sys"));
	assert_null(tree_resolve(tree, "/fd"));
	assert_true(tree_exists(tree, "/sys/class/block/sda/size"));
	assert_false(tree_exists(tree, "/sys/class/block/sdb/size"));
	assert_int_equal(tree_readf(tree, &text, "/sys/class/block/%s/size", "sdb"), -ENOENT);
	assert_null(text);
	assert_int_equal(tree_read(tree, "/sys/class", &text), -EISDIR);
	assert_int_equal(tree_read(tree, "sys/class", &text), -EINVAL);
	tree_close(tree);
}

static void numbers(void **state)
{
	struct tree *tree = open_inside();

	(void)state;
	assert_int_equal(tree_number(tree, -1, "/sys/class/block/sda/size"), 2048);
	assert_int_equal(tree_number(tree, -1, "/sys/class/block/sda/hex"), 0x1af4);
	assert_int_equal(tree_number(tree, -1, "/sys/class/block/sda/odd"), 12);
	assert_int_equal(tree_number(tree, -1, "/sys/class/block/sda/text"), -1);
	assert_int_equal(tree_number(tree, -7, "/sys/class/block/sda/none"), -7);
	tree_close(tree);
}

static void names_come_in_the_order_of_their_numbers(void **state)
{
	struct tree *tree = open_inside();
	const char *const *names;

	(void)state;
	/* Something that was asked for in vain is no name. */
	assert_false(tree_exists(tree, "/sys/class/block/sdz"));
	assert_int_equal(tree_list(tree, "/sys/class/block", &names), 3);
	assert_string_equal(names[0], "nvme9n1");
	assert_string_equal(names[1], "nvme10n1");
	assert_string_equal(names[2], "sda");
	assert_int_equal(tree_listf(tree, &names, "/sys/class/block/%s", "sda"), 5);
	assert_int_equal(tree_list(tree, "/sys/class/block/sda/size", &names), -ENOTDIR);
	assert_int_equal(tree_list(tree, "/sys/nothing", &names), -ENOENT);
	tree_close(tree);
}

static void links_stay_inside(void **state)
{
	struct tree *tree = open_inside();
	const char *text;

	(void)state;
	assert_int_equal(tree_read(tree, "/out", &text), -ENOENT);
	assert_int_equal(tree_read(tree, "/up", &text), -ENOENT);
	assert_int_equal(tree_read(tree, "/../secret", &text), -ENOENT);
	assert_int_equal(tree_read(tree, "/round", &text), -ELOOP);
	assert_null(tree_resolve(tree, "/round"));
	tree_close(tree);
}

static void remember(void *context, const char *path, int error)
{
	char *told = context;

	snprintf(told + strlen(told), 256 - strlen(told), "%s %d;", path, error);
}

static void what_cannot_be_read_is_told_once(void **state)
{
	struct tree *tree = open_inside();
	char told[256] = "", expected[256];
	const char *text;
	int file = open("inside/huge", O_WRONLY | O_CREAT, 0600);

	(void)state;
	assert_int_equal(ftruncate(file, TREE_FILE_MAX), 0);
	assert_int_equal(tree_read(tree, "/huge", &text), TREE_FILE_MAX);
	tree_close(tree);
	assert_int_equal(ftruncate(file, TREE_FILE_MAX + 1), 0);
	close(file);
	tree = open_inside();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(tree_read(tree, "/nothing", &text), -ENOENT);
		assert_int_equal(tree_read(tree, "/pipe", &text), -EINVAL);
		assert_int_equal(tree_read(tree, "/huge", &text), -E2BIG);
	}
	tree_unreadable(tree, remember, told);
	snprintf(expected, sizeof(expected), "/pipe %d;/huge %d;", -EINVAL, -E2BIG);
	assert_string_equal(told, expected);
	tree_close(tree);
}

static ssize_t provide_count(void *context, char **text)
{
	int *count = context;

	++*count;
	return asprintf(text, "answer %d", *count);
}

static ssize_t provide_nothing(void *context, char **text)
{
	(void)text;
	++*(int *)context;
	return -EACCES;
}

static void documents_of_a_directory_are_its_files(void **state)
{
	struct tree *tree = open_inside();
	const char *text;
	int asked = 0;

	(void)state;
	assert_int_equal(tree_ask(tree, &text, provide_count, &asked, "qmp/%d/%s.json", 7, "query-block"), 2);
	assert_string_equal(text, "[]");
	assert_int_equal(tree_ask(tree, &text, provide_count, &asked, "qmp/8/query-block.json"), -ENOENT);
	assert_int_equal(asked, 0);
	assert_int_equal(tree_advance(tree, 0), -ENOENT);
	tree_close(tree);
}

static void a_live_tree_asks_once_a_sample(void **state)
{
	struct error err;
	struct tree *tree = tree_open_live(&err);
	uint64_t began;
	const char *text;
	int asked = 0, refused = 0;

	(void)state;
	assert_non_null(tree);
	assert_true(tree_is_live(tree));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(tree_ask(tree, &text, provide_count, &asked, "test/a"), 8);
		assert_string_equal(text, "answer 1");
		assert_int_equal(tree_ask(tree, &text, provide_nothing, &refused, "test/b"), -EACCES);
		assert_int_equal(tree_ask_again(tree, &text, provide_count, &asked, "test/a"), 8);
	}
	assert_int_equal(refused, 1);
	began = tree_sample_ns(tree);
	assert_int_equal(tree_advance(tree, 1000000), 0);
	assert_int_equal(tree_sample(tree), 1);
	assert_true(tree_sample_ns(tree) >= began + 1000000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(tree_ask_again(tree, &text, provide_count, &asked, "test/a"), 8);
		assert_string_equal(text, "answer 2");
		assert_int_equal(tree_ask(tree, &text, provide_count, &asked, "test/a"), 8);
		assert_string_equal(text, "answer 1");
	}
	tree_close(tree);
}

static void a_live_tree_reads_sysctls(void **state)
{
	struct error err;
	struct tree *tree = tree_open_live(&err);

	(void)state;
	assert_non_null(tree);
	/* The kernel refuses reads of these that ask for much at once. */
	assert_true(tree_number(tree, -1, "/proc/sys/vm/swappiness") >= 0);
	tree_close(tree);
}

static void a_live_tree_rereads_files(void **state)
{
	struct error err;
	struct tree *tree = tree_open_live(&err);
	const char *first, *second, *third;

	(void)state;
	put("inside/changing", "one");
	assert_int_equal(tree_reread(tree, &first, "%s/inside/changing", directory), 3);
	put("inside/changing", "two and");
	assert_int_equal(tree_reread(tree, &second, "%s/inside/changing", directory), 3);
	assert_int_equal(tree_advance(tree, 0), 0);
	assert_int_equal(tree_reread(tree, &second, "%s/inside/changing", directory), 7);
	put("inside/changing", "three");
	assert_int_equal(tree_reread(tree, &third, "%s/inside/changing", directory), 7);
	assert_int_equal(tree_readf(tree, &third, "%s/inside/changing", directory), 3);
	assert_string_equal(first, "one");
	assert_string_equal(second, "two and");
	assert_int_equal(tree_reread(tree, &third, "%s/inside/none", directory), -ENOENT);
	tree_close(tree);
}

static void nobodys_environment_is_read(void **state)
{
	struct error err;
	struct tree *tree = tree_open_live(&err);
	const char *text;

	(void)state;
	assert_int_equal(tree_read(tree, "/proc/self/environ", &text), -EPERM);
	assert_true(tree_read(tree, "/proc/self/stat", &text) > 0);
	tree_close(tree);
}

static ssize_t provide_word(void *context, char **text)
{
	(void)context;
	*text = strdup("x");
	return 1;
}

/* Hundreds of guests have tens of thousands of files in each sample: it ends before nobody can read it. */
static void samples_end_before_a_capture_is_too_large(void **state)
{
	struct error err;
	struct tree *tree = tree_open_live(&err);
	const char *text;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_true(tree_has_room(tree));
		assert_int_equal(tree_advance(tree, 1), 0);
		for (unsigned k = 0; k < 45000; k++)
			assert_int_equal(tree_ask_again(tree, &text, provide_word, NULL, "%u", k), 1);
	}
	assert_false(tree_has_room(tree));
	tree_close(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_end_before_a_capture_is_too_large),
		cmocka_unit_test(files_are_read_over_links),
		cmocka_unit_test(numbers),
		cmocka_unit_test(names_come_in_the_order_of_their_numbers),
		cmocka_unit_test(links_stay_inside),
		cmocka_unit_test(what_cannot_be_read_is_told_once),
		cmocka_unit_test(documents_of_a_directory_are_its_files),
		cmocka_unit_test(a_live_tree_asks_once_a_sample),
		cmocka_unit_test(a_live_tree_reads_sysctls),
		cmocka_unit_test(a_live_tree_rereads_files),
		cmocka_unit_test(nobodys_environment_is_read),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
