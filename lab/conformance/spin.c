// SPDX-License-Identifier: GPL-2.0
/*
 * A process to be checkpointed: threads that count in per-CPU counters, each
 * increment a critical section, and nothing else.
 *
 *	spin FILE	append a line to FILE: "ready"; for each SIGUSR1, one more:
 *			"TOTAL counted";
 *			at SIGTERM, stop, compare the counters with what the
 *			threads say, and append "right" or what was not
 *
 * A line also says if a thread is not registered (any more).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rseq.h"

#define THREADS		4

static struct {
	long value;
} RSEQ_ATTRIBUTE(aligned(64)) counters[CPU_SETSIZE];

static struct worker {
	pthread_t thread;
	long counted;		/* written by the thread alone */
	int error;		/* what the kernel says to a registration */
} workers[THREADS];

static int stop;

/* EBUSY: the thread is registered with this area, length and signature. */
static int registration(void)
{
	if (!syscall(RSEQ_NR_SYSCALL, rseq_area(), 32, 0, RSEQ_SIG))
		return 0;
	return errno;
}

static void *count(void *arg)
{
	struct worker *worker = arg;
	enum rseq_result result;
	int cpu;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		do {
			cpu = rseq_cpu_start();
			result = rseq_add(&counters[cpu].value, 1, cpu);
		} while (result < 0);
		if (result != RSEQ_DONE)
			break;
		__atomic_store_n(&worker->counted, worker->counted + 1,
				 __ATOMIC_RELAXED);
	}
	worker->error = registration();
	return NULL;
}

static long threads_say(void)
{
	long sum = 0;
	int i;

	for (i = 0; i < THREADS; i++)
		sum += __atomic_load_n(&workers[i].counted, __ATOMIC_RELAXED);
	return sum;
}

static long counters_say(void)
{
	long sum = 0;
	int i;

	for (i = 0; i < CPU_SETSIZE; i++)
		sum += counters[i].value;
	return sum;
}

int main(int argc, char **argv)
{
	int i, signal, error;
	sigset_t set;
	FILE *out;

	if (argc != 2) {
		fprintf(stderr, "usage: spin FILE\n");
		return 2;
	}
	out = fopen(argv[1], "a");
	if (!out) {
		perror(argv[1]);
		return 1;
	}
	setvbuf(out, NULL, _IOLBF, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (i = 0; i < THREADS; i++) {
		error = pthread_create(&workers[i].thread, NULL, count,
				       &workers[i]);
		if (error) {
			fprintf(out, "pthread_create: %s\n", strerror(error));
			return 1;
		}
	}
	fprintf(out, "ready\n");
	while (!sigwait(&set, &signal) && signal == SIGUSR1)
		fprintf(out, "%ld counted\n", threads_say());
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].error != EBUSY) {
			fprintf(out, "thread %d is not registered: %s\n", i,
				strerror(workers[i].error));
			return 1;
		}
	}
	if (registration() != EBUSY) {
		fprintf(out, "the first thread is not registered\n");
		return 1;
	}
	if (threads_say() != counters_say()) {
		fprintf(out, "%ld counted, %ld in the counters\n",
			threads_say(), counters_say());
		return 1;
	}
	fprintf(out, "right\n");
	return 0;
}
