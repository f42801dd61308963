/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the rseq() tests share: the system call, the area as the ABI lays it
 * out, and a "subject": a process that stops at a known instruction of a
 * critical section and waits there for an event from outside.
 *
 * The tests speak to the kernel directly. A C library that has registered an
 * area of its own would be in the way, so the program starts itself again with
 * the registration of the C library turned off.
 */
#ifndef RSEQ_TEST_H
#define RSEQ_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <linux/rseq.h>

#include "../kselftest.h"
#include "rseq_slowness.h"

#ifndef __NR_rseq
#ifdef __x86_64__
#define __NR_rseq 334
#else
#define __NR_rseq 386
#endif
#endif
#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif
#ifndef AT_RSEQ_ALIGN
#define AT_RSEQ_ALIGN 28
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* Changed by the kernel, a signal handler, another thread or process. */
#define __shared __volatile__

#define RSEQ_SIG 0x53053053U
#define RSEQ_ORIG_SIZE 32U
/* Feature size of a kernel whose last field is mm_cid: it has no slices. */
#define RSEQ_SIZE_MM_CID 28U

/* A value that no ID field ever has. */
#define RSEQ_GARBAGE 0x5a5a5a5aU

/**
 * struct rseq_area - the registered area, as the ABI lays it out
 *
 * Independent of how much of it the installed <linux/rseq.h> knows.
 */
struct rseq_area {
	__u32 __shared cpu_id_start;
	__u32 __shared cpu_id;
	__u64 __shared rseq_cs;
	__u32 __shared flags;
	__u32 __shared node_id;
	__u32 __shared mm_cid;
	__u32 __shared slice_ctrl;
};

static_assert(sizeof(struct rseq_area) == RSEQ_ORIG_SIZE, "area size");
static_assert(offsetof(struct rseq_area, rseq_cs) ==
	       offsetof(struct rseq, rseq_cs), "offset of rseq_cs");
static_assert(offsetof(struct rseq_area, flags) ==
	       offsetof(struct rseq, flags), "offset of flags");
static_assert(sizeof(struct rseq_cs) == 32, "descriptor size");

/**
 * rseq() - the system call
 *
 * Inline, so that it leaves errno alone and that i386 enters through int $0x80.
 *
 * Return: 0 or a negative error number.
 */
static inline int rseq(void *area, __u32 len, int flags, __u32 sig)
{
	long ret;

#ifdef __x86_64__
	register long r10 asm("r10") = sig;

	asm volatile("syscall"
		     : "=a" (ret)
		     : "0" ((long)__NR_rseq), "D" (area), "S" ((long)len),
		       "d" ((long)flags), "r" (r10)
		     : "rcx", "r11", "memory");
#else
	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "0" (__NR_rseq), "b" (area), "c" (len), "d" (flags),
		       "S" (sig)
		     : "memory");
#endif
	return ret;
}

static inline int rseq_register(void *area, __u32 len)
{
	return rseq(area, len, 0, RSEQ_SIG);
}

static inline int rseq_unregister(void *area, __u32 len)
{
	return rseq(area, len, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

static inline __u32 rseq_feature_size(void)
{
	return getauxval(AT_RSEQ_FEATURE_SIZE);
}

static inline __u32 rseq_align(void)
{
	return getauxval(AT_RSEQ_ALIGN);
}

/**
 * rseq_extended_size() - a length that is registered in extended mode
 *
 * Return: the feature size rounded up to the alignment, but 64 at least.
 */
static inline __u32 rseq_extended_size(void)
{
	__u32 align = rseq_align() ? rseq_align() : RSEQ_ORIG_SIZE;
	__u32 size = (rseq_feature_size() + align - 1) / align * align;

	return size > 64 ? size : 64;
}

/* The length of a fixture variant. */
static inline __u32 rseq_len(bool extended)
{
	return extended ? rseq_extended_size() : RSEQ_ORIG_SIZE;
}

/* Runs before main(): see the top of this file. */
static __attribute__((constructor(101)))
void rseq_test_start(int argc, char **argv,
		     char **envp)
{
	static alignas(64) struct rseq_area probe;
	static const char off[] = "glibc.pthread.rseq=0";
	const char *old;
	char *new;
	int ret;

	ret = rseq_register(&probe, RSEQ_ORIG_SIZE);
	if (!ret) {
		if (rseq_unregister(&probe, RSEQ_ORIG_SIZE))
			ksft_exit_fail_msg("rseq() registers, but does not unregister\n");
		return;
	}
	if (ret != -EINVAL)
		ksft_exit_fail_msg("rseq(): %s; does this kernel have CONFIG_RSEQ?\n",
				   strerror(-ret));

	old = getenv("GLIBC_TUNABLES");
	if (old && strstr(old, off))
		ksft_exit_fail_msg("an area is registered although GLIBC_TUNABLES has %s\n",
				   off);
	if (asprintf(&new, "%s%s%s", old ? old : "", old ? ":" : "", off) < 0 ||
	    setenv("GLIBC_TUNABLES", new, 1))
		ksft_exit_fail_msg("out of memory\n");
	execv("/proc/self/exe", argv);
	ksft_exit_fail_perror("/proc/self/exe");
}

/* Milliseconds of CLOCK_MONOTONIC: every wait below has an end. */
static inline __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/**
 * write_to() - write to a file of the kernel
 * @name: its name
 * @text: what to write, at once
 *
 * Return: whether all of it was taken; errno says why not.
 */
static inline bool write_to(const char *name, const char *text)
{
	ssize_t len = strlen(text);
	int fd = open(name, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, len) == len;
	close(fd);
	return ok;
}

#define WAIT_MS (5000U * slowness())

/**
 * wait_for() - give the CPU away until a condition holds
 *
 * Return (as an expression): whether it came to hold within WAIT_MS.
 */
#define wait_for(condition)	wait_for_ms(condition, WAIT_MS)

/* The same, within a number of milliseconds. */
#define wait_for_ms(condition, ms)					\
({									\
	__u64 __end = now_ms() + (ms);					\
	bool __held;							\
									\
	while (!(__held = (condition)) && now_ms() < __end)		\
		sched_yield();						\
	__held;								\
})

/**
 * allowed_cpu() - the CPUs that this process may use, in order
 * @nr: which one, from 0
 *
 * Return: the number of the CPU, or -1 when there are not so many.
 */
static inline int allowed_cpu(int nr)
{
	static cpu_set_t allowed;
	static bool known;
	int cpu;

	if (!known) {
		if (sched_getaffinity(0, sizeof(allowed), &allowed))
			return -1;
		known = true;
	}
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && !nr--)
			return cpu;
	return -1;
}

static inline int allowed_cpus(void)
{
	int nr = 0;

	while (allowed_cpu(nr) >= 0)
		nr++;
	return nr;
}

/**
 * move_to_cpu() - bind a thread to one CPU
 * @tid: the thread, or 0 for the caller
 * @cpu: the CPU
 *
 * Return: 0, or -1 with errno. The caller is on that CPU on return.
 */
static inline int move_to_cpu(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(tid, sizeof(set), &set);
}

static inline pid_t my_tid(void)
{
	return syscall(SYS_gettid);
}

/* membarrier(), with a negative error number. */
static inline int membarrier(int cmd, unsigned int flags, int cpu)
{
	int ret = syscall(SYS_membarrier, cmd, flags, cpu);

	return ret < 0 ? -errno : ret;
}

/* How often the calling thread was switched out, for whatever reason. */
static inline long thread_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw + usage.ru_nivcsw;
}

static inline unsigned int current_cpu(void)
{
	unsigned int cpu = -1;

	syscall(SYS_getcpu, &cpu, NULL, NULL);
	return cpu;
}

static inline unsigned int current_node(void)
{
	unsigned int node = -1;

	syscall(SYS_getcpu, NULL, &node, NULL);
	return node;
}

/* How many CPUs the kernel counts with; 0 if there is nobody to say so. */
static inline unsigned int counted_cpus(void)
{
	FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
	unsigned int last = 0;
	bool found = false;

	if (!file)
		return 0;
	/* Numbers and ranges of them, in order. */
	while (fscanf(file, "%u%*[-,]", &last) == 1)
		found = true;
	fclose(file);
	return found ? last + 1 : 0;
}

/**
 * ids_are_true() - do the ID fields say where this thread is?
 * @area: of the calling thread
 * @mm_cid_limit: what its mm_cid must be below
 *
 * A thread that is moved while it asks, asks again. A process of one thread has
 * mm_cid 0. With more of them the limit is the number of CPUs: a CPU keeps for a
 * while what a thread had there.
 */
static inline bool ids_are_true(const struct rseq_area *area,
				unsigned int mm_cid_limit)
{
	bool are_true;
	__u32 cpu;

	do {
		cpu = area->cpu_id;
		are_true = cpu == current_cpu() &&
			   area->cpu_id_start == cpu &&
			   area->node_id == current_node() &&
			   area->mm_cid < mm_cid_limit;
	} while (!are_true && area->cpu_id != cpu);
	return are_true;
}

static inline size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* Pages of zeros, shared with the children or not; ends the program if none. */
static inline void *map_pages(size_t pages, bool shared)
{
	void *mem = mmap(NULL, pages * page_size(), PROT_READ | PROT_WRITE,
			 MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE),
			 -1, 0);

	if (mem == MAP_FAILED) {
		perror("mmap");
		_exit(KSFT_FAIL);
	}
	return mem;
}

/**
 * user_top() - the first address above user space
 *
 * Found by asking for the last page below each possible value.
 */
static inline __u64 user_top(void)
{
#ifdef __x86_64__
	static const __u64 tops[] = {
		(1ULL << 56) - 4096, (1ULL << 47) - 4096,
	};
#else
	static const __u64 tops[] = { 0xffffe000, 0xc0000000 };
#endif
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tops); i++) {
		void *want = (void *)(uintptr_t)(tops[i] - page_size());
		void *got = mmap(want, page_size(), PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS |
				 MAP_FIXED_NOREPLACE, -1, 0);

		if (got != MAP_FAILED)
			munmap(got, page_size());
		if (got == want || (got == MAP_FAILED && errno == EEXIST))
			return tops[i];
	}
	return 0;
}

/*
 * int rseq_stuck(__u64 __shared *rseq_cs, __u64 descriptor);
 *
 * Arms the descriptor and jumps to itself until it is aborted, or until a
 * signal handler moves the instruction pointer on. Once another thread sees
 * the descriptor in rseq_cs, the instruction pointer is at rseq_stuck_here and
 * nowhere else, and the descriptor alone decides where in the critical section
 * (or outside of it) that is. Both abort handlers work at any address.
 */
#define RSEQ_STR_(x) #x
#define RSEQ_STR(x) RSEQ_STR_(x)

#define RSEQ_STUCK_RELEASED 0
#define RSEQ_STUCK_ABORTED 1

__asm__(".pushsection .text, \"ax\", @progbits\n"
	"	.balign 64\n"
	"	.long 0x53053053\n"
	"rseq_stuck_abort_before:\n"
	"	movl $" RSEQ_STR(RSEQ_STUCK_ABORTED) ", %eax\n"
	"	ret\n"
	"	nop\n"
	"rseq_stuck:\n"
#ifdef __x86_64__
	"	movq %rsi, (%rdi)\n"
#else
	"	movl 4(%esp), %ecx\n"
	"	movl 12(%esp), %eax\n"
	"	movl 8(%esp), %edx\n"
	"	movl %eax, 4(%ecx)\n"
	"	movl %edx, (%ecx)\n"
#endif
	"rseq_stuck_here:\n"
	"	.byte 0xeb, 0xfe\n"
	"rseq_stuck_past:\n"
	"	movl $" RSEQ_STR(RSEQ_STUCK_RELEASED) ", %eax\n"
	"	ret\n"
	"	.long 0x53053053\n"
	"rseq_stuck_abort:\n"
	"	movl $" RSEQ_STR(RSEQ_STUCK_ABORTED) ", %eax\n"
	"	ret\n"
	"rseq_stuck_end:\n"
	".popsection\n");

int rseq_stuck(__u64 __shared *rseq_cs, __u64 descriptor);
extern char rseq_stuck_abort_before[], rseq_stuck_here[], rseq_stuck_past[];
extern char rseq_stuck_abort[], rseq_stuck_end[];

static inline __u64 addr(const __shared void *p)
{
	return (uintptr_t)p;
}

/**
 * set_section() - fill in a descriptor
 * @cs: the descriptor
 * @start: first address of the critical section
 * @end: first address behind it
 * @abort: address of its abort handler
 */
static inline void set_section(struct rseq_cs *cs, __u64 start,
			       __u64 end, __u64 abort)
{
	memset(cs, 0, sizeof(*cs));
	cs->start_ip = start;
	cs->post_commit_offset = end - start;
	cs->abort_ip = abort;
}

/* The plain section: rseq_stuck_here is inside, and nothing is wrong. */
static inline void set_good_section(struct rseq_cs *cs)
{
	set_section(cs, addr(rseq_stuck), addr(rseq_stuck_abort) - 4,
		    addr(rseq_stuck_abort));
}

/* The abort handler in bytes, to be put elsewhere: movl $1, %eax; ret. */
static inline void put_abort_handler(char *where, __u32 sig)
{
	static const char code[] = { 0xb8 - 256, RSEQ_STUCK_ABORTED, 0, 0, 0,
				     0xc3 - 256 };

	memcpy(where - sizeof(sig), &sig, sizeof(sig));
	memcpy(where, code, sizeof(code));
}

#define ABORT_HANDLER_SIZE 6

/* What is done to a subject from outside. */
enum event { EVENT_SIGNAL, EVENT_PREEMPTION, EVENT_MIGRATION };

/* How a subject ended. */
enum outcome {
	RELEASED = RSEQ_STUCK_RELEASED,	/* by the signal handler */
	ABORTED = RSEQ_STUCK_ABORTED,	/* through its abort handler */
	KILLED,			/* by SIGSEGV */
	FORCED,			/* SIGSEGV from the kernel ran its handler */
	RESUMED,		/* faulted at the address of the abort handler */
	HUNG,			/* waited for an end that did not come */
	BROKEN,			/* the set-up failed, or a wrong signal */
};

/**
 * struct subject - a process to which events happen, in shared memory
 *
 * The first part says what to do, and stands before subject_start().
 */
struct subject {
	struct rseq_area *area;	/* where to register, if len is not 0 */
	__u32 len;
	__u32 sig;
	__u64 descriptor;	/* what rseq_stuck() arms */
	__u64 abort_ip;	/* where it goes on when aborted */
	int home;		/* CPU of the controller */
	int cpu;		/* where the subject starts */
	int other;		/* where a migration takes it */
	bool private_area;	/* the controller cannot see the area */
	bool default_sigsegv;	/* do not install a handler for SIGSEGV */
	/* In the subject, before it arms; non-zero: BROKEN. */
	int (*prepare)(struct subject *s);
	/* In the subject, instead of rseq_stuck(). Returns an outcome. */
	int (*body)(struct subject *s);
	/* In a second thread of the subject, once it is armed. */
	void (*companion)(struct subject *s);
	/* In the handler of the signal, once. */
	void (*in_handler)(struct subject *s);

	/* What was seen. */
	bool __shared ready;	/* about to arm, or body is ready */
	bool __shared stop;	/* for body: the controller is done */
	bool __shared companion_ready;
	bool __shared companion_done;
	bool __shared left;	/* it is out of rseq_stuck() already */
	bool __shared over;	/* no more events will come */
	bool __shared provoked;	/* the event came while it was armed */
	int __shared handled;	/* signals */
	int __shared count;	/* kept by body, and what that calls */
	__u64 __shared handler_ip, handler_cs;
	bool __shared handler_ids_true;
	struct rseq_area last;	/* the area when it was over */
	bool __shared last_ids_true;
	pid_t pid;
	bool ended;
	int status;
	int mem;		/* /proc/PID/mem, or -1 */
};

/* A subject with room for its area and descriptor, in shared memory. */
struct stage {
	struct subject s;
	struct rseq_cs cs, cs2;

	alignas(64) struct rseq_area area[4];
};

static struct subject *this_subject;

static inline greg_t *context_ip(void *context)
{
	ucontext_t *uc = context;

#ifdef __x86_64__
	return &uc->uc_mcontext.gregs[REG_RIP];
#else
	return &uc->uc_mcontext.gregs[REG_EIP];
#endif
}

static inline unsigned int subject_mm_cid_limit(const struct subject *s)
{
	return s->companion ? sysconf(_SC_NPROCESSORS_CONF) : 1;
}

static inline void subject_signal(int sig,
				  siginfo_t *info,
				  void *context)
{
	struct subject *s = this_subject;

	s->handler_cs = s->area->rseq_cs;
	s->handler_ids_true = ids_are_true(s->area, subject_mm_cid_limit(s));
	s->handler_ip = (unsigned long)*context_ip(context);
	if (s->handler_ip == addr(rseq_stuck_here))
		*context_ip(context) = (greg_t)(uintptr_t)rseq_stuck_past;
	if (!s->handled++ && s->in_handler)
		s->in_handler(s);
}

static inline void subject_sigsegv(int sig,
				   siginfo_t *info,
				   void *context)
{
	__u64 ip = (unsigned long)*context_ip(context);

	_exit(ip == this_subject->abort_ip ? RESUMED : FORCED);
}

static inline void *subject_companion(void *arg)
{
	struct subject *s = arg;

	if (move_to_cpu(0, s->home))
		_exit(BROKEN);
	s->companion_ready = true;
	/*
	 * An event that nobody ordered may clear it before it is seen. A body
	 * then waits for the companion all the same, and is played again.
	 */
	if (!wait_for_ms((__u32)s->area->rseq_cs, s->body ? 500 : WAIT_MS) &&
	    !s->body)
		return NULL;
	s->companion(s);
	s->companion_done = true;
	return NULL;
}

/* The life of a subject; does not return. */
static inline void subject_live(struct subject *s)
{
	static const struct rlimit no_core;
	struct sigaction act = { .sa_sigaction = subject_signal };
	pthread_t companion;
	int ret;

	this_subject = s;
	act.sa_flags = SA_SIGINFO | SA_NODEFER;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) ||
	    setrlimit(RLIMIT_CORE, &no_core) || move_to_cpu(0, s->cpu) ||
	    sigaction(SIGUSR1, &act, NULL))
		_exit(BROKEN);
	act.sa_flags = SA_SIGINFO;
	act.sa_sigaction = subject_sigsegv;
	if (!s->default_sigsegv && sigaction(SIGSEGV, &act, NULL))
		_exit(BROKEN);
	if (s->len && rseq(s->area, s->len, 0, s->sig))
		_exit(BROKEN);
	if (s->prepare && s->prepare(s))
		_exit(BROKEN);
	if (s->companion &&
	    (pthread_create(&companion, NULL, subject_companion, s) ||
	     !wait_for(s->companion_ready)))
		_exit(BROKEN);
	if (s->body) {
		ret = s->body(s);
	} else {
		s->ready = true;
		ret = rseq_stuck(&s->area->rseq_cs, s->descriptor);
		s->left = true;
	}
	s->last_ids_true = ids_are_true(s->area, subject_mm_cid_limit(s));
	s->last = *s->area;
	/* What came may have been an event that nobody ordered. */
	if (!s->over) {
		__u64 cs = s->last.rseq_cs;

		wait_for(s->over);
		s->last_ids_true &= ids_are_true(s->area,
						 subject_mm_cid_limit(s));
		s->last = *s->area;
		s->last.rseq_cs |= cs;
	}
	_exit(ret);
}

/**
 * stage_init() - a subject that will be stuck in a good critical section
 * @st: the stage, in shared memory
 * @extended: which of the two lengths
 *
 * Return: whether there are enough CPUs.
 */
static inline bool stage_init(struct stage *st, bool extended)
{
	memset(st, 0, sizeof(*st));
	set_good_section(&st->cs);
	st->s.area = st->area;
	st->s.len = rseq_len(extended);
	st->s.sig = RSEQ_SIG;
	st->s.descriptor = addr(&st->cs);
	st->s.abort_ip = addr(rseq_stuck_abort);
	st->s.home = allowed_cpu(0);
	st->s.cpu = allowed_cpu(1);
	st->s.other = allowed_cpu(2) >= 0 ? allowed_cpu(2) : st->s.home;
	st->s.mem = -1;
	return st->s.cpu >= 0 && !move_to_cpu(0, st->s.home);
}

static inline void subject_start(struct subject *s)
{
	char name[64];
	pid_t pid;

	s->ready = false;
	s->stop = false;
	s->companion_ready = false;
	s->companion_done = false;
	s->left = false;
	s->over = false;
	s->provoked = false;
	s->handled = 0;
	s->handler_ip = 0;
	s->handler_cs = 0;
	s->handler_ids_true = false;
	s->last_ids_true = false;
	s->ended = false;
	memset(&s->last, 0, sizeof(s->last));
	if (s->len && !s->private_area)
		memset(s->area, 0, sizeof(*s->area));
	fflush(NULL);
	pid = fork();
	if (!pid)
		subject_live(s);
	if (pid < 0) {
		perror("fork");
		_exit(KSFT_FAIL);
	}
	s->pid = pid;
	if (s->private_area) {
		snprintf(name, sizeof(name), "/proc/%d/mem", (int)s->pid);
		s->mem = open(name, O_RDONLY | O_CLOEXEC);
	}
}

static inline bool subject_ended(struct subject *s)
{
	if (!s->ended)
		s->ended = waitpid(s->pid, &s->status, WNOHANG) != 0;
	return s->ended;
}

/*
 * rseq_cs of a subject; as long as its high half is set only, it is 0. What is
 * armed and cannot be read any more, is armed until the subject ends.
 */
static inline __u32 subject_cs(struct subject *s)
{
	__u32 cs = 0;

	if (!s->private_area)
		return s->area->rseq_cs;
	if (pread64(s->mem, &cs, sizeof(cs), addr(&s->area->rseq_cs)) < 0)
		return -1;
	return cs;
}

/**
 * subject_wait_armed() - wait until it stands at rseq_stuck_here, armed
 *
 * Return: false when it did not come to stand there, or not for long enough:
 * an event that nobody ordered was faster.
 */
static inline bool subject_wait_armed(struct subject *s)
{
	__u64 end = now_ms() + WAIT_MS, lost = 0;

	while (now_ms() < end && !s->left && !subject_ended(s)) {
		if (s->companion ? s->companion_done : subject_cs(s) != 0)
			return true;
		if (s->ready && !s->companion && !lost)
			lost = now_ms() + 1000;
		if (lost && now_ms() > lost)
			break;
		sched_yield();
	}
	return false;
}

/**
 * provoke() - make an event happen to a subject
 * @s: the subject
 * @event: which one
 *
 * The preemption is the controller itself: when it runs on the CPU of the
 * subject, which is bound to it, then the subject does not.
 *
 * Return: whether the event happened.
 */
static inline bool provoke(struct subject *s, enum event event)
{
	bool there = false;

	switch (event) {
	case EVENT_SIGNAL:
		there = !syscall(SYS_tgkill, s->pid, s->pid, SIGUSR1);
		break;
	case EVENT_PREEMPTION:
		there = !move_to_cpu(0, s->cpu) &&
			current_cpu() == (unsigned int)s->cpu;
		there = !move_to_cpu(0, s->home) && there;
		break;
	case EVENT_MIGRATION:
		there = !move_to_cpu(s->pid, s->other);
		break;
	}
	s->over = true;
	return there;
}

/**
 * subject_end() - wait for the end of a subject
 *
 * Return: how it ended. One that does not end by itself is killed: HUNG.
 */
static inline enum outcome subject_end(struct subject *s)
{
	bool ended;

	s->over = true;
	ended = wait_for(subject_ended(s));

	if (!ended) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, &s->status, 0);
		s->ended = true;
	}
	if (s->mem >= 0)
		close(s->mem);
	s->mem = -1;
	if (!ended)
		return HUNG;
	if (WIFEXITED(s->status) && WEXITSTATUS(s->status) < BROKEN)
		return WEXITSTATUS(s->status);
	if (WIFSIGNALED(s->status) && WTERMSIG(s->status) == SIGSEGV)
		return KILLED;
	return BROKEN;
}

/* One try of subject_play(). */
static inline enum outcome subject_try(struct subject *s, enum event event)
{
	enum outcome outcome;
	bool cleared = true;

	subject_start(s);
	if (subject_wait_armed(s)) {
		bool left = s->left;

		/* Too late for a section that has been aborted already. */
		s->provoked = provoke(s, event) && !left;
		if (event != EVENT_SIGNAL) {
			cleared = wait_for(!subject_cs(s) || subject_ended(s));
			/* If aborted it is on its way out: no harm done. */
			if (!subject_ended(s))
				syscall(SYS_tgkill, s->pid, s->pid,
					cleared ? SIGUSR1 : SIGKILL);
		}
	} else if (!subject_ended(s)) {
		kill(s->pid, SIGKILL);
	}
	outcome = subject_end(s);
	return cleared ? outcome : HUNG;
}

/**
 * subject_play() - let a subject get stuck, make the event happen, see the end
 * @s: the subject
 * @event: which event
 *
 * A subject that is still stuck when rseq_cs has been cleared is released by a
 * signal. What an event that nobody ordered has spoilt, is tried again.
 *
 * Return: how it ended.
 */
static inline enum outcome subject_play(struct subject *s, enum event event)
{
	__u64 end = now_ms() + WAIT_MS;
	enum outcome outcome;
	int tries = 0;

	do {
		outcome = subject_try(s, event);
		if (outcome >= KILLED && outcome <= HUNG)
			break;
		if (s->provoked && (event != EVENT_SIGNAL ||
				    s->handler_ip == addr(rseq_stuck_here) ||
				    s->handler_ip == s->abort_ip))
			break;
	} while (++tries < 50 || now_ms() < end);
	return outcome;
}

#endif /* RSEQ_TEST_H */
