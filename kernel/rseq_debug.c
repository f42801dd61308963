// SPDX-License-Identifier: GPL-2.0
/*
 * Restartable sequences: checks that can be turned on, and statistics
 *
 * rseq_debug=1 on the kernel command line, or /sys/kernel/debug/rseq/debug,
 * checks each registered thread at each system call: its armed critical section
 * must be valid, and must not be the place the call is made from.
 *
 * The check hangs on a SYSCALL_WORK flag of every thread, so that a kernel that
 * does not use it has not one instruction of it on its way.
 */

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rseq.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>

#include "rseq.h"

/* Protected by tasklist_lock: with it, the flag of every thread says the same. */
static bool rseq_debug;

/**
 * rseq_debug_fork - give a new task the flag that all others have
 * @p:	the child
 *
 * Context: tasklist_lock is held for writing.
 */
void rseq_debug_fork(struct task_struct *p)
{
	if (rseq_debug)
		set_task_syscall_work(p, RSEQ);
	else
		clear_task_syscall_work(p, RSEQ);
}

static void rseq_debug_set(bool on)
{
	static DEFINE_MUTEX(lock);
	struct task_struct *p, *t;

	guard(mutex)(&lock);
	/* Keeps out fork, which holds it for writing. */
	read_lock(&tasklist_lock);
	rseq_debug = on;
	for_each_process_thread(p, t)
		rseq_debug_fork(t);
	read_unlock(&tasklist_lock);
}

/**
 * rseq_syscall_exit - check a system call
 * @regs:	user registers of current
 *
 * Context: task context, interrupts enabled, at the end of a system call of a
 * thread that has %SYSCALL_WORK_RSEQ set. May fault and sleep.
 */
void rseq_syscall_exit(struct pt_regs *regs)
{
	enum rseq_verdict verdict;

	/* A return from a signal handler goes anywhere, and rightly so. */
	if (!current->rseq.area || syscall_get_nr(current, regs) == -1)
		return;

	verdict = rseq_check_syscall(current, regs);
	if (rseq_failed(verdict))
		rseq_kill(verdict, regs, 0);
}

static int __init rseq_debug_setup(char *str)
{
	/* No user task is there yet, and each gets its flag when it is forked. */
	if (kstrtobool(str, &rseq_debug)) {
		pr_err("rseq_debug=%s: neither 0 nor 1\n", str);
		return 0;
	}
	return 1;
}
__setup("rseq_debug=", rseq_debug_setup);

#ifdef CONFIG_RSEQ_STATS
DEFINE_PER_CPU(unsigned long [RSEQ_EVENTS], rseq_stats);

static int rseq_stats_show(struct seq_file *m, void *unused)
{
	static const char * const names[RSEQ_EVENTS] = {
		[RSEQ_EVENT_EXIT]		= "exits",
		[RSEQ_EVENT_IDS]		= "ids",
		[RSEQ_EVENT_CLEAR]		= "clears",
		[RSEQ_EVENT_ABORT_PREEMPT]	= "aborts_preempt",
		[RSEQ_EVENT_ABORT_MIGRATE]	= "aborts_migrate",
		[RSEQ_EVENT_ABORT_SIGNAL]	= "aborts_signal",
		[RSEQ_EVENT_FAULT]		= "faults",
		[RSEQ_EVENT_KILL]		= "kills",
		[RSEQ_EVENT_SLICE_GRANTED]	= "slices_granted",
		[RSEQ_EVENT_SLICE_EXPIRED]	= "slices_expired",
		[RSEQ_EVENT_SLICE_REVOKED]	= "slices_revoked",
		[RSEQ_EVENT_SLICE_YIELDED]	= "slices_yielded",
	};
	int event;

	for (event = 0; event < RSEQ_EVENTS; event++) {
		unsigned long sum = 0;
		int cpu;

		for_each_possible_cpu(cpu)
			sum += per_cpu(rseq_stats[event], cpu);
		seq_printf(m, "%-16s %lu\n", names[event], sum);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(rseq_stats);
#endif

static int rseq_debug_get_attr(void *unused, u64 *val)
{
	*val = READ_ONCE(rseq_debug);
	return 0;
}

static int rseq_debug_set_attr(void *unused, u64 val)
{
	if (val > 1)
		return -EINVAL;
	rseq_debug_set(val);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(rseq_debug_fops, rseq_debug_get_attr,
			 rseq_debug_set_attr, "%llu\n");

/**
 * rseq_debug_dir - the directory rseq/ of debugfs
 *
 * Context: after debugfs was initialized.
 * Return: what debugfs_create_dir() returned for it.
 */
struct dentry *rseq_debug_dir(void)
{
	static struct dentry *dir;

	if (!dir)
		dir = debugfs_create_dir("rseq", NULL);
	return dir;
}

static int __init rseq_debug_init(void)
{
	struct dentry *dir = rseq_debug_dir();

	debugfs_create_file_unsafe("debug", 0600, dir, NULL, &rseq_debug_fops);
#ifdef CONFIG_RSEQ_STATS
	debugfs_create_file("stats", 0400, dir, NULL, &rseq_stats_fops);
#endif
	return 0;
}

/* After debugfs itself. */
fs_initcall(rseq_debug_init);
