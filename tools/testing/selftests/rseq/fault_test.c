// SPDX-License-Identifier: GPL-2.0
/*
 * Under load, with the ground moving: CPUs that go and come back, pages that
 * are dropped all the time, and processes that fork while they are signalled.
 * Nothing may be lost, and nobody may die.
 */
#include "../kselftest_harness.h"
#include "rseq_test.h"
#include "rseq_count.h"

#define MAX_WORKERS 8
#define MAX_CPUS 1024

/* What the workers share, in pages of a file. */
struct shared {
	struct rseq_cs cs;
	__u32 len;
	bool __shared stop;

	/* One each 128 bytes, by CPU. */
	unsigned long counters[MAX_CPUS * 128 / sizeof(unsigned long)];
};

struct worker {
	struct shared *shared;
	pthread_t thread;
	unsigned long __shared done, aborts, lies;

	alignas(64) struct rseq_area area[2];
};

FIXTURE(fault) {
	struct shared *shared;
	struct worker *workers;
	int nr;
};

FIXTURE_VARIANT(fault) {
	bool extended;
};

FIXTURE_VARIANT_ADD(fault, original) {
};

FIXTURE_VARIANT_ADD(fault, extended) {
	.extended = true,
};

static size_t shared_pages(void)
{
	return sizeof(struct shared) / page_size() + 1;
}

FIXTURE_SETUP(fault)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, shared_pages() * page_size()));
	self->shared = mmap(NULL, shared_pages() * page_size(),
			    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_TRUE(self->shared != MAP_FAILED);
	close(fd);
	self->workers = map_pages(sizeof(struct worker) * MAX_WORKERS /
				  page_size() + 1, false);
	self->shared->len = rseq_len(variant->extended);
	set_section(&self->shared->cs, addr(rseq_count_start),
		    addr(rseq_count_end), addr(rseq_count_abort));
	self->nr = 2 * allowed_cpus();
	if (self->nr > MAX_WORKERS)
		self->nr = MAX_WORKERS;
}

FIXTURE_TEARDOWN(fault)
{
	munmap(self->shared, shared_pages() * page_size());
}

/*
 * Is cpu_id true? The thread may be moved, and moved back, while it asks, but
 * not three times in a row. What is outdated stays so until the next switch.
 */
static bool cpu_id_is_true(struct rseq_area *area)
{
	int tries;

	for (tries = 0; tries < 3; tries++) {
		unsigned int before = area->cpu_id;
		unsigned int is = current_cpu();

		if (before == is || area->cpu_id != before)
			return true;
	}
	return false;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->shared;

	if (rseq_register(w->area, s->len)) {
		w->lies++;
		return NULL;
	}
	while (!s->stop) {
		if (rseq_count(w->area, &s->cs,
			       offsetof(struct rseq_area, cpu_id),
			       s->counters))
			w->aborts++;
		else
			w->done++;
		if (!(w->done & 63) && !cpu_id_is_true(w->area))
			w->lies++;
	}
	if (rseq_unregister(w->area, s->len))
		w->lies++;
	return NULL;
}

static int start_workers(struct shared *s, struct worker *workers, int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		workers[i].shared = s;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return -1;
	}
	return 0;
}

/* Waits until each of them has got on, so that none is stuck. */
static bool all_get_on(struct worker *workers, int nr)
{
	unsigned long done[MAX_WORKERS];
	int i;

	for (i = 0; i < nr; i++)
		done[i] = workers[i].done;
	for (i = 0; i < nr; i++)
		if (!wait_for(workers[i].done != done[i]))
			return false;
	return true;
}

#define STOP_WORKERS()							\
do {									\
	unsigned long sum = 0, done = 0, aborts = 0;			\
	int i;								\
									\
	self->shared->stop = true;					\
	for (i = 0; i < self->nr; i++) {				\
		ASSERT_EQ(0, pthread_join(self->workers[i].thread, NULL)); \
		done += self->workers[i].done;				\
		aborts += self->workers[i].aborts;			\
		EXPECT_EQ(0, self->workers[i].lies);			\
	}								\
	for (i = 0; i < MAX_CPUS; i++)					\
		sum += self->shared->counters[i * 128 / sizeof(sum)];	\
	EXPECT_LT(0, done);						\
	EXPECT_EQ(done, sum) {						\
		TH_LOG("%lu aborts", aborts);				\
	}								\
} while (0)

/*
 * The descriptor, the counters and the areas are dropped from the page tables
 * without a pause, so that the kernel finds them gone at any of its accesses.
 */
TEST_F(fault, pages_dropped_all_the_time)
{
	__u64 end = now_ms() + 2000;
	unsigned long rounds = 0;

	ASSERT_EQ(0, start_workers(self->shared, self->workers, self->nr));
	while (now_ms() < end) {
		ASSERT_EQ(0, madvise(self->shared,
				     shared_pages() * page_size(),
				     MADV_DONTNEED));
		if (!(++rounds & 15))
			sched_yield();
	}
	EXPECT_TRUE(all_get_on(self->workers, self->nr));
	STOP_WORKERS();
}

/* Writes to a page take a fault each time that it was shared with a child. */
TEST_F(fault, areas_copied_on_write_all_the_time)
{
	__u64 end = now_ms() + 2000;
	unsigned long rounds = 0;

	ASSERT_EQ(0, start_workers(self->shared, self->workers, self->nr));
	while (now_ms() < end || rounds < 5) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		ASSERT_LT(0, pid);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		rounds++;
	}
	EXPECT_TRUE(all_get_on(self->workers, self->nr));
	STOP_WORKERS();
}

static bool set_online(int cpu, bool online)
{
	char name[64];
	bool ok;
	int fd;

	snprintf(name, sizeof(name), "/sys/devices/system/cpu/cpu%d/online",
		 cpu);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, online ? "1" : "0", 1) == 1;
	close(fd);
	return ok;
}

/* Whoever is on a CPU that goes offline is migrated, like it or not. */
TEST_F_TIMEOUT(fault, cpus_go_and_come_back, 100)
{
	int rounds = 6, nr = allowed_cpus(), cpu, i;

	cpu = allowed_cpu(nr - 1);
	if (nr < 2 || !set_online(cpu, true))
		SKIP(return, "a CPU that can be turned off is needed, and root");
	ASSERT_EQ(0, start_workers(self->shared, self->workers, self->nr));
	for (i = 0; i < rounds * (nr - 1); i++) {
		cpu = allowed_cpu(1 + i % (nr - 1));
		EXPECT_TRUE(set_online(cpu, false));
		EXPECT_TRUE(all_get_on(self->workers, self->nr));
		EXPECT_TRUE(set_online(cpu, true));
	}
	EXPECT_TRUE(all_get_on(self->workers, self->nr));
	STOP_WORKERS();
}

static int __shared signals;

static void on_signal(int sig)
{
	signals++;
}

/* A child of the storm: its inherited registration works under fire. */
static int live_in_the_storm(struct worker *w, struct rseq_cs *cs)
{
	static unsigned long counters[MAX_CPUS * 128 / sizeof(unsigned long)];
	unsigned long sum = 0;
	int i;

	for (i = 0; i < 200; i++)
		while (rseq_count(w->area, cs,
				  offsetof(struct rseq_area, cpu_id),
				  counters))
			;
	for (i = 0; i < MAX_CPUS; i++)
		sum += counters[i * 128 / sizeof(sum)];
	return sum != 200 || !cpu_id_is_true(w->area) || w->area->mm_cid;
}

/* A thousand processes that are signalled as soon as they exist. */
TEST_F_TIMEOUT(fault, fork_storm, 100)
{
	struct worker *w = self->workers;
	int status, i, j, bad = 0;
	pid_t pids[20];

	ASSERT_TRUE(signal(SIGUSR1, on_signal) != SIG_ERR);
	ASSERT_EQ(0, rseq_register(w->area, self->shared->len));
	for (i = 0; i < 50; i++) {
		for (j = 0; j < 20; j++) {
			pids[j] = fork();
			if (!pids[j])
				_exit(live_in_the_storm(w, &self->shared->cs));
			ASSERT_LT(0, pids[j]);
			kill(pids[j], SIGUSR1);
		}
		for (j = 0; j < 20; j++)
			kill(pids[j], SIGUSR1);
		for (j = 0; j < 20; j++) {
			ASSERT_EQ(pids[j], waitpid(pids[j], &status, 0));
			bad += status != 0;
		}
	}
	EXPECT_EQ(0, bad);
	EXPECT_TRUE(cpu_id_is_true(w->area));
}

TEST_HARNESS_MAIN
