/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_RSEQ_H
#define _LINUX_RSEQ_H

/*
 * Restartable sequences, as the rest of the kernel sees them.
 *
 * The scheduler says that it switches to a thread or moves one to another CPU,
 * signal delivery says that it is about to build a frame, process lifetime says
 * fork and exec. All but signal delivery only leave a note; the work is done
 * once, as the last step before the thread returns to user mode, in
 * rseq_exit_to_user_mode().
 *
 * There are two notes, thread flags that the architecture provides in
 * <asm/rseq.h>:
 *
 *   _TIF_RSEQ_IDS	write the ID fields, then as below
 *   _TIF_RSEQ_SECTION	see whether a critical section was interrupted
 *
 * They are raised for a registered thread only, by the CPU that it runs on or
 * is being switched to, with preemption disabled. They are lowered by the thread
 * itself, before it looks or when its registration ends.
 * _TIF_RSEQ_SECTION may replace _TIF_RSEQ_IDS once struct rseq_state says that
 * the IDs are right.
 */

#include <linux/rseq_types.h>
#include <linux/sched.h>

struct pt_regs;
struct ksignal;

#ifdef CONFIG_RSEQ

#include <linux/jump_label.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched/task_stack.h>
#include <linux/signal_types.h>
#include <linux/uaccess.h>
#include <uapi/linux/rseq.h>

#include <asm/rseq.h>
#include <asm/syscall.h>
#ifdef CONFIG_X86_PERCPU_SEGMENT
#include <asm/percpu_segment.h>
#endif
#ifdef CONFIG_RSEQ_SLICE_EXTENSION
#include <linux/rseq_slice.h>
#else
static inline u8 rseq_slice_default(u32 len, int flags) { return 0; }
static inline u32 rseq_slice_flags(u8 slice) { return 0; }
static inline bool rseq_slice_granted(struct task_struct *t) { return false; }
static inline void rseq_slice_revoke(struct task_struct *t) { }
static inline void rseq_slice_signal(struct task_struct *t) { }
#endif

/* The original size of struct rseq. A larger one asks for extended behaviour. */
#define RSEQ_ORIGINAL_LEN	32

/* What the auxiliary vector says of struct rseq. */
#define RSEQ_FEATURE_SIZE	offsetof(struct rseq, end)
#define RSEQ_ALIGN		roundup_pow_of_two(RSEQ_FEATURE_SIZE)

/*
 * In rseq_state::mm_cid, which is otherwise below them. The second one is only
 * there to tell what caused an abort.
 */
#define RSEQ_IDS_STALE		0x80000000U
#define RSEQ_IDS_MIGRATED	0x40000000U
#define RSEQ_IDS_MASK		(RSEQ_IDS_STALE | RSEQ_IDS_MIGRATED)

/*
 * In rseq_state::cpu_id: it is not known what the area says. Its page may not be
 * there, or still be shared with the parent.
 */
#define RSEQ_CPU_UNKNOWN	U16_MAX

/* Instead of what rseq_cs says: it was not read yet. No user address. */
#define RSEQ_CS_UNREAD		U64_MAX

/**
 * struct rseq_cpu_ids - the ID fields of a CPU, as they are stored
 * @cpu_pair:	value of cpu_id_start and cpu_id, as one
 * @node_id:	value of node_id
 */
struct rseq_cpu_ids {
	u64	cpu_pair;
	u32	node_id;
};

DECLARE_PER_CPU_READ_MOSTLY(struct rseq_cpu_ids, rseq_cpu_ids);

/**
 * rseq_expects_fault - can a thread access its area with interrupts disabled?
 * @t:	current
 *
 * Return: true if it can, so that a page fault then is nothing to warn about.
 */
static inline bool rseq_expects_fault(struct task_struct *t)
{
	return t->rseq.area;
}

/* Enabled while somebody wants to see when the IDs are written. */
DECLARE_STATIC_KEY_FALSE(rseq_observed);

unsigned long rseq_exit_slow(unsigned long ti_work, u64 cs);
void __rseq_signal_deliver(int sig, struct pt_regs *regs, u64 address);
void rseq_ids_written(u32 cpu_id, u32 node_id, u32 mm_cid);
void rseq_debug_fork(struct task_struct *p);
void rseq_syscall_exit(struct pt_regs *regs);
void rseq_membarrier_ipi(void *caller);
long rseq_ptrace_get(struct task_struct *t, unsigned long size,
		     void __user *data);

/**
 * rseq_cpu_pair - what cpu_id_start and cpu_id must say on this CPU
 *
 * Return: the value of both, as one.
 */
static __always_inline u64 rseq_cpu_pair(void)
{
	return this_cpu_read(rseq_cpu_ids.cpu_pair);
}

/**
 * rseq_node_id - what node_id must say on this CPU
 *
 * Return: its value.
 */
static __always_inline u32 rseq_node_id(void)
{
	return this_cpu_read(rseq_cpu_ids.node_id);
}

/**
 * rseq_read_section - read rseq_cs
 * @area:	the registered area of current
 *
 * Context: task context; may fault and sleep, unless page faults are disabled.
 * Return: the address of a descriptor, 0 if there is none, or one that is not
 * in user space when the area could not be accessed.
 */
static __always_inline u64 rseq_read_section(struct rseq __user *area)
{
	u64 cs;

	arch_rseq_access_begin();
	cs = arch_rseq_read_section(&area->rseq_cs);
	arch_rseq_access_end();
	return cs;
}

/**
 * rseq_write_ids - write the ID fields, whatever they are, and read rseq_cs
 * @area:	the registered area of current
 * @cpu_pair:	from rseq_cpu_pair()
 * @node_id:	from rseq_node_id()
 * @mm_cid:	from task_mm_cid()
 *
 * Context: as rseq_read_section().
 * Return: as rseq_read_section().
 */
static __always_inline u64
rseq_write_ids(struct rseq __user *area, u64 cpu_pair, u32 node_id, u32 mm_cid)
{
	u64 cs;

	arch_rseq_access_begin();
	unsafe_put_user(cpu_pair, (u64 __user *)&area->cpu_id_start, fault);
	/* To make one value of the two takes longer than to store them. */
	unsafe_put_user(node_id, &area->node_id, fault);
	unsafe_put_user(mm_cid, &area->mm_cid, fault);
	cs = arch_rseq_read_section(&area->rseq_cs);
	arch_rseq_access_end();
	return cs;
fault:
	arch_rseq_access_end();
	return (u64)-EFAULT;
}

/**
 * rseq_exit_to_user_mode - last rseq work before a return to user mode
 * @ti_work:	thread flags, as read with interrupts disabled after all other
 *		work was done
 *
 * Writes the ID fields and sees to an interrupted critical section, if there is
 * a note. What can be done with a few instructions and without a page fault is
 * done here. For the rest interrupts may have to be enabled; then all other
 * pending work is done again afterwards.
 *
 * Context: task context, interrupts disabled on entry and on return. That also
 * keeps a page fault from being handled.
 * Return: the thread flags as they are on return, but for %_TIF_RSEQ.
 */
static __always_inline unsigned long
rseq_exit_to_user_mode(unsigned long ti_work)
{
	struct task_struct *t;
	u64 cs;

	if (likely(ti_work & _TIF_RSEQ_IDS)) {
		t = arch_rseq_current();
		arch_rseq_lower(t);
		/* A tracer may set it meanwhile; it misses what went before. */
		if (likely(!data_race(t->rseq.slow)))
			cs = rseq_write_ids(t->rseq.area, rseq_cpu_pair(),
					    rseq_node_id(), task_mm_cid(t));
		else
			cs = RSEQ_CS_UNREAD;
	} else if (ti_work & _TIF_RSEQ) {
		t = arch_rseq_current();
		arch_rseq_lower(t);
		if (!IS_ENABLED(CONFIG_RSEQ_STATS))
			cs = rseq_read_section(t->rseq.area);
		else
			cs = RSEQ_CS_UNREAD;
	} else {
		return ti_work;
	}

	if (unlikely(cs))
		ti_work = rseq_exit_slow(ti_work, cs);
	return ti_work;
}

/**
 * rseq_signal_deliver - restart a critical section that a signal interrupts
 * @ksig:	the signal
 * @regs:	user registers of the current thread, before they are saved in
 *		the signal frame
 *
 * An original registration also gets its ID fields rewritten, so that a
 * handler sees them right even if the thread had overwritten them. If the
 * thread is migrated here, what this writes is wrong, and is put right when it
 * returns to user mode.
 *
 * Context: task context; may fault and sleep. Raises SIGSEGV when the area or
 * the descriptor is invalid.
 */
static __always_inline void rseq_signal_deliver(struct ksignal *ksig,
						struct pt_regs *regs)
{
	struct task_struct *t = current;
	u64 cpu_pair, cs;
	u32 node_id;

	if (!t->rseq.area)
		return;

	if (t->rseq.len != RSEQ_ORIGINAL_LEN) {
		rseq_slice_signal(t);
		cs = rseq_read_section(t->rseq.area);
	} else {
		cpu_pair = rseq_cpu_pair();
		node_id = rseq_node_id();
		cs = rseq_write_ids(t->rseq.area, cpu_pair, node_id,
				    task_mm_cid(t));
		if ((IS_ENABLED(CONFIG_RSEQ_STATS) ||
		     static_branch_unlikely(&rseq_observed)) &&
		    cs != (u64)-EFAULT)
			rseq_ids_written(lower_32_bits(cpu_pair), node_id,
					 task_mm_cid(t));
	}

	if (unlikely(cs))
		__rseq_signal_deliver(ksig->sig, regs, cs);
}

/**
 * rseq_raise - take note that the critical section of a thread must restart
 * @t:	the thread, which has a registration
 *
 * Context: preemption disabled.
 */
static __always_inline void rseq_raise(struct task_struct *t)
{
	if (t->rseq.mm_cid != (u32)task_mm_cid(t))
		arch_rseq_raise_ids(t);
	else
		arch_rseq_raise_section(t);
}

/**
 * rseq_sched_switch_to - take note that a thread is about to run
 * @next:	the thread, with its CPU and mm_cid already assigned
 *
 * A thread that gives up its CPU in a system call is not in a critical section,
 * so nothing is left to do for it if its IDs are still what its area says. After
 * an interrupt or an exception there is no number of a system call.
 *
 * Context: preemption disabled; @next is not running; or it is current, with a
 * mm_cid that execve() has changed.
 */
static __always_inline void rseq_sched_switch_to(struct task_struct *next)
{
	if (!next->rseq.tracked)
		return;

	if (next->rseq.mm_cid != (u32)task_mm_cid(next)) {
#ifdef CONFIG_X86_PERCPU_SEGMENT
		if (unlikely(next->rseq.segment)) {
			percpu_segment_switch_to(next);
			/* Without a registration the IDs are always stale. */
			if (!next->rseq.area)
				return;
		}
#endif
		arch_rseq_raise_ids(next);
	} else if (syscall_get_nr(next, task_pt_regs(next)) == -1) {
		arch_rseq_raise_section(next);
	}
}

/**
 * rseq_sched_migrate - take note that a thread changes its CPU
 * @p:	the thread, registered or not
 *
 * Context: @p is not running; its pi_lock or runqueue lock is held.
 */
static __always_inline void rseq_sched_migrate(struct task_struct *p)
{
	p->rseq.mm_cid |= RSEQ_IDS_STALE | RSEQ_IDS_MIGRATED;
}

/**
 * rseq_ptrace_stopped - take note that a thread was stopped by its tracer
 * @t:	current
 *
 * The tracer may have moved it into a critical section, or changed by what the
 * scheduler tells that it was interrupted in one. So have a look in any case.
 *
 * Context: task context.
 */
static inline void rseq_ptrace_stopped(struct task_struct *t)
{
	guard(preempt)();
	if (t->rseq.area)
		rseq_raise(t);
}

/**
 * rseq_reset - forget a registration
 * @t:	current, or a thread that did not run yet
 *
 * The area is not touched.
 */
static inline void rseq_reset(struct task_struct *t)
{
	guard(preempt)();
	t->rseq = (struct rseq_state){
		.mm_cid		= RSEQ_IDS_STALE,
		.tracked	= t->rseq.segment,
		.segment	= t->rseq.segment,
	};
	/* Last, so that nobody raises a note that nobody would lower. */
	barrier();
	arch_rseq_lower(t);
}

/**
 * rseq_fork - give a new task its registration
 * @p:			the child, a copy of current that did not run yet
 * @clone_flags:	CLONE_* flags
 *
 * A child with memory of its own has a copy of the area in it, and goes on with
 * that. One that shares memory must not share the area.
 *
 * Context: tasklist_lock is held for writing.
 */
static inline void rseq_fork(struct task_struct *p, u64 clone_flags)
{
	if (clone_flags & CLONE_VM) {
		rseq_reset(p);
	} else {
		/* The copy of the area need not be one, so do not check it. */
		p->rseq.cpu_id = RSEQ_CPU_UNKNOWN;
		p->rseq.mm_cid |= RSEQ_IDS_STALE;
		p->rseq.slow = true;
	}
	rseq_debug_fork(p);
}

/**
 * rseq_execve - forget the registration: the memory it was in is gone
 * @t:	current, after the new image was installed
 */
static inline void rseq_execve(struct task_struct *t)
{
	rseq_reset(t);
}

#else /* CONFIG_RSEQ */

static __always_inline unsigned long
rseq_exit_to_user_mode(unsigned long ti_work)
{
	return ti_work;
}

static inline bool rseq_expects_fault(struct task_struct *t)
{
	return false;
}

static inline void rseq_signal_deliver(struct ksignal *ksig,
				       struct pt_regs *regs) { }
static inline void rseq_sched_switch_to(struct task_struct *next) { }
static inline void rseq_sched_migrate(struct task_struct *p) { }
static inline void rseq_ptrace_stopped(struct task_struct *t) { }
static inline void rseq_fork(struct task_struct *p, u64 clone_flags) { }
static inline void rseq_execve(struct task_struct *t) { }
static inline void rseq_syscall_exit(struct pt_regs *regs) { }

/* Not reached: membarrier has no command for it then. */
void rseq_membarrier_ipi(void *caller);

static inline long rseq_ptrace_get(struct task_struct *t, unsigned long size,
				   void __user *data)
{
	return -EIO;
}

#endif /* CONFIG_RSEQ */

#endif /* _LINUX_RSEQ_H */
