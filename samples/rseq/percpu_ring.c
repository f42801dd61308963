// SPDX-License-Identifier: GPL-2.0
/*
 * A trace ring for each CPU: threads write records into that of the CPU they
 * are on, and another thread reads them out while they do.
 *
 * To write is to reserve, to copy and to commit: a record counts as soon as
 * @head is behind it, so all three are one restartable sequence that ends in
 * the store to @head. Nobody else can have reserved meanwhile, and a record is
 * never seen half written. When the ring is full the record is dropped; the
 * writer never waits for the reader.
 */
#include "sample.h"

#define RING_SIZE	65536UL	/* bytes; a power of two */

/* What each record begins with. */
struct header {
	unsigned int size;		/* of the record with its header */
	unsigned int type;
};

#define TYPE_PAD	0		/* up to the end of the ring: nothing */

/* Positions only grow, as long as a long lasts. */
struct ring {
	long head;			/* written by threads on this CPU */
	/* By the reader. */
	RSEQ_ATTRIBUTE(aligned(64)) long tail;
	char *data;
};

static struct ring ring[CPU_SETSIZE];

/**
 * ring_write() - write a record to the ring of this CPU
 * @record: begins with its header; size a multiple of 8, and far below
 *	    RING_SIZE
 *
 * In a signal handler too. Return: false if it had to be dropped.
 */
static inline bool ring_write(const struct header *record)
{
	enum rseq_result result;
	unsigned long head, tail, rest;
	struct header *pad;
	struct ring *r;
	int cpu;

	for (;;) {
		cpu = rseq_cpu_start();
		r = &ring[cpu];
		head = LOAD(r->head);
		tail = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
		/* That may be ahead, if others have written since. */
		if ((long)(tail - head) > 0)
			continue;
		rest = RING_SIZE - head % RING_SIZE;
		if (head + record->size - tail > RING_SIZE)
			return false;
		if (rest >= record->size) {
			result = rseq_copy_and_commit(&r->head, head,
						      r->data + head % RING_SIZE,
						      record, record->size,
						      head + record->size, cpu);
			if (result == RSEQ_DONE)
				return true;
		} else {
			/* No record goes around the end: skip what is left. */
			const struct header skip = { rest, TYPE_PAD };

			if (head + rest - tail > RING_SIZE)
				return false;
			pad = (struct header *)(r->data + head % RING_SIZE);
			result = rseq_copy_and_commit(&r->head, head, pad, &skip,
						      sizeof(skip), head + rest,
						      cpu);
		}
		if (result == RSEQ_NOT_REGISTERED)
			return false;
	}
}

/**
 * ring_read() - take all that is in the ring of a CPU
 * @cpu: the CPU
 * @take: called with each record, which is gone when it returns
 *
 * By one thread at a time, on any CPU.
 */
static void ring_read(int cpu, void (*take)(const struct header *record))
{
	struct ring *r = &ring[cpu];
	unsigned long head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
	unsigned long tail = r->tail;
	const struct header *record;

	while (tail != head) {
		record = (const struct header *)(r->data + tail % RING_SIZE);
		if (record->type != TYPE_PAD)
			take(record);
		tail += record->size;
		__atomic_store_n(&r->tail, tail, __ATOMIC_RELEASE);
	}
}

/* ---- A trial ---- */

#define TYPE_EVENT	1
#define WORDS_MAX	12

struct event {
	struct header header;
	unsigned long thread;
	unsigned long number;		/* the thread's */
	unsigned long word[WORDS_MAX];
};

static unsigned long written[MAX_THREADS], dropped[MAX_THREADS];
static unsigned long taken[MAX_THREADS], torn;
static unsigned char *seen[MAX_THREADS];	/* a bit for each number */

#define SEEN_MAX	16777216UL

static unsigned long word_of(const struct event *e, int i)
{
	return (e->number * 2654435761UL) ^ (e->thread << 8) ^ i;
}

static void take_event(const struct header *record)
{
	const struct event *e = (const struct event *)record;
	int i, words;

	words = (record->size - offsetof(struct event, word)) / sizeof(long);
	if (record->type != TYPE_EVENT || e->thread >= MAX_THREADS ||
	    e->number >= SEEN_MAX || words < 0 || words > WORDS_MAX) {
		torn++;
		return;
	}
	for (i = 0; i < words; i++) {
		if (e->word[i] != word_of(e, i)) {
			torn++;
			return;
		}
	}
	/* Twice the same is as bad. */
	if (seen[e->thread][e->number / 8] & (1 << e->number % 8))
		torn++;
	seen[e->thread][e->number / 8] |= 1 << e->number % 8;
	taken[e->thread]++;
}

static void write_events(int nr)
{
	struct event e;
	int i, words;

	memset(&e, 0, sizeof(e));
	e.thread = nr;
	while (!stopped() && e.number < SEEN_MAX) {
		words = e.number % WORDS_MAX & ~1;
		e.header.size = offsetof(struct event, word) +
				words * sizeof(long);
		e.header.size = (e.header.size + 7) & ~7U;
		e.header.type = TYPE_EVENT;
		for (i = 0; i < words; i++)
			e.word[i] = word_of(&e, i);
		if (ring_write(&e.header)) {
			written[nr]++;
		} else {
			dropped[nr]++;
			/* Let the reader catch up. */
			sched_yield();
		}
		e.number++;
	}
}

static void read_all(void)
{
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (ring[cpu].data)
			ring_read(cpu, take_event);
}

static int try_it(void)
{
	unsigned long all = 0, lost = 0, drops = 0;
	int i;

	for (i = 0; i < option.threads; i++) {
		seen[i] = calloc(SEEN_MAX / 8, 1);
		if (!seen[i])
			err(1, "calloc");
	}
	run_threads(write_events, read_all);
	read_all();
	for (i = 0; i < option.threads; i++) {
		all += taken[i];
		lost += written[i] - taken[i];
		drops += dropped[i];
	}
	printf("%d threads, moved %lu times, wrote records; %lu read, %lu dropped\n",
	       option.threads, moves, all, drops);
	if (torn || lost || !all)
		errx(1, "FAILED: %lu records torn, %ld lost", torn, lost);
	puts("OK: each one was read once, and whole");
	return 0;
}

/* ---- Benchmark: an event of four words; the reader keeps up ---- */

#define TIMED_WORDS	4
#define BATCH		256

static void fill(struct event *e)
{
	int i;

	e->header.size = offsetof(struct event, word) +
			 TIMED_WORDS * sizeof(long);
	e->header.type = TYPE_EVENT;
	e->thread = 0;
	e->number++;
	for (i = 0; i < TIMED_WORDS; i++)
		e->word[i] = e->number;
}

static void discard(void)
{
	int i;

	for (i = 0; i < allowed_cpus; i++)
		STORE(ring[allowed_cpu[i]].tail,
		      LOAD(ring[allowed_cpu[i]].head));
}

static void time_rseq(unsigned long n)
{
	struct event e = { .number = 0 };

	while (n--) {
		fill(&e);
		ring_write(&e.header);
		if (n % BATCH == 0)
			discard();
	}
}

/*
 * Without: others may reserve meanwhile, so reserving is a compare and
 * exchange; and the reader needs a second word, which says how much of what
 * was reserved has been written.
 */
static long committed[CPU_SETSIZE][8];

static inline void write_atomic(int cpu, const struct event *e)
{
	struct ring *r = &ring[cpu];
	long head, next;

	do {
		head = LOAD(r->head);
		next = head + e->header.size;
		/* No record goes around the end. */
		if ((unsigned long)head % RING_SIZE + e->header.size > RING_SIZE)
			next += RING_SIZE - (unsigned long)head % RING_SIZE;
		if ((unsigned long)next - LOAD(r->tail) > RING_SIZE)
			return;
	} while (!__atomic_compare_exchange_n(&r->head, &head, next, false,
					      __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	memcpy(r->data + (next - e->header.size) % RING_SIZE, e,
	       e->header.size);
	__atomic_fetch_add(&committed[cpu][0], next - head, __ATOMIC_RELEASE);
}

static void time_vdso(unsigned long n)
{
	struct event e = { .number = 0 };

	while (n--) {
		fill(&e);
		write_atomic(getcpu_by_vdso(), &e);
		if (n % BATCH == 0)
			discard();
	}
}

static void time_glibc(unsigned long n)
{
	struct event e = { .number = 0 };

	while (n--) {
		fill(&e);
		write_atomic(sched_getcpu(), &e);
		if (n % BATCH == 0)
			discard();
	}
}

int main(int argc, char **argv)
{
	struct variant variant[] = {
		{ "vDSO getcpu, atomic reserve and commit", NULL },
		{ "glibc getcpu, atomic reserve and commit", time_glibc },
		{ "rseq", time_rseq },
	};
	int cpu;

	begin(argc, argv, "writes and reads, while the threads are moved about",
	      "t:s:bh");
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (cpu >= sysconf(_SC_NPROCESSORS_CONF))
			break;
		ring[cpu].data = malloc(RING_SIZE);
		if (!ring[cpu].data)
			err(1, "malloc");
	}
	if (!option.benchmark)
		return try_it();
	if (find_vdso_getcpu())
		variant[0].run = time_vdso;
	benchmark("tracer event", variant, 3);
	return 0;
}
