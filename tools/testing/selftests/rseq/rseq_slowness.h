/* SPDX-License-Identifier: GPL-2.0 */
/*
 * More time for each test, where the kernel is slow. After the harness, if that
 * is there.
 */
#ifndef RSEQ_SLOWNESS_H
#define RSEQ_SLOWNESS_H

#include <stdlib.h>

/**
 * slowness() - how many times as slow as others is this kernel?
 *
 * Return: what RSEQ_TEST_SLOWNESS in the environment says, or 1.
 */
static inline unsigned int slowness(void)
{
	static unsigned int factor;

	if (!factor) {
		const char *text = getenv("RSEQ_TEST_SLOWNESS");

		factor = text ? strtoul(text, NULL, 10) : 1;
		if (!factor)
			factor = 1;
	}
	return factor;
}

#ifdef TEST_TIMEOUT_DEFAULT
/* The harness, with as much time for each test. */
static inline int run_harness(int argc, char **argv)
{
	struct __fixture_metadata *f;
	struct __test_metadata *t;

	for (f = __fixture_list; f; f = f->next)
		for (t = f->tests; t; t = t->next)
			t->timeout *= slowness();
	return test_harness_run(argc, argv);
}

#define test_harness_run run_harness
#endif

#endif /* RSEQ_SLOWNESS_H */
