/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Restartable sequences from user space: operations on per-CPU data, for x86.
 *
 * Included by rseq.h, never directly, and twice: NAME() works on data that is
 * indexed by CPU number, NAME_mm_cid() on data that is indexed by concurrency
 * ID, see rseq_cpu_start() and rseq_mm_cid_start().  The pseudo-code below says
 *
 *	check index:	if (cpu_id != index)	or mm_cid, for NAME_mm_cid()
 *				return RSEQ_MOVED;
 *
 * An operation touches memory only as its pseudo-code says, and the line
 * marked "commit" is one store, the last.  Whatever comes in between, either
 * all of it has happened, or nothing that another thread could have seen.
 *
 * The commit has release ordering: who loads the committed value with acquire
 * ordering sees all that the thread had stored before.  x86 orders stores that
 * way for nothing, so there are no variants with and without.
 *
 * Each one returns
 *
 *	RSEQ_DONE		committed
 *	RSEQ_UNEQUAL		if it compares: not equal, nothing stored
 *	RSEQ_ABORTED		interrupted; try again from the index on
 *	RSEQ_MOVED		index is outdated; try again from the index on
 *	RSEQ_NOT_REGISTERED	the thread forgot rseq_register()
 *
 * and where the process has no rseq(), it does the same under a lock, see
 * rseq-fallback.h.
 */

/*
 * rseq_add, rseq_add_mm_cid - add to a word
 * @v:	   the word of @index
 * @count: what to add
 * @index: from rseq_cpu_start(), or rseq_mm_cid_start()
 *
 *	check index
 *	*v += count;				commit
 *
 * The add is one instruction but not an atomic one (no lock prefix): the
 * section is what keeps the thread on the CPU, where nobody else gets at @v.
 *
 * Return: RSEQ_DONE, RSEQ_ABORTED, RSEQ_MOVED or RSEQ_NOT_REGISTERED.
 */
static inline enum rseq_result RSEQ_OP(rseq_add)(long *v, long count, int index)
{
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_OP_CHECK(moved)
		"add" RSEQ_ASM_L "	%[count], %[v]\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS, RSEQ_OP_INPUT(index),
		  [v] "m" (*v), [count] "er" (count)
		: RSEQ_ASM_CLOBBERS
		: moved, aborted);
	return RSEQ_DONE;
moved:
	if (rseq_falls_back())
		return rseq_fallback_add(v, count);
	return rseq_other_cpu();
aborted:
	return RSEQ_ABORTED;
}

/*
 * rseq_add_through, rseq_add_through_mm_cid - add to a word behind a pointer
 * @p:	    address of the pointer of @index
 * @offset: bytes from where the pointer points to the word
 * @count:  what to add
 * @index:  from rseq_cpu_start(), or rseq_mm_cid_start()
 *
 *	check index
 *	v = *p + offset;
 *	*v += count;				commit
 *
 * Another thread may exchange the pointer (an atomic store) and fence: after
 * that, nothing is added any more to what it pointed to.
 *
 * Return: RSEQ_DONE, RSEQ_ABORTED, RSEQ_MOVED or RSEQ_NOT_REGISTERED.
 */
static inline enum rseq_result
RSEQ_OP(rseq_add_through)(void *p, ptrdiff_t offset, long count, int index)
{
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_OP_CHECK(moved)
		"mov" RSEQ_ASM_L "	%[p], %%" RSEQ_ASM_TMP "\n\t"
		"add" RSEQ_ASM_L "	%[offset], %%" RSEQ_ASM_TMP "\n\t"
		"add" RSEQ_ASM_L "	%[count], (%%" RSEQ_ASM_TMP ")\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS, RSEQ_OP_INPUT(index),
		  [p] "m" (*(void **)p), [offset] "erm" (offset),
		  [count] "er" (count)
		: RSEQ_ASM_CLOBBERS
		: moved, aborted);
	return RSEQ_DONE;
moved:
	if (rseq_falls_back())
		return rseq_fallback_add_through(p, offset, count);
	return rseq_other_cpu();
aborted:
	return RSEQ_ABORTED;
}

/*
 * rseq_store_if_equal, rseq_store_if_equal_mm_cid - compare and exchange a word
 * @v:	    the word of @index
 * @expect: what it must hold
 * @value:  what to store
 * @index:  from rseq_cpu_start(), or rseq_mm_cid_start()
 *
 *	check index
 *	if (*v != expect)
 *		return RSEQ_UNEQUAL;
 *	*v = value;				commit
 *
 * Return: RSEQ_DONE, RSEQ_UNEQUAL, RSEQ_ABORTED, RSEQ_MOVED or
 * RSEQ_NOT_REGISTERED.
 */
static inline enum rseq_result
RSEQ_OP(rseq_store_if_equal)(long *v, long expect, long value, int index)
{
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_OP_CHECK(moved)
		"cmp" RSEQ_ASM_L "	%[expect], %[v]\n\t"
		"jne	%l[unequal]\n\t"
		"mov" RSEQ_ASM_L "	%[value], %[v]\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS, RSEQ_OP_INPUT(index),
		  [v] "m" (*v), [expect] "er" (expect), [value] "er" (value)
		: RSEQ_ASM_CLOBBERS
		: moved, unequal, aborted);
	return RSEQ_DONE;
moved:
	if (rseq_falls_back()) {
		const struct rseq_fallback_store s = {
			v, expect, NULL, 0, NULL, 0, NULL, NULL, 0, value,
		};

		return rseq_fallback_store(&s);
	}
	return rseq_other_cpu();
unequal:
	return RSEQ_UNEQUAL;
aborted:
	return RSEQ_ABORTED;
}

/*
 * rseq_store_if_both_equal, rseq_store_if_both_equal_mm_cid - store to a word
 *	if that and another one hold what they must
 * @v:	     the word of @index
 * @expect:  what it must hold
 * @v2:	     the other word
 * @expect2: what that must hold
 * @value:   what to store to @v
 * @index:   from rseq_cpu_start(), or rseq_mm_cid_start()
 *
 *	check index
 *	if (*v != expect || *v2 != expect2)
 *		return RSEQ_UNEQUAL;
 *	*v = value;				commit
 *
 * For @v and a version number, or a flag that another thread sets before it
 * fences.
 *
 * Return: RSEQ_DONE, RSEQ_UNEQUAL, RSEQ_ABORTED, RSEQ_MOVED or
 * RSEQ_NOT_REGISTERED.
 */
static inline enum rseq_result
RSEQ_OP(rseq_store_if_both_equal)(long *v, long expect, const long *v2,
				  long expect2, long value, int index)
{
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_OP_CHECK(moved)
		"mov" RSEQ_ASM_L "	%[v], %%" RSEQ_ASM_TMP "\n\t"
		"cmp" RSEQ_ASM_L "	%[expect], %%" RSEQ_ASM_TMP "\n\t"
		"jne	%l[unequal]\n\t"
		"mov" RSEQ_ASM_L "	%[v2], %%" RSEQ_ASM_TMP "\n\t"
		"cmp" RSEQ_ASM_L "	%[expect2], %%" RSEQ_ASM_TMP "\n\t"
		"jne	%l[unequal]\n\t"
		"mov" RSEQ_ASM_L "	%[value], %[v]\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS, RSEQ_OP_INPUT(index),
		  [v] "m" (*v), [expect] "erm" (expect),
		  [v2] "m" (*v2), [expect2] "erm" (expect2),
		  [value] "er" (value)
		: RSEQ_ASM_CLOBBERS
		: moved, unequal, aborted);
	return RSEQ_DONE;
moved:
	if (rseq_falls_back()) {
		const struct rseq_fallback_store s = {
			v, expect, v2, expect2, NULL, 0, NULL, NULL, 0, value,
		};

		return rseq_fallback_store(&s);
	}
	return rseq_other_cpu();
unequal:
	return RSEQ_UNEQUAL;
aborted:
	return RSEQ_ABORTED;
}

/*
 * rseq_store_and_commit, rseq_store_and_commit_mm_cid - store to a word, and
 *	then to the one that makes it count
 * @v:	    the word of @index that commits
 * @expect: what it must hold
 * @w:	    the word that is stored to first, of @index too; a value that was
 *	    not committed must mean nothing there
 * @store:  what to store to @w
 * @value:  what to store to @v
 * @index:  from rseq_cpu_start(), or rseq_mm_cid_start()
 *
 *	check index
 *	if (*v != expect)
 *		return RSEQ_UNEQUAL;
 *	*w = store;
 *	*v = value;				commit
 *
 * After RSEQ_ABORTED, @w may hold @store, or what others made of it.
 *
 * Return: RSEQ_DONE, RSEQ_UNEQUAL, RSEQ_ABORTED, RSEQ_MOVED or
 * RSEQ_NOT_REGISTERED.
 */
static inline enum rseq_result
RSEQ_OP(rseq_store_and_commit)(long *v, long expect, long *w, long store,
			       long value, int index)
{
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_OP_CHECK(moved)
		"mov" RSEQ_ASM_L "	%[v], %%" RSEQ_ASM_TMP "\n\t"
		"cmp" RSEQ_ASM_L "	%[expect], %%" RSEQ_ASM_TMP "\n\t"
		"jne	%l[unequal]\n\t"
		"mov" RSEQ_ASM_L "	%[store], %%" RSEQ_ASM_TMP "\n\t"
		"mov" RSEQ_ASM_L "	%%" RSEQ_ASM_TMP ", %[w]\n\t"
		"mov" RSEQ_ASM_L "	%[value], %[v]\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS, RSEQ_OP_INPUT(index),
		  [v] "m" (*v), [expect] "erm" (expect),
		  [w] "m" (*w), [store] "erm" (store),
		  [value] "er" (value)
		: RSEQ_ASM_CLOBBERS
		: moved, unequal, aborted);
	return RSEQ_DONE;
moved:
	if (rseq_falls_back()) {
		const struct rseq_fallback_store s = {
			v, expect, NULL, 0, w, store, NULL, NULL, 0, value,
		};

		return rseq_fallback_store(&s);
	}
	return rseq_other_cpu();
unequal:
	return RSEQ_UNEQUAL;
aborted:
	return RSEQ_ABORTED;
}

/*
 * rseq_copy_and_commit, rseq_copy_and_commit_mm_cid - copy a block of memory,
 *	and then store to the word that makes it count
 * @v:	    the word of @index that commits
 * @expect: what it must hold
 * @to:	    where to copy to, of @index too; what was not committed must mean
 *	    nothing there
 * @from:   what to copy; does not overlap with @to
 * @size:   how much, in bytes; may be 0
 * @value:  what to store to @v
 * @index:  from rseq_cpu_start(), or rseq_mm_cid_start()
 *
 *	check index
 *	if (*v != expect)
 *		return RSEQ_UNEQUAL;
 *	memcpy(to, from, size);
 *	*v = value;				commit
 *
 * After RSEQ_ABORTED, any part of @to may have been overwritten.  The copy goes
 * by words, from the last to the first, and then by bytes.  If it is so long
 * that it is interrupted each time, it never commits; leave it at a few
 * kilobytes.
 *
 * Return: RSEQ_DONE, RSEQ_UNEQUAL, RSEQ_ABORTED, RSEQ_MOVED or
 * RSEQ_NOT_REGISTERED.
 */
static inline enum rseq_result
RSEQ_OP(rseq_copy_and_commit)(long *v, long expect, void *to, const void *from,
			      size_t size, long value, int index)
{
	/*
	 * %[v] is the pointer, loaded late: i386 has no register to spare
	 * while it copies.
	 */
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_OP_CHECK(moved)
		"mov" RSEQ_ASM_L "	%[v], %%" RSEQ_ASM_DST "\n\t"
		"mov" RSEQ_ASM_L "	(%%" RSEQ_ASM_DST "), %%"
						RSEQ_ASM_TMP "\n\t"
		"cmp" RSEQ_ASM_L "	%[expect], %%" RSEQ_ASM_TMP "\n\t"
		"jne	%l[unequal]\n\t"
		"mov" RSEQ_ASM_L "	%[to], %%" RSEQ_ASM_DST "\n\t"
		"mov" RSEQ_ASM_L "	%[from], %%" RSEQ_ASM_SRC "\n\t"
		"mov" RSEQ_ASM_L "	%[size], %%" RSEQ_ASM_COUNT "\n\t"
		"sub" RSEQ_ASM_L "	$" RSEQ_ASM_L_SIZE ", %%"
						RSEQ_ASM_COUNT "\n\t"
		"jb	.Lrseq_rest_%=\n"
	".Lrseq_words_%=:\n\t"
		"mov" RSEQ_ASM_L "	(%%" RSEQ_ASM_SRC ",%%"
			RSEQ_ASM_COUNT "), %%" RSEQ_ASM_TMP "\n\t"
		"mov" RSEQ_ASM_L "	%%" RSEQ_ASM_TMP ", (%%"
			RSEQ_ASM_DST ",%%" RSEQ_ASM_COUNT ")\n\t"
		"sub" RSEQ_ASM_L "	$" RSEQ_ASM_L_SIZE ", %%"
						RSEQ_ASM_COUNT "\n\t"
		"jae	.Lrseq_words_%=\n"
	".Lrseq_rest_%=:\n\t"
		"add" RSEQ_ASM_L "	$" RSEQ_ASM_L_SIZE ", %%"
						RSEQ_ASM_COUNT "\n\t"
		"je	.Lrseq_copied_%=\n"
	".Lrseq_bytes_%=:\n\t"
		"movb	-1(%%" RSEQ_ASM_SRC ",%%" RSEQ_ASM_COUNT "), %%al\n\t"
		"movb	%%al, -1(%%" RSEQ_ASM_DST ",%%" RSEQ_ASM_COUNT ")\n\t"
		"dec" RSEQ_ASM_L "	%%" RSEQ_ASM_COUNT "\n\t"
		"jne	.Lrseq_bytes_%=\n"
	".Lrseq_copied_%=:\n\t"
		"mov" RSEQ_ASM_L "	%[v], %%" RSEQ_ASM_DST "\n\t"
		"mov" RSEQ_ASM_L "	%[value], %%" RSEQ_ASM_TMP "\n\t"
		"mov" RSEQ_ASM_L "	%%" RSEQ_ASM_TMP ", (%%"
						RSEQ_ASM_DST ")\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS, RSEQ_OP_INPUT(index),
		  [v] RSEQ_ASM_VARIABLE(v),
		  [expect] RSEQ_ASM_VARIABLE(expect),
		  [to] RSEQ_ASM_VARIABLE(to),
		  [from] RSEQ_ASM_VARIABLE(from),
		  [size] RSEQ_ASM_VARIABLE(size),
		  [value] RSEQ_ASM_VARIABLE(value)
		: RSEQ_ASM_CLOBBERS, RSEQ_ASM_SRC, RSEQ_ASM_DST, RSEQ_ASM_COUNT
		: moved, unequal, aborted);
	return RSEQ_DONE;
moved:
	if (rseq_falls_back()) {
		const struct rseq_fallback_store s = {
			v, expect, NULL, 0, NULL, 0, to, from, size, value,
		};

		return rseq_fallback_store(&s);
	}
	return rseq_other_cpu();
unequal:
	return RSEQ_UNEQUAL;
aborted:
	return RSEQ_ABORTED;
}

/*
 * rseq_push, rseq_push_mm_cid - push a node onto a singly linked list
 * @head:  address of the pointer to the first node, of @index
 * @node:  the node; nobody else has it
 * @next:  offset of the pointer to the next node in a node, in bytes
 * @index: from rseq_cpu_start(), or rseq_mm_cid_start()
 *
 *	check index
 *	*(node + next) = *head;
 *	*head = node;				commit
 *
 * Return: RSEQ_DONE, RSEQ_ABORTED, RSEQ_MOVED or RSEQ_NOT_REGISTERED.
 */
static inline enum rseq_result
RSEQ_OP(rseq_push)(void *head, void *node, ptrdiff_t next, int index)
{
	void **link = (void **)((char *)node + next);

	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_OP_CHECK(moved)
		"mov" RSEQ_ASM_L "	%[head], %%" RSEQ_ASM_TMP "\n\t"
		"mov" RSEQ_ASM_L "	%%" RSEQ_ASM_TMP ", %[link]\n\t"
		"mov" RSEQ_ASM_L "	%[node], %[head]\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS, RSEQ_OP_INPUT(index),
		  [head] "m" (*(void **)head), [link] "m" (*link),
		  [node] "r" (node)
		: RSEQ_ASM_CLOBBERS
		: moved, aborted);
	return RSEQ_DONE;
moved:
	if (rseq_falls_back())
		return rseq_fallback_push(head, node, next);
	return rseq_other_cpu();
aborted:
	return RSEQ_ABORTED;
}

/*
 * rseq_pop, rseq_pop_mm_cid - pop the first node of a singly linked list; or
 *	load a word, and unless it is a certain value, advance it
 * @head:   address of the pointer to the first node, of @index
 * @end:    what the pointer is when the list is empty, as a rule NULL
 * @next:   offset of the pointer to the next node in a node, in bytes
 * @popped: where to store the node's address; the caller's own
 * @index:  from rseq_cpu_start(), or rseq_mm_cid_start()
 *
 *	check index
 *	node = *head;
 *	if (node == end)
 *		return RSEQ_UNEQUAL;
 *	*popped = node;
 *	*head = *(node + next);			commit
 *
 * The node is looked into only while nobody else can have popped it, so it may
 * be freed by whoever did, and a node that comes back cannot be mistaken for
 * the old list (the ABA problem of a compare and exchange).
 *
 * @popped counts only after RSEQ_DONE.
 *
 * Return: RSEQ_DONE, RSEQ_UNEQUAL, RSEQ_ABORTED, RSEQ_MOVED or
 * RSEQ_NOT_REGISTERED.
 */
static inline enum rseq_result
RSEQ_OP(rseq_pop)(void *head, const void *end, ptrdiff_t next, void *popped,
		  int index)
{
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_OP_CHECK(moved)
		"mov" RSEQ_ASM_L "	%[head], %%" RSEQ_ASM_TMP "\n\t"
		"cmp" RSEQ_ASM_L "	%[end], %%" RSEQ_ASM_TMP "\n\t"
		"je	%l[empty]\n\t"
		"mov" RSEQ_ASM_L "	%%" RSEQ_ASM_TMP ", %[popped]\n\t"
		"add" RSEQ_ASM_L "	%[next], %%" RSEQ_ASM_TMP "\n\t"
		"mov" RSEQ_ASM_L "	(%%" RSEQ_ASM_TMP "), %%"
						RSEQ_ASM_TMP "\n\t"
		"mov" RSEQ_ASM_L "	%%" RSEQ_ASM_TMP ", %[head]\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS, RSEQ_OP_INPUT(index),
		  [head] "m" (*(void **)head), [end] "erm" (end),
		  [next] "erm" (next), [popped] "m" (*(void **)popped)
		: RSEQ_ASM_CLOBBERS
		: moved, empty, aborted);
	return RSEQ_DONE;
moved:
	if (rseq_falls_back())
		return rseq_fallback_pop(head, end, next, popped);
	return rseq_other_cpu();
empty:
	return RSEQ_UNEQUAL;
aborted:
	return RSEQ_ABORTED;
}
