// SPDX-License-Identifier: GPL-2.0
/*
 * The statistics: each counter moves by what it counts, and by nothing else.
 * The rest of the system counts as well, so a lower bound is all that can be
 * asked for where it does the same.
 */
#include "../kselftest_harness.h"
#include <linux/membarrier.h>
#include "rseq_test.h"

#define STATS "/sys/kernel/debug/rseq/stats"

enum counter {
	EXITS, IDS, CLEARS, PREEMPT, MIGRATE, SIGNALLED, FAULTS, KILLS,
	GRANTED, EXPIRED, REVOKED, YIELDED,
	COUNTERS
};

static const char * const names[COUNTERS] = {
	[EXITS] = "exits",
	[IDS] = "ids",
	[CLEARS] = "clears",
	[PREEMPT] = "aborts_preempt",
	[MIGRATE] = "aborts_migrate",
	[SIGNALLED] = "aborts_signal",
	[FAULTS] = "faults",
	[KILLS] = "kills",
	[GRANTED] = "slices_granted",
	[EXPIRED] = "slices_expired",
	[REVOKED] = "slices_revoked",
	[YIELDED] = "slices_yielded",
};

struct stats {
	unsigned long count[COUNTERS];
};

/* All counters, or false if there is one too many or too few. */
static bool read_stats(struct stats *stats)
{
	FILE *file = fopen(STATS, "re");
	unsigned int found = 0;
	unsigned long count;
	char name[32];
	int i;

	if (!file)
		return false;
	while (fscanf(file, "%31s %lu", name, &count) == 2) {
		for (i = 0; i < COUNTERS && strcmp(name, names[i]); i++)
			;
		if (i == COUNTERS || found & (1U << i))
			break;
		found |= 1U << i;
		stats->count[i] = count;
	}
	i = feof(file);
	fclose(file);
	return i && found == (1U << COUNTERS) - 1;
}

FIXTURE(stats) {
	struct stage *st;
	struct subject *s;
	struct stats before, after;
};

FIXTURE_VARIANT(stats) {
	bool extended;
};

FIXTURE_VARIANT_ADD(stats, original) {
};

FIXTURE_VARIANT_ADD(stats, extended) {
	.extended = true,
};

FIXTURE_SETUP(stats)
{
	if (access(STATS, R_OK))
		SKIP(return, STATS ": %s; CONFIG_RSEQ_STATS, and root, are needed",
		     strerror(errno));
	self->st = map_pages(1, true);
	self->s = &self->st->s;
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
	self->s->default_sigsegv = true;
	ASSERT_TRUE(read_stats(&self->before));
}

FIXTURE_TEARDOWN(stats)
{
}

#define TIMES 10

#define PLAY(outcome, event)						\
do {									\
	int _i;								\
									\
	for (_i = 0; _i < TIMES; _i++)					\
		ASSERT_EQ(outcome, subject_play(self->s, event));	\
	ASSERT_TRUE(read_stats(&self->after));				\
} while (0)

static unsigned long delta(const struct stats *before,
			   const struct stats *after, enum counter counter)
{
	return after->count[counter] - before->count[counter];
}

#define DELTA(counter) delta(&self->before, &self->after, counter)

/* An event that nobody ordered may abort it before the one that is counted. */
#define PLAY_UNTIL_COUNTED(event, counter)				\
do {									\
	int _tries = 0;							\
									\
	do {								\
		ASSERT_EQ(ABORTED, subject_play(self->s, event));	\
		ASSERT_TRUE(read_stats(&self->after));			\
	} while (++_tries < TIMES ||					\
		 (DELTA(counter) < TIMES && _tries < TIMES + 3));	\
} while (0)

/* This one counted each time, and the others that are named hardly ever. */
#define EXPECT_ONLY(counter, other1, other2)				\
do {									\
	EXPECT_LE(TIMES, DELTA(counter));				\
	EXPECT_GT(TIMES, DELTA(other1));				\
	EXPECT_GT(TIMES, DELTA(other2));				\
} while (0)

TEST_F(stats, aborts_by_signals)
{
	PLAY_UNTIL_COUNTED(EVENT_SIGNAL, SIGNALLED);
	EXPECT_ONLY(SIGNALLED, PREEMPT, MIGRATE);
	EXPECT_EQ(0, DELTA(KILLS));
}

TEST_F(stats, aborts_by_preemption)
{
	PLAY_UNTIL_COUNTED(EVENT_PREEMPTION, PREEMPT);
	EXPECT_ONLY(PREEMPT, SIGNALLED, MIGRATE);
	EXPECT_LE(TIMES, DELTA(EXITS));
	EXPECT_EQ(0, DELTA(KILLS));
}

TEST_F(stats, aborts_by_migration)
{
	PLAY_UNTIL_COUNTED(EVENT_MIGRATION, MIGRATE);
	EXPECT_ONLY(MIGRATE, SIGNALLED, PREEMPT);
	EXPECT_LE(TIMES, DELTA(EXITS));
	EXPECT_LE(TIMES, DELTA(IDS));
	EXPECT_EQ(0, DELTA(KILLS));
}

static int barrier_register(struct subject *s)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0);
}

static void barrier(struct subject *s)
{
	membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
}

/* Nothing else ends the subject, which is stuck in its section. */
TEST_F(stats, aborts_by_membarrier)
{
	int i;

	self->s->prepare = barrier_register;
	self->s->companion = barrier;
	for (i = 0; i < TIMES; i++) {
		subject_start(self->s);
		ASSERT_EQ(ABORTED, subject_end(self->s));
	}
	ASSERT_TRUE(read_stats(&self->after));
	EXPECT_ONLY(PREEMPT, SIGNALLED, MIGRATE);
	EXPECT_EQ(0, DELTA(KILLS));
}

TEST_F(stats, clears)
{
	set_section(&self->st->cs, addr(rseq_stuck), addr(rseq_stuck_here),
		    addr(rseq_stuck_abort));
	PLAY(RELEASED, EVENT_PREEMPTION);
	EXPECT_LE(TIMES, DELTA(CLEARS));
	EXPECT_GT(TIMES, DELTA(PREEMPT));
	EXPECT_EQ(0, DELTA(KILLS));
}

TEST_F(stats, kills)
{
	self->st->cs.version = 1;
	PLAY(KILLED, EVENT_PREEMPTION);
	EXPECT_LE(TIMES, DELTA(KILLS));
	EXPECT_GT(TIMES, DELTA(PREEMPT));
}

/* Its page is gone whenever the kernel has something to write to it. */
static int drop_and_move(struct subject *s)
{
	int i;

	for (i = 0; i < TIMES; i++)
		if (madvise(s->area, page_size(), MADV_DONTNEED) ||
		    move_to_cpu(0, i & 1 ? s->cpu : s->home))
			return BROKEN;
	return RELEASED;
}

TEST_F(stats, faults)
{
	self->s->private_area = true;
	self->s->area = map_pages(1, false);
	self->s->body = drop_and_move;
	subject_start(self->s);
	/* The IDs are lost with the page, and an extended one may mind that. */
	ASSERT_EQ(variant->extended ? KILLED : RELEASED, subject_end(self->s));
	ASSERT_TRUE(read_stats(&self->after));
	EXPECT_LE(variant->extended ? 1 : TIMES, DELTA(FAULTS));
}

TEST_HARNESS_MAIN
