/* SPDX-License-Identifier: Apache-2.0 */
#include "host/exit_trace.h"

#include <errno.h>
#include <string.h>

#ifdef HAVE_LIBTRACEFS

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <tracefs.h>

#include "host/exit_events.h"

/* Names of our instances, with the process behind. */
#define INSTANCE "strait-exits-"
/*
 * KiB for each CPU: a second of more exits than a CPU can do. Of many CPUs each has less, since the memory of a machine
 * may be its guests' but for little; it is emptied twenty times a second.
 */
#define BUFFER      4096
#define BUFFERS_ALL (256 * 1024)
/* How often it is emptied. */
#define TURN_NS 50000000

/*
 * libtracefs 1.6 does not give back its regular expressions and the name of its directory, nor libtraceevent 1.7 all
 * that it parses: a sanitizer, where the program has one, is not to look for leaks while they begin.
 */
extern void __lsan_disable(void) __attribute__((weak));
extern void __lsan_enable(void) __attribute__((weak));

struct trace {
	struct tracefs_instance *instance;
	struct exit_events events;
};

static int take(struct tep_event *event, struct tep_record *record, int cpu, void *context)
{
	(void)event;
	(void)cpu;
	exit_events_take(context, record);
	return 0;
}

/* Instances of those that were killed would trace for ever. */
static void clear_away_dead(void)
{
	char **names = tracefs_instances("^" INSTANCE "[0-9]+$");

	for (char **name = names; name && *name; name++) {
		const int pid = atoi(*name + strlen(INSTANCE));
		struct tracefs_instance *instance;

		if (pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH)
			continue;
		instance = tracefs_instance_create(*name);
		if (instance) {
			tracefs_instance_destroy(instance);
			tracefs_instance_free(instance);
		}
	}
	tracefs_list_free(names);
}

static int refuse(struct error *err, int code, const char *what)
{
	code = code ? -code : -EIO;
	return error_set(err, code, "tracepoints of KVM: %s: %s%s", what, strerror(-code),
			 code == -EACCES || code == -EPERM ? "; run it as root" : "");
}

/* Of one module only what is there: a kernel without KVM has none of it. */
static int find_events(struct trace *trace, struct error *err)
{
	static const char *const systems[] = {"kvm", NULL};
	const char *directory = NULL;
	int ret;

	/* Who looks at a machine does not mount anything there. */
	if (tracefs_tracing_dir_is_mounted(false, &directory) <= 0 || !directory)
		return error_set(err, -ENOENT,
				 "tracepoints of KVM: no tracefs is mounted; mount it with "
				 "\"mount -t tracefs none /sys/kernel/tracing\" as root");
	if (access(directory, R_OK | X_OK) < 0)
		return refuse(err, errno, directory);
	trace->events.formats = tracefs_local_events_system(directory, systems);
	ret = trace->events.formats ? exit_events_find(&trace->events) : -ENOENT;
	if (ret == -ENOTSUP)
		return error_set(err, ret, "tracepoint kvm_exit: expected a field exit_reason");
	if (ret < 0)
		return error_set(
			err, ret,
			"tracepoints of KVM: this kernel has none; is the module kvm loaded (kvm_intel, kvm_amd)?");
	return 0;
}

/* The CPUs of one guest, so that the others cost nothing. */
static int choose_threads(struct trace *trace, const int *tids, unsigned count)
{
	char tid[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(tid, sizeof(tid), "%d ", tids[i]);
		if (tids[i] > 0 && tracefs_instance_file_append(trace->instance, "set_event_pid", tid) < 0)
			return -errno;
	}
	return 0;
}

static size_t buffer_size(void)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN), share = cpus > 0 ? BUFFERS_ALL / cpus : BUFFER;

	return share < BUFFER ? (size_t)share : BUFFER;
}

static int begin(struct trace *trace, const int *tids, unsigned count, struct error *err)
{
	char name[64];
	int ret = find_events(trace, err);

	if (ret < 0)
		return ret;
	clear_away_dead();
	snprintf(name, sizeof(name), INSTANCE "%d", (int)getpid());
	errno = 0;
	trace->instance = tracefs_instance_create(name);
	if (!trace->instance)
		return refuse(err, errno, "a trace instance");
	/* One clock for all CPUs, because a thread may be entered again on another one. */
	if (tracefs_instance_file_write(trace->instance, "trace_clock", "mono") < 0 ||
	    tracefs_instance_set_buffer_size(trace->instance, buffer_size(), -1) < 0 ||
	    choose_threads(trace, tids, count) < 0 || tracefs_event_enable(trace->instance, "kvm", "kvm_exit") < 0 ||
	    tracefs_event_enable(trace->instance, "kvm", "kvm_entry") < 0)
		return refuse(err, errno, "setting up a trace instance");
	return 0;
}

static void end(struct trace *trace)
{
	if (trace->instance) {
		tracefs_event_disable(trace->instance, "kvm", NULL);
		tracefs_instance_destroy(trace->instance);
		tracefs_instance_free(trace->instance);
	}
	if (trace->events.formats)
		tep_free(trace->events.formats);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Empty the buffers every now and then, until it is time or somebody has had enough. Returns how long it was. */
static uint64_t collect(struct trace *trace, const sigset_t *wake, uint64_t ns)
{
	const struct timespec turn = {.tv_nsec = TURN_NS};
	const uint64_t start = now_ns();
	int got = -1;

	while (got < 0 && now_ns() - start < ns) {
		got = sigtimedwait(wake, NULL, &turn);
		tracefs_iterate_raw_events(trace->events.formats, trace->instance, NULL, 0, take, &trace->events);
	}
	tracefs_event_disable(trace->instance, "kvm", NULL);
	ns = now_ns() - start;
	tracefs_iterate_raw_events(trace->events.formats, trace->instance, NULL, 0, take, &trace->events);
	return ns;
}

/* What would end the program in the middle ends the wait instead, so that no instance is left behind. */
static void block_signals(sigset_t *wake, sigset_t *before)
{
	sigemptyset(wake);
	sigaddset(wake, SIGINT);
	sigaddset(wake, SIGTERM);
	sigaddset(wake, SIGHUP);
	sigprocmask(SIG_BLOCK, wake, before);
}

/* What the kernel overwrote before it was read. */
static uint64_t lost_events(struct trace *trace)
{
	const long cpus = sysconf(_SC_NPROCESSORS_CONF);
	uint64_t lost = 0, overrun;

	for (long cpu = 0; cpu < cpus; cpu++) {
		char path[64], *text;
		const char *at;

		snprintf(path, sizeof(path), "per_cpu/cpu%ld/stats", cpu);
		text = tracefs_instance_file_read(trace->instance, path, NULL);
		at = text ? strstr(text, "overrun: ") : NULL;
		if (at && sscanf(at, "overrun: %" SCNu64, &overrun) == 1)
			lost += overrun;
		free(text);
	}
	return lost;
}

static int pid_of(int tid)
{
	char line[256];
	int pid = 0;
	FILE *file;

	snprintf(line, sizeof(line), "/proc/%d/status", tid);
	file = fopen(line, "re");
	while (file && fgets(line, sizeof(line), file) && sscanf(line, "Tgid: %d", &pid) != 1)
		;
	if (file)
		fclose(file);
	return pid;
}

bool exit_trace_is_built(void)
{
	return true;
}

ssize_t exit_trace_run(uint64_t ns, const int *tids, unsigned count, char **text, struct error *err)
{
	struct trace trace = {.events.counts = exit_counts_new()};
	sigset_t wake, before;
	ssize_t ret;

	*text = NULL;
	block_signals(&wake, &before);
	if (__lsan_disable)
		__lsan_disable();
	ret = trace.events.counts ? begin(&trace, tids, count, err) : error_set(err, -ENOMEM, "no memory");
	if (__lsan_enable)
		__lsan_enable();
	if (ret == 0) {
		struct exit_origin origin = {.source = "tracepoints", .pid_of = pid_of};
		json_t *document;

		origin.seconds = (double)collect(&trace, &wake, ns) / 1e9;
		origin.lost = lost_events(&trace);
		document = exit_counts_json(trace.events.counts, &origin);
		*text = document ? json_dumps(document, JSON_COMPACT) : NULL;
		json_decref(document);
		ret = *text ? (ssize_t)strlen(*text) : error_set(err, -ENOMEM, "no memory");
	}
	end(&trace);
	sigprocmask(SIG_SETMASK, &before, NULL);
	exit_counts_free(trace.events.counts);
	return ret;
}

#else

bool exit_trace_is_built(void)
{
	return false;
}

ssize_t exit_trace_run(uint64_t ns, const int *tids, unsigned count, char **text, struct error *err)
{
	(void)ns;
	(void)tids;
	(void)count;
	*text = NULL;
	return error_set(err, -ENOSYS, "tracepoints of KVM: this strait was built without libtracefs");
}

#endif
