/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rseq

#if !defined(_TRACE_RSEQ_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_RSEQ_H

#include <linux/kernel.h>
#include <linux/tracepoint.h>
#include <uapi/linux/rseq.h>

int rseq_observe(void);
void rseq_unobserve(void);

/*
 * The ID fields of the current thread were written. While this is enabled, all
 * of them are written by the slow path, so that it costs nothing when it is not.
 */
TRACE_EVENT_FN(rseq_update,
	       TP_PROTO(u32 cpu_id, u32 node_id, u32 mm_cid),
	       TP_ARGS(cpu_id, node_id, mm_cid),
	       TP_STRUCT__entry(__field(s32, cpu_id)
				__field(s32, node_id)
				__field(s32, mm_cid)
	       ),
	       TP_fast_assign(__entry->cpu_id = cpu_id;
			      __entry->node_id = node_id;
			      __entry->mm_cid = mm_cid;
	       ),
	       TP_printk("cpu_id=%d node_id=%d mm_cid=%d", __entry->cpu_id,
			 __entry->node_id, __entry->mm_cid),
	       rseq_observe, rseq_unobserve
);

/*
 * A critical section of the current thread is restarted: the thread was at
 * @regs_ip, and resumes at @abort_ip. The slow path keeps track of the cause.
 */
TRACE_EVENT_FN(rseq_ip_fixup,
	       TP_PROTO(unsigned long regs_ip, u64 descriptor,
			const struct rseq_cs *cs, const char *cause),
	       TP_ARGS(regs_ip, descriptor, cs, cause),
	       TP_STRUCT__entry(__field(unsigned long, regs_ip)
				__field(u64, descriptor)
				__field(u64, start_ip)
				__field(u64, post_commit_offset)
				__field(u64, abort_ip)
				__string(cause, cause)
	       ),
	       TP_fast_assign(__entry->regs_ip = regs_ip;
			      __entry->descriptor = descriptor;
			      __entry->start_ip = cs->start_ip;
			      __entry->post_commit_offset = cs->post_commit_offset;
			      __entry->abort_ip = cs->abort_ip;
			      __assign_str(cause);
	       ),
	       TP_printk("regs_ip=0x%lx descriptor=0x%llx start_ip=0x%llx post_commit_offset=%llu abort_ip=0x%llx cause=%s",
			 __entry->regs_ip, __entry->descriptor, __entry->start_ip,
			 __entry->post_commit_offset, __entry->abort_ip,
			 __get_str(cause)),
	       rseq_observe, rseq_unobserve
);

#endif /* _TRACE_RSEQ_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
