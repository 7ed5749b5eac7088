/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pci.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static struct tree *tree;
static struct host_pci pci;

static int set_up(void **state)
{
	(void)state;
	tree = fixture_open("devices");
	if (!tree)
		return -1;
	host_pci_read(tree, &pci);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tree_close(tree);
	return 0;
}

static const struct host_pci_device *find(const char *address)
{
	const struct host_pci_device *device = host_pci_find(&pci, address);

	assert_non_null(device);
	return device;
}

static void device_is_read(void **state)
{
	const struct host_pci_device *disk = find("0000:81:00.0");

	(void)state;
	assert_int_equal(disk->vendor, 0x144d);
	assert_int_equal(disk->class, 0x010802);
	assert_string_equal(disk->driver, "nvme");
	assert_int_equal(disk->node, 1);
	assert_int_equal(disk->iommu_group, 4);
	assert_string_equal(cpu_list_format(tree, &disk->local_cpus), "4-7");
	assert_string_equal(disk->link_speed, "5.0 GT/s PCIe");
	assert_string_equal(disk->link_speed_max, "8.0 GT/s PCIe");
	assert_int_equal(disk->link_width, 2);
	assert_int_equal(disk->link_width_max, 4);
	assert_int_equal(disk->aer_nonfatal, 1);
	assert_int_equal(find("0000:01:00.0")->aer_correctable, 12);
}

static void what_is_not_there_is_unknown(void **state)
{
	const struct host_pci_device *bridge = find("0000:00:00.0"), *sata = find("0000:00:1f.2");

	(void)state;
	assert_null(bridge->driver);
	assert_null(bridge->physical);
	assert_null(bridge->link_speed);
	assert_int_equal(bridge->link_width, HOST_UNKNOWN);
	assert_int_equal(bridge->aer_fatal, HOST_UNKNOWN);
	assert_int_equal(bridge->vfs_max, HOST_UNKNOWN);
	assert_int_equal(sata->node, HOST_UNKNOWN);
	assert_null(host_pci_find(&pci, "0000:00:1f.3"));
	assert_null(host_pci_find(&pci, NULL));
}

static void functions_know_theirs(void **state)
{
	(void)state;
	assert_int_equal(find("0000:82:00.0")->vfs, 2);
	assert_int_equal(find("0000:82:00.0")->vfs_max, 4);
	assert_null(find("0000:82:00.0")->physical);
	assert_string_equal(find("0000:82:01.0")->physical, "0000:82:00.0");
	assert_string_equal(find("0000:82:01.0")->driver, "vfio-pci");
}

static void bridges_are_bridges(void **state)
{
	(void)state;
	assert_true(host_pci_is_bridge(find("0000:00:00.0")));
	assert_true(host_pci_is_bridge(find("0000:80:01.0")));
	assert_false(host_pci_is_bridge(find("0000:81:00.0")));
}

static void groups_have_members(void **state)
{
	(void)state;
	assert_int_equal(pci.group_count, 10);
	assert_int_equal(pci.group[8].number, 8);
	assert_string_equal(pci.group[8].type, "DMA-FQ");
	assert_int_equal(pci.group[8].count, 1);
	assert_string_equal(pci.group[8].address[0], "0000:82:01.0");
}

static const struct {
	const char *path, *address;
} paths[] = {
	{"/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/nvme/nvme0/nvme0n1", "0000:01:00.0"},
	{"/sys/devices/pci0000:00/0000:00:02.0", "0000:00:02.0"},
	{"/sys/devices/pci10000:e1/10000:e1:02.0/nvme", "10000:e1:02.0"},
	{"/sys/devices/pci0000:00", NULL},
	{"/sys/devices/0000:00:02.0.1/x", NULL},
	{"/sys/devices/000:00:02.0", NULL},
	{"/sys/devices/0000:00:02.", NULL},
	{"/sys/devices/0000:00", NULL},
	{"", NULL},
};

static void innermost_address_of_a_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *address = host_pci_of_path(tree, paths[i].path);

		if (!paths[i].address) {
			assert_null(address);
			continue;
		}
		assert_non_null(address);
		assert_string_equal(address, paths[i].address);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_is_read),        cmocka_unit_test(what_is_not_there_is_unknown),
		cmocka_unit_test(functions_know_theirs), cmocka_unit_test(bridges_are_bridges),
		cmocka_unit_test(groups_have_members),   cmocka_unit_test(innermost_address_of_a_path),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
