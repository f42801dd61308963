/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the threads of ops_test.c do in the storm. Included twice: OP() and
 * INDEX() are by CPU number, or by mm_cid.
 *
 * Everything is done by the threads and by their signal handlers, and to data
 * that is only right as long as each operation happens at once or not at all.
 */

/* Adds one to each of the sums. */
static void OP(work_add)(struct worker *w)
{
	int i;

	do {
		i = INDEX();
	} while (note(w, OP(rseq_add)(&slot[i].count, 1, i)));
	do {
		i = INDEX();
	} while (note(w, OP(rseq_add_through)(&slot[i].behind,
					      offsetof(struct behind, count),
					      1, i)));
}

/* The same by compare and exchange. */
static void OP(work_exchange)(struct worker *w)
{
	struct slot *s;
	long v;
	int i;

	do {
		i = INDEX();
		s = &slot[i];
		v = LOAD(s->count);
	} while (note(w, OP(rseq_store_if_equal)(&s->count, v, v + 1, i)));
	do {
		i = INDEX();
		s = &slot[i];
		v = LOAD(s->pair);
	} while (note(w, OP(rseq_store_if_both_equal)(&s->pair, v, &s->closed,
						      0, v + 1, i)));
}

/*
 * A stack of words. Pop is compare twice: the height, and the word on top, so
 * that it is of no consequence what happened since that was looked at.
 */
static void OP(work_stack)(struct worker *w)
{
	long n, word;
	struct slot *s;
	int i;

	do {
		i = INDEX();
		s = &slot[i];
		n = LOAD(s->height);
		if (!n)
			return;
		word = LOAD(s->word[n - 1]);
	} while (note(w, OP(rseq_store_if_both_equal)(&s->height, n,
						      &s->word[n - 1], word,
						      n - 1, i)));
	do {
		i = INDEX();
		s = &slot[i];
		n = LOAD(s->height);
	} while (note(w, OP(rseq_store_and_commit)(&s->height, n, &s->word[n],
						   word, n + 1, i)));
}

/* A stack of records, copied in and out. */
static void OP(work_records)(struct worker *w)
{
	struct record r;
	struct slot *s;
	long n;
	int i;

	do {
		i = INDEX();
		s = &slot[i];
		n = LOAD(s->height);
		if (!n)
			return;
	} while (note(w, OP(rseq_copy_and_commit)(&s->height, n, &r,
						  &s->record[n - 1], sizeof(r),
						  n - 1, i)));
	if (!record_is_whole(&r))
		STORE(w->torn, LOAD(w->torn) + 1);
	do {
		i = INDEX();
		s = &slot[i];
		n = LOAD(s->height);
	} while (note(w, OP(rseq_copy_and_commit)(&s->height, n, &s->record[n],
						  &r, sizeof(r), n + 1, i)));
}

/* A list of nodes. */
static void OP(work_list)(struct worker *w)
{
	const ptrdiff_t next = offsetof(struct node, next);
	struct node *node;
	int i, result;

	do {
		i = INDEX();
		result = note(w, OP(rseq_pop)(&slot[i].head, NULL, next, &node,
					      i));
		if (result == RSEQ_UNEQUAL)
			return;
	} while (result);
	/* Whoever else has it, sees this. */
	if (__atomic_exchange_n(&node->taken, 1, __ATOMIC_RELAXED))
		STORE(w->torn, LOAD(w->torn) + 1);
	__atomic_store_n(&node->taken, 0, __ATOMIC_RELAXED);
	do {
		i = INDEX();
	} while (note(w, OP(rseq_push)(&slot[i].head, node, next, i)));
}
