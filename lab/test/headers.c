// SPDX-License-Identifier: GPL-2.0
/*
 * A program as others would write it, with rseq.h as it is installed: each
 * operation once, by both indices, in what C and C++ have in common. Exits 0 if
 * each did what it says, with rseq() or without.
 */
#include <rseq.h>

struct node {
	struct node *next;
};

static long v, w;
static void *p = &w;
static char to[8];
static struct node node, *head, *popped;

#define DO(index, call)							\
do {									\
	do {								\
		i = index();						\
		result = call;						\
	} while (result < 0);						\
	if (result != RSEQ_DONE)					\
		return __LINE__ & 0xff;					\
} while (0)

#define ALL(index, by)							\
do {									\
	DO(index, rseq_add##by(&v, 1, i));				\
	DO(index, rseq_add_through##by(&p, 0, 2, i));			\
	DO(index, rseq_store_if_equal##by(&v, 1, 3, i));		\
	DO(index, rseq_store_if_both_equal##by(&v, 3, &w, 2, 4, i));	\
	DO(index, rseq_store_and_commit##by(&v, 4, &w, 5, 6, i));	\
	DO(index, rseq_copy_and_commit##by(&v, 6, to, "rseq", 5, 7, i)); \
	DO(index, rseq_push##by(&head, &node, 0, i));			\
	DO(index, rseq_pop##by(&head, NULL, 0, &popped, i));		\
	if (v != 7 || w != 5 || to[3] != 'q' || head || popped != &node) \
		return 1;						\
	v = 0;								\
	w = 0;								\
	to[3] = 0;							\
} while (0)

int main(void)
{
	int i, result;

	if (rseq_register() < 0)
		return 2;
	ALL(rseq_cpu_start, );
	ALL(rseq_mm_cid_start, _mm_cid);
	if (rseq_fence() || rseq_fence_cpu(rseq_cpu_start()))
		return 3;
	return rseq_unregister() ? 4 : 0;
}
