// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions per event
 *
 * In QEMU with -icount shift=0 the time stamp counter counts the instructions
 * that the machine has executed, user and kernel alike. So two reads of it say
 * exactly what happened in between, if nothing else did. What else does happen
 * (a timer tick every million instructions) is left out by taking the median of
 * many events, and the least median of several rounds.
 *
 *	events [-t] [-e EVENTS] [-r ROUNDS] ROW...
 *
 * prints for each row its name, and the instructions of one event in a thread
 * without a registration, with one of 32 bytes, and with an extended one: four
 * fields with tabs between them, "n/a" if the kernel refused the registration.
 * All threads run on CPU 0 under SCHED_FIFO. The C library must not have
 * registered them itself. With -t it does not measure, but shows each instruction
 * to trace.sh.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/types.h>

#define NR_RSEQ		334
#define SIGNATURE	0x53053053
#define NR_SLICE_YIELD	471	/* of the time slice extension */
#define PR_SLICE	79
#define PR_SLICE_SET	2
#define MAX_THREADS	64
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define ATTRIBUTE(...)	__attribute__((__VA_ARGS__))
#define __aligned(n)	ATTRIBUTE(aligned(n))
#define __noreturn	ATTRIBUTE(noreturn)
#define __printf(f, a)	ATTRIBUTE(format(printf, f, a))
#define noinline	ATTRIBUTE(noinline)
/* Written by one thread, read by another. */
#define __shared	__volatile__

/* What a thread shares with the kernel; see Documentation of rseq. */
struct area {
	__u32	cpu_id_start;
	__u32	cpu_id;
	__u64	rseq_cs;
	__u32	flags;
	__u32	node_id;
	__u32	mm_cid;
	__u8	__shared request;
	__u8	__shared granted;
	__u16	reserved;
	__u32	rest[8];
} __aligned(64);

static __thread struct area area;
/* 0 for no registration. */
static unsigned int len;
static unsigned int events = 2000;
static unsigned int rounds = 5;
static __u32 samples[100000];
static char program[4096];
/* Only show some events, for trace.sh. */
static bool trace;

static void __noreturn __printf(1, 2)
die(const char *format, ...)
{
	va_list args;

	fputs("events: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void check(bool ok, const char *what)
{
	if (!ok)
		die("%s: %s", what, strerror(errno));
}

static inline __u32 now(void)
{
	__u32 low;

	asm volatile("rdtsc" : "=a"(low) : : "rdx", "memory");
	return low;
}

static inline long call(long nr, long a, long b, long c)
{
	long ret;

	asm volatile("syscall" : "=a"(ret)
		     : "0"(nr), "D"(a), "S"(b), "d"(c)
		     : "rcx", "r11", "memory");
	return ret;
}

/* Do what a C library does in each new thread. */
static bool register_thread(void)
{
	return !len || !syscall(NR_RSEQ, &area, len, 0, SIGNATURE);
}

static void must_register(void)
{
	check(register_thread(), "rseq");
}

/* SCHED_FIFO, or what all programs have if it is 0. */
static void set_priority(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	check(!sched_setscheduler(0, priority ? SCHED_FIFO : SCHED_OTHER, &param),
	      "sched_setscheduler");
}

static void set_cpu(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	check(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

static void sleep_ns(long ns)
{
	struct timespec time = { .tv_nsec = ns };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* System call. */

static __u32 do_syscall(void)
{
	__u32 start = now();

	call(SYS_getppid, 0, 0, 0);
	return now() - start;
}

/*
 * Voluntary switch: a number of threads give the CPU to each other in turn, so
 * one turn of all of them is that many switches.
 */

static pthread_t threads[MAX_THREADS];
static unsigned int nr_threads;
static bool __shared stop;

static void *yield(void *unused)
{
	must_register();
	while (!stop)
		call(SYS_sched_yield, 0, 0, 0);
	return unused;
}

static void start_threads(void *(*fn)(void *))
{
	unsigned int i;

	stop = false;
	for (i = 1; i < nr_threads; i++)
		check(!(errno = pthread_create(&threads[i], NULL, fn, NULL)),
		      "pthread_create");
}

static void stop_threads(void)
{
	unsigned int i;

	stop = true;
	for (i = 1; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
}

static bool switch_begin(void)
{
	start_threads(yield);
	return true;
}

static __u32 do_switch(void)
{
	__u32 start = now();

	call(SYS_sched_yield, 0, 0, 0);
	return now() - start;
}

/*
 * A signal to the thread itself, delivered and returned from, while other
 * threads of the process sleep.
 */

static long pid;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void handler(int sig)
{
	(void)sig;
}

static void *wait_at_gate(void *unused)
{
	must_register();
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return unused;
}

static bool signal_begin(void)
{
	struct sigaction action = { .sa_handler = handler };

	pid = getpid();
	check(!sigaction(SIGUSR1, &action, NULL), "sigaction");
	pthread_mutex_lock(&gate);
	start_threads(wait_at_gate);
	return true;
}

static __u32 do_signal(void)
{
	__u32 start = now();

	call(SYS_tgkill, pid, pid, SIGUSR1);
	return now() - start;
}

static void signal_end(void)
{
	pthread_mutex_unlock(&gate);
	stop_threads();
}

/* Two processes, each of which waits in a pipe for the other. */

static int there[2], back[2];

static bool pipe_begin(void)
{
	char byte;

	check(!pipe(there) && !pipe(back), "pipe");
	pid = fork();
	check(pid >= 0, "fork");
	if (pid)
		return true;
	close(there[1]);
	while (call(SYS_read, there[0], (long)&byte, 1) == 1)
		call(SYS_write, back[1], (long)&byte, 1);
	_exit(0);
}

static __u32 do_pipe(void)
{
	__u32 start = now();
	char byte = 0;

	call(SYS_write, there[1], (long)&byte, 1);
	call(SYS_read, back[0], (long)&byte, 1);
	return now() - start;
}

static void pipe_end(void)
{
	close(there[0]);
	close(there[1]);
	close(back[0]);
	close(back[1]);
	waitpid(pid, NULL, 0);
}

/*
 * What "perf bench sched pipe" does: such turns without rest, scheduled as all
 * programs are, and whatever comes in between counts.
 */
#define TURNS	1000

static bool schedpipe_begin(void)
{
	set_priority(0);
	return pipe_begin();
}

static __u32 do_schedpipe(void)
{
	__u32 start = now();
	int i;

	for (i = 0; i < TURNS; i++)
		do_pipe();
	return now() - start;
}

/*
 * Preemption: a thread of higher priority, without a registration, sleeps and
 * wakes. The other reads the counter without rest, and so knows for how long it
 * was away: the interrupt, two switches, and the other thread's few steps.
 */

static unsigned int __shared wakeups;

static void *preempt(void *unused)
{
	set_priority(2);
	while (!stop) {
		sleep_ns(19000);
		wakeups++;
	}
	return unused;
}

static bool preempt_begin(void)
{
	nr_threads = 2;
	start_threads(preempt);
	return true;
}

/* Instructions of a turn of the loop; an interrupt takes more than the limit. */
#define TURN	6
#define LIMIT	50

static noinline __u32 away(void)
{
	__u32 last, gap;

	asm volatile("rdtsc\n"
		     "1:\n\t"
		     "mov %%eax, %[last]\n\t"
		     "rdtsc\n\t"
		     "mov %%eax, %[gap]\n\t"
		     "sub %[last], %[gap]\n\t"
		     "cmp %[limit], %[gap]\n\t"
		     "jb 1b"
		     : [last] "=&r"(last), [gap] "=&r"(gap)
		     : [limit] "i"(LIMIT)
		     : "rax", "rdx", "memory", "cc");
	return gap - TURN;
}

/*
 * The same in a critical section, which only an abort ends. All but one of its
 * instructions read the counter, so the last read was right before the abort.
 */
static noinline __u32 away_until_aborted(void)
{
	__u32 gap;

	asm volatile("lea descriptor(%%rip), %%rax\n\t"
		     "mov %%rax, %[rseq_cs]\n"
		     "1:\n\t"
		     ".rept 10000\n\t"
		     "rdtsc\n\t"
		     ".endr\n\t"
		     "jmp 1b\n"
		     "2:\n\t"
		     ".long %c[signature]\n"
		     "3:\n\t"
		     "mov %%eax, %[gap]\n\t"
		     "rdtsc\n\t"
		     "sub %[gap], %%eax\n\t"
		     "lea -2(%%rax), %[gap]\n\t"
		     ".pushsection .data.descriptor, \"aw\"\n\t"
		     ".balign 32\n"
		     "descriptor:\n\t"
		     ".long 0, 0\n\t"
		     ".quad 1b, 2b - 1b, 3b\n\t"
		     ".popsection"
		     : [gap] "=&r"(gap), [rseq_cs] "=m"(area.rseq_cs)
		     : [signature] "i"(SIGNATURE)
		     : "rax", "rdx", "memory", "cc");
	return gap;
}

static __u32 until_preempted(__u32 (*fn)(void))
{
	unsigned int before;
	__u32 gap;

	do {
		before = wakeups;
		gap = fn();
	} while (wakeups == before);
	return gap;
}

static __u32 do_preempt(void)
{
	return until_preempted(away);
}

/* Without a registration there are no critical sections. */
static __u32 do_abort(void)
{
	return until_preempted(len ? away_until_aborted : away);
}

/*
 * Time slice extension: what preempt does, in a thread that may ask for one if
 * its registration is an extended one. It asks before the interrupt; if it is
 * back without having been preempted, it has got what it asked for, and gives
 * the CPU back. Without an extension it is preempted at once, and that is all.
 */

static bool __shared offered;

/* The first thread that enables it patches the kernel, for all threads. */
static void *enable_slices(void *unused)
{
	offered = !syscall(NR_RSEQ, &area, sizeof(area), 0, SIGNATURE) &&
		  !prctl(PR_SLICE, PR_SLICE_SET, 1, 0, 0);
	return unused;
}

/* Without a registration it is the same in a kernel without an extension. */
static bool slice_begin(void)
{
	pthread_t thread;

	check(!(errno = pthread_create(&thread, NULL, enable_slices, NULL)),
	      "pthread_create");
	pthread_join(thread, NULL);
	if (len && !offered)
		return false;
	if (len == sizeof(area))
		check(!prctl(PR_SLICE, PR_SLICE_SET, 1, 0, 0), "prctl");
	return preempt_begin();
}

/*
 * Returns the instructions until the thread is back in user mode. Counts those
 * after that, until the CPU was given to the other thread and is back, in @more.
 */
static __u32 ask(__u32 *more)
{
	unsigned int before;
	__u32 gap, start;

	for (;;) {
		before = wakeups;
		area.request = 1;
		gap = away();
		start = now();
		area.request = 0;
		if (area.granted) {
			if (call(NR_SLICE_YIELD, 0, 0, 0) != 1)
				continue;
			*more = now() - start;
			if (wakeups != before)
				return gap;
		} else if (wakeups != before) {
			*more = 0;
			return gap;
		}
	}
}

static __u32 do_asked(void)
{
	__u32 more;

	return ask(&more);
}

static __u32 do_yielded(void)
{
	__u32 more, gap = ask(&more);

	return gap + more;
}

/* To another CPU and back. */

static __u32 do_migrate(void)
{
	unsigned long first = 1, second = 2;
	__u32 start = now();

	call(SYS_sched_setaffinity, 0, sizeof(second), (long)&second);
	call(SYS_sched_setaffinity, 0, sizeof(first), (long)&first);
	return now() - start;
}

/* A page that has to be given anew. */

static char *page;

static bool fault_begin(void)
{
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(page != MAP_FAILED, "mmap");
	return true;
}

static void fault_prepare(void)
{
	madvise(page, 4096, MADV_DONTNEED);
}

static __u32 do_fault(void)
{
	__u32 start = now();

	*(char __shared *)page = 1;
	return now() - start;
}

static void fault_end(void)
{
	munmap(page, 4096);
}

/* Processes and threads, from birth to death. */

/* Parent and child write to their thread-local page, as a C library does. */
static __u32 do_fork(void)
{
	__u32 start = now();
	long child = call(SYS_clone, SIGCHLD, 0, 0);

	*(__u32 __shared *)area.rest = child;
	if (!child)
		call(SYS_exit_group, 0, 0, 0);
	call(SYS_wait4, child, 0, 0);
	return now() - start;
}

static __u32 do_exec(void)
{
	char *const args[] = { program, NULL };
	__u32 start = now();
	pid_t child = vfork();

	if (!child) {
		execve(program, args, NULL);
		_exit(1);
	}
	call(SYS_wait4, child, 0, 0);
	return now() - start;
}

static void *nothing(void *unused)
{
	must_register();
	return unused;
}

static __u32 do_thread(void)
{
	__u32 start = now();
	pthread_t thread;

	check(!(errno = pthread_create(&thread, NULL, nothing, NULL)),
	      "pthread_create");
	pthread_join(thread, NULL);
	return now() - start;
}

/*
 * hackbench: 20 senders send each of their messages to each of 20 receivers. A
 * short run takes out what is not a message. There are times with nothing to
 * run, which must not count, so the kernel is asked for the time that was spent
 * in it, in nanoseconds of an instruction each. Its threads register as the C
 * library does.
 */
#define SHORT	"50"
#define LONG	"150"
#define MESSAGES	(100 * 20 * 20)

static bool hackbench_begin(void)
{
	bool extends = strverscmp(gnu_get_libc_version(), "2.41") >= 0;

	setenv("GLIBC_TUNABLES", len ? "glibc.pthread.rseq=1" :
	       "glibc.pthread.rseq=0", 1);
	return !len || (len > 32) == extends;
}

static __u32 run_hackbench(const char *kind, const char *loops)
{
	pid_t child = vfork();
	struct rusage usage;
	int status;

	if (!child) {
		dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
		execlp("hackbench", "hackbench", kind, "-p", "-g", "1", "-l",
		       loops, NULL);
		_exit(1);
	}
	check(wait4(child, &status, 0, &usage) == child, "wait4");
	if (status)
		die("hackbench failed");
	return 1000 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec +
		       1000000 * (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec));
}

static __u32 do_hackbench_threads(void)
{
	return run_hackbench("-T", LONG) - run_hackbench("-T", SHORT);
}

static __u32 do_hackbench_processes(void)
{
	return run_hackbench("-P", LONG) - run_hackbench("-P", SHORT);
}

/**
 * struct row - one kind of event
 * @name:	what it is called on the command line and in the output
 * @event:	makes one measurement; returns its instructions
 * @begin:	prepares all; false if this registration or kernel has no such event;
 *		may be NULL
 * @prepare:	prepares one measurement; may be NULL
 * @end:	undoes @begin; may be NULL
 * @threads:	threads that take part, or how many at least: NAME-N is the same
 *		with N of them; 0 if the number does not vary
 * @times:	events in one measurement, 0 for one in each thread
 * @count:	measurements in a round, 0 for as many as asked for
 * @percent:	how many of the measurements may be less than the result. Fewer where
 *		a minority is what is wanted: of what makes a process, those that find
 *		all memory in caches; of the switches, those that do not add up the
 *		CPU load, which the scheduler does in most, but for each 1024 ns once
 */
static const struct row {
	const char	*name;
	__u32		(*event)(void);
	bool		(*begin)(void);
	void		(*prepare)(void);
	void		(*end)(void);
	unsigned int	threads;
	unsigned int	times;
	unsigned int	count;
	unsigned int	percent;
} rows[] = {
	{
		.name = "syscall", .event = do_syscall,
		.times = 1, .percent = 50,
	}, {
		.name = "signal", .event = do_signal,
		.begin = signal_begin, .end = signal_end,
		.threads = 1, .times = 1, .percent = 50,
	}, {
		.name = "switch", .event = do_switch,
		.begin = switch_begin, .end = stop_threads,
		.threads = 2, .percent = 1,
	}, {
		.name = "pipe", .event = do_pipe,
		.begin = pipe_begin, .end = pipe_end,
		.times = 2, .percent = 50,
	}, {
		.name = "preempt", .event = do_preempt,
		.begin = preempt_begin, .end = stop_threads,
		.times = 1, .percent = 50,
	}, {
		.name = "abort", .event = do_abort,
		.begin = preempt_begin, .end = stop_threads,
		.times = 1, .percent = 50,
	}, {
		.name = "migrate", .event = do_migrate,
		.times = 1, .percent = 10,
	}, {
		.name = "fault", .event = do_fault,
		.begin = fault_begin, .prepare = fault_prepare, .end = fault_end,
		.times = 1, .percent = 50,
	}, {
		.name = "fork", .event = do_fork,
		.times = 1, .percent = 1,
	}, {
		.name = "exec", .event = do_exec,
		.times = 1, .percent = 1,
	}, {
		.name = "thread", .event = do_thread,
		.times = 1, .percent = 1,
	}, {
		.name = "schedpipe", .event = do_schedpipe,
		.begin = schedpipe_begin, .end = pipe_end,
		.times = TURNS, .count = 3, .percent = 50,
	}, {
		.name = "hackbench-T", .event = do_hackbench_threads,
		.begin = hackbench_begin,
		.times = MESSAGES, .count = 1, .percent = 50,
	}, {
		.name = "hackbench-P", .event = do_hackbench_processes,
		.begin = hackbench_begin,
		.times = MESSAGES, .count = 1, .percent = 50,
	}, {
		.name = "unasked", .event = do_preempt,
		.begin = slice_begin, .end = stop_threads,
		.times = 1, .percent = 50,
	}, {
		.name = "asked", .event = do_asked,
		.begin = slice_begin, .end = stop_threads,
		.times = 1, .percent = 50,
	}, {
		.name = "yielded", .event = do_yielded,
		.begin = slice_begin, .end = stop_threads,
		.times = 1, .percent = 50,
	},
};

static int by_value(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

static __u32 quantile(const struct row *row, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (row->prepare)
			row->prepare();
		samples[i] = row->event();
	}
	qsort(samples, n, sizeof(samples[0]), by_value);
	return samples[n * row->percent / 100];
}

/* Where an event begins and ends, for trace.sh. */
static noinline void mark(void)
{
	asm volatile("");
}

#define SHOWN	8

/* Threads that were just made, and the kernel's own, get their turn. */
static void settle(void)
{
	sleep_ns(20000000);
}

/*
 * For trace.sh: say when all is prepared, wait until the host wants to see, make
 * a few events, say so, and wait until the host has seen.
 */
static void show(const struct row *row, const char *mode)
{
	char file[64];
	int i;

	settle();
	for (i = 0; i < SHOWN; i++) {
		if (row->prepare)
			row->prepare();
		row->event();
	}
	snprintf(file, sizeof(file), "/run/trace/%s.%s", row->name, mode);
	printf("%s %s ready\n", row->name, mode);
	fflush(stdout);
	while (access(file, F_OK))
		sleep_ns(1000000);
	for (i = 0; i < SHOWN; i++) {
		if (row->prepare)
			row->prepare();
		mark();
		row->event();
		mark();
	}
	printf("%s %s done %u\n", row->name, mode, row->percent);
	fflush(stdout);
	while (!access(file, F_OK))
		sleep_ns(1000000);
}

static double measure(const struct row *row)
{
	__u32 least = ~0U;
	unsigned int i;

	for (i = 0; i <= rounds; i++) {
		__u32 count;

		settle();
		count = quantile(row, row->count ? row->count : events);
		/* The first round is there to warm up. */
		if (i && count < least)
			least = count;
	}
	return (double)least / (row->times ? row->times : nr_threads);
}

static void not_available(void)
{
	if (!trace)
		fputs("\tn/a", stdout);
}

static void measure_or_show(const struct row *row, const char *mode)
{
	if (row->begin && !row->begin()) {
		not_available();
		return;
	}
	if (trace)
		show(row, mode);
	else
		printf("\t%.2f", measure(row));
	if (row->end)
		row->end();
}

static unsigned int loop;

static __u32 do_loop(void)
{
	__u32 start, n = loop;

	start = now();
	asm volatile("1: dec %0\n\t"
		     "jnz 1b" : "+r"(n) : : "cc");
	return now() - start;
}

static const struct row loop_row = { .event = do_loop, .percent = 50 };

/* Two instructions more for each iteration, or this is not a count of them. */
static void calibrate(void)
{
	static const unsigned int loops[] = { 1, 2, 10, 1000, 10000 };
	__u32 first = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(loops); i++) {
		__u32 count;

		loop = loops[i];
		count = quantile(&loop_row, 101);
		if (!i)
			first = count;
		if (count - first != 2 * (loop - loops[0]))
			die("%u instructions took %u ticks of the counter; needs -icount shift=0",
			    2 * (loop - loops[0]), count - first);
	}
}

/* The ways to be registered, which are the columns. */
static const struct {
	const char	*name;
	unsigned int	len;
} modes[] = {
	{ "none", 0 },
	{ "32", 32 },
	{ "extended", sizeof(struct area) },
};

static unsigned int parse(const char *arg, unsigned int max)
{
	char *end;
	unsigned long value = strtoul(arg, &end, 10);

	if (!*arg || *end || value < 1 || value > max)
		die("%s: not a number from 1 to %u", arg, max);
	return value;
}

/* Find a row by its NAME or NAME-N, and set the number of threads. */
static const struct row *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		size_t n = strlen(row->name);

		if (strncmp(row->name, name, n))
			continue;
		nr_threads = row->threads;
		if (name[n] == '-' && row->threads)
			nr_threads = parse(name + n + 1, MAX_THREADS);
		else if (name[n])
			continue;
		if (nr_threads >= row->threads)
			return row;
	}
	die("%s: there is no such row", name);
}

/*
 * Each number comes from a process of its own, so that none depends on what was
 * measured before it. What is above main's frame (arguments, environment,
 * auxiliary vector) is not the same for all kernels, and a signal frame that
 * crosses a page costs more; so the stack goes on at a fixed offset in a page.
 */
static void print_in_child(const struct row *row, size_t mode)
{
	unsigned long offset = (unsigned long)__builtin_frame_address(0) % 4096;
	int status;

	fflush(stdout);
	pid = fork();
	check(pid >= 0, "fork");
	if (!pid) {
		char __shared *pad = alloca(offset + 2048);

		pad[0] = 0;
		len = modes[mode].len;
		if (register_thread())
			measure_or_show(row, modes[mode].name);
		else if (len == 32 && errno == EINVAL)
			die("registered by the C library; set GLIBC_TUNABLES=glibc.pthread.rseq=0");
		else
			not_available();
		exit(0);
	}
	check(waitpid(pid, &status, 0) == pid, "waitpid");
	if (status)
		die("%s: could not be measured", row->name);
}

static void print_row(const char *name)
{
	const struct row *row = find(name);
	size_t i;

	if (!trace)
		fputs(name, stdout);
	for (i = 0; i < ARRAY_SIZE(modes); i++)
		print_in_child(row, i);
	if (!trace)
		putchar('\n');
}

/*
 * Looking up a process ID takes some instructions more from 64 on, and from
 * 4096 on; how many there were so far is not the same in all kernels.
 */
static void skip_small_pids(void)
{
	do {
		pid = fork();
		check(pid >= 0, "fork");
		if (!pid)
			_exit(0);
		check(waitpid(pid, NULL, 0) == pid, "waitpid");
	} while (pid < 64);
}

int main(int argc, char **argv)
{
	int option, i;
	ssize_t n;

	while ((option = getopt(argc, argv, "e:r:t")) != -1) {
		switch (option) {
		case 'e':
			events = parse(optarg, ARRAY_SIZE(samples));
			break;
		case 'r':
			rounds = parse(optarg, 1000);
			break;
		case 't':
			trace = true;
			break;
		default:
			die("usage: events [-t] [-e EVENTS] [-r ROUNDS] ROW...");
		}
	}

	/* The program to execute is in the directory of this one. */
	n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	check(n > 0, "readlink /proc/self/exe");
	n = strrchr(program, '/') + 1 - program;
	snprintf(program + n, sizeof(program) - n, "nothing");
	check(!access(program, X_OK), program);

	set_cpu(0);
	set_priority(1);
	if (!trace)
		calibrate();
	skip_small_pids();
	for (i = optind; i < argc; i++)
		print_row(argv[i]);
	return 0;
}
