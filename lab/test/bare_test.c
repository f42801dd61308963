// SPDX-License-Identifier: GPL-2.0
/*
 * What user space sees of a kernel without rseq: the system call, the
 * auxiliary vector, membarrier and ptrace know nothing of it, and programs of
 * a libc that would use it run without. Builds for x86-64 and i386.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The ABI's numbers, whatever the headers of this machine say. */
#ifdef __x86_64__
#define NR_RSEQ				334
#else
#define NR_RSEQ				386
#endif
#define AUX_RSEQ_FEATURE_SIZE		27
#define AUX_RSEQ_ALIGN			28
#define PTRACE_RSEQ			0x420f
#define MEMBARRIER_QUERY		0
#define MEMBARRIER_RSEQ			0x80
#define MEMBARRIER_REGISTER_RSEQ	0x100

static int failed, count;

static void check(bool good, const char *name)
{
	printf("%sok %d %s\n", good ? "" : "not ", ++count, name);
	failed += !good;
}

static bool fails_with(long ret, int error)
{
	return ret == -1 && errno == error;
}

static void *thread(void *arg)
{
	*(int *)arg = sched_getcpu();
	return arg;
}

static bool threads_run(void)
{
	pthread_t ids[8];
	int cpus[8];
	void *ret;

	for (int i = 0; i < 8; i++)
		if (pthread_create(&ids[i], NULL, thread, &cpus[i]))
			return false;
	for (int i = 0; i < 8; i++)
		if (pthread_join(ids[i], &ret) || ret != &cpus[i] ||
		    cpus[i] < 0)
			return false;
	return true;
}

static bool fork_runs(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(threads_run() ? 42 : 1);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 42;
}

static bool ptrace_refuses(void)
{
	pid_t pid = fork();
	bool refused;
	char conf[24];
	int status;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return false;
	refused = fails_with(syscall(SYS_ptrace, PTRACE_RSEQ, pid,
				     sizeof(conf), conf), EIO);
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	waitpid(pid, &status, 0);
	return refused;
}

int main(void)
{
	void *area = aligned_alloc(64, 64);
	long commands;

	printf("TAP version 13\n1..9\n");
	if (!area)
		return 1;
	memset(area, 0, 64);
	check(fails_with(syscall(NR_RSEQ, area, 32, 0, 0x53053053), ENOSYS),
	      "the system call is ENOSYS");
	check(getauxval(AUX_RSEQ_FEATURE_SIZE) == 0,
	      "the auxiliary vector has no feature size");
	check(getauxval(AUX_RSEQ_ALIGN) == 0,
	      "the auxiliary vector has no alignment");
	commands = syscall(SYS_membarrier, MEMBARRIER_QUERY, 0, 0);
	check(commands > 0 &&
	      !(commands & (MEMBARRIER_RSEQ | MEMBARRIER_REGISTER_RSEQ)),
	      "membarrier does not offer the commands");
	check(fails_with(syscall(SYS_membarrier, MEMBARRIER_REGISTER_RSEQ,
				 0, 0), EINVAL) &&
	      fails_with(syscall(SYS_membarrier, MEMBARRIER_RSEQ, 0, 0),
			 EINVAL),
	      "and refuses them");
	check(ptrace_refuses(), "ptrace refuses the request");
	check(sched_getcpu() >= 0, "sched_getcpu() works");
	check(threads_run(), "threads run");
	check(fork_runs(), "a forked child with threads runs");
	return failed != 0;
}
