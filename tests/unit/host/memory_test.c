/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/memory.h"
#include "host/pressure.h"
#include "host/value.h"
#include "scratch.h"

static void lines_of_meminfo(void **state)
{
	const char *text =
		"MemTotal:       16 kB\nSwapTotal:  0 kB\nWritebackTmp:  7 kB\nWriteback:   9 kB\nDirty: -1 kB\n"
		"Odd: many kB\nHuge: 99999999999999999 kB\n";

	(void)state;
	assert_true(host_meminfo(text, "MemTotal") == 16 * 1024);
	assert_true(host_meminfo(text, "SwapTotal") == 0);
	assert_true(host_meminfo(text, "Writeback") == 9 * 1024);
	assert_true(host_meminfo(text, "Dirty") == HOST_UNKNOWN);
	assert_true(host_meminfo(text, "Odd") == HOST_UNKNOWN);
	assert_true(host_meminfo(text, "Huge") == HOST_UNKNOWN);
	assert_true(host_meminfo(text, "None") == HOST_UNKNOWN);
	assert_true(host_meminfo(NULL, "MemTotal") == HOST_UNKNOWN);
}

static void hugepages_by_node(void **state)
{
	struct host_memory memory = {0};
	struct scratch scratch;
	struct tree *tree;

	(void)state;
	scratch_make(&scratch);
	scratch_put(&scratch, "/sys/devices/system/node/online", "0-1\n");
	scratch_put(&scratch, "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
	scratch_put(&scratch, "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "12\n");
	scratch_put(&scratch, "/sys/devices/system/node/node0/hugepages/hugepages-oddkB/nr_hugepages", "1\n");
	scratch_put(&scratch, "/sys/devices/system/node/node1/hugepages/hugepages-1048576kB/nr_hugepages", "4\n");
	scratch_put(&scratch, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
	scratch_put(&scratch, "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	scratch_put(&scratch, "/sys/kernel/mm/transparent_hugepage/defrag", "always never\n");
	tree = scratch_open(&scratch);
	host_memory_read(tree, &memory);
	assert_int_equal(memory.hugepages_count, 2);
	assert_int_equal(memory.hugepages[0].node, 0);
	assert_true(memory.hugepages[0].page == 2 << 20);
	assert_true(memory.hugepages[0].total == 512 && memory.hugepages[0].free == 12);
	assert_int_equal(memory.hugepages[1].node, 1);
	assert_true(memory.hugepages[1].page == 1 << 30);
	assert_true(memory.hugepages[1].total == 4 && memory.hugepages[1].free == HOST_UNKNOWN);
	assert_string_equal(memory.thp, "madvise");
	assert_null(memory.thp_defrag);
	assert_true(memory.total == HOST_UNKNOWN && memory.ksm_run == HOST_UNKNOWN);
	tree_close(tree);
	scratch_remove(&scratch);
}

static void hugepages_without_nodes(void **state)
{
	struct host_memory memory = {0};
	struct scratch scratch;
	struct tree *tree;

	(void)state;
	scratch_make(&scratch);
	scratch_put(&scratch, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "3\n");
	tree = scratch_open(&scratch);
	host_memory_read(tree, &memory);
	assert_int_equal(memory.hugepages_count, 1);
	assert_true(memory.hugepages[0].total == 3);
	tree_close(tree);
	scratch_remove(&scratch);
}

static void totals_of_pressure(void **state)
{
	struct host_pressure pressure;

	(void)state;
	pressure = host_pressure_parse("some avg10=0.00 avg60=0.00 avg300=0.00 total=123\n"
				       "full avg10=0.00 avg60=0.00 avg300=0.00 total=45\n");
	assert_true(pressure.some == 123 && pressure.full == 45);
	/* Old kernels had no full line for CPUs, and its total is not that of another line. */
	pressure = host_pressure_parse("some avg10=0.00 total=x\nfull avg10=0.00\nother total=9\n");
	assert_true(pressure.some == HOST_UNKNOWN && pressure.full == HOST_UNKNOWN);
	pressure = host_pressure_parse(NULL);
	assert_true(pressure.some == HOST_UNKNOWN && pressure.full == HOST_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_meminfo),
		cmocka_unit_test(hugepages_by_node),
		cmocka_unit_test(hugepages_without_nodes),
		cmocka_unit_test(totals_of_pressure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
