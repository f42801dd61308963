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
 *	if (rseq_register() < 0)
 *		...			once a thread; what failed is -errno
 *	do {
 *		cpu = rseq_cpu_start();
 *	} while (rseq_add(&counter[cpu].value, 1, cpu) < 0);
 *
 * The operations, in rseq-x86-ops.h, each first as pseudo-code:
 *
 *	rseq_add			*v += count
 *	rseq_add_through		*(*p + offset) += count
 *	rseq_store_if_equal		compare and exchange
 *	rseq_store_if_both_equal	the same, if two words are equal
 *	rseq_store_and_commit		compare, store, and exchange
 *	rseq_copy_and_commit		compare, copy a block, and exchange
 *	rseq_push, rseq_pop		a singly linked list
 *
 * Each works on data that is indexed by CPU number; the same name with _mm_cid
 * behind it works on data that is indexed by concurrency ID.  rseq_fence() and
 * rseq_fence_cpu() end the sections of other threads.  Where there is no rseq()
 * the operations use a lock, see rseq-fallback.h.
 *
 * To write a critical section of your own, take the pieces that the operations
 * are made of, see rseq-x86.h.
 *
 * C (GNU C99 or later) and C++, gcc and clang, x86-64 and i386, position
 * independent or not, with nothing to link but the C library (before glibc
 * 2.34, -pthread).  Define _GNU_SOURCE, or compile as GNU C, for syscall().
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

static inline ptrdiff_t rseq_offset(void);
static inline ptrdiff_t rseq_mm_cid_field(void);

#include "rseq-x86.h"

/* glibc (2.35 and later) says here where it registered each thread's area. */
RSEQ_ATTRIBUTE(weak)
extern const ptrdiff_t __rseq_offset;
RSEQ_ATTRIBUTE(weak)
extern const unsigned int __rseq_size;

/*
 * The area for threads that glibc did not register.  A thread can have only
 * one, so a program and the libraries it is linked with share the symbol.
 */
RSEQ_ATTRIBUTE(weak, visibility("default"), tls_model("initial-exec")) __thread
struct rseq_abi rseq_own_area = { 0, RSEQ_ABI_NOT_REGISTERED, 0, 0, 0, 0, 0 };

/*
 * See rseq_offset() and rseq_mm_cid_field(); found by a constructor, or by the
 * first rseq_register() if that is earlier.  As they are known before main(),
 * what uses them reads them by their other names, as constants: the compiler
 * may keep them in a register from one operation to the next, which gains a
 * loop of operations nearly half its time.  The price: see rseq_register().
 */
RSEQ_ATTRIBUTE(weak, visibility("hidden")) ptrdiff_t rseq_offset_found =
	RSEQ_OFFSET_UNKNOWN;
RSEQ_ATTRIBUTE(weak, visibility("hidden")) ptrdiff_t rseq_mm_cid_field_found =
	RSEQ_OFFSET_UNKNOWN;
RSEQ_ATTRIBUTE(visibility("hidden"))
extern const ptrdiff_t rseq_offset_constant __asm__("rseq_offset_found");
RSEQ_ATTRIBUTE(visibility("hidden"))
extern const ptrdiff_t rseq_mm_cid_field_constant
	__asm__("rseq_mm_cid_field_found");

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
 * The same for all threads.
 *
 * Return: the offset.
 */
static inline ptrdiff_t rseq_offset(void)
{
	ptrdiff_t offset = rseq_offset_constant;

	if (!RSEQ_OFFSET_FAULTS && offset == RSEQ_OFFSET_UNKNOWN)
		offset = rseq_find_offset();
	return offset;
}

/**
 * rseq_area - the calling thread's area: glibc's, or else our own
 *
 * Return: its address, which is valid in every thread, registered or not.
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
 *
 * Return: their number.
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
 * now, below the number of possible CPUs, and as a rule below the number of
 * threads (the scheduler may let a CPU keep one for a while).  So what is
 * indexed by it stays dense, where an array indexed by CPU number spans the
 * whole machine; but it needs room for as many.
 *
 * Return: the ID; 0 if the thread is not registered or if the kernel does not
 * keep it, see rseq_feature_size().
 */
static inline int rseq_current_mm_cid(void)
{
	return RSEQ_READ(RSEQ_ASM_MM_CID);
}

/* Kept out of line, as it runs once. */
RSEQ_ATTRIBUTE(noinline, unused)
static ptrdiff_t rseq_find_mm_cid_field(void)
{
	ptrdiff_t field = rseq_find_offset();

	if (rseq_feature_size() > offsetof(struct rseq_abi, mm_cid))
		field += offsetof(struct rseq_abi, mm_cid);
	else
		field += offsetof(struct rseq_abi, cpu_id);
	__atomic_store_n(&rseq_mm_cid_field_found, field, __ATOMIC_RELAXED);
	return field;
}

/*
 * Where the concurrency ID is, in bytes from the thread pointer.  The same for
 * all threads.
 */
static inline ptrdiff_t rseq_mm_cid_field(void)
{
	ptrdiff_t field = rseq_mm_cid_field_constant;

	if (!RSEQ_OFFSET_FAULTS && field == RSEQ_OFFSET_UNKNOWN)
		field = rseq_find_mm_cid_field();
	return field;
}

/**
 * rseq_mm_cid_start - the concurrency ID to prepare an operation for
 *
 * For operations on data that is indexed by concurrency ID, see
 * rseq_current_mm_cid(); the name of each ends in _mm_cid.  On a kernel that
 * keeps no concurrency IDs (before 6.3), CPU numbers stand in for them: correct
 * as well, if the array has room for all CPUs.
 *
 * Return: the ID; 0 if the thread is not registered, so that it can always
 * index an array.  The operation itself checks that it is still the ID of the
 * thread.
 */
static inline int rseq_mm_cid_start(void)
{
	int mm_cid = rseq_read_at(rseq_mm_cid_field());

	return mm_cid < 0 ? 0 : mm_cid;
}

/* Before main(), and most other constructors. */
RSEQ_ATTRIBUTE(constructor(101), unused) static void rseq_find_fields(void)
{
	rseq_find_mm_cid_field();
}

/**
 * enum rseq_result - how an operation ended
 * @RSEQ_DONE:		 committed
 * @RSEQ_UNEQUAL:	 refused, nothing stored: a word had another value
 * @RSEQ_NOT_REGISTERED: refused, nothing stored: see rseq_register()
 * @RSEQ_ABORTED:	 interrupted inside the section (preempted, migrated or
 *			 signalled), not committed
 * @RSEQ_MOVED:		 the index was no longer that of the thread when the
 *			 section began, nothing stored
 *
 * Negative: to be tried again from the index on, see rseq_cpu_start() and
 * rseq_mm_cid_start().  Positive: trying again does not help.
 */
enum rseq_result {
	RSEQ_MOVED		= -2,
	RSEQ_ABORTED		= -1,
	RSEQ_DONE		= 0,
	RSEQ_UNEQUAL		= 1,
	RSEQ_NOT_REGISTERED	= 2,
};

/* What rseq_register() returns besides 0 and errors. */
#define RSEQ_FALLBACK			1
#define RSEQ_WAS_REGISTERED		2

#include "rseq-fallback.h"
#include "rseq-fence.h"

RSEQ_ATTRIBUTE(noinline, unused)
static int rseq_register_thread(void)
{
	ptrdiff_t offset = rseq_find_offset();
	struct rseq_abi *area;
	int mode = __atomic_load_n(&rseq_mode, __ATOMIC_ACQUIRE);
	int error;

	rseq_find_mm_cid_field();
	area = (struct rseq_abi *)(rseq_thread_pointer() + offset);
	if (rseq_read_at(offset + (int)offsetof(struct rseq_abi, cpu_id)) >= 0)
		return RSEQ_WAS_REGISTERED;
	if (mode == RSEQ_MODE_FALLBACK)
		return RSEQ_FALLBACK;
	if (!syscall(RSEQ_NR_SYSCALL, area, sizeof(*area), 0, RSEQ_SIG)) {
		if (rseq_decide_mode(RSEQ_MODE_KERNEL) == RSEQ_MODE_KERNEL)
			return 0;
		/* Forbidden to a thread that was faster. */
		syscall(RSEQ_NR_SYSCALL, area, sizeof(*area),
			RSEQ_ABI_UNREGISTER, RSEQ_SIG);
		return RSEQ_FALLBACK;
	}
	error = errno;
	/* By a signal handler, since this looked. */
	if (error == EBUSY)
		return rseq_decide_mode(RSEQ_MODE_KERNEL) == RSEQ_MODE_KERNEL ?
			RSEQ_WAS_REGISTERED : RSEQ_FALLBACK;
	/*
	 * What the kernel says itself is final.  So is anything, if others
	 * of the process are registered, by glibc or by this function.
	 */
	if (error == EINVAL || error == EFAULT ||
	    area != &rseq_own_area || mode == RSEQ_MODE_KERNEL)
		return -error;
	if (rseq_fallback_prepare())
		return -ENOMEM;
	if (rseq_decide_mode(RSEQ_MODE_FALLBACK) == RSEQ_MODE_FALLBACK)
		return RSEQ_FALLBACK;
	return -error;
}

/**
 * rseq_register - make sure that the calling thread is registered
 *
 * To be called by each thread before its first operation.  If glibc registered
 * it, or an earlier call did, there is nothing left to do.  Who gets 0 is the
 * one to call rseq_unregister() before the thread ends, since its area may be
 * freed before the kernel has seen the last of the thread.  Nobody else does:
 * what they want to do after that takes another call of this.
 *
 * Not for code that runs before the constructors of the program and of each
 * library that includes this file: what it does then, an operation on x86-64,
 * may fault whatever this returned.
 *
 * Return: 0 if it is registered now, or
 *  RSEQ_WAS_REGISTERED: if it was so before, by whomever;
 *  RSEQ_FALLBACK: the kernel has no rseq(), or forbids it.  The operations of
 *	     all threads work, but slowly, see rseq-fallback.h;
 *  -ENOMEM: the same, but there is no memory for that;
 *  -ENOSYS, or another: the same, but for this thread only; others of the
 *	     process are registered.  This one can do no operations;
 *  -EINVAL: other code (or a library that was loaded apart, by dlopen()) has
 *	     registered an area of its own for this thread, and the kernel
 *	     takes only one.  As before.
 */
static inline int rseq_register(void)
{
	return rseq_register_thread();
}

/**
 * rseq_unregister - undo what rseq_register() did for the calling thread
 *
 * For who got 0 from that, once nothing in this thread has any more operations
 * to do.  A registration of glibc's is left alone, for it is not ours to end.
 *
 * Return: 0, or -EINVAL if the thread is not registered.
 */
static inline int rseq_unregister(void)
{
	struct rseq_abi *area = rseq_area();

	if (rseq_falls_back())
		return 0;
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
 * critical sections is unloaded (dlclose).  Where rseq_register() has registered
 * a thread by the area of such a library, because neither glibc nor the program
 * has one, it needs rseq_unregister() instead: the area goes as well.
 */
static inline void rseq_disarm(void)
{
	__asm__ __volatile__ ("mov" RSEQ_ASM_L " $0, " RSEQ_ASM_CS
			      : : RSEQ_ASM_INPUTS : "memory");
}

/*
 * The index that the section found is not the one asked for.  Telling why
 * here costs the operations that succeed nothing.
 */
static inline enum rseq_result rseq_other_cpu(void)
{
	return rseq_current_cpu_raw() < 0 ? RSEQ_NOT_REGISTERED : RSEQ_MOVED;
}

/* The operations: by CPU number, and by concurrency ID. */
#define RSEQ_OP(name)		name
#define RSEQ_OP_CHECK(label)	RSEQ_ASM_CHECK_CPU(label)
#define RSEQ_OP_INPUT(index)	RSEQ_ASM_INPUT_CPU(index)
#include "rseq-x86-ops.h"
#undef RSEQ_OP
#undef RSEQ_OP_CHECK
#undef RSEQ_OP_INPUT
#define RSEQ_OP(name)		name##_mm_cid
#define RSEQ_OP_CHECK(label)	RSEQ_ASM_CHECK_MM_CID(label)
#define RSEQ_OP_INPUT(index)	RSEQ_ASM_INPUT_MM_CID(index)
#include "rseq-x86-ops.h"
#undef RSEQ_OP
#undef RSEQ_OP_CHECK
#undef RSEQ_OP_INPUT

#endif /* RSEQ_H */
