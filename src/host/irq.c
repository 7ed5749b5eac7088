/* SPDX-License-Identifier: Apache-2.0 */
#include "host/irq.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpu.h"
#include "host/tree.h"

/* Which PCI function raises which interrupt, by number. */
struct msi {
	unsigned long number;
	const char *pci;
};

struct reading {
	struct tree *tree;
	const struct host_cpus *cpus;
	struct host_irqs *irqs;
	struct msi *msi;
	size_t msi_count, msi_room, irq_room, vector_room;
};

/* Room for one more in an array of the tree's, whose old place is left to it. */
static void *grow(struct tree *tree, void *array, size_t count, size_t *room, size_t size)
{
	void *more;

	if (count < *room)
		return array;
	*room = *room ? 2 * *room : 64;
	more = tree_alloc(tree, *room * size);
	if (count)
		memcpy(more, array, count * size);
	return more;
}

static int compare_msi(const void *a, const void *b)
{
	const unsigned long left = ((const struct msi *)a)->number, right = ((const struct msi *)b)->number;

	return (left > right) - (left < right);
}

static void add_msi(struct reading *reading, const char *pci, const char *number)
{
	reading->msi = grow(reading->tree, reading->msi, reading->msi_count, &reading->msi_room, sizeof(*reading->msi));
	reading->msi[reading->msi_count++] = (struct msi){strtoul(number, NULL, 10), pci};
}

static void read_msi(struct reading *reading)
{
	const char *const *devices, *const *numbers;
	const ssize_t count = tree_list(reading->tree, "/sys/bus/pci/devices", &devices);

	for (ssize_t i = 0; i < count; i++) {
		const ssize_t vectors =
			tree_listf(reading->tree, &numbers, "/sys/bus/pci/devices/%s/msi_irqs", devices[i]);
		const char *line;

		for (ssize_t vector = 0; vector < vectors; vector++)
			add_msi(reading, devices[i], numbers[vector]);
		line = vectors > 0 ? NULL : tree_line(reading->tree, "/sys/bus/pci/devices/%s/irq", devices[i]);
		if (line && strcmp(line, "0"))
			add_msi(reading, devices[i], line);
	}
	if (reading->msi_count)
		qsort(reading->msi, reading->msi_count, sizeof(*reading->msi), compare_msi);
}

/* The one name in a directory; NULL where there is none, or several. */
static const char *only_name(struct tree *tree, const char *directory)
{
	const char *const *names;

	return tree_list(tree, directory, &names) == 1 ? names[0] : NULL;
}

/* What a PCI function is to Linux: a controller, an interface, or what is on its virtio bus. */
static const char *device_of(struct tree *tree, const char *pci)
{
	const char *device = tree_format(tree, "/sys/bus/pci/devices/%s", pci), *name, *const * names;
	ssize_t count;

	name = only_name(tree, tree_format(tree, "%s/nvme", device));
	if (!name)
		name = only_name(tree, tree_format(tree, "%s/net", device));
	if (name)
		return name;
	count = tree_list(tree, device, &names);
	for (ssize_t i = 0; i < count; i++) {
		if (strncmp(names[i], "virtio", 6) || !isdigit((unsigned char)names[i][6]))
			continue;
		name = only_name(tree, tree_format(tree, "%s/%s/block", device, names[i]));
		if (!name)
			name = only_name(tree, tree_format(tree, "%s/%s/net", device, names[i]));
		return name ? name : names[i];
	}
	return pci;
}

/* The last column of "IO-APIC   5-edge      ACPI:Ged". NULL: that is the hardware's number, nothing asked for it. */
static const char *action_of(struct tree *tree, const char *rest)
{
	const char *action = rest, *gap;

	for (gap = strstr(rest, "  "); gap; gap = strstr(gap, "  ")) {
		gap += strspn(gap, " ");
		action = *gap ? gap : action;
	}
	if (!*action || action == rest || action[strspn(action, "0123456789")] == '-')
		return NULL;
	return tree_format(tree, "%s", action);
}

static void add_irq(struct reading *reading, unsigned number, const uint64_t *counts, const char *rest)
{
	struct tree *tree = reading->tree;
	const struct msi key = {.number = number}, *msi = NULL;
	uint64_t *kept = tree_alloc(tree, (reading->cpus->count + 1) * sizeof(*kept));
	struct host_irq *irq;

	reading->irqs->irq =
		grow(tree, reading->irqs->irq, reading->irqs->count, &reading->irq_room, sizeof(*reading->irqs->irq));
	irq = &reading->irqs->irq[reading->irqs->count++];
	memset(irq, 0, sizeof(*irq));
	irq->number = number;
	irq->action = action_of(tree, rest);
	irq->allowed = cpu_list_parse(tree, tree_line(tree, "/proc/irq/%u/smp_affinity_list", number));
	irq->effective = cpu_list_parse(tree, tree_line(tree, "/proc/irq/%u/effective_affinity_list", number));
	irq->counts = kept;
	for (unsigned i = 0; i < reading->cpus->count; i++)
		irq->total += kept[i] = counts[i];
	if (reading->msi_count)
		msi = bsearch(&key, reading->msi, reading->msi_count, sizeof(key), compare_msi);
	if (msi) {
		irq->pci = msi->pci;
		irq->device = device_of(tree, msi->pci);
	}
}

static void add_row(void *context, const char *name, const uint64_t *counts, const char *rest)
{
	struct reading *reading = context;
	struct host_irqs *irqs = reading->irqs;
	struct host_vector *vector;
	char *end;

	if (isdigit((unsigned char)*name)) {
		const unsigned long number = strtoul(name, &end, 10);

		if (!*end && number <= INT32_MAX)
			add_irq(reading, (unsigned)number, counts, rest);
		return;
	}
	irqs->vector =
		grow(reading->tree, irqs->vector, irqs->vector_count, &reading->vector_room, sizeof(*irqs->vector));
	vector = &irqs->vector[irqs->vector_count++];
	*vector = (struct host_vector){.name = tree_format(reading->tree, "%s", name),
				       .about = tree_format(reading->tree, "%s", rest)};
	for (unsigned i = 0; i < reading->cpus->count; i++)
		vector->total += counts[i];
}

/* Its socket is there while it runs; without one, its service's processes tell. */
static host_answer irqbalance_runs(struct tree *tree)
{
	const char *const *names;
	const ssize_t count = tree_list(tree, "/run/irqbalance", &names);
	const char *processes;

	for (ssize_t i = 0; i < count; i++) {
		if (!strncmp(names[i], "irqbalance", 10))
			return 1;
	}
	processes = tree_line(tree, "/sys/fs/cgroup/system.slice/irqbalance.service/cgroup.procs");
	if (processes && *processes)
		return 1;
	return tree_exists(tree, "/run/systemd/system") ? 0 : HOST_UNKNOWN;
}

/* What an environment file sets a name to, without quotes; NULL: nothing. */
static const char *setting(struct tree *tree, const char *path, const char *key)
{
	const size_t length = strlen(key);
	const char *text;

	if (tree_read(tree, path, &text) < 0)
		return NULL;
	for (const char *line = text; line && *line; line = tree_next_line(line)) {
		const char *value = line + length + 1;

		if (strncmp(line, key, length) || line[length] != '=')
			continue;
		value += strspn(value, "\"'");
		return tree_format(tree, "%.*s", (int)strcspn(value, "\"'\n \t"), value);
	}
	return NULL;
}

/* "000000f0,00000000": words of 32 CPUs, the highest first, as a list; NULL: it is none. */
static const char *list_of_mask(struct tree *tree, const char *mask)
{
	const char *list = "";
	unsigned cpu = 0;

	if (!strncmp(mask, "0x", 2))
		mask += 2;
	for (const char *at = mask + strlen(mask); at-- > mask && cpu < CPU_LIST_END;) {
		const char digit[] = {*at, '\0'};
		const unsigned long bits = strtoul(digit, NULL, 16);

		if (*at == ',')
			continue;
		if (!isxdigit((unsigned char)*at))
			return NULL;
		for (unsigned i = 0; i < 4; i++, cpu++) {
			if (bits & 1ul << i)
				list = tree_format(tree, "%s%s%u", list, *list ? "," : "", cpu);
		}
	}
	return list;
}

/* It leaves those CPUs alone that it is told to, or, told nothing, the isolated ones and those without a tick. */
static const char *banned_cpus(struct tree *tree, const struct host_cpus *cpus)
{
	static const char *const files[] = {"/etc/default/irqbalance", "/etc/sysconfig/irqbalance"};
	const char *isolated = cpu_list_format(tree, &cpus->isolated), *ticks = cpu_list_format(tree, &cpus->nohz_full);
	struct cpu_list list;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *value = setting(tree, files[i], "IRQBALANCE_BANNED_CPULIST");
		const char *mask = setting(tree, files[i], "IRQBALANCE_BANNED_CPUS");

		/* the older way, of which the list is preferred */
		if ((!value || !*value) && mask && *mask)
			value = list_of_mask(tree, mask);
		if (value && *value) {
			list = cpu_list_parse(tree, value);
			return cpu_list_format(tree, &list);
		}
	}
	list = cpu_list_parse(tree, tree_format(tree, "%s%s%s", isolated, *isolated && *ticks ? "," : "", ticks));
	return cpu_list_format(tree, &list);
}

void host_irqs_read(struct tree *tree, const struct host_cpus *cpus, struct host_irqs *irqs)
{
	struct reading reading = {.tree = tree, .cpus = cpus, .irqs = irqs};
	const char *text;

	if (tree_read(tree, "/proc/interrupts", &text) >= 0) {
		read_msi(&reading);
		host_interrupts_parse(cpus, text, add_row, &reading);
	}
	irqs->irqbalance = irqbalance_runs(tree);
	if (irqs->irqbalance == 1)
		irqs->banned = banned_cpus(tree, cpus);
}

const struct host_vector *host_vector_find(const struct host_irqs *irqs, const char *name)
{
	for (unsigned i = 0; i < irqs->vector_count; i++) {
		if (!strcmp(irqs->vector[i].name, name))
			return &irqs->vector[i];
	}
	return NULL;
}
