/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The operations as inject_test.c interrupts them. Included twice: OP() and
 * INDEX() are by CPU number, or by mm_cid.
 *
 * Each is tried until it is done, and counts its tries: 0 that ended otherwise,
 * 1 aborted, 2 moved. Returns the index at which it was done. The child begins and
 * ends with a stop for the tracer.
 */

#define TRY(call)							\
do {									\
	result = (call);						\
	tries[result < 0 ? -result : 0]++;				\
} while (0)

static RSEQ_ATTRIBUTE(noinline) int OP(do_add)(enum who who, int *tries)
{
	int result, i;

	begin(who);
	do {
		i = INDEX();
		TRY(OP(rseq_add)(&shared->slot[i].v, 1, i));
	} while (result);
	end(who);
	return i;
}

static RSEQ_ATTRIBUTE(noinline)
int OP(do_add_through)(enum who who, int *tries)
{
	int result, i;

	begin(who);
	do {
		i = INDEX();
		TRY(OP(rseq_add_through)(&shared->slot[i].p, 0, 1, i));
	} while (result);
	end(who);
	return i;
}

static RSEQ_ATTRIBUTE(noinline)
int OP(do_store_if_equal)(enum who who, int *tries)
{
	int result, i;
	long v;

	begin(who);
	do {
		i = INDEX();
		v = LOAD(shared->slot[i].v);
		TRY(OP(rseq_store_if_equal)(&shared->slot[i].v, v, v + 1, i));
	} while (result);
	end(who);
	return i;
}

static RSEQ_ATTRIBUTE(noinline)
int OP(do_store_if_both_equal)(enum who who, int *tries)
{
	struct slot *s;
	int result, i;
	long v, w;

	begin(who);
	do {
		i = INDEX();
		s = &shared->slot[i];
		v = LOAD(s->v);
		w = LOAD(s->w);
		TRY(OP(rseq_store_if_both_equal)(&s->v, v, &s->w, w, w + 1, i));
	} while (result);
	end(who);
	return i;
}

static RSEQ_ATTRIBUTE(noinline)
int OP(do_store_and_commit)(enum who who, int *tries)
{
	struct slot *s;
	int result, i;
	long v;

	begin(who);
	do {
		i = INDEX();
		s = &shared->slot[i];
		v = LOAD(s->v);
		TRY(OP(rseq_store_and_commit)(&s->v, v, &s->w, ~v, v + 1, i));
	} while (result);
	end(who);
	return i;
}

static RSEQ_ATTRIBUTE(noinline)
int OP(do_copy_and_commit)(enum who who, int *tries)
{
	struct slot *s;
	int result, i;
	long v;

	begin(who);
	do {
		i = INDEX();
		s = &shared->slot[i];
		v = LOAD(s->v);
		TRY(OP(rseq_copy_and_commit)(&s->v, v, s->block, text[who],
					     BLOCK, v + 1, i));
	} while (result);
	end(who);
	return i;
}

static RSEQ_ATTRIBUTE(noinline) int OP(do_push)(enum who who, int *tries)
{
	int result, i;

	begin(who);
	do {
		i = INDEX();
		TRY(OP(rseq_push)(&shared->slot[i].head, &shared->spare[who],
				  offsetof(struct node, next), i));
	} while (result);
	end(who);
	return i;
}

static RSEQ_ATTRIBUTE(noinline) int OP(do_pop)(enum who who, int *tries)
{
	int result, i;

	begin(who);
	do {
		i = INDEX();
		TRY(OP(rseq_pop)(&shared->slot[i].head, NULL,
				 offsetof(struct node, next),
				 &shared->popped[who], i));
	} while (result);
	end(who);
	return i;
}

#undef TRY
