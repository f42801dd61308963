/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Restartable sequences from user space: the fence.
 *
 * Included by rseq.h, never directly.  Critical sections need no atomic
 * instruction because only the owner of an index touches what belongs to it.
 * A thread that wants to take something from another CPU writes down that it
 * wants to, in a word that the sections of that CPU look at, and fences.  After
 * that no section is left that has not seen the word.
 */
#ifndef RSEQ_FENCE_H
#define RSEQ_FENCE_H

#ifndef RSEQ_H
#error "include rseq.h, which includes this file"
#endif

#include <sys/syscall.h>

/* Of membarrier(), under our own names: <linux/membarrier.h> may be older. */
#define RSEQ_MEMBARRIER_FENCE		0x80
#define RSEQ_MEMBARRIER_REGISTER	0x100
#define RSEQ_MEMBARRIER_FLAG_CPU	1

RSEQ_ATTRIBUTE(noinline, unused)
static int rseq_membarrier(unsigned int flags, int cpu)
{
	sigset_t saved;

	if (rseq_falls_back()) {
		/* Whoever is at work holds the lock until it is done. */
		rseq_fallback_lock(&saved);
		rseq_fallback_unlock(&saved);
		return 0;
	}
	if (!syscall(SYS_membarrier, RSEQ_MEMBARRIER_FENCE, flags, cpu))
		return 0;
	/* A process says once that it is going to do this. */
	if (errno == EPERM &&
	    !syscall(SYS_membarrier, RSEQ_MEMBARRIER_REGISTER, 0, 0) &&
	    !syscall(SYS_membarrier, RSEQ_MEMBARRIER_FENCE, flags, cpu))
		return 0;
	return -errno;
}

/**
 * rseq_fence - end all critical sections that are under way in the process
 *
 * When it returns, each section that another thread was in when it was called
 * has committed or been aborted, and each one that begins later sees what the
 * caller stored before.  It is a full memory barrier for all threads.  Costs
 * a system call and an interrupt of each CPU that runs a thread of the
 * process.  Not to be called from inside a critical section.
 *
 * Return: 0, or
 *  -ENOSYS: the kernel has no membarrier();
 *  -EINVAL: it has, but none for rseq (before 5.10).
 */
static inline int rseq_fence(void)
{
	return rseq_membarrier(0, 0);
}

/**
 * rseq_fence_cpu - end the critical section that is under way on one CPU
 * @cpu: number of the CPU; nothing to do if it is not online
 *
 * As rseq_fence(), but for sections on @cpu only, and interrupts only that CPU.
 *
 * Return: as rseq_fence().
 */
static inline int rseq_fence_cpu(int cpu)
{
	return rseq_membarrier(RSEQ_MEMBARRIER_FLAG_CPU, cpu);
}

#endif /* RSEQ_FENCE_H */
