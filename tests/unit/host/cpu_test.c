/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/cpu.h"
#include "scratch.h"

#define CPUS  "/sys/devices/system/cpu"
#define NODES "/sys/devices/system/node"

/* Two packages of one core with two threads each; the threads of a core are apart in number. */
static void lay_out(const struct scratch *scratch)
{
	char path[128];

	scratch_put(scratch, CPUS "/online", "0-3\n");
	scratch_put(scratch, NODES "/online", "0-1\n");
	for (int cpu = 0; cpu < 4; cpu++) {
		snprintf(path, sizeof(path), CPUS "/cpu%d/topology/physical_package_id", cpu);
		scratch_put(scratch, path, cpu % 2 ? "1\n" : "0\n");
		snprintf(path, sizeof(path), CPUS "/cpu%d/topology/thread_siblings_list", cpu);
		scratch_put(scratch, path, cpu % 2 ? "1,3\n" : "0,2\n");
		snprintf(path, sizeof(path), CPUS "/cpu%d/node%d/there", cpu, cpu % 2);
		scratch_put(scratch, path, "");
	}
	scratch_put(scratch, NODES "/node0/cpulist", "0,2\n");
	scratch_put(scratch, NODES "/node1/cpulist", "1,3\n");
	scratch_put(scratch, NODES "/node1/meminfo",
		    "Node 1 MemTotal:       2048 kB\nNode 1 MemFree:        1024 kB\n");
}

static void assert_list(struct tree *tree, const struct cpu_list *list, const char *expected)
{
	assert_string_equal(cpu_list_format(tree, list), expected);
}

static void check_places(struct tree *tree, const struct host_cpus *cpus)
{
	struct cpu_list list;

	assert_int_equal(cpus->count, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(cpus->cpu[i].number, i);
		assert_int_equal(cpus->cpu[i].node, i % 2);
		assert_int_equal(cpus->cpu[i].package, i % 2);
		assert_int_equal(cpus->cpu[i].core, i % 2);
	}
	assert_list(tree, &cpus->cpu[2].siblings, "0,2");
	list = cpu_list_parse(tree, "1,3");
	assert_int_equal(host_node_of(cpus, &list), 1);
	list = cpu_list_parse(tree, "0-1");
	assert_int_equal(host_node_of(cpus, &list), HOST_UNKNOWN);
	list = cpu_list_parse(tree, "7");
	assert_int_equal(host_node_of(cpus, &list), HOST_UNKNOWN);
	assert_null(host_cpu_find(cpus, 4));
	assert_ptr_equal(host_cpu_find(cpus, 3), &cpus->cpu[3]);
}

static void places_from_sysfs(void **state)
{
	struct host_cpus cpus = {0};
	struct scratch scratch;
	struct tree *tree;

	(void)state;
	scratch_make(&scratch);
	lay_out(&scratch);
	tree = scratch_open(&scratch);
	host_cpus_read(tree, &cpus);
	check_places(tree, &cpus);
	assert_int_equal(cpus.node_count, 2);
	assert_list(tree, &cpus.node[1].cpus, "1,3");
	assert_true(cpus.node[1].memory == 2048 * 1024 && cpus.node[1].free == 1024 * 1024);
	assert_true(cpus.node[0].memory == HOST_UNKNOWN);
	tree_close(tree);
	scratch_remove(&scratch);
}

/* hwloc's answer counts more than sysfs, which is not even there. */
static void places_from_the_document(void **state)
{
	struct host_cpus cpus = {0};
	struct scratch scratch;
	struct tree *tree;

	(void)state;
	scratch_make(&scratch);
	scratch_put(&scratch, CPUS "/online", "0-3\n");
	scratch_put(&scratch, "/.strait/topology.json",
		    "{\"cpus\": [{\"cpu\": 0, \"node\": 0, \"package\": 0, \"siblings\": \"0,2\"},"
		    "{\"cpu\": 1, \"node\": 1, \"package\": 1, \"siblings\": \"1,3\"},"
		    "{\"cpu\": 2, \"node\": 0, \"package\": 0, \"siblings\": \"0,2\"},"
		    "{\"cpu\": 99, \"node\": 0}, {\"cpu\": -1}, 7, null,"
		    "{\"cpu\": 3, \"node\": 1, \"package\": 1, \"siblings\": \"1,3\"}]}");
	tree = scratch_open(&scratch);
	host_cpus_read(tree, &cpus);
	check_places(tree, &cpus);
	tree_close(tree);
	scratch_remove(&scratch);
}

static void wrong_types_are_unknown(void **state)
{
	struct host_cpus cpus = {0};
	struct scratch scratch;
	struct tree *tree;

	(void)state;
	scratch_make(&scratch);
	scratch_put(&scratch, CPUS "/online", "0\n");
	scratch_put(&scratch, "/.strait/topology.json",
		    "{\"cpus\": [{\"cpu\": 0, \"node\": \"0\", \"package\": 1e300, \"siblings\": [0]}]}");
	tree = scratch_open(&scratch);
	host_cpus_read(tree, &cpus);
	assert_int_equal(cpus.count, 1);
	assert_int_equal(cpus.cpu[0].node, HOST_UNKNOWN);
	assert_int_equal(cpus.cpu[0].package, HOST_UNKNOWN);
	assert_int_equal(cpus.cpu[0].core, HOST_UNKNOWN);
	assert_int_equal(cpus.cpu[0].siblings.count, 0);
	assert_int_equal(cpus.virtualization, HOST_UNKNOWN);
	assert_null(cpus.vendor);
	tree_close(tree);
	scratch_remove(&scratch);
}

static void put_state(const struct scratch *scratch, int number, const char *name, const char *latency,
		      const char *disable)
{
	char path[128];

	snprintf(path, sizeof(path), CPUS "/cpu0/cpuidle/state%d/name", number);
	scratch_put(scratch, path, name);
	snprintf(path, sizeof(path), CPUS "/cpu0/cpuidle/state%d/latency", number);
	scratch_put(scratch, path, latency);
	snprintf(path, sizeof(path), CPUS "/cpu0/cpuidle/state%d/disable", number);
	scratch_put(scratch, path, disable);
}

static void check_idle(const struct scratch *scratch, int64_t latency, const char *name)
{
	struct tree *tree = scratch_open(scratch);
	struct host_cpus cpus = {0};

	host_cpus_read(tree, &cpus);
	assert_true(cpus.cpu[0].idle_latency_us == latency);
	assert_string_equal(cpus.cpu[0].idle_state, name);
	tree_close(tree);
}

static void the_deepest_idle_state_that_is_used(void **state)
{
	struct scratch scratch;

	(void)state;
	scratch_make(&scratch);
	scratch_put(&scratch, CPUS "/online", "0\n");
	put_state(&scratch, 0, "POLL", "0", "0");
	put_state(&scratch, 1, "C1", "2", "0");
	put_state(&scratch, 2, "C6", "133", "0");
	put_state(&scratch, 10, "C10", "890", "1");
	check_idle(&scratch, 133, "C6");
	/* Who asked the kernel to wake up in 10 us, as tuned does, has no C6. */
	scratch_put(&scratch, "/.strait/cpu-dma-latency", "10\n");
	check_idle(&scratch, 2, "C1");
	scratch_put(&scratch, CPUS "/cpu0/power/pm_qos_resume_latency_us", "0\n");
	check_idle(&scratch, 2, "C1");
	scratch_put(&scratch, CPUS "/cpu0/power/pm_qos_resume_latency_us", "n/a\n");
	check_idle(&scratch, 0, "POLL");
	scratch_remove(&scratch);
}

static void isolation_from_everywhere(void **state)
{
	struct host_cpus cpus = {0};
	struct scratch scratch;
	struct tree *tree;

	(void)state;
	scratch_make(&scratch);
	scratch_put(&scratch, CPUS "/online", "0-7\n");
	scratch_put(&scratch, CPUS "/isolated", "2-3\n");
	scratch_put(&scratch, CPUS "/nohz_full", "2\n");
	scratch_put(&scratch, "/sys/fs/cgroup/cpuset.cpus.isolated", "6-7\n");
	scratch_put(&scratch, "/proc/cmdline",
		    "quiet rcu_nocbs=3 isolcpus=managed_irq,2-3 rcu_nocbs=5,6 x_rcu_nocbs=1\n");
	tree = scratch_open(&scratch);
	host_cpus_read(tree, &cpus);
	assert_list(tree, &cpus.isolated, "2-3,6-7");
	assert_list(tree, &cpus.nohz_full, "2");
	assert_list(tree, &cpus.rcu_nocbs, "2-3,5-6");
	tree_close(tree);
	/* What the kernel writes where there is none, and "all". */
	scratch_put(&scratch, CPUS "/nohz_full", " (null)\n");
	scratch_put(&scratch, "/proc/cmdline", "rcu_nocbs=all\n");
	tree = scratch_open(&scratch);
	host_cpus_read(tree, &cpus);
	assert_int_equal(cpus.nohz_full.count, 0);
	assert_list(tree, &cpus.rcu_nocbs, "0-7");
	tree_close(tree);
	/* The last CPU need not be online. */
	scratch_put(&scratch, CPUS "/possible", "0-15\n");
	scratch_put(&scratch, "/proc/cmdline", "rcu_nocbs=0-7:2/4,12-N\n");
	tree = scratch_open(&scratch);
	host_cpus_read(tree, &cpus);
	assert_list(tree, &cpus.rcu_nocbs, "0-1,4-5,12-15");
	tree_close(tree);
	scratch_remove(&scratch);
}

static const struct {
	const char *text, *cpus;
} options[] = {
	{"3,0-1", "0-1,3"},
	{"all", "0-9"},
	{"N", "9"},
	{"8-N", "8-9"},
	{"0-9:2/4", "0-1,4-5,8-9"},
	{"all:1/3", "0,3,6,9"},
	{"0-N:1/5,7", "0,5,7"},
	{"0-3:4/4", "0-3"},
	{"1:0/1,2", "2"},
	/* The kernel refuses these. */
	{"0-3:1/0", ""},
	{"0-3:3/2", ""},
	{"0-3:1", ""},
	{"0-3:/2", ""},
	{"8-", ""},
	{"0-3,8-", ""},
	{"-8", ""},
	{"N-8", ""},
	{"n", ""},
	{"0-99999999999999999999", ""},
	{"0-3:1/99999999999999999999", "0"},
};

static void lists_of_options(void **state)
{
	struct scratch scratch;
	struct cpu_list list;
	struct tree *tree;

	(void)state;
	scratch_make(&scratch);
	tree = scratch_open(&scratch);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		list = cpu_list_parse_option(tree, options[i].text, 9);
		assert_list(tree, &list, options[i].cpus);
	}
	/* Only there is known which one is the last. */
	list = cpu_list_parse(tree, "all");
	assert_list(tree, &list, "");
	list = cpu_list_parse(tree, "0-N");
	assert_list(tree, &list, "");
	tree_close(tree);
	scratch_remove(&scratch);
}

static void check_flags(const char *flags, int virtualization, int amd, int hypervisor)
{
	struct host_cpus cpus = {0};
	struct scratch scratch;
	struct tree *tree;
	char text[512];

	snprintf(text, sizeof(text),
		 "processor\t: 0\nvendor_id\t: TheVendor\nmodel name\t: A Model @ 2 GHz\nflags\t\t: %s\n\n"
		 "processor\t: 1\nvendor_id\t: Other\n",
		 flags);
	scratch_make(&scratch);
	scratch_put(&scratch, CPUS "/online", "0\n");
	scratch_put(&scratch, "/proc/cpuinfo", text);
	tree = scratch_open(&scratch);
	host_cpus_read(tree, &cpus);
	assert_string_equal(cpus.vendor, "TheVendor");
	assert_string_equal(cpus.model, "A Model @ 2 GHz");
	assert_int_equal(cpus.virtualization, virtualization);
	assert_int_equal(cpus.amd, amd);
	assert_int_equal(cpus.hypervisor, hypervisor);
	tree_close(tree);
	scratch_remove(&scratch);
}

static void flags_of_the_processor(void **state)
{
	(void)state;
	check_flags("fpu svm sse", 1, 1, 0);
	check_flags("vmx", 1, 0, 0);
	/* Words, not parts of them. */
	check_flags("svm_lock vmx_something hypervisor", 0, 0, 1);
}

/* This machine: hwloc and the kernel agree on what there is. */
static void the_live_machine(void **state)
{
	struct host_cpus cpus = {0};
	struct error err = {0};
	struct tree *tree = tree_open_live(&err);

	(void)state;
	assert_non_null(tree);
	host_cpus_read(tree, &cpus);
	assert_int_equal(cpus.count, sysconf(_SC_NPROCESSORS_ONLN));
	for (unsigned i = 0; i < cpus.count; i++) {
		assert_int_not_equal(cpus.cpu[i].core, HOST_UNKNOWN);
		assert_true(cpu_list_has(&cpus.cpu[i].siblings, cpus.cpu[i].number));
	}
	tree_close(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_from_sysfs),         cmocka_unit_test(places_from_the_document),
		cmocka_unit_test(wrong_types_are_unknown),   cmocka_unit_test(the_deepest_idle_state_that_is_used),
		cmocka_unit_test(isolation_from_everywhere), cmocka_unit_test(lists_of_options),
		cmocka_unit_test(flags_of_the_processor),    cmocka_unit_test(the_live_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
