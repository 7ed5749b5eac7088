/* SPDX-License-Identifier: Apache-2.0 */
#include "host/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>
#include <jansson.h>

#include "host/tree.h"

/* Packages and nodes are numbered as the kernel does; what hwloc does not know has no key. */
static json_t *describe(hwloc_topology_t topology, hwloc_obj_t unit)
{
	hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_PACKAGE, unit);
	hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, unit);
	json_t *cpu = json_pack("{s:i}", "cpu", (int)unit->os_index);
	char *siblings = NULL;

	if (unit->nodeset && hwloc_bitmap_weight(unit->nodeset) == 1)
		json_object_set_new(cpu, "node", json_integer(hwloc_bitmap_first(unit->nodeset)));
	if (package && package->os_index != HWLOC_UNKNOWN_INDEX)
		json_object_set_new(cpu, "package", json_integer(package->os_index));
	if (core && hwloc_bitmap_list_asprintf(&siblings, core->cpuset) >= 0)
		json_object_set_new(cpu, "siblings", json_string(siblings));
	free(siblings);
	return cpu;
}

static ssize_t provide(void *context, char **text)
{
	hwloc_topology_t topology;
	hwloc_obj_t unit = NULL;
	json_t *cpus = json_array(), *root;
	ssize_t length = -EIO;

	(void)context;
	if (hwloc_topology_init(&topology) < 0) {
		json_decref(cpus);
		return -ENOMEM;
	}
	/* What this process may not run on belongs to the machine all the same. */
	hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
	if (hwloc_topology_load(topology) == 0) {
		while ((unit = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, unit)))
			json_array_append_new(cpus, describe(topology, unit));
		root = json_pack("{s:O}", "cpus", cpus);
		*text = json_dumps(root, JSON_INDENT(1));
		length = *text ? (ssize_t)strlen(*text) : -ENOMEM;
		json_decref(root);
	}
	hwloc_topology_destroy(topology);
	json_decref(cpus);
	return length;
}

static struct host_cpu *find(struct host_cpus *cpus, json_int_t number)
{
	for (unsigned i = 0; i < cpus->count; i++) {
		if (cpus->cpu[i].number == number)
			return &cpus->cpu[i];
	}
	return NULL;
}

static int small_number(const json_t *number)
{
	const json_int_t value = json_is_integer(number) ? json_integer_value(number) : HOST_UNKNOWN;

	return value >= 0 && value < (json_int_t)CPU_LIST_END ? (int)value : HOST_UNKNOWN;
}

static bool read_document(struct tree *tree, struct host_cpus *cpus)
{
	const char *text;
	const ssize_t length = tree_ask(tree, &text, provide, NULL, "topology.json");
	json_t *root = length < 0 ? NULL : json_loadb(text, (size_t)length, 0, NULL);
	const json_t *list = json_object_get(root, "cpus"), *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		struct host_cpu *cpu = find(cpus, small_number(json_object_get(entry, "cpu")));

		if (!cpu)
			continue;
		cpu->node = small_number(json_object_get(entry, "node"));
		cpu->package = small_number(json_object_get(entry, "package"));
		cpu->siblings = cpu_list_parse(tree, json_string_value(json_object_get(entry, "siblings")));
	}
	json_decref(root);
	return i > 0;
}

static int node_in_sysfs(struct tree *tree, unsigned cpu)
{
	const char *const *names;
	const ssize_t count = tree_listf(tree, &names, "/sys/devices/system/cpu/cpu%u", cpu);
	char *end;

	for (ssize_t i = 0; i < count; i++) {
		if (!strncmp(names[i], "node", 4) && names[i][4]) {
			const unsigned long node = strtoul(names[i] + 4, &end, 10);

			if (!*end && node < CPU_LIST_END)
				return (int)node;
		}
	}
	return HOST_UNKNOWN;
}

static void read_sysfs(struct tree *tree, struct host_cpu *cpu)
{
	const char *topology = tree_format(tree, "/sys/devices/system/cpu/cpu%u/topology", cpu->number);
	const int64_t package = tree_number(tree, HOST_UNKNOWN, "%s/physical_package_id", topology);

	cpu->node = node_in_sysfs(tree, cpu->number);
	cpu->package = package >= 0 && package < (int64_t)CPU_LIST_END ? (int)package : HOST_UNKNOWN;
	cpu->siblings = cpu_list_parse(tree, tree_line(tree, "%s/thread_siblings_list", topology));
}

void host_topology_read(struct tree *tree, struct host_cpus *cpus)
{
	int cores = 0;

	for (unsigned i = 0; i < cpus->count; i++)
		cpus->cpu[i].node = cpus->cpu[i].package = cpus->cpu[i].core = HOST_UNKNOWN;
	if (!read_document(tree, cpus)) {
		for (unsigned i = 0; i < cpus->count; i++)
			read_sysfs(tree, &cpus->cpu[i]);
	}
	/* A core has the number of its first CPU's place among the cores, whoever told of it. */
	for (unsigned i = 0; i < cpus->count; i++) {
		struct host_cpu *cpu = &cpus->cpu[i];
		const struct host_cpu *first = cpu->siblings.count ? find(cpus, cpu->siblings.cpu[0]) : NULL;

		if (cpu->siblings.count && first && first < cpu)
			cpu->core = first->core;
		else if (cpu->siblings.count)
			cpu->core = cores++;
	}
}
