/* SPDX-License-Identifier: Apache-2.0 */
#include "host/confine.h"

#include <errno.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/sanitized.h"

#define NOBODY 65534

static int limit(int what, rlim_t value)
{
	const struct rlimit limits = {value, value};

	return setrlimit(what, &limits) < 0 ? -errno : 0;
}

/* What is open, memory, and an end. Anything else fails with EPERM. */
static int filter(void)
{
	static const int allowed[] = {
		SCMP_SYS(read),    SCMP_SYS(pread64),      SCMP_SYS(write),         SCMP_SYS(lseek),
		SCMP_SYS(fstat),   SCMP_SYS(dup),          SCMP_SYS(close),         SCMP_SYS(newfstatat),
		SCMP_SYS(mmap),    SCMP_SYS(munmap),       SCMP_SYS(brk),           SCMP_SYS(mremap),
		SCMP_SYS(madvise), SCMP_SYS(getrandom),    SCMP_SYS(futex),         SCMP_SYS(exit_group),
		SCMP_SYS(exit),    SCMP_SYS(rt_sigreturn), SCMP_SYS(clock_gettime),
	};
	const scmp_filter_ctx rules = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int ret = rules ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && ret == 0; i++)
		ret = seccomp_rule_add(rules, SCMP_ACT_ALLOW, allowed[i], 0);
	if (ret == 0)
		ret = seccomp_load(rules);
	if (rules)
		seccomp_release(rules);
	return ret;
}

/* In a namespace of users that has no such one (EINVAL), or without the right to (EPERM), it stays who it is. */
static bool has_failed(int ret)
{
	return ret < 0 && errno != EPERM && errno != EINVAL;
}

static int become_nobody(void)
{
	if (geteuid() != 0)
		return 0;
	if (has_failed(setgroups(0, NULL)) || has_failed(setresgid(NOBODY, NOBODY, NOBODY)) ||
	    has_failed(setresuid(NOBODY, NOBODY, NOBODY)))
		return -errno;
	/* Which has forgotten the parent. */
	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;
}

int confine(unsigned seconds, uint64_t memory)
{
	int ret = limit(RLIMIT_CORE, 0);

	if (ret == 0)
		ret = limit(RLIMIT_CPU, seconds);
	if (ret == 0 && !STRAIT_SANITIZED)
		ret = limit(RLIMIT_AS, memory);
	if (ret == 0)
		ret = become_nobody();
	if (ret == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		ret = -errno;
	if (ret == 0 && !STRAIT_SANITIZED)
		ret = filter();
	return ret;
}
