// SPDX-License-Identifier: GPL-2.0
/*
 * Under load, with the ground moving: CPUs that go and come back, pages that
 * are dropped all the time, processes that fork while they are signalled, that
 * are frozen, or killed for want of memory. Nothing may be lost, and nobody else
 * may die.
 */
#include "../kselftest_harness.h"
#include "rseq_test.h"
#include "rseq_count.h"
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/time.h>

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
	unsigned long switches;

	alignas(64) struct rseq_area area[2];
};

FIXTURE(fault) {
	struct shared *shared;
	struct worker *workers;
	int nr;
	/* What processes counted, and how many of them did not get to say it. */
	unsigned long others;
	int killed;
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
	w->switches = thread_switches();
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
	unsigned long sum = 0, done = self->others, aborts = 0;		\
	int i;								\
									\
	self->shared->stop = true;					\
	for (i = 0; i < self->nr; i++) {				\
		ASSERT_EQ(0, pthread_join(self->workers[i].thread, NULL)); \
		done += self->workers[i].done;				\
		aborts += self->workers[i].aborts;			\
		EXPECT_EQ(0, self->workers[i].lies);			\
		/* Nobody sends them signals. */			\
		EXPECT_LE(self->workers[i].aborts,			\
			  self->workers[i].switches);			\
	}								\
	for (i = 0; i < MAX_CPUS; i++)					\
		sum += self->shared->counters[i * 128 / sizeof(sum)];	\
	EXPECT_LT(0, done);						\
	EXPECT_LE(done, sum) {						\
		TH_LOG("%lu aborts", aborts);				\
	}								\
	EXPECT_GE(done + self->killed, sum) {				\
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

	snprintf(name, sizeof(name), "/sys/devices/system/cpu/cpu%d/online",
		 cpu);
	return write_to(name, online ? "1" : "0");
}

/*
 * Whoever is on a CPU that goes offline is migrated, like it or not. A few times,
 * or for as many seconds as the environment says.
 */
TEST_F_TIMEOUT(fault, cpus_go_and_come_back, 600)
{
	const char *seconds = getenv("RSEQ_HOTPLUG_SECONDS");
	int nr = allowed_cpus(), cpu = allowed_cpu(nr - 1), i;
	__u64 end = now_ms();

	if (seconds)
		end += 1000 * strtoul(seconds, NULL, 10);
	if (nr < 2 || !set_online(cpu, true))
		SKIP(return, "a CPU that can be turned off is needed, and root");
	ASSERT_EQ(0, start_workers(self->shared, self->workers, self->nr));
	for (i = 0; i < 6 * (nr - 1) || now_ms() < end; i++) {
		cpu = allowed_cpu(1 + i % (nr - 1));
		ASSERT_TRUE(set_online(cpu, false));
		EXPECT_TRUE(all_get_on(self->workers, self->nr));
		ASSERT_TRUE(set_online(cpu, true));
	}
	EXPECT_TRUE(all_get_on(self->workers, self->nr));
	STOP_WORKERS();
}

#define SYSRQ "/proc/sysrq-trigger"
#define VICTIMS 5

/* Counts as the workers do, until it is killed. */
static void count_until_killed(struct worker *w, struct shared *s)
{
	static alignas(64) struct rseq_area area[2];

	if (!write_to("/proc/self/oom_score_adj", "1000") ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) || rseq_register(area, s->len))
		_exit(1);
	for (;;) {
		if (!rseq_count(area, &s->cs,
				offsetof(struct rseq_area, cpu_id),
				s->counters))
			w->done++;
	}
}

/* One that is killed has added one or has not, and takes nobody with it. */
TEST_F_TIMEOUT(fault, killed_for_memory, 100)
{
	struct worker *victim = map_pages(sizeof(*victim) / page_size() + 1,
					  true);
	int status, i;
	pid_t pid;

	if (access(SYSRQ, W_OK))
		SKIP(return, SYSRQ ": %s; CONFIG_MAGIC_SYSRQ, and root, are needed",
		     strerror(errno));
	ASSERT_EQ(0, start_workers(self->shared, self->workers, self->nr));
	for (i = 0; i < VICTIMS; i++) {
		victim->done = 0;
		pid = fork();
		if (!pid)
			count_until_killed(victim, self->shared);
		ASSERT_LT(0, pid);
		ASSERT_TRUE(wait_for(victim->done));
		ASSERT_TRUE(write_to(SYSRQ, "f"));
		ASSERT_TRUE(wait_for(waitpid(pid, &status, WNOHANG) == pid));
		ASSERT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));
		self->others += victim->done;
		self->killed++;
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

/* The same for a child of its own, which it has while it is signalled. */
static int fork_in_the_storm(struct worker *w, struct rseq_cs *cs)
{
	int status, bad;
	pid_t pid = fork();

	if (!pid)
		_exit(live_in_the_storm(w, cs));
	bad = live_in_the_storm(w, cs);
	return pid < 0 || waitpid(pid, &status, 0) != pid || status || bad;
}

/*
 * A thousand processes that are signalled as soon as they exist, and so is the
 * one that forks them.
 */
TEST_F_TIMEOUT(fault, fork_storm, 100)
{
	struct itimerval often = {
		.it_interval = { .tv_usec = 2000 },
		.it_value = { .tv_usec = 2000 },
	};
	struct worker *w = self->workers;
	int status, i, j, bad = 0;
	pid_t pids[20];

	ASSERT_TRUE(signal(SIGUSR1, on_signal) != SIG_ERR);
	ASSERT_TRUE(signal(SIGALRM, on_signal) != SIG_ERR);
	ASSERT_EQ(0, rseq_register(w->area, self->shared->len));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	for (i = 0; i < 50; i++) {
		for (j = 0; j < 20; j++) {
			pids[j] = fork();
			if (!pids[j])
				_exit(fork_in_the_storm(w, &self->shared->cs));
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
	EXPECT_LT(0, signals);
	EXPECT_TRUE(cpu_id_is_true(w->area));
}

/* A subject in a control group that can be frozen. */
FIXTURE(frozen) {
	struct stage *st;
	bool mounted;
};

FIXTURE_VARIANT(frozen) {
	bool extended;
};

FIXTURE_VARIANT_ADD(frozen, original) {
};

FIXTURE_VARIANT_ADD(frozen, extended) {
	.extended = true,
};

static char mount_point[32];
static char group[64];

/* A file of the group. */
static const char *in_group(const char *file)
{
	static char name[128];

	snprintf(name, sizeof(name), "%s/%s", group, file);
	return name;
}

FIXTURE_SETUP(frozen)
{
	self->st = map_pages(1, true);
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
	snprintf(mount_point, sizeof(mount_point), "/tmp/rseq_test.XXXXXX");
	ASSERT_NE(0, addr(mkdtemp(mount_point)));
	self->mounted = !mount("none", mount_point, "cgroup2", 0, NULL);
	if (!self->mounted)
		SKIP(return, "cgroup2: %s; CONFIG_CGROUPS, and root, are needed",
		     strerror(errno));
	snprintf(group, sizeof(group), "%s/rseq_test.%d", mount_point,
		 getpid());
	ASSERT_EQ(0, mkdir(group, 0700));
}

FIXTURE_TEARDOWN(frozen)
{
	if (self->mounted) {
		rmdir(group);
		umount2(mount_point, MNT_DETACH);
	}
	rmdir(mount_point);
}

static int join_group(struct subject *s)
{
	return !write_to(in_group("cgroup.procs"), "0");
}

static bool is_frozen(void)
{
	int fd = open(in_group("cgroup.events"), O_RDONLY | O_CLOEXEC);
	char text[64] = "";
	bool frozen;

	frozen = read(fd, text, sizeof(text) - 1) > 0 &&
		 strstr(text, "frozen 1");
	close(fd);
	return frozen;
}

/* It goes on where it is told to, and on the CPU that it has by then. */
TEST_F(frozen, section_is_aborted)
{
	struct subject *s = &self->st->s;
	enum outcome outcome;
	bool there, gone;
	int tries = 0;

	s->prepare = join_group;
	do {
		subject_start(s);
		there = subject_wait_armed(s);
		ASSERT_TRUE(write_to(in_group("cgroup.freeze"), "1"));
		if (there)
			ASSERT_TRUE(wait_for(is_frozen()));
		/* What an event that nobody ordered has spoilt. */
		gone = !there || subject_ended(s);
		if (!gone)
			EXPECT_EQ(0, move_to_cpu(s->pid, s->other));
		ASSERT_TRUE(write_to(in_group("cgroup.freeze"), "0"));
		outcome = subject_end(s);
	} while (gone && ++tries < 50);
	EXPECT_FALSE(gone);
	EXPECT_EQ(ABORTED, outcome);
	EXPECT_EQ(0, s->handled);
	EXPECT_EQ(0, s->last.rseq_cs);
	EXPECT_TRUE(s->last_ids_true);
	EXPECT_EQ(s->other, s->last.cpu_id);
}

TEST_HARNESS_MAIN
