/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RSEQ_COUNT_H
#define RSEQ_COUNT_H

#include "rseq_test.h"

/*
 * int rseq_count(struct rseq_area *area, const struct rseq_cs *descriptor,
 *		  size_t id, unsigned long *counters);
 *
 * In a critical section, adds one to the counter that belongs to the ID which
 * stands at this offset of the area. Returns 0, or 1 when aborted.
 * The jump is for emulators, some of which see to interrupts at jumps only.
 */
__asm__(".pushsection .text, \"ax\", @progbits\n"
	"rseq_count:\n"
#ifdef __x86_64__
	"	movq %rsi, 8(%rdi)\n"
	"rseq_count_start:\n"
	"	movl (%rdi,%rdx), %eax\n"
	"	shlq $7, %rax\n"
	"	addq %rcx, %rax\n"
	"	movq (%rax), %rdx\n"
	"	incq %rdx\n"
	"	jmp rseq_count_middle\n"
	"rseq_count_middle:\n"
	"	movq %rdx, (%rax)\n"
#else
	"	movl 4(%esp), %ecx\n"
	"	movl 8(%esp), %eax\n"
	"	movl 12(%esp), %edx\n"
	"	movl %eax, 8(%ecx)\n"
	"rseq_count_start:\n"
	"	movl (%ecx,%edx), %edx\n"
	"	shll $7, %edx\n"
	"	addl 16(%esp), %edx\n"
	"	movl (%edx), %eax\n"
	"	incl %eax\n"
	"	jmp rseq_count_middle\n"
	"rseq_count_middle:\n"
	"	movl %eax, (%edx)\n"
#endif
	"rseq_count_end:\n"
	"	xorl %eax, %eax\n"
	"	ret\n"
	"	.long 0x53053053\n"
	"rseq_count_abort:\n"
	"	movl $1, %eax\n"
	"	ret\n"
	".popsection\n");

int rseq_count(struct rseq_area *area, const struct rseq_cs *descriptor,
	       size_t id, unsigned long *counters);
extern char rseq_count_start[], rseq_count_end[], rseq_count_abort[];

#endif /* RSEQ_COUNT_H */
