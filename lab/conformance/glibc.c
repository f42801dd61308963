// SPDX-License-Identifier: GPL-2.0
/*
 * What glibc makes of rseq, seen by a program: the area that it registers for
 * each thread, and sched_getcpu(), which reads it there.
 *
 *	glibc area|migration|threads|fork|spawn|vfork
 *
 * The exit status is 0 if all is as it should be; else a line says what was
 * not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_FEATURE_SIZE	27
#define AT_ALIGN	28

static cpu_set_t allowed;

#define fail(...)					\
	do {						\
		fprintf(stderr, __VA_ARGS__);		\
		fputc('\n', stderr);			\
		_exit(1);				\
	} while (0)

/* Calls that need not fail, in a program that has nothing to lose. */
static void check(int error, const char *what)
{
	if (error)
		fail("%s: %s", what, strerror(error));
}

static struct rseq *area(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() +
			       __rseq_offset);
}

/* The length that glibc registers; __rseq_size is how much of it is in use. */
static unsigned int registered_length(void)
{
	unsigned long align = getauxval(AT_ALIGN);

	if (__rseq_size <= 32)
		return 32;
	return (__rseq_size + align - 1) / align * align;
}

/*
 * Ask the kernel for the registration that glibc should have made. EBUSY: it
 * has just this one.
 */
static int register_again(void)
{
	if (!syscall(SYS_rseq, area(), registered_length(), 0, RSEQ_SIG))
		return 0;
	return errno;
}

static void pin(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(tid, sizeof(set), &set))
		fail("sched_setaffinity to CPU %d: %s", cpu, strerror(errno));
}

static int next_cpu(int cpu)
{
	do {
		cpu = (cpu + 1) % CPU_SETSIZE;
	} while (!CPU_ISSET(cpu, &allowed));
	return cpu;
}

static unsigned int kernel_cpu(unsigned int *node)
{
	unsigned int cpu;

	if (syscall(SYS_getcpu, &cpu, node, NULL))
		fail("getcpu: %s", strerror(errno));
	return cpu;
}

/* The calling thread must be registered, and its CPU true on each CPU. */
static void must_be_registered(const char *who)
{
	int error = register_again();
	int cpu = -1;

	if (error != EBUSY)
		fail("%s: not registered: %s", who, strerror(error));
	do {
		cpu = next_cpu(cpu);
		pin(0, cpu);
		if (sched_getcpu() != cpu)
			fail("%s: sched_getcpu() %d on CPU %d", who,
			     sched_getcpu(), cpu);
		if (area()->cpu_id != (unsigned int)cpu ||
		    area()->cpu_id_start != (unsigned int)cpu)
			fail("%s: cpu_id %d, cpu_id_start %d on CPU %d", who,
			     area()->cpu_id, area()->cpu_id_start, cpu);
	} while (next_cpu(cpu) > cpu);
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

static void test_area(void)
{
	unsigned long feature_size = getauxval(AT_FEATURE_SIZE);
	unsigned int cpu, node;

	if (!__rseq_size)
		fail("__rseq_size is 0: glibc has not registered");
	if (__rseq_size < 20 ||
	    (__rseq_size > 32 && __rseq_size > feature_size))
		fail("__rseq_size is %u", __rseq_size);
	if (__rseq_flags)
		fail("__rseq_flags is %#x", __rseq_flags);
	if ((unsigned long)area() % 32)
		fail("the area is at %p", area());
	if (feature_size < 28 || getauxval(AT_ALIGN) < 32)
		fail("AT_RSEQ_FEATURE_SIZE %lu, AT_RSEQ_ALIGN %lu",
		     feature_size, getauxval(AT_ALIGN));
	must_be_registered("main");

	/* What came after glibc 2.36 is in the 32 bytes as well. */
	cpu = -1;
	do {
		cpu = next_cpu(cpu);
		pin(0, cpu);
		kernel_cpu(&node);
		if (((unsigned int *)area())[5] != node)
			fail("node_id %u on node %u, CPU %u",
			     ((unsigned int *)area())[5], node, cpu);
	} while (next_cpu(cpu) > (int)cpu);
	/* The only thread of a process has the first index. */
	if (((unsigned int *)area())[6] != 0)
		fail("mm_cid %u in the only thread",
		     ((unsigned int *)area())[6]);
}

/*
 * A thread that reads its CPU, while another one moves it. @moves is odd
 * during a move; if it was the same even number before and after a read, then
 * the thread cannot have been moved in between, and the answers must agree.
 */
struct traveller {
	pthread_t thread;
	atomic_int tid;
	atomic_ulong moves;
	atomic_ulong compared;
};

#define TRAVELLERS	2
#define MOVES		100
#define LAST		(2 * MOVES)

static void *travel(void *arg)
{
	struct traveller *t = arg;
	unsigned long before, compared = 0;
	unsigned int truth;
	int said;

	atomic_store(&t->tid, gettid());
	while (compared != LAST) {
		before = atomic_load(&t->moves);
		said = sched_getcpu();
		truth = kernel_cpu(NULL);
		if (before % 2 || before != atomic_load(&t->moves))
			continue;
		if (said < 0 || (unsigned int)said != truth)
			fail("sched_getcpu() %d on CPU %u after %lu moves",
			     said, truth, before / 2);
		if (compared == before)
			sched_yield();
		compared = before;
		atomic_store(&t->compared, compared);
	}
	return NULL;
}

static void test_migration(void)
{
	static struct traveller travellers[TRAVELLERS];
	unsigned long move;
	int i, cpu = -1;

	for (i = 0; i < TRAVELLERS; i++) {
		/* Where a thread is before its first move is not known. */
		atomic_init(&travellers[i].moves, 1);
		check(pthread_create(&travellers[i].thread, NULL, travel,
				     &travellers[i]), "pthread_create");
	}
	for (i = 0; i < TRAVELLERS; i++)
		while (!atomic_load(&travellers[i].tid))
			sched_yield();
	for (move = 1; move <= MOVES; move++) {
		for (i = 0; i < TRAVELLERS; i++) {
			atomic_store(&travellers[i].moves, 2 * move - 1);
			cpu = next_cpu(cpu);
			pin(travellers[i].tid, cpu);
			atomic_store(&travellers[i].moves, 2 * move);
		}
		for (i = 0; i < TRAVELLERS; i++)
			while (atomic_load(&travellers[i].compared) != 2 * move)
				sched_yield();
	}
	for (i = 0; i < TRAVELLERS; i++)
		pthread_join(travellers[i].thread, NULL);
}

static void *short_life(void *arg)
{
	int cpu = (int)(long)arg;
	int error = register_again();

	if (error != EBUSY)
		fail("a thread is not registered: %s", strerror(error));
	if (sched_getcpu() != cpu || kernel_cpu(NULL) != (unsigned int)cpu)
		fail("sched_getcpu() %d in a thread on CPU %d",
		     sched_getcpu(), cpu);
	return area();
}

#define THREADS		1000
#define AT_A_TIME	8

static void test_threads(void)
{
	pthread_t threads[AT_A_TIME];
	pthread_attr_t attr;
	cpu_set_t set;
	void *where;
	int i, j, cpu = -1;

	pthread_attr_init(&attr);
	for (i = 0; i < THREADS; i += AT_A_TIME) {
		for (j = 0; j < AT_A_TIME; j++) {
			cpu = next_cpu(cpu);
			CPU_ZERO(&set);
			CPU_SET(cpu, &set);
			check(pthread_attr_setaffinity_np(&attr, sizeof(set),
							  &set), "affinity");
			check(pthread_create(&threads[j], &attr, short_life,
					     (void *)(long)cpu),
			      "pthread_create");
		}
		for (j = 0; j < AT_A_TIME; j++) {
			pthread_join(threads[j], &where);
			if (where == area())
				fail("two threads have one area");
		}
	}
	must_be_registered("the thread that is left");
}

static void wait_for(pid_t child, const char *what)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		fail("waitpid: %s", strerror(errno));
	if (WIFSIGNALED(status))
		fail("%s: killed by signal %d", what, WTERMSIG(status));
	if (WEXITSTATUS(status))
		fail("%s: exit status %d", what, WEXITSTATUS(status));
}

static void *check_registered(void *who)
{
	must_be_registered(who);
	return NULL;
}

static void run_thread(void *(*start)(void *), void *arg)
{
	pthread_t thread;

	check(pthread_create(&thread, NULL, start, arg), "pthread_create");
	pthread_join(thread, NULL);
}

static void *fork_here(void *unused)
{
	struct rseq *parent = area();
	pid_t child, grandchild;

	child = fork();
	if (child < 0)
		fail("fork: %s", strerror(errno));
	if (!child) {
		if (area() != parent)
			fail("the child has another area");
		must_be_registered("a child");
		run_thread(check_registered, "a thread of a child");
		grandchild = fork();
		if (!grandchild) {
			must_be_registered("a child's child");
			_exit(0);
		}
		wait_for(grandchild, "a child's child");
		must_be_registered("a child that forked");
		_exit(0);
	}
	must_be_registered("a thread that forked");
	wait_for(child, "a child");
	return unused;
}

static void test_fork(void)
{
	int i;

	for (i = 0; i < 20; i++)
		run_thread(fork_here, NULL);
	fork_here(NULL);
}

static char *self[] = { "/proc/self/exe", "child", NULL };

static void test_spawn(void)
{
	pid_t child;
	int i;

	for (i = 0; i < 20; i++) {
		check(posix_spawn(&child, self[0], NULL, NULL, self, environ),
		      "posix_spawn");
		wait_for(child, "a spawned program");
		must_be_registered("main");
	}
}

static void test_vfork(void)
{
	/* The child has the memory of its parent, so it can say so there. */
	static atomic_int error;
	pid_t child;
	int i;

	for (i = 0; i < 20; i++) {
		error = 0;
		child = vfork();
		if (child < 0)
			fail("vfork: %s", strerror(errno));
		if (!child) {
			if (syscall(SYS_rseq, area(), registered_length(),
				    RSEQ_FLAG_UNREGISTER, RSEQ_SIG))
				error = errno;
			execve(self[0], self, environ);
			_exit(127);
		}
		if (error != EINVAL)
			fail("the child of vfork() had a registration");
		wait_for(child, "a program started by vfork()");
		must_be_registered("main");
	}
}

static void test_child(void)
{
	must_be_registered("the program");
	run_thread(check_registered, "a thread of the program");
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "area", test_area },
	{ "migration", test_migration },
	{ "threads", test_threads },
	{ "fork", test_fork },
	{ "spawn", test_spawn },
	{ "vfork", test_vfork },
	{ "child", test_child },
};

int main(int argc, char **argv)
{
	size_t i;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		fail("sched_getaffinity: %s", strerror(errno));
	for (i = 0; argc == 2 && i < sizeof(tests) / sizeof(*tests); i++) {
		if (strcmp(argv[1], tests[i].name))
			continue;
		tests[i].run();
		return 0;
	}
	fprintf(stderr,
		"usage: glibc area|migration|threads|fork|spawn|vfork\n");
	return 2;
}
