// SPDX-License-Identifier: GPL-2.0
/*
 * Per-CPU segment: a GS base that follows the CPU of a thread
 *
 * With it, an instruction with a %gs prefix works on the memory of the CPU that
 * it runs on, and one instruction cannot be interrupted in its middle. So user
 * space has per-CPU operations that need no critical section, as the kernel has.
 *
 * The thread says where the base is for index 0, and how far it is from one
 * index to the next. The index is its CPU number or its mm_cid. The scheduler
 * works out the new base when it finds that one of them has changed (see
 * rseq_sched_switch_to()). What the thread asked for is written by itself
 * only, and copied by fork.
 */

#include <linux/cpumask.h>
#include <linux/overflow.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/rseq.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include <asm/fsgsbase.h>
#include <asm/percpu_segment.h>
#include <asm/prctl.h>
#include <asm/segment.h>

static unsigned long percpu_segment_base(struct task_struct *t)
{
	unsigned long index;

	if (t->rseq.segment == RSEQ_SEGMENT_MM_CID)
		/* Within execve() there is none, nor a way to user mode. */
		index = max(task_mm_cid(t), 0);
	else
		index = smp_processor_id();
	return t->thread.percpu_base + index * t->thread.percpu_stride;
}

/* Make the GS base of current what it has to be from now on. */
static void percpu_segment_load(unsigned long base)
{
	x86_gsbase_write_cpu_inactive(base);
	/* Without FSGSBASE the context switch does not read it back. */
	current->thread.gsbase = base;
}

/**
 * percpu_segment_switch_to - work out the GS base for a thread's next turn
 * @next:	the thread, which has a per-CPU segment, with its mm_cid assigned
 *
 * The context switch loads it, unless @next is current, whose mm_cid was
 * changed by an execve() that failed.
 *
 * Context: on the CPU that @next is about to run on, preemption disabled.
 */
void percpu_segment_switch_to(struct task_struct *next)
{
	unsigned long base = percpu_segment_base(next);

	/*
	 * The mm_cid may be another one, and then the old one again, before
	 * the area is written. So at the next switch, look at it again.
	 */
	next->rseq.mm_cid |= RSEQ_IDS_STALE;
	if (next == current)
		percpu_segment_load(base);
	else
		next->thread.gsbase = base;
}

static void percpu_segment_reset(void)
{
	current->rseq.segment = 0;
	current->rseq.tracked = current->rseq.area;
	percpu_segment_load(0);
}

/**
 * percpu_segment_exec - forget the segment: the memory it was in is gone
 *
 * Context: current, before the segment registers are loaded for the new image.
 */
void percpu_segment_exec(void)
{
	guard(preempt)();
	if (percpu_segment_kept(current))
		percpu_segment_reset();
}

/* Does the memory of every possible index lie in user space? */
static bool percpu_segment_fits(const struct percpu_segment *segment)
{
	unsigned long size, end;

	return !check_mul_overflow(segment->stride, nr_cpu_ids, &size) &&
	       !check_add_overflow(segment->base, size, &end) &&
	       end <= TASK_SIZE && segment->base < TASK_SIZE;
}

static int percpu_segment_copy(struct percpu_segment *segment,
			       struct percpu_segment __user *arg)
{
	u64 size;

	BUILD_BUG_ON(sizeof(*segment) != PERCPU_SEGMENT_SIZE_VER0);

	if (get_user(size, &arg->size))
		return -EFAULT;
	if (size < PERCPU_SEGMENT_SIZE_VER0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(segment, sizeof(*segment), arg, size);
}

static int percpu_segment_set(struct percpu_segment __user *arg)
{
	struct percpu_segment segment;
	unsigned short selector;
	int ret;

	ret = percpu_segment_copy(&segment, arg);
	if (ret)
		return ret;
	if (segment.flags & ~PERCPU_SEGMENT_MM_CID)
		return -EINVAL;
	if (!percpu_segment_fits(&segment))
		return -EINVAL;

	guard(preempt)();
	savesegment(gs, selector);
	if (percpu_segment_kept(current) || selector ||
	    x86_gsbase_read_cpu_inactive())
		return -EBUSY;

	current->thread.percpu_base = segment.base;
	current->thread.percpu_stride = segment.stride;
	current->rseq.segment = segment.flags & PERCPU_SEGMENT_MM_CID ?
		RSEQ_SEGMENT_MM_CID : RSEQ_SEGMENT_CPU_ID;
	current->rseq.tracked = true;
	/* See percpu_segment_switch_to(). */
	current->rseq.mm_cid |= RSEQ_IDS_STALE;
	percpu_segment_load(percpu_segment_base(current));
	return 0;
}

static int percpu_segment_get(struct task_struct *t,
			      struct percpu_segment __user *arg)
{
	struct percpu_segment segment = {
		.size	= sizeof(segment),
		.base	= t->thread.percpu_base,
		.stride	= t->thread.percpu_stride,
	};
	u64 size;

	if (get_user(size, &arg->size))
		return -EFAULT;
	if (size < PERCPU_SEGMENT_SIZE_VER0)
		return -EINVAL;
	if (!percpu_segment_kept(t))
		return -ENOENT;
	if (t->rseq.segment == RSEQ_SEGMENT_MM_CID)
		segment.flags = PERCPU_SEGMENT_MM_CID;
	return copy_to_user(arg, &segment, sizeof(segment)) ? -EFAULT : 0;
}

static int percpu_segment_clear(unsigned long arg)
{
	if (arg)
		return -EINVAL;

	guard(preempt)();
	if (!percpu_segment_kept(current))
		return -ENOENT;
	percpu_segment_reset();
	return 0;
}

/**
 * percpu_segment_prctl - arch_prctl() for the per-CPU segment
 * @t:		current; or its tracee, of which the segment can be read
 * @option:	%ARCH_SET_PERCPU_SEGMENT, %ARCH_GET_PERCPU_SEGMENT or
 *		%ARCH_CLEAR_PERCPU_SEGMENT
 * @arg:	user address of a struct percpu_segment; 0 to clear
 *
 * Return: 0; -EINVAL for bad arguments, or memory that is not in user space for
 * every possible index; -E2BIG for a structure from the future that says
 * something; -EBUSY if %gs is in use; -ENOENT without a segment; -EFAULT.
 */
long percpu_segment_prctl(struct task_struct *t, int option, unsigned long arg)
{
	struct percpu_segment __user *segment = (void __user *)arg;

	if (option == ARCH_GET_PERCPU_SEGMENT)
		return percpu_segment_get(t, segment);
	if (t != current)
		return -EINVAL;
	if (option == ARCH_SET_PERCPU_SEGMENT)
		return percpu_segment_set(segment);
	return percpu_segment_clear(arg);
}
