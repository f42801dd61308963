/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_RSEQ_TYPES_H
#define _LINUX_RSEQ_TYPES_H

#include <linux/types.h>

struct rseq;

#ifdef CONFIG_RSEQ
/* In rseq_state::segment: the GS base depends on ... */
#define RSEQ_SEGMENT_CPU_ID	1	/* ... the CPU */
#define RSEQ_SEGMENT_MM_CID	2	/* ... the mm_cid */

/**
 * struct rseq_state - what the kernel keeps of a thread's registration
 * @area:	user address of the registered struct rseq, NULL if there is
 *		none. Was checked to lie in user space. Written by the thread
 *		itself, with preemption disabled.
 * @len:	registered length in bytes. Written with @area.
 * @sig:	registered signature. Written with @area.
 * @mm_cid:	the concurrency id that was last written to @area, or anything
 *		with %RSEQ_IDS_STALE set when the IDs have to be written anew:
 *		in an original registration that is so all the time, and that is
 *		what makes it write them at every switch. Written by the thread
 *		itself; the bit is set by the scheduler as well, under the
 *		runqueue lock or pi_lock, while the thread is not running, and
 *		by fork in the child.
 * @cpu_id:	%RSEQ_CPU_UNKNOWN if it is not known what @area says; else, of
 *		an extended registration, the CPU that was last written to it.
 *		Written by the thread itself, and by fork in the child.
 * @node_id:	likewise, the node
 * @tracked:	is there anything to do at a context switch, because of @area or
 *		@segment? Written with these.
 * @segment:	is there a per-CPU segment (see <asm/percpu_segment.h>), and
 *		which ID does it follow? 0 for none. Written by the thread
 *		itself, with preemption disabled.
 * @slow:	write the ID fields on the slow path. Written by the thread
 *		itself; also set by fork in the child, and, for all threads,
 *		when a tracer comes.
 * @slice:	state of the time slice extension: see <linux/rseq_slice.h>.
 *		Written by the thread itself, with interrupts disabled when
 *		the timer of the extension may look at it.
 */
struct rseq_state {
	struct rseq __user	*area;
	u32			len;
	u32			sig;
	u32			mm_cid;
	u16			cpu_id;
	u16			node_id;
	bool			tracked;
	u8			segment;
	bool			slow;
	u8			slice;
};
#else
struct rseq_state { };
#endif

#endif /* _LINUX_RSEQ_TYPES_H */
