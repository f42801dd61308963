/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_TRAP_H
#define FUZZ_TRAP_H

#include "rseq_test.h"

/*
 * int rseq_trap(__u64 __shared *rseq_cs, __u64 descriptor, int how);
 *
 * Arms the descriptor, and traps: @how 0 makes SIGILL, 1 SIGTRAP (which is
 * reported behind its instruction), 2 SIGSEGV. Returns 0, or 1 when aborted.
 * The descriptor decides where in a section, or outside, this happens.
 */
__asm__(".pushsection .text, \"ax\", @progbits\n"
#ifdef __x86_64__
#define ARM	"	movq %rsi, (%rdi)\n"
	"rseq_trap:\n"
	"	cmpl $1, %edx\n"
#else
#define ARM	"	movl %eax, 4(%ecx)\n	movl %edx, (%ecx)\n"
	"rseq_trap:\n"
	"	movl 4(%esp), %ecx\n"
	"	movl 8(%esp), %edx\n"
	"	movl 12(%esp), %eax\n"
	"	cmpl $1, 16(%esp)\n"
#endif
	"	je 1f\n"
	"	ja 2f\n"
	ARM
	"rseq_trap_ill:\n"
	"	ud2\n"
	"	jmp rseq_trap_past\n"
	"1:\n"
	ARM
	"	int3\n"
	"rseq_trap_int3:\n"
	"	jmp rseq_trap_past\n"
	"2:\n"
	ARM
	"rseq_trap_hlt:\n"
	"	hlt\n"
	"rseq_trap_past:\n"
	"	xorl %eax, %eax\n"
	"	ret\n"
	"	nop\n"
	"rseq_trap_end:\n"
	"	.long 0x53053053\n"
	"rseq_trap_abort:\n"
	"	movl $1, %eax\n"
	"	ret\n"
	".popsection\n");

int rseq_trap(__u64 __shared *rseq_cs, __u64 descriptor, int how);
extern char rseq_trap_ill[], rseq_trap_int3[], rseq_trap_hlt[];
extern char rseq_trap_past[], rseq_trap_end[], rseq_trap_abort[];

#endif /* FUZZ_TRAP_H */
