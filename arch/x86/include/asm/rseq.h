/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_RSEQ_H
#define _ASM_X86_RSEQ_H

/*
 * The notes of <linux/rseq.h> as thread flags, and access to the registered
 * area.
 */

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/thread_info.h>
#include <linux/uaccess.h>

#include <asm/current.h>

#ifdef CONFIG_X86_64
/*
 * No other flag lives in the upper half of thread_info::flags. Ours have its
 * last byte for themselves. A store to that needs no lock prefix, because a
 * locked read-modify-write that another CPU does to the word leaves the byte
 * as it finds it.
 */
#define _TIF_RSEQ_SECTION	BIT(56)
#define _TIF_RSEQ_IDS		BIT(63)

/*
 * Both, and all spare bits down to bit 31: a mask that is a sign-extended
 * 32-bit immediate, alone or together with lower flags, so that the test for
 * any of them is one instruction.
 */
#define _TIF_RSEQ		GENMASK(63, 31)

static __always_inline void __rseq_store_note(struct task_struct *t, u8 note)
{
	WRITE_ONCE(((u8 *)&task_thread_info(t)->flags)[7], note);
}

static __always_inline void arch_rseq_raise_section(struct task_struct *t)
{
	__rseq_store_note(t, _TIF_RSEQ_SECTION >> 56);
}

static __always_inline void arch_rseq_raise_ids(struct task_struct *t)
{
	__rseq_store_note(t, _TIF_RSEQ_IDS >> 56);
}

static __always_inline void arch_rseq_lower(struct task_struct *t)
{
	__rseq_store_note(t, 0);
}
#else
#define TIF_RSEQ_SECTION	6
#define TIF_RSEQ_IDS		7
#define _TIF_RSEQ_SECTION	BIT(TIF_RSEQ_SECTION)
#define _TIF_RSEQ_IDS		BIT(TIF_RSEQ_IDS)
#define _TIF_RSEQ		(_TIF_RSEQ_SECTION | _TIF_RSEQ_IDS)

static __always_inline void arch_rseq_raise_section(struct task_struct *t)
{
	set_tsk_thread_flag(t, TIF_RSEQ_SECTION);
}

static __always_inline void arch_rseq_raise_ids(struct task_struct *t)
{
	set_tsk_thread_flag(t, TIF_RSEQ_IDS);
}

static __always_inline void arch_rseq_lower(struct task_struct *t)
{
	atomic_long_andnot(_TIF_RSEQ,
			   (atomic_long_t *)&task_thread_info(t)->flags);
}
#endif

/**
 * arch_rseq_current - current, loaded anew
 *
 * The compiler knows that current does not change, and would keep it in a
 * register for what comes after the exit work. That has to be saved and
 * restored, by every exit to user mode.
 *
 * Return: current.
 */
static __always_inline struct task_struct *arch_rseq_current(void)
{
	return raw_cpu_read(pcpu_hot.current_task);
}

/*
 * Open and close a window for access to the registered area. That the area lies
 * in user space was checked when it was registered, so there is nothing left to
 * check here, and no check to speculate past.
 */
#define arch_rseq_access_begin()	__uaccess_begin()
#define arch_rseq_access_end()		__uaccess_end()

/**
 * arch_rseq_read_section - read rseq_cs
 * @rseq_cs:	the field of the registered area
 *
 * Context: within arch_rseq_access_begin() and arch_rseq_access_end().
 * Return: its value; or, when the access faults, an address that is not in user
 * space, so that the caller needs no second test.
 */
static __always_inline u64 arch_rseq_read_section(u64 __user *rseq_cs)
{
#ifdef CONFIG_X86_64
	u64 val;

	asm volatile("1:	movq %1, %0\n"
		     "2:\n"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_EFAULT_REG, %0)
		     : "=r" (val)
		     : "m" (*(__force u64 *)rseq_cs));
	return val;
#else
	u64 val;

	unsafe_get_user(val, rseq_cs, fault);
	return val;
fault:
	return (u64)-EFAULT;
#endif
}

#endif /* _ASM_X86_RSEQ_H */
