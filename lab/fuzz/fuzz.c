// SPDX-License-Identifier: GPL-2.0
/*
 * A fuzzer with an oracle.
 *
 * A case is a process with a few threads. Each thread takes a list of random
 * steps: registrations, descriptors, events, changes of memory, forks. Before
 * each, the oracle says from the documented rules what must come of it: an
 * error, an abort, a clear, death, or nothing; anything else is a surprise.
 * A case follows from its seed alone, but not the time at which the threads are
 * preempted: an unordered event may come between any two instructions, so the
 * oracle says what is sure in spite of that.
 *
 * Most events are made by the thread itself: an instruction that traps delivers
 * a signal at an address that is known.
 *
 * In half of the cases a child dies in place of the thread, so that the case goes
 * on to its end. In the others a thread dies, and all of it ends; while it does,
 * the other threads wait, so that it can have been no other.
 *
 *	fuzz [-j JOBS] [-n CASES | -t SECONDS] [-s SEED]   seeds SEED, SEED + 1...
 *	fuzz -c FILE		the seeds in FILE, as TAP
 *	fuzz -r SEED [-T THREAD] [-k MASK] [-v]		   one case
 *	fuzz -p [-n CASES] [-s SEED]			   pick seeds for a file
 *
 * -T runs one thread of the case, -k the steps whose bit is set. With -v, many
 * cases end in a table of what was foreseen, by step.
 */
#include "rseq_test.h"
#include "rseq_count.h"
#include "rseq_section.h"
#include "segment.h"
#include "slice.h"
#include "trap.h"

#include <inttypes.h>
#include <poll.h>
#include <semaphore.h>
#include <stdarg.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <linux/membarrier.h>

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

#define MAX_THREADS	4
#define MAX_STEPS	16
#define MAX_CPUS	64
#define HUNG_SECONDS	60
/* For a surprise that is made smaller, each time and in all. */
#define HUNG_AGAIN_SECONDS	5
#define REDUCE_SECONDS	90
/* How often a thing is tried that events from elsewhere can spoil. */
#define TRIES		30

/* Exit codes of a case, beside 0. */
#define SURPRISE	99
#define DIED		98	/* in a handler of a SIGSEGV that was due */

/* What comes of an event, beside errors. */
enum fate { NOTHING, CLEAR, ABORT, DIE };

static const char *const fates[] = { "nothing", "clear", "abort", "die" };

/* What can be foreseen: what a system call returns, or a fate. */
#define VERDICT(fate) (1000 + (fate))

static const struct verdict {
	int value;
	const char *name;
} verdicts[] = {
	{ 0, "0" },
	{ 1, "1" },
	{ -EINVAL, "EINVAL" },
	{ -EPERM, "EPERM" },
	{ -EBUSY, "EBUSY" },
	{ -EFAULT, "EFAULT" },
	{ -ENOTSUPP, "ENOTSUPP" },
	{ -ENXIO, "ENXIO" },
	{ -ENOENT, "ENOENT" },
	{ -E2BIG, "E2BIG" },
	{ VERDICT(NOTHING), "nothing" },
	{ VERDICT(CLEAR), "clear" },
	{ VERDICT(ABORT), "abort" },
	{ VERDICT(DIE), "die" },
};

#define MAX_KINDS 24	/* of steps */

struct counts {
	__u64 cases, ends;	/* ends: cases that came to their end */
	__u64 steps;
	__u64 commits;		/* in sections, none of them lost */
	__u64 granted, in_time;	/* time slices, and what was given back */
	__u64 kinds[MAX_KINDS][ARRAY_SIZE(verdicts)];
};

/* In slice_ctrl where the kernel does not use it. */
#define UNUSED	0x22222222U

/* What the parent sees of a case. */
struct report {
	bool __shared death_due;	/* now, of the one that takes a step */
	int __shared surprised;
	int __shared thread, step;	/* of the surprise */
	int __shared hit, ret;		/* of a tracee */
	struct counts counts;
	char text[256];
};

/* Memory of a thread, in pages. */
enum {
	PAGE_AREA,		/* private */
	PAGE_DATA,		/* a file, shared: descriptors */
	PAGE_DATA_2,
	PAGE_CODE,		/* likewise: abort handlers with signatures */
	PAGE_CODE_2,
	PAGE_HOLE,		/* not accessible */
	PAGES,
};

/**
 * struct thread - a thread of a case, and what the oracle knows of it
 * @nr:		its number in the case
 * @rng:	state of its random numbers, seeded for each step
 * @mem:	%PAGES pages
 * @fd:		the file behind some of them
 * @cpu:	the CPU that it is bound to
 * @area:	its registration, NULL if it has none
 * @len:	likewise
 * @sig:	likewise
 * @quiet:	a signal handler must not look at the area
 * @may_handle:	the SIGSEGV that it is due, as its area is at fault
 * @step:	the number of its step
 * @kind:	and which it is, of @steps
 * @sliced:	it has enabled the time slice extension
 * @segment:	its per-CPU segment, of size 0 if it has none
 * @gs:		its GS base otherwise
 * @trapping:	at the instruction that traps
 * @traps:	signals that came from there
 * @trap_ip:	what the handler saw
 * @trap_cs:	likewise
 * @trap_true:	likewise, whether the IDs, the grant and the segment were right
 */
struct thread {
	int nr;
	__u64 rng;
	char *mem;
	int fd;
	int cpu;
	struct rseq_area *area;
	__u32 len;
	__u32 sig;
	int step, kind;
	bool sliced;
	struct segment segment;
	__u64 gs;
	bool __shared quiet;
	bool __shared may_handle;
	bool __shared trapping;
	int __shared traps;
	__u64 __shared trap_ip, trap_cs;
	bool __shared trap_true;
	int __shared signals;
};

#define COUNTER_STRIDE	(128 / sizeof(unsigned long))

/* The case; a child of it has its own copy. */
static struct {
	__u64 seed;
	int threads;
	int only_thread;
	unsigned long mask;
	bool verbose;
	int depth;			/* of forks */
	bool stand_ins;			/* die in place of the threads */
	bool stand_in;			/* this is one */
	unsigned int patience;		/* seconds until a case counts as hung */
	pthread_rwlock_t steps;		/* held to die, shared to take a step */
	bool slices;			/* the kernel knows of the extension */
	bool slices_offered;		/* and has it */
	bool segments;
	unsigned int counted_cpus;	/* by the kernel */
	__u64 areas;			/* a page for each, with its index */
	int __shared barrier_begun;	/* the registration for membarrier, */
	int __shared barrier_registered; /* and that it is done */
	int nr_cpus, cpus[MAX_CPUS], nodes[MAX_CPUS];
	__u64 top;
	size_t page;
	struct report *report, *first;	/* of this process, of the case */
	/* A counter each 128 bytes, by CPU and by mm_cid. */
	unsigned long counters[2][MAX_CPUS * COUNTER_STRIDE];
	unsigned long done[2];
	struct rseq_cs count_cs;	/* the same for all, and stays */
	bool uncounted;			/* a child has other counters */
} k;

static __thread struct thread *me;

/* splitmix64 */
static __u64 mix(__u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static __u64 rnd64(void)
{
	return me->rng = mix(me->rng);
}

static unsigned int rnd(unsigned int below)
{
	return (rnd64() >> 32) % below;
}

static bool chance(unsigned int percent)
{
	return rnd(100) < percent;
}

/* Something that the oracle did not expect: the end of the case. */
static __attribute__((noreturn, format(printf, 1, 2)))
void surprise(const char *fmt, ...)
{
	struct report *r = k.first;
	va_list ap;

	if (!__atomic_exchange_n(&r->surprised, 1, __ATOMIC_SEQ_CST)) {
		va_start(ap, fmt);
		vsnprintf(r->text, sizeof(r->text), fmt, ap);
		va_end(ap);
		r->thread = me ? me->nr : -1;
		r->step = me ? me->step : -1;
	}
	_exit(SURPRISE);
}

#define check(condition, fmt, ...)					\
do {									\
	if (!(condition))						\
		surprise(fmt, ##__VA_ARGS__);				\
} while (0)

static __attribute__((format(printf, 1, 2))) void say(const char *fmt, ...)
{
	va_list ap;

	if (!k.verbose)
		return;
	va_start(ap, fmt);
	printf("# %*sthread %d: ", 2 * k.depth, "", me->nr);
	vprintf(fmt, ap);
	printf("\n");
	fflush(stdout);
	va_end(ap);
}

static void count(__u64 *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

/* Notes what is foreseen. */
static void foresee(int value)
{
	unsigned int i;

	for (i = 0; verdicts[i].value != value; i++)
		check(i + 1 < ARRAY_SIZE(verdicts), "no verdict: %d", value);
	count(&k.first->counts.kinds[me->kind][i]);
}

static char *page(int nr)
{
	return me->mem + nr * k.page;
}

static bool is_extended(void)
{
	return me->len != RSEQ_ORIG_SIZE;
}

static bool is_granted(struct thread *t)
{
	return k.slices && t->area && t->len != RSEQ_ORIG_SIZE &&
	       slice_ctrl(t->area)->granted;
}

/* Is what the thread reads by %gs that of its CPU, or its mm_cid? */
static bool segment_true(struct thread *t)
{
	__u64 cid, index;
	int i;

	if (!t->segment.size || t->segment.base != k.areas ||
	    t->segment.stride != k.page)
		return true;
	if (!(t->segment.flags & BY_MM_CID))
		return gs_load() == t->cpu;
	/* Two loads, and the mm_cid can change between them. */
	for (i = 0; i < 3; i++) {
		cid = t->area ? t->area->mm_cid : 0;
		index = gs_load();
		if (t->area ? index == cid : index < k.counted_cpus)
			return true;
	}
	return false;
}

/* The ID fields of a thread that is bound to its CPU. */
static bool ids_true(struct thread *t)
{
	/* A CPU may keep an index, so that it can be above the threads' number. */
	return t->area->cpu_id == (__u32)t->cpu &&
	       t->area->cpu_id_start == (__u32)t->cpu &&
	       t->area->node_id == (__u32)k.nodes[t->cpu] &&
	       t->area->mm_cid < (__u32)k.nr_cpus;
}

/* In a signal handler. */
static bool all_true(struct thread *t)
{
	return (!t->area || ids_true(t)) && !is_granted(t) && segment_true(t);
}

static char *const trap_at[] = {
	rseq_trap_ill, rseq_trap_int3, rseq_trap_hlt,
};

static void on_trap(int sig, siginfo_t *info, void *context)
{
	greg_t *ip = context_ip(context);
	struct thread *t = me;
	unsigned int i;

	if (t && t->trapping && !t->quiet) {
		t->trap_ip = (unsigned long)*ip;
		t->trap_cs = t->area ? t->area->rseq_cs : 0;
		t->trap_true = all_true(t);
		t->traps++;
	}
	for (i = 0; i < ARRAY_SIZE(trap_at); i++) {
		if (t && t->trapping &&
		    (unsigned long)*ip == addr(trap_at[i])) {
			*ip = (greg_t)(uintptr_t)rseq_trap_past;
			return;
		}
	}
	if (t && t->trapping && t->traps && !t->quiet && sig != SIGSEGV)
		return;		/* at the abort address; judged later */
	if (t && t->may_handle && sig == SIGSEGV && info->si_code == SI_KERNEL)
		_exit(DIED);
	if (t && t->trapping && sig == SIGSEGV &&
	    info->si_code == SI_KERNEL)
		return;
	surprise("signal %d at ip %lx", sig, (unsigned long)*ip);
}

/* From outside, at any time. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	struct thread *t = me;

	if (!t)
		return;
	t->signals++;
	if (t->quiet)
		return;
	check(segment_true(t), "%%gs:0 is %llx in a signal handler on CPU %d",
	      (unsigned long long)gs_load(), t->cpu);
	if (!t->area)
		return;
	check(!is_granted(t), "a grant in a signal handler");
	check(!t->area->rseq_cs, "rseq_cs is %llx in a signal handler",
	      (unsigned long long)t->area->rseq_cs);
	check(ids_true(t), "IDs %u %u %u %u in a signal handler on CPU %d",
	      t->area->cpu_id_start, t->area->cpu_id, t->area->node_id,
	      t->area->mm_cid, t->cpu);
}

/* The oracle. */

/* Which page of this thread, of those that a descriptor may point to. */
static bool readable(__u64 at, unsigned int size)
{
	__u64 start = addr(page(PAGE_DATA)), end = addr(page(PAGE_HOLE));

	if (at >= start && at + size <= end)
		return true;
	return at >= addr(rseq_trap) - 64 && at + size <= addr(rseq_trap_abort);
}

static enum fate judge(__u64 descriptor, __u64 ip)
{
	struct rseq_cs cs;
	__u64 end;
	__u32 sig;

	if (!me->area || !descriptor)
		return NOTHING;
	if (descriptor >= k.top || !readable(descriptor, sizeof(cs)))
		return DIE;
	memcpy(&cs, (void *)(uintptr_t)descriptor, sizeof(cs));
	if (cs.version || cs.flags)
		return DIE;
	if (cs.start_ip >= k.top || cs.post_commit_offset >= k.top)
		return DIE;
	end = cs.start_ip + cs.post_commit_offset;
	if (end >= k.top)
		return DIE;
	if (cs.abort_ip < 4 || cs.abort_ip >= k.top)
		return DIE;
	if (cs.abort_ip >= cs.start_ip && cs.abort_ip < end)
		return DIE;
	if (!readable(cs.abort_ip - 4, 4))
		return DIE;
	memcpy(&sig, (void *)(uintptr_t)(cs.abort_ip - 4), sizeof(sig));
	if (sig != me->sig)
		return DIE;
	return ip >= cs.start_ip && ip < end ? ABORT : CLEAR;
}

/* Random arguments, good ones more often than others. */

static __u64 wild_address(void)
{
	const __u64 wild[] = {
		0, 1, 3, 4, 64, k.top - 1, k.top - 4, k.top - 31, k.top - 32,
		k.top - 64, k.top, k.top + 1, k.top + k.page,
		addr(page(PAGE_HOLE)), addr(page(PAGE_HOLE)) + 32,
		addr(page(PAGE_HOLE)) - 1, 1ULL << 32, 1ULL << 47, 1ULL << 56,
		1ULL << 63, 0xffff800000000000ULL, 0xffffffff81000000ULL,
		0xffffffffff600000ULL, UINT64_MAX - 31, UINT64_MAX,
		rnd64(), rnd64() | 1ULL << 63,
	};

	return wild[rnd(ARRAY_SIZE(wild))];
}

/* An address for an abort handler with the signature before it. */
static __u64 make_abort_handler(void)
{
	char *start = page(PAGE_CODE);
	char *where = start + 4 + rnd(2 * k.page - 4 - ABORT_HANDLER_SIZE);

	if (me->sig == RSEQ_SIG && chance(30))
		return addr(rseq_trap_abort);
	/* Across the boundary of two pages. */
	if (chance(20))
		where = start + k.page + rnd(10) - 5;
	put_abort_handler(where, me->sig);
	return addr(where);
}

/* A descriptor for a thread that is at @ip: good, off by one, or hostile. */
static __u64 make_descriptor(__u64 ip)
{
	char *data = page(PAGE_DATA);
	__u64 start, end, abort_ip, at;
	struct rseq_cs cs;

	if (chance(5))
		return 0;
	if (chance(8)) {
		at = wild_address();
		/* Only what is known not to be there is wild. */
		return readable(at, 32) ? 0 : at;
	}
	abort_ip = make_abort_handler();
	start = ip - rnd(3);
	end = ip + rnd(3);
	if (chance(10))
		start = ip + rnd(4);
	if (end < start)
		end = start;
	if (chance(10))
		start = page(PAGE_DATA) - (char *)0;
	memset(&cs, 0, sizeof(cs));
	cs.start_ip = start;
	cs.post_commit_offset = end - start;
	cs.abort_ip = abort_ip;
	if (chance(25)) {
		switch (rnd(8)) {
		case 0:
			cs.version = 1U << rnd(32);
			break;
		case 1:
			cs.flags = 1U << rnd(32);
			break;
		case 2:
			cs.start_ip = wild_address();
			break;
		case 3:
			cs.post_commit_offset = wild_address();
			break;
		case 4:
			cs.abort_ip = wild_address();
			break;
		case 5:
			cs.abort_ip = cs.start_ip + rnd(4);
			break;
		case 6:
			/* Ends, or wraps, just around the top. */
			cs.post_commit_offset = k.top - cs.start_ip +
						rnd(3) - 1;
			break;
		case 7:
			if (cs.abort_ip != addr(rseq_trap_abort))
				*((char *)(uintptr_t)cs.abort_ip - 1 -
				  rnd(4)) ^= 1 << rnd(8);
			break;
		}
	}
	at = addr(data) + rnd(2 * k.page - sizeof(cs));
	if (chance(50))
		at &= ~31ULL;
	if (chance(10))
		at = addr(data) + k.page - 1 - rnd(31);
	memcpy((void *)(uintptr_t)at, &cs, sizeof(cs));
	return at;
}

static void say_descriptor(const struct rseq_cs *cs)
{
	say("version %x flags %x start %llx length %llx abort %llx", cs->version,
	    cs->flags, (unsigned long long)cs->start_ip,
	    (unsigned long long)cs->post_commit_offset,
	    (unsigned long long)cs->abort_ip);
}

static void restore_data(void)
{
	size_t size = (PAGE_HOLE - PAGE_DATA) * k.page;

	check(!ftruncate(me->fd, size) &&
	      mmap(page(PAGE_DATA), size, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_SHARED | MAP_FIXED, me->fd, 0) != MAP_FAILED,
	      "set-up of memory: %m");
}

/* The pages of the file, from a new one: a child must not spoil its parent's. */
static void map_data(void)
{
	me->fd = memfd_create("fuzz", MFD_CLOEXEC);
	check(me->fd >= 0, "memfd_create: %m");
	restore_data();
}

/* Did a process end as a thread does that was to die? */
static bool died(int status, struct report *r)
{
	return r->death_due &&
	       ((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
		(WIFEXITED(status) && WEXITSTATUS(status) == DIED));
}

/*
 * Waits for a child whose end its own oracle has foreseen.
 *
 * Return: whether it died.
 */
static bool reap(pid_t pid, struct report *r)
{
	int status;
	pid_t ret;

	do {
		ret = waitpid(pid, &status, __WALL);
	} while (ret < 0 && errno == EINTR);
	check(ret == pid, "waitpid: %m");
	if (WIFEXITED(status) && WEXITSTATUS(status) == SURPRISE)
		_exit(SURPRISE);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return false;
	check(died(status, r), "a child ended with status %x", status);
	return true;
}

/* Forks, with a report of the child's own, which has one thread. */
static pid_t fork_child(struct report **r)
{
	pid_t pid;

	*r = map_pages(2, true);
	fflush(stdout);
	pid = fork();
	check(pid >= 0, "fork: %m");
	if (!pid) {
		k.report = *r;
		k.depth++;
		k.uncounted = true;
		alarm(k.patience);
	}
	return pid;
}

/*
 * Before what is fatal, or may be. No other thread takes a step from here on. A
 * signal handler can run only if it is not for the descriptor.
 *
 * Return: whether to go on; if not, a child has done so in place of the caller.
 */
static bool death_begin(bool handler)
{
	struct report *r;
	pid_t pid;

	if (k.stand_ins) {
		pid = fork_child(&r);
		if (pid) {
			reap(pid, r);
			munmap(r, 2 * k.page);
			return false;
		}
		k.stand_in = true;
	} else if (!k.depth) {
		pthread_rwlock_unlock(&k.steps);
		pthread_rwlock_wrlock(&k.steps);
	}
	me->may_handle = handler;
	k.report->death_due = true;
	return true;
}

static void death_end(void)
{
	if (k.stand_in)
		_exit(0);
	k.report->death_due = false;
	me->may_handle = false;
	if (!k.depth) {
		pthread_rwlock_unlock(&k.steps);
		pthread_rwlock_rdlock(&k.steps);
	}
}

/* Lets the thread trap with this armed; judges what comes of it. */
static void trap(__u64 descriptor, enum fate fate, int how)
{
	static struct rseq_area none;
	struct rseq_area *area = me->area ? me->area : &none;
	__u64 ip = addr(trap_at[how]), abort_ip = 0;
	int ret;

	say("traps in way %d with descriptor %llx: %s", how,
	    (unsigned long long)descriptor, fates[fate]);
	if (fate == ABORT || fate == CLEAR)
		memcpy(&abort_ip, (void *)(uintptr_t)(descriptor +
			offsetof(struct rseq_cs, abort_ip)), sizeof(abort_ip));
	foresee(VERDICT(fate));
	if (fate == DIE && !death_begin(false))
		return;
	me->traps = 0;
	me->trapping = true;
	ret = rseq_trap(me->area ? &area->rseq_cs : &none.rseq_cs, descriptor,
			how);
	me->trapping = false;
	check(fate != DIE, "still there after a fatal event");
	if (fate == ABORT) {
		check(ret == 1, "not aborted");
		check(!me->traps || me->trap_ip == abort_ip,
		      "handler saw ip %llx, not the abort address %llx",
		      (unsigned long long)me->trap_ip,
		      (unsigned long long)abort_ip);
	} else {
		check(!ret, "aborted, with fate %s", fates[fate]);
		check(me->traps == 1, "%d handlers ran", me->traps);
		check(me->trap_ip == ip, "handler saw ip %llx, not %llx",
		      (unsigned long long)me->trap_ip, (unsigned long long)ip);
	}
	check(!me->traps || me->trap_true,
	      "wrong IDs, a grant or a wrong segment in the handler");
	if (!me->area)
		return;
	check(!me->traps || !me->trap_cs, "rseq_cs is %llx in the handler",
	      (unsigned long long)me->trap_cs);
	check(!area->rseq_cs, "rseq_cs is %llx after the event",
	      (unsigned long long)area->rseq_cs);
}

/* The steps. */

/* The GS base of a thread that is bound to its CPU. */
static void verify_segment(void)
{
	const struct segment *segment = &me->segment;
	__u64 base, cid;
	bool right;
	int i;

	if (!k.segments)
		return;
	if (!segment->size) {
		check(gs_base() == me->gs, "GS base %llx, not %llx",
		      (unsigned long long)gs_base(),
		      (unsigned long long)me->gs);
		return;
	}
	/* As in segment_true(). */
	for (i = 0, right = false; i < 3 && !right; i++) {
		cid = me->area ? me->area->mm_cid : 0;
		base = gs_base();
		if (!(segment->flags & BY_MM_CID))
			right = base == segment->base +
					me->cpu * segment->stride;
		else if (me->area)
			right = base == segment->base + cid * segment->stride;
		else if (!segment->stride)
			right = base == segment->base;
		else
			right = !((base - segment->base) % segment->stride) &&
				(base - segment->base) / segment->stride <
				k.counted_cpus;
	}
	check(right, "GS base %llx on CPU %d, segment %llx %llx flags %llx",
	      (unsigned long long)base, me->cpu,
	      (unsigned long long)segment->base,
	      (unsigned long long)segment->stride,
	      (unsigned long long)segment->flags);
	check(segment_true(me), "%%gs:0 is %llx on CPU %d",
	      (unsigned long long)gs_load(), me->cpu);
}

static void verify(void)
{
	__u32 flags = 0, ctrl = UNUSED;

	verify_segment();
	if (!me->area)
		return;
	check(ids_true(me), "IDs %u %u %u %u on CPU %d, node %d",
	      me->area->cpu_id_start, me->area->cpu_id, me->area->node_id,
	      me->area->mm_cid, me->cpu, k.nodes[me->cpu]);
	/* With slices, these two are the kernel's. */
	if (is_extended() && k.slices) {
		ctrl = 0;
		if (k.slices_offered)
			flags = AVAILABLE | (me->sliced ? ENABLED : 0);
	}
	check(me->area->flags == flags, "flags are %x, not %x",
	      me->area->flags, flags);
	check(me->area->slice_ctrl == ctrl, "slice_ctrl is %x, not %x",
	      me->area->slice_ctrl, ctrl);
}

static int expect_register(__u64 at, __u32 len, int flags, __u32 sig)
{
	__u64 align = len == RSEQ_ORIG_SIZE ? RSEQ_ORIG_SIZE : rseq_align();

	if (flags & ~(k.slices ? FLAG_DEFAULT_ON : 0))
		return -EINVAL;
	if (me->area) {
		if (at != addr(me->area) || len != me->len)
			return -EINVAL;
		return sig == me->sig ? -EBUSY : -EPERM;
	}
	if (len < RSEQ_ORIG_SIZE ||
	    (len > RSEQ_ORIG_SIZE && len < rseq_feature_size()))
		return -EINVAL;
	if (at % align)
		return -EINVAL;
	if (at + len < at || at + len > k.top)
		return -EFAULT;
	if (at < addr(page(PAGE_AREA)) || at >= addr(page(PAGE_HOLE)))
		return -EFAULT;
	return 0;
}

static int expect_unregister(__u64 at, __u32 len, int flags, __u32 sig)
{
	if (flags != RSEQ_FLAG_UNREGISTER)
		return -EINVAL;
	if (!me->area || at != addr(me->area) || len != me->len)
		return -EINVAL;
	return sig == me->sig ? 0 : -EPERM;
}

static void do_register(__u64 at, __u32 len, int flags, __u32 sig)
{
	int want = expect_register(at, len, flags, sig), got;
	struct rseq_area *area = (void *)(uintptr_t)at;

	say("register %llx len %u flags %x sig %x: %d", (unsigned long long)at,
	    len, flags, sig, want);
	foresee(want);
	me->quiet = true;
	if (!want) {
		memset(area, 0xa5, sizeof(*area));
		area->flags = 0;
		area->slice_ctrl = UNUSED;
	}
	got = rseq(area, len, flags, sig);
	check(got == want, "register %llx len %u flags %x sig %x: %d, not %d",
	      (unsigned long long)at, len, flags, sig, got, want);
	if (!want) {
		me->area = area;
		me->len = len;
		me->sig = sig;
		me->sliced = flags && k.slices_offered && is_extended();
		check(!area->rseq_cs, "rseq_cs is %llx after registration",
		      (unsigned long long)area->rseq_cs);
	}
	me->quiet = false;
	verify();
}

static void step_register(void)
{
	static const __u32 lens[] = {
		0, 1, 8, 24, 27, 28, 31, 33, 40, 48, 63, 65, 96, 128, 4096,
		0x7fffffff, 0x80000000, 0xffffffff,
	};
	__u64 at = addr(page(PAGE_AREA)) + 128 * rnd(8);
	__u32 len = chance(50) ? RSEQ_ORIG_SIZE : rseq_extended_size();
	__u32 sig = chance(50) ? RSEQ_SIG : (__u32)rnd64();
	int flags = 0;

	if (me->area && chance(50)) {
		at = addr(me->area);
		len = me->len;
		sig = me->sig;
	}
	if (chance(10))
		at = wild_address();
	if (chance(10))
		at += 1ULL << rnd(7);
	if (chance(15))
		len = lens[rnd(ARRAY_SIZE(lens))];
	if (chance(10))
		sig ^= 1U << rnd(32);
	/* Bit 1 is known where there are slices. */
	if (chance(20))
		flags = FLAG_DEFAULT_ON;
	if (chance(10))
		flags |= 1U << (2 + rnd(30));
	if (sizeof(long) == 4) {
		at = (__u32)at;
		/* The program, its libraries and its stack may be there. */
		if ((at < addr(me->mem) || at >= addr(page(PAGES))) &&
		    at >= 0x8000000 && at < k.top - k.page)
			at = addr(page(PAGE_HOLE));
		/* To a 64-bit kernel, user space does not end there. */
		if (at + len > k.top)
			len = RSEQ_ORIG_SIZE;
	}
	do_register(at, len, flags, sig);
}

static void step_register_well(void)
{
	if (!me->area)
		do_register(addr(page(PAGE_AREA)) + 128 * rnd(8),
			    chance(50) ? RSEQ_ORIG_SIZE : rseq_extended_size(),
			    k.slices && chance(50) ? FLAG_DEFAULT_ON : 0,
			    chance(60) ? RSEQ_SIG : (__u32)rnd64());
}

static void step_unregister(void)
{
	__u64 at = me->area ? addr(me->area) : addr(page(PAGE_AREA));
	__u32 len = me->area ? me->len : RSEQ_ORIG_SIZE, sig = me->sig;
	int flags = RSEQ_FLAG_UNREGISTER, want, got;
	struct rseq_area *area = me->area;

	if (chance(20))
		at += 64;
	if (chance(20))
		len ^= 1U << rnd(32);
	if (chance(20))
		sig ^= 1U << rnd(32);
	if (chance(20))
		flags |= 1U << (1 + rnd(31));
	want = expect_unregister(at, len, flags, sig);
	say("unregister %llx len %u flags %x sig %x: %d",
	    (unsigned long long)at, len, flags, sig, want);
	foresee(want);
	me->quiet = true;
	got = rseq((void *)(uintptr_t)at, len, flags, sig);
	check(got == want, "unregister: %d, not %d", got, want);
	if (!want) {
		me->area = NULL;
		me->sliced = false;
		check(!area->flags, "flags are %x after unregistration",
		      area->flags);
		check(!area->cpu_id_start && area->cpu_id == (__u32)-1 &&
		      !area->node_id && !area->mm_cid,
		      "fields %x %x %x %x after unregistration",
		      area->cpu_id_start, area->cpu_id, area->node_id,
		      area->mm_cid);
	}
	me->quiet = false;
}

static void bind_to(int cpu)
{
	me->quiet = true;
	check(!move_to_cpu(0, cpu), "sched_setaffinity: %m");
	me->cpu = cpu;
	me->quiet = false;
}

static void step_move(void)
{
	bind_to(k.cpus[rnd(k.nr_cpus)]);
	say("moved to CPU %d", me->cpu);
	foresee(0);
	verify();
}

static void step_yield(void)
{
	int i, n = 1 + rnd(4);

	foresee(0);
	for (i = 0; i < n; i++) {
		sched_yield();
		verify();
	}
}

static void step_trap(void)
{
	int how = rnd(ARRAY_SIZE(trap_at));
	__u64 at = make_descriptor(addr(trap_at[how]));

	if (sizeof(long) == 4 && chance(90))
		at = (__u32)at;
	if (at && readable(at, sizeof(struct rseq_cs)))
		say_descriptor((void *)(uintptr_t)at);
	trap(at, judge(at, addr(trap_at[how])), how);
}

static void step_trap_good(void)
{
	int how = rnd(ARRAY_SIZE(trap_at));
	__u64 ip = addr(trap_at[how]);
	struct rseq_cs *cs = (void *)(page(PAGE_DATA) + 32 * rnd(64));

	set_section(cs, ip - rnd(2), ip + 1 + rnd(2), make_abort_handler());
	trap(addr(cs), judge(addr(cs), ip), how);
}

/* The pages of the descriptor and of the signature come and go. */
static void step_data_gone(void)
{
	int how = rnd(ARRAY_SIZE(trap_at)), what = rnd(4);
	int nr = chance(50) ? PAGE_DATA : PAGE_CODE;
	__u64 ip = addr(trap_at[how]);
	struct rseq_cs *cs = (void *)page(PAGE_DATA);
	enum fate fate;

	set_section(cs, ip, ip + 1, addr(page(PAGE_CODE) + 64));
	put_abort_handler(page(PAGE_CODE) + 64, me->sig);
	fate = judge(addr(cs), ip);
	say("page %d gone in way %d", nr, what);
	me->quiet = true;
	switch (what) {
	case 0:
		check(!madvise(page(nr), k.page, MADV_DONTNEED), "madvise: %m");
		break;
	case 1:
		check(!mprotect(page(nr), k.page, nr == PAGE_DATA ? PROT_READ :
				PROT_READ | PROT_EXEC), "mprotect: %m");
		break;
	case 2:
		check(!mprotect(page(nr), k.page, PROT_NONE), "mprotect: %m");
		break;
	case 3:
		check(!ftruncate(me->fd, 0), "ftruncate: %m");
		break;
	}
	me->quiet = false;
	trap(addr(cs), fate == ABORT && what >= 2 ? DIE : fate, how);
	/* Without a registration nobody looks; put it all back. */
	restore_data();
}

/* So does the page of the area, with a section armed or not. */
static void step_area_gone(void)
{
	int prot = chance(50) ? PROT_READ : PROT_NONE;
	bool private = me->area &&
		       addr(me->area) < addr(page(PAGE_DATA));
	struct rseq_cs *cs = (void *)page(PAGE_DATA);
	bool armed = chance(50);
	int ret;

	if (!private)
		return;
	say("area %s, %s", prot ? "read-only" : "inaccessible",
	    armed ? "armed" : "not armed");
	set_section(cs, k.page, 2 * k.page, addr(page(PAGE_CODE) + 64));
	put_abort_handler(page(PAGE_CODE) + 64, me->sig);
	foresee(VERDICT(DIE));
	if (!death_begin(true))
		return;
	me->quiet = true;
	if (armed)
		me->area->rseq_cs = addr(cs);
	check(!mprotect(page(PAGE_AREA), k.page, prot), "mprotect: %m");
	me->trapping = true;
	/* Arms elsewhere: the event is all there is. */
	ret = rseq_trap(&(__u64){ 0 }, 0, 0);
	me->trapping = false;
	/* Armed still? An event may have come before the page was gone. */
	check(is_extended() && prot == PROT_READ && !ret,
	      "still there after an event without its area");
	check(!mprotect(page(PAGE_AREA), k.page, PROT_READ | PROT_WRITE),
	      "mprotect: %m");
	me->area->rseq_cs = 0;
	sched_yield();
	me->quiet = false;
	verify();
	death_end();
}

/* A page of zeros: the IDs of an original registration come back. */
static void step_area_dropped(void)
{
	if (!me->area || is_extended() ||
	    addr(me->area) >= addr(page(PAGE_DATA)))
		return;
	say("area dropped");
	me->quiet = true;
	check(!madvise(page(PAGE_AREA), k.page, MADV_DONTNEED), "madvise: %m");
	me->quiet = false;
	trap(0, NOTHING, 0);
	me->area->flags = 0;
	me->area->slice_ctrl = UNUSED;
	verify();
}

static void step_overwrite(void)
{
	const size_t fields[] = {
		offsetof(struct rseq_area, cpu_id_start),
		offsetof(struct rseq_area, cpu_id),
		offsetof(struct rseq_area, node_id),
		offsetof(struct rseq_area, mm_cid),
	};
	size_t field = fields[rnd(ARRAY_SIZE(fields))];
	__u32 __shared *p;
	int i;

	if (!me->area)
		return;
	say("overwrites the field at %zu", field);
	p = (void *)((char *)me->area + field);
	if (!is_extended()) {
		me->quiet = true;
		*p = RSEQ_GARBAGE;
		me->quiet = false;
		trap(0, NOTHING, 0);
		verify();
		return;
	}
	if (k.nr_cpus < 2)
		return;
	foresee(VERDICT(DIE));
	if (!death_begin(true))
		return;
	me->quiet = true;
	*p = RSEQ_GARBAGE;
	for (i = 0; k.cpus[i] == me->cpu; i++)
		;
	move_to_cpu(0, k.cpus[i]);
	surprise("still there after an overwritten ID had to be written");
}

/* The sections of all threads add to shared counters. */
static void step_count(void)
{
	int which = rnd(2), i, n = 20 + rnd(200);
	size_t id = which ? offsetof(struct rseq_area, mm_cid) :
		    offsetof(struct rseq_area, cpu_id);

	if (!me->area || me->sig != RSEQ_SIG)
		return;
	say("counts %d times", n);
	foresee(0);
	for (i = 0; i < n; i++)
		while (rseq_count(me->area, &k.count_cs, id, k.counters[which]))
			;
	__atomic_add_fetch(&k.done[which], n, __ATOMIC_RELAXED);
}

/* Another thread makes the event. */
static struct other {
	struct thread *a;
	pid_t tid;
	int what, cpu;
	int __shared go, done;
} nobody;

enum {
	BY_MEMBARRIER,
	BY_MEMBARRIER_CPU,
	BY_SIGNAL,
	BY_MIGRATION,
	BY_PREEMPTION,
	BY_NOBODY,
	EVENTS,
};

static bool barrier_register(void)
{
	bool ok;

	k.barrier_begun = true;
	ok = !membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0);
	k.barrier_registered = true;
	return ok;
}

static void *other_thread(void *arg)
{
	struct other *o = arg;
	int signals = o->a->signals, ret = 0;

	while (!(__u32)o->a->area->rseq_cs && !o->done)
		sched_yield();
	switch (o->what) {
	case BY_MEMBARRIER:
		ret = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
		break;
	case BY_MEMBARRIER_CPU:
		ret = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ,
				 MEMBARRIER_CMD_FLAG_CPU, o->a->cpu);
		break;
	case BY_SIGNAL:
		syscall(SYS_tgkill, getpid(), o->tid, SIGUSR1);
		while (o->a->signals == signals && !o->done)
			sched_yield();
		break;
	case BY_MIGRATION:
		ret = move_to_cpu(o->tid, o->cpu);
		break;
	case BY_PREEMPTION:
		ret = move_to_cpu(0, o->a->cpu);
		break;
	}
	check(!ret, "event %d: %d", o->what, ret);
	o->go = true;
	return NULL;
}

static void step_other(void)
{
	struct rseq_cs *cs = (void *)page(PAGE_DATA);
	struct other o = nobody;
	enum fate fate = ABORT;
	pthread_t thread;
	int ret;

	if (!me->area)
		return;
	o.a = me;
	o.what = rnd(EVENTS);
	o.cpu = k.cpus[rnd(k.nr_cpus)];
	if (o.what == BY_MIGRATION && o.cpu == me->cpu)
		o.what = BY_NOBODY;
	if (o.what <= BY_MEMBARRIER_CPU)
		check(barrier_register(), "membarrier cannot be registered");
	set_section(cs, addr(rseq_until_start), addr(rseq_until_end),
		    make_abort_handler());
	if (chance(30)) {
		switch (rnd(4)) {
		case 0:
			cs->version = 1U << rnd(32);
			break;
		case 1:
			cs->flags = 1U << rnd(32);
			break;
		case 2:
			cs->abort_ip = cs->start_ip + rnd(2);
			break;
		case 3:
			cs->abort_ip = wild_address();
			break;
		}
	}
	fate = judge(addr(cs), addr(rseq_until_start));
	say("event %d by another thread: %s", o.what, fates[fate]);
	foresee(VERDICT(fate));
	if (fate == DIE && !death_begin(false))
		return;
	o.tid = my_tid();
	me->area->rseq_cs = 0;
	check(!pthread_create(&thread, NULL, other_thread, &o),
	      "pthread_create: %m");
	if (o.what == BY_MIGRATION)
		me->quiet = true;
	ret = rseq_until(me->area, cs, &o.go);
	o.done = true;
	check(fate != DIE || o.what == BY_NOBODY,
	      "still there after fatal event %d", o.what);
	check(ret || o.what == BY_NOBODY, "not aborted by event %d", o.what);
	pthread_join(thread, NULL);
	if (o.what == BY_MIGRATION) {
		me->cpu = o.cpu;
		me->quiet = false;
	}
	/* The descriptor is about to be overwritten. */
	me->area->rseq_cs = 0;
	if (fate == DIE)
		death_end();
}

static void step_membarrier(void)
{
	int flags = chance(50) ? 0 : 1U << rnd(32);
	int cpu = chance(50) ? k.cpus[rnd(k.nr_cpus)] : (int)rnd64();
	bool before, after;
	int got, want = 0;

	if (chance(30))
		barrier_register();
	before = k.barrier_registered;
	got = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, flags, cpu);
	/* By another thread, which may not have come back from that. */
	after = k.barrier_begun;
	if (flags & ~MEMBARRIER_CMD_FLAG_CPU)
		want = -EINVAL;
	else if (!before && after)
		return;
	else if (!before)
		want = -EPERM;
	say("membarrier %x %d: %d", flags, cpu, want);
	foresee(want);
	check(got == want, "membarrier %x %d: %d, not %d", flags, cpu, got,
	      want);
}

static void run_steps(unsigned int n);

/* The child has memory of its own from here on, and takes steps. */
static void become_child(void)
{
	close(me->fd);
	map_data();
}

static void step_fork(void)
{
	unsigned int n = rnd(4);
	struct report *r;
	pid_t pid;

	if (k.depth > 1)
		return;
	say("forks");
	pid = fork_child(&r);
	if (!pid) {
		become_child();
		verify();
		if (me->area)
			do_register(addr(me->area), me->len, 0, me->sig);
		run_steps(n);
		_exit(0);
	}
	foresee(VERDICT(reap(pid, r) ? DIE : NOTHING));
	munmap(r, 2 * k.page);
	verify();
}

/* With a descriptor armed, good or hostile. */
static void step_exec(void)
{
	static char *const argv[] = { "fuzz", "--fresh", NULL };
	struct rseq_cs *cs = (void *)page(PAGE_DATA);
	bool armed = me->area && chance(60), hostile = armed && chance(50);
	struct report *r;
	int i, dead = 0;
	pid_t pid;

	check(execl("/nonexistent", "x", NULL) && errno == ENOENT,
	      "execve of nothing: %m");
	verify();
	say("execs, %s", hostile ? "hostile" : armed ? "armed" : "not armed");
	foresee(VERDICT(NOTHING));
	set_section(cs, addr(rseq_trap), addr(rseq_trap_end),
		    make_abort_handler());
	cs->version = hostile;
	/* A hostile descriptor may be found before the call is made. */
	for (i = 0; i < TRIES && dead == i; i++) {
		pid = fork_child(&r);
		if (!pid) {
			if (hostile)
				r->death_due = true;
			if (armed)
				me->area->rseq_cs = addr(cs);
			syscall(SYS_execve, "/proc/self/exe", argv, environ);
			_exit(1);
		}
		dead += reap(pid, r);
		munmap(r, 2 * k.page);
	}
	check(dead < TRIES, "each program after execve died");
	verify();
}

/* A new thread: it has no registration, and ends with a descriptor armed. */
static struct newcomer {
	struct thread *a;		/* who made it */
	struct rseq_area *area;
	__u32 len;
	__u64 descriptor;
	bool segment_true;
	int unregistered, registered;
} no_newcomer;

static void *newcomer_thread(void *arg)
{
	struct newcomer *n = arg;

	n->segment_true = n->a->segment.flags & BY_MM_CID ||
			  segment_true(n->a);
	n->unregistered = rseq_unregister(n->a->area ? n->a->area : n->area,
					  n->len);
	n->registered = rseq_register(n->area, n->len);
	n->area->rseq_cs = n->descriptor;
	syscall(SYS_exit, 0);
	return NULL;
}

static void step_thread(void)
{
	struct rseq_cs *cs = (void *)page(PAGE_DATA);
	struct newcomer n = no_newcomer;
	bool hostile = chance(50);
	pthread_t thread;
	int i;

	n.a = me;
	n.area = (void *)(page(PAGE_AREA) + 2048);
	n.len = me->area ? me->len : RSEQ_ORIG_SIZE;
	n.descriptor = addr(cs);
	set_section(cs, addr(rseq_trap), addr(rseq_trap_end),
		    addr(rseq_trap_abort));
	cs->flags = hostile;
	say("has a thread that ends %s", hostile ? "hostile" : "armed");
	foresee(VERDICT(NOTHING));
	/* It may be found before the thread has ended. */
	if (hostile && !death_begin(false))
		return;
	check(!pthread_create(&thread, NULL, newcomer_thread, &n),
	      "pthread_create: %m");
	pthread_join(thread, NULL);
	check(n.segment_true, "a thread did not inherit its segment");
	check(n.unregistered == -EINVAL && !n.registered,
	      "a new thread unregisters: %d, registers: %d", n.unregistered,
	      n.registered);
	/* Nobody has this area any more. */
	memset(n.area, 0xa5, sizeof(*n.area));
	for (i = 0; i < 3; i++)
		sched_yield();
	for (i = 0; i < (int)sizeof(*n.area); i++)
		check(((unsigned char *)n.area)[i] == 0xa5,
		      "the area of a thread that has ended was written");
	verify();
	if (hostile)
		death_end();
}

/* ptrace(), with a negative error number. */
static long trace(int request, pid_t pid, unsigned long at, const void *data)
{
	long ret = syscall(SYS_ptrace, request, pid, at, data);

	return ret < 0 ? -errno : ret;
}

#ifdef __x86_64__
#define USER_IP offsetof(struct user, regs.rip)
#define IP rip
#define ORIG_AX orig_rax
#else
#define USER_IP offsetof(struct user, regs.eip)
#define IP eip
#define ORIG_AX orig_eax
#endif

static void check_configuration(pid_t pid)
{
	struct { __u64 area; __u32 len, sig, flags, pad; } want, got;
	unsigned long size = chance(50) ? sizeof(want) : rnd(64);
	long ret;

	memset(&want, 0, sizeof(want));
	if (me->area) {
		want.area = addr(me->area);
		want.len = me->len;
		want.sig = me->sig;
	}
	memset(&got, 0xff, sizeof(got));
	if (size < sizeof(want))
		memset((char *)&want + size, 0xff, sizeof(want) - size);
	ret = trace(PTRACE_GET_RSEQ_CONFIGURATION, pid, size, &got);
	check(ret == sizeof(got) && !memcmp(&want, &got, sizeof(got)),
	      "ptrace, size %lu: %ld %llx %x %x", size, ret,
	      (unsigned long long)got.area, got.len, got.sig);
}

static void check_traced_segment(const struct user_regs_struct *regs)
{
#ifdef __x86_64__
	const struct segment *segment = &me->segment;

	if (segment->size && !(segment->flags & BY_MM_CID))
		check(regs->gs_base == segment->base +
				       me->cpu * segment->stride,
		      "a tracer sees GS base %llx", regs->gs_base);
#endif
}

/* Stops the tracee, and sees where. */
static void stop_tracee(pid_t pid, struct user_regs_struct *regs)
{
	int status;
	long ret;

	ret = trace(PTRACE_INTERRUPT, pid, 0, NULL);
	check(!ret, "PTRACE_INTERRUPT: %ld", ret);
	do {
		ret = waitpid(pid, &status, __WALL);
	} while (ret < 0 && errno == EINTR);
	check(ret == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP,
	      "the tracee did not stop: status %x", status);
	ret = trace(PTRACE_GETREGS, pid, 0, regs);
	check(!ret, "PTRACE_GETREGS: %ld", ret);
}

static void go_on(int request, pid_t pid)
{
	long ret = trace(request, pid, 0, NULL);

	check(!ret, "ptrace %d: %ld", request, ret);
}

static void set_ip(pid_t pid, __u64 ip)
{
	long ret = trace(PTRACE_POKEUSER, pid, USER_IP, (void *)(uintptr_t)ip);

	check(!ret, "PTRACE_POKEUSER: %ld", ret);
}

/* rseq_cs of the tracee, which is a copy of this process. */
static __u64 tracee_cs(pid_t pid)
{
	__u64 cs;
	struct iovec here = { &cs, sizeof(cs) };
	struct iovec there = { (void *)&me->area->rseq_cs, sizeof(cs) };

	check(process_vm_readv(pid, &here, 1, &there, 1, 0) == sizeof(cs),
	      "process_vm_readv: %m");
	return cs;
}

static void set_tracee_cs(pid_t pid, __u64 cs)
{
	struct iovec here = { &cs, sizeof(cs) };
	struct iovec there = { (void *)&me->area->rseq_cs, sizeof(cs) };

	check(process_vm_writev(pid, &here, 1, &there, 1, 0) == sizeof(cs),
	      "process_vm_writev: %m");
}

/* Gets stuck in a section until the tracer has come upon it there. */
static __attribute__((noreturn))
void be_traced(struct report *r, __u64 descriptor)
{
	static struct rseq_area none;
	struct rseq_area *area = me->area ? me->area : &none;
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do {
		ret = rseq_stuck(&area->rseq_cs, descriptor);
	} while (!r->hit);
	r->ret = ret;
	_exit(0);
}

/* A tracer stops a thread in its section, and changes what is there. */
static void step_ptrace(void)
{
	__u64 here = addr(rseq_stuck_here), past = addr(rseq_stuck_past);
	__u64 ip = chance(50) ? here : past, at = 0, end;
	struct rseq_cs *cs = (void *)page(PAGE_DATA);
	struct user_regs_struct regs;
	enum fate fate = NOTHING;
	struct report *r;
	pid_t pid;

	set_section(cs, here, past, make_abort_handler());
	pid = fork_child(&r);
	if (!pid)
		be_traced(r, addr(cs));
	go_on(PTRACE_SEIZE, pid);
	for (;;) {
		stop_tracee(pid, &regs);
		if (regs.IP == here)
			break;
		go_on(PTRACE_CONT, pid);
		sched_yield();
	}
	r->hit = true;
	check_configuration(pid);
	check_traced_segment(&regs);
	if (me->area) {
		check(tracee_cs(pid) == addr(cs),
		      "a tracer sees rseq_cs %llx in the section",
		      (unsigned long long)tracee_cs(pid));
		at = chance(50) ? addr(cs) : make_descriptor(ip);
		if (sizeof(long) == 4)
			at = (__u32)at;
		set_tracee_cs(pid, at);
		fate = judge(at, ip);
	}
	/* This alone does not make a system call of it. */
	if (chance(20)) {
		long ret;

		regs.ORIG_AX = SYS_getpid;
		ret = trace(PTRACE_SETREGS, pid, 0, &regs);
		check(!ret, "PTRACE_SETREGS: %ld", ret);
	}
	set_ip(pid, ip);
	say("is traced, with descriptor %llx, and set %s the loop: %s",
	    (unsigned long long)at, ip == here ? "into" : "behind",
	    fates[fate]);
	foresee(VERDICT(fate));
	r->death_due = fate == DIE;
	if (ip == here && (fate == CLEAR || fate == NOTHING)) {
		/*
		 * It is there still, and nothing else has changed. It may be
		 * stopped again before it has been in user mode.
		 */
		end = now_ms() + WAIT_MS;
		do {
			go_on(PTRACE_CONT, pid);
			sched_yield();
			stop_tracee(pid, &regs);
			check(regs.IP == here, "the tracee is at %llx, not %llx",
			      (unsigned long long)regs.IP,
			      (unsigned long long)here);
		} while (me->area && tracee_cs(pid) && now_ms() < end);
		check(!me->area || !tracee_cs(pid),
		      "rseq_cs of the tracee is %llx",
		      (unsigned long long)tracee_cs(pid));
		set_ip(pid, past);
	}
	go_on(PTRACE_DETACH, pid);
	check(reap(pid, r) == (fate == DIE), "the tracee lives");
	check(fate == DIE || r->ret == (fate == ABORT),
	      "the tracee was %saborted", r->ret ? "" : "not ");
	munmap(r, 2 * k.page);
}

static int expect_slice(unsigned long op, unsigned long value, bool more)
{
	if (more)
		return -EINVAL;
	if (op == PR_SLICE_GET)
		return value ? -EINVAL : me->sliced;
	if (op != PR_SLICE_SET || value > 1)
		return -EINVAL;
	if (!k.slices_offered)
		return -ENOTSUPP;
	if (!me->area)
		return -ENXIO;
	return is_extended() ? 0 : -ENOTSUPP;
}

static void do_slice(unsigned long op, unsigned long value, unsigned long arg4,
		     unsigned long arg5, int want)
{
	int got;

	say("prctl %lu %lx %lx %lx: %d", op, value, arg4, arg5, want);
	foresee(want);
	got = slice_prctl(op, value, arg4, arg5);
	check(got == want, "prctl %lu %lx %lx %lx: %d, not %d", op, value, arg4,
	      arg5, got, want);
}

static void step_slice(void)
{
	unsigned long op = PR_SLICE_GET, value = 0, arg4 = 0, arg5 = 0;
	int want;

	/* The area cannot be written, and may be looked at. */
	if (chance(8) && me->area && is_extended() && k.slices_offered &&
	    addr(me->area) < addr(page(PAGE_DATA))) {
		if (!death_begin(true))
			return;
		me->quiet = true;
		check(!mprotect(page(PAGE_AREA), k.page, PROT_READ),
		      "mprotect: %m");
		do_slice(PR_SLICE_SET, !me->sliced, 0, 0, -EFAULT);
		check(!mprotect(page(PAGE_AREA), k.page,
				PROT_READ | PROT_WRITE), "mprotect: %m");
		me->quiet = false;
		verify();
		do_slice(PR_SLICE_GET, 0, 0, 0, me->sliced);
		death_end();
		return;
	}
	if (chance(70)) {
		op = PR_SLICE_SET;
		value = rnd(2);
	}
	if (chance(8))
		op = chance(50) ? rnd(8) : rnd64();
	if (chance(10))
		value = chance(50) ? 1UL << rnd(8 * sizeof(value)) : rnd64();
	if (chance(8))
		arg4 = 1UL << rnd(8 * sizeof(arg4));
	if (chance(8))
		arg5 = 1UL << rnd(8 * sizeof(arg5));
	want = expect_slice(op, value, arg4 || arg5);
	do_slice(op, value, arg4, arg5, want);
	if (!want && op == PR_SLICE_SET)
		me->sliced = value;
	do_slice(PR_SLICE_GET, 0, 0, 0, me->sliced);
	verify();
}

/* Without a request there is nothing to yield, whatever the area says. */
static void step_slice_yield(void)
{
	bool forged = me->area && is_extended() && chance(50);
	long ret;

	say("yields %s", forged ? "what it forged" : "nothing");
	foresee(0);
	if (forged) {
		me->quiet = true;
		slice_ctrl(me->area)->granted = 1;
	}
	ret = slice_yield();
	check(!ret, "rseq_slice_yield without a request: %ld", ret);
	if (forged) {
		slice_ctrl(me->area)->granted = 0;
		me->quiet = false;
	}
	verify();
}

/* Wants the CPU of a thread a short time after it was told to. */
static struct rival {
	sem_t go;
	int __shared ran;
	bool __shared done;
} no_rival;

static void *rival_thread(void *arg)
{
	static const struct sched_param param = { .sched_priority = 1 };
	static const struct timespec soon = { .tv_nsec = 200000 };
	struct rival *rival = arg;

	sched_setscheduler(0, SCHED_FIFO, &param);
	for (;;) {
		while (sem_wait(&rival->go))
			;
		if (rival->done)
			return NULL;
		nanosleep(&soon, NULL);
		rival->ran++;
	}
}

/* How a grant ends; at the end of each, there is none. */
static void end_grant(void)
{
	struct slice_ctrl *ctrl = slice_ctrl(me->area);
	int what = rnd(5);
	long ret = 0;

	switch (what) {
	case 0:
	case 1:
		ret = slice_yield();
		check(ret == 0 || ret == 1, "rseq_slice_yield: %ld", ret);
		if (ret)
			count(&k.first->counts.in_time);
		foresee(ret);
		break;
	case 2:
		syscall(chance(50) ? SYS_getpid : -1);
		break;
	case 3:
		while (ctrl->granted)
			;
		break;
	case 4:
		/* The handler looks at it. */
		trap(0, NOTHING, rnd(ARRAY_SIZE(trap_at)));
		break;
	}
	check(!ctrl->granted, "still granted after its end in way %d", what);
}

/*
 * Asks, or does not, and a rival comes for the CPU. A preemption in user mode
 * answers a request, unless there was more to do, such as a signal.
 */
static void step_slice_ask(void)
{
	struct rival rival = no_rival;
	bool asks = chance(75), may, answered = false;
	struct slice_ctrl *ctrl;
	pthread_t thread;
	int i, ran;

	if (!me->area || !is_extended())
		return;
	if (!me->sliced && chance(60)) {
		do_slice(PR_SLICE_SET, 1, 0, 0, expect_slice(PR_SLICE_SET, 1,
							     false));
		me->sliced = k.slices_offered;
	}
	may = asks && me->sliced;
	ctrl = slice_ctrl(me->area);
	say("%s a slice, and %s", asks ? "asks for" : "does not ask for",
	    may ? "may have it" : "must not have it");
	sem_init(&rival.go, 0, 0);
	check(!pthread_create(&thread, NULL, rival_thread, &rival),
	      "pthread_create: %m");
	for (i = 0; i < (may && !answered ? TRIES : 3); i++) {
		ran = rival.ran;
		sem_post(&rival.go);
		ctrl->request = asks;
		while (!ctrl->granted && rival.ran == ran)
			;
		/* Only a grant takes the request away. */
		if (!ctrl->request && asks) {
			check(may, "the request of a thread that may not ask was answered");
			if (!answered)
				count(&k.first->counts.granted);
			answered = true;
		}
		if (ctrl->granted) {
			check(may, "granted");
			check(!ctrl->request, "granted and still requested");
			end_grant();
		}
		check(ctrl->request == (asks && !may) || may,
		      "the request is %u", ctrl->request);
		ctrl->request = 0;
		check(!slice_yield() || may, "yielded nothing");
		check(!ctrl->granted, "granted after rseq_slice_yield");
		while (rival.ran == ran)
			sched_yield();
	}
	check(answered == may, "no request was answered in %d tries", i);
	rival.done = true;
	sem_post(&rival.go);
	pthread_join(thread, NULL);
	sem_destroy(&rival.go);
	verify();
}

#ifdef __x86_64__
/* Where a structure for arch_prctl() may be; at times where none can be. */
static __u64 segment_place(void)
{
	if (chance(8))
		return addr(page(PAGE_HOLE)) - 8 * rnd(6);
	if (chance(5))
		return wild_address();
	return addr(page(PAGE_DATA)) + rnd(2 * k.page - SEGMENT_SIZE - 16);
}

static bool writable(__u64 at, __u64 size)
{
	return at >= addr(page(PAGE_DATA)) && at < addr(page(PAGE_HOLE)) &&
	       size <= addr(page(PAGE_HOLE)) - at;
}

/* Is the memory of each index in user space? */
static bool segment_fits(const struct segment *segment)
{
	__u64 size, end;

	return !__builtin_mul_overflow(segment->stride, k.counted_cpus, &size) &&
	       !__builtin_add_overflow(segment->base, size, &end) &&
	       end <= k.top && segment->base < k.top;
}

static int expect_segment_set(__u64 at, const struct segment *segment, bool more)
{
	if (!writable(at, sizeof(segment->size)))
		return -EFAULT;
	if (segment->size < SEGMENT_SIZE)
		return -EINVAL;
	if (segment->size > k.page)
		return -E2BIG;
	if (!writable(at, segment->size))
		return -EFAULT;
	if (more)
		return -E2BIG;
	if (segment->flags & ~(__u64)BY_MM_CID || !segment_fits(segment))
		return -EINVAL;
	return me->segment.size || me->gs ? -EBUSY : 0;
}

static void step_segment_set(void)
{
	const __u64 sizes[] = {
		0, 8, SEGMENT_SIZE - 1, SEGMENT_SIZE + 1, SEGMENT_SIZE + 8,
		k.page, k.page + 1, 1ULL << 32, UINT64_MAX,
	};
	struct segment segment = {
		.size = SEGMENT_SIZE, .flags = rnd(2), .base = k.areas,
		.stride = k.page,
	};
	__u64 at = segment_place(), rest;
	bool more = false;
	int want, got;

	if (chance(35)) {
		switch (rnd(6)) {
		case 0:
			segment.size = sizes[rnd(ARRAY_SIZE(sizes))];
			break;
		case 1:
			segment.flags = 1ULL << rnd(64);
			break;
		case 2:
			segment.base = wild_address();
			break;
		case 3:
			segment.stride = chance(50) ? wild_address() : 0;
			break;
		case 4:
			/* Ends just around the top. */
			segment.base = k.top - k.counted_cpus * k.page +
				       rnd(3) - 1;
			break;
		case 5:
			segment.stride = (k.top - segment.base) /
					 k.counted_cpus + rnd(3) - 1;
			break;
		}
	}
	/* Room for what the kernel does not know: zeros, or something. */
	if (segment.size > SEGMENT_SIZE && segment.size <= k.page) {
		rest = segment.size - SEGMENT_SIZE;
		if (writable(at, segment.size)) {
			more = chance(50);
			memset((void *)(at + SEGMENT_SIZE), 0, rest);
			if (more)
				*(char *)(at + SEGMENT_SIZE + rnd(rest)) = 1;
		} else {
			at = addr(page(PAGE_HOLE)) - SEGMENT_SIZE;
		}
	}
	if (writable(at, SEGMENT_SIZE))
		memcpy((void *)at, &segment, SEGMENT_SIZE);
	else if (writable(at, sizeof(segment.size)))
		memcpy((void *)at, &segment.size, sizeof(segment.size));
	want = expect_segment_set(at, &segment, more);
	say("sets segment size %llx flags %llx base %llx stride %llx at %llx: %d",
	    (unsigned long long)segment.size,
	    (unsigned long long)segment.flags,
	    (unsigned long long)segment.base,
	    (unsigned long long)segment.stride, (unsigned long long)at, want);
	foresee(want);
	me->quiet = true;
	got = segment_prctl(ARCH_SET_PERCPU_SEGMENT, at);
	check(got == want, "ARCH_SET_PERCPU_SEGMENT: %d, not %d", got, want);
	if (!want) {
		me->segment = segment;
		me->segment.size = SEGMENT_SIZE;
	}
	me->quiet = false;
	verify();
}

static void step_segment_get(void)
{
	__u64 at = segment_place();
	struct segment segment = { .size = SEGMENT_SIZE }, *got_segment;
	int want, got;

	if (chance(20))
		segment.size = rnd(2 * SEGMENT_SIZE);
	if (writable(at, sizeof(segment.size)))
		memcpy((void *)at, &segment.size, sizeof(segment.size));
	if (!writable(at, sizeof(segment.size)))
		want = -EFAULT;
	else if (segment.size < SEGMENT_SIZE)
		want = -EINVAL;
	else if (!me->segment.size)
		want = -ENOENT;
	else
		want = writable(at, SEGMENT_SIZE) ? 0 : -EFAULT;
	say("gets segment size %llx at %llx: %d",
	    (unsigned long long)segment.size, (unsigned long long)at, want);
	foresee(want);
	got = segment_prctl(ARCH_GET_PERCPU_SEGMENT, at);
	check(got == want, "ARCH_GET_PERCPU_SEGMENT: %d, not %d", got, want);
	got_segment = (void *)at;
	check(want || !memcmp(got_segment, &me->segment, SEGMENT_SIZE),
	      "ARCH_GET_PERCPU_SEGMENT: size %llx flags %llx base %llx stride %llx",
	      (unsigned long long)got_segment->size,
	      (unsigned long long)got_segment->flags,
	      (unsigned long long)got_segment->base,
	      (unsigned long long)got_segment->stride);
}

static void step_segment_clear(void)
{
	__u64 arg = chance(20) ? wild_address() : 0;
	int want = arg ? -EINVAL : me->segment.size ? 0 : -ENOENT, got;

	say("clears segment, %llx: %d", (unsigned long long)arg, want);
	foresee(want);
	me->quiet = true;
	got = segment_prctl(ARCH_CLEAR_PERCPU_SEGMENT, arg);
	check(got == want, "ARCH_CLEAR_PERCPU_SEGMENT: %d, not %d", got, want);
	if (!want)
		me->segment.size = 0;
	/* The base is 0 then, and was something else if this is a segment's. */
	me->quiet = false;
	verify();
}

/* The other user of %gs. */
static void step_segment_gs(void)
{
	__u64 base = chance(50) ? 0 : k.areas + rnd(k.page);
	struct segment segment = {
		.size = SEGMENT_SIZE, .base = k.areas, .stride = k.page,
	};
	int want, got;

	if (chance(20))
		base = wild_address();
	want = base >= k.top ? -EPERM : me->segment.size ? -EBUSY : 0;
	say("sets GS base %llx: %d", (unsigned long long)base, want);
	foresee(want);
	got = segment_prctl(ARCH_SET_GS, base);
	check(got == want, "ARCH_SET_GS: %d, not %d", got, want);
	if (!want)
		me->gs = base;
	verify();
	if (me->segment.size || me->gs)
		return;
	/* A selector whose base is 0. */
	foresee(-EBUSY);
	gs_select(data_selector());
	got = segment_prctl(ARCH_SET_PERCPU_SEGMENT, addr(&segment));
	gs_select(0);
	check(got == -EBUSY, "ARCH_SET_PERCPU_SEGMENT with a selector: %d",
	      got);
	verify();
}

static void step_segment(void)
{
	switch (rnd(8)) {
	case 0:
	case 1:
	case 2:
	case 3:
		step_segment_set();
		break;
	case 4:
	case 5:
		step_segment_get();
		break;
	case 6:
		step_segment_clear();
		break;
	case 7:
		step_segment_gs();
		break;
	}
}
#else
/* The call is there. */
static void step_segment(void)
{
	struct segment segment = { .size = SEGMENT_SIZE };
	int option = ARCH_SET_PERCPU_SEGMENT + rnd(3), got;

	say("asks for a segment, option %x", option);
	foresee(-EINVAL);
	got = segment_prctl(option, addr(&segment));
	check(got == -EINVAL, "a segment in 32 bits: %d", got);
}
#endif

/* What a step is called, how often it is taken, and what it needs. */
static const struct step {
	const char *name;
	unsigned int weight;
	void (*take)(void);
	const bool *needs;
} steps[] = {
	{ "register",		10,	step_register, NULL },
	{ "register_well",	25,	step_register_well, NULL },
	{ "unregister",		8,	step_unregister, NULL },
	{ "move",		10,	step_move, NULL },
	{ "yield",		4,	step_yield, NULL },
	{ "trap",		35,	step_trap, NULL },
	{ "trap_good",		20,	step_trap_good, NULL },
	{ "data_gone",		8,	step_data_gone, NULL },
	{ "area_gone",		3,	step_area_gone, NULL },
	{ "area_dropped",	4,	step_area_dropped, NULL },
	{ "overwrite",		6,	step_overwrite, NULL },
	{ "count",		14,	step_count, NULL },
	{ "other",		12,	step_other, NULL },
	{ "membarrier",		4,	step_membarrier, NULL },
	{ "fork",		5,	step_fork, NULL },
	{ "exec",		2,	step_exec, NULL },
	{ "thread",		4,	step_thread, NULL },
	{ "ptrace",		6,	step_ptrace, NULL },
	{ "slice",		8,	step_slice,	  &k.slices },
	{ "slice_yield",	3,	step_slice_yield, &k.slices },
	{ "slice_ask",		6,	step_slice_ask,	  &k.slices },
	{ "segment",		16,	step_segment,	  &k.segments },
};

static_assert(ARRAY_SIZE(steps) <= MAX_KINDS, "kinds of steps");

static unsigned int weight(unsigned int kind)
{
	const bool *needs = steps[kind].needs;

	return needs && !*needs ? 0 : steps[kind].weight;
}

static void take_step(unsigned int nr)
{
	unsigned int i, total = 0, choice;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		total += weight(i);
	choice = rnd(total);
	for (i = 0; choice >= weight(i); i++)
		choice -= weight(i);
	me->step = nr;
	me->kind = i;
	say("step %u: %s", nr, steps[i].name);
	count(&k.first->counts.steps);
	steps[i].take();
}

static void run_steps(unsigned int n)
{
	bool first = !k.depth;
	__u64 rng = me->rng;
	unsigned int i;

	for (i = 0; i < n; i++) {
		/* By its number, so that others can be left out. */
		me->rng = mix(rng + i);
		if (first && !(k.mask >> i & 1))
			continue;
		if (first)
			pthread_rwlock_rdlock(&k.steps);
		take_step(i);
		if (first)
			pthread_rwlock_unlock(&k.steps);
	}
	me->rng = rng;
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	unsigned int n;

	me = t;
	t->mem = mmap(NULL, PAGES * k.page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(t->mem != MAP_FAILED &&
	      !mprotect(page(PAGE_HOLE), k.page, PROT_NONE), "set-up: %m");
	map_data();
	t->rng = mix(k.seed * MAX_THREADS + t->nr);
	bind_to(k.cpus[rnd(k.nr_cpus)]);
	n = 4 + rnd(MAX_STEPS - 3);
	run_steps(n);
	return NULL;
}

static void on(int sig, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction act = { .sa_sigaction = handler };

	act.sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER;
	sigaction(sig, &act, NULL);
}

/* The process of a case. */
static __attribute__((noreturn)) void run_case(void)
{
	static const struct rlimit no_core;
	static struct thread threads[MAX_THREADS];
	pthread_t ids[MAX_THREADS];
	pthread_rwlockattr_t attr;
	unsigned long sum;
	int i, which;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &no_core);
	alarm(k.patience);
	/* Who is about to die need not wait for a moment without any steps. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr,
				      PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&k.steps, &attr);
	set_section(&k.count_cs, addr(rseq_count_start), addr(rseq_count_end),
		    addr(rseq_count_abort));
	k.stand_ins = mix(k.seed ^ k.seed << 32) & 1;
	on(SIGUSR1, on_signal);
	on(SIGILL, on_trap);
	on(SIGTRAP, on_trap);
	on(SIGSEGV, on_trap);
	k.threads = 1 + mix(k.seed) % MAX_THREADS;
	for (i = 0; i < k.threads; i++)
		threads[i].nr = i;
	for (i = 0; i < k.threads; i++) {
		if (k.only_thread >= 0 && i != k.only_thread)
			continue;
		if (pthread_create(&ids[i], NULL, thread_main, &threads[i]))
			surprise("pthread_create: %m");
	}
	for (i = 0; i < k.threads; i++) {
		if (k.only_thread >= 0 && i != k.only_thread)
			continue;
		pthread_join(ids[i], NULL);
	}
	for (which = 0; which < 2 && !k.uncounted; which++) {
		for (sum = 0, i = 0; i < MAX_CPUS; i++)
			sum += k.counters[which][COUNTER_STRIDE * i];
		check(sum == k.done[which], "%lu of %lu commits are lost",
		      k.done[which] - sum, k.done[which]);
		k.first->counts.commits += sum;
	}
	k.first->counts.ends++;
	_exit(0);
}

/*
 * Runs a case, with signals from outside and stops if its seed says so.
 *
 * Return: whether all of it was as foreseen; if not, the report says what.
 */
static bool play(struct report *r)
{
	unsigned int noise = mix(~k.seed) % 4;
	int status;
	pid_t pid;

	memset(r, 0, sizeof(*r));
	k.report = r;
	k.first = r;
	/* The noise may come before there is a handler. */
	signal(SIGUSR1, SIG_IGN);
	fflush(stdout);
	pid = fork();
	if (!pid)
		run_case();
	if (pid < 0) {
		snprintf(r->text, sizeof(r->text), "fork: %m");
		return false;
	}
	while (!waitpid(pid, &status, noise ? WNOHANG : 0)) {
		if (noise == 1)
			kill(pid, SIGUSR1);
		if (noise == 2) {
			kill(pid, SIGSTOP);
			kill(pid, SIGCONT);
		}
		poll(NULL, 0, 1);
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	if (r->surprised)
		return false;
	if (died(status, r))
		return true;
	r->thread = -1;
	r->step = -1;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(r->text, sizeof(r->text), "hung");
	else
		snprintf(r->text, sizeof(r->text),
			 "the process ended with status %x", status);
	return false;
}

static void set_case(__u64 seed)
{
	k.seed = seed;
	k.only_thread = -1;
	k.mask = (1UL << MAX_STEPS) - 1;
}

/* Does it happen again, in a few tries? */
static bool again(struct report *r, __u64 end)
{
	int i;

	for (i = 0; i < 20 && now_ms() < end; i++)
		if (!play(r))
			return true;
	return false;
}

/* Prints a surprise, and the least that it takes to see it again. */
static void explain(struct report *r)
{
	__u64 end = now_ms() + REDUCE_SECONDS * 1000;
	int thread = r->thread, i;

	printf("# seed %" PRIu64 ": thread %d, step %d: %s\n",
	       (uint64_t)k.seed, thread, r->step, r->text);
	fflush(stdout);
	k.patience = HUNG_AGAIN_SECONDS;
	if (!again(r, end)) {
		printf("# it was not seen again: fuzz -r %" PRIu64 "\n",
		       (uint64_t)k.seed);
		goto out;
	}
	k.only_thread = thread;
	if (thread >= 0 && !again(r, end))
		k.only_thread = -1;
	for (i = 0; i < MAX_STEPS; i++) {
		k.mask &= ~(1UL << i);
		if (!again(r, end))
			k.mask |= 1UL << i;
	}
	printf("# replay: fuzz -v -r %" PRIu64, (uint64_t)k.seed);
	if (k.only_thread >= 0)
		printf(" -T %d", k.only_thread);
	printf(" -k %lx\n", k.mask);
	fflush(stdout);
	k.verbose = true;
	again(r, now_ms() + HUNG_SECONDS * 1000);
	printf("# thread %d, step %d: %s\n", r->thread, r->step, r->text);
	fflush(stdout);
	k.verbose = false;
out:
	k.patience = HUNG_SECONDS;
}

static void add(struct counts *total, const struct counts *counts)
{
	const __u64 *from = (const __u64 *)counts;
	__u64 *to = (__u64 *)total;
	size_t i;

	for (i = 0; i < sizeof(*total) / sizeof(*to); i++)
		to[i] += from[i];
}

/* How often each was foreseen, by step. */
static void print_kinds(const struct counts *c)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		printf("# %-14s", steps[i].name);
		for (j = 0; j < ARRAY_SIZE(verdicts); j++)
			if (c->kinds[i][j])
				printf(" %s %" PRIu64, verdicts[j].name,
				       (uint64_t)c->kinds[i][j]);
		printf("\n");
	}
}

/* How often a verdict was foreseen, in whatever step. */
static __u64 foreseen(const struct counts *c, int value)
{
	__u64 sum = 0;
	unsigned int i, j;

	for (j = 0; verdicts[j].value != value; j++)
		;
	for (i = 0; i < ARRAY_SIZE(steps); i++)
		sum += c->kinds[i][j];
	return sum;
}

/* Seeds from @seed on, each @stride-th; until @end in ms, or @cases. */
static int hunt(__u64 seed, int stride, __u64 end, unsigned long cases,
		struct counts *total)
{
	struct report *r = map_pages(2, true);

	for (; total->cases < cases && now_ms() < end; seed += stride) {
		set_case(seed);
		if (!play(r)) {
			explain(r);
			return 1;
		}
		r->counts.cases = 1;
		add(total, &r->counts);
	}
	return 0;
}

static int hunt_in_parallel(__u64 seed, int jobs, unsigned int seconds,
			    unsigned long cases, bool table)
{
	size_t pages = sizeof(struct counts) * jobs / k.page + 1;
	__u64 start = now_ms(), elapsed;
	struct counts *counts, total;
	int i, status, bad = 0;

	counts = map_pages(pages, true);
	for (i = 0; i < jobs; i++) {
		fflush(stdout);
		if (!fork()) {
			i = hunt(seed + i, jobs, start + seconds * 1000ULL,
				 (cases - 1) / jobs + 1, &counts[i]);
			_exit(i);
		}
	}
	while (wait(&status) > 0)
		bad |= status;
	elapsed = now_ms() - start + 1;
	memset(&total, 0, sizeof(total));
	for (i = 0; i < jobs; i++)
		add(&total, &counts[i]);
	if (table)
		print_kinds(&total);
	/* Of so many, one at least was in time. */
	if (total.granted > 200 && !total.in_time) {
		printf("none of %" PRIu64 " time slices was given back in time\n",
		       (uint64_t)total.granted);
		bad = 1;
	}
	printf("%" PRIu64 " aborts, %" PRIu64 " clears, %" PRIu64 " times death, %"
	       PRIu64 " commits, %" PRIu64 " time slices (%" PRIu64
	       " given back), %" PRIu64 " cases to their end\n",
	       (uint64_t)foreseen(&total, VERDICT(ABORT)),
	       (uint64_t)foreseen(&total, VERDICT(CLEAR)),
	       (uint64_t)foreseen(&total, VERDICT(DIE)),
	       (uint64_t)total.commits, (uint64_t)total.granted,
	       (uint64_t)total.in_time, (uint64_t)total.ends);
	printf("%" PRIu64 " cases, %" PRIu64 " steps in %" PRIu64 " s: %" PRIu64
	       ".%" PRIu64 " cases and %" PRIu64 " steps a second\n",
	       (uint64_t)total.cases, (uint64_t)total.steps,
	       (uint64_t)elapsed / 1000,
	       (uint64_t)(total.cases * 1000 / elapsed),
	       (uint64_t)(total.cases * 10000 / elapsed % 10),
	       (uint64_t)(total.steps * 1000 / elapsed));
	return bad || !total.cases;
}

/* Prints the seeds that reach what those before them have not. */
static int pick(__u64 seed, unsigned long cases)
{
	struct report *r = map_pages(2, true);
	struct counts total = { 0 };
	unsigned int i, j;
	bool new;

	for (; cases--; seed++) {
		set_case(seed);
		if (!play(r)) {
			explain(r);
			return 1;
		}
		for (new = false, i = 0; i < ARRAY_SIZE(steps); i++)
			for (j = 0; j < ARRAY_SIZE(verdicts); j++)
				new |= r->counts.kinds[i][j] &&
				       !total.kinds[i][j];
		if (!new)
			continue;
		add(&total, &r->counts);
		printf("%" PRIu64 "\n", (uint64_t)seed);
		fflush(stdout);
	}
	print_kinds(&total);
	return 0;
}

/* Does a corpus reach every step, and every verdict that is to be had? */
static bool is_complete(const struct counts *c)
{
	bool complete = true;
	unsigned int i, j;
	__u64 sum;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		for (sum = 0, j = 0; j < ARRAY_SIZE(verdicts); j++)
			sum += c->kinds[i][j];
		if (sum || !weight(i))
			continue;
		printf("# no seed takes the step %s\n", steps[i].name);
		complete = false;
	}
	for (j = 0; j < ARRAY_SIZE(verdicts); j++) {
		int value = verdicts[j].value;

		if (foreseen(c, value) ||
		    ((value == -ENOTSUPP || value == -ENXIO || value == 1) &&
		     !k.slices_offered) ||
		    ((value == -ENOENT || value == -E2BIG) &&
		     (!k.segments || sizeof(long) == 4)))
			continue;
		printf("# no seed comes to %s\n", verdicts[j].name);
		complete = false;
	}
	return complete;
}

/* The seeds of a file, as TAP. */
static int corpus(const char *name, bool table)
{
	struct report *r = map_pages(2, true);
	struct counts total = { 0 };
	unsigned long long seeds[1024];
	int n = 0, i, bad = 0;
	char line[64];
	FILE *file = fopen(name, "r");

	if (!file) {
		perror(name);
		return 1;
	}
	while (n < 1024 && fgets(line, sizeof(line), file))
		if (sscanf(line, "%llu", &seeds[n]) == 1)
			n++;
	fclose(file);
	printf("TAP version 13\n1..%d\n", n + 1);
	for (i = 0; i < n; i++) {
		set_case(seeds[i]);
		if (play(r)) {
			add(&total, &r->counts);
			printf("ok %d seed %llu\n", i + 1, seeds[i]);
		} else {
			bad = 1;
			printf("not ok %d seed %llu: %s\n", i + 1, seeds[i],
			       r->text);
			explain(r);
		}
		fflush(stdout);
	}
	if (table)
		print_kinds(&total);
	if (!is_complete(&total)) {
		bad = 1;
		printf("not ");
	}
	printf("ok %d every step and every verdict was reached\n", n + 1);
	return bad;
}

/* A program that was just executed has no registration, nor anything else. */
static int fresh(void)
{
	static alignas(64) struct rseq_area area;

	return rseq_unregister(&area, RSEQ_ORIG_SIZE) != -EINVAL ||
	       rseq_register(&area, RSEQ_ORIG_SIZE) ||
	       slice_prctl(PR_SLICE_GET, 0, 0, 0) > 0 ||
	       (segment_is_there() && gs_base());
}

/* What the kernel has, beside rseq() itself. */
static void find_features(void)
{
	unsigned int i;

	k.slices = rseq_feature_size() > RSEQ_SIZE_MM_CID;
	k.slices_offered = k.slices && slice_offered();
	slice_be_long();
	if (sizeof(long) == 4) {
		k.segments = true;
		return;
	}
	k.counted_cpus = counted_cpus();
	k.segments = k.counted_cpus && segment_is_there();
	k.areas = addr(map_pages(k.counted_cpus + 1, true));
	for (i = 0; i < k.counted_cpus; i++)
		*(__u64 *)(uintptr_t)(k.areas + i * k.page) = i;
}

int main(int argc, char **argv)
{
	unsigned long cases = -1UL;
	unsigned int seconds = 60;
	const char *file = NULL;
	__u64 seed = 1;
	bool one = false, picks = false, table = false;
	int jobs, opt, i;

	if (argc == 2 && !strcmp(argv[1], "--fresh"))
		return fresh();
	set_case(0);
	k.patience = HUNG_SECONDS;
	k.page = page_size();
	k.top = user_top();
	for (i = 0; i < MAX_CPUS && allowed_cpu(i) >= 0; i++) {
		k.cpus[i] = allowed_cpu(i);
		if (k.cpus[i] >= MAX_CPUS || move_to_cpu(0, k.cpus[i]))
			break;
		k.nodes[k.cpus[i]] = current_node();
	}
	k.nr_cpus = i;
	for (jobs = 2 * i; (opt = getopt(argc, argv, "j:n:t:s:c:r:T:k:vp")) != -1;) {
		switch (opt) {
		case 'j':
			jobs = atoi(optarg);
			break;
		case 'n':
			cases = strtoul(optarg, NULL, 10);
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			file = optarg;
			break;
		case 'r':
			one = true;
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'T':
			k.only_thread = atoi(optarg);
			break;
		case 'k':
			k.mask = strtoul(optarg, NULL, 16);
			break;
		case 'v':
			k.verbose = true;
			break;
		case 'p':
			picks = true;
			break;
		default:
			return 2;
		}
	}
	if (!k.nr_cpus || !k.top || jobs < 1) {
		fprintf(stderr, "fuzz: no CPU, no user space or no job to use\n");
		return 2;
	}
	{
		cpu_set_t set;

		CPU_ZERO(&set);
		for (i = 0; i < k.nr_cpus; i++)
			CPU_SET(k.cpus[i], &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	find_features();
	if (!one) {
		table = k.verbose;
		k.verbose = false;
	}
	if (file)
		return corpus(file, table);
	if (picks)
		return pick(seed, cases);
	if (one) {
		struct report *r = map_pages(2, true);

		k.seed = seed;
		if (play(r))
			return 0;
		printf("thread %d, step %d: %s\n", r->thread, r->step,
		       r->text);
		return 1;
	}
	return hunt_in_parallel(seed, jobs, seconds, cases, table);
}
