// SPDX-License-Identifier: GPL-2.0
/*
 * An allocator of objects of one size, with a free list for each CPU.
 *
 * An object belongs to the CPU whose part of the memory it lies in, its home.
 * A thread on that CPU allocates and frees by a restartable sequence on the
 * CPU's own list. A thread elsewhere frees to a second list of the home, by
 * compare and exchange; the home takes all of that over when its own list has
 * run out. When a CPU goes offline, its lists are drained to a shared pool:
 * that closes the own list, and fences, so that whatever was being done to it
 * has been done, or will find it closed.
 */
#include "sample.h"

#define OBJECTS		1024		/* of each CPU */
#define OBJECT_SIZE	64

union object {
	union object *next;
	char bytes[OBJECT_SIZE];
};

struct cache {
	union object *own;		/* touched by threads on this CPU only */
	long closed;			/* then by whoever closed it */
	union object *remote RSEQ_ATTRIBUTE(aligned(64));
} RSEQ_ATTRIBUTE(aligned(64));

static struct cache cache[CPU_SETSIZE];
static union object *memory;		/* OBJECTS for each CPU, in order */
static int cpus;

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static union object *pool;		/* what was drained */

/* ---- The two critical sections: rseq_pop() and rseq_push(), and a flag ---- */

/*
 *	if (cpu_id != cpu)
 *		return RSEQ_MOVED;
 *	if (closed || !own)
 *		return RSEQ_UNEQUAL;
 *	*object = own;
 *	own = own->next;			commit
 */
static inline enum rseq_result
cache_pop(struct cache *c, union object **object, int cpu)
{
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_ASM_CHECK_CPU(moved)
		"cmp" RSEQ_ASM_L "	$0, %[closed]\n\t"
		"jne	%l[unequal]\n\t"
		"mov" RSEQ_ASM_L "	%[own], %%" RSEQ_ASM_TMP "\n\t"
		"test" RSEQ_ASM_L "	%%" RSEQ_ASM_TMP ", %%"
						RSEQ_ASM_TMP "\n\t"
		"je	%l[unequal]\n\t"
		"mov" RSEQ_ASM_L "	%%" RSEQ_ASM_TMP ", %[object]\n\t"
		"mov" RSEQ_ASM_L "	(%%" RSEQ_ASM_TMP "), %%"
						RSEQ_ASM_TMP "\n\t"
		"mov" RSEQ_ASM_L "	%%" RSEQ_ASM_TMP ", %[own]\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS, RSEQ_ASM_INPUT_CPU(cpu),
		  [own] "m" (c->own), [closed] "m" (c->closed),
		  [object] "m" (*object)
		: RSEQ_ASM_CLOBBERS
		: moved, unequal, aborted);
	return RSEQ_DONE;
moved:
	return rseq_other_cpu();
unequal:
	return RSEQ_UNEQUAL;
aborted:
	return RSEQ_ABORTED;
}

/*
 *	if (cpu_id != cpu)
 *		return RSEQ_MOVED;
 *	if (closed)
 *		return RSEQ_UNEQUAL;
 *	object->next = own;
 *	own = object;				commit
 */
static inline enum rseq_result
cache_push(struct cache *c, union object *object, int cpu)
{
	__asm__ __volatile__ goto(RSEQ_ASM_BEGIN
		RSEQ_ASM_CHECK_CPU(moved)
		"cmp" RSEQ_ASM_L "	$0, %[closed]\n\t"
		"jne	%l[unequal]\n\t"
		"mov" RSEQ_ASM_L "	%[own], %%" RSEQ_ASM_TMP "\n\t"
		"mov" RSEQ_ASM_L "	%%" RSEQ_ASM_TMP ", (%[object])\n\t"
		"mov" RSEQ_ASM_L "	%[object], %[own]\n"
		RSEQ_ASM_END(aborted)
		:
		: RSEQ_ASM_INPUTS, RSEQ_ASM_INPUT_CPU(cpu),
		  [own] "m" (c->own), [closed] "m" (c->closed),
		  [object] "r" (object)
		: RSEQ_ASM_CLOBBERS
		: moved, unequal, aborted);
	return RSEQ_DONE;
moved:
	return rseq_other_cpu();
unequal:
	return RSEQ_UNEQUAL;
aborted:
	return RSEQ_ABORTED;
}

/* ---- The allocator ---- */

static inline int home_of(const union object *object)
{
	return (object - memory) / OBJECTS;
}

static void push_remote(struct cache *c, union object *object)
{
	object->next = LOAD(c->remote);
	while (!__atomic_compare_exchange_n(&c->remote, &object->next, object,
					    true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
}

/* Whole, so there is no ABA problem. */
static union object *take_remote(struct cache *c)
{
	return __atomic_exchange_n(&c->remote, NULL, __ATOMIC_ACQUIRE);
}

static void pool_add(union object *list)
{
	union object *next;

	for (; list; list = next) {
		next = list->next;
		list->next = pool;
		pool = list;
	}
}

/**
 * drain() - move all that a CPU has to the pool
 * @cpu: the CPU, online or not
 */
static void drain(int cpu)
{
	struct cache *c = &cache[cpu];

	pthread_mutex_lock(&pool_lock);
	__atomic_store_n(&c->closed, 1, __ATOMIC_RELEASE);
	if (rseq_fence_cpu(cpu))
		errx(1, "the kernel has no membarrier() for rseq (before 5.10)");
	pool_add(c->own);
	c->own = NULL;
	__atomic_store_n(&c->closed, 0, __ATOMIC_RELEASE);
	pool_add(take_remote(c));
	pthread_mutex_unlock(&pool_lock);
}

static void object_free(union object *object)
{
	int home = home_of(object), cpu;

	do {
		cpu = rseq_cpu_start();
		if (cpu != home)
			break;
		switch (cache_push(&cache[cpu], object, cpu)) {
		case RSEQ_DONE:
			return;
		case RSEQ_ABORTED:
		case RSEQ_MOVED:
			continue;
		default:
			home = -1;
		}
	} while (home >= 0);
	push_remote(&cache[home_of(object)], object);
}

static union object *pool_pop(void)
{
	union object *object;

	pthread_mutex_lock(&pool_lock);
	object = pool;
	if (object)
		pool = object->next;
	pthread_mutex_unlock(&pool_lock);
	return object;
}

/* The own list has run out: there are others. */
RSEQ_ATTRIBUTE(noinline)
static union object *object_alloc_slow(int cpu)
{
	union object *object = take_remote(&cache[cpu]), *rest, *next;

	if (!object)
		return pool_pop();
	for (rest = object->next; rest; rest = next) {
		next = rest->next;
		object_free(rest);
	}
	return object;
}

/* Return: an object; NULL if neither this CPU nor the pool has one. */
static union object *object_alloc(void)
{
	union object *object;
	int cpu;

	for (;;) {
		cpu = rseq_cpu_start();
		switch (cache_pop(&cache[cpu], &object, cpu)) {
		case RSEQ_DONE:
			return object;
		case RSEQ_ABORTED:
		case RSEQ_MOVED:
			continue;
		default:
			return object_alloc_slow(cpu);
		}
	}
}

static void create(void)
{
	int i;

	cpus = sysconf(_SC_NPROCESSORS_CONF);
	if (cpus > CPU_SETSIZE)
		errx(1, "%d CPUs are more than this sample is made for", cpus);
	memory = calloc((size_t)cpus * OBJECTS, sizeof(*memory));
	if (!memory)
		err(1, "calloc");
	for (i = 0; i < cpus * OBJECTS; i++)
		push_remote(&cache[home_of(&memory[i])], &memory[i]);
}

/* ---- A trial ---- */

#define HELD		16		/* by each thread */
#define EXCHANGED	64		/* for threads to take from each other */

static unsigned char *in_use;		/* by number of object */
static union object *exchanged[EXCHANGED];
static unsigned long allocated, failed, drains, cycles, bad;

static void mark(const union object *object, unsigned char now)
{
	if (__atomic_exchange_n(&in_use[object - memory], now,
				__ATOMIC_RELAXED) == now)
		__atomic_fetch_add(&bad, 1, __ATOMIC_RELAXED);
}

static void release(union object *object)
{
	if (object) {
		mark(object, 0);
		object_free(object);
	}
}

static void use(int nr)
{
	union object *held[HELD] = { NULL };
	unsigned long n = 0, none = 0;
	unsigned int seed = nr;
	int i, how;

	for (; !stopped(); n++) {
		how = rand_r(&seed);
		i = how % HELD;
		release(held[i]);
		held[i] = object_alloc();
		if (!held[i]) {
			none++;
			continue;
		}
		mark(held[i], 1);
		memset(held[i], nr, sizeof(*held[i]));
		/* Some are freed by another thread, on another CPU. */
		if (how & 0x1000)
			held[i] = __atomic_exchange_n(&exchanged[(how >> 16) % EXCHANGED],
						      held[i],
						      __ATOMIC_ACQ_REL);
	}
	for (i = 0; i < HELD; i++)
		release(held[i]);
	__atomic_fetch_add(&allocated, n - none, __ATOMIC_RELAXED);
	__atomic_fetch_add(&failed, none, __ATOMIC_RELAXED);
}

/* Return: whether it worked; not every CPU can go. */
static bool set_online(int cpu, int online)
{
	char name[64];
	bool done;
	FILE *f;

	snprintf(name, sizeof(name), "/sys/devices/system/cpu/cpu%d/online",
		 cpu);
	f = fopen(name, "w");
	if (!f)
		return false;
	done = fprintf(f, "%d\n", online) > 0;
	return !fclose(f) && done;
}

/* Drain some CPU, offline in the meantime if it can be. */
static void meddle(void)
{
	static unsigned int seed = 7;
	int cpu = rand_r(&seed) % cpus;
	bool offline;

	if (rand_r(&seed) % 64)
		return;
	offline = option.hotplug && set_online(cpu, 0);
	cycles += offline;
	drain(cpu);
	drains++;
	if (offline && !set_online(cpu, 1))
		errx(1, "CPU %d does not come online again", cpu);
}

static int try_it(void)
{
	int i, n = 0;

	in_use = calloc(cpus, OBJECTS);
	if (!in_use)
		err(1, "calloc");
	run_threads(use, meddle);
	for (i = 0; i < EXCHANGED; i++)
		release(exchanged[i]);
	for (i = 0; i < cpus; i++)
		drain(i);
	/* All must be in the pool now, once. */
	for (; pool && n <= cpus * OBJECTS; pool = pool->next, n++)
		mark(pool, 1);
	printf("%d threads, moved %lu times, allocated and freed %lu objects,\n",
	       option.threads, moves, allocated);
	printf("and got none %lu times; %lu drains", failed, drains);
	if (option.hotplug)
		printf(", %lu of CPUs that went offline", cycles);
	putchar('\n');
	if (bad || n != cpus * OBJECTS)
		errx(1, "FAILED: %d of %d objects are left, %lu were had twice",
		     n, cpus * OBJECTS, bad);
	if (option.hotplug && !cycles)
		errx(1,
		     "FAILED: no CPU went offline (root can, if /sys/devices/system/cpu/cpu*/online is there)");
	puts("OK: no object was lost, or had twice");
	return 0;
}

/* ---- Benchmark ---- */

static void time_rseq(unsigned long n)
{
	while (n--)
		object_free(object_alloc());
}

/* Without: the CPU's list needs a lock. */
static union object *locked_list[CPU_SETSIZE][8];
static int list_lock[CPU_SETSIZE][16];

static inline void lock_list(int cpu)
{
	while (__atomic_exchange_n(&list_lock[cpu][0], 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static inline void unlock_list(int cpu)
{
	__atomic_store_n(&list_lock[cpu][0], 0, __ATOMIC_RELEASE);
}

static inline void time_locked(unsigned long n, int (*getcpu)(void))
{
	static union object spare[CPU_SETSIZE];
	union object *object;
	int cpu;

	while (n--) {
		cpu = getcpu();
		lock_list(cpu);
		object = locked_list[cpu][0];
		if (object)
			locked_list[cpu][0] = object->next;
		else
			object = &spare[cpu];
		unlock_list(cpu);

		cpu = getcpu();
		lock_list(cpu);
		object->next = locked_list[cpu][0];
		locked_list[cpu][0] = object;
		unlock_list(cpu);
	}
}

static void time_vdso(unsigned long n)
{
	time_locked(n, getcpu_by_vdso);
}

static void time_glibc(unsigned long n)
{
	time_locked(n, sched_getcpu);
}

static void time_malloc(unsigned long n)
{
	void *object;

	while (n--) {
		object = malloc(OBJECT_SIZE);
		keep((unsigned long)object);
		free(object);
	}
}

int main(int argc, char **argv)
{
	struct variant variant[] = {
		{ "vDSO getcpu, lock of the CPU", NULL },
		{ "glibc getcpu, lock of the CPU", time_glibc },
		{ "glibc malloc, cache of the thread", time_malloc },
		{ "rseq", time_rseq },
	};

	begin(argc, argv,
	      "allocates and frees, while threads are moved and CPUs are drained",
	      "t:s:boh");
	create();
	if (!option.benchmark)
		return try_it();
	if (find_vdso_getcpu())
		variant[0].run = time_vdso;
	benchmark("allocate and free", variant, 4);
	return 0;
}
