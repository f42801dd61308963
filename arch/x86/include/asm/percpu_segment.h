/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_PERCPU_SEGMENT_H
#define _ASM_X86_PERCPU_SEGMENT_H

/*
 * A GS base that follows the CPU, or the mm_cid, of a thread.
 *
 * The base is worked out where the scheduler finds that the IDs of the thread
 * are not what they were, and stored where the context switch loads it from:
 * see rseq_sched_switch_to(). The context switch itself does not know of it.
 */

#include <linux/sched.h>
#include <uapi/asm/percpu_segment.h>

#ifdef CONFIG_X86_PERCPU_SEGMENT
/**
 * percpu_segment_kept - does a thread have a per-CPU segment?
 * @t:	current, or a thread that is not running
 *
 * Return: true if it does.
 */
static inline bool percpu_segment_kept(struct task_struct *t)
{
	return t->rseq.segment;
}

void percpu_segment_switch_to(struct task_struct *next);
void percpu_segment_exec(void);
long percpu_segment_prctl(struct task_struct *t, int option,
			  unsigned long arg);
#else
static inline bool percpu_segment_kept(struct task_struct *t)
{
	return false;
}

static inline void percpu_segment_exec(void) { }

static inline long percpu_segment_prctl(struct task_struct *t, int option,
					unsigned long arg)
{
	return -EINVAL;
}
#endif

#endif /* _ASM_X86_PERCPU_SEGMENT_H */
