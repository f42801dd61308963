/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_ASM_X86_PERCPU_SEGMENT_H
#define _UAPI_ASM_X86_PERCPU_SEGMENT_H

/*
 * A GS base that follows the CPU: what ARCH_SET_PERCPU_SEGMENT of
 * arch_prctl() takes, and ARCH_GET_PERCPU_SEGMENT gives.
 *
 * See Documentation/arch/x86/percpu-segment.rst.
 */

#include <linux/types.h>

/* The index is the thread's mm_cid, and not the number of its CPU. */
#define PERCPU_SEGMENT_MM_CID	0x1

/**
 * struct percpu_segment - where the GS base of a thread is kept
 * @size:	size of the structure, as the caller knows it
 * @flags:	0 or %PERCPU_SEGMENT_MM_CID
 * @base:	the GS base for index 0
 * @stride:	bytes from the GS base for one index to that for the next
 *
 * While the thread is in user mode, its GS base is @base + index * @stride. The
 * structure grows at its end; what the caller does not know is taken as 0.
 */
struct percpu_segment {
	__u64 size;
	__u64 flags;
	__u64 base;
	__u64 stride;
};

#define PERCPU_SEGMENT_SIZE_VER0	32

#endif /* _UAPI_ASM_X86_PERCPU_SEGMENT_H */
