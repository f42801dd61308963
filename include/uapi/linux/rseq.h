/* SPDX-License-Identifier: GPL-2.0+ WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_RSEQ_H
#define _UAPI_LINUX_RSEQ_H

/*
 * Restartable sequences: what a thread and the kernel share.
 *
 * See Documentation/userspace-api/rseq.rst.
 */

#include <linux/types.h>

/**
 * enum rseq_cpu_id_state - values of &struct rseq.cpu_id that are no CPU
 * @RSEQ_CPU_ID_UNINITIALIZED:		the area is not registered
 * @RSEQ_CPU_ID_REGISTRATION_FAILED:	for user space, to remember that
 *					registration was tried and refused;
 *					the kernel never stores it
 */
enum rseq_cpu_id_state {
	RSEQ_CPU_ID_UNINITIALIZED		= -1,
	RSEQ_CPU_ID_REGISTRATION_FAILED		= -2,
};

/**
 * enum rseq_flags - the @flags argument of rseq()
 * @RSEQ_FLAG_UNREGISTER:		undo the registration of the calling
 *					thread; no other flag goes with it
 * @RSEQ_FLAG_SLICE_EXT_DEFAULT_ON:	enable the time slice extension of the
 *					thread, if it is available
 */
enum rseq_flags {
	RSEQ_FLAG_UNREGISTER			= (1 << 0),
	RSEQ_FLAG_SLICE_EXT_DEFAULT_ON		= (1 << 1),
};

/*
 * The first three are historical flags of a critical section. A descriptor that
 * has any of them set is invalid. The others are in &struct rseq.flags.
 */
enum rseq_cs_flags_bit {
	RSEQ_CS_FLAG_NO_RESTART_ON_PREEMPT_BIT	= 0,
	RSEQ_CS_FLAG_NO_RESTART_ON_SIGNAL_BIT	= 1,
	RSEQ_CS_FLAG_NO_RESTART_ON_MIGRATE_BIT	= 2,
	RSEQ_CS_FLAG_SLICE_EXT_AVAILABLE_BIT	= 4,
	RSEQ_CS_FLAG_SLICE_EXT_ENABLED_BIT	= 5,
};

enum rseq_cs_flags {
	RSEQ_CS_FLAG_NO_RESTART_ON_PREEMPT	=
		(1U << RSEQ_CS_FLAG_NO_RESTART_ON_PREEMPT_BIT),
	RSEQ_CS_FLAG_NO_RESTART_ON_SIGNAL	=
		(1U << RSEQ_CS_FLAG_NO_RESTART_ON_SIGNAL_BIT),
	RSEQ_CS_FLAG_NO_RESTART_ON_MIGRATE	=
		(1U << RSEQ_CS_FLAG_NO_RESTART_ON_MIGRATE_BIT),
	RSEQ_CS_FLAG_SLICE_EXT_AVAILABLE	=
		(1U << RSEQ_CS_FLAG_SLICE_EXT_AVAILABLE_BIT),
	RSEQ_CS_FLAG_SLICE_EXT_ENABLED		=
		(1U << RSEQ_CS_FLAG_SLICE_EXT_ENABLED_BIT),
};

/**
 * struct rseq_cs - descriptor of one critical section
 * @version:		0
 * @flags:		0
 * @start_ip:		address of the first instruction of the section
 * @post_commit_offset:	length of the section in bytes: from @start_ip to
 *			behind the instruction that commits
 * @abort_ip:		where an interrupted section resumes; outside of the
 *			section, and preceded in memory by the four bytes of
 *			the registered signature
 *
 * Written by user space (usually by the assembler, as constant data), read by
 * the kernel.
 */
struct rseq_cs {
	__u32 version;
	__u32 flags;
	__u64 start_ip;
	__u64 post_commit_offset;
	__u64 abort_ip;
} __attribute__((aligned(4 * sizeof(__u64))));

/**
 * struct rseq_slice_ctrl - asking for a little more time before preemption
 * @all:	all of it
 * @request:	set by the thread when it enters a section in which it would
 *		not like to lose its CPU, cleared when it leaves it; cleared by
 *		the kernel when it grants the request
 * @granted:	set by the kernel when it has put off the preemption of the
 *		thread, cleared by it when it has taken the CPU back. A thread
 *		that leaves the section with this set calls rseq_slice_yield().
 * @reserved:	0
 */
struct rseq_slice_ctrl {
	union {
		__u32 all;
		struct {
			__u8 request;
			__u8 granted;
			__u16 reserved;
		};
	};
};

/**
 * struct rseq - the area that a thread shares with the kernel
 * @cpu_id_start:	the CPU that the thread runs on, or 0 while the area is
 *			not registered: always a valid index. A critical
 *			section that loads it before it is armed compares it
 *			with @cpu_id afterwards. Written by the kernel.
 * @cpu_id:		the CPU that the thread runs on, or a value of
 *			&enum rseq_cpu_id_state. Written by the kernel.
 * @rseq_cs:		address of the descriptor of the critical section that
 *			the thread is about to enter, or 0. Set by the thread;
 *			cleared by the kernel when it restarts the section, and
 *			when it finds the thread outside of it. A 32-bit program
 *			writes the lower half and leaves the upper one zero.
 * @flags:		RSEQ_CS_FLAG_SLICE_EXT_*: is the time slice extension
 *			available, and enabled for the thread? Written by the
 *			kernel, for a registration longer than 32 bytes.
 * @node_id:		the NUMA node of @cpu_id. Written by the kernel.
 * @mm_cid:		concurrency id: unique among the threads of the process
 *			that run at the same time, below the number of possible
 *			CPUs, and as a rule below the number of threads.
 *			Written by the kernel.
 * @slice_ctrl:		time slice extension. Written by both.
 * @reserved:		not used yet
 * @end:		not a field: its offset is AT_RSEQ_FEATURE_SIZE
 *
 * All stores to the area are made by its own thread, or by the kernel on its
 * behalf before it returns to user mode. So plain loads and stores are enough,
 * as long as the compiler does not tear or repeat them.
 *
 * The structure grows at its end. Its original size, with padding, is 32 bytes.
 */
struct rseq {
	__u32 cpu_id_start;
	__u32 cpu_id;
	__u64 rseq_cs;
	__u32 flags;
	__u32 node_id;
	__u32 mm_cid;
	struct rseq_slice_ctrl slice_ctrl;
	__u8 reserved;
	char end[];
} __attribute__((aligned(4 * sizeof(__u64))));

#endif /* _UAPI_LINUX_RSEQ_H */
