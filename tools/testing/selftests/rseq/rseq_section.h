/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Critical sections that wait or take their time, for an event to come in
 * between.
 */
#ifndef RSEQ_SECTION_H
#define RSEQ_SECTION_H

#include "rseq_test.h"

/*
 * int rseq_until(struct rseq_area *area, const struct rseq_cs *descriptor,
 *		  __shared int *go);
 *
 * A critical section that ends when *go is set. Returns 0 if it saw that, and
 * 1 if it was aborted before. So if an abort has to be done by the time that
 * *go is set, then it returns 1, without any doubt about when the other CPU got
 * the news.
 */
__asm__(".pushsection .text, \"ax\", @progbits\n"
	"rseq_until:\n"
#ifdef __x86_64__
	"	movq %rsi, 8(%rdi)\n"
	"rseq_until_start:\n"
	"	cmpl $0, (%rdx)\n"
#else
	"	movl 4(%esp), %ecx\n"
	"	movl 8(%esp), %eax\n"
	"	movl 12(%esp), %edx\n"
	"	movl %eax, 8(%ecx)\n"
	"rseq_until_start:\n"
	"	cmpl $0, (%edx)\n"
#endif
	"	je rseq_until_start\n"
	"rseq_until_end:\n"
	"	xorl %eax, %eax\n"
	"	ret\n"
	"	.long 0x53053053\n"
	"rseq_until_abort:\n"
	"	movl $1, %eax\n"
	"	ret\n"
	".popsection\n");

int rseq_until(struct rseq_area *area, const struct rseq_cs *descriptor,
	       __shared int *go);
extern char rseq_until_start[], rseq_until_end[], rseq_until_abort[];

/*
 * int rseq_load(struct rseq_area *area, const struct rseq_cs *descriptor,
 *		 __shared void *pointer, long *value);
 *
 * In a critical section, loads a pointer, takes its time, and loads and stores
 * what it points to. Returns 0, or 1 when aborted.
 */
__asm__(".pushsection .text, \"ax\", @progbits\n"
	"rseq_load:\n"
#ifdef __x86_64__
	"	movq %rsi, 8(%rdi)\n"
	"rseq_load_start:\n"
	"	movq (%rdx), %rax\n"
	"	movl $100, %edx\n"
	"1:	decl %edx\n"
	"	jnz 1b\n"
	"	movq (%rax), %rax\n"
	"	movq %rax, (%rcx)\n"
#else
	"	movl 4(%esp), %ecx\n"
	"	movl 8(%esp), %eax\n"
	"	movl 12(%esp), %edx\n"
	"	movl %eax, 8(%ecx)\n"
	"rseq_load_start:\n"
	"	movl (%edx), %eax\n"
	"	movl $100, %edx\n"
	"1:	decl %edx\n"
	"	jnz 1b\n"
	"	movl (%eax), %eax\n"
	"	movl 16(%esp), %edx\n"
	"	movl %eax, (%edx)\n"
#endif
	"rseq_load_end:\n"
	"	xorl %eax, %eax\n"
	"	ret\n"
	"	.long 0x53053053\n"
	"rseq_load_abort:\n"
	"	movl $1, %eax\n"
	"	ret\n"
	".popsection\n");

int rseq_load(struct rseq_area *area, const struct rseq_cs *descriptor,
	      __shared void *pointer, long *value);
extern char rseq_load_start[], rseq_load_end[], rseq_load_abort[];

#endif /* RSEQ_SECTION_H */
