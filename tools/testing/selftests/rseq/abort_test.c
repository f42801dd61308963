// SPDX-License-Identifier: GPL-2.0
/*
 * The promise to a critical section: what preemption, migration and signal
 * delivery do to a thread that is inside of one, at each edge of it, and just
 * outside. The event is made to happen while the thread stands at a known
 * instruction; only the descriptor differs.
 */
#include "../kselftest_harness.h"
#include "rseq_test.h"

FIXTURE(abort) {
	struct stage *st;
};

FIXTURE_VARIANT(abort) {
	enum event event;
	bool extended;
};

FIXTURE_VARIANT_ADD(abort, signal) {
	.event = EVENT_SIGNAL,
};

FIXTURE_VARIANT_ADD(abort, preemption) {
	.event = EVENT_PREEMPTION,
};

FIXTURE_VARIANT_ADD(abort, migration) {
	.event = EVENT_MIGRATION,
};

FIXTURE_VARIANT_ADD(abort, signal_extended) {
	.event = EVENT_SIGNAL,
	.extended = true,
};

FIXTURE_VARIANT_ADD(abort, preemption_extended) {
	.event = EVENT_PREEMPTION,
	.extended = true,
};

FIXTURE_VARIANT_ADD(abort, migration_extended) {
	.event = EVENT_MIGRATION,
	.extended = true,
};

FIXTURE_SETUP(abort)
{
	self->st = map_pages(1, true);
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
}

FIXTURE_TEARDOWN(abort)
{
}

/* What holds at the end, aborted or not. */
#define EXPECT_GOOD_END()						\
do {									\
	struct subject *_s = &self->st->s;				\
									\
	EXPECT_TRUE(_s->provoked);					\
	EXPECT_EQ(0, _s->last.rseq_cs);					\
	EXPECT_TRUE(_s->last_ids_true);					\
	EXPECT_EQ((__u32)(variant->event == EVENT_MIGRATION ?	\
			     _s->other : _s->cpu), _s->last.cpu_id);	\
	if (_s->handled) {						\
		EXPECT_EQ(0, _s->handler_cs);				\
		EXPECT_TRUE(_s->handler_ids_true);			\
	}								\
} while (0)

#define EXPECT_ABORT(start, end)					\
do {									\
	struct subject *_s = &self->st->s;				\
									\
	set_section(&self->st->cs, start, end, addr(rseq_stuck_abort));	\
	ASSERT_EQ(ABORTED, subject_play(_s, variant->event));		\
	/* The handler of the signal sees the abort address. */		\
	if (variant->event == EVENT_SIGNAL)				\
		EXPECT_EQ(_s->abort_ip, _s->handler_ip);		\
	EXPECT_GOOD_END();						\
} while (0)

#define EXPECT_NO_ABORT(start, end)					\
do {									\
	struct subject *_s = &self->st->s;				\
									\
	set_section(&self->st->cs, start, end, addr(rseq_stuck_abort));	\
	ASSERT_EQ(RELEASED, subject_play(_s, variant->event));		\
	EXPECT_EQ(addr(rseq_stuck_here), _s->handler_ip);		\
	EXPECT_GOOD_END();						\
} while (0)

TEST_F(abort, first_instruction)
{
	EXPECT_ABORT(addr(rseq_stuck_here), addr(rseq_stuck_past) + 5);
}

TEST_F(abort, middle)
{
	EXPECT_ABORT(addr(rseq_stuck), addr(rseq_stuck_past) + 5);
}

TEST_F(abort, last_instruction)
{
	EXPECT_ABORT(addr(rseq_stuck), addr(rseq_stuck_past));
}

TEST_F(abort, only_instruction)
{
	EXPECT_ABORT(addr(rseq_stuck_here), addr(rseq_stuck_past));
}

/* The boundaries are addresses, not instructions. */
TEST_F(abort, only_byte)
{
	EXPECT_ABORT(addr(rseq_stuck_here), addr(rseq_stuck_here) + 1);
}

TEST_F(abort, one_instruction_before_start)
{
	EXPECT_NO_ABORT(addr(rseq_stuck_past), addr(rseq_stuck_past) + 5);
}

TEST_F(abort, one_byte_before_start)
{
	EXPECT_NO_ABORT(addr(rseq_stuck_here) + 1, addr(rseq_stuck_past) + 5);
}

TEST_F(abort, right_behind_the_end)
{
	EXPECT_NO_ABORT(addr(rseq_stuck), addr(rseq_stuck_here));
}

TEST_F(abort, empty_section)
{
	EXPECT_NO_ABORT(addr(rseq_stuck_here), addr(rseq_stuck_here));
}

TEST_F(abort, section_elsewhere)
{
	EXPECT_NO_ABORT(page_size(), 2 * page_size());
}

/* The abort handler may stand in front of its section. */
TEST_F(abort, handler_before_section)
{
	struct stage *st = self->st;

	set_section(&st->cs, addr(rseq_stuck), addr(rseq_stuck_past),
		    addr(rseq_stuck_abort_before));
	st->s.abort_ip = st->cs.abort_ip;
	ASSERT_EQ(ABORTED, subject_play(&st->s, variant->event));
	if (variant->event == EVENT_SIGNAL)
		EXPECT_EQ(st->s.abort_ip, st->s.handler_ip);
	EXPECT_GOOD_END();
}

/* A descriptor need not be aligned: only its type asks for it. */
TEST_F(abort, unaligned_descriptor)
{
	struct stage *st = self->st;
	char *odd = (char *)&st->cs + 1;

	memmove(odd, &st->cs, sizeof(st->cs));
	st->s.descriptor = addr(odd);
	EXPECT_EQ(ABORTED, subject_play(&st->s, variant->event));
	EXPECT_GOOD_END();
}

/* Any signature will do, if it is the one that was registered. */
TEST_F(abort, any_signature)
{
	static const __u32 sigs[] = { 0, 0x80000001, 0xffffffff };
	struct stage *st = self->st;
	char *code = map_pages(1, false);
	unsigned int i;

	ASSERT_EQ(0, mprotect(code, page_size(),
			      PROT_READ | PROT_WRITE | PROT_EXEC));
	st->cs.abort_ip = addr(code + 5);
	st->s.abort_ip = st->cs.abort_ip;
	for (i = 0; i < ARRAY_SIZE(sigs); i++) {
		put_abort_handler(code + 5, sigs[i]);
		st->s.sig = sigs[i];
		EXPECT_EQ(ABORTED, subject_play(&st->s, variant->event)) {
			TH_LOG("signature %#x", sigs[i]);
		}
	}
}

/*
 * A thread can be aborted as often as it tries. The second time it is the same
 * registration that is at work, not the first event after it.
 */
static int abort_ten_times(struct subject *s)
{
	int i;

	for (i = 0; i < 10; i++) {
		s->ready = true;
		if (rseq_stuck(&s->area->rseq_cs, s->descriptor) !=
		    RSEQ_STUCK_ABORTED)
			return RELEASED;
		if (s->area->rseq_cs)
			return BROKEN;
		s->count++;
	}
	return ABORTED;
}

TEST_F(abort, again_and_again)
{
	struct subject *s = &self->st->s;
	int aborts, i;

	s->body = abort_ten_times;
	s->count = 0;
	subject_start(s);
	/* Up to eleven: an event that nobody ordered counts as well. */
	for (i = 0; i < 11 && subject_wait_armed(s); i++) {
		aborts = s->count;
		ASSERT_TRUE(provoke(s, variant->event));
		if (variant->event == EVENT_MIGRATION) {
			int cpu = s->cpu;

			s->cpu = s->other;
			s->other = cpu;
		}
		/* rseq_cs is 0 for a moment only: it arms again at once. */
		ASSERT_TRUE(wait_for(s->count > aborts || subject_ended(s)));
	}
	EXPECT_EQ(ABORTED, subject_end(s));
	EXPECT_EQ(10, s->count);
}

/* The rest is about signals. */
FIXTURE(signals) {
	struct stage *st;
};

FIXTURE_VARIANT(signals) {
	bool extended;
};

FIXTURE_VARIANT_ADD(signals, original) {
};

FIXTURE_VARIANT_ADD(signals, extended) {
	.extended = true,
};

FIXTURE_SETUP(signals)
{
	self->st = map_pages(1, true);
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
}

FIXTURE_TEARDOWN(signals)
{
}

static struct {
	__u64 __shared ip, cs;
	int __shared result;
} *inner;

/* Runs while the handler below is in its own critical section. */
static void inner_signal(int sig, siginfo_t *info, void *context)
{
	inner->cs = this_subject->area->rseq_cs;
	inner->ip = (unsigned long)*context_ip(context);
	if (inner->ip == addr(rseq_stuck_here))
		*context_ip(context) = (greg_t)(uintptr_t)rseq_stuck_past;
}

static void run_inner_section(struct subject *s)
{
	struct stage *st = (struct stage *)s;

	inner->result = rseq_stuck(&s->area->rseq_cs, addr(&st->cs2));
}

static int prepare_inner(struct subject *s)
{
	struct sigaction act = { .sa_sigaction = inner_signal };

	act.sa_flags = SA_SIGINFO;
	return sigaction(SIGUSR2, &act, NULL);
}

/* The handler runs a critical section of its own, and that is aborted too. */
TEST_F(signals, section_in_a_handler)
{
	struct stage *st = self->st;
	struct subject *s = &st->s;
	enum outcome outcome = BROKEN;
	int tries;

	inner = map_pages(1, true);
	set_section(&st->cs2, addr(rseq_stuck_here), addr(rseq_stuck_past),
		    addr(rseq_stuck_abort_before));
	s->prepare = prepare_inner;
	s->in_handler = run_inner_section;
	for (tries = 0; tries < 8; tries++) {
		memset(inner, 0, sizeof(*inner));
		inner->result = BROKEN;
		subject_start(s);
		if (subject_wait_armed(s) && provoke(s, EVENT_SIGNAL)) {
			wait_for(subject_cs(s) == (__u32)addr(&st->cs2) ||
				 subject_ended(s));
			syscall(SYS_tgkill, s->pid, s->pid, SIGUSR2);
		}
		outcome = subject_end(s);
		if (outcome == HUNG || outcome == KILLED ||
		    (s->handler_ip == addr(rseq_stuck_abort) &&
		     inner->ip == addr(rseq_stuck_abort_before)) ||
		    s->handler_ip == addr(rseq_stuck_here) ||
		    inner->ip == addr(rseq_stuck_here))
			break;
	}
	/* The outer one was aborted before the handler began. */
	EXPECT_EQ(ABORTED, outcome);
	EXPECT_EQ(addr(rseq_stuck_abort), s->handler_ip);
	EXPECT_EQ(0, s->handler_cs);
	/* And the inner one by the second signal. */
	EXPECT_EQ(RSEQ_STUCK_ABORTED, inner->result);
	EXPECT_EQ(addr(rseq_stuck_abort_before), inner->ip);
	EXPECT_EQ(0, inner->cs);
	EXPECT_EQ(0, s->last.rseq_cs);
}

static int ignore_some_signals(struct subject *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	if (signal(SIGWINCH, SIG_IGN) == SIG_ERR)
		return -1;
	return sigprocmask(SIG_BLOCK, &set, NULL);
}

/*
 * A signal that is ignored, or blocked, is not delivered and aborts nothing. A
 * preemption that comes in between does, so one good try of many is asked for.
 */
TEST_F(signals, undelivered_signal_does_not_abort)
{
	struct subject *s = &self->st->s;
	bool stayed = false;
	int tries, i;

	s->prepare = ignore_some_signals;
	for (tries = 0; tries < 20 && !stayed; tries++) {
		subject_start(s);
		if (subject_wait_armed(s)) {
			for (i = 0; i < 10; i++) {
				syscall(SYS_tgkill, s->pid, s->pid, SIGWINCH);
				syscall(SYS_tgkill, s->pid, s->pid, SIGUSR2);
			}
			stayed = subject_cs(s);
			/* The next one is delivered. */
			syscall(SYS_tgkill, s->pid, s->pid, SIGUSR1);
		} else if (!subject_ended(s)) {
			kill(s->pid, SIGKILL);
		}
		if (subject_end(s) != ABORTED)
			stayed = false;
	}
	EXPECT_TRUE(stayed);
}

/* Two signals at once: both handlers run, on top of one abort. */
TEST_F(signals, two_signals_at_once)
{
	struct stage *st = self->st;
	struct subject *s = &st->s;
	enum outcome outcome = BROKEN;
	int tries;

	inner = map_pages(1, true);
	s->prepare = prepare_inner;
	for (tries = 0; tries < 8; tries++) {
		memset(inner, 0, sizeof(*inner));
		subject_start(s);
		/* Stopped, so that both are pending when it goes on. */
		if (subject_wait_armed(s)) {
			kill(s->pid, SIGSTOP);
			syscall(SYS_tgkill, s->pid, s->pid, SIGUSR1);
			syscall(SYS_tgkill, s->pid, s->pid, SIGUSR2);
			kill(s->pid, SIGCONT);
		}
		outcome = subject_end(s);
		if (s->handled && inner->ip)
			break;
	}
	EXPECT_EQ(ABORTED, outcome);
	EXPECT_EQ(1, s->handled);
	EXPECT_EQ(0, s->handler_cs);
	EXPECT_EQ(0, inner->cs);
	/* One was interrupted by the other before its first instruction. */
	EXPECT_TRUE(s->handler_ip == addr(rseq_stuck_abort) ||
		    inner->ip == addr(rseq_stuck_abort));
	EXPECT_NE(addr(rseq_stuck_here), s->handler_ip);
	EXPECT_NE(addr(rseq_stuck_here), inner->ip);
}

/* Stopped and continued without a handler: it was scheduled away. */
TEST_F(signals, stop_and_continue_aborts)
{
	struct subject *s = &self->st->s;

	subject_start(s);
	if (subject_wait_armed(s)) {
		kill(s->pid, SIGSTOP);
		/* Else the one may take back the other. */
		waitid(P_PID, s->pid, NULL, WSTOPPED | WEXITED | WNOWAIT);
		kill(s->pid, SIGCONT);
	}
	EXPECT_EQ(ABORTED, subject_end(s));
	EXPECT_EQ(0, s->handled);
	EXPECT_EQ(0, s->last.rseq_cs);
}

TEST_HARNESS_MAIN
