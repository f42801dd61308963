/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RSEQ_CALL_H
#define RSEQ_CALL_H

#include "rseq_test.h"

/*
 * long rseq_call(struct rseq_area *area, const struct rseq_cs *descriptor,
 *		  long nr);
 *
 * Arms the descriptor, and makes a system call without arguments. Returns what
 * that returns, or -1 when aborted.
 */
__asm__(".pushsection .text, \"ax\", @progbits\n"
	"rseq_call:\n"
#ifdef __x86_64__
	"	movq %rdx, %rax\n"
	"	movq %rsi, 8(%rdi)\n"
	"rseq_call_start:\n"
	"	nop\n"
	"rseq_call_insn:\n"
	"	syscall\n"
#else
	"	movl 4(%esp), %ecx\n"
	"	movl 8(%esp), %edx\n"
	"	movl 12(%esp), %eax\n"
	"	movl %edx, 8(%ecx)\n"
	"rseq_call_start:\n"
	"	nop\n"
	"rseq_call_insn:\n"
	"	int $0x80\n"
#endif
	"rseq_call_behind:\n"
	"	nop\n"
	"rseq_call_end:\n"
	"	ret\n"
	"	.long 0x53053053\n"
	"rseq_call_abort:\n"
#ifdef __x86_64__
	"	movq $-1, %rax\n"
#else
	"	movl $-1, %eax\n"
#endif
	"	ret\n"
	".popsection\n");

long rseq_call(struct rseq_area *area, const struct rseq_cs *descriptor,
	       long nr);
extern char rseq_call_start[], rseq_call_insn[], rseq_call_behind[];
extern char rseq_call_end[], rseq_call_abort[];

/* The switch that makes such a call fatal. */
#define DEBUG_SWITCH "/sys/kernel/debug/rseq/debug"

/* What it says, or a negative error number. */
static inline int read_debug_switch(void)
{
	int fd = open(DEBUG_SWITCH, O_RDONLY | O_CLOEXEC), ret = -errno;
	char c;

	if (fd < 0)
		return ret;
	ret = read(fd, &c, 1) == 1 ? c - '0' : -EIO;
	close(fd);
	return ret;
}

#endif /* RSEQ_CALL_H */
