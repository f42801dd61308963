/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A critical section that waits for one of two things to happen.
 *
 * int slice_section(__u64 __shared *rseq_cs, __u64 descriptor,
 *		     __u8 __shared *byte, unsigned int __shared *word,
 *		     unsigned int value);
 *
 * Arms the descriptor, and stays in the section as long as *byte is 0 and *word
 * is value.
 */
#ifndef SLICE_SECTION_H
#define SLICE_SECTION_H

__asm__(".pushsection .text, \"ax\", @progbits\n"
	"slice_section:\n"
#ifdef __x86_64__
	"	movq %rsi, (%rdi)\n"
	"slice_section_start:\n"
	"	cmpb $0, (%rdx)\n"
	"	jne slice_section_end\n"
	"	cmpl %r8d, (%rcx)\n"
	"	je slice_section_start\n"
#else
	"	movl 4(%esp), %ecx\n"
	"	movl 8(%esp), %eax\n"
	"	movl 16(%esp), %edx\n"
	"	movl %eax, (%ecx)\n"
	"slice_section_start:\n"
	"	cmpb $0, (%edx)\n"
	"	jne slice_section_end\n"
	"	movl 20(%esp), %ecx\n"
	"	movl (%ecx), %ecx\n"
	"	cmpl 24(%esp), %ecx\n"
	"	je slice_section_start\n"
#endif
	"slice_section_end:\n"
	"	movl $" RSEQ_STR(RSEQ_STUCK_RELEASED) ", %eax\n"
	"	ret\n"
	"	.long 0x53053053\n"
	"slice_section_abort:\n"
	"	movl $" RSEQ_STR(RSEQ_STUCK_ABORTED) ", %eax\n"
	"	ret\n"
	".popsection\n");

int slice_section(__u64 __shared *rseq_cs, __u64 descriptor,
		  __u8 __shared *byte, unsigned int __shared *word,
		  unsigned int value);
extern char slice_section_start[], slice_section_end[], slice_section_abort[];

#endif /* SLICE_SECTION_H */
