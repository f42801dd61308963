/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_RSEQ_H
#define _KERNEL_RSEQ_H

/* Private to kernel/rseq*.c. */

#include <linux/percpu.h>
#include <linux/rseq.h>
#include <linux/types.h>

struct dentry;

/**
 * enum rseq_verdict - what was found, and is to be done, about a thread
 * @RSEQ_CLEAR:		outside of its critical section: disarm it
 * @RSEQ_ABORT:		inside: disarm it, go to the abort address
 * @RSEQ_BAD_VERSION:	from here on, the thread cannot go on: @version
 * @RSEQ_BAD_FLAGS:	@flags
 * @RSEQ_BAD_RANGE:	the section does not lie in user space
 * @RSEQ_BAD_ABORT_IP:	the abort address is not in user space, or is inside
 *			the section
 * @RSEQ_BAD_SIGNATURE:	the abort address lacks the registered signature
 * @RSEQ_BAD_DESCRIPTOR: rseq_cs is not an address in user space
 * @RSEQ_BAD_IDS:	user space changed an ID field
 * @RSEQ_BAD_SYSCALL:	a system call inside of a critical section
 * @RSEQ_FAULT_AREA:	the area cannot be read or written. This one and those
 *			that follow may go away when page faults are enabled.
 * @RSEQ_FAULT_DESCRIPTOR: the descriptor cannot be read
 * @RSEQ_FAULT_SIGNATURE: the memory before the abort address cannot be read
 * @RSEQ_VERDICTS:	how many there are
 */
enum rseq_verdict {
	RSEQ_CLEAR,
	RSEQ_ABORT,
	RSEQ_BAD_VERSION,
	RSEQ_BAD_FLAGS,
	RSEQ_BAD_RANGE,
	RSEQ_BAD_ABORT_IP,
	RSEQ_BAD_SIGNATURE,
	RSEQ_BAD_DESCRIPTOR,
	RSEQ_BAD_IDS,
	RSEQ_BAD_SYSCALL,
	RSEQ_FAULT_AREA,
	RSEQ_FAULT_DESCRIPTOR,
	RSEQ_FAULT_SIGNATURE,
	RSEQ_VERDICTS,
};

/**
 * rseq_failed - does a verdict mean that the thread cannot go on?
 * @verdict:	the verdict
 *
 * Return: true if it does.
 */
static __always_inline bool rseq_failed(enum rseq_verdict verdict)
{
	return verdict > RSEQ_ABORT;
}

/**
 * rseq_abort_ip_valid - can there be a signature before an abort address?
 * @abort_ip:	the abort address
 * @limit:	first address above user space
 *
 * Return: true if there can.
 */
static __always_inline bool rseq_abort_ip_valid(u64 abort_ip, u64 limit)
{
	return abort_ip >= sizeof(u32) && abort_ip < limit;
}

/**
 * rseq_judge - decide what to do with an armed critical section
 * @cs:		its descriptor: any 32 bytes
 * @ip:		user instruction pointer of the interrupted thread
 * @limit:	first address above the thread's user space
 * @found:	the four bytes before @cs->abort_ip; any value if
 *		rseq_abort_ip_valid() is false
 * @sig:	the registered signature
 *
 * A descriptor is judged as a whole before @ip is looked at, so that an invalid
 * one is found the first time the thread is interrupted with it, and not only
 * when that happens within the section.
 *
 * Context: any; no side effects.
 * Return: the verdict.
 */
static __always_inline enum rseq_verdict
rseq_judge(const struct rseq_cs *cs, u64 ip, u64 limit, u32 found, u32 sig)
{
	if (cs->version)
		return RSEQ_BAD_VERSION;
	if (cs->flags)
		return RSEQ_BAD_FLAGS;
	/* In this order neither comparison can be fooled by an overflow. */
	if (cs->start_ip >= limit ||
	    cs->post_commit_offset >= limit - cs->start_ip)
		return RSEQ_BAD_RANGE;
	if (!rseq_abort_ip_valid(cs->abort_ip, limit))
		return RSEQ_BAD_ABORT_IP;
	/* Below start_ip the difference is huge, and so outside as well. */
	if (cs->abort_ip - cs->start_ip < cs->post_commit_offset)
		return RSEQ_BAD_ABORT_IP;
	if (found != sig)
		return RSEQ_BAD_SIGNATURE;
	if (ip - cs->start_ip < cs->post_commit_offset)
		return RSEQ_ABORT;
	return RSEQ_CLEAR;
}

/**
 * enum rseq_event - what is counted, with CONFIG_RSEQ_STATS
 * @RSEQ_EVENT_EXIT:		returns to user mode with something to do, or
 *				looks again if more came meanwhile
 * @RSEQ_EVENT_IDS:		ID fields written
 * @RSEQ_EVENT_CLEAR:		critical section left behind and disarmed
 * @RSEQ_EVENT_ABORT_PREEMPT:	critical section restarted after preemption
 * @RSEQ_EVENT_ABORT_MIGRATE:	... after migration
 * @RSEQ_EVENT_ABORT_SIGNAL:	... before signal delivery
 * @RSEQ_EVENT_FAULT:		work done again with page faults enabled
 * @RSEQ_EVENT_KILL:		SIGSEGV sent
 * @RSEQ_EVENT_SLICE_GRANTED:	time slice extended
 * @RSEQ_EVENT_SLICE_EXPIRED:	... and used up
 * @RSEQ_EVENT_SLICE_REVOKED:	... and taken back, for whatever reason
 * @RSEQ_EVENT_SLICE_YIELDED:	... and given back by rseq_slice_yield()
 * @RSEQ_EVENTS:		how many there are
 */
enum rseq_event {
	RSEQ_EVENT_EXIT,
	RSEQ_EVENT_IDS,
	RSEQ_EVENT_CLEAR,
	RSEQ_EVENT_ABORT_PREEMPT,
	RSEQ_EVENT_ABORT_MIGRATE,
	RSEQ_EVENT_ABORT_SIGNAL,
	RSEQ_EVENT_FAULT,
	RSEQ_EVENT_KILL,
	RSEQ_EVENT_SLICE_GRANTED,
	RSEQ_EVENT_SLICE_EXPIRED,
	RSEQ_EVENT_SLICE_REVOKED,
	RSEQ_EVENT_SLICE_YIELDED,
	RSEQ_EVENTS,
};

#ifdef CONFIG_RSEQ_STATS
DECLARE_PER_CPU(unsigned long [RSEQ_EVENTS], rseq_stats);

/**
 * rseq_count - count an event
 * @event:	the event
 *
 * Context: any.
 */
static inline void rseq_count(enum rseq_event event)
{
	this_cpu_inc(rseq_stats[event]);
}
#else
static inline void rseq_count(enum rseq_event event) { }
#endif

enum rseq_verdict rseq_check_syscall(struct task_struct *t,
				     struct pt_regs *regs);
struct dentry *rseq_debug_dir(void);
void rseq_kill(enum rseq_verdict verdict, struct pt_regs *regs, int sig);

#endif /* _KERNEL_RSEQ_H */
