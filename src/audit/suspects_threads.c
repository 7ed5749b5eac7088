/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "audit/clean.h"
#include "audit/rules_guest.h"
#include "audit/suspect.h"

/* Do the guest's threads run when they want to? */

#define DELAY_MUCH 0.05 /* of the time a thread wanted to run */
#define DELAY_ALL  0.6
#define LOST_MUCH  0.01 /* of all time: a thread that hardly wants to run loses nothing by waiting for half of that */
#define LOST_ALL   0.3
#define PEGGED     0.85
#define STEAL_MUCH 0.02

static bool is_looked_at(const struct observed_thread *thread, enum thread_role role)
{
	return thread->role == role && thread->run.count;
}

#define TOLD 3

static bool is_told(const struct observed_other *const *told, unsigned count, const struct observed_other *other)
{
	for (unsigned i = 0; i < count; i++) {
		if (told[i]->pid == other->pid)
			return true;
	}
	return false;
}

/* Those that took most, of which the last CPU is one of these: threads where they are known, else processes. */
static void tell_processes(struct suspicion *suspicion, const struct cpu_list *allowed)
{
	const struct observation *seen = suspicion->seen;
	const struct observed_other *told[TOLD];

	for (unsigned count = 0; count < TOLD; count++) {
		const struct observed_other *most = NULL;

		for (unsigned i = 0; i < seen->other_count; i++) {
			const struct observed_other *other = &seen->other[i];
			/* A rate that was known in some of the intervals only was nothing in the others. */
			const double run = other->run.sum / (seen->samples ? seen->samples : 1);

			if (other->cpu < 0 || !cpu_list_has(allowed, (unsigned)other->cpu) || run < 0.1 ||
			    is_told(told, count, other))
				continue;
			if (!most || run > most->run.sum / (seen->samples ? seen->samples : 1))
				most = other;
		}
		if (!most)
			return;
		told[count] = most;
		suspect_tell(suspicion, "%s (process %d) took %s of a CPU, on CPU %d last",
			     most->comm ? most->comm : "another", most->pid,
			     suspect_share(suspicion, most->run.sum / seen->samples), most->cpu);
	}
}

/* Who has the CPUs that a thread may run on. */
static void tell_rivals(struct suspicion *suspicion, const struct observed_thread *thread)
{
	const struct observation *seen = suspicion->seen;
	const struct cpu_list *allowed = &thread->thread->allowed;

	for (unsigned i = 0; i < seen->cpu_count; i++) {
		const struct observed_cpu *cpu = &seen->cpu[i];

		if (!cpu->busy.count || !cpu_list_has(allowed, cpu->number) || series_mean(&cpu->busy) < 0.5 ||
		    (allowed->count > 4 && (int)cpu->number != thread->cpu))
			continue;
		suspect_tell(suspicion, "CPU %u was %s busy, %s of it with others than this guest", cpu->number,
			     suspect_share(suspicion, series_mean(&cpu->busy)),
			     suspect_share(suspicion, fmax(0, 1 - cpu->own / series_mean(&cpu->busy))));
	}
	tell_processes(suspicion, allowed);
}

/* bonus: how much more it matters that threads of this role wait. */
static void look_at_delay(struct suspicion *suspicion, enum thread_role role, double bonus)
{
	const struct observation *seen = suspicion->seen;
	const struct observed_thread *worst = NULL;
	double most = 0;
	unsigned looked = 0;

	for (unsigned i = 0; i < seen->thread_count; i++) {
		const struct observed_thread *thread = &seen->thread[i];
		const double delay = series_mean(&thread->delay), lost = series_mean(&thread->lost);

		if (!is_looked_at(thread, role))
			continue;
		looked++;
		if (!(thread->delay.worst <= most))
			most = thread->delay.worst;
		if (delay < DELAY_MUCH || lost < LOST_MUCH)
			continue;
		suspect_found(suspicion,
			      fmin(suspect_weight(delay, DELAY_MUCH, DELAY_ALL, 50, 92),
				   suspect_weight(lost, LOST_MUCH, LOST_ALL, 50, 92)) +
				      bonus,
			      "%s waited for a CPU %s of the time it wanted to run (worst interval %s), on CPUs %s",
			      thread->name, suspect_share(suspicion, delay),
			      suspect_share(suspicion, thread->delay.worst),
			      cpu_list_format(seen->host->tree, &thread->thread->allowed));
		if (!worst || lost > series_mean(&worst->lost))
			worst = thread;
	}
	if (worst) {
		tell_rivals(suspicion, worst);
		suspect_next(suspicion, "taskset -pc %d; ps -eLo psr,pcpu,pid,tid,comm --sort=-pcpu | head",
			     worst->thread->tid);
	} else if (looked) {
		suspect_clear(suspicion, "the worst of %u waited for a CPU %s of the time it wanted to run", looked,
			      suspect_share(suspicion, most));
	} else {
		suspect_unknown(suspicion, "no schedstat of such a thread could be read");
	}
}

static void look_at_vcpus(struct suspicion *suspicion)
{
	look_at_delay(suspicion, ROLE_VCPU, 0);
}

static unsigned count_role(const struct observation *seen, enum thread_role role)
{
	unsigned count = 0;

	for (unsigned i = 0; i < seen->thread_count; i++)
		count += seen->thread[i].role == role;
	return count;
}

static void look_at_iothreads(struct suspicion *suspicion)
{
	if (count_role(suspicion->seen, ROLE_IOTHREAD))
		look_at_delay(suspicion, ROLE_IOTHREAD, 3);
	else
		suspect_unknown(suspicion, "it has no I/O threads: its disks are served by the main loop");
}

static void look_at_emulator(struct suspicion *suspicion)
{
	look_at_delay(suspicion, ROLE_EMULATOR, -8);
}

/* A thread that always runs is the end of what its disks or packets can do. */
static void look_at_pegged(struct suspicion *suspicion)
{
	const struct observation *seen = suspicion->seen;
	const struct observed_thread *most = NULL;

	for (unsigned i = 0; i < seen->thread_count; i++) {
		const struct observed_thread *thread = &seen->thread[i];
		const double run = series_mean(&thread->run);

		if (thread->role == ROLE_VCPU || !thread->run.count)
			continue;
		if (!most || run > series_mean(&most->run))
			most = thread;
		if (run < PEGGED)
			continue;
		suspect_found(suspicion, suspect_weight(run, PEGGED, 1, 60, 80), "%s ran %s of the time", thread->name,
			      suspect_share(suspicion, run));
		suspect_next(suspicion, "top -H -p %d; strait map %s", seen->guest->pid, suspect_guest(suspicion));
	}
	if (most)
		suspect_clear(suspicion, "%s ran most, %s of the time", most->name,
			      suspect_share(suspicion, series_mean(&most->run)));
	else
		suspect_unknown(suspicion, "no schedstat of such a thread could be read");
}

static void look_at_steal(struct suspicion *suspicion)
{
	const struct observation *seen = suspicion->seen;
	double sum = 0, worst = 0;
	unsigned cpus = 0;

	for (unsigned i = 0; i < seen->cpu_count; i++) {
		if (!seen->cpu[i].steal.count)
			continue;
		cpus++;
		sum += series_mean(&seen->cpu[i].steal);
		worst = fmax(worst, seen->cpu[i].steal.worst);
	}
	if (!cpus)
		suspect_unknown(suspicion, "/proc/stat could not be read twice");
	else if (sum / cpus < STEAL_MUCH)
		suspect_clear(suspicion, "%s stolen of %u CPUs, worst %s", suspect_share(suspicion, sum / cpus), cpus,
			      suspect_share(suspicion, worst));
	else {
		suspect_found(suspicion, suspect_weight(sum / cpus, STEAL_MUCH, 0.3, 50, 93),
			      "%s of the host's CPU time was stolen (worst CPU and interval %s): it is a guest itself",
			      suspect_share(suspicion, sum / cpus), suspect_share(suspicion, worst));
		suspect_next(suspicion, "mpstat -P ALL 1");
	}
}

#define QUOTA_MUCH 0.005

/* Of those that were measured, the one that held back most; NULL: none was. */
static const struct observed_quota *hardest_quota(const struct observation *seen, unsigned *unread, unsigned *hard)
{
	const struct observed_quota *most = NULL;

	for (unsigned i = 0; i < seen->guest->quota_count; i++) {
		const struct observed_quota *quota = &seen->quota[i];
		const double share = series_mean(&quota->throttled);

		*unread += !quota->throttled.count;
		*hard += quota->throttled.count && share >= QUOTA_MUCH;
		if (quota->throttled.count && (!most || share > series_mean(&most->throttled)))
			most = quota;
	}
	return most;
}

static void tell_quota(struct suspicion *suspicion, const struct guest_quota *quota, double share, unsigned others)
{
	struct tree *tree = suspicion->diagnosis->host->tree;

	suspect_found(suspicion, suspect_weight(share, QUOTA_MUCH, 0.3, 55, 94),
		      "cpu.max (%s) of %s held back %s %s of the time", quota->max, quota->cgroup,
		      rule_quota_threads(tree, suspicion->seen->guest, quota, 1), suspect_share(suspicion, share));
	if (others)
		suspect_tell(suspicion, "%u other quotas held its threads back as well", others);
	suspect_next(suspicion, "grep . %s/cpu.*", audit_word(tree, quota->cgroup));
}

static void look_at_quota(struct suspicion *suspicion)
{
	const struct guest *guest = suspicion->seen->guest;
	unsigned unread = 0, hard = 0;
	const struct observed_quota *most = hardest_quota(suspicion->seen, &unread, &hard);
	const double share = most ? series_mean(&most->throttled) : 0;

	if (hard)
		tell_quota(suspicion, most->quota, share, hard - 1);
	else if (guest->quotas_known != 1)
		suspect_unknown(suspicion, "not all control groups of its threads could be read");
	else if (unread)
		suspect_unknown(suspicion,
				"%u of %u control groups with a quota have no cpu.stat that could be read twice",
				unread, guest->quota_count);
	else if (!most)
		suspect_clear(suspicion, "no control group of its threads has a quota");
	else
		suspect_clear(suspicion, "cpu.max (%s) of %s held threads back most, %s of the time", most->quota->max,
			      most->quota->cgroup, suspect_share(suspicion, share));
}

const struct suspect suspects_threads[] = {
	{
		.id = "threads.vcpu",
		.title = "vCPUs do not get a CPU",
		.cure = "Pin them to CPUs of their own, or move what runs there: jitter that the guest sees as steal.",
		.look = look_at_vcpus,
	},
	{
		.id = "threads.iothread",
		.title = "I/O threads do not get a CPU",
		.cure = "Keep I/O threads on CPUs that neither vCPUs nor others use: all disks of one wait together.",
		.look = look_at_iothreads,
	},
	{
		.id = "threads.emulator",
		.title = "the main loop, workers or vhost threads do not get a CPU",
		.cure = "Keep them on CPUs that vCPUs do not use (virsh emulatorpin).",
		.look = look_at_emulator,
	},
	{
		.id = "threads.pegged",
		.title = "an I/O, vhost or main loop thread is busy all the time",
		.cure = "More I/O threads, queues spread over them, vhost, or a faster way: it can do no more.",
		.look = look_at_pegged,
	},
	{
		.id = "threads.steal",
		.title = "the host's own CPUs are taken away",
		.cure = "This machine is a guest itself: the cure is on its host.",
		.look = look_at_steal,
	},
	{
		.id = "threads.quota",
		.title = "a CPU quota holds the guest back",
		.cure = "Raise cpu.max of that group, or virsh schedinfo --set with vcpu_quota, iothread_quota, "
			"emulator_quota or "
			"global_quota.",
		.look = look_at_quota,
	},
	{.id = NULL},
};
