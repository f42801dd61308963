/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Per-CPU compare-and-exchange, in the two forms that it can have as a
 * restartable sequence. They do the same on the same memory:
 *
 *	rseq form				segment form
 *
 *	cpu = cpu_id_start
 *	v = address of the copy for cpu
 *	rseq_cs = descriptor			rseq_cs = descriptor
 *	if (cpu_id != cpu) try again
 *	if (*v != expect) fail			if (%gs:*v != expect) fail
 *	*v = value				%gs:*v = value
 *
 * In the segment form no CPU number is loaded, computed with or compared,
 * because the segment is the CPU. Between the steps of both the thread may be
 * interrupted, and then it is sent back to the start; that is what the
 * descriptor is for. One word needs neither: percpu_cmpxchg() is one instruction
 * with no section around it. The segment form is for what has more steps.
 *
 * All of them can be mixed on one variable, if the index is the CPU.
 */
#ifndef PERCPU_CMPXCHG_H
#define PERCPU_CMPXCHG_H

#include "percpu.h"
#include "rseq.h"

/**
 * percpu_cmpxchg_rseq - per-CPU compare-and-exchange, the rseq form
 * @var:	the variable, by CPU number (not PERCPU_BY_MM_CID)
 * @expect:	what it must be
 * @value:	what to make of it
 *
 * The thread must be registered: see rseq_register().
 *
 * Return: RSEQ_DONE; RSEQ_UNEQUAL; RSEQ_MOVED or RSEQ_ABORTED: nothing has
 * happened, try again.
 */
static inline enum rseq_result
percpu_cmpxchg_rseq(PERCPU long *var, long expect, long value)
{
	int cpu = rseq_cpu_start();
	long *v = (long *)percpu_address(cpu, percpu_offset(var));

	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_ASM_CHECK_CPU(moved)
		"cmpq	%[expect], %[v]\n\t"
		"jne	%l[unequal]\n\t"
		"movq	%[value], %[v]\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS, RSEQ_ASM_INPUT_CPU(cpu),
		  [v] "m" (*v), [expect] "er" (expect), [value] "er" (value)
		: RSEQ_ASM_CLOBBERS
		: moved, unequal, aborted);
	return RSEQ_DONE;
moved:
	return RSEQ_MOVED;
unequal:
	return RSEQ_UNEQUAL;
aborted:
	return RSEQ_ABORTED;
}

/**
 * percpu_cmpxchg_segment - per-CPU compare-and-exchange, the segment form
 * @var:	the variable
 * @expect:	what it must be
 * @value:	what to make of it
 *
 * The thread must be registered: see rseq_register().
 *
 * Return: RSEQ_DONE; RSEQ_UNEQUAL; RSEQ_ABORTED: nothing has happened, try
 * again.
 */
static inline enum rseq_result
percpu_cmpxchg_segment(PERCPU long *var, long expect, long value)
{
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		"cmpq	%[expect], %%gs:%[v]\n\t"
		"jne	%l[unequal]\n\t"
		"movq	%[value], %%gs:%[v]\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS,
		  [v] "m" (*(long *)percpu_offset(var)),
		  [expect] "er" (expect), [value] "er" (value)
		: RSEQ_ASM_CLOBBERS
		: unequal, aborted);
	return RSEQ_DONE;
unequal:
	return RSEQ_UNEQUAL;
aborted:
	return RSEQ_ABORTED;
}

#endif /* PERCPU_CMPXCHG_H */
