/* SPDX-License-Identifier: Apache-2.0 */
#include "check_place.h"

#include <errno.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Connecting would tell, too, but the other end would take it for a front end.
 * Lines are "Num: RefCount Protocol Flags Type St Inode Path" (proc(5)).
 */
static bool listened_to(const char *path)
{
	const unsigned long accepts = 0x10000; /* __SO_ACCEPTCON */
	FILE *file = fopen("/proc/net/unix", "re");
	char line[512];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		unsigned long flags;
		int path_at = 0;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%*s %*s %*s %lx %*s %*s %*s %n", &flags, &path_at) == 1 && path_at > 0)
			found = (flags & accepts) && strcmp(line + path_at, path) == 0;
	}
	fclose(file);
	return found;
}

static int check_directory(const char *path, struct error *err)
{
	char copy[4096];
	const char *directory;
	struct stat status;

	snprintf(copy, sizeof(copy), "%s", path);
	directory = dirname(copy);
	if (stat(directory, &status) < 0)
		return error_set(err, -errno, "socket %s: directory %s: %s: expected one that exists", path, directory,
				 strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return error_set(err, -ENOTDIR, "socket %s: %s is not a directory", path, directory);
	if (access(directory, W_OK | X_OK) < 0)
		return error_set(err, -errno, "socket %s: directory %s: %s: expected one this user may write to", path,
				 directory, strerror(errno));
	return 0;
}

int check_socket_place(const char *path, struct error *err)
{
	struct stat status;
	int ret = check_directory(path, err);

	if (ret < 0 || lstat(path, &status) < 0)
		return ret;
	if (!S_ISSOCK(status.st_mode))
		return error_set(err, -EEXIST,
				 "socket %s: something that is not a socket is there: expected nothing, or "
				 "a socket left behind",
				 path);
	if (listened_to(path))
		return error_set(err, -EADDRINUSE, "socket %s: another process listens on it", path);
	return 0;
}

int check_cpus(unsigned worker, const cpu_set_t *cpus, struct error *err)
{
	cpu_set_t allowed, both;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return 0;
	CPU_AND(&both, &allowed, cpus);
	if (CPU_COUNT(&both))
		return 0;
	return error_set(err, -EINVAL,
			 "worker-cpus: worker %u: this process may run on none of its CPUs: expected some of the %d it "
			 "may run on (Cpus_allowed_list in /proc/self/status)",
			 worker, CPU_COUNT(&allowed));
}
