// SPDX-License-Identifier: GPL-2.0
/*
 * Per-CPU counters of one instruction each, with the per-CPU segment.
 *
 * More threads than CPUs raise counters, while the main thread moves them from
 * CPU to CPU and sends them signals without rest. There is no critical section
 * and no lock prefix, and nothing is lost.
 *
 * With -b it is measured against other ways to do the same. That works as well on
 * a kernel without the segment, as one thread that stays on its CPU can set its
 * GS base by hand.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <asm/prctl.h>

#include "percpu.h"
#include "rseq.h"

#define MAX_THREADS	1024
#define BATCH		1000

/* ---- The main idea ---- */

static PERCPU_DEFINE(long, hits);
static PERCPU_DEFINE(long, signals);

static bool stop;

static void *work(void *arg)
{
	long *done = arg;
	int i;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (i = 0; i < BATCH; i++)
			percpu_inc(hits);
		*done += BATCH;
	}
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
	percpu_inc(signals);
}

/* ---- The storm ---- */

static int cpus[CPU_SETSIZE];		/* those that we may use */
static int nr_cpus;

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

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void check(int error, const char *what)
{
	if (error) {
		errno = error;
		err(1, "%s", what);
	}
}

static int storm(__u64 flags, int threads, double duration)
{
	static pthread_t thread[MAX_THREADS];
	static long done[MAX_THREADS][8];	/* a cache line each */
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART };
	unsigned long moved = 0, sent = 0;
	long expected = 0, sum;
	unsigned int i;
	double end;
	int error;

	error = percpu_setup(flags);
	if (error)
		errx(1, "%s", percpu_strerror(error));
	check(sigaction(SIGUSR1, &action, NULL) ? errno : 0, "sigaction");
	for (i = 0; i < (unsigned int)threads; i++)
		check(pthread_create(&thread[i], NULL, work, done[i]),
		      "starting a thread");
	printf("%d threads on %d CPUs count by incq %%gs:, while another moves and signals them\n",
	       threads, nr_cpus);

	/* Not to be crowded out by those that it is to disturb, if that is allowed. */
	setpriority(PRIO_PROCESS, 0, -20);
	for (end = seconds() + duration; seconds() < end || moved < 100; ) {
		pthread_t target = thread[rand() % threads];
		cpu_set_t set;

		if (rand() % 2) {
			check(pthread_kill(target, SIGUSR1), "pthread_kill");
			sent++;
			continue;
		}
		CPU_ZERO(&set);
		CPU_SET(cpus[rand() % nr_cpus], &set);
		check(pthread_setaffinity_np(target, sizeof(set), &set),
		      "pthread_setaffinity_np");
		moved++;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < (unsigned int)threads; i++) {
		check(pthread_join(thread[i], NULL), "pthread_join");
		expected += done[i][0];
	}

	for (i = 0; i < percpu_count(); i++)
		if (percpu_read_on(i, hits))
			printf("%18ld  on %s %u\n", percpu_read_on(i, hits),
			       flags ? "mm_cid" : "CPU", i);
	sum = percpu_sum(hits);
	printf("%18ld  sum\n%18ld  expected\n"
	       "%18lu  migrations asked for, %lu signals sent, %ld of them handled\n",
	       sum, expected, moved, sent, percpu_sum(signals));
	if (sum != expected)
		errx(1, "FAILED: the sum is wrong by %ld", sum - expected);
	printf("OK: nothing was lost\n");
	return 0;
}

/* ---- The benchmark: ways to count an event ---- */

#define MANY 64

struct line {
	long value;
} RSEQ_ATTRIBUTE(aligned(64));

static struct line plain[MANY];
static struct line per_cpu[CPU_SETSIZE][MANY];
static PERCPU_DEFINE(struct line, segment)[MANY];

/* What a program with one thread would do: not for more than one. */
static inline void count_plain(unsigned int i)
{
	__asm__ __volatile__ ("incq %0" : "+m" (plain[i].value) : : "cc");
}

static inline void count_locked(unsigned int i)
{
	__atomic_fetch_add(&plain[i].value, 1, __ATOMIC_RELAXED);
}

/* glibc's is rseq itself since 2.35 ... */
static inline void count_sched_getcpu(unsigned int i)
{
	__atomic_fetch_add(&per_cpu[sched_getcpu()][i].value, 1,
			   __ATOMIC_RELAXED);
}

/* ... but this one asks the vDSO. */
static inline void count_getcpu(unsigned int i)
{
	unsigned int cpu;

	getcpu(&cpu, NULL);
	__atomic_fetch_add(&per_cpu[cpu][i].value, 1, __ATOMIC_RELAXED);
}

static inline void count_rseq(unsigned int i)
{
	int cpu;

	do {
		cpu = rseq_cpu_start();
	} while (rseq_add(&per_cpu[cpu][i].value, 1, cpu) != RSEQ_DONE);
}

static inline void count_segment(unsigned int i)
{
	percpu_inc(segment[i].value);
}

/*
 * Of each way: a function that does it once, alone in a section so that it is
 * known where it ends, and one that repeats it on one variable or many.
 */
#define WAY(name)							\
static RSEQ_ATTRIBUTE(noinline, section("way_" #name))			\
void once_##name(void)							\
{									\
	count_##name(0);						\
}									\
									\
extern char __start_way_##name[], __stop_way_##name[];			\
									\
static RSEQ_ATTRIBUTE(noinline)					\
void repeat_##name(unsigned long n, unsigned int mask)			\
{									\
	unsigned int i = 0;						\
									\
	while (n--) {							\
		count_##name(i);					\
		i = (i + 1) & mask;					\
	}								\
}

WAY(plain)
WAY(locked)
WAY(sched_getcpu)
WAY(getcpu)
WAY(rseq)
WAY(segment)

static RSEQ_ATTRIBUTE(noinline) void once_nothing(void)
{
	__asm__ __volatile__ ("");
}

#define ROUNDS	9
#define REPEAT	200000UL

#define ENTRY(what, name)						\
	{ .text = what, .once = once_##name, .repeat = repeat_##name,	\
	  .start = __start_way_##name, .end = __stop_way_##name }

static struct way {
	const char *text;
	void (*once)(void);
	void (*repeat)(unsigned long n, unsigned int mask);
	const char *start, *end;
	double nsec[2][ROUNDS];		/* an operation: one variable, many */
} way[] = {
	ENTRY("plain global (unsafe)", plain),
	ENTRY("locked global", locked),
	ENTRY("sched_getcpu, locked", sched_getcpu),
	ENTRY("vDSO getcpu, locked", getcpu),
	ENTRY("rseq", rseq),
	ENTRY("segment", segment),
};

#define WAYS	((unsigned int)(sizeof(way) / sizeof(*way)))

static bool step_to(pid_t pid, unsigned long ip, int *steps)
{
	struct user_regs_struct regs;
	int status;

	for (*steps = 0; *steps < 100000; ) {
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) ||
		    waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
		    WSTOPSIG(status) != SIGTRAP ||
		    ptrace(PTRACE_GETREGS, pid, 0, &regs))
			return false;
		++*steps;
		if (regs.rip == ip)
			return true;
	}
	return false;
}

/*
 * Instructions from one call of a function to the next, -1 if unknown. Each
 * single step would abort the critical section of rseq, so its area is taken
 * from the kernel, and says what it should as long as the thread stays.
 */
static int count_steps(void (*once)(void), int cpu)
{
	int status, steps = -1, ignored;
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		struct rseq_abi *area = rseq_area();
		unsigned int len = sizeof(*area);

		/* What glibc registered may be longer than what is known here. */
		if (&__rseq_size && __rseq_size > len)
			len = __rseq_size;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (syscall(RSEQ_NR_SYSCALL, area, len, RSEQ_ABI_UNREGISTER,
			    RSEQ_SIG) && once == once_rseq)
			_exit(0);
		area->cpu_id_start = cpu;
		area->cpu_id = cpu;
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(0);
		raise(SIGSTOP);
		for (;;)
			once();
	}
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	if (!WIFSTOPPED(status))
		return -1;
	/* The first call resolves symbols. */
	if (!step_to(pid, (unsigned long)once, &ignored) ||
	    !step_to(pid, (unsigned long)once, &ignored) ||
	    !step_to(pid, (unsigned long)once, &steps))
		steps = -1;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return steps;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The segment, kept by the kernel or set by hand. */
static const char *prepare(int cpu)
{
	cpu_set_t set;
	int error;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "sched_setaffinity");
	error = percpu_setup(0);
	if (!error)
		return "kept by the kernel";
	if (error != -EOPNOTSUPP)
		errx(1, "%s", percpu_strerror(error));
	error = percpu_map(0);
	if (error < 0)
		errx(1, "%s", percpu_strerror(error));
	if (syscall(SYS_arch_prctl, ARCH_SET_GS, percpu_address(cpu, 0)))
		err(1, "ARCH_SET_GS");
	return "set by hand, as this kernel does not keep one";
}

static int benchmark(void)
{
	int cpu = cpus[nr_cpus - 1], nothing, many, round;
	const char *how = prepare(cpu);
	const struct way *base = &way[WAYS - 1];
	unsigned int w;

	if (rseq_register() < 0 || rseq_falls_back())
		errx(1, "no rseq() in this kernel: boot one built with CONFIG_RSEQ=y");
	for (round = 0; round < ROUNDS; round++) {
		for (w = 0; w < WAYS; w++) {
			for (many = 0; many < 2; many++) {
				double start = seconds();

				way[w].repeat(REPEAT, many ? MANY - 1 : 0);
				way[w].nsec[many][round] =
					(seconds() - start) * 1e9 / REPEAT;
			}
		}
	}
	for (w = 0; w < WAYS; w++)
		for (many = 0; many < 2; many++)
			qsort(way[w].nsec[many], ROUNDS, sizeof(double),
			      by_value);

	printf("One thread on CPU %d; the GS base is %s\n\n"
	       "%-23s %6s %6s   %-30s   %s\n%-23s %6s %6s   %-30s   %s\n", cpu, how,
	       "", "instr.", "bytes", "ns, one variable", "ns, 64 variables",
	       "", "each", "inline", "median (middle half)    ratio",
	       "median (middle half)    ratio");
	nothing = count_steps(once_nothing, cpu);
	for (w = 0; w < WAYS; w++) {
		int steps = count_steps(way[w].once, cpu);

		printf("%-23s ", way[w].text);
		if (steps < 0 || nothing < 0)
			printf("%6s", "?");
		else
			printf("%6d", steps - nothing);
		/* Without the return. */
		printf(" %6ld", (long)(way[w].end - way[w].start) - 1);
		for (many = 0; many < 2; many++) {
			double *nsec = way[w].nsec[many];

			printf("   %6.2f (%6.2f -%6.2f) %6.2f",
			       nsec[ROUNDS / 2], nsec[ROUNDS / 4], nsec[ROUNDS * 3 / 4],
			       nsec[ROUNDS / 2] /
			       base->nsec[many][ROUNDS / 2]);
		}
		putchar('\n');
	}
	printf("\ninstr.  of one operation, counted by single steps, with what it calls\n"
	       "bytes   of code where it is used; rseq has a descriptor (32 bytes) and an abort\n"
	       "        handler elsewhere\n"
	       "ns      with the loop around it; in a guest with -icount shift=0 these are\n"
	       "        instructions; an emulated CPU hides what a lock prefix costs\n"
	       "ratio   to the segment: how many times as long it takes\n"
	       "One variable makes each load wait for the store before, which some processors\n"
	       "forward more slowly through a segment; with 64 of them none has to wait.\n");
	return 0;
}

/* ---- The command line ---- */

static void print_usage(FILE *to)
{
	fprintf(to,
		"usage: percpu_segment_demo [-m] [-t threads] [-s seconds] | -b | -h\n"
		"  -b  benchmark: against other ways to count\n"
		"  -m  by mm_cid, and not by CPU\n"
		"  -t  threads that count, 1 to %d (default: 4 for each CPU)\n"
		"  -s  how long (default: 3)\n", MAX_THREADS);
}

static int parse(int option, const char *text, long max)
{
	char *rest;
	long n;

	errno = 0;
	n = strtol(text, &rest, 10);
	if (*text >= '0' && *text <= '9' && !*rest && !errno && n && n <= max)
		return n;
	fprintf(stderr, "percpu_segment_demo: -%c %s: not a number from 1 to %ld\n",
		option, text, max);
	print_usage(stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	int option, threads = 0, duration = 3;
	bool measure = false;
	__u64 flags = 0;

	while ((option = getopt(argc, argv, "bmt:s:h")) != -1) {
		switch (option) {
		case 'b':
			measure = true;
			break;
		case 'm':
			flags = PERCPU_BY_MM_CID;
			break;
		case 't':
			threads = parse('t', optarg, MAX_THREADS);
			break;
		case 's':
			duration = parse('s', optarg, 86400);
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
		fprintf(stderr, "percpu_segment_demo: %s: no such argument\n",
			argv[optind]);
		print_usage(stderr);
		return 2;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	find_cpus();
	if (measure)
		return benchmark();
	if (!threads)
		threads = 4 * nr_cpus < MAX_THREADS ? 4 * nr_cpus : MAX_THREADS;
	return storm(flags, threads, duration);
}
