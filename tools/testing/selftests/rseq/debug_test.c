// SPDX-License-Identifier: GPL-2.0
/*
 * The checks that can be turned on: a system call in a critical section, and
 * whatever is wrong with one that was armed, are fatal at the system call. Off,
 * nothing happens; and to a correct program nothing happens ever.
 */
#include "../kselftest_harness.h"
#include <sys/time.h>
#include "rseq_call.h"
#include "rseq_count.h"
#include <dirent.h>
#include <sys/stat.h>

static int write_switch(const char *value)
{
	int fd = open(DEBUG_SWITCH, O_WRONLY | O_CLOEXEC), ret = -errno;
	ssize_t len = strlen(value);

	if (fd < 0)
		return ret;
	ret = write(fd, value, len) == len ? 0 : -errno;
	close(fd);
	return ret;
}

static int turn(bool on)
{
	return write_switch(on ? "1" : "0");
}

FIXTURE(debug) {
	struct stage *st;
	struct subject *s;
	struct rseq_cs *cs;
	int before;
};

FIXTURE_VARIANT(debug) {
	bool extended;
};

FIXTURE_VARIANT_ADD(debug, original) {
};

FIXTURE_VARIANT_ADD(debug, extended) {
	.extended = true,
};

FIXTURE_SETUP(debug)
{
	self->before = read_debug_switch();
	if (self->before < 0)
		SKIP(return, DEBUG_SWITCH ": %s; debugfs, and root, are needed",
		     strerror(-self->before));
	self->st = map_pages(1, true);
	self->s = &self->st->s;
	self->cs = &self->st->cs;
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
	self->s->default_sigsegv = true;
}

FIXTURE_TEARDOWN(debug)
{
	if (self->before >= 0)
		turn(self->before);
}

/* What a thread does once it is told to, in a section or not. */
static enum outcome call_getpid(struct rseq_area *area,
				const struct rseq_cs *cs)
{
	long ret = rseq_call(area, cs, SYS_getpid);

	if (ret < 0)
		return ABORTED;
	return ret == getpid() ? RELEASED : BROKEN;
}

static int call_in_section(struct subject *s)
{
	struct stage *st = (struct stage *)s;

	s->ready = true;
	while (!s->stop)
		;
	return call_getpid(s->area, &st->cs);
}

static void *call_in_section_of_thread(void *arg)
{
	struct subject *s = arg;
	struct stage *st = arg;
	enum outcome outcome;

	if (rseq(&st->area[2], s->len, 0, s->sig))
		return (void *)BROKEN;
	s->ready = true;
	while (!s->stop)
		;
	outcome = call_getpid(&st->area[2], &st->cs);
	rseq(&st->area[2], s->len, RSEQ_FLAG_UNREGISTER, s->sig);
	return (void *)outcome;
}

static int call_in_thread(struct subject *s)
{
	pthread_t thread;
	void *outcome;

	if (pthread_create(&thread, NULL, call_in_section_of_thread, s) ||
	    pthread_join(thread, &outcome))
		return BROKEN;
	return (long)outcome;
}

static int arm_and_leave(struct subject *s)
{
	s->area->rseq_cs = s->descriptor;
	return syscall(SYS_getpid) == getpid() ? RELEASED : BROKEN;
}

/*
 * Plays what the body of the subject is, with the switch turned to @on at first
 * and to @then when the subject is running. An abort is an event that nobody
 * ordered. One may also kill a thread that has nothing to fear but that: so
 * with the checks off, one good end is enough.
 */
static enum outcome play(struct subject *s, bool on, bool then)
{
	enum outcome outcome = BROKEN;
	int tries;

	for (tries = 0; tries < 8; tries++) {
		if (turn(on))
			return BROKEN;
		subject_start(s);
		if (s->body != arm_and_leave)
			wait_for(s->ready || subject_ended(s));
		if (on != then && turn(then))
			kill(s->pid, SIGKILL);
		s->stop = true;
		outcome = subject_end(s);
		if (outcome == RELEASED || (then && outcome == KILLED))
			break;
	}
	return outcome;
}

TEST_F(debug, bad_values_are_refused)
{
	static const char * const bad[] = {
		"2", "10", "-1", "x", "4294967296", "18446744073709551616",
	};
	int on;
	unsigned int i;

	for (on = 0; on < 2; on++) {
		ASSERT_EQ(0, turn(on));
		EXPECT_EQ(on, read_debug_switch());
		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			int ret = write_switch(bad[i]);

			EXPECT_TRUE(ret == -EINVAL || ret == -ERANGE) {
				TH_LOG("\"%s\": %d", bad[i], ret);
			}
			EXPECT_EQ(on, read_debug_switch());
		}
		/* Turned to where it is. */
		EXPECT_EQ(0, turn(on));
		EXPECT_EQ(on, read_debug_switch());
	}
}

TEST_F(debug, call_in_a_section)
{
	struct {
		const char *name, *start, *end;
		bool inside;
	} *row, rows[] = {
		{ "middle", rseq_call_start, rseq_call_end, true },
		{ "first", rseq_call_insn, rseq_call_end, true },
		{ "last", rseq_call_start, rseq_call_behind, true },
		{ "only", rseq_call_insn, rseq_call_behind, true },
		{ "before", rseq_call_behind, rseq_call_end, false },
		{ "behind", rseq_call_start, rseq_call_insn, false },
	};

	self->s->body = call_in_section;
	for (row = rows; row < rows + ARRAY_SIZE(rows); row++) {
		set_section(self->cs, addr(row->start), addr(row->end),
			    addr(rseq_call_abort));
		EXPECT_EQ(row->inside ? KILLED : RELEASED,
			  play(self->s, true, true)) {
			TH_LOG("%s: checks on", row->name);
		}
		EXPECT_EQ(RELEASED, play(self->s, false, false)) {
			TH_LOG("%s: checks off", row->name);
		}
	}
}

/* Threads that are there when the switch is turned. */
TEST_F(debug, running_threads_are_checked)
{
	set_section(self->cs, addr(rseq_call_start), addr(rseq_call_end),
		    addr(rseq_call_abort));
	self->s->body = call_in_section;
	EXPECT_EQ(KILLED, play(self->s, false, true));
	EXPECT_EQ(RELEASED, play(self->s, true, false));
	self->s->body = call_in_thread;
	EXPECT_EQ(KILLED, play(self->s, true, true));
	EXPECT_EQ(KILLED, play(self->s, false, true));
	EXPECT_EQ(RELEASED, play(self->s, true, false));
	EXPECT_EQ(RELEASED, play(self->s, false, false));
}

#define EXPECT_CHECKED()						\
do {									\
	EXPECT_EQ(KILLED, play(self->s, true, true));			\
	EXPECT_EQ(RELEASED, play(self->s, false, false));		\
} while (0)

/* Armed, not entered, and not noticed until now. */
TEST_F(debug, what_was_armed)
{
	char *page = map_pages(1, false);

	self->s->body = arm_and_leave;
	EXPECT_EQ(RELEASED, play(self->s, true, true));

	self->cs->version = 1;
	EXPECT_CHECKED();
	set_good_section(self->cs);
	self->cs->flags = 1;
	EXPECT_CHECKED();
	set_good_section(self->cs);
	self->cs->post_commit_offset = UINT64_MAX;
	EXPECT_CHECKED();
	set_good_section(self->cs);
	self->cs->abort_ip = addr(rseq_stuck);
	EXPECT_CHECKED();
	set_good_section(self->cs);
	self->cs->abort_ip++;
	EXPECT_CHECKED();
	set_good_section(self->cs);
	EXPECT_EQ(RELEASED, play(self->s, true, true));
	self->s->descriptor = user_top();
	EXPECT_CHECKED();
	ASSERT_EQ(0, munmap(page, page_size()));
	self->s->descriptor = addr(page);
	EXPECT_CHECKED();
}

/* Unless an event that nobody ordered clears it. */
static int stay_armed(struct subject *s)
{
	int tries;

	for (tries = 0; tries < 100; tries++) {
		s->area->rseq_cs = s->descriptor;
		if (syscall(SYS_getpid) != getpid())
			return BROKEN;
		if (s->area->rseq_cs == s->descriptor)
			return RELEASED;
	}
	return BROKEN;
}

/* What is checked is left as it was: the thread may go on into its section. */
TEST_F(debug, armed_section_stays_armed)
{
	self->s->body = stay_armed;
	EXPECT_EQ(RELEASED, play(self->s, true, true));
}

/* Sections, system calls, signals, a child and a thread. */
static int correct(struct subject *s)
{
	struct stage *st = (struct stage *)s;
	static unsigned long counter[CPU_SETSIZE * 128 / sizeof(long)];
	int committed = 0, i, status;
	pid_t pid;

	s->ready = true;
	for (i = 0; i < 300; i++) {
		committed += !rseq_count(s->area, &st->cs,
					 offsetof(struct rseq_area, cpu_id),
					 counter);
		if (syscall(SYS_getpid) != getpid() ||
		    (i % 10 == 0 && raise(SIGUSR1)))
			return BROKEN;
		if (i % 100 == 0) {
			/* The child has a section armed, as its parent has. */
			pid = fork();
			if (!pid)
				_exit(rseq(s->area, s->len, 0, s->sig) !=
				      -EBUSY);
			if (pid < 0 || waitpid(pid, &status, 0) != pid ||
			    status)
				return BROKEN;
		}
	}
	return committed && s->handled ? RELEASED : BROKEN;
}

TEST_F(debug, a_correct_program_goes_on)
{
	set_section(self->cs, addr(rseq_count_start), addr(rseq_count_end),
		    addr(rseq_count_abort));
	self->s->body = correct;
	EXPECT_EQ(RELEASED, play(self->s, true, true));
	EXPECT_EQ(RELEASED, play(self->s, false, true));
	EXPECT_EQ(RELEASED, play(self->s, false, false));
}

static void arm_in_handler(int sig)
{
	struct subject *s = this_subject;

	s->area->rseq_cs = s->descriptor;
}

static int return_into_a_section(struct subject *s)
{
	const struct itimerval often = { { 0, 10000 }, { 0, 10000 } };
	const struct itimerval never = {};
	struct sigaction act = { .sa_handler = arm_in_handler };
	long ret;

	if (sigaction(SIGALRM, &act, NULL) ||
	    setitimer(ITIMER_REAL, &often, NULL))
		return BROKEN;
	ret = rseq_call(s->area, NULL, SYS_pause);
	if (setitimer(ITIMER_REAL, &never, NULL))
		return BROKEN;
	/* It may have been aborted then. */
	return ret == -EINTR || ret == -1 ? RELEASED : BROKEN;
}

/* A handler goes back to a section, by a system call that is none to check. */
TEST_F(debug, return_from_a_handler)
{
	set_section(self->cs, addr(rseq_call_start), addr(rseq_call_end),
		    addr(rseq_call_abort));
	self->s->body = return_into_a_section;
	EXPECT_EQ(RELEASED, play(self->s, true, true));
}

/* A thread without a registration may do as it likes. */
TEST_F(debug, unregistered_thread)
{
	self->s->len = 0;
	set_section(self->cs, addr(rseq_call_start), addr(rseq_call_end),
		    addr(rseq_call_abort));
	self->s->body = call_in_section;
	EXPECT_EQ(RELEASED, play(self->s, true, true));
}

/* Opens each of the files, as anybody: how many let it. */
static int files_open_to_anybody(int dir, int *files)
{
	int fd, open = 0;
	struct dirent *e;
	DIR *d;

	if (fchdir(dir) || setgid(65534) || setuid(65534))
		return -1;
	for (d = fdopendir(dir); (e = readdir(d));) {
		if (e->d_type == DT_DIR)
			continue;
		++*files;
		fd = openat(AT_FDCWD, e->d_name, O_RDONLY);
		if (fd >= 0 || errno != EACCES)
			open++;
		fd = openat(AT_FDCWD, e->d_name, O_WRONLY);
		if (fd >= 0 || errno != EACCES)
			open++;
	}
	return open;
}

/* Each by its own mode, even for who got into the directory. */
TEST(files_are_for_root)
{
	int dir = open("/sys/kernel/debug/rseq", O_RDONLY | O_CLOEXEC);
	int *files = map_pages(1, true), status;
	struct stat st;
	pid_t pid;

	if (dir < 0)
		SKIP(return, "/sys/kernel/debug/rseq: %s; debugfs, and root, are needed",
		     strerror(errno));
	ASSERT_EQ(0, stat(DEBUG_SWITCH, &st));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
	pid = fork();
	if (!pid)
		_exit(files_open_to_anybody(dir, files));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_LT(0, *files);
}

/* As the kernel command line says: rseq_debug=1, or off. */
TEST_F(debug, setting_at_boot)
{
	char line[4096] = " ";
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC), on;

	ASSERT_LE(0, fd);
	ASSERT_LT(0, read(fd, line + 1, sizeof(line) - 2));
	close(fd);
	on = !!strstr(line, " rseq_debug=1");
	EXPECT_EQ(on, self->before);

	/* Nobody has turned the switch: it is as it was at boot. */
	set_section(self->cs, addr(rseq_call_start), addr(rseq_call_end),
		    addr(rseq_call_abort));
	self->s->body = call_in_section;
	subject_start(self->s);
	self->s->stop = true;
	EXPECT_EQ(on ? KILLED : RELEASED, subject_end(self->s));
}

TEST_HARNESS_MAIN
