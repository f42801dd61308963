// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints: who looks sees each restart, with the addresses and what
 * caused it, and each time that the IDs are written.
 */
#include "../kselftest_harness.h"
#include <linux/perf_event.h>
#include "rseq_test.h"
#include "rseq_trace.h"

FIXTURE(trace) {
	struct stage *st;
	struct subject *s;
};

FIXTURE_VARIANT(trace) {
	enum event event;
	const char *cause;
	bool extended;
};

FIXTURE_VARIANT_ADD(trace, signal) {
	.event = EVENT_SIGNAL,
	.cause = "signal",
};

FIXTURE_VARIANT_ADD(trace, preemption) {
	.event = EVENT_PREEMPTION,
	.cause = "preemption",
};

FIXTURE_VARIANT_ADD(trace, migration) {
	.event = EVENT_MIGRATION,
	.cause = "migration",
};

FIXTURE_VARIANT_ADD(trace, signal_extended) {
	.event = EVENT_SIGNAL,
	.cause = "signal",
	.extended = true,
};

FIXTURE_VARIANT_ADD(trace, preemption_extended) {
	.event = EVENT_PREEMPTION,
	.cause = "preemption",
	.extended = true,
};

FIXTURE_VARIANT_ADD(trace, migration_extended) {
	.event = EVENT_MIGRATION,
	.cause = "migration",
	.extended = true,
};

FIXTURE_SETUP(trace)
{
	int error = trace_start();

	if (error == -ENOENT)
		SKIP(return, TRACE_NEEDED);
	ASSERT_EQ(0, error);
	self->st = map_pages(1, true);
	self->s = &self->st->s;
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
}

FIXTURE_TEARDOWN(trace)
{
	trace_end();
}

/* The fields of an event, without those that all events have. */
static void expect_fields(struct __test_metadata *_metadata, const char *event,
			  const char * const *fields, unsigned int nr)
{
	char file[128], field[64], *format, *own;
	unsigned int i, found = 0;

	snprintf(file, sizeof(file), "events/rseq/%s/format", event);
	format = trace_read(file);
	own = strstr(format, "common_pid");
	ASSERT_TRUE(!!own);
	for (i = 0; i < nr; i++) {
		snprintf(field, sizeof(field), " %s;", fields[i]);
		EXPECT_TRUE(!!strstr(own, field)) {
			TH_LOG("%s has no field %s", event, fields[i]);
		}
	}
	while ((own = strstr(own, "\tfield:"))) {
		own++;
		found++;
	}
	EXPECT_EQ(nr, found);
}

TEST_F(trace, fields)
{
	static const char * const update[] = { "cpu_id", "node_id", "mm_cid" };
	static const char * const fixup[] = {
		"regs_ip", "descriptor", "start_ip", "post_commit_offset",
		"abort_ip", "cause",
	};

	expect_fields(_metadata, "rseq_update", update, ARRAY_SIZE(update));
	expect_fields(_metadata, "rseq_ip_fixup", fixup, ARRAY_SIZE(fixup));
}

TEST_F(trace, restart)
{
	struct rseq_cs *cs = &self->st->cs;
	char expected[512], *seen;

	snprintf(expected, sizeof(expected),
		 "rseq_ip_fixup: regs_ip=0x%llx descriptor=0x%llx start_ip=0x%llx post_commit_offset=%llu abort_ip=0x%llx cause=%s",
		 (unsigned long long)addr(rseq_stuck_here),
		 (unsigned long long)addr(cs),
		 (unsigned long long)cs->start_ip,
		 (unsigned long long)cs->post_commit_offset,
		 (unsigned long long)cs->abort_ip, variant->cause);
	ASSERT_EQ(0, trace_write("events/rseq/rseq_ip_fixup/enable", "1"));
	ASSERT_EQ(ABORTED, subject_play(self->s, variant->event));
	seen = trace_last_event(self->s->pid, "rseq_ip_fixup: ");
	ASSERT_TRUE(!!seen);
	EXPECT_STREQ(expected, seen);

	/* Nobody is restarted, so there is none. */
	set_section(cs, addr(rseq_stuck), addr(rseq_stuck_here),
		    addr(rseq_stuck_abort));
	ASSERT_EQ(RELEASED, subject_play(self->s, variant->event));
	EXPECT_FALSE(!!trace_last_event(self->s->pid, "rseq_ip_fixup: "));

	/* Nobody looks. */
	set_good_section(cs);
	ASSERT_EQ(0, trace_write("events/rseq/rseq_ip_fixup/enable", "0"));
	ASSERT_EQ(ABORTED, subject_play(self->s, variant->event));
	EXPECT_FALSE(!!trace_last_event(self->s->pid, "rseq_ip_fixup: "));
}

TEST_F(trace, update)
{
	bool written = variant->event == EVENT_MIGRATION || !variant->extended;
	char expected[128], *seen;

	ASSERT_EQ(0, trace_write("events/rseq/rseq_update/enable", "1"));
	ASSERT_EQ(ABORTED, subject_play(self->s, variant->event));
	seen = trace_last_event(self->s->pid, "rseq_update: ");
	ASSERT_TRUE(!!seen);
	/* The last one, whatever it was for, is what stands in the area. */
	snprintf(expected, sizeof(expected),
		 "rseq_update: cpu_id=%d node_id=%d mm_cid=%d",
		 (int)self->s->last.cpu_id, (int)self->s->last.node_id,
		 (int)self->s->last.mm_cid);
	EXPECT_STREQ(expected, seen);
	EXPECT_EQ((__u32)(variant->event == EVENT_MIGRATION ? self->s->other :
							      self->s->cpu),
		  self->s->last.cpu_id);
	EXPECT_TRUE(self->s->last_ids_true || !written);

	ASSERT_EQ(0, trace_write("events/rseq/rseq_update/enable", "0"));
	ASSERT_EQ(ABORTED, subject_play(self->s, variant->event));
	EXPECT_FALSE(!!trace_last_event(self->s->pid, "rseq_update: "));
	/* Off again, all is as before. */
	EXPECT_EQ((__u32)(variant->event == EVENT_MIGRATION ? self->s->other :
							      self->s->cpu),
		  self->s->last.cpu_id);
}

/*
 * Who looks may want something done before the thread is back in user mode. Here
 * that is a SIGTRAP for each restart. It comes before the first instruction of
 * the abort handler, or of the handler of the signal that caused the restart.
 */
static __u64 event_id, trapped_at;

static void handle_sigtrap(int sig, siginfo_t *info, void *context)
{
	if ((unsigned long)*context_ip(context) != trapped_at)
		_exit(BROKEN);
	this_subject->count++;
}

static int want_sigtrap(struct subject *s)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr),
		.config = event_id, .sample_period = 1,
		.sigtrap = 1, .remove_on_exec = 1,
	};
	struct sigaction act = {
		.sa_sigaction = handle_sigtrap, .sa_flags = SA_SIGINFO,
	};

	if (sigaction(SIGTRAP, &act, NULL) ||
	    syscall(SYS_perf_event_open, &attr, 0, -1, -1,
		    PERF_FLAG_FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

TEST_F(trace, what_a_restart_leads_to_is_done_at_once)
{
	bool by_signal = variant->event == EVENT_SIGNAL;

	trapped_at = by_signal ? (uintptr_t)subject_signal :
				 addr(rseq_stuck_abort);
	event_id = atoll(trace_read("events/rseq/rseq_ip_fixup/id"));
	ASSERT_NE(0, event_id);
	self->s->prepare = want_sigtrap;
	ASSERT_EQ(ABORTED, subject_play(self->s, variant->event));
	EXPECT_LE(1, self->s->count);
}

TEST_HARNESS_MAIN
