// SPDX-License-Identifier: GPL-2.0
/*
 * A per-CPU counter, three ways, in a storm.
 *
 * More threads than CPUs raise one counter for each CPU, while another thread
 * moves them from CPU to CPU and sends them signals without rest:
 *
 *  - with a restartable sequence, one add instruction in a critical section;
 *  - plainly, as well as it can be done without one: load, look whether the
 *    thread is still on the CPU, store;
 *  - with an atomic instruction.
 *
 * In the end the sum over the CPUs must be what the threads counted.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rseq.h"

#define MAX_THREADS	1024
#define NSEC_PER_SEC	1000000000LL
#define STORM_NSEC	(3 * NSEC_PER_SEC)	/* a method, without -n */
#define PROGRESS_NSEC	(NSEC_PER_SEC / 2)
#define QUIET_NSEC	(NSEC_PER_SEC / 10)	/* a round of timing */
#define QUIET_ROUNDS	3
#define BATCH		1000			/* between two looks at the clock */

/* One counter a CPU, each in a cache line of its own. */
struct counter {
	long value;
} RSEQ_ATTRIBUTE(aligned(64));

static struct counter counter[CPU_SETSIZE];

/* Attempts that did not commit, by what came in between. */
struct retries {
	unsigned long preempted;
	unsigned long migrated;
	unsigned long signalled;
	unsigned long both;
	unsigned long moved;
};

struct worker {
	pthread_t thread;
	unsigned long done;		/* increments */
	struct retries retries;
};

/* Raised by the signal handler of the same thread. */
static __thread sig_atomic_t signals_taken;

/* ---- The main idea: three ways to raise the counter n times ---- */

static void note_retry(struct worker *w, enum rseq_result why, int cpu,
		       sig_atomic_t signals_before);

static inline sig_atomic_t signals_so_far(void)
{
	return __atomic_load_n(&signals_taken, __ATOMIC_RELAXED);
}

static void count_rseq(struct worker *w, long n)
{
	while (n--) {
		for (;;) {
			sig_atomic_t signals = signals_so_far();
			int cpu = rseq_cpu_start();
			enum rseq_result result;

			result = rseq_add(&counter[cpu].value, 1, cpu);
			if (result == RSEQ_DONE)
				break;
			note_retry(w, result, cpu, signals);
		}
	}
}

static void count_plain(struct worker *w, long n)
{
	(void)w;
	while (n--) {
		for (;;) {
			int cpu = rseq_cpu_start();
			long *v = &counter[cpu].value;
			long old = __atomic_load_n(v, __ATOMIC_RELAXED);

			if (rseq_current_cpu_raw() != cpu)
				continue;
			/* Still there, but who was there in the meantime? */
			__atomic_store_n(v, old + 1, __ATOMIC_RELAXED);
			break;
		}
	}
}

static void count_atomic(struct worker *w, long n)
{
	(void)w;
	while (n--)
		__atomic_fetch_add(&counter[rseq_cpu_start()].value, 1,
				   __ATOMIC_RELAXED);
}

enum { RSEQ, PLAIN, ATOMIC, METHODS };

static const struct {
	const char *name;
	void (*count)(struct worker *w, long n);
} method[METHODS] = {
	[RSEQ]		= { "rseq", count_rseq },
	[PLAIN]		= { "plain", count_plain },
	[ATOMIC]	= { "atomic", count_atomic },
};

/*
 * Why did the attempt fail?  What a thread can see for itself: its CPU number
 * changed, or its signal handler ran, or neither.  A section is aborted for
 * three reasons only, so neither means that it was preempted and went on
 * where it was (or was moved and came back before it ran again).
 */
static void note_retry(struct worker *w, enum rseq_result why, int cpu,
		       sig_atomic_t signals_before)
{
	bool migrated = rseq_current_cpu_raw() != cpu;
	bool signalled = signals_so_far() != signals_before;

	if (why == RSEQ_MOVED)
		w->retries.moved++;
	else if (migrated && signalled)
		w->retries.both++;
	else if (migrated)
		w->retries.migrated++;
	else if (signalled)
		w->retries.signalled++;
	else
		w->retries.preempted++;
}

/* ---- The storm, the threads, the clock ---- */

static int threads;
static unsigned long increments;	/* for each thread; 0: until stopped */
static struct worker worker[MAX_THREADS];
static int cpus[CPU_SETSIZE];		/* those that we may use */
static int nr_cpus;

static int current_method;
static bool stop_storm;
static bool stop_workers;
static sem_t finished;
static pthread_barrier_t begin, end;
static unsigned long moves, signals;	/* the storm's */

/* What a method came to. */
static struct result {
	unsigned long on_cpu[CPU_SETSIZE];
	unsigned long long sum, expected;
	double nsec;			/* an increment, in quiet */
} result[METHODS];

static struct retries total;

static void check(int error, const char *what)
{
	if (error) {
		errno = error;
		err(1, "%s", what);
	}
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

static void on_signal(int sig)
{
	(void)sig;
	__atomic_store_n(&signals_taken, signals_taken + 1, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	void (*count)(struct worker *w, long n) = method[current_method].count;
	unsigned long n = BATCH;

	check(rseq_register() < 0 || rseq_falls_back() ? EINVAL : 0,
	      "registering a thread");
	pthread_barrier_wait(&begin);
	while (!__atomic_load_n(&stop_workers, __ATOMIC_RELAXED)) {
		if (increments && increments - w->done < n)
			n = increments - w->done;
		count(w, n);
		__atomic_store_n(&w->done, w->done + n, __ATOMIC_RELAXED);
		if (w->done == increments)
			break;
	}
	sem_post(&finished);
	/* Stay, so that the storm always finds the thread. */
	pthread_barrier_wait(&end);
	rseq_unregister();
	return NULL;
}

static void *storm(void *arg)
{
	unsigned int seed = 1;
	cpu_set_t set;
	int i, action;

	(void)arg;
	pthread_barrier_wait(&begin);
	for (i = 0, action = 0; !__atomic_load_n(&stop_storm, __ATOMIC_RELAXED);
	     i = (i + 1) % threads) {
		action = rand_r(&seed);
		if (action & 0x100) {
			pthread_kill(worker[i].thread, SIGUSR1);
			signals++;
			continue;
		}
		CPU_ZERO(&set);
		CPU_SET(cpus[(action >> 9) % nr_cpus], &set);
		pthread_setaffinity_np(worker[i].thread, sizeof(set), &set);
		moves++;
	}
	pthread_barrier_wait(&end);
	return NULL;
}

static unsigned long long done_so_far(void)
{
	unsigned long long sum = 0;
	int i;

	for (i = 0; i < threads; i++)
		sum += __atomic_load_n(&worker[i].done, __ATOMIC_RELAXED);
	return sum;
}

/* Wait until all threads have finished, and tell every half second. */
static void watch(long long start)
{
	long long tell = start + PROGRESS_NSEC;
	struct timespec until;
	int left = threads;

	while (left) {
		until.tv_sec = tell / NSEC_PER_SEC;
		until.tv_nsec = tell % NSEC_PER_SEC;
		if (!sem_clockwait(&finished, CLOCK_MONOTONIC, &until)) {
			left--;
			continue;
		}
		if (errno == EINTR)
			continue;
		printf("  %-6s %5.1f s  %12llu increments\n",
		       method[current_method].name,
		       (double)(now() - start) / NSEC_PER_SEC, done_so_far());
		if (!increments && tell - start >= STORM_NSEC)
			__atomic_store_n(&stop_workers, true, __ATOMIC_RELAXED);
		tell += PROGRESS_NSEC;
	}
}

static void run_in_storm(int m)
{
	struct result *r = &result[m];
	pthread_t storm_thread;
	int i;

	current_method = m;
	stop_storm = false;
	stop_workers = false;
	memset(counter, 0, sizeof(counter));
	memset(worker, 0, sizeof(worker));
	check(pthread_barrier_init(&begin, NULL, threads + 2), "barrier");
	check(pthread_barrier_init(&end, NULL, threads + 2), "barrier");
	for (i = 0; i < threads; i++)
		check(pthread_create(&worker[i].thread, NULL, work, &worker[i]),
		      "starting a thread");
	check(pthread_create(&storm_thread, NULL, storm, NULL),
	      "starting a thread");

	pthread_barrier_wait(&begin);
	watch(now());
	__atomic_store_n(&stop_storm, true, __ATOMIC_RELAXED);
	pthread_barrier_wait(&end);

	pthread_join(storm_thread, NULL);
	for (i = 0; i < threads; i++) {
		pthread_join(worker[i].thread, NULL);
		total.preempted += worker[i].retries.preempted;
		total.migrated += worker[i].retries.migrated;
		total.signalled += worker[i].retries.signalled;
		total.both += worker[i].retries.both;
		total.moved += worker[i].retries.moved;
	}
	pthread_barrier_destroy(&begin);
	pthread_barrier_destroy(&end);

	r->expected = done_so_far();
	for (i = 0; i < CPU_SETSIZE; i++) {
		r->on_cpu[i] = counter[i].value;
		r->sum += r->on_cpu[i];
	}
}

/* One thread, no storm; all methods in turn, the best round of each. */
static void time_in_quiet(void)
{
	static struct worker w;
	long long start, spent;
	int m, round;

	for (round = 0; round < QUIET_ROUNDS; round++) {
		for (m = 0; m < METHODS; m++) {
			unsigned long n = 0;
			double nsec;

			start = now();
			do {
				method[m].count(&w, BATCH);
				n += BATCH;
				spent = now() - start;
			} while (spent < QUIET_NSEC);
			nsec = (double)spent / n;
			if (!round || nsec < result[m].nsec)
				result[m].nsec = nsec;
		}
	}
}

/* ---- What it came to ---- */

static void print_row(const char *what, unsigned long long rseq,
		      unsigned long long plain, unsigned long long atomic)
{
	printf("%-12s %14llu %14llu %14llu\n", what, rseq, plain, atomic);
}

static long long lost(int m)
{
	return result[m].expected - result[m].sum;
}

static void print_table(void)
{
	char name[32];
	int i, m;

	printf("\n%-12s", "increments");
	for (m = 0; m < METHODS; m++)
		printf(" %14s", method[m].name);
	putchar('\n');
	for (i = 0; i < CPU_SETSIZE; i++) {
		if (!result[RSEQ].on_cpu[i] && !result[PLAIN].on_cpu[i] &&
		    !result[ATOMIC].on_cpu[i])
			continue;
		snprintf(name, sizeof(name), "on CPU %d", i);
		print_row(name, result[RSEQ].on_cpu[i],
			  result[PLAIN].on_cpu[i], result[ATOMIC].on_cpu[i]);
	}
	print_row("sum", result[RSEQ].sum, result[PLAIN].sum,
		  result[ATOMIC].sum);
	print_row("expected", result[RSEQ].expected, result[PLAIN].expected,
		  result[ATOMIC].expected);
	printf("%-12s", "lost");
	for (m = 0; m < METHODS; m++)
		printf(" %14lld", lost(m));
	printf("\n%-12s", "ns each");
	for (m = 0; m < METHODS; m++)
		printf(" %14.2f", result[m].nsec);
	printf("   one thread, no storm\n%-12s", "ratio");
	for (m = 0; m < METHODS; m++)
		printf(" %14.2f", result[m].nsec / result[RSEQ].nsec);
	printf("   to rseq; an emulated CPU hides what a lock prefix costs\n");
}

static unsigned long aborts(void)
{
	return total.preempted + total.migrated + total.signalled + total.both;
}

static void print_aborts(void)
{
	printf("\naborts of the critical section, by what the thread saw:\n"
	       "%12lu  migration   CPU number changed, no signal handler ran\n"
	       "%12lu  signal      signal handler ran, same CPU number\n"
	       "%12lu  both        CPU number changed and signal handler ran\n"
	       "%12lu  preemption  neither: it lost the CPU and got it back\n"
	       "%12lu  in all; each was tried again until it committed\n"
	       "%12lu  more were not begun: the thread had left the CPU already\n"
	       "%12lu  migrations asked for and %lu signals sent (all methods)\n\n",
	       total.migrated, total.signalled, total.both, total.preempted,
	       aborts(), total.moved, moves, signals);
}

static int verdict(void)
{
	if (lost(RSEQ))
		errx(1, "FAILED: the sum with rseq is wrong by %lld", lost(RSEQ));
	if (lost(ATOMIC))
		errx(1, "FAILED: the sum with atomics is wrong by %lld",
		     lost(ATOMIC));
	if (!aborts())
		errx(1, "FAILED: nothing was shown, as no section was aborted: use a greater -n");
	printf("OK: rseq counted %llu without loss, through %lu aborts; plain lost %lld\n",
	       result[RSEQ].sum, aborts(), lost(PLAIN));
	return 0;
}

/* ---- The command line ---- */

static void print_usage(FILE *to)
{
	fprintf(to,
		"usage: percpu_counter_demo [-t threads] [-n increments] [-h]\n"
		"  -t  threads that count, 1 to %d (default: 4 for each CPU)\n"
		"  -n  increments of each thread (default: as many as fit in %lld s)\n",
		MAX_THREADS, STORM_NSEC / NSEC_PER_SEC);
}

static unsigned long parse(int option, const char *text, unsigned long max)
{
	unsigned long n;
	char *rest;

	errno = 0;
	n = strtoul(text, &rest, 10);
	if (*text >= '0' && *text <= '9' && !*rest && !errno && n && n <= max)
		return n;
	fprintf(stderr, "percpu_counter_demo: -%c %s: not a number from 1 to %lu\n",
		option, text, max);
	print_usage(stderr);
	exit(2);
}

static void find_cpus(void)
{
	cpu_set_t set;
	int i;

	if (sched_getaffinity(0, sizeof(set), &set))
		err(1, "sched_getaffinity");
	for (i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			cpus[nr_cpus++] = i;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART };
	int error, option, m;

	while ((option = getopt(argc, argv, "t:n:h")) != -1) {
		switch (option) {
		case 't':
			threads = parse('t', optarg, MAX_THREADS);
			break;
		case 'n':
			increments = parse('n', optarg, LONG_MAX);
			break;
		case 'h':
			print_usage(stdout);
			return 0;
		default:
			print_usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "percpu_counter_demo: %s: no such argument\n",
			argv[optind]);
		print_usage(stderr);
		return 2;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	error = rseq_register();
	if (error < 0)
		errx(1, "rseq(): %s", strerror(-error));
	if (error == RSEQ_FALLBACK)
		errx(1, "no rseq() in this kernel: boot one built with CONFIG_RSEQ=y");
	find_cpus();
	if (!threads)
		threads = 4 * nr_cpus < MAX_THREADS ? 4 * nr_cpus : MAX_THREADS;
	/* All of them may end up on one CPU. */
	if (increments > (unsigned long)LONG_MAX / threads)
		errx(2, "-n %lu: with %d threads the counter holds at most %lu each",
		     increments, threads, (unsigned long)LONG_MAX / threads);
	check(sigaction(SIGUSR1, &action, NULL) ? errno : 0, "sigaction");
	check(sem_init(&finished, 0, 0) ? errno : 0, "sem_init");

	printf("%d threads on %d CPUs count, while another migrates and signals them\n"
	       "  rseq    one add instruction in a critical section; an abort repeats it\n"
	       "  plain   load, look whether the CPU is still the same, store\n"
	       "  atomic  one add instruction with a lock prefix\n\n",
	       threads, nr_cpus);
	time_in_quiet();
	for (m = 0; m < METHODS; m++)
		run_in_storm(m);
	print_table();
	print_aborts();
	return verdict();
}
