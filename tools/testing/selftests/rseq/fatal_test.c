// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever is wrong with a critical section is fatal: SIGSEGV, and a handler
 * for it does not help. Next to each thing that is wrong stands its nearest
 * neighbour that is right, so that a test can tell the one from the other.
 */
#include <setjmp.h>
#include "../kselftest_harness.h"
#include "rseq_test.h"
#include <sys/time.h>

FIXTURE(fatal) {
	struct stage *st;
	struct rseq_cs *cs;
	__u64 top;
	char *pages;	/* 2, writable and executable */
};

FIXTURE_VARIANT(fatal) {
	enum event event;
	bool extended;
};

FIXTURE_VARIANT_ADD(fatal, signal) {
	.event = EVENT_SIGNAL,
};

FIXTURE_VARIANT_ADD(fatal, preemption) {
	.event = EVENT_PREEMPTION,
};

FIXTURE_VARIANT_ADD(fatal, migration) {
	.event = EVENT_MIGRATION,
};

FIXTURE_VARIANT_ADD(fatal, signal_extended) {
	.event = EVENT_SIGNAL,
	.extended = true,
};

FIXTURE_VARIANT_ADD(fatal, preemption_extended) {
	.event = EVENT_PREEMPTION,
	.extended = true,
};

FIXTURE_VARIANT_ADD(fatal, migration_extended) {
	.event = EVENT_MIGRATION,
	.extended = true,
};

FIXTURE_SETUP(fatal)
{
	self->st = map_pages(1, true);
	self->cs = &self->st->cs;
	self->top = user_top();
	self->pages = map_pages(2, false);
	ASSERT_EQ(0, mprotect(self->pages, 2 * page_size(),
			      PROT_READ | PROT_WRITE | PROT_EXEC));
	ASSERT_NE(0, self->top);
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
}

FIXTURE_TEARDOWN(fatal)
{
}

/* Plays the section that the stage holds by now, and asks for one outcome. */
#define EXPECT_OUTCOME(expected)					\
do {									\
	self->st->s.abort_ip = self->cs->abort_ip;			\
	EXPECT_EQ(expected, subject_play(&self->st->s, variant->event)); \
} while (0)

/* Nobody resumed: whether a handler of SIGSEGV ran first is not asked here. */
static enum outcome fatal(enum outcome outcome)
{
	return outcome == FORCED ? KILLED : outcome;
}

#define EXPECT_KILLED()							\
do {									\
	self->st->s.abort_ip = self->cs->abort_ip;			\
	EXPECT_EQ(KILLED, fatal(subject_play(&self->st->s,		\
					     variant->event)));		\
} while (0)

#define EXPECT_ABORTED() EXPECT_OUTCOME(ABORTED)
#define EXPECT_NOTHING() EXPECT_OUTCOME(RELEASED)

/* An address to arm instead of that of the good descriptor. */
#define EXPECT_DESCRIPTOR_KILLS(address)				\
do {									\
	self->st->s.descriptor = (address);				\
	EXPECT_KILLED();						\
} while (0)

TEST_F(fatal, descriptor_unmapped)
{
	char *page = self->pages;

	memcpy(page + page_size() - sizeof(*self->cs), self->cs,
	       sizeof(*self->cs));
	memcpy(page + page_size(), self->cs, sizeof(*self->cs));
	self->st->s.descriptor = addr(page + page_size());
	EXPECT_ABORTED();
	ASSERT_EQ(0, munmap(page + page_size(), page_size()));
	EXPECT_DESCRIPTOR_KILLS(addr(page + page_size()));
	/* Half of it is there, all but a byte, all. */
	EXPECT_DESCRIPTOR_KILLS(addr(page + page_size() - 16));
	EXPECT_DESCRIPTOR_KILLS(addr(page + page_size()) -
				sizeof(*self->cs) + 1);
	self->st->s.descriptor = addr(page + page_size()) - sizeof(*self->cs);
	EXPECT_ABORTED();
}

TEST_F(fatal, descriptor_unreadable)
{
	memcpy(self->pages, self->cs, sizeof(*self->cs));
	self->st->s.descriptor = addr(self->pages);
	ASSERT_EQ(0, mprotect(self->pages, page_size(), PROT_NONE));
	EXPECT_KILLED();
	ASSERT_EQ(0, mprotect(self->pages, page_size(), PROT_READ));
	EXPECT_ABORTED();
}

TEST_F(fatal, descriptor_in_the_kernel)
{
	EXPECT_ABORTED();
#ifdef __x86_64__
	EXPECT_DESCRIPTOR_KILLS(0xffff888000001000);
	EXPECT_DESCRIPTOR_KILLS(0xffffffff81000040);
#else
	EXPECT_DESCRIPTOR_KILLS(0xfffff000);
	/* A right low half does not make the high half right. */
	EXPECT_DESCRIPTOR_KILLS(addr(self->cs) | 1ULL << 32);
	EXPECT_DESCRIPTOR_KILLS(addr(self->cs) | 1ULL << 63);
#endif
	EXPECT_DESCRIPTOR_KILLS(UINT64_MAX);
	EXPECT_DESCRIPTOR_KILLS(UINT64_MAX - sizeof(*self->cs) + 1);
}

TEST_F(fatal, descriptor_not_canonical)
{
	EXPECT_ABORTED();
	EXPECT_DESCRIPTOR_KILLS(addr(self->cs) ^ 1ULL << 63);
	EXPECT_DESCRIPTOR_KILLS(addr(self->cs) | 1ULL << 62);
	EXPECT_DESCRIPTOR_KILLS(self->top + page_size() + 64);
}

TEST_F(fatal, descriptor_at_the_top)
{
	char *last = (char *)(uintptr_t)(self->top - page_size());

	EXPECT_DESCRIPTOR_KILLS(self->top);
	if (mmap(last, page_size(), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) !=
	    last)
		SKIP(return, "the last page of user space is taken");
	memcpy(last + page_size() - sizeof(*self->cs), self->cs,
	       sizeof(*self->cs));
	EXPECT_DESCRIPTOR_KILLS(self->top - sizeof(*self->cs) + 1);
	EXPECT_DESCRIPTOR_KILLS(self->top - 1);
	self->st->s.descriptor = self->top - sizeof(*self->cs);
	EXPECT_ABORTED();
}

TEST_F(fatal, start_outside_user_space)
{
	set_section(self->cs, self->top + page_size(),
		    self->top + page_size() + 1, addr(rseq_stuck_abort));
	EXPECT_KILLED();
	self->cs->start_ip = 1ULL << 63;
	EXPECT_KILLED();
	self->cs->start_ip = UINT64_MAX - 1;
	EXPECT_KILLED();
	self->cs->start_ip = self->top - 2;
	EXPECT_NOTHING();
}

TEST_F(fatal, end_outside_user_space)
{
	set_section(self->cs, addr(rseq_stuck_here), self->top + 1,
		    addr(rseq_stuck_abort_before));
	EXPECT_KILLED();
	self->cs->post_commit_offset = 1ULL << 62;
	EXPECT_KILLED();
	set_section(self->cs, addr(rseq_stuck_here), self->top - 1,
		    addr(rseq_stuck_abort_before));
	EXPECT_ABORTED();
}

TEST_F(fatal, range_wraps)
{
	/* To 0, to just before its start, to a place in the middle. */
	set_section(self->cs, addr(rseq_stuck_here), 0,
		    addr(rseq_stuck_abort));
	EXPECT_KILLED();
	self->cs->post_commit_offset = UINT64_MAX;
	EXPECT_KILLED();
	self->cs->post_commit_offset = page_size() -
				       addr(rseq_stuck_here);
	EXPECT_KILLED();
	/* Over the 4 GiB that a 32-bit program has. */
	if (sizeof(long) == 4) {
		self->cs->post_commit_offset = (1ULL << 32) -
			addr(rseq_stuck_here) + page_size();
		EXPECT_KILLED();
	}
	/* Not at all. */
	set_good_section(self->cs);
	EXPECT_ABORTED();
}

TEST_F(fatal, abort_outside_user_space)
{
	EXPECT_ABORTED();
#ifdef __x86_64__
	self->cs->abort_ip = 0xffffffff81000000;
#else
	self->cs->abort_ip = 0xfffff000;
#endif
	EXPECT_KILLED();
	self->cs->abort_ip = UINT64_MAX;
	EXPECT_KILLED();
	self->cs->abort_ip = self->top + page_size();
	EXPECT_KILLED();
	self->cs->abort_ip = addr(rseq_stuck_abort) ^ 1ULL << 63;
	EXPECT_KILLED();
	self->cs->abort_ip = addr(rseq_stuck_abort) | 1ULL << 62;
	EXPECT_KILLED();
}

TEST_F(fatal, abort_at_the_top)
{
	char *last = (char *)(uintptr_t)(self->top - page_size());
	char *end = last + page_size();

	if (mmap(last, page_size(), PROT_READ | PROT_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) !=
	    last)
		SKIP(return, "the last page of user space is taken");
	/* The signature is there and right, the handler is not. */
	memcpy(end - 4, &(__u32){ RSEQ_SIG }, 4);
	self->cs->abort_ip = self->top;
	EXPECT_KILLED();
	put_abort_handler(end - ABORT_HANDLER_SIZE, RSEQ_SIG);
	self->cs->abort_ip = self->top - ABORT_HANDLER_SIZE;
	EXPECT_ABORTED();
}

TEST_F(fatal, abort_on_first_byte_of_range)
{
	set_section(self->cs, addr(rseq_stuck_abort_before),
		    addr(rseq_stuck_past), addr(rseq_stuck_abort_before));
	EXPECT_KILLED();
	self->cs->start_ip++;
	self->cs->post_commit_offset--;
	EXPECT_ABORTED();
}

TEST_F(fatal, abort_on_last_byte_of_range)
{
	set_section(self->cs, addr(rseq_stuck), addr(rseq_stuck_abort) + 1,
		    addr(rseq_stuck_abort));
	EXPECT_KILLED();
	self->cs->post_commit_offset--;
	EXPECT_ABORTED();
}

TEST_F(fatal, abort_in_the_middle_of_range)
{
	set_section(self->cs, addr(rseq_stuck_abort_before),
		    addr(rseq_stuck_end), addr(rseq_stuck_abort));
	EXPECT_KILLED();
}

TEST_F(fatal, version)
{
	self->cs->version = 1;
	EXPECT_KILLED();
	self->cs->version = 1U << 31;
	EXPECT_KILLED();
	self->cs->version = 0;
	EXPECT_ABORTED();
}

TEST_F(fatal, flags)
{
	static const unsigned int bits[] = { 0, 1, 2, 3, 4, 16, 31 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		self->cs->flags = 1U << bits[i];
		EXPECT_EQ(KILLED, fatal(subject_play(&self->st->s,
						     variant->event))) {
			TH_LOG("flag bit %u", bits[i]);
		}
	}
	self->cs->flags = 0;
	EXPECT_ABORTED();
}

TEST_F(fatal, signature)
{
	static const __u32 wrong[] = { 1, 1 << 8, 1 << 16, 1U << 31 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		self->st->s.sig = RSEQ_SIG ^ wrong[i];
		EXPECT_EQ(KILLED, fatal(subject_play(&self->st->s,
						     variant->event))) {
			TH_LOG("signature wrong by %#x", wrong[i]);
		}
	}
	self->st->s.sig = RSEQ_SIG;
	/* There is one before each handler, but not a byte off. */
	self->cs->abort_ip++;
	EXPECT_KILLED();
	self->cs->abort_ip -= 2;
	EXPECT_KILLED();
	self->cs->abort_ip++;
	EXPECT_ABORTED();
}

TEST_F(fatal, signature_unreadable)
{
	char *second = self->pages + page_size();
	int i;

	for (i = 0; i <= 4; i++) {
		ASSERT_EQ(0, mprotect(self->pages, page_size(),
				      PROT_READ | PROT_WRITE));
		put_abort_handler(second + i, RSEQ_SIG);
		self->cs->abort_ip = addr(second + i);
		/* Some of its bytes are in the page before. */
		EXPECT_ABORTED();
		ASSERT_EQ(0, mprotect(self->pages, page_size(), PROT_NONE));
		if (i < 4)
			EXPECT_KILLED();
		else
			EXPECT_ABORTED();
	}
}

TEST_F(fatal, abort_below_four)
{
	unsigned int i;

	for (i = 0; i <= 4; i++) {
		self->cs->abort_ip = i;
		EXPECT_KILLED();
	}
}

/* The whole descriptor is checked, also when the thread is not inside of it. */
TEST_F(fatal, wrong_and_outside)
{
	set_section(self->cs, addr(rseq_stuck_past), addr(rseq_stuck_past) + 5,
		    addr(rseq_stuck_abort));
	EXPECT_NOTHING();
	self->cs->version = 1;
	EXPECT_KILLED();
	self->cs->version = 0;
	self->cs->abort_ip = addr(rseq_stuck_past);
	EXPECT_KILLED();
	self->cs->abort_ip = addr(rseq_stuck_abort) + 1;
	EXPECT_KILLED();
	self->cs->abort_ip = UINT64_MAX;
	EXPECT_KILLED();
}

TEST_F(fatal, flags_and_outside)
{
	set_section(self->cs, addr(rseq_stuck_past), addr(rseq_stuck_past) + 5,
		    addr(rseq_stuck_abort));
	self->cs->flags = 1;
	EXPECT_KILLED();
	self->cs->flags = 8;
	EXPECT_KILLED();
}

static int ignore_sigsegv(struct subject *s)
{
	return signal(SIGSEGV, SIG_IGN) == SIG_ERR;
}

static int block_sigsegv(struct subject *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	return sigprocmask(SIG_BLOCK, &set, NULL);
}

TEST_F(fatal, sigsegv_default_ignored_blocked)
{
	self->cs->version = 1;
	self->st->s.default_sigsegv = true;
	EXPECT_OUTCOME(KILLED);
	self->st->s.prepare = ignore_sigsegv;
	EXPECT_OUTCOME(KILLED);
	self->st->s.prepare = block_sigsegv;
	EXPECT_OUTCOME(KILLED);
}

/*
 * A handler of SIGSEGV may run, even more than once, but it cannot get the
 * thread out: the kernel finds the same thing wrong when it delivers the
 * signal, or when it looks again.
 */
static sigjmp_buf rescue;

static void handler_returns(int sig, siginfo_t *info, void *context)
{
}

static void handler_moves_on(int sig, siginfo_t *info, void *context)
{
	*context_ip(context) = (greg_t)(uintptr_t)rseq_stuck_past;
}

static void handler_jumps(int sig, siginfo_t *info, void *context)
{
	siglongjmp(rescue, 1);
}

static void handler_persists(int sig, siginfo_t *info, void *context)
{
	static int runs;

	if (++runs > 2)
		_exit(RELEASED);
}

static int on_sigsegv(void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction act = { .sa_sigaction = handler };

	act.sa_flags = SA_SIGINFO | flags;
	return sigaction(SIGSEGV, &act, NULL);
}

static int prepare_return(struct subject *s)
{
	return on_sigsegv(handler_returns, SA_NODEFER);
}

static int prepare_move_on(struct subject *s)
{
	return on_sigsegv(handler_moves_on, SA_NODEFER);
}

static int prepare_jump(struct subject *s)
{
	return on_sigsegv(handler_jumps, SA_NODEFER);
}

/* With the signal blocked in the handler, so that the second one has to wait. */
static int prepare_persist(struct subject *s)
{
	return on_sigsegv(handler_persists, 0);
}

static int stuck_or_rescued(struct subject *s)
{
	if (sigsetjmp(rescue, 1))
		return RELEASED;
	s->ready = true;
	return rseq_stuck(&s->area->rseq_cs, s->descriptor);
}

/* Each thing that is wrong, against the handler that prepare installs. */
#define EXPECT_NO_RESCUE()						\
do {									\
	set_good_section(self->cs);					\
	self->st->s.descriptor = addr(self->cs);			\
	self->cs->version = 1;						\
	EXPECT_OUTCOME(KILLED);						\
	self->cs->version = 0;						\
	self->cs->flags = 1;						\
	EXPECT_OUTCOME(KILLED);						\
	self->cs->flags = 0;						\
	self->cs->abort_ip++;						\
	EXPECT_OUTCOME(KILLED);						\
	self->cs->abort_ip = UINT64_MAX;				\
	EXPECT_OUTCOME(KILLED);						\
	self->st->s.descriptor = self->top;				\
	EXPECT_OUTCOME(KILLED);						\
} while (0)

TEST_F(fatal, sigsegv_handler_cannot_rescue)
{
	self->st->s.prepare = prepare_return;
	EXPECT_NO_RESCUE();
	self->st->s.prepare = prepare_move_on;
	EXPECT_NO_RESCUE();
	self->st->s.prepare = prepare_persist;
	EXPECT_NO_RESCUE();
	self->st->s.prepare = prepare_jump;
	self->st->s.body = stuck_or_rescued;
	EXPECT_NO_RESCUE();
}

/*
 * Another thread never stops changing the abort address, and each time that the
 * timer goes off is a time to read it.
 */
FIXTURE(changing) {
	struct stage *st;
	char *handlers;
};

FIXTURE_VARIANT(changing) {
	bool extended;
};

FIXTURE_VARIANT_ADD(changing, original) {
};

FIXTURE_VARIANT_ADD(changing, extended) {
	.extended = true,
};

#define HANDLERS 3
#define CHANGING_MS 1500

/* What they return is their number, from 1 on. The last one is not signed. */
static struct {
	__u64 abort_ip[HANDLERS + 1];
	int between[2];			/* which the thread changes */

	unsigned long __shared seen[HANDLERS + 1];
} *changing;

FIXTURE_SETUP(changing)
{
	int i;

	self->st = map_pages(1, true);
	changing = map_pages(1, true);
	self->handlers = map_pages(1, false);
	ASSERT_EQ(0, mprotect(self->handlers, page_size(),
			      PROT_READ | PROT_WRITE | PROT_EXEC));
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
	for (i = 1; i <= HANDLERS; i++) {
		char *handler = self->handlers + 64 * i;

		put_abort_handler(handler, i < HANDLERS ? RSEQ_SIG : 0);
		handler[1] = i;
		changing->abort_ip[i] = addr(handler);
	}
}

FIXTURE_TEARDOWN(changing)
{
}

static void spin(int turns)
{
	while (turns--)
		asm volatile("" : : : "memory");
}

/* In the second thread of the subject, until that ends. */
static void change(struct subject *s)
{
	struct stage *st = (struct stage *)s;
	__u64 first = changing->abort_ip[changing->between[0]];
	__u64 second = changing->abort_ip[changing->between[1]];

	/* Away from the controller, if there is room. */
	move_to_cpu(0, s->other);
	for (;;) {
		__atomic_store_n(&st->cs.abort_ip, first, __ATOMIC_RELAXED);
		spin(15);
		__atomic_store_n(&st->cs.abort_ip, second, __ATOMIC_RELAXED);
		spin(5);
	}
}

/* Takes the timer, each time in the section, until the time is over. */
static int be_interrupted(struct subject *s)
{
	struct itimerval often = {
		.it_interval = { .tv_usec = 200 },
		.it_value = { .tv_usec = 200 },
	};
	struct sigaction act = { .sa_sigaction = subject_signal };
	__u64 end = now_ms() + CHANGING_MS;
	int which;

	act.sa_flags = SA_SIGINFO;
	if (sigaction(SIGALRM, &act, NULL) ||
	    setitimer(ITIMER_REAL, &often, NULL))
		return BROKEN;
	while (now_ms() < end ||
	       (!changing->seen[2] && now_ms() < end + WAIT_MS / 2)) {
		which = rseq_stuck(&s->area->rseq_cs, s->descriptor);
		if (which < 0 || which > HANDLERS)
			return BROKEN;
		changing->seen[which]++;
	}
	return RELEASED;
}

TEST_F(changing, between_two_handlers)
{
	struct subject *s = &self->st->s;

	changing->between[0] = 1;
	changing->between[1] = 2;
	self->st->cs.abort_ip = changing->abort_ip[1];
	s->companion = change;
	s->body = be_interrupted;
	subject_start(s);
	EXPECT_EQ(RELEASED, subject_end(s));
	EXPECT_EQ(0, changing->seen[RSEQ_STUCK_RELEASED]);
	EXPECT_LT(0, changing->seen[1]);
	EXPECT_LT(0, changing->seen[2]);
	EXPECT_EQ(0, changing->seen[HANDLERS]);
}

/* It goes to the handler, or nowhere. */
TEST_F(changing, between_a_handler_and_another_place)
{
	struct subject *s = &self->st->s;
	__u64 end = now_ms() + CHANGING_MS;
	enum outcome outcome;
	int killed = 0;

	changing->between[0] = 1;
	changing->between[1] = HANDLERS;
	s->default_sigsegv = true;
	s->companion = change;
	s->body = be_interrupted;
	while (now_ms() < end || (!killed && now_ms() < end + WAIT_MS)) {
		/* For what comes before it is changed. */
		self->st->cs.abort_ip = changing->abort_ip[1];
		subject_start(s);
		outcome = subject_end(s);
		ASSERT_TRUE(outcome == KILLED || outcome == RELEASED) {
			TH_LOG("%d", outcome);
		}
		killed += outcome == KILLED;
	}
	EXPECT_LT(0, killed);
	EXPECT_EQ(0, changing->seen[RSEQ_STUCK_RELEASED]);
	EXPECT_LT(0, changing->seen[1]);
	EXPECT_EQ(0, changing->seen[2]);
	EXPECT_EQ(0, changing->seen[HANDLERS]);
}

TEST_HARNESS_MAIN
