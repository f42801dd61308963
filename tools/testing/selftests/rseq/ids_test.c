// SPDX-License-Identifier: GPL-2.0
/*
 * The ID fields: true on every CPU, in a fresh thread, in a signal handler;
 * and what becomes of them when user space writes to them, where the two
 * registration modes differ.
 */
#include "../kselftest_harness.h"
#include "rseq_test.h"

static struct rseq_area signal_saw;

static struct rseq_area *signal_area;

static void look(int sig)
{
	signal_saw = *signal_area;
}

FIXTURE(ids) {
	struct rseq_area *area;
	__u32 len;
};

FIXTURE_VARIANT(ids) {
	bool extended;
};

FIXTURE_VARIANT_ADD(ids, original) {
};

FIXTURE_VARIANT_ADD(ids, extended) {
	.extended = true,
};

FIXTURE_SETUP(ids)
{
	self->area = map_pages(1, false);
	self->len = rseq_len(variant->extended);
	signal_area = self->area;
	ASSERT_TRUE(signal(SIGUSR1, look) != SIG_ERR);
}

FIXTURE_TEARDOWN(ids)
{
}

TEST_F(ids, on_each_cpu)
{
	int round, nr, cpu;

	ASSERT_EQ(0, rseq_register(self->area, self->len));
	for (round = 0; round < 3; round++) {
		for (nr = 0; (cpu = allowed_cpu(nr)) >= 0; nr++) {
			ASSERT_EQ(0, move_to_cpu(0, cpu));
			EXPECT_EQ((__u32)cpu, self->area->cpu_id);
			EXPECT_EQ((__u32)cpu, self->area->cpu_id_start);
			EXPECT_EQ((__u32)cpu, current_cpu());
			EXPECT_EQ(current_node(), self->area->node_id);
			/* The only thread of its process. */
			EXPECT_EQ(0, self->area->mm_cid);
		}
	}
}

TEST_F(ids, in_a_signal_handler)
{
	int nr, cpu;

	ASSERT_EQ(0, rseq_register(self->area, self->len));
	for (nr = 0; (cpu = allowed_cpu(nr)) >= 0; nr++) {
		ASSERT_EQ(0, move_to_cpu(0, cpu));
		memset(&signal_saw, 0xff, sizeof(signal_saw));
		ASSERT_EQ(0, raise(SIGUSR1));
		EXPECT_EQ((__u32)cpu, signal_saw.cpu_id);
		EXPECT_EQ((__u32)cpu, signal_saw.cpu_id_start);
		EXPECT_EQ(current_node(), signal_saw.node_id);
		EXPECT_EQ(0, signal_saw.mm_cid);
	}
}

struct thread {
	pthread_t thread;
	__u32 len;
	int cpu;
	int error;

	__u32 __shared mm_cid;
	bool __shared ids_true;
	bool __shared *stop;

	alignas(64) struct rseq_area area[2];
};

/* Nothing enters the kernel between the registration and the first look. */
static void *fresh_thread(void *arg)
{
	struct thread *t = arg;

	t->mm_cid = -1;
	t->area->cpu_id = RSEQ_GARBAGE;
	t->area->cpu_id_start = RSEQ_GARBAGE;
	t->area->node_id = RSEQ_GARBAGE;
	t->area->mm_cid = RSEQ_GARBAGE;
	t->error = rseq_register(t->area, t->len);
	if (t->error)
		return NULL;
	t->ids_true = t->area->cpu_id == (__u32)t->cpu &&
		      t->area->cpu_id_start == (__u32)t->cpu &&
		      t->area->mm_cid < CPU_SETSIZE &&
		      t->area->node_id == current_node();
	while (t->stop && !*t->stop)
		t->mm_cid = t->area->mm_cid;
	return NULL;
}

static int start_thread(struct thread *t, int cpu, __u32 len)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int ret;

	t->cpu = cpu;
	t->len = len;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_attr_init(&attr);
	ret = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	if (!ret)
		ret = pthread_create(&t->thread, &attr, fresh_thread, t);
	pthread_attr_destroy(&attr);
	return ret;
}

TEST_F(ids, in_a_fresh_thread)
{
	struct thread *t = map_pages(1, false);
	int nr, cpu;

	for (nr = 0; (cpu = allowed_cpu(nr)) >= 0; nr++) {
		ASSERT_EQ(0, start_thread(t, cpu, self->len));
		ASSERT_EQ(0, pthread_join(t->thread, NULL));
		ASSERT_EQ(0, t->error);
		EXPECT_TRUE(t->ids_true);
		memset(t, 0, sizeof(*t));
	}
}

/* mm_cid: below the number of threads, and no two that run have the same. */
TEST_F(ids, mm_cid_is_compact_and_unique)
{
	int threads = allowed_cpus(), limit = threads, i, j;
	bool __shared stop = false;
	struct thread *t;
	bool good = false;
	__u64 end;

	if (threads < 2)
		SKIP(return, "two CPUs are needed");
	if (threads > 16)
		threads = 16;
	/* This thread counts as well; there are no more than the CPUs. */
	if (threads < limit)
		limit = threads + 1;
	t = map_pages(threads * sizeof(*t) / page_size() + 1, false);
	for (i = 0; i < threads; i++) {
		t[i].stop = &stop;
		/* None yet, and not the 0 of another. */
		t[i].mm_cid = -1;
		ASSERT_EQ(0, start_thread(&t[i], allowed_cpu(i), self->len));
	}
	/*
	 * A thread that was scheduled away for a moment may have lost its
	 * number to another, so this need not hold at each look.
	 */
	for (end = now_ms() + WAIT_MS; !good && now_ms() < end;
	     sched_yield()) {
		good = true;
		for (i = 0; i < threads; i++) {
			if (t[i].mm_cid >= (__u32)limit)
				good = false;
			for (j = 0; j < i; j++)
				if (t[i].mm_cid == t[j].mm_cid)
					good = false;
		}
	}
	stop = true;
	EXPECT_TRUE(good);
	for (i = 0; i < threads; i++) {
		ASSERT_EQ(0, pthread_join(t[i].thread, NULL));
		EXPECT_EQ(0, t[i].error);
		EXPECT_TRUE(t[i].ids_true);
		EXPECT_GT(CPU_SETSIZE, t[i].mm_cid);
		if (!good)
			TH_LOG("thread %d had mm_cid %u", i, t[i].mm_cid);
	}
}

/* User space writes to an ID field, then something happens. */
FIXTURE(overwritten) {
	struct stage *st;
};

FIXTURE_VARIANT(overwritten) {
	enum event event;
	bool extended;
};

FIXTURE_VARIANT_ADD(overwritten, signal) {
	.event = EVENT_SIGNAL,
};

FIXTURE_VARIANT_ADD(overwritten, preemption) {
	.event = EVENT_PREEMPTION,
};

FIXTURE_VARIANT_ADD(overwritten, migration) {
	.event = EVENT_MIGRATION,
};

FIXTURE_VARIANT_ADD(overwritten, signal_extended) {
	.event = EVENT_SIGNAL,
	.extended = true,
};

FIXTURE_VARIANT_ADD(overwritten, preemption_extended) {
	.event = EVENT_PREEMPTION,
	.extended = true,
};

FIXTURE_VARIANT_ADD(overwritten, migration_extended) {
	.event = EVENT_MIGRATION,
	.extended = true,
};

FIXTURE_SETUP(overwritten)
{
	self->st = map_pages(1, true);
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
}

FIXTURE_TEARDOWN(overwritten)
{
}

/* Which field: an offset. In shared memory with the rest. */
static size_t field;

/*
 * Writes to one field, and without entering the kernel waits until the
 * controller is done.
 */
static int overwrite(struct subject *s)
{
	*(__u32 __shared *)((char *)s->area + field) = RSEQ_GARBAGE;
	s->ready = true;
	while (!s->stop)
		;
	/* A copy before the next system call. */
	s->last = *s->area;
	return s->last.cpu_id == RSEQ_GARBAGE ||
	       s->last.cpu_id_start == RSEQ_GARBAGE ||
	       s->last.node_id == RSEQ_GARBAGE ||
	       s->last.mm_cid == RSEQ_GARBAGE ? RELEASED : ABORTED;
}

static enum outcome play_overwrite(struct subject *s, enum event event)
{
	s->body = overwrite;
	/* A handler may run before the kernel looks again. */
	s->default_sigsegv = true;
	subject_start(s);
	if (wait_for(s->ready || subject_ended(s)) && !subject_ended(s)) {
		s->provoked = provoke(s, event);
		/* On its way: it ran the handler, or is back on a CPU. */
		if (event == EVENT_SIGNAL)
			wait_for(s->handled || subject_ended(s));
		s->stop = true;
	}
	return subject_end(s);
}

static const size_t id_fields[] = {
	offsetof(struct rseq_area, cpu_id_start),
	offsetof(struct rseq_area, cpu_id),
	offsetof(struct rseq_area, node_id),
	offsetof(struct rseq_area, mm_cid),
};

TEST_F(overwritten, field)
{
	struct subject *s = &self->st->s;
	enum outcome expected;
	unsigned int i;

	if (!variant->extended)
		expected = ABORTED;	/* rewritten */
	else if (variant->event == EVENT_MIGRATION)
		expected = KILLED;	/* an ID changed, and so had the field */
	else
		expected = RELEASED;	/* no ID changed: not rewritten */

	for (i = 0; i < ARRAY_SIZE(id_fields); i++) {
		field = id_fields[i];
		EXPECT_EQ(expected, play_overwrite(s, variant->event)) {
			TH_LOG("field at offset %zu", field);
		}
		EXPECT_TRUE(s->provoked);
		if (expected == ABORTED) {
			EXPECT_TRUE(s->last_ids_true);
			if (variant->event == EVENT_SIGNAL)
				EXPECT_TRUE(s->handler_ids_true);
		}
	}
}

/* Nothing was written: nothing is killed, in either mode. */
TEST_F(overwritten, nothing)
{
	struct subject *s = &self->st->s;

	field = offsetof(struct rseq_area, slice_ctrl) + sizeof(__u32);
	EXPECT_EQ(ABORTED, play_overwrite(s, variant->event));
	EXPECT_TRUE(s->provoked);
	EXPECT_TRUE(s->last_ids_true);
}

TEST_HARNESS_MAIN
