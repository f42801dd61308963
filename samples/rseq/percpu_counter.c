// SPDX-License-Identifier: GPL-2.0
/*
 * A counter that many threads raise, and few read: one part for each CPU, in a
 * cache line of its own. To raise it is one add instruction without a lock
 * prefix; to read it, a sum. percpu_counter_demo.c shows that it has to be a
 * restartable sequence.
 */
#include "sample.h"

/* The parts, indexed by CPU number. */
struct counter {
	struct {
		long value;
	} RSEQ_ATTRIBUTE(aligned(64)) part[CPU_SETSIZE];
};

static inline void counter_add(struct counter *c, long n)
{
	int cpu;

	do {
		cpu = rseq_cpu_start();
	} while (rseq_add(&c->part[cpu].value, n, cpu) < 0);
}

/* Exact if nobody counts meanwhile; else, as if some of that had come first. */
static long counter_read(const struct counter *c)
{
	long sum = 0;
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		sum += LOAD(c->part[cpu].value);
	return sum;
}

/* ---- A trial ---- */

static struct counter counter;
static unsigned long counted;

static void count(int nr)
{
	unsigned long n = 0;

	(void)nr;
	for (; !stopped(); n++)
		counter_add(&counter, 1);
	__atomic_fetch_add(&counted, n, __ATOMIC_RELAXED);
}

static int try_it(void)
{
	run_threads(count, NULL);
	printf("%d threads counted %lu, moved %lu times; the sum is %ld\n",
	       option.threads, counted, moves, counter_read(&counter));
	if ((unsigned long)counter_read(&counter) != counted)
		errx(1, "FAILED: the sum is wrong");
	puts("OK: the sum is exact");
	return 0;
}

/* ---- Benchmark ---- */

static inline void add_atomic(int cpu)
{
	__atomic_fetch_add(&counter.part[cpu].value, 1, __ATOMIC_RELAXED);
}

static void time_vdso(unsigned long n)
{
	while (n--)
		add_atomic(getcpu_by_vdso());
}

static void time_glibc(unsigned long n)
{
	while (n--)
		add_atomic(sched_getcpu());
}

static void time_atomic(unsigned long n)
{
	while (n--)
		add_atomic(0);
}

/* What an add costs that is not protected from anything. */
static void time_plain(unsigned long n)
{
	while (n--)
		STORE(counter.part[0].value, LOAD(counter.part[0].value) + 1);
}

static void time_rseq(unsigned long n)
{
	while (n--)
		counter_add(&counter, 1);
}

static void time_mm_cid(unsigned long n)
{
	int id;

	while (n--) {
		do {
			id = rseq_mm_cid_start();
		} while (rseq_add_mm_cid(&counter.part[id].value, 1, id) < 0);
	}
}

int main(int argc, char **argv)
{
	struct variant variant[] = {
		{ "vDSO getcpu, atomic add", NULL },
		{ "glibc getcpu, atomic add", time_glibc },
		{ "one counter, atomic add", time_atomic },
		{ "plain add, not safe", time_plain },
		{ "rseq", time_rseq },
		{ "rseq, by mm_cid", time_mm_cid },
	};

	begin(argc, argv, "counts, while the threads are moved about",
	      "t:s:bh");
	if (find_vdso_getcpu())
		variant[0].run = time_vdso;
	if (!option.benchmark)
		return try_it();
	benchmark("counter", variant, 6);
	return 0;
}
