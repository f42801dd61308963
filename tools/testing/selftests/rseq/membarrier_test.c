// SPDX-License-Identifier: GPL-2.0
/*
 * The membarrier command for critical sections: when it returns, no other
 * thread of the process is in a section that it was in when the call began.
 */
#include "../kselftest_harness.h"
#include <linux/membarrier.h>
#include "rseq_section.h"

static int barrier(unsigned int flags, int cpu)
{
	return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, flags, cpu);
}

static int barrier_register(void)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0);
}

/* What the calls themselves say. */
static void *wait_for_end(void *pipe)
{
	char c;

	return read(*(int *)pipe, &c, 1) ? pipe : NULL;
}

FIXTURE(call) {
	int pipe[2];
	pthread_t thread;
};

FIXTURE_SETUP(call)
{
	/* Alone, a process has nobody to interrupt. */
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, wait_for_end,
				    &self->pipe[0]));
}

FIXTURE_TEARDOWN(call)
{
	close(self->pipe[1]);
	pthread_join(self->thread, NULL);
}

TEST_F(call, query_shows_both_commands)
{
	int commands = membarrier(MEMBARRIER_CMD_QUERY, 0, 0);

	ASSERT_LE(0, commands);
	EXPECT_TRUE(commands & (1 << 7));
	EXPECT_TRUE(commands & (1 << 8));
}

TEST_F(call, unregistered_is_refused)
{
	EXPECT_EQ(-EPERM, barrier(0, 0));
	EXPECT_EQ(-EPERM, barrier(MEMBARRIER_CMD_FLAG_CPU, 0));
	/* Registered for another command does not count. */
	ASSERT_EQ(0, membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
				0, 0));
	EXPECT_EQ(-EPERM, barrier(0, 0));
	ASSERT_EQ(0, barrier_register());
	EXPECT_EQ(0, barrier(0, 0));
	EXPECT_EQ(0, barrier(MEMBARRIER_CMD_FLAG_CPU, allowed_cpu(0)));
}

TEST_F(call, unknown_flags_are_refused)
{
	int bit;

	ASSERT_EQ(0, barrier_register());
	for (bit = 0; bit < 32; bit++) {
		int cmd = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ;

		EXPECT_EQ(-EINVAL, membarrier(cmd, 1U << bit, 0));
		if (1U << bit == MEMBARRIER_CMD_FLAG_CPU)
			continue;
		EXPECT_EQ(-EINVAL, barrier(1U << bit, 0));
		EXPECT_EQ(-EINVAL, barrier(MEMBARRIER_CMD_FLAG_CPU | 1U << bit,
					   0));
	}
}

TEST_F(call, registering_again_is_allowed)
{
	EXPECT_EQ(0, barrier_register());
	EXPECT_EQ(0, barrier_register());
	EXPECT_EQ(0, barrier(0, 0));
}

/* It counts as a registration for the plain command, too. */
TEST_F(call, registration_is_reported)
{
	int cmd = MEMBARRIER_CMD_GET_REGISTRATIONS;

	EXPECT_EQ(0, membarrier(cmd, 0, 0));
	ASSERT_EQ(0, membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
				0, 0));
	EXPECT_EQ(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
		  membarrier(cmd, 0, 0));
	ASSERT_EQ(0, barrier_register());
	EXPECT_EQ(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ |
		  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
		  membarrier(cmd, 0, 0));
}

/* A CPU that is not there runs no thread. */
TEST_F(call, no_such_cpu)
{
	ASSERT_EQ(0, barrier_register());
	EXPECT_EQ(0, barrier(MEMBARRIER_CMD_FLAG_CPU, 1 << 20));
	EXPECT_EQ(0, barrier(MEMBARRIER_CMD_FLAG_CPU, INT32_MAX));
}

/*
 * The section of the caller is left alone. Its range is elsewhere, so that
 * whatever looks at it clears it.
 */
TEST_F(call, caller_is_left_alone)
{
	struct rseq_area *area = map_pages(1, false);
	struct rseq_cs *cs = (struct rseq_cs *)(area + 2);
	int len, tries;

	set_section(cs, page_size(), 2 * page_size(), addr(rseq_stuck_abort));
	ASSERT_EQ(0, barrier_register());
	for (len = 0; len < 2; len++) {
		bool all = false, one = false;

		ASSERT_EQ(0, rseq_register(area, rseq_len(len)));
		ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(0)));
		for (tries = 0; tries < 100 && !(all && one); tries++) {
			area->rseq_cs = addr(cs);
			ASSERT_EQ(0, barrier(0, 0));
			all |= area->rseq_cs == addr(cs);
			area->rseq_cs = addr(cs);
			ASSERT_EQ(0, barrier(MEMBARRIER_CMD_FLAG_CPU,
					     allowed_cpu(0)));
			one |= area->rseq_cs == addr(cs);
		}
		EXPECT_TRUE(all);
		EXPECT_TRUE(one);
		ASSERT_EQ(0, rseq_unregister(area, rseq_len(len)));
	}
}

/* What the two threads of the subject do, and what came of it. */
static struct job {
	bool call;		/* the companion calls membarrier() */
	unsigned int flags;
	int cpu;
	size_t field;		/* what the body overwrites: an offset */

	int __shared ret;
	int __shared go;
	long __shared switches;	/* of the first thread, meanwhile */
} *job;

FIXTURE(barrier) {
	struct stage *st;
};

FIXTURE_VARIANT(barrier) {
	bool extended;
	bool one_cpu;
};

FIXTURE_VARIANT_ADD(barrier, all_cpus) {
};

FIXTURE_VARIANT_ADD(barrier, one_cpu) {
	.one_cpu = true,
};

FIXTURE_VARIANT_ADD(barrier, all_cpus_extended) {
	.extended = true,
};

FIXTURE_VARIANT_ADD(barrier, one_cpu_extended) {
	.extended = true,
	.one_cpu = true,
};

static int subject_barrier_register(struct subject *s)
{
	return barrier_register();
}

static void call_barrier(struct subject *s)
{
	if (job->call)
		job->ret = barrier(job->flags, job->cpu);
	job->go = true;
}

static int run_until(struct subject *s)
{
	struct stage *st = (struct stage *)s;
	int ret;

	job->switches = thread_switches();
	ret = rseq_until(s->area, &st->cs, &job->go);
	job->switches = thread_switches() - job->switches;
	return ret ? ABORTED : RELEASED;
}

FIXTURE_SETUP(barrier)
{
	struct subject *s;

	self->st = map_pages(1, true);
	job = map_pages(1, true);
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
	s = &self->st->s;
	set_section(&self->st->cs, addr(rseq_until_start),
		    addr(rseq_until_end), addr(rseq_until_abort));
	s->prepare = subject_barrier_register;
	s->companion = call_barrier;
	s->body = run_until;
	job->call = true;
	job->cpu = s->cpu;
	if (variant->one_cpu)
		job->flags = MEMBARRIER_CMD_FLAG_CPU;
}

FIXTURE_TEARDOWN(barrier)
{
}

/*
 * Plays the subject until nothing but the membarrier can have happened to its
 * first thread.
 */
static enum outcome play(struct subject *s)
{
	enum outcome outcome = BROKEN;
	int tries;

	for (tries = 0; tries < 50; tries++) {
		job->ret = 0;
		job->go = false;
		job->switches = -1;
		subject_start(s);
		outcome = subject_end(s);
		if (!job->switches || outcome >= KILLED)
			break;
	}
	return job->switches ? outcome < KILLED ? BROKEN : outcome : outcome;
}

TEST_F(barrier, aborts)
{
	EXPECT_EQ(ABORTED, play(&self->st->s));
	EXPECT_EQ(0, job->ret);
	EXPECT_EQ(0, self->st->s.last.rseq_cs);
}

/* The same without the call: so it was the call. */
TEST_F(barrier, nothing_else_aborts)
{
	job->call = false;
	EXPECT_EQ(RELEASED, play(&self->st->s));
}

TEST_F(barrier, refused_call_does_not_abort)
{
	self->st->s.prepare = NULL;
	EXPECT_EQ(RELEASED, play(&self->st->s));
	EXPECT_EQ(-EPERM, job->ret);
}

TEST_F(barrier, another_cpu)
{
	job->flags = MEMBARRIER_CMD_FLAG_CPU;
	job->cpu = self->st->s.home;
	EXPECT_EQ(RELEASED, play(&self->st->s));
	EXPECT_EQ(0, job->ret);
}

/* Another process that calls for it, with two threads, and this CPU as well. */
TEST_F(barrier, another_process)
{
	struct subject *s = &self->st->s;
	enum outcome outcome;
	bool armed, called;
	pthread_t thread;
	int ends[2];
	int tries = 0;

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_end, &ends[0]));
	ASSERT_EQ(0, barrier_register());
	s->companion = NULL;
	do {
		job->go = false;
		job->switches = -1;
		subject_start(s);
		armed = subject_wait_armed(s);
		called = !barrier(job->flags, job->cpu);
		job->go = true;
		outcome = subject_end(s);
	} while ((!armed || job->switches) && ++tries < 50);
	EXPECT_TRUE(armed);
	EXPECT_TRUE(called);
	EXPECT_EQ(0, job->switches);
	EXPECT_EQ(RELEASED, outcome);
	close(ends[1]);
	pthread_join(thread, NULL);
}

/* Not in the section any more, or not yet: it is cleared. */
TEST_F(barrier, outside_of_its_section)
{
	struct stage *st = self->st;

	set_section(&st->cs, addr(rseq_until_end), addr(rseq_until_end) + 2,
		    addr(rseq_until_abort));
	EXPECT_EQ(RELEASED, play(&st->s));
	EXPECT_EQ(0, job->ret);
	EXPECT_EQ(0, st->s.last.rseq_cs);
}

TEST_F(barrier, invalid_section_is_fatal)
{
	struct stage *st = self->st;

	st->cs.version = 1;
	st->s.default_sigsegv = true;
	EXPECT_EQ(KILLED, play(&st->s));
}

/* A thread without a registration is none of its business. */
TEST_F(barrier, unregistered_thread)
{
	self->st->s.len = 0;
	EXPECT_EQ(RELEASED, play(&self->st->s));
	EXPECT_EQ(0, job->ret);
	EXPECT_EQ(addr(&self->st->cs), self->st->s.last.rseq_cs);
}

/* Writes to an ID field, and stays out of the kernel until after the call. */
static int overwrite(struct subject *s)
{
	struct stage *st = (struct stage *)s;
	__u32 __shared *field = (void *)((char *)s->area + job->field);
	struct rseq_area seen;

	job->switches = thread_switches();
	*field = RSEQ_GARBAGE;
	/* Starts the companion; a preemption before it has looked clears it. */
	while (!job->go) {
		if (!s->area->rseq_cs)
			s->area->rseq_cs = addr(&st->cs);
	}
	seen = *s->area;
	job->switches = thread_switches() - job->switches;
	return seen.cpu_id == RSEQ_GARBAGE ||
	       seen.cpu_id_start == RSEQ_GARBAGE ||
	       seen.node_id == RSEQ_GARBAGE ||
	       seen.mm_cid == RSEQ_GARBAGE ? RELEASED : ABORTED;
}

TEST_F(barrier, rewrites_the_ids_of_an_original_registration)
{
	static const size_t fields[] = {
		offsetof(struct rseq_area, cpu_id_start),
		offsetof(struct rseq_area, cpu_id),
		offsetof(struct rseq_area, node_id),
		offsetof(struct rseq_area, mm_cid),
	};
	struct subject *s = &self->st->s;
	unsigned int i;

	s->body = overwrite;
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		job->field = fields[i];
		job->call = true;
		EXPECT_EQ(variant->extended ? RELEASED : ABORTED, play(s)) {
			TH_LOG("field at offset %zu", job->field);
		}
		if (!variant->extended)
			EXPECT_TRUE(s->last_ids_true);
		job->call = false;
		EXPECT_EQ(RELEASED, play(s)) {
			TH_LOG("field at offset %zu, no call", job->field);
		}
	}
}

#define MAX_READERS 7
#define POISON 0x6b6b6b6bL

/* Use after free, if there were a free: one pointer for each reader. */
struct reader {
	struct race *race;
	pthread_t thread;
	int cpu;

	long *__shared pointer;
	unsigned long __shared loads, poisoned;
	int __shared state;	/* 0, 1: runs, -1: failed */

	alignas(64) struct rseq_area area[2];
};

struct race {
	struct rseq_cs cs;
	__u32 len;
	bool __shared stop;
	int nr;
	struct reader readers[MAX_READERS];

	alignas(128) long __shared value[2];
};

static void *read_on(void *arg)
{
	struct reader *r = arg;
	struct race *race = r->race;

	if (move_to_cpu(0, r->cpu) || rseq_register(r->area, race->len)) {
		r->state = -1;
		return NULL;
	}
	r->state = 1;
	while (!race->stop) {
		long value = 0;

		if (rseq_load(r->area, &race->cs, &r->pointer, &value))
			continue;
		r->loads++;
		if (value == POISON)
			r->poisoned++;
	}
	rseq_unregister(r->area, race->len);
	return NULL;
}

static unsigned long poisoned(const struct race *race)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < race->nr; i++)
		sum += race->readers[i].poisoned;
	return sum;
}

/* Takes one value from everybody, spoils it, and makes it good again. */
static int race_round(struct race *race, int which, bool call, bool one_cpu)
{
	int i, ret = 0;

	for (i = 0; i < race->nr; i++)
		race->readers[i].pointer = (long *)&race->value[!which];
	if (call && !one_cpu) {
		ret = barrier(0, 0);
	} else if (call) {
		for (i = 0; i < race->nr && !ret; i++)
			ret = barrier(MEMBARRIER_CMD_FLAG_CPU,
				      race->readers[i].cpu);
	}
	race->value[which] = POISON;
	for (i = 0; i < 100; i++)
		asm volatile("" : : : "memory");
	race->value[which] = 0;
	return ret;
}

TEST_F(barrier, nobody_is_left_behind)
{
	struct race *race = map_pages(sizeof(*race) / page_size() + 1, false);
	unsigned long rounds = 0;
	__u64 end;
	int i;

	race->len = rseq_len(variant->extended);
	set_section(&race->cs, addr(rseq_load_start), addr(rseq_load_end),
		    addr(rseq_load_abort));
	race->nr = allowed_cpus() - 1;
	if (race->nr > MAX_READERS)
		race->nr = MAX_READERS;
	ASSERT_EQ(0, barrier_register());
	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(0)));
	for (i = 0; i < race->nr; i++) {
		struct reader *r = &race->readers[i];

		r->race = race;
		r->cpu = allowed_cpu(i + 1);
		r->pointer = (long *)&race->value[0];
		ASSERT_EQ(0, pthread_create(&r->thread, NULL, read_on, r));
		ASSERT_TRUE(wait_for(r->state));
		ASSERT_EQ(1, r->state);
	}

	/* Without the call, somebody is caught before long. */
	for (end = now_ms() + WAIT_MS; !poisoned(race) && now_ms() < end;
	     rounds++)
		race_round(race, rounds & 1, false, false);
	EXPECT_LT(0, poisoned(race)) {
		TH_LOG("%lu rounds without membarrier() went well: this test shows nothing",
		       rounds);
	}
	/* Everybody is back. */
	EXPECT_EQ(0, barrier(0, 0));
	for (i = 0; i < race->nr; i++) {
		unsigned long loads = race->readers[i].loads;

		ASSERT_TRUE(wait_for(race->readers[i].loads > loads + 1));
		race->readers[i].poisoned = 0;
	}

	for (end = now_ms() + 1500, rounds = 0; now_ms() < end; rounds++)
		ASSERT_EQ(0, race_round(race, rounds & 1, true,
					variant->one_cpu));
	race->stop = true;
	for (i = 0; i < race->nr; i++)
		ASSERT_EQ(0, pthread_join(race->readers[i].thread, NULL));
	EXPECT_EQ(0, poisoned(race)) {
		TH_LOG("in %lu rounds", rounds);
	}
	EXPECT_LT(10, rounds);
}

TEST_HARNESS_MAIN
