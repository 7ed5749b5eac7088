/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/sandbox.h"

/*
 * Newer than the headers of some distributions. A kernel takes a longer
 * structure than it knows as long as what it does not know is zero.
 */
struct ruleset {
	uint64_t files;
	uint64_t ports;  /* 4 */
	uint64_t scoped; /* 6 */
};

#define FILES_TRUNCATE  (1ull << 14) /* 3 */
#define FILES_IOCTL_DEV (1ull << 15) /* 5 */
#define PORTS_ALL       3ull         /* bind and connect TCP */
#define SCOPED_ABSTRACT (1ull << 0)  /* UNIX sockets without a path */
#define SCOPED_SIGNAL   (1ull << 1)

static struct ruleset everything(int version)
{
	/* Bits 0 to 12 are those of the first version; 13 is the right to link and rename across directories. */
	struct ruleset ruleset = {.files = (1ull << 13) - 1};

	if (version >= 2)
		ruleset.files |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		ruleset.files |= FILES_TRUNCATE;
	if (version >= 4)
		ruleset.ports = PORTS_ALL;
	if (version >= 5)
		ruleset.files |= FILES_IOCTL_DEV;
	if (version >= 6)
		ruleset.scoped = SCOPED_SIGNAL | SCOPED_ABSTRACT;
	return ruleset;
}

static int allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access};
	int ret;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return -errno;
	ret = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
	close(rule.parent_fd);
	return ret;
}

static int restrict_self(int ruleset, const char *const *removable, unsigned count)
{
	int ret = 0;

	/* A worker that starts looks up how long it waits for its CPU. Where there is no /proc, it goes without. */
	allow(ruleset, "/proc/self", LANDLOCK_ACCESS_FS_READ_FILE);
	for (unsigned i = 0; i < count && ret == 0; i++) {
		ret = allow(ruleset, removable[i], LANDLOCK_ACCESS_FS_REMOVE_FILE);
		/* From a directory that is not there, nothing needs to be removed. */
		if (ret == -ENOENT)
			ret = 0;
	}
	if (ret == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		ret = -errno;
	if (ret == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		ret = -errno;
	return ret;
}

int sandbox_landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version < 0 ? 0 : (int)version;
}

int sandbox_landlock(const char *const *removable, unsigned count)
{
	const int version = sandbox_landlock_version();
	const struct ruleset attributes = everything(version);
	int ruleset, ret;

	if (!version)
		return -EOPNOTSUPP;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (ruleset < 0)
		return -errno;
	ret = restrict_self(ruleset, removable, count);
	close(ruleset);
	return ret < 0 ? ret : version;
}
