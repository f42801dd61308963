// SPDX-License-Identifier: GPL-2.0
/*
 * What few kernels can do: memory that is swapped out when the kernel needs it,
 * and allocations and copies of the kernel that fail. Run by run.sh in a kernel
 * that was made for it.
 */
#include "../kselftest_harness.h"
#include "rseq_test.h"
#include <sys/ptrace.h>

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

#define ARCH_SET_PERCPU_SEGMENT 0x6001
#define ARCH_GET_PERCPU_SEGMENT 0x6002

/* In a critical section when the event comes, and by then memory is on disk. */
FIXTURE(swapped) {
	struct stage *st;
	struct subject *s;
};

FIXTURE_VARIANT(swapped) {
	enum event event;
	bool extended;
};

FIXTURE_VARIANT_ADD(swapped, signal) {
	.event = EVENT_SIGNAL,
};

FIXTURE_VARIANT_ADD(swapped, preemption) {
	.event = EVENT_PREEMPTION,
};

FIXTURE_VARIANT_ADD(swapped, migration) {
	.event = EVENT_MIGRATION,
};

FIXTURE_VARIANT_ADD(swapped, signal_extended) {
	.event = EVENT_SIGNAL,
	.extended = true,
};

FIXTURE_VARIANT_ADD(swapped, preemption_extended) {
	.event = EVENT_PREEMPTION,
	.extended = true,
};

FIXTURE_VARIANT_ADD(swapped, migration_extended) {
	.event = EVENT_MIGRATION,
	.extended = true,
};

static char *page;

static bool have_swap(void)
{
	char text[4096] = "", *end;
	int fd = open("/proc/swaps", O_RDONLY | O_CLOEXEC);

	if (read(fd, text, sizeof(text) - 1) < 0)
		*text = '\0';
	close(fd);
	end = strchr(text, '\n');
	return end && end[1];
}

FIXTURE_SETUP(swapped)
{
	self->st = map_pages(1, true);
	self->s = &self->st->s;
	page = map_pages(1, false);
	if (!have_swap())
		SKIP(return, "swap is needed");
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
	self->s->default_sigsegv = true;
}

FIXTURE_TEARDOWN(swapped)
{
}

static bool is_swapped_out(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	__u64 entry = 0;
	bool known;

	known = pread64(fd, &entry, sizeof(entry),
			addr(p) / page_size() * sizeof(entry)) ==
		sizeof(entry);
	close(fd);
	return known && !(entry >> 63) && entry >> 62;
}

static int swap_out(void *p)
{
	int tries;

	/* The kernel may hold it for a moment. */
	for (tries = 0; tries < 1000; tries++) {
		if (madvise(p, page_size(), MADV_PAGEOUT))
			return -1;
		if (is_swapped_out(p))
			return 0;
		sched_yield();
	}
	return -1;
}

/* What the subject shares with nobody can be swapped out. */
static int swap_descriptor_out(struct subject *s)
{
	struct stage *st = (struct stage *)s;

	memcpy(page, &st->cs, sizeof(st->cs));
	return swap_out(page);
}

static int swap_signature_out(struct subject *s)
{
	put_abort_handler(page + 64, RSEQ_SIG);
	return mprotect(page, page_size(), PROT_READ | PROT_EXEC) ||
	       swap_out(page);
}

/*
 * A page that is new is in a batch of its CPU first, and cannot be swapped out
 * until this CPU has put that on the kernel's lists.
 */
static int put_on_lists(struct subject *s)
{
	return madvise(s->area, page_size(), MADV_COLD);
}

/* In a second thread, once the section is armed. */
static void swap_area_out(struct subject *s)
{
	if (swap_out(s->area))
		_exit(BROKEN);
}

#define EXPECT_ABORTED()						\
do {									\
	self->s->abort_ip = self->st->cs.abort_ip;			\
	EXPECT_EQ(ABORTED, subject_play(self->s, variant->event));	\
	EXPECT_TRUE(self->s->provoked);					\
	EXPECT_TRUE(self->s->last_ids_true);				\
	EXPECT_EQ(0, self->s->last.rseq_cs);				\
	if (variant->event == EVENT_SIGNAL)				\
		EXPECT_EQ(self->s->abort_ip, self->s->handler_ip);	\
} while (0)

TEST_F(swapped, descriptor)
{
	self->s->descriptor = addr(page);
	self->s->prepare = swap_descriptor_out;
	EXPECT_ABORTED();
}

TEST_F(swapped, signature)
{
	self->st->cs.abort_ip = addr(page + 64);
	self->s->prepare = swap_signature_out;
	EXPECT_ABORTED();
}

/*
 * To swap memory out may take a worker on each CPU. Then that is the event, and
 * brings the page back before it could be seen to be gone.
 */
TEST_F(swapped, area)
{
	enum outcome outcome;
	int tries = 0;

	self->s->area = (void *)page;
	self->s->private_area = true;
	self->s->prepare = put_on_lists;
	self->s->companion = swap_area_out;
	do {
		outcome = subject_play(self->s, variant->event);
	} while (outcome == BROKEN && ++tries < 10);
	EXPECT_EQ(ABORTED, outcome);
	EXPECT_TRUE(self->s->last_ids_true);
	EXPECT_EQ(0, self->s->last.rseq_cs);
}

/*
 * Of what the kernel does for a thread, the first thing that can fail does so,
 * then the second, and so on, until all of it went well: allocations of any
 * kind, and copy_to_user() and copy_from_user(). What rseq does in its own
 * windows of user access cannot be made to fail like this: for that, see
 * memory_test, unsteady.
 */
#define FAIL_NTH "/proc/thread-self/fail-nth"
#define MOST 200

FIXTURE(failing) {
	struct rseq_area *area;
	__u32 len;
};

FIXTURE_VARIANT(failing) {
	bool extended;
};

FIXTURE_VARIANT_ADD(failing, original) {
};

FIXTURE_VARIANT_ADD(failing, extended) {
	.extended = true,
};

static void ignore(int sig)
{
}

static bool set_attribute(const char *file, const char *value)
{
	char name[64];

	snprintf(name, sizeof(name), "/sys/kernel/debug/%s", file);
	return write_to(name, value);
}

FIXTURE_SETUP(failing)
{
	self->area = map_pages(1, false);
	self->len = rseq_len(variant->extended);
	if (access(FAIL_NTH, W_OK))
		SKIP(return, FAIL_NTH ": %s; CONFIG_FAULT_INJECTION, and root, are needed",
		     strerror(errno));
	ASSERT_TRUE(set_attribute("failslab/verbose", "0"));
	ASSERT_TRUE(set_attribute("failslab/ignore-gfp-wait", "0"));
	ASSERT_TRUE(set_attribute("fail_page_alloc/verbose", "0"));
	ASSERT_TRUE(set_attribute("fail_page_alloc/min-order", "0"));
	ASSERT_TRUE(set_attribute("fail_page_alloc/ignore-gfp-wait", "0"));
	ASSERT_TRUE(set_attribute("fail_page_alloc/ignore-gfp-highmem", "0"));
	ASSERT_TRUE(set_attribute("fail_usercopy/verbose", "0"));
	ASSERT_TRUE(signal(SIGUSR1, ignore) != SIG_ERR);
}

FIXTURE_TEARDOWN(failing)
{
}

static int nth = -1;

/* The nth thing from now on that can fail does. */
static bool fail_from_now_on(int n)
{
	char text[16];

	if (nth < 0)
		nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	snprintf(text, sizeof(text), "%d", n);
	return pwrite(nth, text, strlen(text), 0) > 0;
}

/* No more. Return: whether something has failed. */
static bool something_failed(void)
{
	char text[16] = "0";
	/* If this is what fails, all that was before went well. */
	bool before = pread(nth, text, sizeof(text) - 1, 0) >= 0 &&
		      !strtol(text, NULL, 10);

	return fail_from_now_on(0) && before;
}

enum {
	ALL_WENT_WELL = BROKEN + 1,
};

/* What a child does with the registered area when things begin to fail. */
static bool absent, migrate;

static int fail_with_area(struct rseq_area *area, __u32 len, int n)
{
	static const struct rlimit no_core;
	pid_t holder = 0;
	bool failed;
	int ret;

	if (setrlimit(RLIMIT_CORE, &no_core) ||
	    move_to_cpu(0, allowed_cpu(0)) || rseq_register(area, len))
		return BROKEN;
	/* Opens the file, so that this is not what fails. */
	fail_from_now_on(0);
	if (absent) {
		if (madvise(area, page_size(), MADV_DONTNEED))
			return BROKEN;
	} else {
		/* As long as it is there, the page is copied on write. */
		holder = fork();
		if (!holder) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	if (!fail_from_now_on(n))
		return BROKEN;
	ret = migrate ? move_to_cpu(0, allowed_cpu(1)) : raise(SIGUSR1);
	failed = something_failed();
	/* If that did not go well, no IDs were due. */
	if (ret)
		move_to_cpu(0, allowed_cpu(1));
	if (holder > 0)
		kill(holder, SIGKILL);
	if (!ids_are_true(area, 1))
		return RESUMED;
	return failed ? RELEASED : ALL_WENT_WELL;
}

/* For each n, until all went well. Return: how many were killed, or -1. */
static int fail_each(struct rseq_area *area, __u32 len)
{
	int n, status, killed = 0;
	pid_t pid;

	for (n = 1; n < MOST; n++) {
		fflush(NULL);
		pid = fork();
		if (!pid)
			_exit(fail_with_area(area, len, n));
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return -1;
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) {
			killed++;
			continue;
		}
		if (WIFEXITED(status) && WEXITSTATUS(status) == RELEASED)
			continue;
		if (WIFEXITED(status) && WEXITSTATUS(status) == ALL_WENT_WELL)
			return killed;
		fprintf(stderr, "# the %dth failure ended in status %#x\n", n,
			status);
		return -1;
	}
	return -1;
}

/* An event that nobody ordered may be when the page comes. */
#define EXPECT_SOME_KILLED()						\
do {									\
	int _killed = 0, _tries;					\
									\
	for (_tries = 0; _tries < 5 && !_killed; _tries++)		\
		_killed = fail_each(self->area, self->len);		\
	EXPECT_LT(0, _killed);						\
} while (0)

/* In an extended registration, zeros instead of the IDs are fatal anyway. */
TEST_F(failing, signal_when_the_area_is_absent)
{
	if (variant->extended)
		return;
	absent = true;
	EXPECT_SOME_KILLED();
}

TEST_F(failing, migration_when_the_area_is_absent)
{
	if (variant->extended)
		return;
	if (allowed_cpus() < 2)
		SKIP(return, "two CPUs are needed");
	absent = true;
	migrate = true;
	EXPECT_SOME_KILLED();
}

/* A signal makes the kernel write the IDs of an original registration only. */
TEST_F(failing, signal_when_the_area_is_copied_on_write)
{
	if (variant->extended) {
		EXPECT_LE(0, fail_each(self->area, self->len));
		return;
	}
	EXPECT_SOME_KILLED();
}

/* The switch to the thread that migrates it may have had the page copied. */
TEST_F(failing, migration_when_the_area_is_copied_on_write)
{
	if (allowed_cpus() < 2)
		SKIP(return, "two CPUs are needed");
	migrate = true;
	EXPECT_LE(0, fail_each(self->area, self->len));
}

TEST_F(failing, configuration_for_a_tracer)
{
	char got[24], none[24];
	int n, ret, status;
	pid_t pid;

	memset(none, 0xa5, sizeof(none));
	pid = fork();
	if (!pid) {
		if (rseq_register(self->area, self->len) ||
		    ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_TRUE(fail_from_now_on(0));
	for (n = 1; n < MOST; n++) {
		memcpy(got, none, sizeof(got));
		ASSERT_TRUE(fail_from_now_on(n));
		ret = syscall(SYS_ptrace, PTRACE_GET_RSEQ_CONFIGURATION, pid,
			      sizeof(got), got) < 0 ? -errno : 0;
		if (!something_failed())
			break;
		EXPECT_EQ(-EFAULT, ret);
		EXPECT_EQ(0, memcmp(got, none, sizeof(got)));
	}
	EXPECT_LT(1, n);
	EXPECT_EQ(0, ret);
	EXPECT_NE(0, memcmp(got, none, sizeof(got)));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static int segment_prctl(int option, const void *arg)
{
	return syscall(SYS_arch_prctl, option, arg) ? -errno : 0;
}

TEST_F(failing, segment)
{
	__u64 segment[4] = { sizeof(segment), 0, addr(self->area), 0 };
	__u64 got[4] = { sizeof(got) };
	int n, ret, none = segment_prctl(ARCH_GET_PERCPU_SEGMENT, got);

	ASSERT_TRUE(fail_from_now_on(0));
	for (n = 1; n < MOST; n++) {
		ASSERT_TRUE(fail_from_now_on(n));
		ret = segment_prctl(ARCH_SET_PERCPU_SEGMENT, segment);
		if (!something_failed())
			break;
		EXPECT_EQ(-EFAULT, ret);
		EXPECT_EQ(none, segment_prctl(ARCH_GET_PERCPU_SEGMENT, got));
	}
	EXPECT_LT(1, n);
	EXPECT_EQ(0, ret);
	for (n = 1; n < MOST; n++) {
		ASSERT_TRUE(fail_from_now_on(n));
		ret = segment_prctl(ARCH_GET_PERCPU_SEGMENT, got);
		if (!something_failed())
			break;
		EXPECT_EQ(-EFAULT, ret);
	}
	EXPECT_LT(1, n);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(addr(self->area), got[2]);
}

TEST_HARNESS_MAIN
