/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the control groups that a guest is in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/guest.h"
#include "made.h"

static const struct guest *read_one(struct made *made)
{
	static const char command[] =
		"qemu-system-x86_64\0-name\0db,debug-threads=on\0-smp\0002\0-object\0iothread,id=io1";
	struct host_guests *guests;

	made_bytes(made, "/proc/7/cmdline", command, sizeof(command));
	made_open(made);
	guests = tree_alloc(made->tree, sizeof(*guests));
	host_guests_read(made->tree, guests);
	assert_int_equal(guests->count, 1);
	return &guests->guest[0];
}

static void assert_quota(const struct guest_quota *quota, const char *cgroup, const char *max)
{
	assert_string_equal(quota->cgroup, cgroup);
	assert_string_equal(quota->max, max);
}

/* libvirt puts limits on the group above the one that threads are in. */
static void limits_of_cgroups(void **state)
{
	const struct guest *guest;
	struct made made;

	(void)state;
	made_begin(&made);
	made_file(&made, "/proc/7/cgroup", "0::/machine.slice/vm.scope/emulator\n");
	made_file(&made, "/sys/fs/cgroup/machine.slice/vm.scope/emulator/cpu.max", "max 100000\n");
	made_file(&made, "/sys/fs/cgroup/machine.slice/vm.scope/cpu.max", "50000 100000\n");
	made_file(&made, "/sys/fs/cgroup/machine.slice/cpu.max", "900000 100000\n");
	made_file(&made, "/sys/fs/cgroup/machine.slice/vm.scope/io.max",
		  "8:0 rbps=1048576 wbps=max riops=max wiops=max\n");
	made_file(&made, "/sys/fs/cgroup/machine.slice/vm.scope/io.weight", "default 50\n");
	guest = read_one(&made);
	assert_string_equal(guest->cgroup, "/machine.slice/vm.scope/emulator");
	assert_int_equal(guest->quota_count, 2);
	assert_quota(&guest->quota[0], "/sys/fs/cgroup/machine.slice/vm.scope", "50000 100000");
	assert_quota(&guest->quota[1], "/sys/fs/cgroup/machine.slice", "900000 100000");
	assert_int_equal(guest->quotas_known, 1);
	assert_memory_equal(guest->io_max, "8:0 rbps=1048576", 16);
	assert_string_equal(guest->io_cgroup, "/sys/fs/cgroup/machine.slice/vm.scope");
	assert_string_equal(guest->io_weight, "default 50");
	made_close(&made);
}

/* Each controller has its own hierarchy; those of version 2 may be there as well, for none of these. */
static void limits_of_old_cgroups(void **state)
{
	const struct guest *guest;
	struct made made;

	(void)state;
	made_begin(&made);
	made_file(&made, "/proc/7/cgroup",
		  "9:cpuset:/other\n8:blkio:/machine/vm\n4:cpuacct,cpu:/machine/vm/emulator\n1:name=systemd:/x\n"
		  "0::/machine.slice/vm.scope\n");
	made_link(&made, "/sys/fs/cgroup/cpu", "cpu,cpuacct");
	made_file(&made, "/sys/fs/cgroup/cpu,cpuacct/machine/vm/emulator/cpu.cfs_quota_us", "-1\n");
	made_file(&made, "/sys/fs/cgroup/cpu,cpuacct/machine/vm/emulator/cpu.cfs_period_us", "100000\n");
	made_file(&made, "/sys/fs/cgroup/cpu,cpuacct/machine/vm/cpu.cfs_quota_us", "50000\n");
	made_file(&made, "/sys/fs/cgroup/cpu,cpuacct/machine/vm/cpu.cfs_period_us", "100000\n");
	made_file(&made, "/sys/fs/cgroup/blkio/machine/vm/blkio.throttle.read_bps_device", "8:0 1048576\n");
	made_file(&made, "/sys/fs/cgroup/blkio/machine/vm/blkio.throttle.write_bps_device", "");
	made_file(&made, "/sys/fs/cgroup/blkio/machine/vm/blkio.throttle.write_iops_device", "259:1 7\n8:0 100\n");
	made_file(&made, "/sys/fs/cgroup/machine.slice/vm.scope/cpu.max", "1 100000\n");
	guest = read_one(&made);
	assert_string_equal(guest->cgroup, "/machine/vm/emulator");
	assert_string_equal(guest->cpu_cgroup, "/sys/fs/cgroup/cpu/machine/vm/emulator");
	assert_int_equal(guest->quota_count, 1);
	assert_quota(&guest->quota[0], "/sys/fs/cgroup/cpu/machine/vm", "50000 100000");
	assert_string_equal(guest->io_max, "8:0 rbps=1048576 wbps=max riops=max wiops=100\n"
					   "259:1 rbps=max wbps=max riops=max wiops=7\n");
	made_close(&made);
	/* No limits. */
	made_begin(&made);
	made_file(&made, "/proc/7/cgroup", "3:cpu:/\n2:blkio:/\n");
	made_file(&made, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
	made_file(&made, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
	guest = read_one(&made);
	assert_int_equal(guest->quota_count, 0);
	assert_int_equal(guest->quotas_known, 1);
	assert_null(guest->io_max);
	made_close(&made);
	/* One that leads out of its hierarchy. */
	made_begin(&made);
	made_file(&made, "/proc/7/cgroup", "3:cpu:/../../../proc\n2:blkio\n:::\n0:\n");
	guest = read_one(&made);
	assert_null(guest->cpu_cgroup);
	assert_int_equal(guest->quotas_known, 0);
	made_close(&made);
}

/* blkio of version 1 holds back no group but the one that it is said of. */
static void throttling_is_flat(void **state)
{
	const struct guest *guest;
	struct made made;

	(void)state;
	made_begin(&made);
	made_file(&made, "/proc/7/cgroup", "8:blkio:/machine/vm/emulator\n");
	made_file(&made, "/sys/fs/cgroup/blkio/machine/vm/emulator/blkio.throttle.read_bps_device", "");
	made_file(&made, "/sys/fs/cgroup/blkio/machine/vm/blkio.throttle.read_bps_device", "8:0 1048576\n");
	guest = read_one(&made);
	assert_string_equal(guest->io_max, "");
	assert_null(guest->io_cgroup);
	made_close(&made);
}

/* Where a group is not there, or does not tell, nobody knows its limits: without the controller it has none. */
static void limits_that_are_not_known(void **state)
{
	const struct guest *guest;
	struct made made;

	(void)state;
	made_begin(&made);
	made_file(&made, "/proc/7/cgroup", "0::/machine.slice/vm.scope\n");
	made_file(&made, "/sys/fs/cgroup/machine.slice/vm.scope/cpu.max", "max 100000\n");
	guest = read_one(&made);
	assert_int_equal(guest->quota_count, 0);
	assert_int_equal(guest->quotas_known, 1);
	assert_string_equal(guest->io_max, "");
	made_close(&made);
	made_begin(&made);
	made_file(&made, "/proc/7/cgroup", "0::/machine.slice/vm.scope\n");
	made_file(&made, "/sys/fs/cgroup/machine.slice/cpu.max", "max 100000\n");
	guest = read_one(&made);
	assert_int_equal(guest->quotas_known, 0);
	assert_null(guest->io_max);
	made_close(&made);
	made_begin(&made);
	made_file(&made, "/proc/7/cgroup", "0::/vm/emulator\n");
	made_file(&made, "/sys/fs/cgroup/vm/emulator/cpu.max", "max 100000\n");
	made_link(&made, "/sys/fs/cgroup/vm/cpu.max", "cpu.max");
	guest = read_one(&made);
	assert_int_equal(guest->quotas_known, 0);
	assert_string_equal(guest->io_max, "");
	made_close(&made);
}

static void add_task(const struct made *made, int tid, const char *comm, const char *cgroup)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/7/task/%d/comm", tid);
	made_file(made, path, comm);
	snprintf(path, sizeof(path), "/proc/7/task/%d/cgroup", tid);
	if (cgroup)
		made_file(made, path, cgroup);
}

/* libvirt's <vcpu_quota> is in the groups of vCPUs alone. */
static void quotas_of_threads(void **state)
{
	const struct guest *guest;
	struct made made;

	(void)state;
	made_begin(&made);
	made_file(&made, "/proc/7/cgroup", "0::/vm.scope/libvirt/emulator\n");
	add_task(&made, 7, "qemu", "0::/vm.scope/libvirt/emulator\n");
	add_task(&made, 8, "CPU 0/KVM", "0::/vm.scope/libvirt/vcpu0\n");
	add_task(&made, 9, "CPU 1/KVM", "0::/vm.scope/libvirt/vcpu1\n");
	add_task(&made, 10, "IO io1", "0::/vm.scope/libvirt/iothread1\n");
	add_task(&made, 11, "worker", NULL); /* it has ended */
	made_file(&made, "/sys/fs/cgroup/vm.scope/cpu.max", "max 100000\n");
	made_file(&made, "/sys/fs/cgroup/vm.scope/libvirt/emulator/cpu.max", "max 100000\n");
	made_file(&made, "/sys/fs/cgroup/vm.scope/libvirt/vcpu0/cpu.max", "50000 100000\n");
	made_file(&made, "/sys/fs/cgroup/vm.scope/libvirt/vcpu1/cpu.max", "50000 100000\n");
	made_file(&made, "/sys/fs/cgroup/vm.scope/libvirt/iothread1/cpu.max", "20000 100000\n");
	guest = read_one(&made);
	assert_int_equal(guest->quota_count, 3);
	assert_quota(&guest->quota[0], "/sys/fs/cgroup/vm.scope/libvirt/vcpu0", "50000 100000");
	assert_quota(&guest->quota[1], "/sys/fs/cgroup/vm.scope/libvirt/vcpu1", "50000 100000");
	assert_quota(&guest->quota[2], "/sys/fs/cgroup/vm.scope/libvirt/iothread1", "20000 100000");
	assert_string_equal(guest->vcpu[1].cpu_cgroup, guest->quota[1].cgroup);
	assert_string_equal(guest->iothread[0].cpu_cgroup, guest->quota[2].cgroup);
	assert_int_equal(guest->quotas_known, 1);
	made_close(&made);
	/* One of them does not tell. */
	made_begin(&made);
	made_file(&made, "/proc/7/cgroup", "0::/vm.scope\n");
	add_task(&made, 8, "CPU 0/KVM", "0::/vm.scope\n");
	add_task(&made, 9, "CPU 1/KVM", NULL);
	made_file(&made, "/sys/fs/cgroup/vm.scope/cpu.max", "50000 100000\n");
	guest = read_one(&made);
	assert_int_equal(guest->quota_count, 1);
	assert_int_equal(guest->quotas_known, 0);
	made_close(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_of_cgroups),  cmocka_unit_test(limits_of_old_cgroups),
		cmocka_unit_test(throttling_is_flat), cmocka_unit_test(limits_that_are_not_known),
		cmocka_unit_test(quotas_of_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
