/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/log.h"
#include "control/sandbox.h"

/*
 * The system calls of a daemon that has opened everything and started all its
 * threads. There is none that takes the path of a file, connects, starts a
 * thread or a process, maps code, or touches another process.
 */
static const int allowed[] = {
	/* descriptors that are open; guests' data, recordings, the log */
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(preadv),
	SCMP_SYS(pwritev),
	SCMP_SYS(preadv2),
	SCMP_SYS(pwritev2),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(fstatfs),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(sync_file_range),
	SCMP_SYS(fallocate),
	SCMP_SYS(ftruncate),
	SCMP_SYS(close),
	SCMP_SYS(dup),
	SCMP_SYS(dup3),
	/* rings; setting up another one, which nobody would restrict, is not there */
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	/* events */
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(inotify_rm_watch),
	/* sockets: front ends, the successor of an upgrade, systemd */
	SCMP_SYS(accept4),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	/* memory */
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(memfd_create),
	SCMP_SYS(mlock),
	SCMP_SYS(munlock),
	SCMP_SYS(mincore),
	SCMP_SYS(membarrier),
	/* time, threads and signals of its own */
	SCMP_SYS(futex),
	SCMP_SYS(sched_yield),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getcpu),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrusage),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigpending),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	/* waiting for the sweeper */
	SCMP_SYS(wait4),
	SCMP_SYS(waitid),
	/* who it is */
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getrlimit),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
};

/* Allowed only where an argument, as far as the mask goes, is this. */
#define IS(n, value)                                                                                                   \
	{                                                                                                              \
		.arg = (n), .op = SCMP_CMP_EQ, .datum_a = (value)                                                      \
	}
#define HAS(n, mask, value)                                                                                            \
	{                                                                                                              \
		.arg = (n), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (value)                            \
	}

static const struct {
	int call;
	struct scmp_arg_cmp argument;
} conditional[] = {
	/* Memory, but no code. */
	{SCMP_SYS(mmap), HAS(2, PROT_EXEC, 0)},
	{SCMP_SYS(mprotect), HAS(2, PROT_EXEC, 0)},
	/* What is behind a descriptor: the path is empty. */
	{SCMP_SYS(newfstatat), HAS(3, AT_EMPTY_PATH, AT_EMPTY_PATH)},
	{SCMP_SYS(statx), HAS(2, AT_EMPTY_PATH, AT_EMPTY_PATH)},
	/* The size of a block device, and, of one that comes at run time, its blocks. */
	{SCMP_SYS(ioctl), IS(1, BLKGETSIZE64)},
	{SCMP_SYS(ioctl), IS(1, BLKSSZGET)},
	{SCMP_SYS(ioctl), IS(1, BLKPBSZGET)},
	{SCMP_SYS(ioctl), IS(1, BLKIOOPT)},
	/* Flags, copies, locks and seals of descriptors. Not: whom to send which signal when one is ready. */
	{SCMP_SYS(fcntl), IS(1, F_DUPFD)},
	{SCMP_SYS(fcntl), IS(1, F_DUPFD_CLOEXEC)},
	{SCMP_SYS(fcntl), IS(1, F_GETFD)},
	{SCMP_SYS(fcntl), IS(1, F_SETFD)},
	{SCMP_SYS(fcntl), IS(1, F_GETFL)},
	{SCMP_SYS(fcntl), IS(1, F_SETFL)},
	{SCMP_SYS(fcntl), IS(1, F_OFD_GETLK)},
	{SCMP_SYS(fcntl), IS(1, F_OFD_SETLK)},
	{SCMP_SYS(fcntl), IS(1, F_GET_SEALS)},
	{SCMP_SYS(fcntl), IS(1, F_ADD_SEALS)},
	/* Names of threads, and of memory. */
	{SCMP_SYS(prctl), IS(0, PR_SET_NAME)},
	{SCMP_SYS(prctl), IS(0, 0x53564d41 /* PR_SET_VMA */)},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* As the kernel would have it: no such thing is permitted. */
static void set_result(ucontext_t *context, long value)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = value;
#elif defined(__aarch64__)
	context->uc_mcontext.regs[0] = (unsigned long)value;
#else
#error "say where this machine returns the result of a system call"
#endif
}

/*
 * A refused call is a mistake of ours or somebody's attempt. Either is worth a
 * line, once a number, so that a loop of them does not fill the log.
 */
static void on_sigsys(int signal, siginfo_t *info, void *context)
{
	static uint64_t said[16];
	const unsigned number = (unsigned)info->si_syscall;
	const uint64_t bit = 1ull << (number % 64);
	const int saved = errno;

	(void)signal;
	if (number >= COUNT(said) * 64 || !(__atomic_fetch_or(&said[number / 64], bit, __ATOMIC_RELAXED) & bit))
		log_error(
			"sandbox: system call %u was refused (see scmp_sys_resolver(1) for its name); it is said once",
			number);
	errno = saved;
	set_result(context, -EPERM);
}

/*
 * Opening a file is what libraries do to find something out, and they go on
 * where they may not; so does whoever names the holder of a lock. It is refused
 * like what a user may not open, without a line in the log.
 */
static int refuse_opening(scmp_filter_ctx filter)
{
	static const int calls[] = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2)};
	int ret = 0;

	for (size_t i = 0; i < COUNT(calls) && ret == 0; i++) {
		if (calls[i] >= 0)
			ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), calls[i], 0);
	}
	return ret;
}

/* abort(3) and raise(3) send a signal to this process; no other is to be had. */
static int allow_own_signals(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp here = IS(0, (scmp_datum_t)getpid());

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &here);
}

/* How many calls are allowed, or a negative errno. */
static int add_rules(scmp_filter_ctx filter)
{
	int count = 0, ret;

	for (size_t i = 0; i < COUNT(allowed); i++) {
		/* Not every machine has each of them. */
		if (allowed[i] < 0)
			continue;
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
		if (ret < 0)
			return ret;
		count++;
	}
	for (size_t i = 0; i < COUNT(conditional); i++) {
		if (conditional[i].call < 0)
			continue;
		ret = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, conditional[i].call, 1, &conditional[i].argument);
		if (ret < 0)
			return ret;
		count += i == 0 || conditional[i].call != conditional[i - 1].call;
	}
	ret = refuse_opening(filter);
	if (ret == 0)
		ret = allow_own_signals(filter);
	return ret < 0 ? ret : count + 1;
}

static int load(scmp_filter_ctx filter)
{
	int ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	/* A tree instead of a list; where the library does not know it, the list does. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return ret < 0 ? ret : seccomp_load(filter);
}

int sandbox_seccomp(void)
{
	struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART};
	scmp_filter_ctx filter;
	int count, ret;

	if (sigaction(SIGSYS, &action, NULL) < 0)
		return -errno;
	filter = seccomp_init(SCMP_ACT_TRAP);
	if (!filter)
		return -ENOMEM;
	count = add_rules(filter);
	ret = count < 0 ? count : load(filter);
	seccomp_release(filter);
	return ret < 0 ? ret : count;
}
