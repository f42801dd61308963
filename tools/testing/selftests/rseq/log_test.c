// SPDX-License-Identifier: GPL-2.0
/*
 * When the kernel kills a thread it says why, in one line of its log; but not
 * as often as a program may ask for it.
 */
#include "../kselftest_harness.h"
#include "rseq_call.h"

/* Longer than the kernel keeps silent after a flood. */
#define LOG_MS 15000

/* At the end of the log, or a negative error number. */
static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

/* The next line of the log, without what stands before its text. */
static char *next_line(int fd, char *buf, size_t size)
{
	ssize_t len;
	char *text, *end;

	do {
		len = read(fd, buf, size - 1);
	} while (len < 0 && errno == EPIPE);
	if (len < 0)
		return NULL;
	buf[len] = '\0';
	text = strchr(buf, ';');
	text = text ? text + 1 : buf;
	end = strchr(text, '\n');
	if (end)
		*end = '\0';
	return text;
}

/* How many lines are about killed threads; keeps the last one about @pid. */
static unsigned int kills_in_log(int fd, pid_t pid, char *line, size_t size)
{
	unsigned int kills = 0;
	char buf[1024], who[32];
	const char *text;

	snprintf(who, sizeof(who), "[%d] killed: ", (int)pid);
	while ((text = next_line(fd, buf, sizeof(buf)))) {
		if (strncmp(text, "rseq: ", 6) || !strstr(text, "] killed: "))
			continue;
		kills++;
		if (strstr(text, who))
			snprintf(line, size, "%s", text);
	}
	return kills;
}

FIXTURE(log) {
	struct stage *st;
	struct subject *s;
	struct rseq_cs *cs;
	int fd;
};

FIXTURE_VARIANT(log) {
	bool extended;
};

FIXTURE_VARIANT_ADD(log, original) {
};

FIXTURE_VARIANT_ADD(log, extended) {
	.extended = true,
};

FIXTURE_SETUP(log)
{
	self->fd = open_log();
	if (self->fd < 0)
		SKIP(return, "/dev/kmsg: %s; root is needed",
		     strerror(-self->fd));
	self->st = map_pages(1, true);
	self->s = &self->st->s;
	self->cs = &self->st->cs;
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
	self->s->default_sigsegv = true;
}

FIXTURE_TEARDOWN(log)
{
	close(self->fd);
}

/*
 * Lets the subject be killed until that is in the log: the kernel may have said
 * enough for the moment.
 */
static bool killed_and_logged(struct subject *s, int fd, char *line,
			      size_t size)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	__u64 end = now_ms() + LOG_MS;

	*line = '\0';
	do {
		if (subject_play(s, EVENT_MIGRATION) != KILLED)
			return false;
		kills_in_log(fd, s->pid, line, size);
		if (!*line)
			nanosleep(&pause, NULL);
	} while (!*line && now_ms() < end);
	return *line;
}

/* The line is this one, to the letter. @cs and @ip: what it says about these. */
#define EXPECT_LINE(why, cs, ip)					\
do {									\
	char _line[1024], _expected[1024], _comm[16];			\
									\
	ASSERT_EQ(0, prctl(PR_GET_NAME, _comm));			\
	ASSERT_TRUE(killed_and_logged(self->s, self->fd, _line,		\
				      sizeof(_line)));			\
	snprintf(_expected, sizeof(_expected),				\
		 "rseq: %s[%d] killed: %s (area %lx descriptor %llx ip %lx)", \
		 _comm, (int)self->s->pid, (why),			\
		 (unsigned long)addr(self->s->area),			\
		 (unsigned long long)(cs), (unsigned long)(ip));	\
	EXPECT_STREQ(_expected, _line);					\
} while (0)

#define EXPECT_REASON(why)						\
	EXPECT_LINE(why, self->s->descriptor, addr(rseq_stuck_here))

TEST_F_TIMEOUT(log, descriptor, 100)
{
	char *page = map_pages(1, false);

	self->cs->version = 1;
	EXPECT_REASON("version of the descriptor is not 0");
	set_good_section(self->cs);
	self->cs->flags = 1;
	EXPECT_REASON("flags of the descriptor are not 0");
	set_good_section(self->cs);
	self->cs->post_commit_offset = UINT64_MAX;
	EXPECT_REASON("section is not in user space");
	set_good_section(self->cs);
	self->cs->abort_ip = user_top();
	EXPECT_REASON("abort address not in user space, or in the section");
	set_good_section(self->cs);
	self->cs->abort_ip = addr(rseq_stuck_here);
	EXPECT_REASON("abort address not in user space, or in the section");
	set_good_section(self->cs);
	self->cs->abort_ip++;
	EXPECT_REASON("no signature before the abort address");
	set_good_section(self->cs);
	self->s->descriptor = user_top();
	EXPECT_REASON("descriptor is not in user space");
	/* What the kernel takes for an access that failed, at first. */
	self->s->descriptor = (unsigned long)-EFAULT;
	EXPECT_REASON("descriptor is not in user space");
	ASSERT_EQ(0, mprotect(page, page_size(), PROT_NONE));
	self->s->descriptor = addr(page);
	EXPECT_REASON("descriptor cannot be read");
	self->s->descriptor = addr(self->cs);
	self->cs->abort_ip = addr(page + 64);
	EXPECT_REASON("memory before the abort address cannot be read");
}

/* Changes an ID field, and stays out of the kernel. */
static int change_id(struct subject *s)
{
	s->area->node_id = RSEQ_GARBAGE;
	return rseq_stuck(&s->area->rseq_cs, s->descriptor);
}

TEST_F_TIMEOUT(log, id_field, 100)
{
	self->s->body = change_id;
	if (variant->extended) {
		EXPECT_REASON("an ID field was changed by user space");
		return;
	}
	/* An original registration may do that. */
	EXPECT_EQ(ABORTED, subject_play(self->s, EVENT_MIGRATION));
}

/* The area goes away, and a signal comes. */
static int drop_area(struct subject *s)
{
	s->ready = true;
	if (munmap(s->area, page_size()))
		return BROKEN;
	raise(SIGUSR1);
	return RELEASED;
}

TEST_F_TIMEOUT(log, area, 100)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	__u64 end = now_ms() + LOG_MS;
	char line[1024] = "", why[128];

	self->s->private_area = true;
	self->s->body = drop_area;
	do {
		self->s->area = map_pages(1, false);
		subject_start(self->s);
		EXPECT_EQ(KILLED, subject_end(self->s));
		kills_in_log(self->fd, self->s->pid, line, sizeof(line));
		snprintf(why, sizeof(why),
			 "registered area cannot be accessed (area %lx descriptor 0 ip ",
			 (unsigned long)addr(self->s->area));
		munmap(self->s->area, page_size());
		if (!*line)
			nanosleep(&pause, NULL);
	} while (!*line && now_ms() < end);
	EXPECT_TRUE(!!strstr(line, why)) {
		TH_LOG("%s", line);
	}
}

/* Makes a system call where there must be none. */
static int call_in_section(struct subject *s)
{
	struct stage *st = (struct stage *)s;

	s->ready = true;
	return rseq_call(s->area, &st->cs, SYS_getpid) < 0 ? ABORTED : RELEASED;
}

/* Debugging finds this; an event that nobody ordered may come before. */
TEST_F_TIMEOUT(log, system_call, 100)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	__u64 end = now_ms() + LOG_MS;
	char line[1024] = "", why[128];
	int before = read_debug_switch();

	if (before < 0)
		SKIP(return, DEBUG_SWITCH ": %s; debugfs is needed",
		     strerror(-before));
	set_section(self->cs, addr(rseq_call_start), addr(rseq_call_end),
		    addr(rseq_call_abort));
	snprintf(why, sizeof(why),
		 "system call in a critical section (area %lx descriptor %lx ip %lx)",
		 (unsigned long)addr(self->s->area),
		 (unsigned long)addr(self->cs),
		 (unsigned long)addr(rseq_call_behind));
	self->s->body = call_in_section;
	ASSERT_TRUE(write_to(DEBUG_SWITCH, "1"));
	do {
		subject_start(self->s);
		subject_end(self->s);
		kills_in_log(self->fd, self->s->pid, line, sizeof(line));
		if (!*line)
			nanosleep(&pause, NULL);
	} while (!*line && now_ms() < end);
	EXPECT_TRUE(write_to(DEBUG_SWITCH, before ? "1" : "0"));
	EXPECT_TRUE(!!strstr(line, why)) {
		TH_LOG("%s", line);
	}
}

/* Kills itself, by a signal that is delivered. */
static int be_killed(struct subject *s)
{
	s->area->rseq_cs = s->descriptor;
	raise(SIGUSR1);
	return RELEASED;
}

#define FLOOD 100

TEST_F_TIMEOUT(log, flood, 100)
{
	unsigned int kills = 0, lines, i;
	char line[1024];
	__u64 start = now_ms();

	self->cs->version = 1;
	self->s->body = be_killed;
	for (i = 0; i < FLOOD; i++) {
		subject_start(self->s);
		if (subject_end(self->s) == KILLED)
			kills++;
	}
	EXPECT_EQ(FLOOD, kills);
	lines = kills_in_log(self->fd, -1, line, sizeof(line));
	/* Ten lines in five seconds. */
	EXPECT_GE(10 * ((now_ms() - start) / 5000 + 2), lines);
	EXPECT_GT(kills, lines);
}

#define EXCEPTION_TRACE "/proc/sys/debug/exception-trace"

/* Root may not want to hear of unhandled signals, of whatever kind. */
TEST_F_TIMEOUT(log, silence, 100)
{
	char line[1024], before[2] = "";
	enum outcome outcome;
	int fd;

	fd = open(EXCEPTION_TRACE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, EXCEPTION_TRACE ": %s", strerror(errno));
	ASSERT_EQ(1, read(fd, before, 1));
	close(fd);

	self->cs->version = 1;
	ASSERT_TRUE(write_to(EXCEPTION_TRACE, "1"));
	/* It would say more now. */
	EXPECT_TRUE(killed_and_logged(self->s, self->fd, line, sizeof(line)));
	EXPECT_TRUE(write_to(EXCEPTION_TRACE, "0"));
	outcome = subject_play(self->s, EVENT_MIGRATION);
	EXPECT_TRUE(write_to(EXCEPTION_TRACE, before));
	EXPECT_EQ(KILLED, outcome);
	*line = '\0';
	kills_in_log(self->fd, self->s->pid, line, sizeof(line));
	EXPECT_STREQ("", line);
}

static int wait_for_a_signal(struct subject *s)
{
	s->ready = true;
	while (!s->stop)
		pause();
	return BROKEN;
}

/* Nothing is said about a thread that did nothing wrong. */
TEST_F_TIMEOUT(log, nothing, 100)
{
	char line[1024] = "";
	int i;

	for (i = EVENT_SIGNAL; i <= EVENT_MIGRATION; i++) {
		EXPECT_EQ(ABORTED, subject_play(self->s, i));
		kills_in_log(self->fd, self->s->pid, line, sizeof(line));
		EXPECT_STREQ("", line);
	}
	/* A SIGSEGV of its own making is none of ours. */
	self->s->body = wait_for_a_signal;
	subject_start(self->s);
	ASSERT_TRUE(wait_for(self->s->ready));
	syscall(SYS_tgkill, self->s->pid, self->s->pid, SIGSEGV);
	EXPECT_EQ(KILLED, subject_end(self->s));
	kills_in_log(self->fd, self->s->pid, line, sizeof(line));
	EXPECT_STREQ("", line);
}

TEST_HARNESS_MAIN
