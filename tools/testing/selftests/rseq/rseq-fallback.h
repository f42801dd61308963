/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Restartable sequences from user space: the operations without rseq().
 *
 * Included by rseq.h, never directly.  A kernel may lack rseq(), or a sandbox
 * may forbid it.  Then no thread of the process can have a critical section,
 * and each operation is done in C under one lock for the whole process, with
 * signals blocked, so that operations in signal handlers work as well: but not in
 * those of SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP, which are not blocked.  A
 * fault in an operation reaches its handler with the lock held.
 *
 * What it costs: two system calls, and the lock, for which all threads have to
 * queue whatever index they work on.  That is correct, and nothing more.
 *
 * What it does not cover: data in memory that several processes share, as each
 * process has a lock of its own; and data that a library which was loaded apart,
 * by dlopen(), or linked with -Bsymbolic, shares with a program that does not
 * export these symbols (-rdynamic), as each has a lock of its own then.
 */
#ifndef RSEQ_FALLBACK_H
#define RSEQ_FALLBACK_H

#ifndef RSEQ_H
#error "include rseq.h, which includes this file"
#endif

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Whether the process has critical sections.  Decided once, by the first call
 * of rseq_register() that can tell, for it must be the same for all threads.
 */
enum {
	RSEQ_MODE_UNKNOWN,
	RSEQ_MODE_KERNEL,
	RSEQ_MODE_FALLBACK,
};

RSEQ_ATTRIBUTE(weak, visibility("default")) int rseq_mode = RSEQ_MODE_UNKNOWN;

/*
 * The lock.  In the child of a fork, the thread that held it does not exist.
 * What that had not committed is as if it had been aborted, so the child gets a
 * new lock: from the kernel, which wipes the page however the child was made (the
 * initial value of a mutex is zero), and, where it does not, from fork().
 */
RSEQ_ATTRIBUTE(weak, visibility("default"))
pthread_mutex_t *rseq_fallback_mutex;

#ifdef MADV_WIPEONFORK
#define RSEQ_MADV_WIPEONFORK	MADV_WIPEONFORK
#else
#define RSEQ_MADV_WIPEONFORK	18
#endif

/* A word or pointer of the caller's, whatever its type. */
struct rseq_fallback_pointer {
	void *value;
} RSEQ_ATTRIBUTE(may_alias);

struct rseq_fallback_word {
	long value;
} RSEQ_ATTRIBUTE(may_alias);

/* Return: the mode, which is @mode if none had been decided on. */
static inline int rseq_decide_mode(int mode)
{
	int decided = RSEQ_MODE_UNKNOWN;

	if (__atomic_compare_exchange_n(&rseq_mode, &decided, mode, 0,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return mode;
	return decided;
}

static inline int rseq_falls_back(void)
{
	return __builtin_expect(__atomic_load_n(&rseq_mode, __ATOMIC_ACQUIRE) ==
				RSEQ_MODE_FALLBACK, 0);
}

RSEQ_ATTRIBUTE(unused) static void rseq_fallback_child(void)
{
	pthread_mutex_init(rseq_fallback_mutex, NULL);
}

/*
 * Make the lock, before the mode is decided.
 *
 * Return: 0, or -1 if there is no memory.
 */
RSEQ_ATTRIBUTE(noinline, unused) static int rseq_fallback_prepare(void)
{
	pthread_mutex_t *none = NULL;
	size_t size = sysconf(_SC_PAGESIZE);
	void *page;

	if (__atomic_load_n(&rseq_fallback_mutex, __ATOMIC_ACQUIRE))
		return 0;
	page = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -1;
	madvise(page, size, RSEQ_MADV_WIPEONFORK);
	if (!__atomic_compare_exchange_n(&rseq_fallback_mutex, &none,
					 (pthread_mutex_t *)page, 0,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		munmap(page, size);
	return pthread_atfork(NULL, NULL, rseq_fallback_child) ? -1 : 0;
}

static inline void rseq_fallback_lock(sigset_t *saved)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGTRAP);
	pthread_sigmask(SIG_BLOCK, &all, saved);
	pthread_mutex_lock(rseq_fallback_mutex);
}

static inline void rseq_fallback_unlock(const sigset_t *saved)
{
	pthread_mutex_unlock(rseq_fallback_mutex);
	pthread_sigmask(SIG_SETMASK, saved, NULL);
}

/*
 * The operations, as their pseudo-code has them.  Other threads may look at a
 * word without the lock, so each commit is one store, with release ordering.
 */

static inline void
rseq_fallback_add_at(struct rseq_fallback_word *v, long count)
{
	/* Wraps around, as the instruction does. */
	unsigned long sum = (unsigned long)v->value + (unsigned long)count;

	__atomic_store_n(&v->value, (long)sum, __ATOMIC_RELEASE);
}

RSEQ_ATTRIBUTE(noinline, unused) static enum rseq_result
rseq_fallback_add(void *v, long count)
{
	sigset_t saved;

	rseq_fallback_lock(&saved);
	rseq_fallback_add_at((struct rseq_fallback_word *)v, count);
	rseq_fallback_unlock(&saved);
	return RSEQ_DONE;
}

RSEQ_ATTRIBUTE(noinline, unused) static enum rseq_result
rseq_fallback_add_through(void *p, ptrdiff_t offset, long count)
{
	sigset_t saved;
	char *base;

	rseq_fallback_lock(&saved);
	base = (char *)((struct rseq_fallback_pointer *)p)->value;
	rseq_fallback_add_at((struct rseq_fallback_word *)(base + offset),
			     count);
	rseq_fallback_unlock(&saved);
	return RSEQ_DONE;
}

/*
 * The operations that compare, all in one: what is not asked for is NULL, or
 * 0 bytes.
 */
struct rseq_fallback_store {
	void *v;		/* compared, and committed to in the end */
	long expect;
	const void *v2;		/* compared */
	long expect2;
	void *w;		/* stored to */
	long store;
	void *to;		/* copied to */
	const void *from;
	size_t size;
	long value;		/* what is committed */
};

RSEQ_ATTRIBUTE(noinline, unused) static enum rseq_result
rseq_fallback_store(const struct rseq_fallback_store *s)
{
	struct rseq_fallback_word *v = (struct rseq_fallback_word *)s->v;
	struct rseq_fallback_word *w = (struct rseq_fallback_word *)s->w;
	const struct rseq_fallback_word *v2 =
		(const struct rseq_fallback_word *)s->v2;
	enum rseq_result result = RSEQ_UNEQUAL;
	sigset_t saved;

	rseq_fallback_lock(&saved);
	if (v->value == s->expect && (!v2 || v2->value == s->expect2)) {
		if (w)
			w->value = s->store;
		if (s->size)
			memcpy(s->to, s->from, s->size);
		__atomic_store_n(&v->value, s->value, __ATOMIC_RELEASE);
		result = RSEQ_DONE;
	}
	rseq_fallback_unlock(&saved);
	return result;
}

/* The pointer to the next node in a node. */
static inline struct rseq_fallback_pointer *
rseq_fallback_link(void *node, ptrdiff_t next)
{
	return (struct rseq_fallback_pointer *)((char *)node + next);
}

RSEQ_ATTRIBUTE(noinline, unused) static enum rseq_result
rseq_fallback_push(void *head, void *node, ptrdiff_t next)
{
	struct rseq_fallback_pointer *first =
		(struct rseq_fallback_pointer *)head;
	sigset_t saved;

	rseq_fallback_lock(&saved);
	rseq_fallback_link(node, next)->value = first->value;
	__atomic_store_n(&first->value, node, __ATOMIC_RELEASE);
	rseq_fallback_unlock(&saved);
	return RSEQ_DONE;
}

RSEQ_ATTRIBUTE(noinline, unused) static enum rseq_result
rseq_fallback_pop(void *head, const void *end, ptrdiff_t next, void *popped)
{
	struct rseq_fallback_pointer *first =
		(struct rseq_fallback_pointer *)head;
	enum rseq_result result = RSEQ_UNEQUAL;
	sigset_t saved;
	void *node;

	rseq_fallback_lock(&saved);
	node = first->value;
	if (node != end) {
		((struct rseq_fallback_pointer *)popped)->value = node;
		__atomic_store_n(&first->value,
				 rseq_fallback_link(node, next)->value,
				 __ATOMIC_RELEASE);
		result = RSEQ_DONE;
	}
	rseq_fallback_unlock(&saved);
	return result;
}

#endif /* RSEQ_FALLBACK_H */
