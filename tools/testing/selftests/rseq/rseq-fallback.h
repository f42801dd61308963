/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Restartable sequences from user space: the operations without rseq().
 *
 * Included by rseq.h, never directly.  A kernel may lack rseq(), or a sandbox
 * may forbid it.  Then no thread of the process can have a critical section,
 * and each operation is done in C under one lock for the whole process, with
 * all signals blocked, so that operations in signal handlers work as well.
 *
 * What it costs: two system calls, and the lock, for which all threads have to
 * queue whatever index they work on.  That is correct, and nothing more.
 *
 * What it does not cover: data in memory that several processes share, as each
 * process has a lock of its own.
 */
#ifndef RSEQ_FALLBACK_H
#define RSEQ_FALLBACK_H

#ifndef RSEQ_H
#error "include rseq.h, which includes this file"
#endif

#include <pthread.h>
#include <signal.h>
#include <string.h>

/*
 * Whether the process has critical sections.  Decided once, by the first call
 * of rseq_register() that can tell, for it must be the same for all threads.
 */
enum {
	RSEQ_MODE_UNKNOWN,
	RSEQ_MODE_KERNEL,
	RSEQ_MODE_FALLBACK,
};

RSEQ_ATTRIBUTE(weak) int rseq_mode = RSEQ_MODE_UNKNOWN;
RSEQ_ATTRIBUTE(weak) pthread_mutex_t rseq_fallback_mutex =
	PTHREAD_MUTEX_INITIALIZER;

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

/*
 * In the child of a fork, the thread that held the lock does not exist.  What
 * it had not committed is as if it had been aborted.
 */
RSEQ_ATTRIBUTE(unused) static void rseq_fallback_child(void)
{
	pthread_mutex_init(&rseq_fallback_mutex, NULL);
}

static inline void rseq_fallback_lock(sigset_t *saved)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, saved);
	pthread_mutex_lock(&rseq_fallback_mutex);
}

static inline void rseq_fallback_unlock(const sigset_t *saved)
{
	pthread_mutex_unlock(&rseq_fallback_mutex);
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
