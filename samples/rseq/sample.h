/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the samples share: options, threads that are moved from CPU to CPU, and
 * the benchmark.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "rseq.h"

#define MAX_THREADS	256
#define ROUNDS		25		/* of a benchmark */
#define ROUND_NSEC	4000000		/* for each variant in a round */

#define LOAD(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define STORE(x, value)	__atomic_store_n(&(x), value, __ATOMIC_RELAXED)

static struct {
	int threads;
	double seconds;
	bool benchmark;
	bool hotplug;			/* only some samples look at it */
} option = { .seconds = 1 };

static int allowed_cpu[CPU_SETSIZE];
static int allowed_cpus;

static inline double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/**
 * begin() - the start of each sample
 * @what: what it does if it is not asked for its benchmark
 * @letters: its options
 *
 * Reads the options and registers the main thread.
 */
static inline void begin(int argc, char **argv, const char *what,
			 const char *letters)
{
	char *rest = NULL;
	int letter, cpu;
	cpu_set_t set;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (sched_getaffinity(0, sizeof(set), &set))
		err(1, "sched_getaffinity");
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			allowed_cpu[allowed_cpus++] = cpu;
	option.threads = 2 * allowed_cpus < MAX_THREADS ? 2 * allowed_cpus :
							  MAX_THREADS;
	while ((letter = getopt(argc, argv, letters)) != -1) {
		switch (letter) {
		case 't':
			option.threads = strtol(optarg, &rest, 10);
			if (*rest || option.threads < 1 ||
			    option.threads > MAX_THREADS)
				errx(2, "-t %s: not a number of threads from 1 to %d",
				     optarg, MAX_THREADS);
			break;
		case 's':
			option.seconds = strtod(optarg, &rest);
			if (*rest || !(option.seconds > 0 &&
				       option.seconds < 1e6))
				errx(2, "-s %s: not a number of seconds above 0",
				     optarg);
			break;
		case 'b':
			option.benchmark = true;
			break;
		case 'o':
			option.hotplug = true;
			break;
		default:
			optind = argc + 1;
		}
		if (optind > argc)
			break;
	}
	if (optind != argc) {
		fprintf(stderr, "usage: %s [-t threads] [-s seconds] [-b]%s\n"
			"  %s;\n"
			"  -b  instead, measures: a line for each variant, with nanoseconds\n"
			"      (the median, a quarter below, a quarter above)\n%s",
			program_invocation_short_name,
			strchr(letters, 'o') ? " [-o]" : "", what,
			strchr(letters, 'o') ?
			"  -o  takes CPUs offline and back in the meantime (as root)\n" :
			"");
		exit(2);
	}
	switch (rseq_register()) {
	case 0:
	case RSEQ_WAS_REGISTERED:
		break;
	case RSEQ_FALLBACK:
		fprintf(stderr, "%s: no rseq() here: what follows is done with a lock\n",
			program_invocation_short_name);
		break;
	default:
		errx(1, "the thread cannot be registered for rseq()");
	}
}

/* ---- Threads ---- */

static bool stop_threads;
static unsigned long moves;

static struct sample_thread {
	pthread_t thread;
	void (*body)(int nr);
} sample_thread[MAX_THREADS];

/* Each thread asks this once a round. */
static inline bool stopped(void)
{
	return LOAD(stop_threads);
}

static inline void *run_thread(void *arg)
{
	struct sample_thread *t = (struct sample_thread *)arg;

	if (rseq_register() < 0)
		errx(1, "a thread cannot be registered for rseq()");
	t->body(t - sample_thread);
	rseq_unregister();
	return NULL;
}

/**
 * run_threads() - run threads and move them about for the time asked for
 * @body: what each does, with its number from 0 on, until stopped()
 * @meanwhile: what the main thread does now and then, or NULL
 */
static inline void run_threads(void (*body)(int nr), void (*meanwhile)(void))
{
	double end = now_ns() + option.seconds * 1e9;
	unsigned int seed = 1;
	cpu_set_t set;
	int i;

	stop_threads = false;
	for (i = 0; i < option.threads; i++) {
		sample_thread[i].body = body;
		errno = pthread_create(&sample_thread[i].thread, NULL,
				       run_thread, &sample_thread[i]);
		if (errno)
			err(1, "pthread_create");
	}
	while (now_ns() < end) {
		CPU_ZERO(&set);
		CPU_SET(allowed_cpu[rand_r(&seed) % allowed_cpus], &set);
		/* The CPU may be offline. */
		if (!pthread_setaffinity_np(sample_thread[rand_r(&seed) %
							  option.threads].thread,
					    sizeof(set), &set))
			moves++;
		if (meanwhile)
			meanwhile();
	}
	STORE(stop_threads, true);
	for (i = 0; i < option.threads; i++)
		pthread_join(sample_thread[i].thread, NULL);
}

/* ---- Benchmark ---- */

/* What is computed must not be optimised away. */
static inline void keep(unsigned long value)
{
	__asm__ __volatile__ ("" : : "r" (value));
}

struct variant {
	const char *name;
	void (*run)(unsigned long n);	/* n operations */
};

/* The time that the thread had a CPU: the machine may have more to do. */
static inline double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static inline double measure(const struct variant *v, unsigned long n)
{
	double start = cpu_ns();

	v->run(n);
	return (cpu_ns() - start) / n;
}

static inline int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/**
 * benchmark() - measure variants of one thing, all in turn, several times
 * @row: what they do
 * @v: the variants; those without a function cannot be had here
 * @nr: how many
 *
 * Prints a line for each: row, variant, and the median, lower and upper
 * quartile of nanoseconds for one operation; separated by tabs.
 */
static inline void benchmark(const char *row, const struct variant *v, int nr)
{
	double (*ns)[ROUNDS] = calloc(nr, sizeof(*ns));
	unsigned long *n = calloc(nr, sizeof(*n));
	int i, round;

	if (!ns || !n)
		err(1, "calloc");
	for (i = 0; i < nr; i++) {
		if (!v[i].run)
			continue;
		v[i].run(1000);
		n[i] = ROUND_NSEC / measure(&v[i], 1000) + 1;
	}
	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < nr; i++)
			if (v[i].run)
				ns[i][round] = measure(&v[i], n[i]);
	for (i = 0; i < nr; i++) {
		if (!v[i].run)
			continue;
		qsort(ns[i], ROUNDS, sizeof(ns[i][0]), compare);
		printf("%s\t%s\t%.2f\t%.2f\t%.2f\n", row, v[i].name,
		       ns[i][ROUNDS / 2], ns[i][ROUNDS / 4],
		       ns[i][ROUNDS * 3 / 4]);
	}
	free(ns);
	free(n);
}

/* ---- What there was before: ask for the CPU, then be careful ---- */

static long (*vdso_getcpu)(unsigned int *cpu, unsigned int *node, void *unused);

/* Return: whether there is one. */
static inline bool find_vdso_getcpu(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);

	if (vdso)
		*(void **)&vdso_getcpu = dlsym(vdso, "__vdso_getcpu");
	return vdso_getcpu;
}

static inline int getcpu_by_vdso(void)
{
	unsigned int cpu;

	vdso_getcpu(&cpu, NULL, NULL);
	return cpu;
}

#endif /* SAMPLE_H */
