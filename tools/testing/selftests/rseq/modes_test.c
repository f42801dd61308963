// SPDX-License-Identifier: GPL-2.0
/*
 * What an original registration is still good for: a memory allocator stores
 * the address of its per-CPU data in the eight bytes that end in cpu_id_start,
 * with the highest bit set, and takes a cleared bit for the news that it may
 * have to look again. So the kernel must overwrite cpu_id_start whenever the
 * thread may no longer be alone on its CPU, whether the number changed or not.
 */
#include "../kselftest_harness.h"
#include <linux/membarrier.h>
#include "rseq_cached.h"

/* What happens to a thread that has cached the address of its slab. */
enum cause {
	BY_SIGNAL, BY_PREEMPTION, BY_MIGRATION, BY_MEMBARRIER, BY_SLEEP,
	BY_NOTHING,
};

FIXTURE(cached) {
	struct stage *st;
};

FIXTURE_VARIANT(cached) {
	enum cause cause;
};

FIXTURE_VARIANT_ADD(cached, signal) {
	.cause = BY_SIGNAL,
};

FIXTURE_VARIANT_ADD(cached, preemption) {
	.cause = BY_PREEMPTION,
};

FIXTURE_VARIANT_ADD(cached, migration) {
	.cause = BY_MIGRATION,
};

FIXTURE_VARIANT_ADD(cached, membarrier) {
	.cause = BY_MEMBARRIER,
};

FIXTURE_VARIANT_ADD(cached, sleep) {
	.cause = BY_SLEEP,
};

FIXTURE_VARIANT_ADD(cached, nothing) {
	.cause = BY_NOTHING,
};

static struct {
	enum cause cause;

	bool __shared caused;
	__u32 __shared after;	/* cpu_id_start, when it was over */
	long __shared switches;
} *job;

FIXTURE_SETUP(cached)
{
	self->st = map_pages(1, true);
	job = map_pages(1, true);
	job->cause = variant->cause;
	if (!stage_init(self->st, false))
		SKIP(return, "two CPUs are needed");
}

FIXTURE_TEARDOWN(cached)
{
}

static int register_membarrier(struct subject *s)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0);
}

/* In the second thread of the subject. */
static void cause_it(struct subject *s)
{
	enum event events[] = {
		[BY_SIGNAL] = EVENT_SIGNAL,
		[BY_PREEMPTION] = EVENT_PREEMPTION,
		[BY_MIGRATION] = EVENT_MIGRATION,
	};
	int cmd = MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ;

	s->pid = getpid();
	switch (job->cause) {
	case BY_NOTHING:
		job->caused = true;
		break;
	case BY_MEMBARRIER:
		job->caused = !membarrier(cmd, 0, 0);
		break;
	default:
		job->caused = provoke(s, events[job->cause]);
		if (job->cause == BY_SIGNAL)
			wait_for(s->handled);
	}
}

/*
 * Stores over cpu_id_start, and gives the CPU up of its own accord. Not for the
 * first time: after the registration the kernel has to write in any case.
 */
static int cache_and_sleep(struct subject *s)
{
	struct timespec ms = { .tv_nsec = 1000000 };
	struct rusage before, after;

	nanosleep(&ms, NULL);
	getrusage(RUSAGE_THREAD, &before);
	s->area->cpu_id_start |= CACHED;
	nanosleep(&ms, NULL);
	job->after = s->area->cpu_id_start;
	getrusage(RUSAGE_THREAD, &after);
	job->caused = after.ru_nvcsw > before.ru_nvcsw;
	job->switches = after.ru_nivcsw - before.ru_nivcsw;
	return job->after & CACHED ? RELEASED : ABORTED;
}

/* Stores over cpu_id_start, and stays out of the kernel until it is over. */
static int cache_and_wait(struct subject *s)
{
	struct stage *st = (struct stage *)s;

	job->switches = thread_switches();
	s->area->cpu_id_start |= CACHED;
	/* Starts the second thread. */
	s->area->rseq_cs = addr(&st->cs);
	while (!s->companion_done)
		;
	job->after = s->area->cpu_id_start;
	job->switches = thread_switches() - job->switches;
	return job->after & CACHED ? RELEASED : ABORTED;
}

TEST_F(cached, cpu_id_start)
{
	struct subject *s = &self->st->s;
	enum outcome outcome;
	int tries = 0;

	s->prepare = register_membarrier;
	s->companion = cause_it;
	s->body = cache_and_wait;
	if (variant->cause == BY_SLEEP) {
		s->companion = NULL;
		s->body = cache_and_sleep;
	}
	/* A preemption that nobody ordered must not be taken for the cause. */
	do {
		subject_start(s);
		outcome = subject_end(s);
	} while (job->cause >= BY_MEMBARRIER && job->switches && ++tries < 20);
	EXPECT_TRUE(job->caused);
	if (variant->cause == BY_NOTHING) {
		EXPECT_EQ(RELEASED, outcome);
		return;
	}
	EXPECT_EQ(ABORTED, outcome);
	EXPECT_EQ((__u32)(variant->cause == BY_MIGRATION ? s->other : s->cpu),
		  job->after);
	if (variant->cause == BY_SIGNAL)
		EXPECT_TRUE(s->handler_ids_true);
}

/* All of it together: counters in slabs that are replaced now and then. */
struct slab {
	alignas(128) unsigned long __shared count;
};

#define MAX_THREADS 16
#define MAX_REPLACED 64
#define STORM_MS 1500
#define STORM_MORE_MS 20000

struct worker {
	struct storm *storm;
	pthread_t thread;
	unsigned long committed;

	int __shared tid;	/* -1: failed */
	unsigned long __shared aborted, cached;

	struct cached_area cached_area;
};

struct storm {
	struct rseq_cs cache, add;

	char *__shared slabs;
	bool __shared stop;
	struct worker workers[MAX_THREADS];
};

static void do_nothing(int sig)
{
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct storm *storm = w->storm;
	struct rseq_area *area = &w->cached_area.area;

	if (rseq_register(area, RSEQ_ORIG_SIZE)) {
		w->tid = -1;
		return NULL;
	}
	w->tid = my_tid();
	while (!storm->stop) {
		switch (rseq_add_cached(area, &storm->add)) {
		case 0:
			w->committed++;
			break;
		case 1:
			w->aborted++;
			break;
		default:
			if (!rseq_cache(area, &storm->cache, &storm->slabs))
				w->cached++;
		}
	}
	rseq_unregister(area, RSEQ_ORIG_SIZE);
	return NULL;
}

static unsigned long sum(const char *slabs)
{
	const struct slab *slab = (const struct slab *)slabs;
	unsigned long sum = 0;
	int i;

	for (i = 0; i < CPU_SETSIZE; i++)
		sum += slab[i].count;
	return sum;
}

/*
 * Nothing is lost, so no two threads added to the same slab at once; and once
 * membarrier() has returned, nobody adds to the slabs that were replaced.
 */
TEST(slabs_of_an_allocator)
{
	size_t size = CPU_SETSIZE * sizeof(struct slab) / page_size() + 1;
	struct storm *storm = map_pages(sizeof(*storm) / page_size() + 1,
					false);
	int cmd = MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ;
	unsigned long committed = 0, aborted = 0, counted = 0;
	unsigned long counts[MAX_REPLACED];
	char *replaced[MAX_REPLACED];
	int threads = 2 * allowed_cpus(), nr = 0, i;
	__u64 end, next;
	__u32 random = 1;

	if (threads > MAX_THREADS)
		threads = MAX_THREADS;
	set_section(&storm->cache, addr(rseq_cache_start), addr(rseq_cache_end),
		    addr(rseq_cached_abort));
	set_section(&storm->add, addr(rseq_add_start), addr(rseq_add_end),
		    addr(rseq_cached_abort));
	storm->slabs = map_pages(size, false);
	ASSERT_TRUE(signal(SIGUSR1, do_nothing) != SIG_ERR);
	ASSERT_EQ(0, register_membarrier(NULL));
	for (i = 0; i < threads; i++) {
		struct worker *w = &storm->workers[i];

		w->storm = storm;
		ASSERT_EQ(0, pthread_create(&w->thread, NULL, work, w));
	}
	for (i = 0; i < threads; i++) {
		ASSERT_TRUE(wait_for(storm->workers[i].tid));
		ASSERT_LT(0, storm->workers[i].tid);
	}
	end = now_ms() + STORM_MS;
	next = 0;
	/* An emulated machine may take a while to hit a section. */
	while (now_ms() < end || (!aborted && now_ms() < end + STORM_MORE_MS)) {
		random = random * 1103515245 + 12345;
		i = (random >> 16) % threads;
		if (random & (1 << 30))
			syscall(SYS_tgkill, getpid(), storm->workers[i].tid,
				SIGUSR1);
		else
			move_to_cpu(storm->workers[i].tid,
				    allowed_cpu((random >> 8) %
						allowed_cpus()));
		aborted += storm->workers[i].aborted;
		if (nr < MAX_REPLACED - 1 && now_ms() >= next) {
			replaced[nr] = storm->slabs;
			storm->slabs = map_pages(size, false);
			ASSERT_EQ(0, membarrier(cmd, 0, 0));
			counts[nr] = sum(replaced[nr]);
			nr++;
			next = now_ms() + STORM_MS / MAX_REPLACED;
		}
	}
	storm->stop = true;
	for (i = 0; i < threads; i++) {
		ASSERT_EQ(0, pthread_join(storm->workers[i].thread, NULL));
		committed += storm->workers[i].committed;
		/* Else the kernel overwrote nothing, and nothing was shown. */
		EXPECT_LT(1, storm->workers[i].cached);
	}
	for (i = 0; i < nr; i++) {
		EXPECT_EQ(counts[i], sum(replaced[i]));
		counted += sum(replaced[i]);
	}
	EXPECT_EQ(committed, counted + sum(storm->slabs));
	EXPECT_LT(0, committed);
	EXPECT_LT(0, aborted);
	EXPECT_LT(1, nr);
}

TEST_HARNESS_MAIN
