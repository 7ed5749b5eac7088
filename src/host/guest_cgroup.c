/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of a guest's control groups, as version 2 writes them (Documentation/admin-guide/cgroup-v2.rst), also where a
 * controller is still one of version 1 (cgroup-v1/blkio-controller.rst, scheduler/sched-bwc.rst).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/array.h"
#include "host/process.h"
#include "host/tree.h"

#define PATH_LENGTH_MAX 2048
#define TEXT_LENGTH_MAX 4096
#define DEVICES_MAX     64
#define GROUPS_MAX      5120 /* one for each of QEMU's 4,096 vCPUs, and more */

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

/* What a group says, as version 2 writes it; "": nothing; NULL: that is not known. */
typedef const char *read_limit(struct tree *tree, const char *directory);

/* A group has no such file where its controller is not enabled in it: nothing limits it there. */
static const char *read_file(struct tree *tree, const char *directory, const char *file)
{
	const char *text;
	const ssize_t length = tree_readf(tree, &text, "%s/%s", directory, file);

	if (length >= 0)
		return tree_format(tree, "%.*s", TEXT_LENGTH_MAX, text);
	return length == -ENOENT && tree_exists(tree, "%s", directory) ? "" : NULL;
}

static const char *read_line(struct tree *tree, const char *directory, const char *file)
{
	const char *text = read_file(tree, directory, file);

	return text ? tree_format(tree, "%.*s", (int)strcspn(text, "\n"), text) : NULL;
}

static const char *read_cpu_max(struct tree *tree, const char *directory)
{
	return read_line(tree, directory, "cpu.max");
}

static const char *read_io_max(struct tree *tree, const char *directory)
{
	return read_file(tree, directory, "io.max");
}

static const char *read_io_weight(struct tree *tree, const char *directory)
{
	return read_line(tree, directory, "io.weight");
}

/* -1 us is no limit. */
static const char *read_quota(struct tree *tree, const char *directory)
{
	const char *quota = read_line(tree, directory, "cpu.cfs_quota_us");
	const char *period = read_line(tree, directory, "cpu.cfs_period_us");

	if (!quota || !period || !*quota)
		return quota && period ? "" : NULL;
	return *quota == '-' ? tree_format(tree, "max %s", period) : tree_format(tree, "%s %s", quota, period);
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
	const char *all = "";

	for (unsigned kind = 0; kind < THROTTLES; kind++) {
		const char *text = read_file(tree, directory, throttles[kind].file);

		if (!text)
			return NULL;
		add_throttles(&devices, text, kind);
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

/* From a path in a hierarchy to the one above it; false: there is none but the root, which has no limits. */
static bool go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == path)
		return false;
	*slash = '\0';
	return true;
}

/*
 * Of its own group, or where that has no limit and those above count as well, of the nearest one of these that has:
 * of_group is its directory.
 */
static const char *find_limit(struct tree *tree, const struct group *group, bool flat, read_limit *read,
			      const char **of_group)
{
	char *path = group->path ? tree_format(tree, "%s", group->path) : NULL;
	const char *own = NULL, *value, *directory;
	bool all = true;

	if (!path)
		return NULL;
	do {
		directory = tree_format(tree, "%s%s", group->base, path);
		value = read(tree, directory);
		if (limits(value)) {
			*of_group = directory;
			return value;
		}
		all &= value != NULL;
		own = own ? own : value;
	} while (!flat && go_up(path));
	return all ? own : NULL;
}

/* Groups that have been looked at for quotas. */
struct search {
	struct tree *tree;
	struct guest *guest;
	const char **seen;
	unsigned seen_count;
	bool all; /* could be read */
};

/* False: it had been looked at, and those above it as well. */
static bool is_new(struct search *search, const char *directory)
{
	for (unsigned i = 0; i < search->seen_count; i++) {
		if (strcmp(search->seen[i], directory) == 0)
			return false;
	}
	if (search->seen_count == GROUPS_MAX) {
		search->all = false;
		return false;
	}
	search->seen = array_grow(search->tree, search->seen, search->seen_count, sizeof(*search->seen));
	search->seen[search->seen_count++] = directory;
	return true;
}

/* Each group's quota holds back all that is below it. Returns the group's directory. */
static const char *find_quotas(struct search *search, const struct group *group)
{
	struct guest *guest = search->guest;
	struct tree *tree = search->tree;
	char *path = group->path ? tree_format(tree, "%s", group->path) : NULL;
	const char *directory, *max;

	if (!path) {
		search->all = false;
		return NULL;
	}
	do {
		directory = tree_format(tree, "%s%s", group->base, path);
		if (!is_new(search, directory))
			break;
		max = group->version_1 ? read_quota(tree, directory) : read_cpu_max(tree, directory);
		search->all &= max != NULL;
		if (limits(max)) {
			guest->quota = array_grow(tree, guest->quota, guest->quota_count, sizeof(*guest->quota));
			guest->quota[guest->quota_count++] = (struct guest_quota){directory, max};
		}
	} while (go_up(path));
	return tree_format(tree, "%s%s", group->base, group->path);
}

/* Those that do not last may be gone by now. */
static void find_quotas_of(struct search *search, struct guest_thread *thread, unsigned count, bool last)
{
	for (unsigned i = 0; i < count; i++) {
		struct group group;
		const char *text;

		if (thread[i].tid == HOST_UNKNOWN)
			continue;
		if (tree_readf(search->tree, &text, "/proc/%d/task/%d/cgroup", search->guest->pid, thread[i].tid) > 0) {
			group = find_group(search->tree, text, "cpu");
			thread[i].cpu_cgroup = find_quotas(search, &group);
		} else if (last)
			search->all = false;
	}
}

/* libvirt has vCPUs, I/O threads and the rest in groups of their own, below that of the guest. */
void guest_cgroup_read(struct tree *tree, struct guest *guest)
{
	struct search search = {.tree = tree, .guest = guest, .all = true};
	const char *text, *other;
	struct group cpu, io;

	if (tree_readf(tree, &text, "/proc/%d/cgroup", guest->pid) <= 0)
		return;
	cpu = find_group(tree, text, "cpu");
	io = find_group(tree, text, "blkio");
	guest->cgroup = cpu.path ? cpu.path : io.path;
	guest->cpu_cgroup = find_quotas(&search, &cpu);
	find_quotas_of(&search, guest->vcpu, guest->vcpu_count, true);
	find_quotas_of(&search, guest->iothread, guest->iothread_count, true);
	find_quotas_of(&search, guest->other, guest->other_count, false);
	guest->quotas_known = search.all;
	/* Throttling of version 1 is flat: what groups above are limited to is not for those below. */
	guest->io_max =
		find_limit(tree, &io, io.version_1, io.version_1 ? read_throttles : read_io_max, &guest->io_cgroup);
	if (!io.version_1)
		guest->io_weight = find_limit(tree, &io, false, read_io_weight, &other);
}
