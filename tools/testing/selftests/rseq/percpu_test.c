// SPDX-License-Identifier: GPL-2.0
/*
 * percpu.h: per-CPU variables on top of the per-CPU segment. The system call
 * below it is tested in segment_test.c.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "percpu.h"
#include "percpu-cmpxchg.h"
#include "percpu-list.h"
#include "../kselftest_harness.h"
#include "rseq_slowness.h"

PERCPU_DEFINE(__s8, v8) = 1;
PERCPU_DEFINE(__s16, v16) = 2;
PERCPU_DEFINE(__s32, v32) = 3;
PERCPU_DEFINE(__s64, v64) = 4;
PERCPU_DEFINE(int *, vptr);
PERCPU_DEFINE(struct percpu_pair, pair) = { 5, 6 };
static PERCPU_DEFINE(long, counter);
static PERCPU_DEFINE(long, in_handler);
static PERCPU_DEFINE(unsigned long, bits);
static PERCPU_DEFINE(long, slot);
static PERCPU_DEFINE(struct percpu_list, list);

struct record {
	char c;
	long element[4];
};

static PERCPU_DEFINE(struct record, record) = { .element = { 7, 8, 9, 10 } };

/* The CPUs that this process may use. */
static int cpus[CPU_SETSIZE], nr_cpus;

static bool move_to_cpu(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(tid, sizeof(set), &set);
}

static void find_cpus(void)
{
	cpu_set_t set;
	int i;

	nr_cpus = 0;
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			cpus[nr_cpus++] = i;
}

/* Without %gs. */
static void write_template(long value)
{
	__atomic_store_n((long *)(uintptr_t)&counter, value, __ATOMIC_RELAXED);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int exit_status(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   1000 + WTERMSIG(status);
}

FIXTURE(per_index) {
	int unused;
};

FIXTURE_VARIANT(per_index) {
	__u64 flags;
};

FIXTURE_VARIANT_ADD(per_index, by_cpu) {
};

FIXTURE_VARIANT_ADD(per_index, by_mm_cid) {
	.flags = PERCPU_BY_MM_CID,
};

FIXTURE_SETUP(per_index)
{
	int ret = percpu_setup(variant->flags);

	ASSERT_EQ(0, ret) {
		TH_LOG("%s", percpu_strerror(ret));
	}
	find_cpus();
	ASSERT_LT(0, nr_cpus);
}

FIXTURE_TEARDOWN(per_index)
{
}

/* ---- Set-up ---- */

TEST(setup_errors)
{
	void *taken;

	EXPECT_EQ(-EINVAL, percpu_setup(2));
	taken = mmap(PERCPU_ROOT, PERCPU_PAGE, PROT_NONE, MAP_PRIVATE |
		     MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	ASSERT_EQ((void *)PERCPU_ROOT, taken);
	EXPECT_EQ(-EEXIST, percpu_setup(0));
	ASSERT_EQ(0, mprotect(taken, PERCPU_PAGE, PROT_READ));
	EXPECT_EQ(-EEXIST, percpu_setup(0));
	ASSERT_EQ(0, munmap(taken, PERCPU_PAGE));
	/* Nothing is half done: it works now. */
	ASSERT_EQ(0, percpu_setup(0));
	EXPECT_EQ(-EINVAL, percpu_setup(PERCPU_BY_MM_CID));
	EXPECT_EQ(0, percpu_setup(0));
}

/* %gs in use, by what another library has put there. */
TEST(setup_busy)
{
	struct percpu_arch_segment segment = { sizeof(segment), 0, 0x1000, 0 };
	void *page;

	page = mmap(NULL, PERCPU_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, percpu_arch(0x1001 /* ARCH_SET_GS */, page));
	EXPECT_EQ(-EBUSY, percpu_setup(0));
	ASSERT_EQ(0, percpu_arch(0x1001, NULL));
	ASSERT_EQ(0, percpu_arch(PERCPU_ARCH_SET, &segment));
	EXPECT_EQ(-EBUSY, percpu_setup(0));
	ASSERT_EQ(0, percpu_arch(0x6003 /* ARCH_CLEAR_... */, NULL));
	EXPECT_EQ(0, percpu_setup(0));
}

TEST(setup_without_memory)
{
	unsigned long pages = 0;
	struct rlimit old, limit;
	FILE *statm = fopen("/proc/self/statm", "r");

	ASSERT_NE(NULL, statm);
	ASSERT_EQ(1, fscanf(statm, "%lu", &pages));
	fclose(statm);
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	/* Enough for what is reserved first, but not for the copies. */
	limit = old;
	limit.rlim_cur = pages * PERCPU_PAGE + PERCPU_DYNAMIC_END;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &limit));
	EXPECT_EQ(-ENOMEM, percpu_setup(0));
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &old));
	write_template(0);
	EXPECT_EQ(0, percpu_setup(0));
}

TEST_F(per_index, template_is_copied)
{
	unsigned int i;

	ASSERT_LT(0, percpu_count());
	for (i = 0; i < percpu_count(); i++) {
		EXPECT_EQ(1, percpu_read_on(i, v8));
		EXPECT_EQ(2, percpu_read_on(i, v16));
		EXPECT_EQ(3, percpu_read_on(i, v32));
		EXPECT_EQ(4, percpu_read_on(i, v64));
		EXPECT_EQ(6, percpu_ptr(i, pair)->hi);
		EXPECT_EQ(9, percpu_read_on(i, record.element[2]));
	}
	EXPECT_EQ(4 * (int)percpu_count(), percpu_sum(v64));
}

static void *existed_before(void *arg)
{
	int *step = arg;

	while (!__atomic_load_n(step, __ATOMIC_ACQUIRE))
		sched_yield();
	if (*step == 2)
		percpu_inc(*percpu_new(long));
	else if (*step == 3 && percpu_setup(0))
		_exit(2);
	percpu_inc(counter);
	return NULL;
}

/* Without a segment: 1: declared; 2: allocated; 3: calls percpu_setup(). */
TEST(thread_from_before)
{
	int way;

	for (way = 1; way <= 3; way++) {
		pid_t pid = fork();
		pthread_t thread;
		int step = 0;

		if (!pid) {
			if (pthread_create(&thread, NULL, existed_before,
					   &step) || percpu_setup(0))
				_exit(1);
			__atomic_store_n(&step, way, __ATOMIC_RELEASE);
			pthread_join(thread, NULL);
			_exit(percpu_sum(counter) == 1 ? 0 : 3);
		}
		EXPECT_EQ(way == 3 ? 0 : 1000 + SIGSEGV, exit_status(pid));
	}
}

/* A plain access to what is only there per CPU. */
TEST_F(per_index, template_is_out_of_reach)
{
	pid_t pid = fork();

	if (!pid) {
		write_template(1);
		_exit(0);
	}
	EXPECT_EQ(1000 + SIGSEGV, exit_status(pid));
	/* And so is NULL. */
	pid = fork();
	if (!pid) {
		percpu_inc(*(PERCPU long *)NULL);
		_exit(0);
	}
	EXPECT_EQ(1000 + SIGSEGV, exit_status(pid));
}

/* ---- Each operation, alone ---- */

TEST_F(per_index, integer_operations)
{
	ASSERT_TRUE(move_to_cpu(0, cpus[0]));
	percpu_add(v8, 2);
	percpu_add(v16, -3);
	percpu_add(v32, 0x7fff0000);
	percpu_add(v64, 0x123456789abcLL);
	EXPECT_EQ(3, percpu_read(v8));
	EXPECT_EQ(-1, percpu_read(v16));
	EXPECT_EQ(0x7fff0003, percpu_read(v32));
	EXPECT_EQ(0x123456789ac0LL, percpu_read(v64));
	percpu_inc(v8);
	percpu_inc(v16);
	percpu_inc(v32);
	percpu_inc(v64);
	EXPECT_EQ(4, percpu_read(v8));
	EXPECT_EQ(0, percpu_read(v16));
	EXPECT_EQ(0x7fff0004, percpu_read(v32));
	EXPECT_EQ(0x123456789ac1LL, percpu_read(v64));
	percpu_or(v8, 0x40);
	percpu_or(v16, 0x100);
	percpu_or(v32, 8);
	percpu_or(v64, 1ULL << 63);
	EXPECT_EQ(0x44, percpu_read(v8));
	EXPECT_EQ(0x100, percpu_read(v16));
	EXPECT_EQ(0x7fff000c, percpu_read(v32));
	EXPECT_EQ((__s64)(0x123456789ac1LL | 1ULL << 63), percpu_read(v64));
	percpu_and(v8, ~4);
	percpu_and(v16, 0xff);
	percpu_and(v32, 0xffff);
	percpu_and(v64, ~(1ULL << 63));
	EXPECT_EQ(0x40, percpu_read(v8));
	EXPECT_EQ(0, percpu_read(v16));
	EXPECT_EQ(0xc, percpu_read(v32));
	EXPECT_EQ(0x123456789ac1LL, percpu_read(v64));
	/* Its neighbours and the other indices were left alone. */
	if (percpu_count() > 1) {
		unsigned int other = percpu_count() - 1;

		if (other == (unsigned int)cpus[0])
			other = 0;
		if (!variant->flags)
			EXPECT_EQ(4, percpu_read_on(other, v64));
	}
	percpu_inc(record.element[1]);
	EXPECT_EQ(7, percpu_read(record.element[0]));
	EXPECT_EQ(9, percpu_read(record.element[1]));
	EXPECT_EQ(9, percpu_read(record.element[2]));
	EXPECT_EQ(0, percpu_read(record.c));
}

TEST_F(per_index, exchanging_operations)
{
	struct percpu_pair expect = { 5, 6 }, value = { 50, 60 };
	int x;

	ASSERT_TRUE(move_to_cpu(0, cpus[0]));
	EXPECT_EQ(1, percpu_xadd(v8, 1));
	EXPECT_EQ(2, percpu_xadd(v8, -3));
	EXPECT_EQ(-1, percpu_read(v8));
	EXPECT_EQ(2, percpu_xadd(v16, 1000));
	EXPECT_EQ(3, percpu_xadd(v32, 1));
	EXPECT_EQ(4, percpu_xadd(v64, 1LL << 40));
	EXPECT_EQ(4 + (1LL << 40), percpu_read(v64));

	EXPECT_EQ(-1, percpu_cmpxchg(v8, 0, 5));
	EXPECT_EQ(-1, percpu_cmpxchg(v8, -1, 5));
	EXPECT_EQ(5, percpu_read(v8));
	EXPECT_EQ(1002, percpu_cmpxchg(v16, 1002, -7));
	EXPECT_EQ(-7, percpu_read(v16));
	EXPECT_EQ(4, percpu_cmpxchg(v32, 5, 0));
	EXPECT_EQ(4, percpu_read(v32));
	EXPECT_EQ(4 + (1LL << 40), percpu_cmpxchg(v64, 4 + (1LL << 40), -1));
	EXPECT_EQ(-1, percpu_read(v64));

	EXPECT_EQ(5, percpu_xchg(v8, -128));
	EXPECT_EQ(-128, percpu_read(v8));
	EXPECT_EQ(-1, percpu_xchg(v64, 12));
	EXPECT_EQ(12, percpu_read(v64));
	EXPECT_EQ(NULL, percpu_xchg(vptr, &x));
	EXPECT_EQ(&x, percpu_cmpxchg(vptr, &x, NULL));
	EXPECT_EQ(NULL, percpu_read(vptr));

	EXPECT_TRUE(percpu_cmpxchg16b(pair, &expect, &value));
	EXPECT_EQ(50, percpu_read(pair.lo));
	EXPECT_EQ(60, percpu_read(pair.hi));
	expect.lo = 50;
	expect.hi = 61;
	EXPECT_FALSE(percpu_cmpxchg16b(pair, &expect, &value));
	EXPECT_EQ(50, expect.lo);
	EXPECT_EQ(60, expect.hi);
}

TEST_F(per_index, list_is_last_in_first_out)
{
	struct percpu_node node[3];
	int i;

	ASSERT_TRUE(move_to_cpu(0, cpus[0]));
	percpu_list_init(&list);
	EXPECT_EQ(NULL, percpu_list_pop(&list));
	for (i = 0; i < 3; i++)
		percpu_list_push(&list, &node[i]);
	for (i = 2; i >= 0; i--)
		EXPECT_EQ(&node[i], percpu_list_pop(&list));
	EXPECT_EQ(NULL, percpu_list_pop(&list));
}

TEST_F(per_index, both_forms_of_cmpxchg)
{
	int i;

	ASSERT_NE(RSEQ_FALLBACK, rseq_register());
	ASSERT_LE(0, rseq_current_cpu_raw());
	for (i = 0; i < nr_cpus; i++) {
		enum rseq_result result;

		ASSERT_TRUE(move_to_cpu(0, cpus[i]));
		if (!variant->flags) {
			do {
				result = percpu_cmpxchg_rseq(&slot, 0, 1);
			} while (result < 0);
			EXPECT_EQ(RSEQ_DONE, result);
			EXPECT_EQ(1, percpu_read_on(cpus[i], slot));
			do {
				result = percpu_cmpxchg_rseq(&slot, 0, 2);
			} while (result < 0);
			EXPECT_EQ(RSEQ_UNEQUAL, result);
			EXPECT_EQ(1, percpu_xchg(slot, 0));
		}
		do {
			result = percpu_cmpxchg_segment(&slot, 0, 1);
		} while (result < 0);
		EXPECT_EQ(RSEQ_DONE, result);
		EXPECT_EQ(1, percpu_read(slot));
		do {
			result = percpu_cmpxchg_segment(&slot, 0, 2);
		} while (result < 0);
		EXPECT_EQ(RSEQ_UNEQUAL, result);
		EXPECT_EQ(1, percpu_xchg(slot, 0));
	}
	EXPECT_EQ(0, percpu_sum(slot));
}

/* Nothing would restart a thread that is not registered: glibc's may be. */
TEST_F(per_index, cmpxchg_needs_a_registration)
{
	unsigned int len;

	for (len = 32; len <= 256 && rseq_current_cpu_raw() >= 0; len += 32)
		syscall(RSEQ_NR_SYSCALL, rseq_area(), len, RSEQ_ABI_UNREGISTER,
			RSEQ_SIG);
	ASSERT_GT(0, rseq_current_cpu_raw());
	ASSERT_TRUE(move_to_cpu(0, cpus[0]));
	EXPECT_EQ(RSEQ_NOT_REGISTERED, percpu_cmpxchg_segment(&slot, 0, 1));
	if (!variant->flags) {
		EXPECT_EQ(RSEQ_NOT_REGISTERED,
			  percpu_cmpxchg_rseq(&slot, 0, 1));
	}
	EXPECT_EQ(0, percpu_read(slot));
}

TEST_F(per_index, allocation)
{
	PERCPU char *byte = (PERCPU char *)percpu_alloc(1, 1);
	PERCPU long *word = percpu_new(long);
	PERCPU long *page = (PERCPU long *)percpu_alloc(4096, 4096);
	size_t got = 0;

	ASSERT_NE(NULL, (void *)(uintptr_t)byte);
	ASSERT_NE(NULL, (void *)(uintptr_t)word);
	EXPECT_EQ(0, (uintptr_t)word % sizeof(long));
	EXPECT_EQ(0, (uintptr_t)page % 4096);
	percpu_inc(*byte);
	percpu_add(*word, -1);
	percpu_add(page[511], 3);
	EXPECT_EQ(1, percpu_sum(*byte));
	EXPECT_EQ(-1, percpu_sum(*word));
	EXPECT_EQ(3, percpu_sum(page[511]));
	EXPECT_EQ(0, percpu_sum(page[0]));

	EXPECT_EQ(NULL, (void *)(uintptr_t)percpu_alloc(0, 1));
	EXPECT_EQ(NULL, (void *)(uintptr_t)percpu_alloc(1, 3));
	EXPECT_EQ(NULL, (void *)(uintptr_t)percpu_alloc(1, 8192));
	EXPECT_EQ(NULL, (void *)(uintptr_t)percpu_alloc(-1UL, 1));
	while (percpu_alloc(1000, 8))
		got += 1000;
	EXPECT_LT(900000, got);
	EXPECT_NE(NULL, (void *)(uintptr_t)percpu_alloc(1, 1));
}

TEST_F(per_index, child_has_memory_of_its_own)
{
	pid_t pid;

	percpu_inc(counter);
	pid = fork();
	if (!pid) {
		percpu_inc(counter);
		_exit(percpu_sum(counter) == 2 ? 0 : 1);
	}
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(1, percpu_sum(counter));
}

/* ---- Libraries ---- */

struct library {
	int (*setup)(__u64 flags);
	void (*add)(long value);
	long (*sum)(void);
	short (*calls)(void);
};

static bool load(struct library *l, const char *name)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	void *handle;

	if (len < 0)
		return false;
	path[len] = 0;
	dirname(path);
	strncat(path, "/", sizeof(path) - strlen(path) - 1);
	strncat(path, name, sizeof(path) - strlen(path) - 1);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return false;
	*(void **)&l->setup = dlsym(handle, "library_setup");
	*(void **)&l->add = dlsym(handle, "library_add");
	*(void **)&l->sum = dlsym(handle, "library_sum");
	*(void **)&l->calls = dlsym(handle, "library_calls");
	return l->setup && l->add && l->sum && l->calls;
}

TEST_F(per_index, library_that_was_loaded)
{
	struct library l;
	int i;

	ASSERT_TRUE(load(&l, "percpu_lib.so")) {
		TH_LOG("%s", dlerror());
	}
	EXPECT_EQ(-EINVAL, l.setup(variant->flags ^ PERCPU_BY_MM_CID));
	ASSERT_EQ(0, l.setup(variant->flags));
	for (i = 0; i < 100; i++) {
		ASSERT_TRUE(move_to_cpu(0, cpus[i % nr_cpus]));
		l.add(i);
		percpu_inc(counter);
	}
	EXPECT_EQ(4950, l.sum());
	EXPECT_EQ(100, l.calls());
	EXPECT_EQ(100, percpu_sum(counter));
}

/* Whoever comes first: then the program cannot have its variables. */
TEST(library_that_comes_first)
{
	struct library l;

	ASSERT_TRUE(load(&l, "percpu_lib.so"));
	ASSERT_EQ(0, l.setup(0));
	l.add(3);
	EXPECT_EQ(3, l.sum());
	EXPECT_EQ(-EXDEV, percpu_setup(0));
}

TEST_F(per_index, library_with_declared_variables)
{
	struct library l;

	ASSERT_TRUE(load(&l, "percpu_lib_declared.so"));
	EXPECT_EQ(-EXDEV, l.setup(variant->flags));
}

TEST(library_with_declared_variables_alone)
{
	struct library l;

	ASSERT_TRUE(load(&l, "percpu_lib_declared.so"));
	ASSERT_EQ(0, l.setup(0));
	l.add(4);
	EXPECT_EQ(4, l.sum());
	EXPECT_EQ(-EXDEV, percpu_setup(0));
}

/* ---- All of them, many threads, and a storm ---- */

#define THREADS 16
#define NODES 64

static bool stop;
static pthread_barrier_t begun;

struct worker {
	pthread_t thread;
	unsigned int number;
	__u64 flags;
	long added, xadded, taken, put, popped, swapped, raised, failed;
	unsigned long bits;
};

static struct worker worker[THREADS];

static struct {
	struct percpu_node node;
	int owners;		/* who has popped it and not yet pushed it */
} node[NODES];

static __thread long handled;
static long all_handled;

static void on_signal(int sig)
{
	percpu_inc(in_handler);
	handled++;
}

/* Raise slot by 1, with each form in turn. */
static void raise_slot(struct worker *w, unsigned long n)
{
	enum rseq_result result;
	long old;

	do {
		old = percpu_read(slot);
		if (n % 3 == 0 && !w->flags) {
			result = percpu_cmpxchg_rseq(&slot, old, old + 1);
		} else if (n % 3 == 1) {
			result = percpu_cmpxchg_segment(&slot, old, old + 1);
		} else {
			result = percpu_cmpxchg(slot, old, old + 1) == old ?
				 RSEQ_DONE : RSEQ_UNEQUAL;
		}
	} while (result != RSEQ_DONE);
	w->raised++;
}

static void move_node(struct worker *w)
{
	struct percpu_node *n = percpu_list_pop(&list);
	long i = n ? ((char *)n - (char *)node) / sizeof(node[0]) : 0;

	if (!n)
		return;
	if (i < 0 || i >= NODES || n != &node[i].node ||
	    __atomic_fetch_add(&node[i].owners, 1, __ATOMIC_ACQ_REL))
		__atomic_fetch_add(&w->failed, 1, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&node[i].owners, 1, __ATOMIC_ACQ_REL);
	percpu_list_push(&list, n);
	w->popped++;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned long n;
	long old;

	if (rseq_register() < 0 || rseq_falls_back())
		_exit(1);
	pthread_barrier_wait(&begun);
	for (n = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); n++) {
		percpu_inc(counter);
		percpu_add(record.element[3], 3);
		w->added++;
		percpu_or(bits, 1UL << (n % 64));
		percpu_and(bits, ~(1UL << (n % 64)));
		percpu_xadd(v64, 1);
		w->xadded++;
		/* What is put there is taken out by somebody. */
		old = percpu_xchg(v32, w->number + 1);
		w->swapped += old - (int)(w->number + 1);
		raise_slot(w, n);
		move_node(w);
	}
	__atomic_fetch_add(&all_handled, handled, __ATOMIC_RELAXED);
	/* Stay, so that the storm always finds the thread. */
	pthread_barrier_wait(&begun);
	rseq_unregister();
	return NULL;
}

static bool put_cpu(int cpu, bool online)
{
	char path[64];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online",
		 cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, online ? "1" : "0", 1) == 1;
	close(fd);
	return done;
}

/* All threads start, and are moved and signalled; with hotplug, CPUs go away. */
static bool storm(__u64 flags, bool hotplug, double duration)
{
	struct sigaction act = { .sa_handler = on_signal,
				 .sa_flags = SA_RESTART };
	unsigned int i, round;
	double end;
	int down = -1;
	int plugged = 0;

	percpu_list_init(&list);
	for (i = 0; i < percpu_count(); i++) {
		*percpu_ptr(i, v64) = 0;
		*percpu_ptr(i, v32) = 0;
		*percpu_ptr(i, record.element[3]) = 0;
	}
	for (i = 0; i < NODES; i++)
		percpu_list_push(&list, &node[i].node);
	if (sigaction(SIGUSR1, &act, NULL) ||
	    pthread_barrier_init(&begun, NULL, THREADS + 1))
		return false;
	stop = false;
	for (i = 0; i < THREADS; i++) {
		worker[i] = (struct worker){ .number = i, .flags = flags };
		if (pthread_create(&worker[i].thread, NULL, work, &worker[i]))
			return false;
	}
	pthread_barrier_wait(&begun);
	end = seconds() + duration;
	/* Not to be crowded out by those that it is to disturb, if that is allowed. */
	setpriority(PRIO_PROCESS, 0, -20);
	for (round = 0; round < 500 || seconds() < end; round++) {
		struct worker *w = &worker[rand() % THREADS];
		cpu_set_t set;

		if (rand() % 2) {
			pthread_kill(w->thread, SIGUSR1);
		} else {
			CPU_ZERO(&set);
			CPU_SET(cpus[rand() % nr_cpus], &set);
			pthread_setaffinity_np(w->thread, sizeof(set), &set);
		}
		if (hotplug && round % 200 == 0) {
			if (down >= 0) {
				plugged += put_cpu(down, true);
				down = -1;
			} else {
				down = cpus[1 + rand() % (nr_cpus - 1)];
				if (!put_cpu(down, false))
					down = -1;
			}
		}
	}
	if (down >= 0)
		plugged += put_cpu(down, true);
	setpriority(PRIO_PROCESS, 0, 0);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_barrier_wait(&begun);
	for (i = 0; i < THREADS; i++)
		pthread_join(worker[i].thread, NULL);
	return !hotplug || plugged;
}

/* What was counted, against what was done. */
static void check_storm(struct __test_metadata *_metadata)
{
	long added = 0, xadded = 0, raised = 0, swapped = 0, popped = 0;
	unsigned int i;
	int nodes = 0;

	for (i = 0; i < THREADS; i++) {
		added += worker[i].added;
		xadded += worker[i].xadded;
		raised += worker[i].raised;
		swapped += worker[i].swapped;
		popped += worker[i].popped;
		EXPECT_EQ(0, worker[i].failed);
	}
	EXPECT_LT(0, added);
	EXPECT_LT(0, popped);
	EXPECT_EQ(added, percpu_sum(counter));
	EXPECT_EQ(3 * added, percpu_sum(record.element[3]));
	EXPECT_EQ(xadded, percpu_sum(v64));
	EXPECT_EQ(raised, percpu_sum(slot));
	EXPECT_EQ(0, swapped + percpu_sum(v32));
	EXPECT_LT(0, all_handled);
	EXPECT_EQ(all_handled, percpu_sum(in_handler));

	/* Every node is on one list, once. */
	for (i = 0; i < percpu_count(); i++) {
		struct percpu_node *n = percpu_ptr(i, list)->head;

		for (; n && nodes <= NODES; n = n->next)
			nodes++;
	}
	EXPECT_EQ(NODES, nodes);
	for (i = 0; i < NODES; i++)
		EXPECT_EQ(0, node[i].owners);
}

TEST_F_TIMEOUT(per_index, storm, 60)
{
	ASSERT_TRUE(storm(variant->flags, false, 3));
	check_storm(_metadata);
}

TEST_F_TIMEOUT(per_index, storm_with_hotplug, 60)
{
	int cpu = cpus[nr_cpus - 1];

	if (nr_cpus < 2 || !put_cpu(cpu, false))
		SKIP(return, "no CPU can be taken offline here: %s",
		     strerror(errno));
	ASSERT_TRUE(put_cpu(cpu, true));
	ASSERT_TRUE(storm(variant->flags, true, 6));
	check_storm(_metadata);
}

/* ---- Single step ---- */

static long *shared;	/* tracee to tracer */

static void only_add(void)
{
	for (;;)
		percpu_inc(counter);
}

static void only_cmpxchg(void)
{
	for (;;) {
		long old = percpu_read(counter);

		percpu_cmpxchg(counter, old, old + 1);
	}
}

/* Both forms with a critical section: each counts what did not commit. */
static void only_rseq(void)
{
	for (;;) {
		long old = percpu_read(counter);

		if (percpu_cmpxchg_rseq(&counter, old, old + 1) != RSEQ_DONE)
			shared[0]++;
		else
			shared[1]++;
	}
}

static void only_segment(void)
{
	for (;;) {
		long old = percpu_read(counter);

		if (percpu_cmpxchg_segment(&counter, old, old + 1) !=
		    RSEQ_DONE)
			shared[0]++;
		else
			shared[1]++;
	}
}

#define STEPS 4000

/* Single-steps a child that does this for ever; returns what it counted. */
static long step(struct __test_metadata *_metadata, void (*forever)(void))
{
	long sum = 0;
	int status;
	pid_t pid;
	int i;

	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (rseq_register() < 0 || rseq_falls_back() ||
		    ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(1);
		raise(SIGSTOP);
		forever();
	}
	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	for (i = 0; i < STEPS; i++) {
		ASSERT_EQ(0, ptrace(PTRACE_SINGLESTEP, pid, 0, 0));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	}
	for (i = 0; i < (int)percpu_count(); i++) {
		errno = 0;
		sum += ptrace(PTRACE_PEEKDATA, pid, percpu_ptr(i, counter), 0);
		EXPECT_EQ(0, errno);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return sum;
}

TEST_F_TIMEOUT(per_index, single_step, 60)
{
	long done;

	shared = mmap(NULL, PERCPU_PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);

	done = step(_metadata, only_add);
	TH_LOG("%d single steps: %ld adds of one instruction", STEPS, done);
	EXPECT_LT(STEPS / 4, done);
	done = step(_metadata, only_cmpxchg);
	TH_LOG("%d single steps: %ld cmpxchg of one instruction", STEPS, done);
	EXPECT_LT(STEPS / 20, done);

	done = step(_metadata, only_segment);
	TH_LOG("%d single steps: %ld of the segment form with rseq, %ld aborts",
	       STEPS, done, shared[0]);
	EXPECT_EQ(0, done);
	EXPECT_EQ(0, shared[1]);
	EXPECT_LT(STEPS / 100, shared[0]);
	if (variant->flags)
		return;
	shared[0] = 0;
	done = step(_metadata, only_rseq);
	TH_LOG("%d single steps: %ld of the rseq form, %ld aborts", STEPS,
	       done, shared[0]);
	EXPECT_EQ(0, done);
	EXPECT_EQ(0, shared[1]);
	EXPECT_LT(STEPS / 100, shared[0]);
}

TEST_HARNESS_MAIN
