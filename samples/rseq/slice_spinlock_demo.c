// SPDX-License-Identifier: GPL-2.0
/*
 * A spinlock, four times as many threads as CPUs, and the time slice extension.
 *
 * A thread that loses its CPU while it holds the lock lets all others spin for
 * nothing until it is back. With the extension it asks the kernel for a few
 * microseconds more, and gives the CPU back itself once it has released the
 * lock. Both are run in turn, and then the tails are compared: how long the lock
 * was held, and how long a thread waited for it.
 *
 *	slice_spinlock_demo [-t THREADS] [-s SECONDS] [-o FILE]
 *
 * FILE gets the percentiles, to draw them.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <linux/types.h>

#include "rseq.h"

#define NR_RSEQ_SLICE_YIELD	471
#define PRCTL_SLICE		79	/* PR_RSEQ_SLICE_EXTENSION */
#define PRCTL_SLICE_SET		2	/* PR_RSEQ_SLICE_EXTENSION_SET */
#define PRCTL_SLICE_ENABLE	1	/* PR_RSEQ_SLICE_EXT_ENABLE */
#define KERNEL_ENOTSUPP		524

/* Accesses are neither repeated nor left out nor moved. */
#define __shared	__volatile__

#define MAX_THREADS	1024
#define ROUNDS		4		/* of each of the two */
#define HELD_WORK	100		/* steps with the lock held */
#define OTHER_WORK	400		/* steps without it */

/* ---- The main idea: a lock whose holder is not preempted, if possible ---- */

static int lock_word RSEQ_ATTRIBUTE(aligned(64));

/* The area that this thread has registered: see main(). */
static __thread struct slice_ctrl {
	__u8 __shared request;
	__u8 __shared granted;
	__u16 reserved;
} *slice;

/* What became of the grants. */
static __thread unsigned long grants, yields;

static inline void ask(bool extend)
{
	if (extend)
		slice->request = 1;
}

static inline void do_not_ask(bool extend)
{
	if (!extend)
		return;
	slice->request = 0;
	if (slice->granted) {
		grants++;
		yields += syscall(NR_RSEQ_SLICE_YIELD) == 1;
	}
}

static void lock(bool extend)
{
	for (;;) {
		while (__atomic_load_n(&lock_word, __ATOMIC_RELAXED))
			__builtin_ia32_pause();
		/* First, so that there is no gap; who spins does not ask. */
		ask(extend);
		if (!__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE))
			return;
		do_not_ask(extend);
	}
}

static void unlock(bool extend)
{
	__atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
	do_not_ask(extend);
}

/* ---- Distributions: 16 buckets for each power of two ---- */

#define SUB		4
#define BUCKETS		((64 - SUB + 1) << SUB)

struct histogram {
	unsigned long count[BUCKETS];
};

static unsigned int bucket_of(__u64 v)
{
	unsigned int shift = v >> SUB ? 64 - __builtin_clzll(v) - SUB - 1 : 0;

	return (shift << SUB) + (v >> shift);
}

/* The largest value that is in a bucket. */
static __u64 bucket_limit(unsigned int b)
{
	unsigned int shift = b >> SUB ? (b >> SUB) - 1 : 0;

	return ((__u64)(b - (shift << SUB) + 1) << shift) - 1;
}

static void add_histogram(struct histogram *sum, const struct histogram *h)
{
	int b;

	for (b = 0; b < BUCKETS; b++)
		sum->count[b] += h->count[b];
}

/* The value that all but one in @nth are below or equal to; 0: all. */
static __u64 quantile(const struct histogram *h, double nth)
{
	unsigned long total = 0, above = 0;
	int b;

	for (b = 0; b < BUCKETS; b++)
		total += h->count[b];
	for (b = BUCKETS - 1; b > 0; b--) {
		above += h->count[b];
		if (above > (nth ? total / nth : 0))
			break;
	}
	return bucket_limit(b);
}

/* ---- The threads ---- */

struct result {
	struct histogram held, waited;
	unsigned long done, grants, yields;
};

static struct result *result[2];	/* without, with the extension */
static pthread_mutex_t result_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool stop;
static double nsec_per_cycle;
/* What the lock protects, and one to keep busy with. */
static unsigned long __shared shared_work;

static void work(int steps, unsigned long __shared *where)
{
	while (steps--)
		++*where;
}

/* A registration of our own, if the C library has none; long enough to ask. */
static __thread struct {
	struct rseq_abi area;
	char more[32];
} own RSEQ_ATTRIBUTE(aligned(64));

static bool set_slices(unsigned long value)
{
	return !prctl(PRCTL_SLICE, PRCTL_SLICE_SET, value, 0, 0);
}

static bool enable_slices(void)
{
	if (set_slices(PRCTL_SLICE_ENABLE)) {
		slice = (void *)&rseq_area()->slice_ctrl;
		return true;
	}
	slice = (void *)&own.area.slice_ctrl;
	return errno == ENXIO &&
	       !syscall(RSEQ_NR_SYSCALL, &own, sizeof(own), 0, RSEQ_SIG) &&
	       set_slices(PRCTL_SLICE_ENABLE);
}

/* Before the thread ends, and its memory may be gone. */
static void disable_slices(void)
{
	if ((void *)slice != &own.area.slice_ctrl)
		set_slices(0);
	else if (syscall(RSEQ_NR_SYSCALL, &own, sizeof(own),
			 RSEQ_ABI_UNREGISTER, RSEQ_SIG))
		err(1, "rseq");
}

static void *run(void *arg)
{
	bool extend = arg;
	unsigned long __shared mine = 0;
	struct result *r = calloc(1, sizeof(*r));
	struct result *sum = result[extend];
	__u64 start, locked, end;

	if (!r)
		err(1, "memory");
	if (extend && !enable_slices())
		err(1, "prctl(PR_RSEQ_SLICE_EXTENSION)");
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		start = __builtin_ia32_rdtsc();
		lock(extend);
		locked = __builtin_ia32_rdtsc();
		work(HELD_WORK, &shared_work);
		end = __builtin_ia32_rdtsc();
		unlock(extend);
		r->held.count[bucket_of(end - locked)]++;
		r->waited.count[bucket_of(locked - start)]++;
		r->done++;
		work(OTHER_WORK, &mine);
	}
	pthread_mutex_lock(&result_mutex);
	add_histogram(&sum->held, &r->held);
	add_histogram(&sum->waited, &r->waited);
	sum->done += r->done;
	sum->grants += grants;
	sum->yields += yields;
	pthread_mutex_unlock(&result_mutex);
	if (extend)
		disable_slices();
	free(r);
	return NULL;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Returns how long it took, in seconds. */
static double run_round(int threads, double seconds, bool extend)
{
	struct timespec rest = {
		.tv_sec = seconds, .tv_nsec = (seconds - (long)seconds) * 1e9,
	};
	pthread_t thread[MAX_THREADS];
	__u64 cycles = __builtin_ia32_rdtsc();
	double start = now();
	int i;

	stop = false;
	for (i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, run, (void *)extend))
			errx(1, "cannot start %d threads", threads);
	nanosleep(&rest, NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	start = now() - start;
	nsec_per_cycle = start * 1e9 / (__builtin_ia32_rdtsc() - cycles);
	return start;
}

static double usec(const struct histogram *h, double nth)
{
	return quantile(h, nth) * nsec_per_cycle / 1000;
}

static void print_table(const double *took)
{
	static const struct {
		const char *name;
		double nth;
	} row[] = {
		{ "half", 2 }, { "99%", 100 }, { "99.9%", 1000 },
		{ "99.99%", 10000 }, { "all", 0 },
	};
	unsigned int i;

	printf("%-31s %14s %14s\n", "", "without", "with extension");
	printf("%-31s %14.0f %14.0f\n", "sections per second",
	       result[0]->done / took[0], result[1]->done / took[1]);
	for (i = 0; i < sizeof(row) / sizeof(*row); i++)
		printf("lock held, %-6s below, us      %14.1f %14.1f\n",
		       row[i].name, usec(&result[0]->held, row[i].nth),
		       usec(&result[1]->held, row[i].nth));
	for (i = 0; i < sizeof(row) / sizeof(*row); i++)
		printf("waited for it, %-6s below, us  %14.1f %14.1f\n",
		       row[i].name, usec(&result[0]->waited, row[i].nth),
		       usec(&result[1]->waited, row[i].nth));
	printf("extensions seen when released   %14s %14lu\n"
	       "... given back before the end   %14s %14lu\n",
	       "-", result[1]->grants, "-", result[1]->yields);
}

static void write_data(const char *name)
{
	FILE *file = fopen(name, "we");
	double nth;

	if (!file)
		err(1, "%s", name);
	fprintf(file, "# microseconds that all but one in N stay below\n"
		"# N held-without held-with waited-without waited-with\n");
	for (nth = 1; nth <= result[0]->done && nth <= result[1]->done;
	     nth *= 1.25)
		fprintf(file, "%.2f %.3f %.3f %.3f %.3f\n", nth,
			usec(&result[0]->held, nth),
			usec(&result[1]->held, nth),
			usec(&result[0]->waited, nth),
			usec(&result[1]->waited, nth));
	if (fclose(file))
		err(1, "%s", name);
}

/*
 * The C library may have registered 32 bytes for each thread, and those cannot
 * ask. So start again without that.
 */
static void need_slices(char **argv)
{
	static const char off[] = "glibc.pthread.rseq=0";

	if (enable_slices())
		return;
	if (errno == KERNEL_ENOTSUPP && !getenv("GLIBC_TUNABLES")) {
		setenv("GLIBC_TUNABLES", off, 1);
		execv("/proc/self/exe", argv);
	}
	errx(1, "no time slice extension; no %s, or rseq_slice_ext=0?",
	     "CONFIG_RSEQ_SLICE_EXTENSION, no high resolution timers");
}

int main(int argc, char **argv)
{
	double seconds = 1, took[2] = { 0, 0 };
	const char *file = NULL;
	int threads, opt, i;
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_getaffinity");
	threads = 4 * CPU_COUNT(&cpus);
	while ((opt = getopt(argc, argv, "t:s:o:")) != -1) {
		if (opt == 't')
			threads = atoi(optarg);
		else if (opt == 's')
			seconds = atof(optarg);
		else if (opt == 'o')
			file = optarg;
		else
			errx(2, "usage: %s [-t THREADS] [-s SECONDS] [-o FILE]",
			     argv[0]);
	}
	if (threads < 1 || threads > MAX_THREADS)
		errx(2, "-t: 1 to %d threads", MAX_THREADS);
	if (seconds <= 0 || seconds > 3600)
		errx(2, "-s: up to 3600 seconds, for a round");
	need_slices(argv);

	printf("%d threads on %d CPUs, %d rounds of %g s each\n", threads,
	       CPU_COUNT(&cpus), ROUNDS, seconds);
	for (i = 0; i < 2; i++) {
		result[i] = calloc(1, sizeof(*result[i]));
		if (!result[i])
			err(1, "memory");
	}
	for (i = 0; i < 2 * ROUNDS; i++)
		took[i % 2] += run_round(threads, seconds, i % 2);
	print_table(took);
	if (file)
		write_data(file);
	return 0;
}
