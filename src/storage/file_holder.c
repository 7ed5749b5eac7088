/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/file.h"

/*
 * The kernel does not say whose an open file description lock is, but lists
 * under each file descriptor of a process the locks held through it.
 */

static bool has_lock(const char *pid, const char *fd)
{
	char path[64], line[256];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.20s/fdinfo/%.20s", pid, fd);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "lock:", 5);
	fclose(file);
	return found;
}

/* Whether process pid has a lock on the file st describes, by another descriptor than not_fd. */
static bool process_holds(const char *pid, const struct stat *st, int not_fd)
{
	char path[64];
	struct dirent *entry;
	bool found = false;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	directory = opendir(path);
	if (!directory)
		return false;
	while (!found && (entry = readdir(directory))) {
		struct stat other;

		if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == not_fd)
			continue;
		if (fstatat(dirfd(directory), entry->d_name, &other, 0) || other.st_ino != st->st_ino ||
		    other.st_dev != st->st_dev)
			continue;
		found = has_lock(pid, entry->d_name);
	}
	closedir(directory);
	return found;
}

static int find_holder(int fd)
{
	struct dirent *entry;
	struct stat st;
	int holder = 0;
	DIR *proc;

	if (fstat(fd, &st))
		return 0;
	proc = opendir("/proc");
	if (!proc)
		return 0;
	while (!holder && (entry = readdir(proc))) {
		int pid = atoi(entry->d_name);

		if (pid > 0 && process_holds(entry->d_name, &st, pid == getpid() ? fd : -1))
			holder = pid;
	}
	closedir(proc);
	return holder;
}

bool file_holder(int fd, int pid, char *text, size_t size)
{
	char path[64], name[32] = "";
	FILE *file;

	if (pid <= 0)
		pid = find_holder(fd);
	if (pid <= 0) {
		snprintf(text, size, "another process");
		return false;
	}
	if (pid == getpid()) {
		snprintf(text, size, "another disk of this process");
		return true;
	}
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (file) {
		if (fgets(name, sizeof(name), file))
			name[strcspn(name, "\n")] = '\0';
		fclose(file);
	}
	snprintf(text, size, "process %d (%s)", pid, name[0] ? name : "name unknown");
	return true;
}
