/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/cpu.h"
#include "host/irq.h"
#include "scratch.h"

#define PCI "/sys/bus/pci/devices/0000:"

/* CPU 1 is offline: there is no column for it. Rows of real machines, with all their ways to be odd. */
static const char interrupts[] =
	"            CPU0       CPU2       CPU3       \n"
	"   0:         44          0          0   IO-APIC   2-edge      timer\n"
	"   8:          0          0          0   IO-APIC   8-edge    \n"
	"  16:          1          2          3   IO-APIC  16-fasteoi   ehci_hcd:usb1, snd hda\n"
	"  30:        100          0         50 PCI-MSIX-0000:01:00.0   1-edge      nvme0q1\n"
	"  31:          0          7          0 PCI-MSI 524289-edge      eth0-TxRx-0\n"
	"  32:          0          0          9 PCI-MSIX-0000:03:00.0   1-edge      virtio3-req.0\n"
	" NMI:          5          6          7   Non-maskable interrupts\n"
	" ERR:          3\n"
	" PIN:          1          1          1   Posted-interrupt notification event\n"
	"rubbish\n";

static void put_machine(const struct scratch *scratch)
{
	scratch_put(scratch, "/sys/devices/system/cpu/online", "0,2-3\n");
	scratch_put(scratch, "/proc/interrupts", interrupts);
	scratch_put(scratch, "/proc/irq/30/smp_affinity_list", "0,2-3\n");
	scratch_put(scratch, "/proc/irq/30/effective_affinity_list", "0\n");
	scratch_put(scratch, PCI "01:00.0/msi_irqs/30", "msix\n");
	scratch_put(scratch, PCI "01:00.0/nvme/nvme0/model", "x\n");
	scratch_put(scratch, PCI "02:00.0/msi_irqs/31", "msi\n");
	scratch_put(scratch, PCI "02:00.0/net/eth0/mtu", "1500\n");
	scratch_put(scratch, PCI "03:00.0/msi_irqs/32", "msix\n");
	scratch_put(scratch, PCI "03:00.0/virtio3/block/vda/size", "1\n");
	scratch_put(scratch, PCI "04:00.0/irq", "16\n");
	scratch_put(scratch, PCI "05:00.0/irq", "0\n");
}

static const struct host_irq *find(const struct host_irqs *irqs, unsigned number)
{
	for (unsigned i = 0; i < irqs->count; i++) {
		if (irqs->irq[i].number == number)
			return &irqs->irq[i];
	}
	fail_msg("no interrupt %u", number);
	return NULL;
}

static void check_devices(const struct host_irqs *irqs)
{
	assert_string_equal(find(irqs, 30)->pci, "0000:01:00.0");
	assert_string_equal(find(irqs, 30)->device, "nvme0");
	assert_string_equal(find(irqs, 31)->device, "eth0");
	assert_string_equal(find(irqs, 32)->device, "vda");
	assert_string_equal(find(irqs, 16)->device, "0000:04:00.0");
	assert_null(find(irqs, 0)->device);
}

static void rows_and_devices(void **state)
{
	struct host_irqs irqs = {0};
	struct host_cpus cpus = {0};
	struct scratch scratch;
	struct tree *tree;

	(void)state;
	scratch_make(&scratch);
	put_machine(&scratch);
	tree = scratch_open(&scratch);
	host_cpus_read(tree, &cpus);
	host_irqs_read(tree, &cpus, &irqs);
	assert_int_equal(irqs.count, 6);
	check_devices(&irqs);
	assert_string_equal(find(&irqs, 30)->action, "nvme0q1");
	assert_string_equal(find(&irqs, 31)->action, "eth0-TxRx-0");
	assert_string_equal(find(&irqs, 16)->action, "ehci_hcd:usb1, snd hda");
	assert_string_equal(find(&irqs, 0)->action, "timer");
	assert_null(find(&irqs, 8)->action);
	assert_int_equal(find(&irqs, 30)->total, 150);
	assert_int_equal(find(&irqs, 30)->counts[0], 100);
	assert_int_equal(find(&irqs, 30)->counts[2], 50);
	assert_string_equal(cpu_list_format(tree, &find(&irqs, 30)->allowed), "0,2-3");
	assert_string_equal(cpu_list_format(tree, &find(&irqs, 30)->effective), "0");
	assert_int_equal(find(&irqs, 31)->allowed.count, 0);
	assert_int_equal(host_vector_find(&irqs, "PIN")->total, 3);
	assert_string_equal(host_vector_find(&irqs, "PIN")->about, "Posted-interrupt notification event");
	assert_int_equal(host_vector_find(&irqs, "ERR")->total, 3);
	assert_null(host_vector_find(&irqs, "PIW"));
	assert_int_equal(irqs.irqbalance, HOST_UNKNOWN);
	assert_null(irqs.banned);
	tree_close(tree);
	scratch_remove(&scratch);
}

static void check_banned(const struct scratch *scratch, const char *banned)
{
	struct tree *tree = scratch_open(scratch);
	struct host_irqs irqs = {0};
	struct host_cpus cpus = {0};

	host_cpus_read(tree, &cpus);
	host_irqs_read(tree, &cpus, &irqs);
	assert_int_equal(irqs.irqbalance, banned != NULL);
	if (banned)
		assert_string_equal(irqs.banned, banned);
	else
		assert_null(irqs.banned);
	tree_close(tree);
}

static void what_irqbalance_leaves_alone(void **state)
{
	struct scratch scratch;

	(void)state;
	scratch_make(&scratch);
	scratch_put(&scratch, "/sys/devices/system/cpu/online", "0-7\n");
	scratch_put(&scratch, "/sys/devices/system/cpu/isolated", "4-5\n");
	scratch_put(&scratch, "/sys/devices/system/cpu/nohz_full", "5-6\n");
	scratch_put(&scratch, "/etc/default/irqbalance", "#IRQBALANCE_BANNED_CPULIST=0\nOPTIONS=\n");
	scratch_put(&scratch, "/run/systemd/system/there", "");
	check_banned(&scratch, NULL);
	scratch_put(&scratch, "/run/irqbalance/irqbalance812.sock", "");
	check_banned(&scratch, "4-6");
	scratch_put(&scratch, "/etc/default/irqbalance", "IRQBALANCE_BANNED_CPULIST=\"2,3\"\n");
	check_banned(&scratch, "2-3");
	scratch_put(&scratch, "/etc/default/irqbalance", "IRQBALANCE_BANNED_CPUS=1,000000f2\n");
	check_banned(&scratch, "1,4-7,32");
	scratch_put(&scratch, "/etc/default/irqbalance", "IRQBALANCE_BANNED_CPUS=none\n");
	check_banned(&scratch, "4-6");
	scratch_remove(&scratch);
}

/* As many CPUs as are in one machine, and a queue for each of them on four NVMe devices. */
#define MANY 512

static void the_largest_machine(void **state)
{
	struct host_irqs irqs = {0};
	struct host_cpus cpus = {0};
	struct scratch scratch;
	struct tree *tree;
	char path[PATH_MAX + 32];
	FILE *file;

	(void)state;
	scratch_make(&scratch);
	scratch_put(&scratch, "/sys/devices/system/cpu/online", "0-511\n");
	scratch_put(&scratch, "/proc/interrupts", "");
	snprintf(path, sizeof(path), "%s/proc/interrupts", scratch.path);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "     ");
	for (int cpu = 0; cpu < MANY; cpu++)
		fprintf(file, "     CPU%-3d", cpu);
	for (int irq = 0; irq < 4 * MANY; irq++) {
		fprintf(file, "\n%4d:", irq);
		for (int cpu = 0; cpu < MANY; cpu++)
			fprintf(file, " %10d", cpu == irq % MANY);
		fprintf(file, "  IR-PCI-MSIX-0000:01:00.0 %d-edge      nvme0q%d", irq, irq);
	}
	fprintf(file, "\n");
	assert_int_equal(fclose(file), 0);
	tree = scratch_open(&scratch);
	host_cpus_read(tree, &cpus);
	host_irqs_read(tree, &cpus, &irqs);
	assert_int_equal(irqs.count, 4 * MANY);
	assert_int_equal(irqs.irq[4 * MANY - 1].total, 1);
	assert_int_equal(irqs.irq[4 * MANY - 1].counts[MANY - 1], 1);
	tree_close(tree);
	scratch_remove(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_and_devices),
		cmocka_unit_test(what_irqbalance_leaves_alone),
		cmocka_unit_test(the_largest_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
