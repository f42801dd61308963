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
 *	events [-e EVENTS] [-r ROUNDS] ROW...
 *
 * prints for each row its name, and the instructions of one event in a thread
 * without a registration, with one of 32 bytes, and with an extended one: four
 * fields with tabs between them, "n/a" if the kernel refused the registration.
 * All threads run on CPU 0 under SCHED_FIFO. The C library must not have
 * registered them itself.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NR_RSEQ		334
#define SIGNATURE	0x53053053
#define MAX_THREADS	64
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* What a thread shares with the kernel; see Documentation of rseq. */
struct area {
	uint32_t	cpu_id_start;
	uint32_t	cpu_id;
	uint64_t	rseq_cs;
	uint32_t	flags;
	uint32_t	node_id;
	uint32_t	mm_cid;
	uint32_t	rest[9];
} __attribute__((aligned(64)));

/* Set by a C library that registers its threads, glibc 2.35 or later. */
extern const unsigned int __rseq_size __attribute__((weak));

static __thread struct area area;
/* 0 for no registration. */
static unsigned int len;
static unsigned int events = 2000;
static unsigned int rounds = 5;
static uint32_t samples[100000];
static char program[4096];

static void __attribute__((noreturn, format(printf, 1, 2)))
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

static inline uint32_t now(void)
{
	uint32_t low;

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

static void set_priority(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	check(!sched_setscheduler(0, SCHED_FIFO, &param), "sched_setscheduler");
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

static uint32_t do_syscall(void)
{
	uint32_t start = now();

	call(SYS_getppid, 0, 0, 0);
	return now() - start;
}

/* A signal to the thread itself, delivered and returned from. */

static long pid;

static void handler(int sig)
{
	(void)sig;
}

static void signal_begin(void)
{
	struct sigaction action = { .sa_handler = handler };

	pid = getpid();
	check(!sigaction(SIGUSR1, &action, NULL), "sigaction");
}

static uint32_t do_signal(void)
{
	uint32_t start = now();

	call(SYS_tgkill, pid, pid, SIGUSR1);
	return now() - start;
}

/*
 * Voluntary switch: a number of threads give the CPU to each other in turn, so
 * one turn of all of them is that many switches.
 */

static pthread_t threads[MAX_THREADS];
static unsigned int nr_threads;
static volatile bool stop;

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

static void switch_begin(void)
{
	start_threads(yield);
}

static uint32_t do_switch(void)
{
	uint32_t start = now();

	call(SYS_sched_yield, 0, 0, 0);
	return now() - start;
}

/* Two processes, each of which waits in a pipe for the other. */

static int there[2], back[2];

static void pipe_begin(void)
{
	char byte;

	check(!pipe(there) && !pipe(back), "pipe");
	pid = fork();
	check(pid >= 0, "fork");
	if (pid)
		return;
	close(there[1]);
	while (call(SYS_read, there[0], (long)&byte, 1) == 1)
		call(SYS_write, back[1], (long)&byte, 1);
	_exit(0);
}

static uint32_t do_pipe(void)
{
	uint32_t start = now();
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
 * Preemption: a thread of higher priority, without a registration, sleeps and
 * wakes. The other reads the counter without rest, and so knows for how long it
 * was away: the interrupt, two switches, and the other thread's few steps.
 */

static volatile unsigned int wakeups;

static void *preempt(void *unused)
{
	set_priority(2);
	while (!stop) {
		sleep_ns(97000);
		wakeups++;
	}
	return unused;
}

static void preempt_begin(void)
{
	start_threads(preempt);
}

/* Instructions of a turn of the loop; an interrupt takes more than the limit. */
#define TURN	6
#define LIMIT	50

static uint32_t __attribute__((noinline)) away(void)
{
	uint32_t last, gap;

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
static uint32_t __attribute__((noinline)) away_until_aborted(void)
{
	uint32_t gap;

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

static uint32_t until_preempted(uint32_t (*fn)(void))
{
	unsigned int before;
	uint32_t gap;

	do {
		before = wakeups;
		gap = fn();
	} while (wakeups == before);
	return gap;
}

static uint32_t do_preempt(void)
{
	return until_preempted(away);
}

/* Without a registration there are no critical sections. */
static uint32_t do_abort(void)
{
	return until_preempted(len ? away_until_aborted : away);
}

/* A signal while other threads of the process sleep. */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *wait_at_gate(void *unused)
{
	must_register();
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return unused;
}

static void crowd_begin(void)
{
	pthread_mutex_lock(&gate);
	start_threads(wait_at_gate);
	signal_begin();
}

static void crowd_end(void)
{
	pthread_mutex_unlock(&gate);
	stop_threads();
}

/* To another CPU and back. */

static uint32_t do_migrate(void)
{
	unsigned long first = 1, second = 2;
	uint32_t start = now();

	call(SYS_sched_setaffinity, 0, sizeof(second), (long)&second);
	call(SYS_sched_setaffinity, 0, sizeof(first), (long)&first);
	return now() - start;
}

/* A page that has to be given anew. */

static char *page;

static void fault_begin(void)
{
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(page != MAP_FAILED, "mmap");
}

static uint32_t do_fault(void)
{
	uint32_t start;

	madvise(page, 4096, MADV_DONTNEED);
	start = now();
	*(volatile char *)page = 1;
	return now() - start;
}

static void fault_end(void)
{
	munmap(page, 4096);
}

/* Processes and threads, from birth to death. */

/* Parent and child write to their thread-local page, as a C library does. */
static uint32_t do_fork(void)
{
	uint32_t start = now();
	long child = call(SYS_clone, SIGCHLD, 0, 0);

	*(volatile uint32_t *)area.rest = child;
	if (!child)
		call(SYS_exit_group, 0, 0, 0);
	call(SYS_wait4, child, 0, 0);
	return now() - start;
}

static uint32_t do_exec(void)
{
	char *args[] = { program, NULL };
	uint32_t start = now();
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

static uint32_t do_thread(void)
{
	uint32_t start = now();
	pthread_t thread;

	check(!(errno = pthread_create(&thread, NULL, nothing, NULL)),
	      "pthread_create");
	pthread_join(thread, NULL);
	return now() - start;
}

/**
 * struct row - one kind of event
 * @name:	what it is called in the output
 * @event:	makes one measurement; returns its instructions
 * @begin:	prepares; may be NULL
 * @end:	undoes that; may be NULL
 * @threads:	threads that take part, for start_threads()
 * @times:	events in one measurement, if not one
 * @percent:	how many of the measurements may be less than the result, if not
 *		50. What makes and ends processes needs new memory at times, for
 *		several at once; less than 50 leaves these out.
 */
static const struct row {
	const char	*name;
	uint32_t	(*event)(void);
	void		(*begin)(void);
	void		(*end)(void);
	unsigned int	threads;
	unsigned int	times;
	unsigned int	percent;
} rows[] = {
	{ .name = "syscall", .event = do_syscall },
	{ .name = "signal", .event = do_signal, .begin = signal_begin },
	{ .name = "switch", .event = do_switch, .begin = switch_begin,
	  .end = stop_threads, .threads = 2, .times = 2 },
	{ .name = "pipe", .event = do_pipe, .begin = pipe_begin,
	  .end = pipe_end, .times = 2 },
	{ .name = "preempt", .event = do_preempt, .begin = preempt_begin,
	  .end = stop_threads, .threads = 2 },
	{ .name = "abort", .event = do_abort, .begin = preempt_begin,
	  .end = stop_threads, .threads = 2 },
	{ .name = "migrate", .event = do_migrate },
	{ .name = "fault", .event = do_fault, .begin = fault_begin,
	  .end = fault_end },
	{ .name = "fork", .event = do_fork, .percent = 10 },
	{ .name = "exec", .event = do_exec, .percent = 10 },
	{ .name = "thread", .event = do_thread, .percent = 10 },
#define CROWD(n)							\
	{ .name = "switch-" #n, .event = do_switch,			\
	  .begin = switch_begin, .end = stop_threads,			\
	  .threads = n, .times = n },					\
	{ .name = "signal-" #n, .event = do_signal,			\
	  .begin = crowd_begin, .end = crowd_end, .threads = n }
	CROWD(4),
	CROWD(8),
	CROWD(16),
	CROWD(32),
	CROWD(64),
};

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t quantile(uint32_t (*event)(void), unsigned int n,
			 unsigned int percent)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		samples[i] = event();
	qsort(samples, n, sizeof(samples[0]), by_value);
	return samples[n * percent / 100];
}

static double measure(const struct row *row)
{
	uint32_t least = UINT32_MAX;
	unsigned int i;

	nr_threads = row->threads;
	if (row->begin)
		row->begin();
	for (i = 0; i <= rounds; i++) {
		uint32_t count;

		/* The kernel's own threads get their turn between rounds. */
		sleep_ns(20000000);
		count = quantile(row->event, events,
				 row->percent ? row->percent : 50);
		/* The first round is there to warm up. */
		if (i && count < least)
			least = count;
	}
	if (row->end)
		row->end();
	return (double)least / (row->times ? row->times : 1);
}

static unsigned int loop;

static uint32_t do_loop(void)
{
	uint32_t start, n = loop;

	start = now();
	asm volatile("1: dec %0\n\t"
		     "jnz 1b" : "+r"(n) : : "cc");
	return now() - start;
}

/* Two instructions more for each iteration, or this is not a count of them. */
static void calibrate(void)
{
	static const unsigned int loops[] = { 1, 2, 10, 1000, 10000 };
	uint32_t first = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(loops); i++) {
		uint32_t count;

		loop = loops[i];
		count = quantile(do_loop, 101, 50);
		if (!i)
			first = count;
		if (count - first != 2 * (loop - loops[0]))
			die("%u instructions took %u ticks of the time stamp counter; the count needs qemu -icount shift=0",
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

/*
 * Each number comes from a process of its own, so that none depends on what was
 * measured before it. What is above main's frame (arguments, environment,
 * auxiliary vector) is not the same for all kernels, and a signal frame that
 * crosses a page costs more; so the stack goes on at a fixed offset in a page.
 */
static void print_in_child(const struct row *row, unsigned int registered_len)
{
	uintptr_t offset = (uintptr_t)__builtin_frame_address(0) % 4096;
	int status;

	fflush(stdout);
	pid = fork();
	check(pid >= 0, "fork");
	if (!pid) {
		volatile char *pad = alloca(offset + 2048);

		pad[0] = 0;
		len = registered_len;
		if (register_thread())
			printf("\t%.2f", measure(row));
		else
			fputs("\tn/a", stdout);
		exit(0);
	}
	check(waitpid(pid, &status, 0) == pid, "waitpid");
	if (status)
		die("%s: could not be measured", row->name);
}

static void print_row(const struct row *row)
{
	size_t i;

	fputs(row->name, stdout);
	for (i = 0; i < ARRAY_SIZE(modes); i++)
		print_in_child(row, modes[i].len);
	putchar('\n');
}

static const struct row *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	die("%s: there is no such row", name);
}

static unsigned int parse(const char *arg, unsigned int max)
{
	char *end;
	unsigned long value = strtoul(arg, &end, 10);

	if (!*arg || *end || value < 1 || value > max)
		die("%s: not a number from 1 to %u", arg, max);
	return value;
}

int main(int argc, char **argv)
{
	int option, i;
	ssize_t n;

	while ((option = getopt(argc, argv, "e:r:")) != -1) {
		switch (option) {
		case 'e':
			events = parse(optarg, ARRAY_SIZE(samples));
			break;
		case 'r':
			rounds = parse(optarg, 1000);
			break;
		default:
			die("usage: events [-e EVENTS] [-r ROUNDS] ROW...");
		}
	}
	if (&__rseq_size && __rseq_size)
		die("the C library has registered this thread; set GLIBC_TUNABLES=glibc.pthread.rseq=0");

	/* The program to execute is in the directory of this one. */
	n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	check(n > 0, "readlink /proc/self/exe");
	n = strrchr(program, '/') + 1 - program;
	snprintf(program + n, sizeof(program) - n, "nothing");
	check(!access(program, X_OK), program);

	set_cpu(0);
	set_priority(1);
	calibrate();
	for (i = optind; i < argc; i++)
		print_row(find(argv[i]));
	return 0;
}
