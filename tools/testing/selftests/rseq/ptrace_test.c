// SPDX-License-Identifier: GPL-2.0
/*
 * What a tracer sees of a registration, and what becomes of a critical section
 * in which a thread is stopped.
 */
#include "../kselftest_harness.h"
#include "rseq_count.h"
#include <sys/user.h>
#include <linux/ptrace.h>

#ifdef __x86_64__
#define REG(regs, name) ((regs)->r##name)
#define USER_IP offsetof(struct user, regs.rip)
#define ORIG_AX orig_rax
#define RED_ZONE 128
#else
#define REG(regs, name) ((regs)->e##name)
#define USER_IP offsetof(struct user, regs.eip)
#define ORIG_AX orig_eax
#define RED_ZONE 0
#endif

#define CONFIGURATION_SIZE 24

static_assert(PTRACE_GET_RSEQ_CONFIGURATION == 0x420f, "request");
static_assert(sizeof(struct ptrace_rseq_configuration) == CONFIGURATION_SIZE,
	      "size of the configuration");

/* The system call, with a negative error number. */
static long trace(int request, pid_t pid, unsigned long addr,
		  const void *data)
{
	long ret = syscall(SYS_ptrace, request, pid, addr, data);

	return ret < 0 ? -errno : ret;
}

static long get_configuration(pid_t pid, unsigned long size, void *data)
{
	return trace(PTRACE_GET_RSEQ_CONFIGURATION, pid, size, data);
}

/* Waits until the tracee has stopped; returns the signal it reports. */
static int wait_for_stop(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		return -1;
	return WSTOPSIG(status);
}

static bool seize(pid_t pid)
{
	return !trace(PTRACE_SEIZE, pid, 0, NULL) &&
	       !trace(PTRACE_INTERRUPT, pid, 0, NULL) &&
	       wait_for_stop(pid) == SIGTRAP;
}

static bool attach(pid_t pid)
{
	return !trace(PTRACE_ATTACH, pid, 0, NULL) &&
	       wait_for_stop(pid) == SIGSTOP;
}

static unsigned long get_ip(pid_t pid)
{
	struct user_regs_struct regs;

	return trace(PTRACE_GETREGS, pid, 0, &regs) ? 0 : REG(&regs, ip);
}

FIXTURE(ptrace) {
	struct stage *st;
	struct subject *s;
};

FIXTURE_VARIANT(ptrace) {
	bool extended;
};

FIXTURE_VARIANT_ADD(ptrace, original) {
};

FIXTURE_VARIANT_ADD(ptrace, extended) {
	.extended = true,
};

FIXTURE_SETUP(ptrace)
{
	self->st = map_pages(1, true);
	self->s = &self->st->s;
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
}

FIXTURE_TEARDOWN(ptrace)
{
	if (self->s->pid && !self->s->ended)
		kill(self->s->pid, SIGKILL);
}

static int wait_until_stop(struct subject *s)
{
	s->ready = true;
	while (!s->stop)
		;
	return RELEASED;
}

/* A subject that has stopped for its tracer, in no critical section. */
#define START_AND_SEIZE(what)						\
do {									\
	self->s->body = (what);						\
	subject_start(self->s);						\
	ASSERT_TRUE(wait_for(self->s->ready || subject_ended(self->s)));\
	ASSERT_FALSE(self->s->ended);					\
	ASSERT_TRUE(seize(self->s->pid));				\
} while (0)

TEST_F(ptrace, configuration_of_a_registered_thread)
{
	struct ptrace_rseq_configuration conf;

	self->s->sig = 0x80000001;
	START_AND_SEIZE(wait_until_stop);
	memset(&conf, 0xff, sizeof(conf));
	EXPECT_EQ(CONFIGURATION_SIZE,
		  get_configuration(self->s->pid, sizeof(conf), &conf));
	EXPECT_EQ(addr(self->st->area), conf.rseq_abi_pointer);
	EXPECT_EQ(rseq_len(variant->extended), conf.rseq_abi_size);
	EXPECT_EQ(0x80000001, conf.signature);
	EXPECT_EQ(0, conf.flags);
	EXPECT_EQ(0, conf.pad);
	self->s->stop = true;
	ASSERT_EQ(0, trace(PTRACE_DETACH, self->s->pid, 0, NULL));
	EXPECT_EQ(RELEASED, subject_end(self->s));
}

static int unregister(struct subject *s)
{
	return rseq(s->area, s->len, RSEQ_FLAG_UNREGISTER, s->sig);
}

TEST_F(ptrace, configuration_of_an_unregistered_thread)
{
	static const struct ptrace_rseq_configuration none;
	struct ptrace_rseq_configuration conf;
	int i;

	/* Of one that was never registered, and of one that is no more. */
	for (i = 0; i < 2; i++) {
		if (i) {
			self->s->len = rseq_len(variant->extended);
			self->s->prepare = unregister;
		} else {
			self->s->len = 0;
		}
		START_AND_SEIZE(wait_until_stop);
		memset(&conf, 0xff, sizeof(conf));
		EXPECT_EQ(CONFIGURATION_SIZE,
			  get_configuration(self->s->pid, sizeof(conf), &conf));
		EXPECT_EQ(0, memcmp(&conf, &none, sizeof(conf)));
		self->s->stop = true;
		ASSERT_EQ(0, trace(PTRACE_DETACH, self->s->pid, 0, NULL));
		EXPECT_EQ(RELEASED, subject_end(self->s));
	}
}

/* No more than was asked for, no more than there is; always the full size. */
TEST_F(ptrace, configuration_is_truncated)
{
	static const unsigned int sizes[] = { 0, 1, 8, 12, 23, 24, 25, 100 };
	struct ptrace_rseq_configuration conf;
	char buf[128], expected[128];
	unsigned int i;

	START_AND_SEIZE(wait_until_stop);
	ASSERT_EQ(CONFIGURATION_SIZE,
		  get_configuration(self->s->pid, sizeof(conf), &conf));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int size = sizes[i];

		memset(buf, 0xa5, sizeof(buf));
		memset(expected, 0xa5, sizeof(expected));
		memcpy(expected, &conf, size < sizeof(conf) ? size :
							      sizeof(conf));
		EXPECT_EQ(CONFIGURATION_SIZE,
			  get_configuration(self->s->pid, size, buf));
		EXPECT_EQ(0, memcmp(expected, buf, sizeof(buf))) {
			TH_LOG("size %u", size);
		}
	}
}

TEST_F(ptrace, configuration_errors)
{
	char *pages = map_pages(2, false);
	char buf[CONFIGURATION_SIZE];

	ASSERT_EQ(0, munmap(pages + page_size(), page_size()));
	START_AND_SEIZE(wait_until_stop);
	EXPECT_EQ(-EFAULT, get_configuration(self->s->pid, sizeof(buf), NULL));
	EXPECT_EQ(-EFAULT, get_configuration(self->s->pid, sizeof(buf),
					     pages + page_size()));
	EXPECT_EQ(-EFAULT, get_configuration(self->s->pid, sizeof(buf),
					     pages + page_size() - 23));
	EXPECT_EQ(CONFIGURATION_SIZE,
		  get_configuration(self->s->pid, sizeof(buf),
				    pages + page_size() - 24));
	/* Not stopped, or not traced. */
	ASSERT_EQ(0, trace(PTRACE_CONT, self->s->pid, 0, NULL));
	EXPECT_EQ(-ESRCH, get_configuration(self->s->pid, sizeof(buf), buf));
	EXPECT_EQ(-ESRCH, get_configuration(getppid(), sizeof(buf), buf));
}

/*
 * A subject that was stopped by its tracer at rseq_stuck_here. It was not aborted
 * yet: the tracer sees where it was. If an event that nobody ordered was faster,
 * it is started again.
 */
#define START_AND_STOP_IN_SECTION(stop)					\
do {									\
	int _tries;							\
									\
	for (_tries = 0; _tries < 50; _tries++) {			\
		subject_start(self->s);					\
		if (subject_wait_armed(self->s) && (stop)(self->s->pid) && \
		    get_ip(self->s->pid) == addr(rseq_stuck_here) &&	\
		    self->s->area->rseq_cs == addr(&self->st->cs))	\
			break;						\
		if (!subject_ended(self->s))				\
			kill(self->s->pid, SIGKILL);			\
		subject_end(self->s);					\
	}								\
	ASSERT_GT(50, _tries);						\
} while (0)

#define START_AND_SEIZE_IN_SECTION()	START_AND_STOP_IN_SECTION(seize)

TEST_F(ptrace, stop_in_a_section_aborts)
{
	START_AND_SEIZE_IN_SECTION();
	ASSERT_EQ(0, trace(PTRACE_DETACH, self->s->pid, 0, NULL));
	EXPECT_EQ(ABORTED, subject_end(self->s));
	EXPECT_EQ(0, self->s->handled);
	EXPECT_EQ(0, self->s->last.rseq_cs);
	EXPECT_EQ((__u32)self->s->cpu, self->s->last.cpu_id);
}

/* The stop signal of the older request. */
TEST_F(ptrace, attach_in_a_section_aborts)
{
	START_AND_STOP_IN_SECTION(attach);
	ASSERT_EQ(0, trace(PTRACE_DETACH, self->s->pid, 0, NULL));
	EXPECT_EQ(ABORTED, subject_end(self->s));
	EXPECT_EQ(0, self->s->handled);
}

/* The tracer looks at a signal first, then it is delivered, or it is not. */
TEST_F(ptrace, stop_for_a_signal_aborts)
{
	unsigned long deliver;

	for (deliver = 0; deliver <= SIGUSR1; deliver += SIGUSR1) {
		pid_t pid;

		START_AND_SEIZE_IN_SECTION();
		pid = self->s->pid;
		ASSERT_EQ(0, syscall(SYS_tgkill, pid, pid, SIGUSR1));
		ASSERT_EQ(0, trace(PTRACE_CONT, pid, 0, NULL));
		ASSERT_EQ(SIGUSR1, wait_for_stop(pid));
		ASSERT_EQ(0, trace(PTRACE_DETACH, pid, 0, (void *)deliver));
		EXPECT_EQ(ABORTED, subject_end(self->s));
		EXPECT_EQ(!!deliver, self->s->handled);
		if (deliver) {
			EXPECT_EQ(addr(rseq_stuck_abort), self->s->handler_ip);
			EXPECT_EQ(0, self->s->handler_cs);
		}
	}
}

TEST_F(ptrace, moved_out_of_a_section)
{
	START_AND_SEIZE_IN_SECTION();
	ASSERT_EQ(0, trace(PTRACE_POKEUSR, self->s->pid, USER_IP,
			   (void *)rseq_stuck_past));
	/* Just behind the range. */
	self->st->cs.post_commit_offset = addr(rseq_stuck_past) -
					  self->st->cs.start_ip;
	ASSERT_EQ(0, trace(PTRACE_DETACH, self->s->pid, 0, NULL));
	EXPECT_EQ(RELEASED, subject_end(self->s));
	EXPECT_EQ(0, self->s->last.rseq_cs);
}

TEST_F(ptrace, moved_into_a_section)
{
	set_section(&self->st->cs, addr(rseq_stuck_past),
		    addr(rseq_stuck_past) + 1, addr(rseq_stuck_abort));
	START_AND_SEIZE_IN_SECTION();
	ASSERT_EQ(0, trace(PTRACE_POKEUSR, self->s->pid, USER_IP,
			   (void *)rseq_stuck_past));
	ASSERT_EQ(0, trace(PTRACE_DETACH, self->s->pid, 0, NULL));
	EXPECT_EQ(ABORTED, subject_end(self->s));
	EXPECT_EQ(0, self->s->last.rseq_cs);
}

/*
 * That a tracer makes it look like a system call does not help the thread: not one
 * instruction more of the section is run.
 */
TEST_F(ptrace, number_of_a_system_call_in_a_section)
{
	struct user_regs_struct regs;

	START_AND_SEIZE_IN_SECTION();
	ASSERT_EQ(0, trace(PTRACE_GETREGS, self->s->pid, 0, &regs));
	regs.ORIG_AX = SYS_getpid;
	ASSERT_EQ(0, trace(PTRACE_SETREGS, self->s->pid, 0, &regs));
	ASSERT_EQ(0, trace(PTRACE_SINGLESTEP, self->s->pid, 0, NULL));
	ASSERT_EQ(SIGTRAP, wait_for_stop(self->s->pid));
	EXPECT_LE(self->st->cs.post_commit_offset,
		  get_ip(self->s->pid) - self->st->cs.start_ip);
	ASSERT_EQ(0, trace(PTRACE_DETACH, self->s->pid, 0, NULL));
	EXPECT_EQ(ABORTED, subject_end(self->s));
	EXPECT_EQ(0, self->s->last.rseq_cs);
}

/* Three tries of one critical section. */
static int count_three_times(struct subject *s)
{
	struct stage *st = (struct stage *)s;
	static unsigned long counter[CPU_SETSIZE * 128 / sizeof(long)];
	int i;

	wait_until_stop(s);
	for (i = 0; i < 3; i++)
		s->count += rseq_count(s->area, &st->cs,
					offsetof(struct rseq_area, cpu_id),
					counter);
	return s->count ? ABORTED : RELEASED;
}

/*
 * Each step ends in a stop, so nobody gets further than to the first
 * instruction of a section.
 */
TEST_F(ptrace, single_step_into_a_section_aborts)
{
	unsigned int in_section = 0, steps;
	pid_t pid;

	set_section(&self->st->cs, addr(rseq_count_start),
		    addr(rseq_count_end), addr(rseq_count_abort));
	self->s->count = 0;
	START_AND_SEIZE(count_three_times);
	pid = self->s->pid;
	self->s->stop = true;
	for (steps = 0; self->s->count < 3 && steps < 1000; steps++) {
		unsigned long ip, before = get_ip(pid);

		ASSERT_EQ(0, trace(PTRACE_SINGLESTEP, pid, 0, NULL));
		ASSERT_EQ(SIGTRAP, wait_for_stop(pid));
		ip = get_ip(pid);
		EXPECT_FALSE(ip > addr(rseq_count_start) &&
			     ip < addr(rseq_count_end));
		EXPECT_NE(addr(rseq_count_end), ip);
		if (ip == addr(rseq_count_start))
			in_section++;
		/* The first instruction of the abort handler was the step. */
		if (before == addr(rseq_count_start))
			EXPECT_EQ(addr(rseq_count_abort) + 5, ip);
	}
	EXPECT_EQ(3, in_section);
	EXPECT_EQ(3, self->s->count);
	ASSERT_EQ(0, trace(PTRACE_DETACH, pid, 0, NULL));
	EXPECT_EQ(ABORTED, subject_end(self->s));
}

/* How to step over it: from in front of the section, without a stop within. */
TEST_F(ptrace, continue_over_a_section_commits)
{
	enum outcome outcome = BROKEN;
	int tries;

	set_section(&self->st->cs, addr(rseq_count_start),
		    addr(rseq_count_end), addr(rseq_count_abort));
	for (tries = 0; tries < 8 && outcome != RELEASED; tries++) {
		self->s->count = 0;
		START_AND_SEIZE(count_three_times);
		self->s->stop = true;
		ASSERT_EQ(0, trace(PTRACE_DETACH, self->s->pid, 0, NULL));
		outcome = subject_end(self->s);
	}
	EXPECT_EQ(RELEASED, outcome);
	EXPECT_EQ(0, self->s->count);
}

/* A function of the tracee that its tracer calls, as debuggers do. */
static void inferior(void)
{
	struct subject *s = this_subject;

	s->count++;
	s->last = *s->area;
	asm volatile("int3");
}

/* Calls inferior() in the tracee and puts everything back. */
static bool call_inferior(pid_t pid)
{
	struct user_regs_struct saved, regs;
	unsigned long sp;

	if (trace(PTRACE_GETREGS, pid, 0, &saved))
		return false;
	regs = saved;
	sp = ((unsigned long)REG(&regs, sp) - RED_ZONE) & ~63UL;
	sp -= sizeof(long);
	REG(&regs, sp) = sp;
	REG(&regs, ip) = (unsigned long)inferior;
	regs.ORIG_AX = -1;
	return !trace(PTRACE_SETREGS, pid, 0, &regs) &&
	       !trace(PTRACE_CONT, pid, 0, NULL) &&
	       wait_for_stop(pid) == SIGTRAP &&
	       !trace(PTRACE_SETREGS, pid, 0, &saved);
}

TEST_F(ptrace, call_of_a_function)
{
	self->s->count = 0;
	START_AND_SEIZE(wait_until_stop);
	EXPECT_TRUE(call_inferior(self->s->pid));
	EXPECT_EQ(1, self->s->count);
	EXPECT_EQ((__u32)self->s->cpu, self->s->last.cpu_id);
	self->s->stop = true;
	ASSERT_EQ(0, trace(PTRACE_DETACH, self->s->pid, 0, NULL));
	EXPECT_EQ(RELEASED, subject_end(self->s));
}

/*
 * The function is outside of the section, so the kernel disarms it; the tracer
 * puts the thread back into a section that nobody knows of any more. To get it
 * restarted, it has to put rseq_cs back as well.
 */
TEST_F(ptrace, call_of_a_function_in_a_section)
{
	int restore;

	for (restore = 0; restore < 2; restore++) {
		pid_t pid;

		self->s->count = 0;
		START_AND_SEIZE_IN_SECTION();
		pid = self->s->pid;
		EXPECT_TRUE(call_inferior(pid));
		EXPECT_EQ(1, self->s->count);
		EXPECT_EQ(0, self->s->area->rseq_cs);
		if (restore)
			self->s->area->rseq_cs = addr(&self->st->cs);
		ASSERT_EQ(0, trace(PTRACE_DETACH, pid, 0, NULL));
		if (!restore) {
			ASSERT_EQ(0, syscall(SYS_tgkill, pid, pid, SIGUSR1));
			EXPECT_EQ(RELEASED, subject_end(self->s));
			EXPECT_EQ(addr(rseq_stuck_here), self->s->handler_ip);
		} else {
			EXPECT_EQ(ABORTED, subject_end(self->s));
		}
	}
}

TEST_HARNESS_MAIN
