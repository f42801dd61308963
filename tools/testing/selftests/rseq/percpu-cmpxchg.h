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
 *	if (cpu_id != cpu) try again		if (cpu_id < 0) not registered
 *	if (*v != expect) fail			if (%gs:*v != expect) fail
 *	*v = value				%gs:*v = value
 *
 * In the segment form no CPU number is computed with, because the segment is the
 * CPU; only its sign is looked at, since a thread that is not registered would
 * not be restarted. Between the steps of both the thread may be interrupted, and
 * then it is sent back to the start; that is what the descriptor is for. One word
 * needs neither: percpu_cmpxchg() is one instruction with no section around it.
 * The segment form is for what has more steps.
 *
 * All of them can be mixed on one variable, if the index is the CPU. They cannot
 * be mixed with the operations of rseq.h where these use a lock, because there is
 * no rseq(): an instruction does not take that lock.
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
 * Return: RSEQ_DONE; RSEQ_UNEQUAL; RSEQ_MOVED or RSEQ_ABORTED: nothing has
 * happened, try again; RSEQ_NOT_REGISTERED: see rseq_register(); nothing has
 * happened.
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
	return rseq_other_cpu();
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
 * Return: RSEQ_DONE; RSEQ_UNEQUAL; RSEQ_ABORTED: nothing has happened, try
 * again; RSEQ_NOT_REGISTERED: as above.
 */
static inline enum rseq_result
percpu_cmpxchg_segment(PERCPU long *var, long expect, long value)
{
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		"cmpl	$0, " RSEQ_ASM_CPU_ID "\n\t"
		"jl	%l[unregistered]\n\t"
		"cmpq	%[expect], %%gs:%[v]\n\t"
		"jne	%l[unequal]\n\t"
		"movq	%[value], %%gs:%[v]\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS,
		  [v] "m" (*(long *)percpu_offset(var)),
		  [expect] "er" (expect), [value] "er" (value)
		: RSEQ_ASM_CLOBBERS
		: unregistered, unequal, aborted);
	return RSEQ_DONE;
unregistered:
	return RSEQ_NOT_REGISTERED;
unequal:
	return RSEQ_UNEQUAL;
aborted:
	return RSEQ_ABORTED;
}

#endif /* PERCPU_CMPXCHG_H */
