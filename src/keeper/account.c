/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run used.  CPU time, memory and throttling are the groups' counters, which nobody escapes;
 * page faults and disk bytes are the sums that the kernel hands up when a process is reaped, which
 * all are before they are read.  (A process whose parent ignores SIGCHLD is reaped by the kernel
 * itself and hands nothing up.)
 */
#include "account.h"

#include "keeper_internal.h"

#include <signal.h>
#include <sys/resource.h>

enum { DISK_BLOCK = 512 /* the unit of ru_inblock and ru_oublock */ };

static int64_t
read_counter(const struct keeper *k, enum cgroup_stat what)
{
	return cgroup_stat_read(KEEPER_FD_STAT + (int)what, k->order.stat_version[what], what);
}

void
account_ordered(struct keeper *k)
{
	k->account.ordered_ns = clock_mono_ns();
}

void
account_staged(struct keeper *k)
{
	k->account.staged_ns = clock_mono_ns();
}

/* The group is new or was at rest since the spawner read it; after the inputs, which are copied
 * inside the group, it must be read again. */
void
account_begin(struct keeper *k)
{
	for (unsigned i = 0; i < CGROUP_STATS; i++)
		k->account.before[i] =
		    k->account.begun ? read_counter(k, (enum cgroup_stat)i) : k->order.before[i];
	k->account.begun = true;
}

/* Where groups count, it has not been in them before now. */
void
account_exec(struct keeper *k)
{
	struct timespec t;

	if (k->order.stat_version[CGROUP_STAT_CPU] == 0 &&
	    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0)
		k->account.set_up_ns = t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void
account_started(struct keeper *k)
{
	k->account.started_ns = clock_mono_ns();
	k->account.started_wall_us = clock_wall_us();
}

void
account_over(struct keeper *k)
{
	k->account.over_ns = clock_mono_ns();
	k->account.over_wall_us = clock_wall_us();
}

int64_t
account_now(const struct keeper *k, enum cgroup_stat what)
{
	const int64_t now =
	    k->order.stat_version[what] == 0 ? living_count(what) : read_counter(k, what);

	return now < 0 ? 0 : now;
}

int64_t
account_used(const struct keeper *k, enum cgroup_stat what)
{
	const int64_t now = read_counter(k, what), before = k->account.before[what];

	if (k->order.stat_version[what] == 0)
		return living_count(what);
	return before < 0 || now < before ? 0 : now - before;
}

/* Each of the two misses some: the group what version 1 does not attribute, the sums of reaped
 * processes what the living do.  Neither counts what was not there. */
int64_t
account_io(const struct keeper *k, enum cgroup_stat what)
{
	const int64_t group = account_used(k, what);
	struct rusage u;
	int64_t reaped;

	if (getrusage(RUSAGE_CHILDREN, &u) < 0)
		return group;
	reaped = (what == CGROUP_STAT_IO_READ ? u.ru_inblock : u.ru_oublock) * DISK_BLOCK;
	return group > reaped ? group : reaped;
}

/* A user's wish stands above the kernel's verdict, and that above our clocks: a run that lost a
 * process to the limit and then hung until its wall time ran out of memory. */
static enum sandbox_outcome
verdict(const struct watched *w)
{
	if (w->reason == SANDBOX_STOPPED)
		return SANDBOX_STOPPED;
	if (w->oom_kills > 0)
		return SANDBOX_OOM;
	if (w->reason != 0)
		return w->reason;
	return w->code == CLD_EXITED ? SANDBOX_EXITED : SANDBOX_SIGNALED;
}

static int64_t
timeval_ns(struct timeval t)
{
	return t.tv_sec * INT64_C(1000000000) + t.tv_usec * INT64_C(1000);
}

/* The exact total, split in the proportion that the ticks saw; what no tick saw was the program. */
static void
fill_cpu(const struct keeper *k, const struct rusage *u, struct sandbox_exit *x)
{
	const int64_t total = account_used(k, CGROUP_STAT_CPU);
	const int64_t user = account_used(k, CGROUP_STAT_CPU_USER);
	const int64_t system = account_used(k, CGROUP_STAT_CPU_SYSTEM);
	const double share = user + system > 0 ? (double)system / (double)(user + system) : 0;

	x->cpu_system_ns = (int64_t)((double)total * share);
	x->cpu_user_ns = total - x->cpu_system_ns;
	if (k->account.before[CGROUP_STAT_CPU] >= 0)
		return;
	/* A host without groups: what the reaped processes report, less our own part, which the
	 * kernel did. */
	x->cpu_user_ns = timeval_ns(u->ru_utime);
	x->cpu_system_ns = timeval_ns(u->ru_stime) - k->account.set_up_ns;
	if (x->cpu_system_ns >= 0)
		return;
	x->cpu_user_ns += x->cpu_system_ns;
	x->cpu_system_ns = 0;
	if (x->cpu_user_ns < 0)
		x->cpu_user_ns = 0;
}

/* The kernel's peak is of all runs that used the group: it is this one's when it grew. */
static int64_t
processes_peak(const struct keeper *k)
{
	const int64_t peak = account_used(k, CGROUP_STAT_PROCESSES_PEAK) > 0
				 ? account_now(k, CGROUP_STAT_PROCESSES_PEAK)
				 : 1;

	return peak > k->account.processes_seen ? peak : k->account.processes_seen;
}

void
account_fill(const struct keeper *k, const struct watched *w, struct sandbox_exit *x)
{
	struct rusage u = { 0 };

	(void)getrusage(RUSAGE_CHILDREN, &u); /* cannot fail */
	x->outcome = verdict(w);
	if (w->code == CLD_EXITED)
		x->exit_code = w->status;
	else
		x->signal = w->status;
	x->oom_kills = w->oom_kills;
	fill_cpu(k, &u, x);
	x->memory_peak_bytes = account_now(k, CGROUP_STAT_PEAK);
	if (k->account.before[CGROUP_STAT_PEAK] < 0)
		x->memory_peak_bytes = u.ru_maxrss * KIB; /* of the largest process */
	x->throttled_ns = account_used(k, CGROUP_STAT_THROTTLED);
	x->faults_minor = u.ru_minflt;
	x->faults_major = u.ru_majflt;
	x->io_read_bytes = account_io(k, CGROUP_STAT_IO_READ);
	x->io_write_bytes = account_io(k, CGROUP_STAT_IO_WRITE);
	x->processes_peak = processes_peak(k);
}

void
account_end(struct keeper *k, struct sandbox_exit *x)
{
	struct account *a = &k->account;
	const int64_t now = clock_mono_ns();

	if (a->started_ns == 0)
		account_started(k); /* it was not executed: nothing ran for no time */
	if (a->over_ns == 0)
		account_over(k);
	x->started_wall_us = a->started_wall_us;
	x->ended_wall_us = a->over_wall_us;
	x->stage_ns = a->staged_ns - a->ordered_ns;
	x->launch_ns = a->started_ns - a->staged_ns;
	x->wall_ns = a->over_ns - a->started_ns;
	x->collect_ns = now > a->over_ns ? now - a->over_ns : 0;
}
