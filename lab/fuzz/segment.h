/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_SEGMENT_H
#define FUZZ_SEGMENT_H

/* The per-CPU segment, as Documentation/arch/x86/percpu-segment.rst has it. */

#include "rseq_test.h"
#include <asm/prctl.h>

#ifndef ARCH_SET_PERCPU_SEGMENT
#define ARCH_SET_PERCPU_SEGMENT		0x6001
#define ARCH_GET_PERCPU_SEGMENT		0x6002
#define ARCH_CLEAR_PERCPU_SEGMENT	0x6003
#endif

#define BY_MM_CID	1	/* PERCPU_SEGMENT_MM_CID */

struct segment {
	__u64 size;
	__u64 flags;
	__u64 base;
	__u64 stride;
};

#define SEGMENT_SIZE sizeof(struct segment)

/* A 32-bit program has the call, and no segment. */
static inline int segment_prctl(int option, __u64 arg)
{
	return syscall(SYS_arch_prctl, option, (unsigned long)arg) ? -errno : 0;
}

static inline bool segment_is_there(void)
{
	struct segment segment = { .size = SEGMENT_SIZE };

	return segment_prctl(ARCH_GET_PERCPU_SEGMENT, addr(&segment)) ==
	       -ENOENT;
}

#ifdef __x86_64__
static inline __u64 gs_base(void)
{
	__u64 base = -1;

	syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	return base;
}

static inline __u64 gs_load(void)
{
	__u64 value;

	asm volatile("movq %%gs:0, %0" : "=r" (value));
	return value;
}

static inline void gs_select(unsigned int selector)
{
	asm volatile("mov %0, %%gs" : : "r" (selector) : "memory");
}

static inline unsigned int data_selector(void)
{
	unsigned int selector;

	asm("mov %%ss, %0" : "=r" (selector));
	return selector;
}
#else
static inline __u64 gs_base(void)
{
	return 0;
}

static inline __u64 gs_load(void)
{
	return 0;
}
#endif

#endif /* FUZZ_SEGMENT_H */
