/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/topology.h"
#include "host/tree.h"

#define CPUS "/sys/devices/system/cpu"

/* The latency that some process asked for, such as tuned: states that take longer are not used although enabled. */
static ssize_t provide_latency(void *context, char **text)
{
	const int fd = open("/dev/cpu_dma_latency", O_RDONLY | O_CLOEXEC);
	int32_t us;
	ssize_t got;

	(void)context;
	if (fd < 0)
		return -errno;
	got = read(fd, &us, sizeof(us));
	close(fd);
	if (got != sizeof(us))
		return -EIO;
	return asprintf(text, "%d\n", us) < 0 ? -ENOMEM : (ssize_t)strlen(*text);
}

static int64_t asked_latency(struct tree *tree, struct host_cpus *cpus)
{
	const char *text;
	const ssize_t length = tree_ask(tree, &text, provide_latency, NULL, "cpu-dma-latency");

	cpus->latency_error = length < 0 && length != -ENOENT ? (int)length : 0;
	return length < 0 ? INT64_MAX : atoll(text);
}

/* This CPU's own limit: "0" is none, "n/a" is that nothing but polling will do. */
static int64_t own_latency(struct tree *tree, unsigned cpu)
{
	const char *text = tree_line(tree, CPUS "/cpu%u/power/pm_qos_resume_latency_us", cpu);
	const int64_t us = text ? atoll(text) : 0;

	if (text && !strcmp(text, "n/a"))
		return 0;
	return us > 0 ? us : INT64_MAX;
}

static void read_idle(struct tree *tree, struct host_cpu *cpu, int64_t limit)
{
	const char *const *states;
	const ssize_t count = tree_listf(tree, &states, CPUS "/cpu%u/cpuidle", cpu->number);
	const int64_t own = own_latency(tree, cpu->number);

	limit = own < limit ? own : limit;
	cpu->idle_latency_us = HOST_UNKNOWN;
	for (ssize_t i = 0; i < count; i++) {
		const char *state = tree_format(tree, CPUS "/cpu%u/cpuidle/%s", cpu->number, states[i]);
		const int64_t latency = tree_number(tree, HOST_UNKNOWN, "%s/latency", state);

		if (latency < 0 || latency > limit || tree_number(tree, 0, "%s/disable", state) ||
		    latency < cpu->idle_latency_us)
			continue;
		cpu->idle_latency_us = latency;
		cpu->idle_state = tree_line(tree, "%s/name", state);
	}
}

static void read_online(struct tree *tree, struct host_cpus *cpus)
{
	const struct cpu_list online = cpu_list_parse(tree, tree_line(tree, CPUS "/online"));
	const int64_t limit = asked_latency(tree, cpus);

	cpus->cpu = tree_alloc(tree, (online.count + !online.count) * sizeof(*cpus->cpu));
	cpus->count = online.count;
	for (unsigned i = 0; i < online.count; i++) {
		struct host_cpu *cpu = &cpus->cpu[i];

		cpu->number = online.cpu[i];
		cpu->governor = tree_line(tree, CPUS "/cpu%u/cpufreq/scaling_governor", cpu->number);
		read_idle(tree, cpu, limit);
	}
}

/* "Node 0 MemTotal:       1024 kB": bytes, HOST_UNKNOWN where it is not there. */
static int64_t node_memory(const char *text, const char *key)
{
	const char *at = text ? strstr(text, key) : NULL;
	long long kib;

	return at && sscanf(at + strlen(key), "%lld", &kib) == 1 && kib >= 0 && kib <= INT64_MAX / 1024 ? kib * 1024
													: HOST_UNKNOWN;
}

static void read_nodes(struct tree *tree, struct host_cpus *cpus)
{
	const struct cpu_list online = cpu_list_parse(tree, tree_line(tree, "/sys/devices/system/node/online"));

	cpus->node = tree_alloc(tree, (online.count + !online.count) * sizeof(*cpus->node));
	cpus->node_count = online.count;
	for (unsigned i = 0; i < online.count; i++) {
		struct host_node *node = &cpus->node[i];
		const char *text = NULL, *path = tree_format(tree, "/sys/devices/system/node/node%u", online.cpu[i]);

		node->number = online.cpu[i];
		node->cpus = cpu_list_parse(tree, tree_line(tree, "%s/cpulist", path));
		if (tree_readf(tree, &text, "%s/meminfo", path) < 0)
			text = NULL;
		node->memory = node_memory(text, "MemTotal:");
		node->free = node_memory(text, "MemFree:");
	}
}

/* What is behind "key : " in the first processor's part of /proc/cpuinfo. NULL: no such line. */
static const char *cpuinfo_value(struct tree *tree, const char *text, const char *key)
{
	const size_t length = strlen(key);

	for (const char *line = text; line && *line && *line != '\n'; line = tree_next_line(line)) {
		const char *colon = line + length + strspn(line + strnlen(line, length), " \t");

		if (!strncmp(line, key, length) && *colon == ':') {
			colon += 1 + strspn(colon + 1, " \t");
			return tree_format(tree, "%.*s", (int)strcspn(colon, "\n"), colon);
		}
	}
	return NULL;
}

static bool has_word(const char *words, const char *word)
{
	const size_t length = strlen(word);

	for (const char *at = strstr(words, word); at; at = strstr(at + length, word)) {
		if ((at == words || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
			return true;
	}
	return false;
}

static void read_cpuinfo(struct tree *tree, struct host_cpus *cpus)
{
	const char *text, *flags;

	cpus->virtualization = cpus->amd = cpus->hypervisor = HOST_UNKNOWN;
	if (tree_read(tree, "/proc/cpuinfo", &text) < 0)
		return;
	cpus->vendor = cpuinfo_value(tree, text, "vendor_id");
	cpus->model = cpuinfo_value(tree, text, "model name");
	flags = cpuinfo_value(tree, text, "flags");
	if (!flags)
		return;
	cpus->amd = has_word(flags, "svm");
	cpus->virtualization = cpus->amd || has_word(flags, "vmx");
	cpus->hypervisor = has_word(flags, "hypervisor");
}

/* What the kernel's lists of CPUs end with: a CPU may be possible that is not online. */
static unsigned last_cpu(struct tree *tree, const struct host_cpus *cpus)
{
	const struct cpu_list possible = cpu_list_parse(tree, tree_line(tree, CPUS "/possible"));

	if (possible.count)
		return possible.cpu[possible.count - 1];
	return cpus->count ? cpus->cpu[cpus->count - 1].number : CPU_LIST_END;
}

/* The list of "key=" on the kernel's command line; an option given more than once counts as often. */
static struct cpu_list option_list(struct tree *tree, const struct host_cpus *cpus, const char *key)
{
	const char *cmdline = tree_line(tree, "/proc/cmdline"), *list = "";
	const size_t length = strlen(key);

	for (const char *at = cmdline; at && *at; at += strcspn(at, " "), at += strspn(at, " ")) {
		const int words = (int)strcspn(at, " ");

		if (strncmp(at, key, length) || at[length] != '=')
			continue;
		list = tree_format(tree, "%s%s%.*s", list, *list ? "," : "", words - (int)length - 1, at + length + 1);
	}
	return *list ? cpu_list_parse_option(tree, list, last_cpu(tree, cpus)) : (struct cpu_list){0};
}

static struct cpu_list both(struct tree *tree, const struct cpu_list *a, const struct cpu_list *b)
{
	const char *text = tree_format(tree, "%s%s%s", cpu_list_format(tree, a), a->count && b->count ? "," : "",
				       cpu_list_format(tree, b));

	return cpu_list_parse(tree, text);
}

static void read_isolation(struct tree *tree, struct host_cpus *cpus)
{
	const struct cpu_list booted = cpu_list_parse(tree, tree_line(tree, CPUS "/isolated"));
	const struct cpu_list partitions = cpu_list_parse(tree, tree_line(tree, "/sys/fs/cgroup/cpuset.cpus.isolated"));
	const struct cpu_list callbacks = option_list(tree, cpus, "rcu_nocbs");

	cpus->isolated = both(tree, &booted, &partitions);
	cpus->nohz_full = cpu_list_parse(tree, tree_line(tree, CPUS "/nohz_full"));
	/* nohz_full= takes callbacks away, too. */
	cpus->rcu_nocbs = both(tree, &callbacks, &cpus->nohz_full);
}

void host_cpus_read(struct tree *tree, struct host_cpus *cpus)
{
	read_online(tree, cpus);
	host_topology_read(tree, cpus);
	read_nodes(tree, cpus);
	read_cpuinfo(tree, cpus);
	read_isolation(tree, cpus);
	cpus->clocksource = tree_line(tree, "/sys/devices/system/clocksource/clocksource0/current_clocksource");
}

static int compare_number(const void *number, const void *cpu)
{
	const unsigned left = *(const unsigned *)number, right = ((const struct host_cpu *)cpu)->number;

	return (left > right) - (left < right);
}

const struct host_cpu *host_cpu_find(const struct host_cpus *cpus, unsigned number)
{
	return cpus->count ? bsearch(&number, cpus->cpu, cpus->count, sizeof(*cpus->cpu), compare_number) : NULL;
}

int host_node_of(const struct host_cpus *cpus, const struct cpu_list *list)
{
	int node = HOST_UNKNOWN;

	for (unsigned i = 0; i < list->count; i++) {
		const struct host_cpu *cpu = host_cpu_find(cpus, list->cpu[i]);

		if (!cpu || cpu->node < 0 || (i && cpu->node != node))
			return HOST_UNKNOWN;
		node = cpu->node;
	}
	return node;
}
