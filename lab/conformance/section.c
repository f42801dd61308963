// SPDX-License-Identifier: GPL-2.0
/*
 * A program to be debugged: it runs one critical section again and again, whose
 * places have names.
 *
 *	section		until it has committed @last times, which a debugger sets
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "rseq.h"

/* For the debugger to read and write. */
long committed, aborted;
long last = -1;

long counter;

/* For the debugger to call. */
RSEQ_ATTRIBUTE(noinline) int answer(void)
{
	return 42;
}

/* One copy of the section, since its places are global symbols. */
static RSEQ_ATTRIBUTE(noinline, noclone) int add_one(void)
{
	__asm__ __volatile__ goto("section_arm:\n\t"
		RSEQ_ASM_BEGIN
		"section_start:\n\t"
		"movq	%[counter], %%rax\n"
		"section_middle:\n\t"
		"incq	%%rax\n"
		"section_commit:\n\t"
		"movq	%%rax, %[counter]\n"
		"section_end:\n"
		RSEQ_ASM_END(abort)
		:
		: RSEQ_ASM_INPUTS, [counter] "m" (counter)
		: RSEQ_ASM_CLOBBERS
		: abort);
	return 0;
abort:
	return -1;
}

int main(void)
{
	if (rseq_register() < 0 || rseq_falls_back()) {
		fprintf(stderr, "not registered\n");
		return 1;
	}
	while (__atomic_load_n(&last, __ATOMIC_RELAXED) != committed) {
		if (add_one())
			aborted++;
		else
			committed++;
	}
	if (counter != committed) {
		fprintf(stderr, "%ld in the counter, %ld committed\n",
			counter, committed);
		return 1;
	}
	return 0;
}
