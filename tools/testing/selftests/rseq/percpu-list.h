/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A list of nodes for each CPU, on top of percpu.h: push and pop, each of them
 * a loop around one cmpxchg16b.
 *
 * The head goes with a tag, which each change raises. If head and tag are what
 * they were, then so is the whole list, and nothing came in between, on whatever
 * CPU the thread is by then. For that a tag must not have occurred on another
 * CPU: the upper 16 bits of it are the index.
 */
#ifndef PERCPU_LIST_H
#define PERCPU_LIST_H

#include "percpu.h"

/**
 * struct percpu_node - to be put into what is to be on a list
 * @next:	the next one
 *
 * Where a node has been has to stay readable: whoever has seen it as the head
 * may look at @next when somebody else has taken it.
 */
struct percpu_node {
	struct percpu_node *next;
};

/**
 * struct percpu_list - the list of one CPU
 * @head:	the first node, NULL if there is none
 * @tag:	what tells this state of the list from all others
 */
struct percpu_list {
	struct percpu_node *head;
	__u64 tag;
} PERCPU_ATTRIBUTE(aligned(16));

#define PERCPU_LIST_TAG_BITS	48

/**
 * percpu_list_init - make the lists of all CPUs empty
 * @list:	the per-CPU list, not yet in use
 */
static inline void percpu_list_init(PERCPU struct percpu_list *list)
{
	unsigned int i;

	for (i = 0; i < percpu_count(); i++) {
		struct percpu_list *l = percpu_ptr(i, *list);

		l->head = NULL;
		l->tag = (__u64)i << PERCPU_LIST_TAG_BITS;
	}
}

/*
 * The tag first: if it is still the same in the end, the head that was read
 * after it was the head of the same list.
 */
static inline void percpu_list_read(PERCPU struct percpu_list *list,
				    struct percpu_pair *state)
{
	state->hi = percpu_read(list->tag);
	state->lo = (uintptr_t)percpu_read(list->head);
}

/**
 * percpu_list_push - put a node on the list of this CPU
 * @list:	the per-CPU list
 * @node:	the node
 */
static inline void percpu_list_push(PERCPU struct percpu_list *list,
				    struct percpu_node *node)
{
	struct percpu_pair old, pushed;

	pushed.lo = (uintptr_t)node;
	do {
		percpu_list_read(list, &old);
		__atomic_store_n(&node->next,
				 (struct percpu_node *)(uintptr_t)old.lo,
				 __ATOMIC_RELAXED);
		pushed.hi = old.hi + 1;
	} while (!percpu_cmpxchg16b(*list, &old, &pushed));
}

/**
 * percpu_list_pop - take a node from the list of this CPU
 * @list:	the per-CPU list
 *
 * Return: the node that was put there last, or NULL.
 */
static inline struct percpu_node *
percpu_list_pop(PERCPU struct percpu_list *list)
{
	struct percpu_pair old, popped;
	struct percpu_node *node;

	do {
		percpu_list_read(list, &old);
		node = (struct percpu_node *)(uintptr_t)old.lo;
		if (!node)
			return NULL;
		popped.lo = (uintptr_t)__atomic_load_n(&node->next,
						       __ATOMIC_RELAXED);
		popped.hi = old.hi + 1;
	} while (!percpu_cmpxchg16b(*list, &old, &popped));
	return node;
}

#endif /* PERCPU_LIST_H */
