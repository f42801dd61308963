// SPDX-License-Identifier: GPL-2.0
/*
 * Time slice extension: who may ask, what is granted, and how it ends.
 *
 * The reschedule is provoked by a rival: a process of real-time priority on the
 * same CPU, whose timer wakes it there. Whenever the scheduler is entered after
 * that, the rival runs, and that is seen in shared memory. So a thread that
 * finds itself granted, with the rival not having run, has kept its CPU by the
 * grant and by nothing else. No system call is made to find out, since that
 * would end it.
 *
 * A reschedule that nobody ordered may come before, and a slow machine may take
 * longer to run ten instructions than an extension lasts: such a try is spoilt,
 * and is made again. A few things are wrong whenever they are seen.
 */
#include "../kselftest_harness.h"
#include <semaphore.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/utsname.h>
#include <linux/membarrier.h>
#include <linux/userfaultfd.h>
#include "rseq_test.h"
#include "rseq_trace.h"
#include "slice_section.h"

#ifndef __NR_rseq_slice_yield
#define __NR_rseq_slice_yield 471
#endif
#define PR_SLICE 79
#define PR_SLICE_GET 1
#define PR_SLICE_SET 2
#define PR_SLICE_ENABLE 1
#define FLAG_DEFAULT_ON 2
#define AVAILABLE 0x10U
#define ENABLED 0x20U
#define ENOTSUPP 524

#define LENGTH "/sys/kernel/debug/rseq/slice_ext_nsec"
#define STATS "/sys/kernel/debug/rseq/stats"
#define LENGTH_MIN 5000
#define LENGTH_MAX 50000

/* The last field of the area, as the ABI lays it out. */
struct slice_ctrl {
	__u8 __shared request;
	__u8 __shared granted;
	__u16 reserved;
};

static_assert(sizeof(struct slice_ctrl) == 4, "size of slice_ctrl");

static inline struct slice_ctrl *slice_ctrl(struct rseq_area *area)
{
	return (struct slice_ctrl *)&area->slice_ctrl;
}

static inline long slice_yield(void)
{
	return syscall(__NR_rseq_slice_yield);
}

/* prctl(), with a negative error number. */
static int slice_prctl(unsigned long op, unsigned long value)
{
	int ret = prctl(PR_SLICE, op, value, 0UL, 0UL);

	return ret < 0 ? -errno : ret;
}

static inline __u64 cycles(void)
{
	return __builtin_ia32_rdtsc();
}

static bool disabled_at_boot(void)
{
	char line[4096] = "";
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, line, sizeof(line) - 1) < 0)
			line[0] = 0;
		close(fd);
	}
	return strstr(line, "rseq_slice_ext=0");
}

/* Of the timer that takes the CPU back. */
static bool timer_is_precise(void)
{
	struct timespec res;

	return !clock_getres(CLOCK_MONOTONIC, &res) && !res.tv_sec &&
	       res.tv_nsec < LENGTH_MIN;
}

static bool should_be_offered(void)
{
	return !disabled_at_boot() && timer_is_precise();
}

/* Why there is nothing to test, or NULL. */
static const char *not_there(void)
{
	if (slice_yield() < 0 && errno == ENOSYS)
		return "CONFIG_RSEQ_SLICE_EXTENSION is needed";
	return NULL;
}

static const char *not_offered(void)
{
	const char *why = not_there();

	if (!why && !should_be_offered())
		why = "no high resolution timers, or rseq_slice_ext=0";
	return why;
}

static long read_length(void)
{
	char text[32] = "";
	int fd = open(LENGTH, O_RDONLY | O_CLOEXEC);
	long ret = -errno;

	if (fd < 0)
		return ret;
	ret = read(fd, text, sizeof(text) - 1) > 0 ? atol(text) : -EIO;
	close(fd);
	return ret;
}

static int write_length(const char *text)
{
	int fd = open(LENGTH, O_WRONLY | O_CLOEXEC), ret = -errno;
	ssize_t len = strlen(text);

	if (fd < 0)
		return ret;
	ret = write(fd, text, len) == len ? 0 : -errno;
	close(fd);
	return ret;
}

static int set_length(long nsec)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", nsec);
	return write_length(text);
}

/*
 * What the calls and the fields say, without any grant.
 */
FIXTURE(call) {
	struct rseq_area *area;
	__u32 len;
	bool offered;
};

FIXTURE_VARIANT(call) {
	bool extended;
};

FIXTURE_VARIANT_ADD(call, original) {
};

FIXTURE_VARIANT_ADD(call, extended) {
	.extended = true,
};

FIXTURE_SETUP(call)
{
	if (not_there())
		SKIP(return, "%s", not_there());
	self->area = map_pages(1, false);
	self->len = rseq_len(variant->extended);
	self->offered = should_be_offered();
}

FIXTURE_TEARDOWN(call)
{
}

static int register_flags(struct rseq_area *area, __u32 len, int flags)
{
	return rseq(area, len, flags, RSEQ_SIG);
}

TEST_F(call, auxiliary_vector_has_the_field)
{
	EXPECT_LE(33, rseq_feature_size());
	EXPECT_LE(rseq_feature_size(), rseq_align());
	EXPECT_EQ(0, rseq_align() & (rseq_align() - 1));
	EXPECT_GT(2 * rseq_feature_size(), rseq_align());
}

TEST_F(call, flags_field)
{
	__u32 available = variant->extended && self->offered ? AVAILABLE : 0;
	__u32 garbage = variant->extended ? 0 : RSEQ_GARBAGE;

	self->area->flags = garbage;
	ASSERT_EQ(0, register_flags(self->area, self->len, 0));
	EXPECT_EQ(garbage | available, self->area->flags);
	EXPECT_EQ(0, slice_prctl(PR_SLICE_GET, 0));
	ASSERT_EQ(0, rseq_unregister(self->area, self->len));
	EXPECT_EQ(garbage, self->area->flags);

	ASSERT_EQ(0, register_flags(self->area, self->len, FLAG_DEFAULT_ON));
	EXPECT_EQ(garbage | available | (available ? ENABLED : 0),
		  self->area->flags);
	EXPECT_EQ(available ? PR_SLICE_ENABLE : 0,
		  slice_prctl(PR_SLICE_GET, 0));
	ASSERT_EQ(0, rseq_unregister(self->area, self->len));
	EXPECT_EQ(garbage, self->area->flags);
	EXPECT_EQ(0, slice_prctl(PR_SLICE_GET, 0));
}

/* Of the original length, whatever is there is none of the kernel's business. */
TEST_F(call, registration_clears_what_was_left)
{
	self->area->slice_ctrl = RSEQ_GARBAGE;
	ASSERT_EQ(0, register_flags(self->area, self->len, FLAG_DEFAULT_ON));
	EXPECT_EQ(variant->extended ? 0 : RSEQ_GARBAGE, self->area->slice_ctrl);
}

TEST_F(call, flag_and_unregister_do_not_go_together)
{
	ASSERT_EQ(0, register_flags(self->area, self->len, FLAG_DEFAULT_ON));
	EXPECT_EQ(-EINVAL, register_flags(self->area, self->len,
					  FLAG_DEFAULT_ON |
					  RSEQ_FLAG_UNREGISTER));
	/* The flag does not tell one registration from another. */
	EXPECT_EQ(-EBUSY, register_flags(self->area, self->len, 0));
	EXPECT_EQ(-EBUSY, register_flags(self->area, self->len,
					 FLAG_DEFAULT_ON));
	EXPECT_EQ(0, rseq_unregister(self->area, self->len));
}

TEST_F(call, prctl_turns_it_on_and_off)
{
	int no = !self->offered || !variant->extended ? -ENOTSUPP : 0;
	__u32 flags;

	ASSERT_EQ(0, register_flags(self->area, self->len, 0));
	flags = self->area->flags;
	EXPECT_EQ(no, slice_prctl(PR_SLICE_SET, PR_SLICE_ENABLE));
	EXPECT_EQ(no ? 0 : PR_SLICE_ENABLE, slice_prctl(PR_SLICE_GET, 0));
	EXPECT_EQ(flags | (no ? 0 : ENABLED), self->area->flags);
	EXPECT_EQ(no, slice_prctl(PR_SLICE_SET, PR_SLICE_ENABLE));
	EXPECT_EQ(no ? 0 : PR_SLICE_ENABLE, slice_prctl(PR_SLICE_GET, 0));
	EXPECT_EQ(no, slice_prctl(PR_SLICE_SET, 0));
	EXPECT_EQ(0, slice_prctl(PR_SLICE_GET, 0));
	EXPECT_EQ(flags, self->area->flags);
	/* What it says is not what the kernel believes. */
	self->area->flags |= ENABLED;
	EXPECT_EQ(0, slice_prctl(PR_SLICE_GET, 0));
}

TEST_F(call, bad_arguments_come_first)
{
	int i;

	/* Without a registration, and with one. */
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EINVAL, slice_prctl(0, 0));
		EXPECT_EQ(-EINVAL, slice_prctl(3, 0));
		EXPECT_EQ(-EINVAL, slice_prctl(PR_SLICE_GET, 1));
		EXPECT_EQ(-EINVAL, slice_prctl(PR_SLICE_SET, 2));
		EXPECT_EQ(-EINVAL, slice_prctl(PR_SLICE_SET, 3));
		EXPECT_EQ(-1, prctl(PR_SLICE, PR_SLICE_SET, 1UL, 1UL, 0UL));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, prctl(PR_SLICE, PR_SLICE_SET, 1UL, 0UL, 1UL));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, prctl(PR_SLICE, PR_SLICE_GET, 0UL, 1UL, 0UL));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, prctl(PR_SLICE, PR_SLICE_GET, 0UL, 0UL, 1UL));
		EXPECT_EQ(EINVAL, errno);
		if (!i)
			ASSERT_EQ(0, register_flags(self->area, self->len, 0));
	}
	EXPECT_EQ(0, slice_prctl(PR_SLICE_GET, 0));
}

/* Disabled at boot comes before that; then nobody has a use for it. */
TEST_F(call, no_registration)
{
	int error = self->offered ? -ENXIO : -ENOTSUPP;

	EXPECT_EQ(error, slice_prctl(PR_SLICE_SET, PR_SLICE_ENABLE));
	EXPECT_EQ(error, slice_prctl(PR_SLICE_SET, 0));
	EXPECT_EQ(0, slice_prctl(PR_SLICE_GET, 0));
	EXPECT_EQ(0, slice_yield());

	ASSERT_EQ(0, register_flags(self->area, self->len, FLAG_DEFAULT_ON));
	EXPECT_EQ(0, slice_yield());
	ASSERT_EQ(0, rseq_unregister(self->area, self->len));
	EXPECT_EQ(error, slice_prctl(PR_SLICE_SET, PR_SLICE_ENABLE));
	EXPECT_EQ(0, slice_prctl(PR_SLICE_GET, 0));
}

TEST_F(call, prctl_cannot_write_the_area)
{
	if (!self->offered || !variant->extended)
		SKIP(return, "not offered: nothing is written");
	ASSERT_EQ(0, register_flags(self->area, self->len, 0));
	ASSERT_EQ(0, mprotect(self->area, page_size(), PROT_READ));
	EXPECT_EQ(-EFAULT, slice_prctl(PR_SLICE_SET, PR_SLICE_ENABLE));
	EXPECT_EQ(0, slice_prctl(PR_SLICE_GET, 0));
	ASSERT_EQ(0, mprotect(self->area, page_size(), PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, slice_prctl(PR_SLICE_SET, PR_SLICE_ENABLE));
}

/* Nothing but the kernel's own word makes a call to yield return 1. */
TEST_F(call, forged_grant)
{
	ASSERT_EQ(0, register_flags(self->area, self->len, FLAG_DEFAULT_ON));
	slice_ctrl(self->area)->granted = 1;
	EXPECT_EQ(0, slice_yield());
	slice_ctrl(self->area)->request = 1;
	EXPECT_EQ(0, slice_yield());
}

static void *call_from_thread(void *area)
{
	if (slice_prctl(PR_SLICE_GET, 0) || slice_yield())
		return NULL;
	if (slice_prctl(PR_SLICE_SET, PR_SLICE_ENABLE) !=
	    (should_be_offered() ? -ENXIO : -ENOTSUPP))
		return NULL;
	return area;
}

TEST_F(call, fork_inherits_and_a_thread_does_not)
{
	int before, status;
	pthread_t thread;
	void *good;
	pid_t pid;

	ASSERT_EQ(0, register_flags(self->area, self->len, FLAG_DEFAULT_ON));
	before = slice_prctl(PR_SLICE_GET, 0);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(slice_prctl(PR_SLICE_GET, 0));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(before, WEXITSTATUS(status));

	ASSERT_EQ(0, pthread_create(&thread, NULL, call_from_thread,
				    self->area));
	ASSERT_EQ(0, pthread_join(thread, &good));
	EXPECT_TRUE(good == self->area);
}

/*
 * Who asks for it in vain finds the reason in the kernel's log; unless the
 * beginning of the log is gone, where that may have been.
 */
TEST(log_says_what_is_missing)
{
	static const char why[] =
		"rseq: no time slice extension: no high resolution timers";
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct rseq_area *area = map_pages(1, false);
	bool found = false, all = false;
	static char record[8192];
	ssize_t len;

	if (not_there())
		SKIP(return, "%s", not_there());
	if (timer_is_precise() || disabled_at_boot())
		SKIP(return, "high resolution timers, or rseq_slice_ext=0");
	if (fd < 0)
		SKIP(return, "/dev/kmsg: %s; root is needed", strerror(errno));
	ASSERT_EQ(0, register_flags(area, rseq_extended_size(),
				    FLAG_DEFAULT_ON));
	while ((len = read(fd, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		if (len < 0)
			continue;
		record[len] = 0;
		/* Priority, number. */
		all |= strstr(record, ",0,") == strchr(record, ',');
		found |= !!strstr(record, why);
	}
	if (!all && !found)
		SKIP(return, "the beginning of the log is gone");
	EXPECT_TRUE(found);
}

TEST(length_is_from_5_to_50_microseconds)
{
	static const char * const bad[] = {
		"4999", "0", "1", "50001", "100000", "5000000000",
		"18446744073709551615", "nonsense",
	};
	long before = read_length();
	unsigned int i;

	if (not_there())
		SKIP(return, "%s", not_there());
	if (disabled_at_boot() && !access("/sys/kernel/debug", X_OK))
		EXPECT_EQ(-ENOENT, before);
	if (not_offered())
		SKIP(return, "%s", not_offered());
	if (before == -EACCES || access("/sys/kernel/debug", X_OK))
		SKIP(return, "debugfs, and root, are needed");
	EXPECT_LE(LENGTH_MIN, before);
	EXPECT_GE(LENGTH_MAX, before);
	EXPECT_EQ(0, set_length(LENGTH_MIN));
	EXPECT_EQ(LENGTH_MIN, read_length());
	EXPECT_EQ(0, set_length(LENGTH_MAX));
	EXPECT_EQ(LENGTH_MAX, read_length());
	EXPECT_EQ(0, set_length(12345));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_GT(0, write_length(bad[i])) {
			TH_LOG("%s was accepted", bad[i]);
		}
		EXPECT_EQ(12345, read_length());
	}
	EXPECT_EQ(0, set_length(before));
}

/*
 * Grants.
 */

/**
 * struct scene - a thread that asks, and its rival for the CPU
 *
 * In memory that both share; the area is the thread's own.
 */
struct scene {
	unsigned int __shared ordered; /* how often the rival set its timer */
	unsigned int __shared woken; /* how often it was told to */
	unsigned int __shared ran; /* how often it has run after that */
	__u64 __shared ran_at;	/* and when, in cycles */
	__u64 __shared billed;	/* and for what time when it had slept, in ns */
	bool __shared rival_ready;
	pid_t rival;

	struct rseq_area *area;
	struct slice_ctrl *ctrl;
	unsigned int before;	/* value of ran before this try */
	__u64 asked_at;		/* in cycles, before the grant */
	char *pages;		/* for faults */
	unsigned int good, spoilt, early; /* tries */
	sem_t go;		/* the rival shall set it */
	long away_nsec;		/* not 0: the time is known before the timer is set: */
	struct timespec time;
	char instance[sizeof(trace_instance)]; /* in it the rival turns */
	bool traced;		/* tracing on, and did so without sleeping */
	long length_before;	/* to be restored, or negative */
	struct rseq_cs cs;
	bool __shared child_ready;
	long victim_ms, hostile_ms;	/* what they got */
};

static struct scene *this_scene;

#define RIVAL_USEC 300

/* The CPU time of this thread, in nanoseconds. */
static __u64 thread_nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* How often this thread has slept. */
static long sleeps(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? -1 : usage.ru_nvcsw;
}

/* How often it was switched out without having slept. */
static long preemptions(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? -1 : usage.ru_nivcsw;
}

#define SYS_ENTER "events/raw_syscalls/sys_enter/enable"

static bool trace_system_calls(const char *instance)
{
	long before = sleeps();

	memcpy(trace_instance, instance, sizeof(trace_instance));
	return !trace_write(SYS_ENTER, "1") && sleeps() == before;
}

static void rival_live(struct scene *sc)
{
	static const struct timespec soon = { .tv_nsec = RIVAL_USEC * 1000 };
	__u64 before;

	sc->rival_ready = true;
	for (;;) {
		while (sem_wait(&sc->go))
			;
		sc->woken++;
		before = thread_nsec();
		if (sc->away_nsec)
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
					&sc->time, NULL);
		else
			clock_nanosleep(CLOCK_MONOTONIC, 0, &soon, NULL);
		sc->ran_at = cycles();
		sc->billed = thread_nsec() - before;
		if (*sc->instance)
			sc->traced = trace_system_calls(sc->instance);
		sc->ran++;
	}
}

/* Starts the rival. Returns 0, or an error number. */
static int rival_start(struct scene *sc)
{
	struct sched_param param = { .sched_priority = 50 };

	fflush(NULL);
	sc->rival = fork();
	if (sc->rival < 0)
		return errno;
	if (!sc->rival) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) ||
		    sched_setscheduler(0, SCHED_FIFO, &param))
			_exit(errno);
		rival_live(sc);
	}
	while (!sc->rival_ready) {
		int status;

		if (waitpid(sc->rival, &status, WNOHANG))
			return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
		sched_yield();
	}
	return 0;
}

static bool rival_ran(struct scene *sc)
{
	return sc->ran != sc->before;
}

/* Of one try. */
enum seen {
	GOOD,
	SPOILT,		/* by something that nobody ordered */
	EARLY,		/* likewise: it was over before the rival was awake */
	WRONG,		/* must not be, whatever came in between */
};

/*
 * Ask, and wait for the rival's timer. Returns GOOD when there is a grant and
 * the rival did not run.
 */
static enum seen ask(struct scene *sc)
{
	struct slice_ctrl *ctrl = sc->ctrl;

	ctrl->request = 1;
	do {
		sc->asked_at = cycles();
	} while (!ctrl->granted && !rival_ran(sc));

	/* It may be taken back at any time, and that is not asked for again. */
	if (!ctrl->granted)
		return SPOILT;
	if (ctrl->request)
		return WRONG;
	return rival_ran(sc) ? SPOILT : GOOD;
}

/* When it is over, nothing may be left of it, and the rival has run. */
static enum seen judge_end(struct scene *sc)
{
	if (sc->ctrl->granted)
		return WRONG;
	return rival_ran(sc) ? GOOD : EARLY;
}

static void set_time(struct timespec *time, long away_nsec)
{
	clock_gettime(CLOCK_MONOTONIC, time);
	time->tv_nsec += away_nsec;
	if (time->tv_nsec >= 1000000000) {
		time->tv_nsec -= 1000000000;
		time->tv_sec++;
	}
}

/* The rival's timer is set, and it will wake this CPU in a short time. */
static void order_rival(struct scene *sc)
{
	/* Somebody may have died before the rival was through. */
	wait_for(sc->ran == sc->ordered);
	*(__u32 __shared *)sc->ctrl = 0;
	sc->before = sc->ran;
	if (sc->away_nsec)
		set_time(&sc->time, sc->away_nsec);
	sc->ordered++;
	sem_post(&sc->go);
}

#define MAX_EARLY 20

/**
 * play() - try until it was good a number of times
 * @sc: the scene
 * @try: what to do while the rival's timer runs
 * @times: how often it must be good
 *
 * Return: what was seen last; GOOD only if it was that often enough.
 */
static enum seen play(struct scene *sc, enum seen (*try)(struct scene *sc),
		      unsigned int times)
{
	__u64 end = now_ms() + 4 * WAIT_MS;
	enum seen seen;

	sc->good = 0;
	sc->spoilt = 0;
	sc->early = 0;
	do {
		order_rival(sc);
		seen = try(sc);
		if (seen == WRONG) {
			ksft_print_msg("request %u granted %u, rival %s\n",
				       sc->ctrl->request, sc->ctrl->granted,
				       rival_ran(sc) ? "ran" : "did not run");
			return WRONG;
		}
		sc->ctrl->request = 0;
		if (!wait_for(rival_ran(sc))) {
			ksft_print_msg("the rival does not wake\n");
			return WRONG;
		}
		if (seen == GOOD)
			sc->good++;
		else if (seen == EARLY)
			sc->early++;
		else
			sc->spoilt++;
		/* That happens, but if it is the rule, nobody is rescheduled. */
		if (sc->early > MAX_EARLY + sc->good)
			break;
	} while (sc->good < times && now_ms() < end);
	if (sc->good < times)
		ksft_print_msg("%u tries were good, %u spoilt, %u too early\n",
			       sc->good, sc->spoilt, sc->early);
	return sc->good < times ? SPOILT : GOOD;
}

#define TIMES 5

/*
 * The thread and its rival on one CPU; returns why that is not possible. The
 * area is put at the end of a page, before what is not mapped.
 */
static const char *scene_init(struct scene **scene)
{
	struct scene *sc = map_pages(1, true);
	char *mem = map_pages(2, false);
	int error;

	*scene = sc;
	this_scene = sc;
	sc->area = (void *)(mem + page_size() - rseq_extended_size());
	sc->ctrl = slice_ctrl(sc->area);
	sc->length_before = read_length();
	munmap(mem + page_size(), page_size());
	if (sem_init(&sc->go, 1, 0) ||
	    move_to_cpu(0, allowed_cpu(allowed_cpus() - 1)))
		return "no semaphore, or no CPU";
	error = rival_start(sc);
	if (error)
		return error == EPERM ?
			"root is needed, for a real-time priority" :
			"the rival does not start";
	return NULL;
}

static void scene_exit(struct scene *sc)
{
	if (!sc)
		return;
	if (sc->length_before >= 0)
		set_length(sc->length_before);
	if (sc->rival > 0) {
		kill(sc->rival, SIGKILL);
		waitpid(sc->rival, NULL, 0);
	}
}

FIXTURE(slice) {
	struct scene *sc;
};

FIXTURE_VARIANT(slice) {
	bool by_prctl;
};

FIXTURE_VARIANT_ADD(slice, enabled_by_flag) {
};

FIXTURE_VARIANT_ADD(slice, enabled_by_prctl) {
	.by_prctl = true,
};

FIXTURE_SETUP(slice)
{
	const char *why = not_offered();

	if (!why)
		why = scene_init(&self->sc);
	if (why)
		SKIP(return, "%s", why);
	/* The longest, so that a slow machine can do something in it. */
	set_length(LENGTH_MAX);
	ASSERT_EQ(0, register_flags(self->sc->area, rseq_extended_size(),
				    variant->by_prctl ? 0 : FLAG_DEFAULT_ON));
	if (variant->by_prctl)
		ASSERT_EQ(0, slice_prctl(PR_SLICE_SET, PR_SLICE_ENABLE));
}

FIXTURE_TEARDOWN(slice)
{
	trace_end();
	scene_exit(self->sc);
}

static enum seen yield_in_time(struct scene *sc)
{
	enum seen seen = ask(sc);
	long ret;

	if (seen != GOOD)
		return seen;
	ret = slice_yield();
	seen = judge_end(sc);
	if (ret != 0 && ret != 1)
		return WRONG;
	return ret ? seen : seen == WRONG ? WRONG : SPOILT;
}

TEST_F(slice, yielded_in_time_returns_1)
{
	EXPECT_EQ(GOOD, play(self->sc, yield_in_time, TIMES));
}

static enum seen do_not_ask(struct scene *sc)
{
	while (!sc->ctrl->granted && !rival_ran(sc))
		;
	if (sc->ctrl->request || sc->ctrl->granted || slice_yield())
		return WRONG;
	return GOOD;
}

TEST_F(slice, nothing_is_granted_unasked)
{
	EXPECT_EQ(GOOD, play(self->sc, do_not_ask, TIMES));
}

/* Nor is a grant remembered that was not told. */
static enum seen yield_unasked(struct scene *sc)
{
	__u64 start;

	do {
		start = cycles();
		while (cycles() - start < 10000)
			;
		if (slice_yield())
			return WRONG;
	} while (!rival_ran(sc));
	return GOOD;
}

TEST_F(slice, unasked_there_is_nothing_to_yield)
{
	EXPECT_EQ(GOOD, play(self->sc, yield_unasked, 4 * TIMES));
}

/* What is left of a request when nothing happened. */
static enum seen ask_for_nothing(struct scene *sc)
{
	unsigned int requested;

	while (!rival_ran(sc))
		;
	/* An interrupt may want to reschedule just here, as well. */
	sc->ctrl->request = 1;
	requested = sc->ctrl->request;
	sc->ctrl->request = 0;
	if (sc->ctrl->granted)
		return slice_yield() > 1 ? WRONG : SPOILT;
	if (slice_yield() || sc->ctrl->granted)
		return WRONG;
	return requested ? GOOD : SPOILT;
}

TEST_F(slice, not_granted_returns_0)
{
	EXPECT_EQ(GOOD, play(self->sc, ask_for_nothing, TIMES));
}

static enum seen use_it_up(struct scene *sc)
{
	enum seen seen = ask(sc);

	if (seen != GOOD)
		return seen;
	while (sc->ctrl->granted && !rival_ran(sc))
		;
	seen = judge_end(sc);
	if (sc->ctrl->request || slice_yield())
		return WRONG;
	return seen;
}

TEST_F(slice, expired_takes_the_cpu_back)
{
	EXPECT_EQ(GOOD, play(self->sc, use_it_up, TIMES));
}

static enum seen call_getpid(struct scene *sc)
{
	enum seen seen = ask(sc);
	long ret;

	if (seen != GOOD)
		return seen;
	ret = syscall(SYS_getpid);
	seen = judge_end(sc);
	return ret != getpid() || slice_yield() ? WRONG : seen;
}

TEST_F(slice, another_system_call_takes_the_cpu_back)
{
	EXPECT_EQ(GOOD, play(self->sc, call_getpid, TIMES));
}

/*
 * The work that there is at the entry of a system call may become more while the
 * CPU is taken back there: the rival turns tracing on, and the call is traced.
 */
static enum seen yield_and_be_traced(struct scene *sc)
{
	enum seen seen = yield_in_time(sc);
	bool found;

	if (!wait_for(rival_ran(sc)))
		return WRONG;
	found = trace_last_event(getpid(), "sys_enter: NR 471 ");
	/* To turn it on once more need not wait for the end of this one then. */
	trace_end();
	if (trace_start())
		return WRONG;
	if (seen != GOOD)
		return seen;
	return !sc->traced ? SPOILT : found ? GOOD : WRONG;
}

TEST_F(slice, system_call_does_what_came_up_meanwhile)
{
	int error = trace_start();

	if (error == -ENOENT)
		SKIP(return, TRACE_NEEDED);
	ASSERT_EQ(0, error);
	memcpy(self->sc->instance, trace_instance, sizeof(trace_instance));
	EXPECT_EQ(GOOD, play(self->sc, yield_and_be_traced, 1));
}

/* Even one that does not exist, the number that interrupts have, and execve(). */
static enum seen call_nothing(struct scene *sc)
{
	enum seen seen = ask(sc);
	long ret;

	if (seen != GOOD)
		return seen;
	ret = syscall(-1);
	seen = judge_end(sc);
	return ret != -1 || slice_yield() ? WRONG : seen;
}

TEST_F(slice, no_system_call_takes_the_cpu_back)
{
	EXPECT_EQ(GOOD, play(self->sc, call_nothing, TIMES));
}

/*
 * Nor is it kept by a number that looks like the one to yield: with the bit of
 * x32, as a 32-bit system call, it is none.
 */
#ifdef __x86_64__
static enum seen call_lookalike(struct scene *sc)
{
	long nr = 0x40000000 | __NR_rseq_slice_yield, ret;
	enum seen seen = ask(sc);

	if (seen != GOOD)
		return seen;
	__asm__ volatile("int $0x80" : "=a" (ret) : "a" (nr)
			 : "memory", "r8", "r9", "r10", "r11");
	seen = judge_end(sc);
	return ret >= 0 || slice_yield() ? WRONG : seen;
}

TEST_F(slice, what_looks_like_yield_takes_the_cpu_back)
{
	EXPECT_EQ(GOOD, play(self->sc, call_lookalike, TIMES));
}
#endif

static enum seen fail_to_exec(struct scene *sc)
{
	enum seen seen = ask(sc);
	long ret;

	if (seen != GOOD)
		return seen;
	ret = syscall(SYS_execve, NULL, NULL, NULL);
	seen = judge_end(sc);
	return ret != -1 || slice_prctl(PR_SLICE_GET, 0) != PR_SLICE_ENABLE ?
		WRONG : seen;
}

TEST_F(slice, failed_exec_takes_the_cpu_back)
{
	EXPECT_EQ(GOOD, play(self->sc, fail_to_exec, TIMES));
	EXPECT_EQ(GOOD, play(self->sc, yield_in_time, TIMES));
}

/*
 * One that wants to reschedule when it returns. That is no interrupt, so it
 * grants nothing, and finds the request as it was.
 */
static enum seen wake_in_call(struct scene *sc)
{
	unsigned int woken;
	__u8 requested, granted;

	/* It was told to set its timer, and is now told so again. */
	if (!wait_for(rival_ran(sc)))
		return WRONG;
	woken = sc->woken;
	sc->before = sc->ran;
	sc->ordered++;
	sc->ctrl->request = 1;
	sem_post(&sc->go);
	requested = sc->ctrl->request;
	granted = sc->ctrl->granted;
	sc->ctrl->request = 0;
	if (granted)
		slice_yield();
	if (requested)
		return !granted && sc->woken != woken ? GOOD : SPOILT;
	return sc->woken != woken ? SPOILT : WRONG;
}

TEST_F(slice, system_call_that_reschedules_grants_nothing)
{
	EXPECT_EQ(GOOD, play(self->sc, wake_in_call, 10 * TIMES));
}

/*
 * A signal. That of an invalid instruction comes without a system call, right
 * at that instruction.
 */
static enum seen __shared handler_saw;

static void handle_invalid(int sig, siginfo_t *info, void *context)
{
	handler_saw = judge_end(this_scene);
	/* The length of the instruction. */
	*context_ip(context) += 2;
}

static enum seen take_signal(struct scene *sc)
{
	enum seen seen = ask(sc);

	if (seen != GOOD)
		return seen;
	asm volatile("ud2" : : : "memory");
	seen = judge_end(sc);
	if (handler_saw == WRONG || seen == WRONG || slice_yield())
		return WRONG;
	return handler_saw;
}

TEST_F(slice, signal_takes_the_cpu_back)
{
	struct sigaction act = {
		.sa_sigaction = handle_invalid, .sa_flags = SA_SIGINFO,
	};

	ASSERT_EQ(0, sigaction(SIGILL, &act, NULL));
	EXPECT_EQ(GOOD, play(self->sc, take_signal, TIMES));
	/* And it is not held against the thread. */
	EXPECT_EQ(GOOD, play(self->sc, yield_in_time, TIMES));
}

/*
 * A signal that comes with the reschedule: the timers of the thread and of its
 * rival end at the same time, so one interrupt sees to both. There is more to do
 * than to reschedule, so nothing is granted, and the handler finds the request.
 */
static timer_t own_timer;
static unsigned int __shared handled;

static void handle_timer(int sig)
{
	struct scene *sc = this_scene;

	handler_saw = !sc->ctrl->request ? EARLY :
		      !sc->ctrl->granted && rival_ran(sc) ? GOOD : SPOILT;
	handled++;
}

static enum seen take_both(struct scene *sc)
{
	struct itimerspec end = { .it_value = sc->time };
	unsigned int before = handled;
	bool ran = false, early;

	if (timer_settime(own_timer, TIMER_ABSTIME, &end, NULL))
		return WRONG;
	sc->ctrl->request = 1;
	do {
		/* It had run, and the signal had not come yet? */
		early = ran;
		ran = rival_ran(sc);
	} while (handled == before);
	return early ? SPOILT : handler_saw;
}

/* Why the two timers do not end in one interrupt, or NULL if they do. */
static const char *not_together(void)
{
	const char *file = "/sys/devices/system/cpu/nohz_full";
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct utsname kernel;
	char cpus[64] = "";

	if (fd >= 0 && read(fd, cpus, sizeof(cpus) - 1) < 0)
		*cpus = '\0';
	close(fd);
	if (strpbrk(cpus, "0123456789"))
		return "with nohz_full= another CPU has the timers of threads";
	if (!uname(&kernel) && strstr(kernel.version, "PREEMPT_RT"))
		return "on PREEMPT_RT a thread sends the signals of timers";
	return NULL;
}

TEST_F(slice, signal_with_the_reschedule_comes_first)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM,
	};
	struct sigaction act = { .sa_handler = handle_timer };

	if (not_together())
		SKIP(return, "%s", not_together());
	ASSERT_EQ(0, sigaction(SIGALRM, &act, NULL));
	ASSERT_EQ(0, timer_create(CLOCK_MONOTONIC, &event, &own_timer));
	self->sc->away_nsec = 3000000;
	EXPECT_EQ(GOOD, play(self->sc, take_both, 10 * TIMES));
}

/* In the child of a system call fork, that no library has prepared. */
static enum seen fork_granted(struct scene *sc)
{
	enum seen seen = ask(sc);
	int status;
	pid_t pid;

	if (seen != GOOD)
		return seen;
	pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	seen = judge_end(sc);
	if (!pid)
		_exit(seen == WRONG || slice_yield() ||
		      slice_prctl(PR_SLICE_GET, 0) != PR_SLICE_ENABLE);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return WRONG;
	return seen;
}

TEST_F(slice, fork_takes_the_cpu_back)
{
	EXPECT_EQ(GOOD, play(self->sc, fork_granted, TIMES));
}

TEST_F(slice, child_of_fork_can_ask)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(play(self->sc, yield_in_time, TIMES));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(GOOD, WEXITSTATUS(status));
}

/* The program that is executed: this one, with this argument. */
#define AFTER_EXEC "after-exec"

static __attribute__((constructor(102)))
void after_exec(int argc, char **argv, char **envp)
{
	if (argc == 2 && !strcmp(argv[1], AFTER_EXEC))
		_exit(slice_prctl(PR_SLICE_GET, 0) || slice_yield() ||
		      slice_prctl(PR_SLICE_SET, 0) != -ENXIO ? WRONG : GOOD);
}

/* In a child. */
static enum seen exec_granted(struct scene *sc)
{
	char name[] = "slice_test", after[] = AFTER_EXEC;
	char * const argv[] = { name, after, NULL };
	enum seen seen = ask(sc);

	if (seen != GOOD)
		return seen;
	syscall(SYS_execve, "/proc/self/exe", argv, environ);
	return WRONG;
}

static enum seen exit_granted(struct scene *sc)
{
	enum seen seen = ask(sc);

	if (seen != GOOD)
		return seen;
	syscall(SYS_exit_group, GOOD);
	return WRONG;
}

/* Who dies on the way takes the memory of the grant along. */
static enum seen die_granted(struct scene *sc)
{
	enum seen seen = ask(sc);

	if (seen != GOOD)
		return seen;
	asm volatile("ud2" : : : "memory");
	return WRONG;
}

#define EXPECT_END_OF_CHILD(try, expected)				\
do {									\
	int _i, _status;						\
	pid_t _pid;							\
									\
	for (_i = 0; _i < TIMES; _i++) {				\
		_pid = fork();						\
		ASSERT_LE(0, _pid);					\
		if (!_pid)						\
			_exit(play(self->sc, try, 1));			\
		ASSERT_EQ(_pid, waitpid(_pid, &_status, 0));		\
		ASSERT_EQ(expected, _status);				\
	}								\
} while (0)

TEST_F(slice, exec_takes_the_cpu_back)
{
	EXPECT_END_OF_CHILD(exec_granted, GOOD << 8);
}

TEST_F(slice, exit_with_a_grant)
{
	EXPECT_END_OF_CHILD(exit_granted, GOOD << 8);
}

TEST_F(slice, death_with_a_grant)
{
	static const struct rlimit no_core;

	ASSERT_EQ(0, setrlimit(RLIMIT_CORE, &no_core));
	EXPECT_END_OF_CHILD(die_granted, SIGILL);
	EXPECT_EQ(GOOD, play(self->sc, yield_in_time, TIMES));
}

/*
 * An inner section asks again, with the grant of the outer one in use: it gets
 * no second one before the rival has run. A request that is answered before that
 * was answered to a thread that had been away, for all one knows.
 */
static enum seen ask_again(struct scene *sc)
{
	enum seen seen = ask(sc);
	unsigned int requested;

	if (seen != GOOD)
		return seen;
	sc->ctrl->request = 1;
	/* Too late, if the first one was over by then. */
	if (!sc->ctrl->granted || rival_ran(sc))
		return SPOILT;
	do {
		requested = sc->ctrl->request;
	} while (requested && sc->ctrl->granted && !rival_ran(sc));
	/* Answered: there may have been another slice in between, but not often. */
	return !requested ? EARLY : rival_ran(sc) ? GOOD : SPOILT;
}

TEST_F(slice, a_granted_thread_gets_no_second_grant)
{
	EXPECT_EQ(GOOD, play(self->sc, ask_again, TIMES));
}

/* The outer section knows nothing of it, and yields for both. */
static enum seen nest(struct scene *sc)
{
	enum seen seen = ask(sc);
	long ret;

	if (seen != GOOD)
		return seen;
	sc->ctrl->request = 1;
	sc->ctrl->request = 0;
	if (!sc->ctrl->granted)
		return slice_yield() ? WRONG : SPOILT;
	ret = slice_yield();
	seen = judge_end(sc);
	if (slice_yield())
		return WRONG;
	return ret ? seen : seen == WRONG ? WRONG : SPOILT;
}

TEST_F(slice, nested_sections_yield_once)
{
	EXPECT_EQ(GOOD, play(self->sc, nest, TIMES));
}

/* A thread that was denied or that lost it can ask in its next slice. */
TEST_F(slice, each_slice_has_its_grant)
{
	EXPECT_EQ(GOOD, play(self->sc, use_it_up, TIMES));
	EXPECT_EQ(GOOD, play(self->sc, yield_in_time, TIMES));
	EXPECT_EQ(GOOD, play(self->sc, call_getpid, TIMES));
	EXPECT_EQ(GOOD, play(self->sc, yield_in_time, TIMES));
}

static enum seen ask_in_vain(struct scene *sc)
{
	sc->ctrl->request = 1;
	while (!sc->ctrl->granted && !rival_ran(sc))
		;
	if (sc->ctrl->granted || !sc->ctrl->request || slice_yield())
		return WRONG;
	return GOOD;
}

TEST_F(slice, disabled_again)
{
	ASSERT_EQ(0, slice_prctl(PR_SLICE_SET, 0));
	EXPECT_EQ(GOOD, play(self->sc, ask_in_vain, TIMES));
	ASSERT_EQ(0, slice_prctl(PR_SLICE_SET, PR_SLICE_ENABLE));
	EXPECT_EQ(GOOD, play(self->sc, yield_in_time, TIMES));
}

/* Page faults. */
#define FAULT_PAGES 16

static enum seen touch_page(struct scene *sc)
{
	enum seen seen;
	long ret;

	/* What is fresh has to be found out, and the thread is not sent away. */
	madvise(sc->pages, FAULT_PAGES * page_size(), MADV_DONTNEED);
	seen = ask(sc);
	if (seen != GOOD)
		return seen;
	*(char __shared *)sc->pages = 1;
	if (!sc->ctrl->granted)
		return SPOILT;
	ret = slice_yield();
	seen = judge_end(sc);
	return ret || seen == WRONG ? seen : SPOILT;
}

TEST_F(slice, page_fault_does_not_end_it)
{
	self->sc->pages = map_pages(FAULT_PAGES, false);
	EXPECT_EQ(GOOD, play(self->sc, touch_page, TIMES));
}

/* The thread waits in the fault for another one, so it has lost its CPU. */
static enum seen wait_for_page(struct scene *sc)
{
	enum seen seen;

	madvise(sc->pages, page_size(), MADV_DONTNEED);
	seen = ask(sc);
	if (seen != GOOD)
		return seen;
	if (*(char __shared *)sc->pages != 'x')
		return WRONG;
	seen = judge_end(sc);
	return slice_yield() ? WRONG : seen;
}

static int bringer;

static void *bring_pages(void *arg)
{
	struct scene *sc = arg;
	char *page = map_pages(1, false);
	struct uffdio_copy copy = {
		.dst = addr(sc->pages), .src = addr(page), .len = page_size(),
	};
	struct uffd_msg msg;

	*page = 'x';
	move_to_cpu(0, allowed_cpu(0));
	while (read(bringer, &msg, sizeof(msg)) == sizeof(msg))
		if (ioctl(bringer, UFFDIO_COPY, &copy))
			_exit(KSFT_FAIL);
	return NULL;
}

TEST_F(slice, sleep_in_a_page_fault_ends_it)
{
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	pthread_t thread;

	bringer = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (bringer < 0)
		SKIP(return, "userfaultfd is needed");
	self->sc->pages = map_pages(1, false);
	range.range.start = addr(self->sc->pages);
	range.range.len = page_size();
	ASSERT_EQ(0, ioctl(bringer, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(bringer, UFFDIO_REGISTER, &range));
	ASSERT_EQ(0, pthread_create(&thread, NULL, bring_pages, self->sc));
	EXPECT_EQ(GOOD, play(self->sc, wait_for_page, TIMES));
	EXPECT_EQ(GOOD, play(self->sc, yield_in_time, TIMES));
}

/*
 * The area itself is not there when the CPU is taken back. Its page is one of a
 * file, so that nothing is lost with it but the entry in the page table, and
 * another thread drops that on order.
 */
static unsigned int __shared drops_ordered, drops_done;

static void *drop_area(void *arg)
{
	struct scene *sc = arg;

	move_to_cpu(0, allowed_cpu(0));
	for (;;) {
		unsigned int ordered = drops_ordered;

		if (ordered == drops_done)
			continue;
		if (madvise(sc->pages, page_size(), MADV_DONTNEED))
			_exit(KSFT_FAIL);
		drops_done = ordered;
	}
	return NULL;
}

static enum seen lose_area(struct scene *sc)
{
	enum seen seen = ask(sc);
	long ret;

	if (seen != GOOD)
		return seen;
	drops_ordered++;
	while (drops_done != drops_ordered)
		;
	ret = syscall(SYS_getpid);
	seen = judge_end(sc);
	return ret != getpid() || slice_yield() ? WRONG : seen;
}

TEST_F(slice, area_is_away_when_the_cpu_is_taken_back)
{
	struct scene *sc = self->sc;
	pthread_t thread;

	if (allowed_cpus() < 2)
		SKIP(return, "two CPUs are needed");
	ASSERT_EQ(0, rseq_unregister(sc->area, rseq_extended_size()));
	sc->pages = map_pages(1, true);
	sc->area = (void *)sc->pages;
	sc->ctrl = slice_ctrl(sc->area);
	ASSERT_EQ(0, register_flags(sc->area, rseq_extended_size(),
				    FLAG_DEFAULT_ON));
	ASSERT_EQ(0, pthread_create(&thread, NULL, drop_area, sc));
	EXPECT_EQ(GOOD, play(sc, lose_area, TIMES));
}

/* Here it does not come back. */
static void *unmap_area(void *arg)
{
	struct scene *sc = arg;
	char *page = (char *)((uintptr_t)sc->area & ~(page_size() - 1));

	move_to_cpu(0, allowed_cpu(0));
	while (drops_done == drops_ordered)
		;
	if (munmap(page, page_size()))
		_exit(KSFT_FAIL);
	drops_done = drops_ordered;
	return NULL;
}

static enum seen lose_area_for_good(struct scene *sc)
{
	static bool started;
	pthread_t thread;
	enum seen seen;

	if (!started && pthread_create(&thread, NULL, unmap_area, sc))
		_exit(KSFT_FAIL);
	started = true;
	seen = ask(sc);
	if (seen != GOOD)
		return seen;
	drops_ordered++;
	while (drops_done != drops_ordered)
		;
	syscall(SYS_getpid);
	return WRONG;
}

TEST_F(slice, area_is_gone_when_the_cpu_is_taken_back)
{
	static const struct rlimit no_core;

	if (allowed_cpus() < 2)
		SKIP(return, "two CPUs are needed");
	ASSERT_EQ(0, setrlimit(RLIMIT_CORE, &no_core));
	EXPECT_END_OF_CHILD(lose_area_for_good, SIGSEGV);
}

/*
 * A critical section. Until something happens in it: the grant, or else the rival
 * has run before it was armed.
 */
static int wait_in_section(struct scene *sc, __u8 __shared *byte)
{
	set_section(&sc->cs, addr(slice_section_start),
		    addr(slice_section_end), addr(slice_section_abort));
	sc->ctrl->request = 1;
	return slice_section(&sc->area->rseq_cs, addr(&sc->cs), byte, &sc->ran,
			     sc->before);
}

static enum seen commit_granted(struct scene *sc)
{
	int end = wait_in_section(sc, &sc->ctrl->granted);
	enum seen seen;
	long ret;

	if (end == RSEQ_STUCK_ABORTED || rival_ran(sc))
		return SPOILT;
	/* It has not lost its CPU, so it was not disarmed, either. */
	if (!sc->area->rseq_cs)
		return SPOILT;
	ret = slice_yield();
	seen = judge_end(sc);
	return ret || seen == WRONG ? seen : SPOILT;
}

TEST_F(slice, critical_section_with_a_grant_is_not_aborted)
{
	EXPECT_EQ(GOOD, play(self->sc, commit_granted, TIMES));
}

static enum seen stay_granted(struct scene *sc)
{
	__u8 __shared never = 0;
	int end = wait_in_section(sc, &never);

	/* If the request is still there, nothing was granted. */
	if (end == RSEQ_STUCK_RELEASED || sc->ctrl->request)
		return SPOILT;
	return sc->area->rseq_cs ? WRONG : judge_end(sc);
}

TEST_F(slice, critical_section_that_uses_it_up_is_aborted)
{
	EXPECT_EQ(GOOD, play(self->sc, stay_granted, TIMES));
}

#define TRACED_TRIES 10

/* A thread that is traced asks late: it stops when it tells the rival. */
#define TRACED_NSEC (10000000L * slowness())

#ifdef __x86_64__
#define SYSCALL_NR offsetof(struct user_regs_struct, orig_rax)
#else
#define SYSCALL_NR offsetof(struct user_regs_struct, orig_eax)
#endif

static void be_traced(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP))
		_exit(1);
}

/*
 * Trace a child to its end, and make one system call of another at its entry:
 * of the first one, the third one, and so on. Returns how many there were.
 */
static unsigned int change_calls(pid_t pid, long from, long to, int *status)
{
	unsigned int calls = 0;
	bool entry = false;
	int sig = 0;
	long nr;

	if (waitpid(pid, status, 0) != pid || !WIFSTOPPED(*status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL,
		   (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)))
		return 0;
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, (long)sig) ||
		    waitpid(pid, status, 0) != pid)
			return 0;
		if (!WIFSTOPPED(*status))
			return calls;
		sig = 0;
		if (WSTOPSIG(*status) != (SIGTRAP | 0x80)) {
			sig = WSTOPSIG(*status);
			continue;
		}
		entry = !entry;
		nr = ptrace(PTRACE_PEEKUSER, pid, (void *)SYSCALL_NR, NULL);
		if (entry && (__u32)nr == from && calls++ % 2 == 0 &&
		    ptrace(PTRACE_POKEUSER, pid, (void *)SYSCALL_NR, to))
			return 0;
	}
}

/* The grant may not be taken for one to a thread without a registration. */
static void unregister_by_yield(struct scene *sc)
{
	int i;

	be_traced();
	for (i = 0; i < TRACED_TRIES; i++) {
		order_rival(sc);
		ask(sc);
		/* The arguments are for the call that this will be. */
		syscall(__NR_rseq_slice_yield, sc->area, rseq_extended_size(),
			RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
		if (!rseq_unregister(sc->area, rseq_extended_size()))
			_exit(2);
		if (register_flags(sc->area, rseq_extended_size(),
				   FLAG_DEFAULT_ON))
			_exit(3);
		if (slice_yield())
			_exit(4);
		wait_for(rival_ran(sc));
	}
	_exit(0);
}

TEST_F(slice, yield_that_a_tracer_turns_into_unregistration)
{
	int status = -1;
	pid_t pid;

	self->sc->away_nsec = TRACED_NSEC;
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		unregister_by_yield(self->sc);
	EXPECT_EQ(2 * TRACED_TRIES,
		  change_calls(pid, __NR_rseq_slice_yield, __NR_rseq, &status));
	EXPECT_EQ(0, status);
}

/* What was there to be given back has been taken by then. */
static void yield_by_another_call(struct scene *sc)
{
	__u64 end = now_ms() + WAIT_MS;
	int i, asked = 0;

	be_traced();
	for (i = 0; i < TRACED_TRIES || (!asked && now_ms() < end); i++) {
		order_rival(sc);
		asked += ask(sc) == GOOD;
		if (syscall(SYS_getppid))
			_exit(2);
		syscall(SYS_getppid);
		wait_for(rival_ran(sc));
	}
	_exit(asked ? 0 : 3);
}

TEST_F(slice, call_that_a_tracer_turns_into_yield)
{
	int status = -1;
	pid_t pid;

	self->sc->away_nsec = TRACED_NSEC;
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		yield_by_another_call(self->sc);
	EXPECT_LE(2 * TRACED_TRIES,
		  change_calls(pid, SYS_getppid, __NR_rseq_slice_yield,
			       &status));
	EXPECT_EQ(0, status);
}

/*
 * With core scheduling, what another CPU of the core has picked may rely on the
 * preemption. So it is not put off, and the request not answered.
 */
static enum seen keep_no_cpu(struct scene *sc)
{
	if (ask(sc) != SPOILT || sc->ctrl->granted || !sc->ctrl->request)
		return WRONG;
	return GOOD;
}

TEST_F(slice, core_scheduling_keeps_no_cpu)
{
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0UL, 0UL, 0UL))
		SKIP(return, "CONFIG_SCHED_CORE, and SMT, are needed");
	EXPECT_EQ(GOOD, play(self->sc, keep_no_cpu, 10 * TIMES));
}

/* What the C library has no name for. */
struct deadline {
	__u32 size, policy;
	__u64 flags;
	__s32 nice;
	__u32 priority;
	__u64 runtime, deadline, period;
};

/*
 * In the deadline class the reschedule comes when the runtime is used up, and the
 * thread is not billed for any more then. So that is not put off either.
 */
TEST_F(slice, deadline_class_keeps_no_cpu)
{
	struct deadline deadline = {
		.size = sizeof(deadline), .policy = 6 /* SCHED_DEADLINE */,
		.runtime = 2000000, .deadline = 10000000, .period = 10000000,
	};
	struct slice_ctrl *ctrl = self->sc->ctrl;
	__u64 end = now_ms() + WAIT_MS, next;
	long before, switches;
	cpu_set_t all;

	/* The class has no threads that are bound to one of several CPUs. */
	memset(&all, -1, sizeof(all));
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(all), &all));
	if (syscall(SYS_sched_setattr, 0, &deadline, 0)) {
		ASSERT_EQ(EPERM, errno);
		SKIP(return, "no SCHED_DEADLINE: a cpuset, or all of it in use");
	}

	before = preemptions();
	ctrl->request = 1;
	do {
		for (next = now_ms() + 100; now_ms() < next; ) {
			ASSERT_EQ(1, ctrl->request);
			ASSERT_EQ(0, ctrl->granted);
		}
		switches = preemptions() - before;
	} while (switches < TIMES && now_ms() < end);
	EXPECT_LE(TIMES, switches);
}

/*
 * The page is read-only, so no grant can be told, and the rival runs. A grant
 * before that would have the kernel write to the page when it is over. So the
 * rival sets its timer once more, when the page is read-only.
 */
static enum seen ask_from_read_only_page(struct scene *sc)
{
	char *page = (char *)sc->area - addr(sc->area) % page_size();
	__u64 end;

	if (!wait_for(rival_ran(sc)))
		return WRONG;
	sc->ctrl->request = 1;
	if (mprotect(page, page_size(), PROT_READ))
		return WRONG;
	sc->before = sc->ran;
	sc->ordered++;
	sem_post(&sc->go);
	end = now_ms() + WAIT_MS;
	while (!rival_ran(sc) && now_ms() < end)
		;
	if (!rival_ran(sc) || sc->ctrl->granted ||
	    mprotect(page, page_size(), PROT_READ | PROT_WRITE))
		return WRONG;
	return sc->ctrl->request ? GOOD : WRONG;
}

TEST_F(slice, what_cannot_be_told_keeps_no_cpu)
{
	EXPECT_EQ(GOOD, play(self->sc, ask_from_read_only_page, TIMES));
}

/*
 * A CPU may have no timer but the tick: for a moment when it has come online, or
 * for good if its clock event device is no better. A time slice that was extended
 * there would last until the next tick.
 */
#define TIMERS "/proc/timer_list"
#define PREEMPTIONS 200

struct preempted {
	struct rseq_area *area;
	int cpu;
	unsigned int __shared grants;
	unsigned int __shared turns; /* of who asks */
	unsigned int __shared posted, woken; /* the rival */
	bool __shared stop;
	sem_t go;
};

/* Are the timers of this CPU in time? Negative if that cannot be said. */
static int has_fast_timers(int cpu)
{
	static char text[1 << 20];
	int fd = open(TIMERS, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	char name[32], *at;
	ssize_t got;

	while ((got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += got;
	close(fd);
	text[length] = '\0';
	snprintf(name, sizeof(name), "\ncpu: %d\n", cpu);
	at = strstr(text, name);
	at = at ? strstr(at, ".hres_active") : NULL;
	at = at ? strchr(at, ':') : NULL;
	return at ? atoi(at + 1) : -1;
}

/* The first CPU that has, or has not. */
static int find_cpu(int fast)
{
	int nr = 0;

	while (allowed_cpu(nr) >= 0 && has_fast_timers(allowed_cpu(nr)) != fast)
		nr++;
	return allowed_cpu(nr);
}

/* Asks again as soon as it was granted something, which clears the request. */
static void *keep_asking(void *arg)
{
	struct preempted *p = arg;
	struct slice_ctrl *ctrl = slice_ctrl(p->area);

	if (move_to_cpu(0, p->cpu) ||
	    register_flags(p->area, rseq_extended_size(), FLAG_DEFAULT_ON))
		return NULL;
	ctrl->request = 1;
	while (!p->stop) {
		if (!ctrl->request) {
			p->grants++;
			ctrl->request = 1;
		}
		p->turns++;
	}
	return rseq_unregister(p->area, rseq_extended_size()) ? NULL : p;
}

/* Wants the CPU for a moment whenever it is told to. */
static void *wake_when_told(void *arg)
{
	struct sched_param param = { .sched_priority = 50 };
	struct preempted *p = arg;

	if (move_to_cpu(0, p->cpu) || sched_setscheduler(0, SCHED_FIFO, &param))
		return NULL;
	while (!p->stop) {
		while (sem_wait(&p->go))
			;
		p->woken++;
	}
	return p;
}

/*
 * Have a thread that asks preempted on this CPU, from another one. Returns how
 * often it was granted something, or -1.
 */
static int preempt_on(int cpu, int other)
{
	struct preempted *p = map_pages(1, false);
	pthread_t asking, rival;
	unsigned int turns = 0;
	void *ret[2] = {};

	p->cpu = cpu;
	p->area = map_pages(1, false);
	if (move_to_cpu(0, other) || sem_init(&p->go, 0, 0) ||
	    pthread_create(&asking, NULL, keep_asking, p) ||
	    pthread_create(&rival, NULL, wake_when_told, p))
		return -1;
	while (p->posted < PREEMPTIONS) {
		/* Who has not been in user mode is granted nothing anyway. */
		if (!wait_for(p->turns != turns))
			return -1;
		p->posted++;
		sem_post(&p->go);
		if (!wait_for(p->woken == p->posted))
			return -1;
		turns = p->turns;
	}
	p->stop = true;
	sem_post(&p->go);
	pthread_join(asking, &ret[0]);
	pthread_join(rival, &ret[1]);
	return ret[0] && ret[1] ? (int)p->grants : -1;
}

TEST(timers_that_wait_for_the_tick_keep_no_cpu)
{
	int slow = find_cpu(0), fast = find_cpu(1);

	if (slow < 0 || fast < 0)
		SKIP(return, "CPUs with and without fast timers are needed, and root");
	EXPECT_EQ(0, preempt_on(slow, fast));
	EXPECT_LT(0, preempt_on(fast, slow));
}

/*
 * Who may not ask: nothing happens to the request, and nothing to the thread.
 */
FIXTURE(without) {
	struct scene *sc;
};

FIXTURE_VARIANT(without) {
	bool registered;
	bool extended;
	int flags;
};

FIXTURE_VARIANT_ADD(without, registration) {
};

FIXTURE_VARIANT_ADD(without, enabling_it) {
	.registered = true,
	.extended = true,
};

FIXTURE_VARIANT_ADD(without, extended_length) {
	.registered = true,
	.flags = FLAG_DEFAULT_ON,
};

FIXTURE_SETUP(without)
{
	const char *why = not_there();

	if (!why)
		why = scene_init(&self->sc);
	if (why)
		SKIP(return, "%s", why);
	if (variant->registered)
		ASSERT_EQ(0, register_flags(self->sc->area,
					    rseq_len(variant->extended),
					    variant->flags));
}

FIXTURE_TEARDOWN(without)
{
	scene_exit(self->sc);
}

TEST_F(without, a_request_is_ignored)
{
	EXPECT_EQ(GOOD, play(self->sc, ask_in_vain, 2 * TIMES));
}

/*
 * How long it lasts: from the last moment before the grant to the rival's first
 * one. Much comes on top of that in an emulator, so only the lower bounds are
 * certain, and a reschedule that nobody ordered can cut it short. But without
 * its timer it would last for a long time.
 */
#define LENGTH_TRIES 60
#define LENGTH_LIMIT 10000000

static int compare_cycles(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

/* As use_it_up(), but the thread need not have seen the grant. */
static enum seen take_time(struct scene *sc)
{
	sc->ctrl->request = 1;
	do {
		sc->asked_at = cycles();
	} while (sc->ctrl->request && !rival_ran(sc));
	while (!rival_ran(sc))
		;
	return sc->ctrl->request ? SPOILT : judge_end(sc);
}

/* The first quartile, in cycles; 0 if there were not enough. */
static __u64 measure_length(struct scene *sc, long nsec)
{
	__u64 took[LENGTH_TRIES];
	int i;

	if (set_length(nsec))
		return 0;
	for (i = 0; i < LENGTH_TRIES; i++) {
		if (play(sc, take_time, 1) != GOOD)
			return 0;
		took[i] = sc->ran_at - sc->asked_at;
	}
	qsort(took, LENGTH_TRIES, sizeof(*took), compare_cycles);
	return took[LENGTH_TRIES / 4];
}

TEST_F(slice, it_lasts_as_long_as_debugfs_says)
{
	struct timespec t0, t1;
	__u64 from, shortest, longest;
	double nsec;

	if (self->sc->length_before < 0)
		SKIP(return, "debugfs, and root, are needed");
	clock_gettime(CLOCK_MONOTONIC, &t0);
	from = cycles();
	shortest = measure_length(self->sc, LENGTH_MIN);
	longest = measure_length(self->sc, LENGTH_MAX);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	nsec = ((t1.tv_sec - t0.tv_sec) * 1e9 + t1.tv_nsec - t0.tv_nsec) /
	       (cycles() - from);

	TH_LOG("of %d: %.0f ns, of %d: %.0f ns, a quarter were shorter",
	       LENGTH_MIN, shortest * nsec, LENGTH_MAX, longest * nsec);
	ASSERT_NE(0, shortest);
	EXPECT_LE(LENGTH_MIN, shortest * nsec);
	EXPECT_LE(LENGTH_MAX, longest * nsec);
	EXPECT_GT(LENGTH_LIMIT, shortest * nsec);
	EXPECT_GT(LENGTH_LIMIT, longest * nsec);
}

/*
 * What the rival is billed for, in ns: the first quartile of tries that take
 * turns, so that a machine that is busy for a while makes no difference.
 */
static bool measure_bills(struct scene *sc, __u64 *without, __u64 *with)
{
	__u64 unasked[LENGTH_TRIES], asked[LENGTH_TRIES];
	int i;

	for (i = 0; i < LENGTH_TRIES; i++) {
		if (play(sc, do_not_ask, 1) != GOOD)
			return false;
		unasked[i] = sc->billed;
		if (play(sc, take_time, 1) != GOOD)
			return false;
		asked[i] = sc->billed;
	}
	qsort(unasked, LENGTH_TRIES, sizeof(*unasked), compare_cycles);
	qsort(asked, LENGTH_TRIES, sizeof(*asked), compare_cycles);
	*without = unasked[LENGTH_TRIES / 4];
	*with = asked[LENGTH_TRIES / 4];
	return true;
}

/*
 * The time that the rival waits is not its own. Without an extension it is billed
 * from its wakeup on, with one only from the switch on, which is less.
 */
TEST_F(slice, extension_is_charged_to_who_had_it)
{
	__u64 without = 0, with = 0;

	if (self->sc->length_before < 0)
		SKIP(return, "debugfs, and root, are needed");
	if (slowness() > 1)
		SKIP(return, "what a switch costs here hides an extension");
	ASSERT_TRUE(measure_bills(self->sc, &without, &with));
	TH_LOG("the rival is billed for %llu ns without, %llu ns with",
	       (unsigned long long)without, (unsigned long long)with);
	EXPECT_GT(without + LENGTH_MAX / 8, with);
}

/*
 * Statistics.
 */
static long read_stat(const char *wanted)
{
	FILE *file = fopen(STATS, "re");
	long count, found = -1;
	char name[32];

	if (!file)
		return -1;
	while (fscanf(file, "%31s %ld", name, &count) == 2)
		if (!strcmp(name, wanted))
			found = count;
	fclose(file);
	return found;
}

TEST_F(slice, statistics)
{
	static const char * const names[] = {
		"slices_granted", "slices_expired", "slices_revoked",
		"slices_yielded",
	};
	long before[ARRAY_SIZE(names)], delta[ARRAY_SIZE(names)];
	unsigned int i, round;

	if (access(STATS, R_OK))
		SKIP(return, STATS ": %s; CONFIG_RSEQ_STATS, and root, are needed",
		     strerror(errno));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_SIZE(names); i++) {
			before[i] = read_stat(names[i]);
			ASSERT_LE(0, before[i]) {
				TH_LOG("no %s", names[i]);
			}
		}
		ASSERT_EQ(GOOD, play(self->sc, round == 0 ? do_not_ask :
				     round == 1 ? yield_in_time : use_it_up,
				     2 * TIMES));
		for (i = 0; i < ARRAY_SIZE(names); i++)
			delta[i] = read_stat(names[i]) - before[i];
		if (!round) {
			/* Nobody else is enabled. */
			for (i = 0; i < ARRAY_SIZE(names); i++)
				EXPECT_EQ(0, delta[i]);
			continue;
		}
		EXPECT_LE(2 * TIMES, delta[0]);
		EXPECT_LE(round == 2 ? 2 * TIMES : 0, delta[1]);
		EXPECT_LE(2 * TIMES, delta[2]);
		EXPECT_LE(round == 1 ? 2 * TIMES : 0, delta[3]);
		/* Each grant ends, and once. */
		EXPECT_EQ(delta[0], delta[2]);
		if (round == 2)
			EXPECT_EQ(0, delta[3]);
	}
}

/*
 * A hostile thread asks without rest, and has a victim on its CPU: the scheduler
 * gives them the same time, but for an extension each time that it is
 * preempted.
 */
enum hostility { ASKS, FORGES, INTERRUPTED, SIGNALLED };

FIXTURE(hostile) {
	struct scene *sc;
};

FIXTURE_VARIANT(hostile) {
	enum hostility how;
};

FIXTURE_VARIANT_ADD(hostile, asks) {
	.how = ASKS,
};

FIXTURE_VARIANT_ADD(hostile, forges_the_grant) {
	.how = FORGES,
};

FIXTURE_VARIANT_ADD(hostile, is_interrupted_by_membarrier) {
	.how = INTERRUPTED,
};

FIXTURE_VARIANT_ADD(hostile, signals_itself) {
	.how = SIGNALLED,
};

FIXTURE_SETUP(hostile)
{
	const char *why = not_offered();

	if (!why)
		why = scene_init(&self->sc);
	if (why)
		SKIP(return, "%s", why);
	if (allowed_cpus() < 2 && variant->how == INTERRUPTED)
		SKIP(return, "two CPUs are needed");
	set_length(LENGTH_MAX);
}

FIXTURE_TEARDOWN(hostile)
{
	scene_exit(self->sc);
}

static void *interrupt(void *unused)
{
	move_to_cpu(0, allowed_cpu(0));
	for (;;)
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
	return unused;
}

static void limit_cpu_time(unsigned int ms)
{
	struct itimerval timer = { .it_value = {
		.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000,
	} };

	/* SIGPROF kills. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) ||
	    setitimer(ITIMER_PROF, &timer, NULL))
		_exit(KSFT_FAIL);
}

static void hostile_prepare(struct scene *sc, enum hostility how)
{
	struct sigaction act = {
		.sa_sigaction = handle_invalid, .sa_flags = SA_SIGINFO,
	};
	pthread_t thread;

	if (register_flags(sc->area, rseq_extended_size(), FLAG_DEFAULT_ON) ||
	    sigaction(SIGILL, &act, NULL))
		_exit(KSFT_FAIL);
	if (how == INTERRUPTED &&
	    (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) ||
	     pthread_create(&thread, NULL, interrupt, NULL)))
		_exit(KSFT_FAIL);
}

static void hostile_act(struct scene *sc, enum hostility how)
{
	*(__u32 __shared *)sc->ctrl = how == FORGES ? 0x101 : 1;
	if (how == SIGNALLED)
		asm volatile("ud2" : : : "memory");
}

/* The CPU time of the first thread of a process, in ms; negative if unknown. */
static long cpu_time(pid_t pid)
{
	unsigned long user, system;
	char name[64], text[512] = "", *rest;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/task/%d/stat", (int)pid,
		 (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	rest = strrchr(text, ')');
	if (!rest || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			    &user, &system) != 2)
		return -1;
	return (user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

#define FAIR_MS 500

/*
 * Runs until it had enough, and no less than the hostile thread. That may be less
 * for some time: an emulator that is short of CPU loses ticks, and who has the
 * CPU then keeps it. But in the long run the scheduler makes up for that. What
 * both got the victim looks up itself: meanwhile the other one gets nothing.
 */
static void be_victim(struct scene *sc, pid_t hostile)
{
	long before = cpu_time(hostile), own = cpu_time(getpid());
	__u64 end = now_ms() + 4 * WAIT_MS, next;

	if (before < 0 || own < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL))
		_exit(KSFT_FAIL);
	do {
		next = now_ms() + 10;
		while (now_ms() < next)
			;
		sc->hostile_ms = cpu_time(hostile) - before;
		sc->victim_ms = cpu_time(getpid()) - own;
		if (sc->victim_ms >= FAIR_MS &&
		    sc->victim_ms * 6 / 5 >= sc->hostile_ms)
			_exit(KSFT_PASS);
	} while (next < end);
	_exit(KSFT_FAIL);
}

TEST_F(hostile, victim_gets_its_half)
{
	struct scene *sc = self->sc;
	pid_t hostile, victim;
	int status;

	hostile = fork();
	ASSERT_LE(0, hostile);
	if (!hostile) {
		limit_cpu_time(4 * WAIT_MS);
		hostile_prepare(sc, variant->how);
		sc->child_ready = true;
		for (;;)
			hostile_act(sc, variant->how);
	}
	ASSERT_TRUE(wait_for(sc->child_ready));
	victim = fork();
	ASSERT_LE(0, victim);
	if (!victim)
		be_victim(sc, hostile);
	/* Do not be a third one there. */
	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(0)));
	ASSERT_EQ(victim, waitpid(victim, &status, 0));
	TH_LOG("victim %ld ms, hostile %ld ms", sc->victim_ms, sc->hostile_ms);
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, kill(hostile, SIGKILL));
	ASSERT_EQ(hostile, waitpid(hostile, &status, 0));
	EXPECT_EQ(SIGKILL, status);
}

/* The rival has the right of way, and is not kept out by the hostile thread. */
static enum hostility this_hostility;

static enum seen be_hostile(struct scene *sc)
{
	while (!rival_ran(sc))
		hostile_act(sc, this_hostility);
	return GOOD;
}

TEST_F(hostile, rival_always_gets_the_cpu)
{
	this_hostility = variant->how;
	hostile_prepare(self->sc, variant->how);
	EXPECT_EQ(GOOD, play(self->sc, be_hostile, 20 * TIMES));
}

TEST_HARNESS_MAIN
