/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/group_io.h"
#include "host/host.h"
#include "scratch.h"

/* Two seconds between what lies in the machine and what lies in its second sample. */
#define SECOND "/.strait/samples/1"

static const char manifest[] = "{\"version\": 1, \"samples\": [5000000000, 7000000000]}";

static void near(double value, double expected)
{
	assert_true(fabs(value - expected) < 1e-9 + fabs(expected) * 1e-6);
}

struct machine {
	struct scratch scratch;
	struct tree *tree;
	struct host *host;
};

static void machine_make(struct machine *machine)
{
	scratch_make(&machine->scratch);
	scratch_put(&machine->scratch, "/.strait/manifest.json", manifest);
	scratch_put(&machine->scratch, "/sys/devices/system/cpu/online", "0-1\n");
}

/* A file in both samples. */
static void both(const struct machine *machine, const char *path, const char *before, const char *now)
{
	char second[256];

	snprintf(second, sizeof(second), SECOND "%s", path);
	scratch_put(&machine->scratch, path, before);
	scratch_put(&machine->scratch, second, now);
}

static const struct host_rates *measure(struct machine *machine)
{
	struct error err = {0};

	machine->tree = scratch_open(&machine->scratch);
	machine->host = host_read(machine->tree);
	assert_int_equal(host_measure(machine->host, 1000000000, &err), 0);
	return &machine->host->rates;
}

static void machine_free(struct machine *machine)
{
	tree_close(machine->tree);
	scratch_remove(&machine->scratch);
}

static void count_too_large(void *context, const char *path, int error)
{
	unsigned *count = context;

	*count += error == -E2BIG && strcmp(path, "/proc/diskstats") == 0;
}

/* Said once, whatever the number of samples. */
static void more_than_are_measured(void **state)
{
	static char text[1 << 20];
	const struct host_rates *rates;
	struct machine machine;
	unsigned told = 0;
	size_t length = 0;

	(void)state;
	for (unsigned i = 0; i < 16385; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "8 0 d%u 1 0 1 1 1 0 1 1 0 1 1\n", i);
	machine_make(&machine);
	both(&machine, "/proc/diskstats", text, text);
	rates = measure(&machine);
	assert_int_equal(rates->disk_count, 16384);
	tree_unreadable(machine.tree, count_too_large, &told);
	assert_int_equal(told, 1);
	machine_free(&machine);
}

static void time_of_cpus(void **state)
{
	const struct host_rates *rates;
	struct machine machine;

	(void)state;
	machine_make(&machine);
	/* user nice system idle iowait irq softirq steal; CPU 2 came later, CPU 1's idle went back. */
	both(&machine, "/proc/stat", "cpu 9 9 9 9 9 9 9 9\ncpu0 100 0 100 1000 10 1 2 3 0 0\ncpu1 0 0 0 50 0 0 0 0\n",
	     "cpu 9 9 9 9 9 9 9 9\ncpu0 150 10 110 1080 20 6 7 33 0 0\ncpu1 100 0 0 49 0 0 0 0\ncpu2 1 1 1 1 1 1 1 "
	     "1\n");
	rates = measure(&machine);
	near(rates->seconds, 2);
	assert_int_equal(rates->cpu_count, 2);
	near(rates->cpu[0].busy, 80.0 / 200);
	near(rates->cpu[0].iowait, 10.0 / 200);
	near(rates->cpu[0].steal, 30.0 / 200);
	near(rates->cpu[0].irq, 10.0 / 200);
	assert_int_equal(rates->cpu[1].number, 1);
	near(rates->cpu[1].busy, 1);
	machine_free(&machine);
}

static void time_of_threads(void **state)
{
	const struct rate_thread *thread;
	const struct host_rates *rates;
	struct machine machine;

	(void)state;
	machine_make(&machine);
	scratch_put(
		&machine.scratch, "/.strait/servants.json",
		"{\"servants\": [{\"pid\": 70, \"threads\": [70, 71, \"72\", 9999999999999, 73]}, 7, {\"pid\": -1}]}");
	both(&machine, "/proc/70/task/70/stat", "70 (odd) name (x) S 1", "70 (odd) name (x) S 1 2 3");
	both(&machine, "/proc/70/task/71/stat",
	     "71 (vhost-70) S 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 "
	     "34 "
	     "35 36 5 41",
	     "71 (vhost-70) S 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 "
	     "34 "
	     "35 36 6 41");
	both(&machine, "/proc/70/task/71/schedstat", "1000000000 500000000 7\n", "2000000000 600000000 9\n");
	both(&machine, "/proc/70/task/71/status",
	     "Name:\tvhost-70\nvoluntary_ctxt_switches:\t10\nnonvoluntary_ctxt_switches:\t4\n",
	     "Name:\tvhost-70\nvoluntary_ctxt_switches:\t30\nnonvoluntary_ctxt_switches:\t8\n");
	rates = measure(&machine);
	assert_int_equal(rates->thread_count, 2);
	thread = host_rate_of_thread(rates, 71);
	assert_non_null(thread);
	assert_string_equal(thread->comm, "vhost-70");
	near(thread->run, 0.5);
	near(thread->delay, 0.05);
	near(thread->switches, 12);
	near(thread->involuntary, 2);
	assert_int_equal(thread->cpu, 6);
	thread = host_rate_of_thread(rates, 70);
	assert_string_equal(thread->comm, "odd) name (x");
	assert_true(isnan(thread->run) && isnan(thread->switches));
	assert_null(host_rate_of_thread(rates, 73));
	machine_free(&machine);
}

static void interrupts_and_where(void **state)
{
	const struct host_rates *rates;
	struct machine machine;

	(void)state;
	machine_make(&machine);
	/* The first counts over the end of 32 bits. */
	both(&machine, "/proc/interrupts", "   CPU0  CPU1\n 3: 4294967290 10 chip edge  a\n 5: 0 0 chip edge  b\n",
	     "   CPU0  CPU1\n 3: 4 40 chip edge  a\n 4: 1 1 chip edge  new\n 5: 0 0 chip edge  b\n");
	rates = measure(&machine);
	assert_int_equal(rates->irq_count, 2);
	assert_int_equal(rates->irq[0].number, 3);
	near(rates->irq[0].total, 20);
	near(rates->irq[0].most, 0.75);
	assert_int_equal(rates->irq[0].most_cpu, 1);
	near(rates->irq[1].total, 0);
	machine_free(&machine);
}

static void disks(void **state)
{
	const struct rate_disk *disk;
	struct machine machine;

	(void)state;
	machine_make(&machine);
	both(&machine, "/proc/diskstats",
	     "259 0 nvme0n1 100 0 800 1000 50 0 80 400 0 700 1400 0 0 0 0\n 8 0 gone 1 1 1 1 1 1 1 1 1 1 1\n",
	     " 8 0 sda 1 1 1 1 1 1 1 1 1 1 1\n259 0 nvme0n1 300 0 2400 1200 150 0 880 1400 3 1700 3400 0 0 0 0\nodd\n");
	disk = host_rate_of_disk(measure(&machine), "nvme0n1");
	assert_non_null(disk);
	near(disk->reads, 100);
	near(disk->writes, 50);
	near(disk->read_bytes, 512 * 800);
	near(disk->write_bytes, 512 * 400);
	near(disk->utilization, 0.5);
	near(disk->read_await_ns, 1e6);
	near(disk->write_await_ns, 10e6);
	near(disk->await_ns, 4e6);
	near(disk->depth, 1);
	assert_null(host_rate_of_disk(&machine.host->rates, "sda"));
	assert_null(host_rate_of_disk(&machine.host->rates, "gone"));
	machine_free(&machine);
}

static void interfaces(void **state)
{
	const struct host_rates *rates;
	struct machine machine;

	(void)state;
	machine_make(&machine);
	both(&machine, "/proc/net/dev",
	     "Inter-|   Receive    |  Transmit\n face |bytes    packets errs drop\n"
	     "  eth0: 1000 10 0 1 0 0 0 0 500 5 0 0 0 0 0 0\n",
	     "Inter-|   Receive    |  Transmit\n face |bytes    packets errs drop\n"
	     "  eth0: 5000 30 0 5 0 0 0 0 700 9 0 6 0 0 0 0\n  tap0:1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n");
	rates = measure(&machine);
	assert_int_equal(rates->net_count, 1);
	assert_string_equal(rates->net[0].name, "eth0");
	near(rates->net[0].rx_bytes, 2000);
	near(rates->net[0].rx_packets, 10);
	near(rates->net[0].rx_dropped, 2);
	near(rates->net[0].tx_bytes, 100);
	near(rates->net[0].tx_packets, 2);
	near(rates->net[0].tx_dropped, 3);
	machine_free(&machine);
}

static void memory_and_pressure(void **state)
{
	const struct host_rates *rates;
	struct machine machine;

	(void)state;
	machine_make(&machine);
	both(&machine, "/proc/pressure/io", "some total=0\nfull total=0\n", "some total=1000000\nfull total=500000\n");
	both(&machine, "/proc/pressure/cpu", "some total=7\n", "some total=7\n");
	both(&machine, "/proc/meminfo", "Dirty: 4 kB\nWriteback: 9 kB\n", "Dirty: 8 kB\nWriteback: 1 kB\n");
	both(&machine, "/proc/vmstat", "pswpin 1\npswpout 100\npgsteal_kswapd 5\n",
	     "pswpin 3\npswpout 50\npgsteal_kswapd 9\n");
	rates = measure(&machine);
	near(rates->io_pressure.some, 0.5);
	near(rates->io_pressure.full, 0.25);
	near(rates->cpu_pressure.some, 0);
	assert_true(isnan(rates->cpu_pressure.full) && isnan(rates->memory_pressure.some));
	assert_true(rates->dirty == 8192 && rates->writeback == 9216);
	near(rates->swap_in, 1);
	/* Went back, and not there at all. */
	assert_true(isnan(rates->swap_out) && isnan(rates->reclaim));
	machine_free(&machine);
}

#define KVM "/sys/kernel/debug/kvm/"

static void statistics_of_kvm(void **state)
{
	const struct host_rates *rates;
	struct machine machine;

	(void)state;
	machine_make(&machine);
	both(&machine, KVM "812-11/exits", "100\n", "300\n");
	both(&machine, KVM "812-11/io_exits", "0\n", "20\n");
	both(&machine, KVM "812-14/exits", "0\n", "2\n");
	both(&machine, KVM "exits", "1\n", "2\n");
	rates = measure(&machine);
	assert_int_equal(rates->exit_count, 2);
	assert_int_equal(rates->exit[0].pid, 812);
	assert_string_equal(rates->exit[0].reason, "exits");
	near(rates->exit[0].rate, 101);
	assert_string_equal(rates->exit[1].reason, "io_exits");
	near(rates->exit[1].rate, 10);
	machine_free(&machine);
}

/* A guest whose process is in a group below that of the guest, as libvirt has it. */
static void put_guest(struct machine *machine)
{
	scratch_put(&machine->scratch, "/proc/7/cmdline", "/usr/bin/qemu-system-x86_64");
	scratch_put(&machine->scratch, "/proc/7/comm", "qemu-system-x86");
	scratch_put(&machine->scratch, "/proc/7/cgroup", "0::/vm.scope/emulator\n");
}

/* What the group with the quota counts is its, whichever of the guest's threads it holds back. */
static void quotas(void **state)
{
	struct machine machine;
	const struct host_rates *rates;

	(void)state;
	machine_make(&machine);
	put_guest(&machine);
	scratch_put(&machine.scratch, "/proc/7/task/8/comm", "worker");
	scratch_put(&machine.scratch, "/proc/7/task/8/cgroup", "0::/vm.scope/vcpu0\n");
	scratch_put(&machine.scratch, "/sys/fs/cgroup/vm.scope/cpu.max", "50000 100000\n");
	scratch_put(&machine.scratch, "/sys/fs/cgroup/vm.scope/vcpu0/cpu.max", "20000 100000\n");
	both(&machine, "/sys/fs/cgroup/vm.scope/emulator/cpu.stat", "throttled_usec 0\n", "throttled_usec 2000000\n");
	both(&machine, "/sys/fs/cgroup/vm.scope/cpu.stat", "throttled_usec 5\n", "throttled_usec 1000005\n");
	both(&machine, "/sys/fs/cgroup/vm.scope/vcpu0/cpu.stat", "throttled_time 0\n", "throttled_time 500000000\n");
	rates = measure(&machine);
	assert_int_equal(rates->quota_count, 2);
	assert_string_equal(rates->quota[0].cgroup, "/sys/fs/cgroup/vm.scope");
	near(rates->quota[0].throttled, 0.5);
	assert_string_equal(rates->quota[1].cgroup, "/sys/fs/cgroup/vm.scope/vcpu0");
	near(rates->quota[1].throttled, 0.25);
	machine_free(&machine);
}

/* Of the group that io.max is of, which may be above the guest's own. */
static void control_groups(void **state)
{
	struct machine machine;
	const struct host_rates *rates;

	(void)state;
	machine_make(&machine);
	put_guest(&machine);
	scratch_put(&machine.scratch, "/sys/fs/cgroup/vm.scope/io.max", "8:0 rbps=max wbps=max riops=100 wiops=max\n");
	both(&machine, "/sys/fs/cgroup/vm.scope/io.stat",
	     "8:0 rbytes=4096 wbytes=0 rios=10 wios=0 dbytes=0 dios=0\n8:16 rbytes=1\n",
	     "8:16 rbytes=7 rios=x wios=-3\n8:0 rbytes=12288 wbytes=1000 rios=40 wios=5 dbytes=0 dios=0\n8:32 "
	     "rios=1\n");
	rates = measure(&machine);
	assert_int_equal(rates->group_count, 2);
	assert_int_equal(rates->group[0].minor, 16);
	near(rates->group[0].read_bytes, 3);
	assert_true(isnan(rates->group[0].reads) && isnan(rates->group[0].writes));
	assert_int_equal(rates->group[1].pid, 7);
	near(rates->group[1].reads, 15);
	near(rates->group[1].writes, 2.5);
	near(rates->group[1].read_bytes, 4096);
	near(rates->group[1].write_bytes, 500);
	machine_free(&machine);
}

static void lines_of_devices(void **state)
{
	char text[8192] = "259:1 rbps=max wbps=9223372036854775807 riops=0007 wiops=99999999999999999999 x=1 =\n";
	const char *at = text;
	struct group_io io;

	(void)state;
	memset(text + strlen(text), ' ', 6000);
	strcpy(text + strlen(text), "8:0 rbps=1\nmax\n\n8:16 rbytes=5");
	at = group_io_next(at, &io);
	assert_int_equal(io.major, 259);
	assert_int_equal(io.read_bytes, HOST_UNKNOWN);
	assert_int_equal(io.reads, 7);
	assert_true(io.write_bytes == INT64_MAX && io.writes == INT64_MAX);
	at = group_io_next(at, &io); /* not what is far behind in a line that is longer than any of the kernel's */
	assert_non_null(at);
	assert_int_equal(io.minor, 16);
	assert_int_equal(io.read_bytes, 5);
	assert_null(group_io_next(at, &io));
	assert_null(group_io_next(NULL, &io));
}

/* When it was read counts, not when the sample began. */
static void the_clock_of_the_machine(void **state)
{
	struct machine machine;

	(void)state;
	machine_make(&machine);
	both(&machine, "/.strait/clock", "5500000000\n", "7000000000\n");
	scratch_put(&machine.scratch, SECOND "/.strait/clock", "6000000000\n");
	near(measure(&machine)->seconds, 0.5);
	machine_free(&machine);
}

static void no_more_samples(void **state)
{
	struct machine machine;
	struct error err = {0};

	(void)state;
	machine_make(&machine);
	measure(&machine);
	assert_int_equal(host_measure(machine.host, 0, &err), -ENOENT);
	assert_non_null(strstr(err.text, "at least 3 samples, it has 2"));
	/* What was measured before stays. */
	near(machine.host->rates.seconds, 2);
	machine_free(&machine);
}

static void the_live_machine(void **state)
{
	struct error err = {0};
	struct machine machine;
	double busy = 0;

	(void)state;
	machine.tree = tree_open_live(&err);
	assert_non_null(machine.tree);
	machine.host = host_read(machine.tree);
	assert_int_equal(host_measure(machine.host, 50000000, &err), 0);
	assert_true(machine.host->rates.seconds > 0);
	for (unsigned i = 0; i < machine.host->rates.cpu_count; i++) {
		const struct rate_cpu *cpu = &machine.host->rates.cpu[i];

		assert_true(cpu->busy >= 0 && cpu->busy <= 1);
		busy += cpu->busy;
	}
	assert_true(busy <= machine.host->cpus.count);
	tree_close(machine.tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_of_cpus),
		cmocka_unit_test(more_than_are_measured),
		cmocka_unit_test(time_of_threads),
		cmocka_unit_test(interrupts_and_where),
		cmocka_unit_test(disks),
		cmocka_unit_test(interfaces),
		cmocka_unit_test(memory_and_pressure),
		cmocka_unit_test(statistics_of_kvm),
		cmocka_unit_test(quotas),
		cmocka_unit_test(control_groups),
		cmocka_unit_test(lines_of_devices),
		cmocka_unit_test(the_clock_of_the_machine),
		cmocka_unit_test(no_more_samples),
		cmocka_unit_test(the_live_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
