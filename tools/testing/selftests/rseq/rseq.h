/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Restartable sequences from user space: registration, the IDs that the
 * kernel keeps up to date, and operations on per-CPU data.
 *
 * A restartable sequence is a short stretch of instructions, the critical
 * section, that ends in one committing store.  If the thread is preempted,
 * migrated to another CPU or handed a signal while it is inside, the kernel
 * moves it to the section's abort handler before it runs one more instruction
 * of it.  So the store happens only if nothing came in between since the
 * section began, and per-CPU data needs neither locks nor atomic instructions.
 *
 * In short:
 *
 *	int cpu;
 *
 *	if (rseq_register())
 *		...			once a thread; what failed is -errno
 *	do {
 *		cpu = rseq_cpu_start();
 *	} while (rseq_add(&counter[cpu].value, 1, cpu));
 *
 * C (GNU C99 or later) and C++, gcc and clang, x86-64 and i386, position
 * independent or not, with nothing to link.  Define _GNU_SOURCE, or compile
 * as GNU C, for syscall().
 */
#ifndef RSEQ_H
#define RSEQ_H

#include <errno.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <unistd.h>
#include <linux/types.h>

#define RSEQ_ATTRIBUTE(...)	__attribute__((__VA_ARGS__))

/**
 * struct rseq_abi - what a thread shares with the kernel
 * @cpu_id_start: a possible CPU number always: the current CPU if the thread
 *		  is registered, else 0
 * @cpu_id:	  the current CPU, or a negative number if not registered
 * @rseq_cs:	  address of the descriptor of the section that is armed, or 0;
 *		  written by the thread, cleared by the kernel
 * @flags:	  the kernel's
 * @node_id:	  NUMA node of the current CPU
 * @mm_cid:	  index of this thread among those of its process that run now
 * @slice_ctrl:	  time slice extension
 *
 * The first 32 bytes of the kernel's struct rseq, under a name of our own: how
 * many of these fields <linux/rseq.h> knows depends on its age.
 */
struct rseq_abi {
	__u32 cpu_id_start;
	__u32 cpu_id;
	__u64 rseq_cs;
	__u32 flags;
	__u32 node_id;
	__u32 mm_cid;
	__u32 slice_ctrl;
} RSEQ_ATTRIBUTE(aligned(32));

#ifdef __has_include
#if __has_include("linux/rseq.h")
#include <linux/rseq.h>
/* An array of negative size, should the two structures differ. */
extern char rseq_check_uapi[offsetof(struct rseq, cpu_id) ==
			     offsetof(struct rseq_abi, cpu_id) &&
			     offsetof(struct rseq, rseq_cs) ==
			     offsetof(struct rseq_abi, rseq_cs) &&
			     offsetof(struct rseq, flags) ==
			     offsetof(struct rseq_abi, flags) ? 1 : -1];
#endif
#endif

#define RSEQ_ABI_UNREGISTER	1		/* flag of the system call */
#define RSEQ_ABI_NOT_REGISTERED	((__u32)-1)	/* cpu_id */

/* Auxiliary vector: how many bytes of struct rseq_abi the kernel knows. */
#define RSEQ_AT_FEATURE_SIZE	27

/* glibc (2.35 and later) says here where it registered each thread's area. */
RSEQ_ATTRIBUTE(weak)
extern const ptrdiff_t __rseq_offset;
RSEQ_ATTRIBUTE(weak)
extern const unsigned int __rseq_size;

/*
 * The area for threads that glibc did not register.  A thread can have only
 * one, so a program and the libraries it is linked with share the symbol.
 */
RSEQ_ATTRIBUTE(weak, tls_model("initial-exec")) __thread
struct rseq_abi rseq_own_area = { 0, RSEQ_ABI_NOT_REGISTERED, 0, 0, 0, 0, 0 };

/* See rseq_offset(); 0 until asked for. */
RSEQ_ATTRIBUTE(weak, visibility("hidden")) ptrdiff_t rseq_offset_found;

static inline ptrdiff_t rseq_offset(void);

#include "rseq-x86.h"

/*
 * Kept out of line, as it runs once.  All threads find the same, so it does
 * not matter whose store comes first.
 */
RSEQ_ATTRIBUTE(noinline, unused)
static ptrdiff_t rseq_find_offset(void)
{
	const unsigned int *size = &__rseq_size;	/* NULL: not glibc */
	ptrdiff_t offset;

	if (size && *size)
		offset = __rseq_offset;
	else
		offset = (char *)&rseq_own_area - rseq_thread_pointer();
	__atomic_store_n(&rseq_offset_found, offset, __ATOMIC_RELAXED);
	return offset;
}

/**
 * rseq_offset - where a thread's area is, in bytes from its thread pointer
 *
 * The same for all threads, and never 0.
 */
static inline ptrdiff_t rseq_offset(void)
{
	ptrdiff_t offset = __atomic_load_n(&rseq_offset_found,
					   __ATOMIC_RELAXED);

	return __builtin_expect(offset != 0, 1) ? offset : rseq_find_offset();
}

/**
 * rseq_area - the calling thread's area: glibc's, or else our own
 *
 * Valid in every thread, registered or not.
 */
static inline struct rseq_abi *rseq_area(void)
{
	return (struct rseq_abi *)(rseq_thread_pointer() + rseq_offset());
}

/**
 * rseq_feature_size - how many bytes of struct rseq_abi the kernel knows
 *
 * node_id is kept up to date from 24 on, mm_cid from 28 on.  Kernels before
 * 6.3 do not say; those that have rseq know the first 20 bytes.
 */
static inline unsigned long rseq_feature_size(void)
{
	unsigned long size = getauxval(RSEQ_AT_FEATURE_SIZE);

	return size ? size : offsetof(struct rseq_abi, node_id);
}

/**
 * rseq_current_cpu_raw - the CPU this thread runs on
 *
 * Return: the CPU number, or a negative number if the thread is not
 * registered.  Outside a critical section it may be outdated at once.
 */
static inline int rseq_current_cpu_raw(void)
{
	return RSEQ_READ(RSEQ_ASM_CPU_ID);
}

/**
 * rseq_cpu_start - the CPU to prepare an operation for
 *
 * Return: as rseq_current_cpu_raw(), but 0 if the thread is not registered, so
 * that it can always index an array of all CPUs.  The operation itself checks
 * that the thread is still on this CPU.
 */
static inline int rseq_cpu_start(void)
{
	return RSEQ_READ(RSEQ_ASM_CPU_ID_START);
}

/**
 * rseq_current_node - the NUMA node of the CPU this thread runs on
 *
 * Return: the node's number; 0 if the thread is not registered or if the
 * kernel does not keep it, see rseq_feature_size().
 */
static inline int rseq_current_node(void)
{
	return RSEQ_READ(RSEQ_ASM_NODE_ID);
}

/**
 * rseq_current_mm_cid - the concurrency ID of this thread
 *
 * Different from that of every other thread of the process that is running
 * now, and smaller than both the number of threads and the number of CPUs the
 * process may use.  So an array indexed by it stays small and dense, where one
 * indexed by CPU number spans the whole machine.
 *
 * Return: the ID; 0 if the thread is not registered or if the kernel does not
 * keep it, see rseq_feature_size().
 */
static inline int rseq_current_mm_cid(void)
{
	return RSEQ_READ(RSEQ_ASM_MM_CID);
}

/**
 * rseq_register - make sure that the calling thread is registered
 *
 * To be called by each thread before its first operation.  If glibc registered
 * it, or an earlier call did, there is nothing left to do.  A thread for
 * which this did more calls rseq_unregister() before it ends, since its area
 * may be freed before the kernel has seen the last of the thread.
 *
 * Return: 0, or
 *  -ENOSYS: the kernel has no rseq();
 *  -EINVAL: other code (or a library that was loaded apart, by dlopen()) has
 *	     registered an area of its own for this thread, and the kernel
 *	     takes only one.
 */
static inline int rseq_register(void)
{
	struct rseq_abi *area = rseq_area();

	if (rseq_current_cpu_raw() >= 0)
		return 0;
	if (syscall(RSEQ_NR_SYSCALL, area, sizeof(*area), 0, RSEQ_SIG))
		return -errno;
	return 0;
}

/**
 * rseq_unregister - undo what rseq_register() did for the calling thread
 *
 * A registration of glibc's is left alone, for it is not ours to end.
 *
 * Return: 0, or -EINVAL if the thread is not registered.
 */
static inline int rseq_unregister(void)
{
	struct rseq_abi *area = rseq_area();

	if (area != &rseq_own_area)
		return rseq_current_cpu_raw() >= 0 ? 0 : -EINVAL;
	if (syscall(RSEQ_NR_SYSCALL, area, sizeof(*area), RSEQ_ABI_UNREGISTER,
		    RSEQ_SIG))
		return -errno;
	return 0;
}

/**
 * rseq_disarm - forget the last critical section of the calling thread
 *
 * Operations leave their section armed, which is harmless as long as its
 * descriptor exists.  Needed in each thread that ran one, before code with
 * critical sections is unloaded (dlclose).
 */
static inline void rseq_disarm(void)
{
	__asm__ __volatile__ ("mov" RSEQ_ASM_L " $0, " RSEQ_ASM_CS
			      : : RSEQ_ASM_INPUTS : "memory");
}

/**
 * enum rseq_result - how an operation ended
 * @RSEQ_DONE:		 committed
 * @RSEQ_UNEQUAL:	 refused, nothing written: the word had another value
 * @RSEQ_NOT_REGISTERED: refused, nothing written: see rseq_register()
 * @RSEQ_ABORTED:	 interrupted inside the section (preempted, migrated or
 *			 signalled), nothing written
 * @RSEQ_MOVED:		 the thread had left the CPU before the section began,
 *			 nothing written
 *
 * Negative: to be tried again from rseq_cpu_start() on.  Positive: trying
 * again does not help.
 */
enum rseq_result {
	RSEQ_MOVED		= -2,
	RSEQ_ABORTED		= -1,
	RSEQ_DONE		= 0,
	RSEQ_UNEQUAL		= 1,
	RSEQ_NOT_REGISTERED	= 2,
};

/*
 * The CPU number that the section found is not the one asked for.  Telling
 * why here costs the operations that succeed nothing.
 */
static inline enum rseq_result rseq_other_cpu(void)
{
	return rseq_current_cpu_raw() < 0 ? RSEQ_NOT_REGISTERED : RSEQ_MOVED;
}

/**
 * rseq_add - add to a word that belongs to a CPU
 * @v:	   the word of CPU @cpu
 * @count: what to add
 * @cpu:   from rseq_cpu_start()
 *
 *	if (cpu_id != cpu)
 *		return RSEQ_MOVED;
 *	*v += count;				commit
 *	return RSEQ_DONE;
 *
 * The add is one instruction but not an atomic one (no lock prefix): the
 * section is what keeps the thread on the CPU, where nobody else gets at @v.
 *
 * Return: RSEQ_DONE, RSEQ_ABORTED, RSEQ_MOVED or RSEQ_NOT_REGISTERED.
 */
static inline enum rseq_result rseq_add(long *v, long count, int cpu)
{
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_ASM_CHECK_CPU(moved)
		"add" RSEQ_ASM_L "	%[count], %[v]\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS, RSEQ_ASM_INPUT_CPU(cpu),
		  [v] "m" (*v), [count] "er" (count)
		: RSEQ_ASM_CLOBBERS
		: moved, aborted);
	return RSEQ_DONE;
moved:
	return rseq_other_cpu();
aborted:
	return RSEQ_ABORTED;
}

/**
 * rseq_store_if_equal - compare and exchange a word that belongs to a CPU
 * @v:	    the word of CPU @cpu
 * @expect: what it must hold
 * @value:  what to store
 * @cpu:    from rseq_cpu_start()
 *
 *	if (cpu_id != cpu)
 *		return RSEQ_MOVED;
 *	if (*v != expect)
 *		return RSEQ_UNEQUAL;
 *	*v = value;				commit
 *	return RSEQ_DONE;
 *
 * Return: RSEQ_DONE, RSEQ_UNEQUAL, RSEQ_ABORTED, RSEQ_MOVED or
 * RSEQ_NOT_REGISTERED.
 */
static inline enum rseq_result
rseq_store_if_equal(long *v, long expect, long value, int cpu)
{
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_ASM_CHECK_CPU(moved)
		"cmp" RSEQ_ASM_L "	%[expect], %[v]\n\t"
		"jne	%l[unequal]\n\t"
		"mov" RSEQ_ASM_L "	%[value], %[v]\n"
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

#endif /* RSEQ_H */
