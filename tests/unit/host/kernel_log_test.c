/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/kernel_log.h"
#include "host/kvm.h"
#include "scratch.h"

static void lines_of_a_capture(void **state)
{
	const struct kernel_log_line *lines;
	struct scratch scratch;
	struct tree *tree;

	(void)state;
	scratch_make(&scratch);
	tree = scratch_open(&scratch);
	assert_int_equal(host_kernel_log(tree, &lines), -ENOENT);
	tree_close(tree);
	scratch_put(&scratch, "/.strait/kernel-log",
		    "[12.500000] nvme nvme0: I/O 7 QID 1 timeout\nno time\n[x] of no time\n[13.0\n[14.25]]\nno end");
	tree = scratch_open(&scratch);
	assert_int_equal(host_kernel_log(tree, &lines), 3);
	assert_true(lines[0].seconds == 12.5);
	assert_string_equal(lines[0].text, "nvme nvme0: I/O 7 QID 1 timeout");
	assert_true(lines[1].seconds == 0);
	assert_true(lines[2].seconds == 14.25);
	assert_string_equal(lines[2].text, "]");
	tree_close(tree);
	scratch_remove(&scratch);
}

/* What was said until the latest sample that somebody asked in, else when it was taken. */
static void logs_of_samples(void **state)
{
	const struct kernel_log_line *lines;
	struct scratch scratch;
	struct tree *tree;

	(void)state;
	scratch_make(&scratch);
	scratch_put(&scratch, "/.strait/manifest.json", "{\"version\": 1, \"samples\": [1, 2, 3]}");
	scratch_put(&scratch, "/.strait/kernel-log", "[1.0] first\n");
	scratch_put(&scratch, "/.strait/samples/2/.strait/kernel-log", "[1.0] first\n[2.0] second\n");
	tree = scratch_open(&scratch);
	assert_int_equal(host_kernel_log(tree, &lines), 1);
	assert_int_equal(tree_advance(tree, 0), 0);
	assert_int_equal(host_kernel_log(tree, &lines), 1);
	assert_int_equal(tree_advance(tree, 0), 0);
	assert_int_equal(host_kernel_log(tree, &lines), 2);
	assert_string_equal(lines[1].text, "second");
	tree_close(tree);
	scratch_remove(&scratch);
}

static void the_log_of_this_machine(void **state)
{
	const struct kernel_log_line *lines;
	struct error err = {0};
	struct tree *tree = tree_open_live(&err);
	double before = 0;
	ssize_t count;

	(void)state;
	assert_non_null(tree);
	count = host_kernel_log(tree, &lines);
	/* Not everybody may read it. */
	assert_true(count >= 0 || count == -EPERM || count == -EACCES || count == -ENOENT);
	for (ssize_t i = 0; i < count; i++) {
		assert_true(lines[i].seconds >= before);
		before = lines[i].seconds;
	}
	tree_close(tree);
}

static void check_kvm(const char *document, int usable, int error)
{
	struct scratch scratch;
	struct host_kvm kvm;
	struct tree *tree;

	scratch_make(&scratch);
	scratch_put(&scratch, "/sys/module/kvm_amd/parameters/npt", "Y\n");
	if (document)
		scratch_put(&scratch, "/.strait/kvm", document);
	tree = scratch_open(&scratch);
	host_kvm_read(tree, &kvm);
	assert_int_equal(kvm.usable, usable);
	assert_int_equal(kvm.error, error);
	assert_string_equal(kvm.module, "kvm_amd");
	tree_close(tree);
	scratch_remove(&scratch);
}

static void whether_kvm_answers(void **state)
{
	(void)state;
	check_kvm("12 0\n", 1, 0);
	check_kvm("0 -2\n", 0, -ENOENT);
	check_kvm("11 0\n", 0, -EPROTO);
	check_kvm("odd\n", HOST_UNKNOWN, 0);
	check_kvm(NULL, HOST_UNKNOWN, -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_a_capture),
		cmocka_unit_test(logs_of_samples),
		cmocka_unit_test(the_log_of_this_machine),
		cmocka_unit_test(whether_kvm_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
