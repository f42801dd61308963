// SPDX-License-Identifier: GPL-2.0
/*
 * What each operation of rseq.h costs a single thread. With RSEQ_NR_SYSCALL the
 * number of no system call, what it costs without rseq().
 */

/* Else rseq.h has its own. */
#ifdef RSEQ_NR_SYSCALL
#define BY_CPU	"without rseq()"
#else
#define BY_CPU	"by CPU"
#endif
#include "sample.h"

#define BLOCK	64

struct node {
	struct node *next;
};

static struct slot {
	long v, w;
	long *p;
	struct node *head;
	char block[BLOCK];
} RSEQ_ATTRIBUTE(aligned(64)) slot[CPU_SETSIZE];

static const char block[BLOCK];
static struct node node;

/* Nobody else is at work, so what is loaded is what is found. */
#define TIMED(name, call)						\
static void time_##name(unsigned long n)				\
{									\
	struct slot *s;							\
	long v;								\
	int i;								\
									\
	while (n--) {							\
		do {							\
			i = rseq_cpu_start();				\
			s = &slot[i];					\
			v = LOAD(s->v);					\
			(void)v;					\
		} while (rseq_##call(, s, v, i) < 0);			\
	}								\
}									\
									\
static void time_##name##_mm_cid(unsigned long n)			\
{									\
	struct slot *s;							\
	long v;								\
	int i;								\
									\
	while (n--) {							\
		do {							\
			i = rseq_mm_cid_start();			\
			s = &slot[i];					\
			v = LOAD(s->v);					\
			(void)v;					\
		} while (rseq_##call(_mm_cid, s, v, i) < 0);		\
	}								\
}

#define rseq_ADD(by, s, v, i)						\
	rseq_add##by(&(s)->v, 1, i)
#define rseq_ADD_THROUGH(by, s, v, i)					\
	rseq_add_through##by(&(s)->p, 0, 1, i)
#define rseq_STORE_IF_EQUAL(by, s, v, i)				\
	rseq_store_if_equal##by(&(s)->v, v, (v) + 1, i)
#define rseq_STORE_IF_BOTH_EQUAL(by, s, v, i)				\
	rseq_store_if_both_equal##by(&(s)->v, v, &(s)->w, 0, (v) + 1, i)
#define rseq_STORE_AND_COMMIT(by, s, v, i)				\
	rseq_store_and_commit##by(&(s)->v, v, &(s)->w, 0, (v) + 1, i)
#define rseq_COPY_AND_COMMIT(by, s, v, i)				\
	rseq_copy_and_commit##by(&(s)->v, v, (s)->block, block, BLOCK,	\
				 (v) + 1, i)

TIMED(add, ADD)
TIMED(add_through, ADD_THROUGH)
TIMED(store_if_equal, STORE_IF_EQUAL)
TIMED(store_if_both_equal, STORE_IF_BOTH_EQUAL)
TIMED(store_and_commit, STORE_AND_COMMIT)
TIMED(copy_and_commit, COPY_AND_COMMIT)

/* The one does not go without the other. */
static void time_push_pop(unsigned long n)
{
	struct node *popped;
	int i;

	while (n--) {
		do {
			i = rseq_cpu_start();
		} while (rseq_push(&slot[i].head, &node, 0, i) < 0);
		do {
			i = rseq_cpu_start();
		} while (rseq_pop(&slot[i].head, NULL, 0, &popped, i) < 0);
	}
}

static void time_push_pop_mm_cid(unsigned long n)
{
	struct node *popped;
	int i;

	while (n--) {
		do {
			i = rseq_mm_cid_start();
		} while (rseq_push_mm_cid(&slot[i].head, &node, 0, i) < 0);
		do {
			i = rseq_mm_cid_start();
		} while (rseq_pop_mm_cid(&slot[i].head, NULL, 0, &popped,
					 i) < 0);
	}
}

static void time_fence(unsigned long n)
{
	while (n--)
		if (rseq_fence())
			errx(1, "the kernel has no membarrier() for rseq");
}

static void time_fence_cpu(unsigned long n)
{
	while (n--)
		if (rseq_fence_cpu(rseq_cpu_start()))
			errx(1, "the kernel has no membarrier() for rseq");
}

#define ROW(name)							\
	{ #name, {							\
		{ BY_CPU, time_##name },				\
		{ "by mm_cid", time_##name##_mm_cid },			\
	} }

static const struct {
	const char *name;
	struct variant variant[2];
} row[] = {
	ROW(add),
	ROW(add_through),
	ROW(store_if_equal),
	ROW(store_if_both_equal),
	ROW(store_and_commit),
	{ "copy_and_commit (64 bytes)", {
		{ BY_CPU, time_copy_and_commit },
		{ "by mm_cid", time_copy_and_commit_mm_cid },
	} },
	{ "push and pop", {
		{ BY_CPU, time_push_pop },
		{ "by mm_cid", time_push_pop_mm_cid },
	} },
	{ "fence (all CPUs, one thread)", { { BY_CPU, time_fence } } },
	{ "fence_cpu (one thread)", { { BY_CPU, time_fence_cpu } } },
};

int main(int argc, char **argv)
{
	/* Without rseq(), there is no difference by index. */
	int variants = rseq_current_cpu_raw() < 0 ? 1 : 2;
	unsigned int i;

	begin(argc, argv, "needs -b", "bh");
	if (!option.benchmark)
		errx(2, "-b is all there is");
	for (i = 0; i < CPU_SETSIZE; i++)
		slot[i].p = &slot[i].v;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		benchmark(row[i].name, row[i].variant,
			  row[i].variant[1].run ? variants : 1);
	return 0;
}
