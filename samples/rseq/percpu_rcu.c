// SPDX-License-Identifier: GPL-2.0
/*
 * Read-copy-update with counters for each CPU: to lock and to unlock for
 * reading is one increment each, without atomic instructions or barriers, and
 * threads need not be known to anybody.
 *
 * A reader counts itself in and out in one of two phases. It may be on another
 * CPU when it leaves, so only the sums mean something: as long as that of the
 * locks of a phase is not that of its unlocks, some reader is inside. A grace
 * period turns to the other phase, and waits until the old one is empty.
 *
 * What the readers do not pay for, the updater does: rseq_fence() is a memory
 * barrier on each CPU. Readers that have counted themselves in before it are
 * seen by the updater after it; the others see what the updater stored before.
 */
#include "sample.h"

#ifdef HAVE_LIBURCU
#define _LGPL_SOURCE			/* its inline functions */
#include <urcu/urcu-bp.h>
#include <urcu/urcu-mb.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>
#endif

static struct {
	long locks[2], unlocks[2];	/* by phase */
} RSEQ_ATTRIBUTE(aligned(64)) readers[CPU_SETSIZE];

static int current_phase;
static pthread_mutex_t updater = PTHREAD_MUTEX_INITIALIZER;

static inline void count_here(size_t offset)
{
	int cpu;

	do {
		cpu = rseq_cpu_start();
	} while (rseq_add((long *)((char *)&readers[cpu] + offset), 1, cpu) < 0);
}

/**
 * read_lock() - begin to read
 *
 * May be nested. Return: what read_unlock() wants to know.
 */
static inline int read_lock(void)
{
	int phase = LOAD(current_phase);

	count_here(phase * sizeof(long));
	return phase;
}

static inline void read_unlock(int phase)
{
	count_here((2 + phase) * sizeof(long));
}

static void fence(void)
{
	if (rseq_fence())
		errx(1, "the kernel has no membarrier() for rseq (before 5.10)");
}

/*
 * Unlocks are summed up first: a reader whose unlock is in the sum has its lock
 * in the other one.
 */
static bool is_empty(int phase)
{
	long unlocks = 0, locks = 0;
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		unlocks += LOAD(readers[cpu].unlocks[phase]);
	fence();
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		locks += LOAD(readers[cpu].locks[phase]);
	return locks == unlocks;
}

/**
 * synchronize() - wait until all who are reading have ended
 *
 * A reader may have looked at the phase long ago and count itself in only now.
 * So the phase that is turned to may have one of those, who must be gone first:
 * else new readers could keep it from ever becoming empty.
 */
static void synchronize(void)
{
	int phase;

	pthread_mutex_lock(&updater);
	fence();
	phase = current_phase;
	while (!is_empty(!phase))
		sched_yield();
	STORE(current_phase, !phase);
	fence();
	while (!is_empty(phase))
		sched_yield();
	fence();
	pthread_mutex_unlock(&updater);
}

/* ---- A trial: nobody who reads sees what has been thrown away ---- */

#define OBJECTS		64
#define ALIVE		0x600d
#define GONE		0xbad

static struct object {
	unsigned long state, copy;
} RSEQ_ATTRIBUTE(aligned(64)) object[OBJECTS], *current = object;

static unsigned long reads, wrong, grace_periods;

static void check(const struct object *o)
{
	if (LOAD(o->state) != ALIVE || LOAD(o->copy) != ALIVE)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static void read_objects(int nr)
{
	unsigned int seed = nr;
	unsigned long n;
	int phase, inner;

	for (n = 0; !stopped(); n++) {
		const struct object *o;

		phase = read_lock();
		o = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
		check(o);
		/* Some stay for long, some read within. */
		if (!(n % 64)) {
			inner = read_lock();
			check(__atomic_load_n(&current, __ATOMIC_ACQUIRE));
			if (rand_r(&seed) & 1)
				sched_yield();
			read_unlock(inner);
		}
		check(o);
		read_unlock(phase);
	}
	__atomic_fetch_add(&reads, n, __ATOMIC_RELAXED);
}

static void update(void)
{
	struct object *old = current;
	struct object *new = &object[++grace_periods % OBJECTS];

	new->state = ALIVE;
	new->copy = ALIVE;
	__atomic_store_n(&current, new, __ATOMIC_RELEASE);
	synchronize();
	STORE(old->state, GONE);
	STORE(old->copy, GONE);
}

static int try_it(void)
{
	current->state = ALIVE;
	current->copy = ALIVE;
	run_threads(read_objects, update);
	printf("%d threads, moved %lu times, read %lu times through %lu grace periods\n",
	       option.threads, moves, reads, grace_periods);
	if (wrong)
		errx(1, "FAILED: %lu times something was read that was gone",
		     wrong);
	puts("OK: nothing was read that was gone");
	return 0;
}

/* ---- Benchmark: lock, dereference, unlock ---- */

static void time_rseq(unsigned long n)
{
	int phase;

	while (n--) {
		phase = read_lock();
		keep(LOAD(current)->state);
		read_unlock(phase);
	}
}

static inline void count_atomic(long *word)
{
	__atomic_fetch_add(word, 1, __ATOMIC_RELAXED);
}

static inline void time_atomic(unsigned long n, int (*getcpu)(void))
{
	int phase;

	while (n--) {
		phase = LOAD(current_phase);
		count_atomic(&readers[getcpu()].locks[phase]);
		keep(LOAD(current)->state);
		count_atomic(&readers[getcpu()].unlocks[phase]);
	}
}

static void time_vdso(unsigned long n)
{
	time_atomic(n, getcpu_by_vdso);
}

static void time_glibc(unsigned long n)
{
	time_atomic(n, sched_getcpu);
}

#ifdef HAVE_LIBURCU

#define TIMED_LIBURCU(flavour, after)					\
static void time_##flavour(unsigned long n)				\
{									\
	while (n--) {							\
		urcu_##flavour##_read_lock();				\
		keep(rcu_dereference(current)->state);			\
		urcu_##flavour##_read_unlock();				\
		after;							\
	}								\
}

TIMED_LIBURCU(memb, (void)0)
TIMED_LIBURCU(mb, (void)0)
TIMED_LIBURCU(bp, (void)0)
/* Says now and then that it is not reading. */
TIMED_LIBURCU(qsbr, n % 1024 ? (void)0 : urcu_qsbr_quiescent_state())

static void register_liburcu(void)
{
	urcu_memb_register_thread();
	urcu_mb_register_thread();
	urcu_bp_register_thread();
	urcu_qsbr_register_thread();
}

#else

#define time_memb	NULL
#define time_mb		NULL
#define time_bp		NULL
#define time_qsbr	NULL

static void register_liburcu(void)
{
	warnx("built without liburcu, so there is nothing to compare with");
}

#endif

int main(int argc, char **argv)
{
	struct variant variant[] = {
		{ "vDSO getcpu, atomic add", NULL },
		{ "glibc getcpu, atomic add", time_glibc },
		{ "liburcu memb", time_memb },
		{ "liburcu mb", time_mb },
		{ "liburcu bp", time_bp },
		{ "liburcu qsbr", time_qsbr },
		{ "rseq", time_rseq },
	};

	begin(argc, argv, "reads and updates, while the threads are moved about",
	      "t:s:bh");
	if (!option.benchmark)
		return try_it();
	register_liburcu();
	if (find_vdso_getcpu())
		variant[0].run = time_vdso;
	benchmark("RCU read side", variant, 7);
	return 0;
}
