/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <jansson.h>

#include "host/array.h"
#include "host/document.h"
#include "host/tree.h"

#define PROCESSES_MAX 4096

/* Which linux/magic.h does not have. */
#define CONFIGFS_MAGIC 0x62656570

/* Begins with, or is, the name of a program. */
static const struct {
	const char *name;
	bool whole;
	enum guest_hypervisor hypervisor;
} programs[] = {
	{"qemu-system-", false, GUEST_QEMU},
	{"qemu-kvm", true, GUEST_QEMU},
	{"kvm", true, GUEST_QEMU},
	{"cloud-hypervisor", false, GUEST_CLOUD_HYPERVISOR},
	{"firecracker", false, GUEST_FIRECRACKER},
};

static enum guest_hypervisor hypervisor_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (programs[i].whole ? strcmp(name, programs[i].name) == 0
				      : strncmp(name, programs[i].name, strlen(programs[i].name)) == 0)
			return programs[i].hypervisor;
	}
	return GUEST_OTHER;
}

/* By its program, where we may see that, or its first word: either can be something else, a loader or an alias. */
static enum guest_hypervisor look_at(int proc, const char *pid)
{
	enum guest_hypervisor hypervisor = GUEST_OTHER;
	char path[64], text[4096];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "%s/exe", pid);
	length = readlinkat(proc, path, text, sizeof(text) - 1);
	if (length > 0) {
		text[length] = '\0';
		hypervisor = hypervisor_of(text);
	}
	snprintf(path, sizeof(path), "%s/cmdline", pid);
	fd = hypervisor == GUEST_OTHER ? openat(proc, path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return hypervisor;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	return hypervisor_of(text);
}

static const char *const words[] = {
	[GUEST_QEMU] = "qemu",
	[GUEST_CLOUD_HYPERVISOR] = "cloud-hypervisor",
	[GUEST_FIRECRACKER] = "firecracker",
};

/* "vhost-1234" serves process 1234: a thread of the kernel before Linux 6.4, of that process since. */
static void add_vhost(int proc, const char *pid, json_t *list)
{
	char path[64], text[32], end;
	ssize_t length;
	int fd, of;

	snprintf(path, sizeof(path), "%s/comm", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	if (sscanf(text, "vhost-%d%c", &of, &end) == 2 && end == '\n')
		json_array_append_new(list, json_pack("{s:i,s:i}", "pid", atoi(pid), "of", of));
}

static ssize_t provide(void *context, char **text)
{
	DIR *directory = opendir("/proc");
	json_t *document, *processes, *vhost;
	struct dirent *entry;

	(void)context;
	if (!directory)
		return -errno;
	document = json_object();
	processes = json_array();
	vhost = json_array();
	while ((entry = readdir(directory))) {
		enum guest_hypervisor hypervisor;

		if (!isdigit((unsigned char)entry->d_name[0]) || strlen(entry->d_name) > 9)
			continue;
		add_vhost(dirfd(directory), entry->d_name, vhost);
		hypervisor = look_at(dirfd(directory), entry->d_name);
		if (hypervisor != GUEST_OTHER)
			json_array_append_new(processes, json_pack("{s:i,s:s}", "pid", atoi(entry->d_name),
								   "hypervisor", words[hypervisor]));
	}
	closedir(directory);
	json_object_set_new(document, "processes", processes);
	json_object_set_new(document, "vhost", vhost);
	return document_text(document, text);
}

struct list {
	struct process *process;
	unsigned count;
};

static void add(struct tree *tree, struct list *list, int64_t pid, enum guest_hypervisor hypervisor)
{
	struct process process = {.pid = (int)pid, .hypervisor = hypervisor};
	ssize_t length;

	if (pid <= 0 || pid > INT32_MAX || list->count >= PROCESSES_MAX)
		return;
	length = tree_readf(tree, &process.command, "/proc/%d/cmdline", process.pid);
	/* it has ended, or is about to */
	if (length <= 0)
		return;
	if (process.hypervisor == GUEST_OTHER)
		process.hypervisor = hypervisor_of(process.command);
	if (process.hypervisor == GUEST_OTHER)
		return;
	process.length = (size_t)length;
	list->process = array_grow(tree, list->process, list->count, sizeof(*list->process));
	list->process[list->count++] = process;
}

static enum guest_hypervisor hypervisor_named(const char *word)
{
	for (unsigned i = 0; word && i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i]) == 0)
			return (enum guest_hypervisor)i;
	}
	return GUEST_OTHER;
}

/* A tree made by hand has no such document: then all of its processes are looked at. */
static void add_all(struct tree *tree, struct list *list)
{
	const char *const *names;
	const ssize_t count = tree_list(tree, "/proc", &names);

	for (ssize_t i = 0; i < count; i++) {
		if (isdigit((unsigned char)names[i][0]) && strlen(names[i]) <= 9)
			add(tree, list, atoi(names[i]), GUEST_OTHER);
	}
}

static int compare(const void *a, const void *b)
{
	return ((const struct process *)a)->pid - ((const struct process *)b)->pid;
}

struct process *processes_read(struct tree *tree, unsigned *count)
{
	struct list list = {0};
	const char *text;
	const ssize_t length = tree_ask(tree, &text, provide, NULL, "processes.json");
	json_t *document = document_object(text, length);
	const json_t *processes = document_member(document, "processes"), *process;
	size_t i;

	json_array_foreach(processes, i, process) add(tree, &list, document_number(process, "pid"),
						      hypervisor_named(document_string(tree, process, "hypervisor")));
	if (length < 0)
		add_all(tree, &list);
	json_decref(document);
	if (list.count)
		qsort(list.process, list.count, sizeof(*list.process), compare);
	*count = list.count;
	return list.process;
}

unsigned processes_vhost(struct tree *tree, int pid, int tid[PROCESSES_VHOST_MAX])
{
	const char *text;
	const ssize_t length = tree_ask(tree, &text, provide, NULL, "processes.json");
	json_t *document = document_object(text, length);
	const json_t *thread;
	unsigned count = 0;
	size_t i;

	json_array_foreach(document_member(document, "vhost"), i, thread)
	{
		const int64_t number = document_number(thread, "pid");

		if (document_number(thread, "of") == pid && number > 0 && number <= INT32_MAX &&
		    count < PROCESSES_VHOST_MAX)
			tid[count++] = (int)number;
	}
	json_decref(document);
	return count;
}

/*
 * Files of the kernel's: to read some takes from the log or a trace what others wait for, or disturbs a device
 * (Documentation/PCI/sysfs-pci.rst), and no image is there.
 */
static bool is_of_kernel(int fd)
{
	static const unsigned long types[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC,        DEBUGFS_MAGIC,       TRACEFS_MAGIC,
					      SECURITYFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,
					      EFIVARFS_MAGIC,   PSTOREFS_MAGIC,     CONFIGFS_MAGIC};
	struct statfs system;

	if (fstatfs(fd, &system) < 0)
		return true;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if ((unsigned long)system.f_type == types[i])
			return true;
	}
	return false;
}

int process_open(int pid, const char *path, struct stat *st)
{
	char own[64], *inside;
	int place = -1, fd, error;

	if (asprintf(&inside, "/proc/%d/root%s", pid, path) < 0)
		return -ENOMEM;
	place = open(inside, O_PATH | O_CLOEXEC);
	free(inside);
	if (place < 0)
		place = open(path, O_PATH | O_CLOEXEC);
	if (place < 0)
		return -errno;
	snprintf(own, sizeof(own), "/proc/self/fd/%d", place);
	if (fstat(place, st) < 0)
		fd = -errno;
	else if (!S_ISBLK(st->st_mode) && (!S_ISREG(st->st_mode) || is_of_kernel(place)))
		fd = -EINVAL;
	else
		fd = open(own, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	error = errno;
	close(place);
	return fd == -1 ? -error : fd;
}
