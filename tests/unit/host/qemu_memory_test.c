/* SPDX-License-Identifier: Apache-2.0 */
/* What QEMU's command line says of the guest's memory. */
#include "host/qemu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "made.h"

static struct made made;

static int set_up(void **state)
{
	(void)state;
	made_begin(&made);
	made_file(&made, "/proc/7/mounts",
		  "tmpfs /dev/shm tmpfs rw 0 0\n"
		  "hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n"
		  "hugetlbfs /dev/hugepages1G hugetlbfs rw,relatime,pagesize=1024M 0 0\n");
	made_file(&made, "/proc/meminfo", "MemTotal: 1 kB\nHugepagesize:       2048 kB\n");
	made_open(&made);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	made_close(&made);
	return 0;
}

/* Of a guest of two vCPUs. */
static struct guest_memory read_memory(const char *line)
{
	struct guest guest = {.pid = 7, .vcpu_count = 2};

	qemu_memory_read(made.tree, made_command(&made, line), &guest);
	return guest.memory;
}

static void nodes_and_files(void **state)
{
	struct guest_memory memory =
		read_memory("-m 2G -object memory-backend-memfd,id=a,size=1G,hugetlb=on,host-nodes=0,policy=bind "
			    "-object memory-backend-file,id=b,size=1G,mem-path=/dev/hugepages/q,merge=off "
			    "-numa node,cpus=0-1,memdev=a -numa node,cpus=2,cpus=3,memdev=b -device virtio-balloon-pci "
			    "-machine pc,mem-merge=on");
	const struct guest_memory_backend *backend = memory.backend;

	(void)state;
	assert_int_equal(memory.size, 2ull << 30);
	assert_int_equal(memory.balloon, 1);
	assert_int_equal(memory.backend_count, 2);
	assert_int_equal(backend[0].page, 2 << 20);
	assert_int_equal(backend[0].share, 1);
	assert_string_equal(backend[0].policy, "bind");
	assert_string_equal(cpu_list_format(made.tree, &backend[0].host_nodes), "0");
	assert_int_equal(backend[1].page, 2 << 20);
	assert_int_equal(backend[1].share, 0);
	assert_int_equal(backend[1].merge, 0);
	assert_string_equal(cpu_list_format(made.tree, &backend[1].guest_cpus), "2-3");
	memory = read_memory("");
	assert_int_equal(memory.size, 128 << 20);
	assert_int_equal(memory.backend_count, 1);
	assert_null(memory.backend[0].id);
	assert_int_equal(memory.backend[0].ram, 1);
	memory = read_memory("-m 1G -mem-path /dev/hugepages1G -mem-prealloc");
	assert_int_equal(memory.backend[0].page, 1 << 30);
	assert_int_equal(memory.backend[0].prealloc, 1);
}

/* Memory of devices stands beside what -m is, which may be one of them, or none. */
static void devices_have_their_own(void **state)
{
	static const char shared[] = "-m 1G -object memory-backend-file,id=s,size=1M,mem-path=/s,share=on "
				     "-object memory-backend-ram,id=r,size=1G %s";
	struct guest_memory memory = read_memory(tree_format(made.tree, shared, "-device ivshmem-plain,memdev=s"));

	(void)state;
	assert_int_equal(memory.backend_count, 3);
	assert_int_equal(memory.backend[0].ram, 0);
	assert_int_equal(memory.backend[1].ram, 0);
	assert_null(memory.backend[2].id);
	assert_int_equal(memory.backend[2].ram, 1);
	assert_int_equal(memory.backend[2].size, 1 << 30);
	assert_int_equal(memory.backend[2].guest_cpus.count, 2);
	memory = read_memory(tree_format(made.tree, shared, "-M q35,memory-backend=r"));
	assert_int_equal(memory.backend_count, 2);
	assert_int_equal(memory.backend[0].ram, 0);
	assert_int_equal(memory.backend[1].ram, 1);
	assert_int_equal(memory.backend[1].guest_cpus.count, 2);
	memory = read_memory(tree_format(made.tree, shared, "-numa node,memdev=r"));
	assert_int_equal(memory.backend_count, 2);
	assert_int_equal(memory.backend[0].ram, 0);
	assert_int_equal(memory.backend[1].ram, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_and_files),
		cmocka_unit_test(devices_have_their_own),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
