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
 *	fuzz [-j JOBS] [-n CASES | -t SECONDS] [-s SEED]   seeds SEED, SEED + 1...
 *	fuzz -c FILE		the seeds in FILE, as TAP
 *	fuzz -r SEED [-T THREAD] [-k MASK] [-v]		   one case
 *
 * -T runs one thread of the case, -k the steps whose bit is set.
 */
#include "rseq_test.h"
#include "rseq_count.h"
#include "rseq_section.h"
#include "trap.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/ptrace.h>
#include <linux/membarrier.h>

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

#define MAX_THREADS	4
#define MAX_STEPS	16
#define MAX_CPUS	64
#define HUNG_SECONDS	60

/* Exit codes of a case, beside 0. */
#define SURPRISE	99
#define DIED		98	/* in a handler of a SIGSEGV that was due */

/* What the parent sees of a case. */
struct report {
	int __shared deaths_due;	/* threads that may die now */
	int __shared surprised;
	int __shared thread, step;	/* of the surprise */
	unsigned long __shared steps;
	unsigned long __shared aborts, clears, deaths;
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
 * @may_die:	death is what the oracle expects, or allows
 * @trapping:	at the instruction that traps
 * @traps:	signals that came from there
 * @trap_ip:	what the handler saw
 * @trap_cs:	likewise
 * @trap_ids:	likewise, whether the ID fields were true
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
	bool __shared quiet;
	bool __shared may_die;
	bool __shared trapping;
	int __shared traps;
	__u64 __shared trap_ip, trap_cs;
	bool __shared trap_ids;
	int __shared signals;
};

/* The case; a child of it has its own copy. */
static struct {
	__u64 seed;
	int threads;
	int only_thread;
	unsigned long mask;
	bool verbose;
	int depth;			/* of forks */
	int __shared barrier_registered;
	int nr_cpus, cpus[MAX_CPUS], nodes[MAX_CPUS];
	__u64 top;
	size_t page;
	struct report *report, *first;	/* of this process, of the case */
	/* A counter each 128 bytes, by CPU and by mm_cid. */
	unsigned long counters[2][MAX_CPUS * 16];
	unsigned long done[2];
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

static void death_begin(void)
{
	__atomic_add_fetch(&k.report->deaths_due, 1, __ATOMIC_SEQ_CST);
	me->may_die = true;
}

static void death_end(void)
{
	me->may_die = false;
	__atomic_sub_fetch(&k.report->deaths_due, 1, __ATOMIC_SEQ_CST);
}

static void count(unsigned long __shared *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static char *page(int nr)
{
	return me->mem + nr * k.page;
}

static bool is_extended(void)
{
	return me->len != RSEQ_ORIG_SIZE;
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
		t->trap_ids = !t->area || ids_true(t);
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
	if (t && t->may_die)
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
	if (t->quiet || !t->area)
		return;
	check(!t->area->rseq_cs, "rseq_cs is %llx in a signal handler",
	      (unsigned long long)t->area->rseq_cs);
	check(ids_true(t), "IDs %u %u %u %u in a signal handler on CPU %d",
	      t->area->cpu_id_start, t->area->cpu_id, t->area->node_id,
	      t->area->mm_cid, t->cpu);
}

/* The oracle. */

enum fate { NOTHING, CLEAR, ABORT, DIE };

static const char *const fates[] = { "nothing", "clear", "abort", "die" };

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
	if (fate == DIE) {
		count(&k.first->deaths);
		death_begin();
	}
	me->traps = 0;
	me->trapping = true;
	ret = rseq_trap(me->area ? &area->rseq_cs : &none.rseq_cs, descriptor,
			how);
	me->trapping = false;
	check(fate != DIE, "still there after a fatal event");
	if (fate == ABORT) {
		count(&k.first->aborts);
		check(ret == 1, "not aborted");
		check(!me->traps || me->trap_ip == abort_ip,
		      "handler saw ip %llx, not the abort address %llx",
		      (unsigned long long)me->trap_ip,
		      (unsigned long long)abort_ip);
	} else {
		count(&k.first->clears);
		check(!ret, "aborted, with fate %s", fates[fate]);
		check(me->traps == 1, "%d handlers ran", me->traps);
		check(me->trap_ip == ip, "handler saw ip %llx, not %llx",
		      (unsigned long long)me->trap_ip, (unsigned long long)ip);
	}
	if (!me->area)
		return;
	check(!me->traps || !me->trap_cs, "rseq_cs is %llx in the handler",
	      (unsigned long long)me->trap_cs);
	check(!me->traps || me->trap_ids, "wrong IDs in the handler");
	check(!area->rseq_cs, "rseq_cs is %llx after the event",
	      (unsigned long long)area->rseq_cs);
}

/* The steps. */

static void verify(void)
{
	if (!me->area)
		return;
	check(ids_true(me), "IDs %u %u %u %u on CPU %d, node %d",
	      me->area->cpu_id_start, me->area->cpu_id, me->area->node_id,
	      me->area->mm_cid, me->cpu, k.nodes[me->cpu]);
	/* With slices, these two are the kernel's. */
	if (is_extended() && rseq_feature_size() > RSEQ_SIZE_MM_CID)
		return;
	check(!me->area->flags, "flags changed to %x",
	      me->area->flags);
	check(me->area->slice_ctrl == 0x22222222, "padding changed to %x",
	      me->area->slice_ctrl);
}

static int expect_register(__u64 at, __u32 len, int flags, __u32 sig)
{
	__u64 align = len == RSEQ_ORIG_SIZE ? RSEQ_ORIG_SIZE : rseq_align();

	if (flags)
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
	me->quiet = true;
	if (!want) {
		memset(area, 0xa5, sizeof(*area));
		area->flags = 0;
		area->slice_ctrl = 0x22222222;
	}
	got = rseq(area, len, flags, sig);
	check(got == want, "register %llx len %u flags %x sig %x: %d, not %d",
	      (unsigned long long)at, len, flags, sig, got, want);
	if (!want) {
		me->area = area;
		me->len = len;
		me->sig = sig;
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
	if (chance(10))
		/* Bit 1 is known where there are slices. */
		flags = 1U << (2 + rnd(30));
	if (sizeof(long) == 4)
		at = (__u32)at;
	do_register(at, len, flags, sig);
}

static void step_register_well(void)
{
	if (!me->area)
		do_register(addr(page(PAGE_AREA)) + 128 * rnd(8),
			    chance(50) ? RSEQ_ORIG_SIZE : rseq_extended_size(),
			    0, chance(60) ? RSEQ_SIG : (__u32)rnd64());
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
	me->quiet = true;
	got = rseq((void *)(uintptr_t)at, len, flags, sig);
	check(got == want, "unregister: %d, not %d", got, want);
	if (!want) {
		me->area = NULL;
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
	verify();
}

static void step_yield(void)
{
	int i, n = 1 + rnd(4);

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

static void restore_data(void)
{
	size_t size = (PAGE_HOLE - PAGE_DATA) * k.page;

	check(!ftruncate(me->fd, size) &&
	      mmap(page(PAGE_DATA), size, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_SHARED | MAP_FIXED, me->fd, 0) != MAP_FAILED,
	      "set-up of memory: %m");
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
	me->quiet = true;
	count(&k.first->deaths);
	death_begin();
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
	death_end();
	me->quiet = false;
	verify();
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
	me->area->slice_ctrl = 0x22222222;
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
	me->quiet = true;
	if (!is_extended()) {
		*p = RSEQ_GARBAGE;
		me->quiet = false;
		trap(0, NOTHING, 0);
		verify();
		return;
	}
	if (k.nr_cpus < 2) {
		me->quiet = false;
		return;
	}
	count(&k.first->deaths);
	death_begin();
	*p = RSEQ_GARBAGE;
	for (i = 0; k.cpus[i] == me->cpu; i++)
		;
	move_to_cpu(0, k.cpus[i]);
	surprise("still there after an overwritten ID had to be written");
}

/* The sections of all threads add to shared counters. */
static void step_count(void)
{
	static struct rseq_cs cs;
	int which = rnd(2), i, n = 20 + rnd(200);
	size_t id = which ? offsetof(struct rseq_area, mm_cid) :
		    offsetof(struct rseq_area, cpu_id);

	if (!me->area || me->sig != RSEQ_SIG)
		return;
	say("counts %d times", n);
	set_section(&cs, addr(rseq_count_start), addr(rseq_count_end),
		    addr(rseq_count_abort));
	for (i = 0; i < n; i++)
		while (rseq_count(me->area, &cs, id, k.counters[which]))
			;
	__atomic_add_fetch(&k.done[which], n, __ATOMIC_RELAXED);
	/* The descriptor is the same for all and stays. */
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
	bool ok = !membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,
			      0, 0);

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
	o.tid = my_tid();
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
	me->area->rseq_cs = 0;
	check(!pthread_create(&thread, NULL, other_thread, &o),
	      "pthread_create: %m");
	if (fate == DIE) {
		count(&k.first->deaths);
		death_begin();
	}
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
	/* What is fatal stays so until the next event. */
	if (fate == DIE) {
		me->area->rseq_cs = 0;
		death_end();
	}
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
	after = k.barrier_registered;
	if (flags & ~MEMBARRIER_CMD_FLAG_CPU)
		want = -EINVAL;
	else if (!before && after)
		return;
	else if (!before)
		want = -EPERM;
	say("membarrier %x %d: %d", flags, cpu, want);
	check(got == want, "membarrier %x %d: %d, not %d", flags, cpu, got,
	      want);
}

/* The pages of the file, from a new one: a child must not spoil its parent's. */
static void map_data(void)
{
	me->fd = memfd_create("fuzz", MFD_CLOEXEC);
	check(me->fd >= 0, "memfd_create: %m");
	restore_data();
}

static void run_steps(unsigned int n);

/* Waits for a child whose end its own oracle has foreseen. */
static void reap(pid_t pid, struct report *r)
{
	int status;
	pid_t ret;

	do {
		ret = waitpid(pid, &status, 0);
	} while (ret < 0 && errno == EINTR);
	check(ret == pid, "waitpid: %m");
	if (WIFEXITED(status) && WEXITSTATUS(status) == SURPRISE)
		_exit(SURPRISE);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	if (r->deaths_due &&
	    ((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
	     (WIFEXITED(status) && WEXITSTATUS(status) == DIED)))
		return;
	surprise("a child ended with status %x", status);
}

/* In a child, which has one thread. */
static void become_child(struct report *r)
{
	k.report = r;
	k.depth++;
	k.uncounted = true;
	close(me->fd);
	map_data();
	alarm(HUNG_SECONDS);
}

static void step_fork(void)
{
	unsigned int n = rnd(4);
	struct report *r;
	pid_t pid;

	if (k.depth > 1)
		return;
	r = map_pages(1, true);
	say("forks");
	fflush(stdout);
	pid = fork();
	check(pid >= 0, "fork: %m");
	if (!pid) {
		become_child(r);
		verify();
		if (me->area)
			do_register(addr(me->area), me->len, 0, me->sig);
		run_steps(n);
		_exit(0);
	}
	reap(pid, r);
	munmap(r, k.page);
	verify();
}

static void step_exec(void)
{
	struct report *r;
	pid_t pid;

	say("execs");
	check(execl("/nonexistent", "x", NULL) && errno == ENOENT,
	      "execve of nothing: %m");
	verify();
	fflush(stdout);
	r = map_pages(1, true);
	pid = fork();
	check(pid >= 0, "fork: %m");
	if (!pid) {
		execl("/proc/self/exe", "fuzz", "--fresh", NULL);
		_exit(1);
	}
	reap(pid, r);
	munmap(r, k.page);
}

static void step_ptrace(void)
{
	struct { __u64 area; __u32 len, sig, flags, pad; } conf;
	struct report *r;
	int status;
	pid_t pid;
	long ret;

	say("is traced");
	fflush(stdout);
	r = map_pages(1, true);
	pid = fork();
	check(pid >= 0, "fork: %m");
	if (!pid) {
		become_child(r);
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	do {
		ret = waitpid(pid, &status, 0);
	} while (ret < 0 && errno == EINTR);
	check(ret == pid && WIFSTOPPED(status), "no stop: %x", status);
	memset(&conf, 0xff, sizeof(conf));
	ret = ptrace(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof(conf), &conf);
	check(ret == sizeof(conf) && conf.area == addr(me->area) &&
	      conf.len == (me->area ? me->len : 0) &&
	      conf.sig == (me->area ? me->sig : 0) && !conf.flags && !conf.pad,
	      "ptrace: %ld %llx %u %x", ret, (unsigned long long)conf.area,
	      conf.len, conf.sig);
	/* Without the stop signal, on to the end. */
	check(!ptrace(PTRACE_DETACH, pid, 0, 0), "PTRACE_DETACH: %m");
	reap(pid, r);
	munmap(r, k.page);
}

/* What a step is called, how often it is taken. */
static const struct step {
	const char *name;
	unsigned int weight;
	void (*take)(void);
} steps[] = {
	{ "register",		10,	step_register },
	{ "register_well",	25,	step_register_well },
	{ "unregister",		8,	step_unregister },
	{ "move",		10,	step_move },
	{ "yield",		4,	step_yield },
	{ "trap",		35,	step_trap },
	{ "trap_good",		20,	step_trap_good },
	{ "data_gone",		8,	step_data_gone },
	{ "area_gone",		3,	step_area_gone },
	{ "area_dropped",	4,	step_area_dropped },
	{ "overwrite",		6,	step_overwrite },
	{ "count",		10,	step_count },
	{ "other",		12,	step_other },
	{ "membarrier",		4,	step_membarrier },
	{ "fork",		5,	step_fork },
	{ "exec",		1,	step_exec },
	{ "ptrace",		3,	step_ptrace },
};

static void take_step(unsigned int nr)
{
	unsigned int i, total = 0, choice;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		total += steps[i].weight;
	choice = rnd(total);
	for (i = 0; choice >= steps[i].weight; i++)
		choice -= steps[i].weight;
	say("step %u: %s", nr, steps[i].name);
	count(&k.first->steps);
	steps[i].take();
}

static void run_steps(unsigned int n)
{
	__u64 rng = me->rng;
	unsigned int i;

	for (i = 0; i < n; i++) {
		/* By its number, so that others can be left out. */
		me->rng = mix(rng + i);
		if (!k.depth && !(k.mask >> i & 1))
			continue;
		take_step(i);
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
	unsigned long sum;
	int i, which;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &no_core);
	alarm(HUNG_SECONDS);
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
			sum += k.counters[which][16 * i];
		check(sum == k.done[which], "%lu of %lu commits are lost",
		      k.done[which] - sum, k.done[which]);
	}
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
	if (r->deaths_due &&
	    ((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
	     (WIFEXITED(status) && WEXITSTATUS(status) == DIED)))
		return true;
	r->thread = -1;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(r->text, sizeof(r->text), "hung");
	else
		snprintf(r->text, sizeof(r->text),
			 "the process ended with status %x", status);
	return false;
}

/* Does it happen again, in a few tries? */
static bool again(struct report *r)
{
	int i;

	for (i = 0; i < 20; i++)
		if (!play(r))
			return true;
	return false;
}

/* Prints a surprise, and the least that it takes to see it again. */
static void explain(struct report *r)
{
	unsigned long all = (1UL << MAX_STEPS) - 1;
	int thread = r->thread, i;

	printf("# seed %" PRIu64 ": thread %d: %s\n", (uint64_t)k.seed, thread,
	       r->text);
	k.mask = all;
	if (!again(r)) {
		printf("# it was not seen again: fuzz -r %" PRIu64 "\n",
		       (uint64_t)k.seed);
		return;
	}
	k.only_thread = thread;
	if (thread >= 0 && !again(r))
		k.only_thread = -1;
	for (i = 0; i < MAX_STEPS; i++) {
		k.mask &= ~(1UL << i);
		if (!again(r))
			k.mask |= 1UL << i;
	}
	printf("# replay: fuzz -v -r %" PRIu64, (uint64_t)k.seed);
	if (k.only_thread >= 0)
		printf(" -T %d", k.only_thread);
	printf(" -k %lx\n", k.mask);
	fflush(stdout);
	k.verbose = true;
	again(r);
	printf("# thread %d: %s\n", r->thread, r->text);
	fflush(stdout);
	k.verbose = false;
}

/* Seeds from @seed on, each @stride-th; until @end in ms, or @cases. */
static int hunt(__u64 seed, int stride, __u64 end, unsigned long cases,
		int out)
{
	struct report *r = map_pages(1, true);
	unsigned long sum[5] = { 0 };

	for (; sum[0] < cases && now_ms() < end; seed += stride) {
		k.seed = seed;
		k.only_thread = -1;
		k.mask = (1UL << MAX_STEPS) - 1;
		if (!play(r)) {
			explain(r);
			return 1;
		}
		sum[0]++;
		sum[1] += r->steps;
		sum[2] += r->aborts;
		sum[3] += r->clears;
		sum[4] += r->deaths;
	}
	return write(out, sum, sizeof(sum)) != sizeof(sum);
}

static int hunt_in_parallel(__u64 seed, int jobs, unsigned int seconds,
			    unsigned long cases)
{
	unsigned long sum[5], total[5] = { 0 };
	__u64 start = now_ms(), elapsed;
	int i, j, status, pipes[2], bad = 0;

	if (pipe(pipes))
		return 1;
	for (i = 0; i < jobs; i++) {
		fflush(stdout);
		if (!fork())
			_exit(hunt(seed + i, jobs, start + seconds * 1000ULL,
				   (cases - 1) / jobs + 1, pipes[1]));
	}
	close(pipes[1]);
	while (read(pipes[0], sum, sizeof(sum)) == sizeof(sum))
		for (j = 0; j < 5; j++)
			total[j] += sum[j];
	while (wait(&status) > 0)
		bad |= status;
	elapsed = now_ms() - start;
	printf("%lu cases in %" PRIu64 " s: %lu steps (%" PRIu64
	       " a second), %lu aborts, %lu clears, %lu times death\n",
	       total[0], (uint64_t)elapsed / 1000, total[1],
	       (uint64_t)(total[1] * 1000 / (elapsed + 1)), total[2], total[3],
	       total[4]);
	return bad != 0;
}

/* The seeds of a file, as TAP. */
static int corpus(const char *name)
{
	struct report *r = map_pages(1, true);
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
	printf("TAP version 13\n1..%d\n", n);
	for (i = 0; i < n; i++) {
		k.seed = seeds[i];
		k.only_thread = -1;
		k.mask = (1UL << MAX_STEPS) - 1;
		if (play(r)) {
			printf("ok %d seed %llu\n", i + 1, seeds[i]);
		} else {
			bad = 1;
			printf("not ok %d seed %llu: %s\n", i + 1, seeds[i],
			       r->text);
			explain(r);
		}
		fflush(stdout);
	}
	return bad;
}

/* A program that was just executed has no registration. */
static int fresh(void)
{
	static alignas(64) struct rseq_area area;

	return rseq_unregister(&area, RSEQ_ORIG_SIZE) != -EINVAL ||
	       rseq_register(&area, RSEQ_ORIG_SIZE);
}

int main(int argc, char **argv)
{
	unsigned long cases = -1UL;
	unsigned int seconds = 60;
	const char *file = NULL;
	__u64 seed = 1;
	int jobs, opt, i;
	bool one = false;

	if (argc == 2 && !strcmp(argv[1], "--fresh"))
		return fresh();
	k.only_thread = -1;
	k.mask = (1UL << MAX_STEPS) - 1;
	k.page = page_size();
	k.top = user_top();
	for (i = 0; i < MAX_CPUS && allowed_cpu(i) >= 0; i++) {
		k.cpus[i] = allowed_cpu(i);
		if (k.cpus[i] >= MAX_CPUS || move_to_cpu(0, k.cpus[i]))
			break;
		k.nodes[k.cpus[i]] = current_node();
	}
	k.nr_cpus = i;
	for (jobs = 2 * i; (opt = getopt(argc, argv, "j:n:t:s:c:r:T:k:v")) != -1;) {
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
	if (file)
		return corpus(file);
	if (one) {
		struct report *r = map_pages(1, true);

		k.seed = seed;
		if (play(r))
			return 0;
		printf("thread %d: %s\n", r->thread, r->text);
		return 1;
	}
	return hunt_in_parallel(seed, jobs, seconds, cases);
}
