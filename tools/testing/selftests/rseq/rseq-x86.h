/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Restartable sequences from user space: the parts that x86 decides.
 *
 * Included by rseq.h, never directly.  A critical section is one asm goto
 * statement made of these pieces, in this order:
 *
 *	__asm__ __volatile__ goto(
 *		RSEQ_ASM_BEGIN			describe the section, arm it
 *		RSEQ_ASM_CHECK_CPU(moved)	still on the CPU asked for?
 *		...				instructions without effect
 *		"... the committing store"	one instruction, the last one
 *		RSEQ_ASM_END(aborted)		end the section, abort handler
 *		: (no outputs)
 *		: RSEQ_ASM_INPUTS, RSEQ_ASM_INPUT_CPU(cpu), your own
 *		: RSEQ_ASM_CLOBBERS, your own
 *		: moved, aborted, your own);
 *
 * For data indexed by concurrency ID it is RSEQ_ASM_CHECK_MM_CID(moved) with
 * RSEQ_ASM_INPUT_MM_CID(mm_cid) instead.
 *
 * Between RSEQ_ASM_BEGIN and RSEQ_ASM_END:
 *
 *  - Nothing that another thread could see may be written before the last
 *    instruction: an abort repeats everything from the start.
 *  - Nothing behind it: no option of the assembler that inserts instructions,
 *    such as -mlfence-after-load=yes.
 *  - No system call, and no call into other code: the program must stay in
 *    the range between the two.
 *  - Branches out to a C label are fine; the kernel sees that the thread has
 *    left the range and forgets the section.
 *  - Inputs must not be modified: the C code behind a label still uses them.
 *  - Every register written is a clobber.  RSEQ_ASM_TMP is free to use.
 *  - Memory operands may lie on the stack, so the stack pointer stays put.
 *  - Labels of your own end in _%=, see below.
 *
 * The labels carry the number that %= gives to each copy of an asm statement,
 * so a function that holds a section may be inlined any number of times.
 */
#ifndef RSEQ_X86_H
#define RSEQ_X86_H

#ifndef RSEQ_H
#error "include rseq.h, which includes this file"
#endif

#if defined(__x86_64__) && !defined(__ILP32__)

#define RSEQ_ASM_NR_SYSCALL	334
#define RSEQ_ASM_TP		"%%fs:"
#define RSEQ_ASM_TMP		"rax"
#define RSEQ_ASM_SRC		"rsi"
#define RSEQ_ASM_DST		"rdi"
#define RSEQ_ASM_COUNT		"rcx"
/* A variable that is loaded when it is needed. */
#define RSEQ_ASM_VARIABLE(x)	"erm" (x)
/*
 * An offset that is not known yet: no address, so that an operation in a
 * constructor, before rseq_register(), does not write where it should not.
 */
#define RSEQ_OFFSET_UNKNOWN	((ptrdiff_t)1 << 62)
#define RSEQ_OFFSET_FAULTS	1
/* The instruction suffix of a long and of a pointer, and its size. */
#define RSEQ_ASM_L		"q"
#define RSEQ_ASM_L_SIZE		"8"
#define RSEQ_ASM_U64(value)	".quad " value "\n\t"
#define RSEQ_ASM_ARM							\
	"leaq	.Lrseq_cs_%=(%%rip), %%rax\n\t"				\
	"movq	%%rax, " RSEQ_ASM_CS "\n"

#elif defined(__i386__)

#define RSEQ_ASM_NR_SYSCALL	386
/* Any 32-bit number may be an address, so this one is looked for. */
#define RSEQ_OFFSET_UNKNOWN	0
#define RSEQ_OFFSET_FAULTS	0
#define RSEQ_ASM_TP		"%%gs:"
#define RSEQ_ASM_TMP		"eax"
#define RSEQ_ASM_SRC		"esi"
#define RSEQ_ASM_DST		"edi"
#define RSEQ_ASM_COUNT		"ecx"
#define RSEQ_ASM_VARIABLE(x)	"m" (x)
#define RSEQ_ASM_L		"l"
#define RSEQ_ASM_L_SIZE		"4"
/* i386 has no 64-bit relocation; addresses have an upper half of zero. */
#define RSEQ_ASM_U64(value)	".long " value ", 0\n\t"
#ifdef __PIC__
/*
 * A call of the next instruction is how i386 reads its instruction pointer;
 * processors know it and keep it out of their return predictor.
 */
#define RSEQ_ASM_ARM							\
	"call	.Lrseq_pc_%=\n"						\
	".Lrseq_pc_%=:\n\t"						\
	"popl	%%eax\n\t"						\
	"addl	$.Lrseq_cs_%= - .Lrseq_pc_%=, %%eax\n\t"		\
	"movl	%%eax, " RSEQ_ASM_CS "\n"
#else
#define RSEQ_ASM_ARM							\
	"movl	$.Lrseq_cs_%=, " RSEQ_ASM_CS "\n"
#endif

#else
#error "rseq.h: written for x86-64 and i386 only"
#endif

/* A program that is tested without rseq() asks for another system call. */
#ifndef RSEQ_NR_SYSCALL
#define RSEQ_NR_SYSCALL		RSEQ_ASM_NR_SYSCALL
#endif

/*
 * RSEQ_SIG - the four bytes before each abort handler
 *
 * Whatever a program registers, it registers for all its code: the value is
 * the one that glibc registers too.
 */
#ifndef RSEQ_SIG
#define RSEQ_SIG		0x53053053
#endif

/*
 * The fields of the calling thread's struct rseq_abi, as memory operands.
 * They need the input named rseq_offset.
 */
#define RSEQ_ASM_CPU_ID_START	RSEQ_ASM_TP "0(%[rseq_offset])"
#define RSEQ_ASM_CPU_ID		RSEQ_ASM_TP "4(%[rseq_offset])"
#define RSEQ_ASM_CS		RSEQ_ASM_TP "8(%[rseq_offset])"
#define RSEQ_ASM_NODE_ID	RSEQ_ASM_TP "20(%[rseq_offset])"
#define RSEQ_ASM_MM_CID		RSEQ_ASM_TP "24(%[rseq_offset])"

/* An array of negative size, should the numbers above ever be wrong. */
extern char rseq_check_layout[offsetof(struct rseq_abi, cpu_id_start) == 0 &&
	offsetof(struct rseq_abi, cpu_id) == 4 &&
	offsetof(struct rseq_abi, rseq_cs) == 8 &&
	offsetof(struct rseq_abi, node_id) == 20 &&
	offsetof(struct rseq_abi, mm_cid) == 24 &&
	sizeof(struct rseq_abi) == 32 ? 1 : -1];

#define RSEQ_STRINGIFY_1(x)	#x
#define RSEQ_STRINGIFY(x)	RSEQ_STRINGIFY_1(x)

/*
 * RSEQ_ASM_DESCRIPTOR - the struct rseq_cs of the section
 *
 * It holds addresses that the dynamic linker may have to relocate, hence "w".
 * With "?" it joins the section group of the function around it, so that the
 * linker keeps or drops the copies of a C++ inline function as a whole.
 */
#define RSEQ_ASM_DESCRIPTOR						\
	".pushsection __rseq_cs, \"aw?\", @progbits\n\t"		\
	".balign 32\n"							\
	".Lrseq_cs_%=:\n\t"						\
	".long	0, 0\n\t"						\
	RSEQ_ASM_U64(".Lrseq_start_%=")					\
	RSEQ_ASM_U64(".Lrseq_end_%= - .Lrseq_start_%=")			\
	RSEQ_ASM_U64(".Lrseq_abort_%=")					\
	".popsection\n\t"

/*
 * RSEQ_ASM_BEGIN - describe the section, arm it and begin it
 *
 * The store that arms is the last instruction before the range.  So if the
 * kernel finds the thread between the two, it is in the range already.
 */
#define RSEQ_ASM_BEGIN							\
	RSEQ_ASM_DESCRIPTOR						\
	RSEQ_ASM_ARM							\
	".Lrseq_start_%=:\n\t"

/*
 * RSEQ_ASM_CHECK_CPU - leave for a C label unless on the CPU asked for
 *
 * Once passed, the thread can not leave the CPU without an abort.
 */
#define RSEQ_ASM_CHECK_CPU(label)					\
	RSEQ_ASM_COMPARE_CPU						\
	"jne	%l[" #label "]\n\t"

/*
 * RSEQ_ASM_CHECK_MM_CID - leave for a C label unless of the ID asked for
 *
 * Without registration, mm_cid is 0, which is also a true ID; so the sign of
 * cpu_id is looked at first.
 */
#define RSEQ_ASM_CHECK_MM_CID(label)					\
	"cmpl	$0, " RSEQ_ASM_CPU_ID "\n\t"				\
	"jl	%l[" #label "]\n\t"					\
	RSEQ_ASM_COMPARE_MM_CID						\
	"jne	%l[" #label "]\n\t"

/*
 * RSEQ_ASM_END - end the section, and its abort handler
 *
 * The section stays armed.  Its range is left, so the kernel ignores it, and
 * the next section overwrites it: no store is spent on disarming.
 *
 * The handler stands apart from the code that runs.  So a signal handler that
 * interrupted a section cannot unwind the stack.  It jumps to a C label, and
 * before it stands the signature, as the displacement of an undefined
 * instruction (ud1) so that a disassembler stays in step.
 */
#define RSEQ_ASM_END(label)						\
	".Lrseq_end_%=:\n\t"						\
	".pushsection __rseq_abort, \"ax?\", @progbits\n\t"		\
	".byte	0x0f, 0xb9, 0x3d\n\t"					\
	".long	" RSEQ_STRINGIFY(RSEQ_SIG) "\n"				\
	".Lrseq_abort_%=:\n\t"						\
	"jmp	%l[" #label "]\n\t"					\
	".popsection\n\t"

#define RSEQ_ASM_INPUTS							\
	[rseq_offset] "r" (rseq_offset())
#define RSEQ_ASM_CLOBBERS	RSEQ_ASM_TMP, "cc", "memory"

#ifdef __x86_64__
#define RSEQ_ASM_COMPARE_CPU						\
	"cmpl	%[rseq_cpu], " RSEQ_ASM_CPU_ID "\n\t"
#define RSEQ_ASM_INPUT_CPU(cpu)						\
	[rseq_cpu] "r" (cpu)
#define RSEQ_ASM_COMPARE_MM_CID						\
	"cmpl	%[rseq_mm_cid], " RSEQ_ASM_TP "(%[rseq_mm_cid_field])\n\t"
#define RSEQ_ASM_INPUT_MM_CID(mm_cid)					\
	[rseq_mm_cid] "r" (mm_cid),					\
	[rseq_mm_cid_field] "r" (rseq_mm_cid_field())
#else
/* With seven registers, or six, none is taken that can be done without. */
#define RSEQ_ASM_COMPARE_CPU						\
	"movl	" RSEQ_ASM_CPU_ID ", %%eax\n\t"				\
	"cmpl	%[rseq_cpu], %%eax\n\t"
#define RSEQ_ASM_INPUT_CPU(cpu)						\
	[rseq_cpu] "rmi" (cpu)
#define RSEQ_ASM_COMPARE_MM_CID						\
	"movl	%[rseq_mm_cid_field], %%eax\n\t"			\
	"movl	" RSEQ_ASM_TP "(%%eax), %%eax\n\t"			\
	"cmpl	%[rseq_mm_cid], %%eax\n\t"
#define RSEQ_ASM_INPUT_MM_CID(mm_cid)					\
	[rseq_mm_cid] "rmi" (mm_cid),					\
	[rseq_mm_cid_field] "rm" (rseq_mm_cid_field())
#endif

/* The thread pointer: the address that the offset of the area counts from. */
static inline char *rseq_thread_pointer(void)
{
	char *tp;

	__asm__ ("mov " RSEQ_ASM_TP "0, %0" : "=r" (tp));
	return tp;
}

/*
 * Read a 32-bit field of the area, named by one of the operands above.  Read
 * anew each time, and not moved across other accesses to memory.
 */
#define RSEQ_READ(field)						\
(__extension__ ({							\
	int rseq_value;							\
									\
	__asm__ __volatile__ ("movl " field ", %0"			\
			      : "=r" (rseq_value)			\
			      : RSEQ_ASM_INPUTS				\
			      : "memory");				\
	rseq_value;							\
}))

/* The same for a field so many bytes from the thread pointer. */
static inline int rseq_read_at(ptrdiff_t field)
{
	int value;

	__asm__ __volatile__ ("movl " RSEQ_ASM_TP "(%1), %0"
			      : "=r" (value)
			      : "r" (field)
			      : "memory");
	return value;
}

#endif /* RSEQ_X86_H */
