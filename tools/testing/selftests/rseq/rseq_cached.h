/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a memory allocator does with the eight bytes that end in cpu_id_start.
 */
#ifndef RSEQ_CACHED_H
#define RSEQ_CACHED_H

#include "rseq_test.h"

#define CACHED 0x80000000U

/**
 * struct cached_area - a registered area, and the word before it
 * @line: keeps the area in one cache line with the word before it
 * @slab: low half of the address; the rest, and CACHED, is in cpu_id_start
 * @area: what is registered
 */
struct cached_area {
	alignas(64) char line[28];
	__u32 __shared slab;
	struct rseq_area area;
};

static_assert(offsetof(struct cached_area, area) == 32, "alignment of area");

/*
 * int rseq_cache(struct rseq_area *area, const struct rseq_cs *descriptor,
 *		  char *__shared *slabs);
 *
 * In a critical section, stores the address of the slab of this CPU before the
 * area, and over the beginning of it. Returns 0, or 1 when aborted.
 *
 * int rseq_add_cached(struct rseq_area *area, const struct rseq_cs *descriptor);
 *
 * In a critical section, adds one to the first word of the slab that has been
 * stored. Returns 0, 1 when aborted, or 2 when there is none.
 */
__asm__(".pushsection .text, \"ax\", @progbits\n"
	"rseq_cache:\n"
#ifdef __x86_64__
	"	movq %rsi, 8(%rdi)\n"
	"rseq_cache_start:\n"
	"	movl 4(%rdi), %eax\n"
	"	shlq $7, %rax\n"
	"	addq (%rdx), %rax\n"
	"	btsq $63, %rax\n"
	"	movq %rax, -4(%rdi)\n"
#else
	"	movl 4(%esp), %ecx\n"
	"	movl 8(%esp), %eax\n"
	"	movl 12(%esp), %edx\n"
	"	movl %eax, 8(%ecx)\n"
	"rseq_cache_start:\n"
	"	movl 4(%ecx), %eax\n"
	"	shll $7, %eax\n"
	"	addl (%edx), %eax\n"
	"	movl %eax, -4(%ecx)\n"
	"	movl $0x80000000, (%ecx)\n"
#endif
	"rseq_cache_end:\n"
	"	xorl %eax, %eax\n"
	"	ret\n"
	"rseq_add_cached:\n"
#ifdef __x86_64__
	"	movq %rsi, 8(%rdi)\n"
	"rseq_add_start:\n"
	"	movq -4(%rdi), %rax\n"
	"	btrq $63, %rax\n"
	"	jnc rseq_add_not_cached\n"
	"	incq (%rax)\n"
#else
	"	movl 4(%esp), %ecx\n"
	"	movl 8(%esp), %eax\n"
	"	movl %eax, 8(%ecx)\n"
	"rseq_add_start:\n"
	"	testl $0x80000000, (%ecx)\n"
	"	jz rseq_add_not_cached\n"
	"	movl -4(%ecx), %eax\n"
	"	incl (%eax)\n"
#endif
	"rseq_add_end:\n"
	"	xorl %eax, %eax\n"
	"	ret\n"
	"rseq_add_not_cached:\n"
	"	movl $2, %eax\n"
	"	ret\n"
	"	.long 0x53053053\n"
	"rseq_cached_abort:\n"
	"	movl $1, %eax\n"
	"	ret\n"
	".popsection\n");

int rseq_cache(struct rseq_area *area, const struct rseq_cs *descriptor,
	       char *__shared *slabs);
int rseq_add_cached(struct rseq_area *area, const struct rseq_cs *descriptor);
extern char rseq_cache_start[], rseq_cache_end[];
extern char rseq_add_start[], rseq_add_end[], rseq_cached_abort[];

#endif /* RSEQ_CACHED_H */
