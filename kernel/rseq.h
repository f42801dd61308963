/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_RSEQ_H
#define _KERNEL_RSEQ_H

/* Private to kernel/rseq*.c. */

#include <linux/types.h>
#include <uapi/linux/rseq.h>

/**
 * enum rseq_verdict - what to do with an armed critical section
 * @RSEQ_CLEAR:		the thread is outside of it: disarm it
 * @RSEQ_ABORT:		the thread is inside: disarm it, go to the abort address
 * @RSEQ_BAD_VERSION:	from here on, the descriptor is invalid: @version
 * @RSEQ_BAD_FLAGS:	@flags
 * @RSEQ_BAD_RANGE:	the section does not lie in user space
 * @RSEQ_BAD_ABORT_IP:	the abort address is not in user space, or is inside
 *			the section
 * @RSEQ_BAD_SIGNATURE:	the abort address lacks the registered signature
 */
enum rseq_verdict {
	RSEQ_CLEAR,
	RSEQ_ABORT,
	RSEQ_BAD_VERSION,
	RSEQ_BAD_FLAGS,
	RSEQ_BAD_RANGE,
	RSEQ_BAD_ABORT_IP,
	RSEQ_BAD_SIGNATURE,
};

/**
 * rseq_abort_ip_valid - can there be a signature before an abort address?
 * @abort_ip:	the abort address
 * @limit:	first address above user space
 */
static inline bool rseq_abort_ip_valid(u64 abort_ip, u64 limit)
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
 */
static inline enum rseq_verdict
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

#endif /* _KERNEL_RSEQ_H */
