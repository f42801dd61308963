// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints: who looks sees each restart, with the addresses and what
 * caused it, and each time that the IDs are written.
 */
#include "../kselftest_harness.h"
#include <dirent.h>
#include <sys/stat.h>
#include "rseq_test.h"

static const char * const tracefs[] = {
	"/sys/kernel/tracing", "/sys/kernel/debug/tracing",
};

/* An instance of our own, so that nobody else's trace is disturbed. */
static char instance[128];

static char *path_of(const char *file)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", instance, file);
	return path;
}

static int write_file(const char *file, const char *text)
{
	int fd = open(path_of(file), O_WRONLY | O_TRUNC | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != strlen(text))
		ret = -errno;
	close(fd);
	return ret;
}

static char *read_file(const char *file)
{
	static char text[1 << 20];
	int fd = open(path_of(file), O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t len;

	while (fd >= 0 && size < sizeof(text) - 1 &&
	       (len = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += len;
	if (fd >= 0)
		close(fd);
	text[size] = '\0';
	return text;
}

/* The last event of a process; NULL if there is none. */
static char *last_event(pid_t pid, const char *event)
{
	static char last[1024];
	char who[32], *line, *next;
	bool found = false;

	snprintf(who, sizeof(who), "-%d ", (int)pid);
	for (line = read_file("trace"); *line; line = next) {
		next = strchrnul(line, '\n');
		if (*next)
			*next++ = '\0';
		if (*line == '#' || !strstr(line, who) || !strstr(line, event))
			continue;
		snprintf(last, sizeof(last), "%s", strstr(line, event));
		found = true;
	}
	return found ? last : NULL;
}

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
	unsigned int i;

	*instance = '\0';
	for (i = 0; i < ARRAY_SIZE(tracefs); i++) {
		snprintf(instance, sizeof(instance), "%s/events", tracefs[i]);
		if (access(instance, R_OK | X_OK))
			continue;
		snprintf(instance, sizeof(instance),
			 "%s/instances/rseq_test.%d", tracefs[i],
			 (int)getpid());
		break;
	}
	if (i == ARRAY_SIZE(tracefs)) {
		*instance = '\0';
		SKIP(return, "no tracefs: CONFIG_FTRACE, and root, are needed");
	}
	ASSERT_EQ(0, mkdir(instance, 0700));
	self->st = map_pages(1, true);
	self->s = &self->st->s;
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
}

FIXTURE_TEARDOWN(trace)
{
	if (*instance) {
		write_file("events/rseq/enable", "0");
		rmdir(instance);
	}
}

/* The fields of an event, without those that all events have. */
static void expect_fields(struct __test_metadata *_metadata, const char *event,
			  const char * const *fields, unsigned int nr)
{
	char file[128], field[64], *format, *own;
	unsigned int i, found = 0;

	snprintf(file, sizeof(file), "events/rseq/%s/format", event);
	format = read_file(file);
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
	ASSERT_EQ(0, write_file("events/rseq/rseq_ip_fixup/enable", "1"));
	ASSERT_EQ(ABORTED, subject_play(self->s, variant->event));
	seen = last_event(self->s->pid, "rseq_ip_fixup: ");
	ASSERT_TRUE(!!seen);
	EXPECT_STREQ(expected, seen);

	/* Nobody is restarted, so there is none. */
	set_section(cs, addr(rseq_stuck), addr(rseq_stuck_here),
		    addr(rseq_stuck_abort));
	ASSERT_EQ(RELEASED, subject_play(self->s, variant->event));
	EXPECT_FALSE(!!last_event(self->s->pid, "rseq_ip_fixup: "));

	/* Nobody looks. */
	set_good_section(cs);
	ASSERT_EQ(0, write_file("events/rseq/rseq_ip_fixup/enable", "0"));
	ASSERT_EQ(ABORTED, subject_play(self->s, variant->event));
	EXPECT_FALSE(!!last_event(self->s->pid, "rseq_ip_fixup: "));
}

TEST_F(trace, update)
{
	bool written = variant->event == EVENT_MIGRATION || !variant->extended;
	char expected[128], *seen;

	ASSERT_EQ(0, write_file("events/rseq/rseq_update/enable", "1"));
	ASSERT_EQ(ABORTED, subject_play(self->s, variant->event));
	seen = last_event(self->s->pid, "rseq_update: ");
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

	ASSERT_EQ(0, write_file("events/rseq/rseq_update/enable", "0"));
	ASSERT_EQ(ABORTED, subject_play(self->s, variant->event));
	EXPECT_FALSE(!!last_event(self->s->pid, "rseq_update: "));
	/* Off again, all is as before. */
	EXPECT_EQ((__u32)(variant->event == EVENT_MIGRATION ? self->s->other :
							      self->s->cpu),
		  self->s->last.cpu_id);
}

TEST_HARNESS_MAIN
