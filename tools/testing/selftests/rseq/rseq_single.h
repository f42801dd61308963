/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What one thread of ops_test.c can see of the operations. Included twice: OP()
 * and INDEX() are by CPU number, or by mm_cid.
 */

/* The result of an operation on index i, tried until it is not interrupted. */
#define RESULT(call)							\
(__extension__ ({							\
	int rs_result, i;						\
									\
	do {								\
		i = INDEX();						\
		rs_result = (call);					\
	} while (rs_result < 0);					\
	rs_result;							\
}))

/*
 * Each operation changes what it says, and nothing else, whether its operands
 * are constants, variables, small or large. That the compiler is told of the
 * change shows in that it does not use what it knew before.
 */
static void OP(check_effects)(void)
{
	const long large = LONG_MAX / 57;
	const ptrdiff_t next = offsetof(struct node, next);
	struct node a, b, *head = NULL, *node = NULL;
	long v, w;
	char from[BLOCK], to[BLOCK + 2];
	size_t size;
	void *p = &w;

	v = 1;
	CHECK(RESULT(OP(rseq_add)(&v, 2, i)) == RSEQ_DONE && v == 3);
	CHECK(RESULT(OP(rseq_add)(&v, large, i)) == RSEQ_DONE &&
	      v == large + 3);
	CHECK(RESULT(OP(rseq_add)(&v, -large, i)) == RSEQ_DONE && v == 3);
	v = LONG_MAX;
	CHECK(RESULT(OP(rseq_add)(&v, 1, i)) == RSEQ_DONE && v == LONG_MIN);

	v = 7;
	w = 1;
	CHECK(RESULT(OP(rseq_add_through)(&p, 0, large, i)) == RSEQ_DONE &&
	      w == large + 1 && p == &w);
	p = (void *)((uintptr_t)&v - (uintptr_t)large);
	CHECK(RESULT(OP(rseq_add_through)(&p, large, -8, i)) == RSEQ_DONE &&
	      v == -1);

	v = large;
	CHECK(RESULT(OP(rseq_store_if_equal)(&v, large + 1, 1, i)) ==
	      RSEQ_UNEQUAL && v == large);
	CHECK(RESULT(OP(rseq_store_if_equal)(&v, large, -1, i)) == RSEQ_DONE &&
	      v == -1);
	CHECK(RESULT(OP(rseq_store_if_equal)(&v, -1, large, i)) == RSEQ_DONE &&
	      v == large);

	w = -large;
	CHECK(RESULT(OP(rseq_store_if_both_equal)(&v, large, &w, large, 1,
						  i)) == RSEQ_UNEQUAL &&
	      v == large && w == -large);
	CHECK(RESULT(OP(rseq_store_if_both_equal)(&v, 0, &w, -large, 1, i)) ==
	      RSEQ_UNEQUAL && v == large);
	CHECK(RESULT(OP(rseq_store_if_both_equal)(&v, large, &w, -large, 1,
						  i)) == RSEQ_DONE &&
	      v == 1 && w == -large);
	/* The same word twice. */
	CHECK(RESULT(OP(rseq_store_if_both_equal)(&v, 1, &v, 1, 2, i)) ==
	      RSEQ_DONE && v == 2);

	w = 5;
	CHECK(RESULT(OP(rseq_store_and_commit)(&v, 3, &w, large, 4, i)) ==
	      RSEQ_UNEQUAL && v == 2 && w == 5);
	CHECK(RESULT(OP(rseq_store_and_commit)(&v, 2, &w, large, -large, i)) ==
	      RSEQ_DONE && v == -large && w == large);

	memset(from, 'x', sizeof(from));
	for (size = 0; size <= BLOCK; size++) {
		memset(to, '.', sizeof(to));
		v = 0;
		CHECK(RESULT(OP(rseq_copy_and_commit)(&v, 1, to + 1, from,
						      size, 9, i)) ==
		      RSEQ_UNEQUAL && v == 0 && to[1] == '.');
		CHECK(RESULT(OP(rseq_copy_and_commit)(&v, 0, to + 1, from,
						      size, large, i)) ==
		      RSEQ_DONE && v == large);
		CHECK(to[0] == '.' && !memcmp(to + 1, from, size) &&
		      to[size + 1] == '.');
		from[size % BLOCK] = (char)('a' + size);
	}

	a.id = 1;
	b.id = 2;
	CHECK(RESULT(OP(rseq_pop)(&head, NULL, next, &node, i)) ==
	      RSEQ_UNEQUAL && !node && !head);
	CHECK(RESULT(OP(rseq_push)(&head, &a, next, i)) == RSEQ_DONE &&
	      head == &a && !a.next);
	CHECK(RESULT(OP(rseq_push)(&head, &b, next, i)) == RSEQ_DONE &&
	      head == &b && b.next == &a);
	/* Up to an end of the caller's choice. */
	CHECK(RESULT(OP(rseq_pop)(&head, &b, next, &node, i)) ==
	      RSEQ_UNEQUAL && head == &b);
	CHECK(RESULT(OP(rseq_pop)(&head, NULL, next, &node, i)) ==
	      RSEQ_DONE && node == &b && head == &a);
	CHECK(RESULT(OP(rseq_pop)(&head, NULL, next, &node, i)) ==
	      RSEQ_DONE && node == &a && !head);
	CHECK(a.id == 1 && b.id == 2);
}

/*
 * The compiler is told that memory changes: it must not go by what it has just
 * stored, nor store later what is stored before.
 */
static void OP(check_memory)(void)
{
	const ptrdiff_t next = offsetof(struct node, next);
	static struct node a, *head, *node;
	static long v, w;
	static void *p = &v;
	static char to;
	int i, result;

	do {
		i = INDEX();
		v = 1;
		result = OP(rseq_add)(&v, 2, i);
		if (result == RSEQ_DONE)
			CHECK(v == 3);
	} while (result < 0);
	CHECK(!result);
	do {
		i = INDEX();
		v = 1;
		result = OP(rseq_add_through)(&p, 0, 2, i);
		if (result == RSEQ_DONE)
			CHECK(v == 3);
	} while (result < 0);
	CHECK(!result);
	do {
		i = INDEX();
		v = 1;
		result = OP(rseq_store_if_equal)(&v, 1, 2, i);
		if (result == RSEQ_DONE)
			CHECK(v == 2);
	} while (result < 0);
	CHECK(!result);
	do {
		i = INDEX();
		v = 1;
		w = 1;
		result = OP(rseq_store_if_both_equal)(&v, 1, &w, 1, 2, i);
		if (result == RSEQ_DONE)
			CHECK(v == 2);
	} while (result < 0);
	CHECK(!result);
	do {
		i = INDEX();
		v = 1;
		w = 1;
		result = OP(rseq_store_and_commit)(&v, 1, &w, 3, 2, i);
		if (result == RSEQ_DONE)
			CHECK(v == 2 && w == 3);
	} while (result < 0);
	CHECK(!result);
	do {
		i = INDEX();
		v = 1;
		to = 'a';
		result = OP(rseq_copy_and_commit)(&v, 1, &to, "b", 1, 2, i);
		if (result == RSEQ_DONE)
			CHECK(v == 2 && to == 'b');
	} while (result < 0);
	CHECK(!result);
	do {
		i = INDEX();
		head = NULL;
		a.next = &a;
		result = OP(rseq_push)(&head, &a, next, i);
		if (result == RSEQ_DONE)
			CHECK(head == &a && !a.next);
	} while (result < 0);
	CHECK(!result);
	do {
		i = INDEX();
		head = &a;
		a.next = NULL;
		node = NULL;
		result = OP(rseq_pop)(&head, NULL, next, &node, i);
		if (result == RSEQ_DONE)
			CHECK(!head && node == &a);
	} while (result < 0);
	CHECK(!result);
}

/* Not at home at this index. */
static void OP(check_moved)(void)
{
	const ptrdiff_t next = offsetof(struct node, next);
	int i = allowed_cpu[0] ? 0 : CPU_SETSIZE - 1;
	struct node a, *head = NULL, *node = NULL;
	long v = 3, w = 4;
	void *p = &w;
	char to = '.';

	a.next = &a;
	CHECK(OP(rseq_add)(&v, 1, i) == RSEQ_MOVED);
	CHECK(OP(rseq_add_through)(&p, 0, 1, i) == RSEQ_MOVED);
	CHECK(OP(rseq_store_if_equal)(&v, 3, 9, i) == RSEQ_MOVED);
	CHECK(OP(rseq_store_if_both_equal)(&v, 3, &w, 4, 9, i) == RSEQ_MOVED);
	CHECK(OP(rseq_store_and_commit)(&v, 3, &w, 8, 9, i) == RSEQ_MOVED);
	CHECK(OP(rseq_copy_and_commit)(&v, 3, &to, "x", 1, 9, i) ==
	      RSEQ_MOVED);
	CHECK(OP(rseq_push)(&head, &a, next, i) == RSEQ_MOVED);
	CHECK(v == 3 && w == 4 && to == '.' && !head && a.next == &a);
	head = &a;
	CHECK(OP(rseq_pop)(&head, NULL, next, &node, i) == RSEQ_MOVED);
	CHECK(head == &a && !node);
}

/* A thread without registration is told so, at any index. */
static void OP(check_not_registered)(void)
{
	const ptrdiff_t next = offsetof(struct node, next);
	struct node a, *head = NULL, *node = NULL;
	long v = 3, w = 4;
	void *p = &w;
	char to = '.';
	int i = INDEX();

	CHECK(i == 0);
	CHECK(OP(rseq_add)(&v, 1, i) == RSEQ_NOT_REGISTERED);
	CHECK(OP(rseq_add_through)(&p, 0, 1, i) == RSEQ_NOT_REGISTERED);
	CHECK(OP(rseq_store_if_equal)(&v, 3, 9, i) == RSEQ_NOT_REGISTERED);
	CHECK(OP(rseq_store_if_both_equal)(&v, 3, &w, 4, 9, i) ==
	      RSEQ_NOT_REGISTERED);
	CHECK(OP(rseq_store_and_commit)(&v, 3, &w, 8, 9, i) ==
	      RSEQ_NOT_REGISTERED);
	CHECK(OP(rseq_copy_and_commit)(&v, 3, &to, "x", 1, 9, i) ==
	      RSEQ_NOT_REGISTERED);
	CHECK(OP(rseq_push)(&head, &a, next, i) == RSEQ_NOT_REGISTERED);
	CHECK(v == 3 && w == 4 && to == '.' && !head);
	head = &a;
	CHECK(OP(rseq_pop)(&head, NULL, next, &node, i) ==
	      RSEQ_NOT_REGISTERED);
	CHECK(head == &a && !node);
}

/*
 * More values at hand than there are registers, so that one is in each that
 * the operation may use; all must outlive it, on each way out.
 */
#define LIVE(call)							\
do {									\
	long l0 = LOAD(input[0]);					\
	long l1 = LOAD(input[1]);					\
	long l2 = LOAD(input[2]);					\
	long l3 = LOAD(input[3]);					\
	long l4 = LOAD(input[4]);					\
	long l5 = LOAD(input[5]);					\
	long l6 = LOAD(input[6]);					\
	long l7 = LOAD(input[7]);					\
	long l8 = LOAD(input[8]);					\
	long l9 = LOAD(input[9]);					\
	long l10 = LOAD(input[10]);				\
	long l11 = LOAD(input[11]);				\
	long l12 = LOAD(input[12]);				\
	long l13 = LOAD(input[13]);				\
	long l14 = LOAD(input[14]);				\
									\
	(void)(call);							\
	output[0] = l0;							\
	output[1] = l1;							\
	output[2] = l2;							\
	output[3] = l3;							\
	output[4] = l4;							\
	output[5] = l5;							\
	output[6] = l6;							\
	output[7] = l7;							\
	output[8] = l8;							\
	output[9] = l9;							\
	output[10] = l10;						\
	output[11] = l11;						\
	output[12] = l12;						\
	output[13] = l13;						\
	output[14] = l14;						\
	CHECK(same_values());						\
} while (0)

static void OP(check_registers)(void)
{
	const ptrdiff_t next = offsetof(struct node, next);
	struct node a, *head = NULL, *node;
	long v = 0, w = 0;
	void *p = &w;
	char to[BLOCK] = "", from[BLOCK] = "";
	int round, i;

	for (round = 0; round < 4; round++) {
		/* Done, or, at the wrong index, not. */
		i = round % 2 ? CPU_SETSIZE - 1 : INDEX();
		LIVE(OP(rseq_add)(&v, round, i));
		LIVE(OP(rseq_add_through)(&p, 0, round, i));
		LIVE(OP(rseq_store_if_equal)(&v, v, round, i));
		LIVE(OP(rseq_store_if_equal)(&v, v + 1, round, i));
		LIVE(OP(rseq_store_if_both_equal)(&v, v, &w, w, round, i));
		LIVE(OP(rseq_store_if_both_equal)(&v, v, &w, w + 1, round, i));
		LIVE(OP(rseq_store_and_commit)(&v, v, &w, round, round, i));
		LIVE(OP(rseq_store_and_commit)(&v, v + 1, &w, 0, round, i));
		LIVE(OP(rseq_copy_and_commit)(&v, v, to, from, BLOCK, 1, i));
		LIVE(OP(rseq_copy_and_commit)(&v, v + 1, to, from, BLOCK, 1,
					      i));
		LIVE(OP(rseq_pop)(&head, NULL, next, &node, i));
		LIVE(OP(rseq_push)(&head, &a, next, i));
		LIVE(OP(rseq_pop)(&head, NULL, next, &node, i));
	}
}

/* A section twice in one statement, and in a loop that may be unrolled. */
static void OP(check_twice)(void)
{
	int round;
	long v = 0;

	for (round = 0; round < 4; round++)
		CHECK(RESULT(OP(rseq_add)(&v, 1, i)) +
		      RESULT(OP(rseq_add)(&v, 1, i)) +
		      RESULT(OP(rseq_add)(&v, 1, i)) == 3 * RSEQ_DONE);
	CHECK(v == 12);
}

/* What was stored before the commit is seen by whoever sees the commit. */
static void *OP(release)(void *arg)
{
	int i, result;
	long n;

	(void)arg;
	if (rseq_register() < 0)
		return NULL;
	for (n = 1; n <= RELEASES; n++) {
		do {
			i = INDEX();
			message = n;
			result = OP(rseq_store_if_equal)(&committed_message,
							 n - 1, n, i);
		} while (result < 0);
		CHECK(result == RSEQ_DONE);
	}
	rseq_unregister();
	return NULL;
}

#undef LIVE
#undef RESULT
