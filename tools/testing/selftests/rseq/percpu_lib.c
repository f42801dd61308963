// SPDX-License-Identifier: GPL-2.0
/*
 * A library with per-CPU memory, which percpu_test loads while it runs.
 *
 * With DECLARE it has declared variables as well, which only one object of a
 * process can have.
 */
#include "percpu.h"

/* What it has for each CPU. */
struct library {
	short calls;
	long sum;
};

static PERCPU struct library *library;

#ifdef DECLARE
PERCPU_DEFINE(long, library_declared);
#endif

int library_setup(__u64 flags)
{
	int ret = percpu_setup(flags);

	if (ret)
		return ret;
	library = percpu_new(struct library);
	return library ? 0 : -ENOMEM;
}

void library_add(long value)
{
	percpu_add(library->sum, value);
	percpu_inc(library->calls);
#ifdef DECLARE
	percpu_inc(library_declared);
#endif
}

long library_sum(void)
{
	return percpu_sum(library->sum);
}

short library_calls(void)
{
	return percpu_sum(library->calls);
}
