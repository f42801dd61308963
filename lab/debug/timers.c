// SPDX-License-Identifier: GPL-2.0
/*
 * timers SECONDS: keep the kernel's timer code busy, for races in it that come
 * rarely else. Three CPUs fall idle again and again with a timer in the wheel;
 * sometimes it goes off first, and sometimes another event wakes the CPU. The
 * fourth does not rest, and so runs the timers of those that idle.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define IDLE_CPUS 3

static void check(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "timers: %s: %s\n", what, strerror(error));
	exit(1);
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	check(pthread_setaffinity_np(pthread_self(), sizeof(set), &set),
	      "cannot run on four CPUs");
}

/* The timeout of a socket is a timer in the wheel: of 4 to 7 ms. */
static void *wait_in_the_wheel(void *number)
{
	struct timeval timeout = {
		.tv_usec = 4000 + 1000 * ((uintptr_t)number % 4),
	};
	int fd[2];
	char c;

	run_on((uintptr_t)number % IDLE_CPUS);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) ||
	    setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout))) {
		perror("timers: no socket with a timeout");
		exit(1);
	}
	for (;;)
		recv(fd[0], &c, 1, 0);
	return NULL;
}

/* That of nanosleep() is not: of 2.1 to 4 ms. */
static void *wait_outside(void *number)
{
	struct timespec timeout = {
		.tv_nsec = 2100000 + 370000 * (uintptr_t)number,
	};

	run_on((uintptr_t)number % IDLE_CPUS);
	for (;;)
		nanosleep(&timeout, NULL);
	return NULL;
}

static void *never_rest(void *number)
{
	(void)number;
	run_on(IDLE_CPUS);
	for (;;)
		;
	return NULL;
}

static void start(void *(*function)(void *), uintptr_t threads)
{
	pthread_t thread;
	uintptr_t i;

	for (i = 0; i < threads; i++)
		check(pthread_create(&thread, NULL, function, (void *)i),
		      "no thread");
}

int main(int argc, char **argv)
{
	char *end = NULL;
	long seconds = argc == 2 ? strtol(argv[1], &end, 10) : 0;

	if (seconds < 1 || *end) {
		fprintf(stderr, "usage: timers SECONDS\n");
		return 2;
	}
	start(wait_in_the_wheel, 8);
	start(wait_outside, 6);
	start(never_rest, 1);
	sleep(seconds);
	return 0;
}
