/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_RSEQ_SLICE_H
#define _LINUX_RSEQ_SLICE_H

/*
 * Time slice extension, as the exit to user mode, system call entry and signal
 * delivery see it.
 *
 * A thread that is about to release a lock asks, in its registered area, not to
 * lose its CPU now. When an interrupt wants to reschedule it, that is put off
 * once, for a few microseconds. A timer takes the CPU back; so does any system
 * call, a signal, and whatever else wants to reschedule.
 *
 * What the kernel granted it remembers in rseq_state::slice. What the area says
 * is only read to see a request.
 */

#include <linux/errno.h>
#include <linux/jump_label.h>
#include <linux/sched.h>

struct pt_regs;

#ifdef CONFIG_RSEQ_SLICE_EXTENSION
/* In rseq_state::slice */
#define RSEQ_SLICE_ENABLED	1	/* the thread may ask */
#define RSEQ_SLICE_GRANTED	2	/* it runs on borrowed time */
#define RSEQ_SLICE_YIELDED	4	/* rseq_slice_yield() came in time */

/* Enabled when the first thread enables the extension. */
DECLARE_STATIC_KEY_FALSE(rseq_slice_used);

u8 rseq_slice_default(u32 len, int flags);
u32 rseq_slice_flags(u8 slice);
bool __rseq_slice_grant(struct pt_regs *regs);
void rseq_slice_revoke(struct task_struct *t);
void rseq_slice_syscall_enter(long syscall);
int rseq_slice_prctl(unsigned long operation, unsigned long value);
bool sched_put_off_resched(void);

/**
 * rseq_slice_granted - does a thread run on borrowed time?
 * @t:	current
 *
 * Return: true if it does.
 */
static __always_inline bool rseq_slice_granted(struct task_struct *t)
{
	return static_branch_unlikely(&rseq_slice_used) &&
	       t->rseq.slice & RSEQ_SLICE_GRANTED;
}

/**
 * rseq_slice_grant - put off the preemption of current, if it asked for that
 * @regs:	its user registers
 *
 * Context: on return to user mode, interrupts enabled, with %_TIF_NEED_RESCHED
 * set before that. May fault and sleep.
 * Return: true if there is nothing left to reschedule.
 */
static __always_inline bool rseq_slice_grant(struct pt_regs *regs)
{
	return static_branch_unlikely(&rseq_slice_used) &&
	       unlikely(current->rseq.slice) && __rseq_slice_grant(regs);
}

/**
 * rseq_slice_signal - take the CPU back, because a signal is delivered
 * @t:	current
 *
 * Context: task context, may fault and sleep.
 */
static __always_inline void rseq_slice_signal(struct task_struct *t)
{
	if (rseq_slice_granted(t))
		rseq_slice_revoke(t);
}
#else
static inline bool rseq_slice_grant(struct pt_regs *regs)
{
	return false;
}

static inline void rseq_slice_syscall_enter(long syscall) { }

static inline int rseq_slice_prctl(unsigned long operation,
				   unsigned long value)
{
	return -ENOTSUPP;
}
#endif /* CONFIG_RSEQ_SLICE_EXTENSION */

#endif /* _LINUX_RSEQ_SLICE_H */
