/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of a guest's control group, as version 2 writes them (Documentation/admin-guide/cgroup-v2.rst), also where a
 * controller is still one of version 1 (cgroup-v1/blkio-controller.rst, scheduler/sched-bwc.rst).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/process.h"
#include "host/tree.h"

#define PATH_LENGTH_MAX 2048
#define IO_LENGTH_MAX   4096
#define DEVICES_MAX     64

/* Where a controller has the guest. */
struct group {
	const char *base; /* of the hierarchy */
	const char *path; /* in it */
	bool version_1;
};

/* Whether "cpu,cpuacct" of that length has a controller. */
static bool has_controller(const char *list, size_t length, const char *controller)
{
	const size_t size = strlen(controller);

	for (const char *at = list, *end; at < list + length; at = end + 1) {
		end = at + strcspn(at, ",:");
		if ((size_t)(end - at) == size && memcmp(at, controller, size) == 0)
			return true;
	}
	return false;
}

/*
 * "0::/machine.slice/x.scope" is of version 2, "4:cpu,cpuacct:/machine/x" of version 1: it has the controller where
 * there are both. What is mounted together has a link for each.
 */
static struct group find_group(struct tree *tree, const char *text, const char *controller)
{
	struct group group = {.base = "/sys/fs/cgroup"};

	for (const char *line = text; line; line = tree_next_line(line)) {
		const size_t length = strcspn(line, "\n");
		const char *list = memchr(line, ':', length);
		const char *path = list ? memchr(list + 1, ':', length - (size_t)(list + 1 - line)) : NULL;
		const bool old = path && has_controller(list + 1, (size_t)(path - list - 1), controller);

		if (!path || (!old && (path != list + 1 || group.version_1)))
			continue;
		group.path = tree_format(tree, "%.*s", (int)(line + length - path - 1), path + 1);
		group.version_1 = old;
	}
	if (group.version_1)
		group.base = tree_format(tree, "/sys/fs/cgroup/%s", controller);
	if (group.path && (group.path[0] != '/' || strstr(group.path, "..") || strlen(group.path) > PATH_LENGTH_MAX))
		group.path = NULL;
	return group;
}

/* What a group says, as version 2 writes it; NULL: nothing. */
typedef const char *read_limit(struct tree *tree, const char *directory);

static const char *read_cpu_max(struct tree *tree, const char *directory)
{
	return tree_line(tree, "%s/cpu.max", directory);
}

static const char *read_io_max(struct tree *tree, const char *directory)
{
	const char *text;

	return tree_readf(tree, &text, "%s/io.max", directory) < 0 ? NULL
								   : tree_format(tree, "%.*s", IO_LENGTH_MAX, text);
}

static const char *read_io_weight(struct tree *tree, const char *directory)
{
	return tree_line(tree, "%s/io.weight", directory);
}

/* -1 us is no limit. */
static const char *read_quota(struct tree *tree, const char *directory)
{
	const int64_t quota = tree_number(tree, 0, "%s/cpu.cfs_quota_us", directory);
	const int64_t period = tree_number(tree, 0, "%s/cpu.cfs_period_us", directory);

	if (!quota || period <= 0)
		return NULL;
	return quota < 0 ? tree_format(tree, "max %" PRId64, period)
			 : tree_format(tree, "%" PRId64 " %" PRId64, quota, period);
}

static const struct {
	const char *file, *key;
} throttles[] = {
	{"blkio.throttle.read_bps_device", "rbps"},
	{"blkio.throttle.write_bps_device", "wbps"},
	{"blkio.throttle.read_iops_device", "riops"},
	{"blkio.throttle.write_iops_device", "wiops"},
};
#define THROTTLES (sizeof(throttles) / sizeof(throttles[0]))

struct device {
	unsigned major, minor;
	uint64_t limit[THROTTLES]; /* 0: none */
};

struct devices {
	struct device device[DEVICES_MAX];
	unsigned count;
};

/* Lines "8:0 1048576". */
static void add_throttles(struct devices *devices, const char *text, unsigned kind)
{
	for (const char *line = text; line; line = tree_next_line(line)) {
		unsigned major, minor, i = 0;
		uint64_t limit;

		if (sscanf(line, "%u:%u %" SCNu64, &major, &minor, &limit) != 3)
			continue;
		while (i < devices->count && (devices->device[i].major != major || devices->device[i].minor != minor))
			i++;
		if (i == DEVICES_MAX)
			continue;
		if (i == devices->count)
			devices->device[devices->count++] = (struct device){.major = major, .minor = minor};
		devices->device[i].limit[kind] = limit;
	}
}

static const char *read_throttles(struct tree *tree, const char *directory)
{
	struct devices devices = {.count = 0};
	const char *text, *all = NULL;

	for (unsigned kind = 0; kind < THROTTLES; kind++) {
		if (tree_readf(tree, &text, "%s/%s", directory, throttles[kind].file) < 0)
			continue;
		add_throttles(&devices, text, kind);
		all = "";
	}
	for (unsigned i = 0; i < devices.count; i++) {
		const struct device *device = &devices.device[i];

		all = tree_format(tree, "%s%u:%u", all, device->major, device->minor);
		for (unsigned kind = 0; kind < THROTTLES; kind++)
			all = device->limit[kind] ? tree_format(tree, "%s %s=%" PRIu64, all, throttles[kind].key,
								device->limit[kind])
						  : tree_format(tree, "%s %s=max", all, throttles[kind].key);
		all = tree_format(tree, "%s\n", all);
	}
	return all;
}

static bool limits(const char *text)
{
	return text && *text && strncmp(text, "max ", 4) != 0 && strcmp(text, "max") != 0;
}

/* Of its own group, or where that has no limit, of the nearest one above that has: of_group is its directory. */
static const char *nearest(struct tree *tree, const struct group *group, read_limit *read, const char **of_group)
{
	char *path = group->path ? tree_format(tree, "%s", group->path) : NULL, *slash;
	const char *own = NULL;

	for (bool first = true; path; first = false) {
		const char *directory = tree_format(tree, "%s%s", group->base, path);
		const char *value = read(tree, directory);

		if (limits(value)) {
			*of_group = directory;
			return value;
		}
		if (first)
			own = value;
		slash = strrchr(path, '/');
		if (slash == path)
			break;
		*slash = '\0';
	}
	return own;
}

void guest_cgroup_read(struct tree *tree, struct guest *guest)
{
	const char *text, *other;
	struct group cpu, io;

	if (tree_readf(tree, &text, "/proc/%d/cgroup", guest->pid) <= 0)
		return;
	cpu = find_group(tree, text, "cpu");
	io = find_group(tree, text, "blkio");
	guest->cgroup = cpu.path ? cpu.path : io.path;
	guest->cpu_cgroup = cpu.path ? tree_format(tree, "%s%s", cpu.base, cpu.path) : NULL;
	guest->cpu_max = nearest(tree, &cpu, cpu.version_1 ? read_quota : read_cpu_max, &other);
	guest->io_max = nearest(tree, &io, io.version_1 ? read_throttles : read_io_max, &guest->io_cgroup);
	if (!io.version_1)
		guest->io_weight = nearest(tree, &io, read_io_weight, &other);
}
