/* SPDX-License-Identifier: GPL-2.0 */
#ifndef X32_STUCK_H
#define X32_STUCK_H

#include <asm/unistd.h>
#include <linux/rseq.h>

/* Changed by the kernel or the signal handler. */
#define __shared __volatile__

/* As the ABI lays it out, whatever the installed <linux/rseq.h> knows of it. */
struct area {
	__u32 __shared cpu_id_start;
	__u32 __shared cpu_id;
	__u64 __shared rseq_cs;
	__u32 __shared flags;
	__u32 __shared node_id;
	__u32 __shared mm_cid;
	__u32 __shared slice_ctrl;
	__u8 extended[32];
};

#if __NR_rt_sigreturn != 0x40000201
#error "not the number in restorer()"
#endif

/*
 * int stuck(struct area *area, const struct rseq_cs *descriptor);
 *
 * Arms the descriptor, and jumps to itself. Returns 1 when aborted, and 0 when
 * a signal handler moves it on. Then what a signal handler returns to, and the
 * first instructions of the program.
 */
__asm__(".pushsection .text, \"ax\", @progbits\n"
	"stuck:\n"
	"	movl %esi, %esi\n"
	"	movq %rsi, 8(%edi)\n"
	"stuck_start:\n"
	"	.byte 0xeb, 0xfe\n"
	"stuck_end:\n"
	"	xorl %eax, %eax\n"
	"	ret\n"
	"	.long 0x53053053\n"
	"stuck_abort:\n"
	"	movl $1, %eax\n"
	"	ret\n"
	"restorer:\n"
	"	movl $0x40000201, %eax\n"
	"	syscall\n"
	"	.globl _start\n"
	"_start:\n"
	"	movl %esp, %edi\n"
	"	andl $-16, %esp\n"
	"	call start\n"
	".popsection\n");

int stuck(struct area *area, const struct rseq_cs *descriptor);
void restorer(void);
void start(const __u32 *stack);
extern char stuck_start[], stuck_end[], stuck_abort[];

#endif /* X32_STUCK_H */
