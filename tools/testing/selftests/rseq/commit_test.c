// SPDX-License-Identifier: GPL-2.0
/*
 * A section that is not interrupted commits, one that is does not: counters
 * that are raised without any atomic instruction lose nothing, whatever
 * happens to the threads. One counter per CPU, and one per mm_cid.
 */
#include "../kselftest_harness.h"
#include "rseq_count.h"

struct counter {
	alignas(128) unsigned long count;
};

/* One thread that counts. */
struct worker {
	struct test *test;
	pthread_t thread;
	unsigned long committed, events;
	bool failed;

	int __shared tid;
	unsigned long __shared aborted, signals;

	alignas(64) struct rseq_area area[2];
};

struct test {
	struct counter counters[CPU_SETSIZE];
	struct rseq_cs cs;
	__u32 len;
	bool by_mm_cid;
	unsigned long limit;	/* increments per thread; 0: until stop */
	bool __shared stop;
};

static __thread struct worker *this_worker;

static void count_signal(int sig)
{
	this_worker->signals++;
}

static void *count(void *arg)
{
	struct worker *w = arg;
	struct test *test = w->test;
	size_t id = test->by_mm_cid ? offsetof(struct rseq_area, mm_cid) :
				      offsetof(struct rseq_area, cpu_id);
	struct rusage before, after;

	this_worker = w;
	if (rseq_register(w->area, test->len)) {
		w->failed = true;
		w->tid = my_tid();
		return NULL;
	}
	getrusage(RUSAGE_THREAD, &before);
	w->tid = my_tid();
	while (!test->stop && (!test->limit || w->committed < test->limit)) {
		if (rseq_count(w->area, &test->cs, id,
			       &test->counters->count))
			w->aborted++;
		else
			w->committed++;
	}
	getrusage(RUSAGE_THREAD, &after);
	w->events = after.ru_nvcsw - before.ru_nvcsw +
		    after.ru_nivcsw - before.ru_nivcsw + w->signals;
	if (rseq_unregister(w->area, test->len))
		w->failed = true;
	return NULL;
}

FIXTURE(commit) {
	struct test *test;
	struct worker *workers;
};

FIXTURE_VARIANT(commit) {
	bool extended;
};

FIXTURE_VARIANT_ADD(commit, original) {
};

FIXTURE_VARIANT_ADD(commit, extended) {
	.extended = true,
};

#define MAX_WORKERS 16
#define STORM_MS 1500
#define STORM_MORE_MS 20000

FIXTURE_SETUP(commit)
{
	size_t size = page_size();

	self->test = map_pages(sizeof(*self->test) / size + 1, false);
	self->workers = map_pages(MAX_WORKERS * sizeof(*self->workers) / size +
				  1, false);
	self->test->len = rseq_len(variant->extended);
	set_section(&self->test->cs, addr(rseq_count_start),
		    addr(rseq_count_end), addr(rseq_count_abort));
	ASSERT_TRUE(signal(SIGUSR1, count_signal) != SIG_ERR);
}

FIXTURE_TEARDOWN(commit)
{
}

static unsigned long sum(const struct test *test)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < CPU_SETSIZE; i++)
		sum += test->counters[i].count;
	return sum;
}

/* Alone and left in peace, nearly every one commits. */
TEST_F(commit, calm)
{
	struct worker *w = self->workers;

	w->test = self->test;
	self->test->limit = 200000;
	count(w);
	ASSERT_FALSE(w->failed);
	EXPECT_EQ(200000, w->committed);
	EXPECT_EQ(w->committed, sum(self->test));
	/* It takes an event to abort. */
	EXPECT_LE(w->aborted, w->events);
}

static bool any_aborted(const struct worker *workers, int nr)
{
	while (nr--)
		if (workers[nr].aborted)
			return true;
	return false;
}

/* More threads than CPUs, migrated and signalled without rest. */
static void storm(struct __test_metadata *_metadata, struct test *test,
		  struct worker *workers)
{
	int threads = 2 * allowed_cpus(), i;
	unsigned long committed = 0, aborted = 0;
	__u64 end = now_ms() + STORM_MS;
	__u32 random = 1;

	if (threads > MAX_WORKERS)
		threads = MAX_WORKERS;
	for (i = 0; i < threads; i++) {
		workers[i].test = test;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, count,
					    &workers[i]));
	}
	for (i = 0; i < threads; i++)
		ASSERT_TRUE(wait_for(workers[i].tid));
	/* An emulated machine may take a while to hit a section. */
	while (now_ms() < end || (!any_aborted(workers, threads) &&
				  now_ms() < end + STORM_MORE_MS)) {
		random = random * 1103515245 + 12345;
		i = (random >> 16) % threads;
		if (random & (1 << 30))
			syscall(SYS_tgkill, getpid(), workers[i].tid, SIGUSR1);
		else
			move_to_cpu(workers[i].tid,
				    allowed_cpu((random >> 8) %
						allowed_cpus()));
	}
	test->stop = true;
	for (i = 0; i < threads; i++) {
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
		ASSERT_FALSE(workers[i].failed);
		committed += workers[i].committed;
		aborted += workers[i].aborted;
		EXPECT_LE(workers[i].aborted, workers[i].events);
	}
	EXPECT_EQ(committed, sum(test));
	/* Else there was no storm, and nothing was shown. */
	EXPECT_LT(0, committed);
	EXPECT_LT(0, aborted);
}

TEST_F(commit, storm_counted_by_cpu)
{
	storm(_metadata, self->test, self->workers);
}

/* Exact only if no two threads that run have the same mm_cid. */
TEST_F(commit, storm_counted_by_mm_cid)
{
	self->test->by_mm_cid = true;
	storm(_metadata, self->test, self->workers);
}

TEST_HARNESS_MAIN
