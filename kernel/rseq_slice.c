// SPDX-License-Identifier: GPL-2.0
/*
 * Restartable sequences: time slice extension
 *
 * See <linux/rseq_slice.h>. A grant begins on the way back from an interrupt
 * that wants to reschedule the thread. The request to reschedule is dropped then,
 * and comes back, at the latest, by the timer of the CPU:
 *
 *	interrupt, reschedule wanted
 *	  |
 *	granted already? --yes--> take it back, schedule
 *	  |
 *	request set, nothing else to do? --no--> schedule
 *	  |
 *	start the timer; in time for that? --no--> schedule
 *	  |
 *	drop the request to reschedule; may the scheduler? --no--> schedule
 *	  |
 *	request = 0, granted = 1
 *	  |
 *	user mode --system call---> take it back, schedule, do the call
 *		  --timer---------> interrupt, reschedule wanted (above)
 *		  --signal--------> take it back, schedule, build the frame
 *		  --page fault----> if it sleeps: granted = 0 when it returns
 *
 * So a thread gets one extension each time that it is scheduled, whatever it
 * writes to its area.
 */

#include <linux/debugfs.h>
#include <linux/entry-common.h>
#include <linux/hrtimer.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/percpu.h>
#include <linux/prctl.h>
#include <linux/rseq.h>
#include <linux/rseq_slice.h>
#include <linux/sched.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>

#include "rseq.h"

/* How long an extension lasts, in nanoseconds. */
#define RSEQ_SLICE_NS_MIN	(5 * NSEC_PER_USEC)
#define RSEQ_SLICE_NS_MAX	(50 * NSEC_PER_USEC)

/**
 * struct rseq_slice_timer - what takes a CPU back
 * @timer:	expires at the end of an extension
 * @t:		the thread that has the extension; only compared. Written on
 *		its own CPU with interrupts disabled.
 */
struct rseq_slice_timer {
	struct hrtimer		timer;
	struct task_struct	*t;
};

static DEFINE_PER_CPU(struct rseq_slice_timer, rseq_slice_timer);

DEFINE_STATIC_KEY_FALSE(rseq_slice_used);

static bool rseq_slice_wanted __ro_after_init = true;
static u32 rseq_slice_ns __read_mostly = RSEQ_SLICE_NS_MIN;

/*
 * A timer that waits for the next tick would not take the CPU back in time. The
 * kernel may find a good enough clock some time after it has booted.
 */
static bool rseq_slice_offered(void)
{
	return rseq_slice_wanted && hrtimer_resolution < RSEQ_SLICE_NS_MIN;
}

/* The same for a thread that asks, which is told why not in the log. */
static bool rseq_slice_asked(void)
{
	if (rseq_slice_offered())
		return true;
	if (rseq_slice_wanted)
		pr_info_once("rseq: no time slice extension: no high resolution timers\n");
	return false;
}

/* Patching the branch waits for CPU hotplug, so it is done once. */
static void rseq_slice_use(void)
{
	if (!static_key_enabled(&rseq_slice_used))
		static_branch_enable(&rseq_slice_used);
}

static enum hrtimer_restart rseq_slice_expired(struct hrtimer *timer)
{
	struct rseq_slice_timer *st;

	st = container_of(timer, struct rseq_slice_timer, timer);
	if (st->t == current && rseq_slice_granted(current)) {
		rseq_count(RSEQ_EVENT_SLICE_EXPIRED);
		set_tsk_need_resched(current);
		set_preempt_need_resched();
	}
	return HRTIMER_NORESTART;
}

/**
 * rseq_slice_default - the state that a new registration starts with
 * @len:	its length
 * @flags:	flags of the system call
 *
 * Context: may sleep.
 * Return: the value for rseq_state::slice.
 */
u8 rseq_slice_default(u32 len, int flags)
{
	if (len == RSEQ_ORIGINAL_LEN ||
	    !(flags & RSEQ_FLAG_SLICE_EXT_DEFAULT_ON) || !rseq_slice_asked())
		return 0;
	rseq_slice_use();
	return RSEQ_SLICE_ENABLED;
}

/**
 * rseq_slice_flags - what the flags field of an extended registration says
 * @slice:	value of rseq_state::slice
 *
 * Return: RSEQ_CS_FLAG_SLICE_EXT_*
 */
u32 rseq_slice_flags(u8 slice)
{
	if (!rseq_slice_offered())
		return 0;
	return RSEQ_CS_FLAG_SLICE_EXT_AVAILABLE |
	       (slice & RSEQ_SLICE_ENABLED ? RSEQ_CS_FLAG_SLICE_EXT_ENABLED : 0);
}

/* Interrupts are off, here and in the next, so nothing faults in. */
static bool rseq_slice_requested(struct rseq_slice_ctrl __user *ctrl)
{
	u8 request;

	arch_rseq_access_begin();
	unsafe_get_user(request, &ctrl->request, fault);
	arch_rseq_access_end();
	return request;
fault:
	arch_rseq_access_end();
	return false;
}

static bool rseq_slice_answer(struct rseq_slice_ctrl __user *ctrl)
{
	struct rseq_slice_ctrl granted = { .granted = 1 };

	arch_rseq_access_begin();
	unsafe_put_user(granted.all, &ctrl->all, fault);
	arch_rseq_access_end();
	return true;
fault:
	arch_rseq_access_end();
	return false;
}

/**
 * __rseq_slice_grant - put off the preemption of current, if it asked for that
 * @regs:	its user registers
 *
 * See rseq_slice_grant().
 *
 * Return: true if there is nothing left to reschedule.
 */
bool __rseq_slice_grant(struct pt_regs *regs)
{
	struct rseq_slice_ctrl __user *ctrl;
	struct task_struct *t = current;
	struct rseq_slice_timer *st;
	unsigned long flags;

	if (rseq_slice_granted(t)) {
		rseq_slice_revoke(t);
		return true;
	}
	/* Not after a system call. One of number -1 is none. */
	if (!(t->rseq.slice & RSEQ_SLICE_ENABLED) ||
	    syscall_get_nr(t, regs) != -1)
		return false;

	guard(irq)();
	flags = read_thread_flags();
	/* It may have been preempted on the way here: that was it. */
	if (!(flags & _TIF_NEED_RESCHED))
		return true;
	/*
	 * Not if there is more to do, and not for a thread that just got its
	 * CPU and has not been in user mode since. That is forgotten while its
	 * memory is faulted in; it is one extension for one reschedule still.
	 */
	if (flags & (_TIF_RSEQ | (EXIT_TO_USER_MODE_WORK & ~_TIF_NEED_RESCHED)))
		return false;
	ctrl = &t->rseq.area->slice_ctrl;
	if (!rseq_slice_requested(ctrl))
		return false;
	/*
	 * Not if the timer would wait for the next tick: this CPU may have come
	 * online just now. Which CPU it is on, a timer knows once it is started,
	 * so that is before anything is given up.
	 *
	 * Nor if the memory of the thread is read-only now, or has yet to be
	 * copied. Then the caller schedules, whether or not it is asked to any
	 * more.
	 */
	st = this_cpu_ptr(&rseq_slice_timer);
	st->t = t;
	hrtimer_start(&st->timer, READ_ONCE(rseq_slice_ns),
		      HRTIMER_MODE_REL_PINNED_HARD);
	if (!hrtimer_is_hres_active(&st->timer) ||
	    !sched_put_off_resched() || !rseq_slice_answer(ctrl)) {
		hrtimer_try_to_cancel(&st->timer);
		return false;
	}

	rseq_count(RSEQ_EVENT_SLICE_GRANTED);
	t->rseq.slice = RSEQ_SLICE_ENABLED | RSEQ_SLICE_GRANTED;
	/* If it loses its CPU all the same, that is noticed on its return. */
	t->rseq.mm_cid |= RSEQ_IDS_STALE;
	set_task_syscall_work(t, RSEQ_SLICE);
	return true;
}

/**
 * rseq_slice_revoke - take back what was granted, and the CPU
 * @t:	current, which was granted an extension
 *
 * Context: task context, may fault and sleep; reschedules.
 */
void rseq_slice_revoke(struct task_struct *t)
{
	rseq_count(RSEQ_EVENT_SLICE_REVOKED);
	scoped_guard(irq) {
		struct rseq_slice_timer *st = this_cpu_ptr(&rseq_slice_timer);

		t->rseq.slice &= ~RSEQ_SLICE_GRANTED;
		clear_task_syscall_work(t, RSEQ_SLICE);
		/* It may be on another CPU by now, whose timer is not its own. */
		if (st->t == t)
			hrtimer_try_to_cancel(&st->timer);
	}
	/*
	 * First of all: nothing else remembers that it was to be rescheduled,
	 * and the store may take its time to fault the page in.
	 */
	schedule();
	if (put_user(0, &t->rseq.area->slice_ctrl.granted))
		rseq_kill(RSEQ_FAULT_AREA, task_pt_regs(t), 0);
}

/**
 * rseq_slice_syscall_enter - take the CPU back, because of a system call
 * @syscall:	its number, before a tracer may change it
 *
 * Context: task context, at the entry of a system call of a thread that was
 * granted an extension. May fault and sleep.
 */
void rseq_slice_syscall_enter(long syscall)
{
	struct task_struct *t = current;
	bool yield;

	if (!rseq_slice_granted(t)) {
		/* What an earlier call left, which was filtered out. */
		t->rseq.slice &= ~RSEQ_SLICE_YIELDED;
		clear_task_syscall_work(t, RSEQ_SLICE);
		return;
	}

#ifdef __X32_SYSCALL_BIT
	syscall &= ~__X32_SYSCALL_BIT;
#endif
	/* Switched out since it was granted? Then there is a note of that. */
	yield = syscall == __NR_rseq_slice_yield &&
		!(read_thread_flags() & _TIF_RSEQ_IDS);
	rseq_slice_revoke(t);
	if (yield) {
		rseq_count(RSEQ_EVENT_SLICE_YIELDED);
		t->rseq.slice |= RSEQ_SLICE_YIELDED;
		/* For the next call, should this one be filtered out. */
		set_task_syscall_work(t, RSEQ_SLICE);
	}
}

/**
 * sys_rseq_slice_yield - give back a CPU that was granted for longer
 *
 * That has been done by rseq_slice_syscall_enter(), as for any other system
 * call, so that a filter of system calls does not keep it from being done.
 *
 * Return: 1 if the calling thread still had the grant, and was rescheduled; 0
 * if it had none, or lost it before.
 */
SYSCALL_DEFINE0(rseq_slice_yield)
{
	bool yielded = current->rseq.slice & RSEQ_SLICE_YIELDED;

	current->rseq.slice &= ~RSEQ_SLICE_YIELDED;
	clear_task_syscall_work(current, RSEQ_SLICE);
	return yielded;
}

static int rseq_slice_set(unsigned long value)
{
	struct task_struct *t = current;
	u8 slice;

	if (value & ~PR_RSEQ_SLICE_EXT_ENABLE)
		return -EINVAL;
	if (!rseq_slice_asked())
		return -ENOTSUPP;
	if (!t->rseq.area)
		return -ENXIO;
	if (t->rseq.len == RSEQ_ORIGINAL_LEN)
		return -ENOTSUPP;

	slice = value ? RSEQ_SLICE_ENABLED : 0;
	if (put_user(rseq_slice_flags(slice), &t->rseq.area->flags))
		return -EFAULT;
	if (slice)
		rseq_slice_use();
	t->rseq.slice = slice;
	return 0;
}

/**
 * rseq_slice_prctl - PR_RSEQ_SLICE_EXTENSION
 * @operation:	%PR_RSEQ_SLICE_EXTENSION_GET or %PR_RSEQ_SLICE_EXTENSION_SET
 * @value:	%PR_RSEQ_SLICE_EXT_ENABLE or 0; 0 to get
 *
 * Context: task context, may fault and sleep. No grant is left: this is a
 * system call.
 * Return: to get, the value that was set. To set, 0; -EINVAL for bad arguments;
 * -ENOTSUPP if there is no time slice extension, or not for a registration of
 * the original length; -ENXIO without one; -EFAULT.
 */
int rseq_slice_prctl(unsigned long operation, unsigned long value)
{
	switch (operation) {
	case PR_RSEQ_SLICE_EXTENSION_GET:
		if (value)
			return -EINVAL;
		return current->rseq.slice & RSEQ_SLICE_ENABLED ?
			PR_RSEQ_SLICE_EXT_ENABLE : 0;
	case PR_RSEQ_SLICE_EXTENSION_SET:
		return rseq_slice_set(value);
	default:
		return -EINVAL;
	}
}

static int __init rseq_slice_setup(char *str)
{
	if (kstrtobool(str, &rseq_slice_wanted)) {
		pr_err("rseq_slice_ext=%s: neither 0 nor 1\n", str);
		return 0;
	}
	return 1;
}
__setup("rseq_slice_ext=", rseq_slice_setup);

static int rseq_slice_ns_get(void *unused, u64 *val)
{
	*val = READ_ONCE(rseq_slice_ns);
	return 0;
}

static int rseq_slice_ns_set(void *unused, u64 val)
{
	if (val < RSEQ_SLICE_NS_MIN || val > RSEQ_SLICE_NS_MAX)
		return -ERANGE;
	WRITE_ONCE(rseq_slice_ns, val);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(rseq_slice_ns_fops, rseq_slice_ns_get,
			 rseq_slice_ns_set, "%llu\n");

static int __init rseq_slice_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct rseq_slice_timer *st = per_cpu_ptr(&rseq_slice_timer, cpu);

		hrtimer_init(&st->timer, CLOCK_MONOTONIC,
			     HRTIMER_MODE_REL_PINNED_HARD);
		st->timer.function = rseq_slice_expired;
	}
	return 0;
}
early_initcall(rseq_slice_init);

static int __init rseq_slice_debug_init(void)
{
	if (rseq_slice_wanted)
		debugfs_create_file_unsafe("slice_ext_nsec", 0600,
					   rseq_debug_dir(), NULL,
					   &rseq_slice_ns_fops);
	return 0;
}

/* After debugfs itself. */
fs_initcall(rseq_slice_debug_init);
