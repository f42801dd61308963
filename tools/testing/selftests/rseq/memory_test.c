// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel follows pointers into memory that user space may take away, drop
 * or protect at any moment. What comes back by a page fault must work as if it
 * had never been gone; what does not come back is fatal.
 */
#include "../kselftest_harness.h"
#include "rseq_test.h"
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/time.h>

/**
 * is_present() - does the page table of this process hold a page?
 * @p: an address in the page
 */
static bool is_present(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	__u64 entry = 0;
	bool known;

	known = pread64(fd, &entry, sizeof(entry),
			addr(p) / page_size() * sizeof(entry)) ==
		sizeof(entry);
	close(fd);
	if (!known)
		fprintf(stderr, "# /proc/self/pagemap cannot be read\n");
	return !known || entry >> 63;
}

/* Takes a page out of the page table of this process; it stays in its file. */
static int drop(void *page)
{
	int tries;

	/* If an area is in it, losing the CPU just now brings it back. */
	for (tries = 0; tries < 1000; tries++) {
		if (madvise(page, page_size(), MADV_DONTNEED))
			return -1;
		if (!is_present(page))
			return 0;
	}
	return -1;
}

/* Two pages of a file, shared, executable. */
static char *map_file(int *fd)
{
	char *mem;

	*fd = memfd_create("pages", MFD_CLOEXEC);
	if (*fd < 0 || ftruncate(*fd, 2 * page_size()))
		return NULL;
	mem = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_SHARED, *fd, 0);
	return mem == MAP_FAILED ? NULL : mem;
}

/* In a critical section when the event comes, and by then memory is gone. */
FIXTURE(armed) {
	struct stage *st;
	struct subject *s;
};

FIXTURE_VARIANT(armed) {
	enum event event;
	bool extended;
};

FIXTURE_VARIANT_ADD(armed, signal) {
	.event = EVENT_SIGNAL,
};

FIXTURE_VARIANT_ADD(armed, preemption) {
	.event = EVENT_PREEMPTION,
};

FIXTURE_VARIANT_ADD(armed, migration) {
	.event = EVENT_MIGRATION,
};

FIXTURE_VARIANT_ADD(armed, signal_extended) {
	.event = EVENT_SIGNAL,
	.extended = true,
};

FIXTURE_VARIANT_ADD(armed, preemption_extended) {
	.event = EVENT_PREEMPTION,
	.extended = true,
};

FIXTURE_VARIANT_ADD(armed, migration_extended) {
	.event = EVENT_MIGRATION,
	.extended = true,
};

/* For the functions below, which run in the subject. */
static char *file;
static int file_fd;

FIXTURE_SETUP(armed)
{
	self->st = map_pages(1, true);
	self->s = &self->st->s;
	file = map_file(&file_fd);
	ASSERT_NE(0, addr(file));
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
	self->s->default_sigsegv = true;
}

FIXTURE_TEARDOWN(armed)
{
}

#define EXPECT_ABORTED()						\
do {									\
	self->s->abort_ip = self->st->cs.abort_ip;			\
	EXPECT_EQ(ABORTED, subject_play(self->s, variant->event));	\
	EXPECT_TRUE(self->s->provoked);					\
	EXPECT_TRUE(self->s->last_ids_true);				\
	EXPECT_EQ(0, self->s->last.rseq_cs);				\
	if (variant->event == EVENT_SIGNAL)				\
		EXPECT_EQ(self->s->abort_ip, self->s->handler_ip);	\
} while (0)

#define EXPECT_KILLED()							\
	EXPECT_EQ(KILLED, subject_play(self->s, variant->event))

static int drop_first(struct subject *s)
{
	return drop(file);
}

static int drop_both(struct subject *s)
{
	return drop(file) || drop(file + page_size());
}

TEST_F(armed, descriptor_dropped)
{
	struct rseq_cs *cs = (void *)file;

	*cs = self->st->cs;
	self->s->descriptor = addr(cs);
	self->s->prepare = drop_first;
	EXPECT_ABORTED();
}

TEST_F(armed, descriptor_dropped_across_pages)
{
	char *cs = file + page_size() - 16;

	memcpy(cs, &self->st->cs, sizeof(self->st->cs));
	self->s->descriptor = addr(cs);
	self->s->prepare = drop_both;
	EXPECT_ABORTED();
}

TEST_F(armed, signature_dropped)
{
	put_abort_handler(file + 64, RSEQ_SIG);
	self->st->cs.abort_ip = addr(file + 64);
	self->s->prepare = drop_first;
	EXPECT_ABORTED();
}

TEST_F(armed, signature_dropped_across_pages)
{
	put_abort_handler(file + page_size() + 2, RSEQ_SIG);
	self->st->cs.abort_ip = addr(file + page_size() + 2);
	self->s->prepare = drop_both;
	EXPECT_ABORTED();
}

TEST_F(armed, descriptor_and_signature_dropped)
{
	struct rseq_cs *cs = (void *)file;

	put_abort_handler(file + page_size() + 64, RSEQ_SIG);
	self->st->cs.abort_ip = addr(file + page_size() + 64);
	*cs = self->st->cs;
	self->s->descriptor = addr(cs);
	self->s->prepare = drop_both;
	EXPECT_ABORTED();
}

/* The file that held it is shorter now: nothing comes back. */
static int truncate_file(struct subject *s)
{
	return ftruncate(file_fd, 0);
}

TEST_F(armed, descriptor_truncated)
{
	struct rseq_cs *cs = (void *)file;

	*cs = self->st->cs;
	self->s->descriptor = addr(cs);
	self->s->prepare = truncate_file;
	EXPECT_KILLED();
}

TEST_F(armed, signature_truncated)
{
	put_abort_handler(file + 64, RSEQ_SIG);
	self->st->cs.abort_ip = addr(file + 64);
	self->s->prepare = truncate_file;
	EXPECT_KILLED();
}

/*
 * What a second thread does to the area once the section is armed. The first
 * one does not touch the area before the kernel does. exit(BROKEN) is for a
 * test that could not be set up.
 */
static void drop_area(struct subject *s)
{
	if (drop(s->area))
		_exit(BROKEN);
}

TEST_F(armed, area_dropped)
{
	self->s->area = (void *)file;
	self->s->companion = drop_area;
	EXPECT_ABORTED();
}

static void drop_all(struct subject *s)
{
	if (drop(s->area) || drop(file + page_size()))
		_exit(BROKEN);
}

TEST_F(armed, area_and_descriptor_dropped)
{
	struct rseq_cs *cs = (void *)(file + page_size());

	*cs = self->st->cs;
	self->s->descriptor = addr(cs);
	self->s->area = (void *)file;
	self->s->companion = drop_all;
	EXPECT_ABORTED();
}

/* After a fork the page is write-protected until somebody writes to it. */
static void fork_once(struct subject *s)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		_exit(BROKEN);
}

TEST_F(armed, area_copied_on_write)
{
	self->s->area = map_pages(1, false);
	self->s->private_area = true;
	self->s->companion = fork_once;
	EXPECT_ABORTED();
}

static void protect_area(struct subject *s, int prot)
{
	if (mprotect(s->area, page_size(), prot))
		_exit(BROKEN);
}

static void make_area_read_only(struct subject *s)
{
	protect_area(s, PROT_READ);
}

static void make_area_inaccessible(struct subject *s)
{
	protect_area(s, PROT_NONE);
}

static void make_area_come_and_go(struct subject *s)
{
	protect_area(s, PROT_NONE);
	protect_area(s, PROT_READ);
	protect_area(s, PROT_READ | PROT_WRITE);
}

static void unmap_area(struct subject *s)
{
	if (munmap(s->area, page_size()))
		_exit(BROKEN);
}

/* rseq_cs is to be cleared, and cannot be. */
TEST_F(armed, area_read_only)
{
	self->s->area = (void *)file;
	self->s->companion = make_area_read_only;
	EXPECT_KILLED();
}

TEST_F(armed, area_inaccessible)
{
	self->s->area = (void *)file;
	self->s->companion = make_area_inaccessible;
	EXPECT_KILLED();
}

TEST_F(armed, area_unmapped)
{
	self->s->area = (void *)file;
	self->s->companion = unmap_area;
	EXPECT_KILLED();
}

static void truncate_area(struct subject *s)
{
	if (ftruncate(file_fd, 0))
		_exit(BROKEN);
}

TEST_F(armed, area_truncated)
{
	self->s->area = (void *)file;
	/* Nor can the controller look at it any more. */
	self->s->private_area = true;
	self->s->companion = truncate_area;
	EXPECT_KILLED();
}

/* It is the event that counts: by then everything is as it was. */
TEST_F(armed, area_accessible_again)
{
	__u64 end = now_ms() + 4 * WAIT_MS;
	enum outcome outcome;

	self->s->area = (void *)file;
	self->s->companion = make_area_come_and_go;
	/* One that lost its CPU in between was killed, and rightly so. */
	do {
		outcome = subject_play(self->s, variant->event);
	} while (outcome == KILLED && now_ms() < end);
	EXPECT_EQ(ABORTED, outcome);
	EXPECT_TRUE(self->s->last_ids_true);
	EXPECT_EQ(0, self->s->last.rseq_cs);
}

/* A page that user space itself brings, while the kernel waits for it. */
static char *brought;
static int bringer;

static int register_page(struct subject *s)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = addr(brought), .len = page_size() },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	bringer = syscall(SYS_userfaultfd, O_CLOEXEC);
	return bringer < 0 || ioctl(bringer, UFFDIO_API, &api) ||
	       ioctl(bringer, UFFDIO_REGISTER, &range);
}

static void bring_page(struct subject *s)
{
	struct uffdio_copy copy = {
		.dst = addr(brought), .src = addr(file), .len = page_size(),
	};
	struct uffd_msg msg;

	s->companion_done = true;
	if (read(bringer, &msg, sizeof(msg)) != sizeof(msg) ||
	    ioctl(bringer, UFFDIO_COPY, &copy))
		_exit(BROKEN);
}

static bool have_userfaultfd(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

TEST_F(armed, descriptor_brought_by_userfaultfd)
{
	if (!have_userfaultfd())
		SKIP(return, "userfaultfd is needed");
	memcpy(file, &self->st->cs, sizeof(self->st->cs));
	brought = map_pages(1, false);
	self->s->descriptor = addr(brought);
	self->s->prepare = register_page;
	self->s->companion = bring_page;
	EXPECT_ABORTED();
}

TEST_F(armed, signature_brought_by_userfaultfd)
{
	if (!have_userfaultfd())
		SKIP(return, "userfaultfd is needed");
	put_abort_handler(file + 64, RSEQ_SIG);
	brought = map_pages(1, false);
	ASSERT_EQ(0, mprotect(brought, page_size(), PROT_READ | PROT_EXEC));
	self->st->cs.abort_ip = addr(brought + 64);
	self->s->prepare = register_page;
	self->s->companion = bring_page;
	EXPECT_ABORTED();
}

/* Registers the page; a signal is to be the event, or not to come at all. */
static enum event played;

static int register_page_for_event(struct subject *s)
{
	sigset_t set;

	sigemptyset(&set);
	if (played != EVENT_SIGNAL)
		sigaddset(&set, SIGUSR1);
	return register_page(s) || sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Brings it to a thread that is on another CPU by then. */
static void move_and_bring_page(struct subject *s)
{
	struct uffdio_copy copy = {
		.dst = addr(brought), .src = addr(file), .len = page_size(),
	};
	struct uffd_msg msg;
	cpu_set_t set;

	s->companion_done = true;
	if (read(bringer, &msg, sizeof(msg)) != sizeof(msg) ||
	    sched_getaffinity(getpid(), sizeof(set), &set) ||
	    move_to_cpu(getpid(), CPU_ISSET(s->cpu, &set) ? s->other : s->cpu) ||
	    ioctl(bringer, UFFDIO_COPY, &copy))
		_exit(BROKEN);
}

static void drop_and_move_and_bring_page(struct subject *s)
{
	memcpy(file, brought, page_size());
	if (drop(brought))
		_exit(BROKEN);
	move_and_bring_page(s);
}

/* Looks at the CPU number before a system call can put it right. */
static int stuck_and_look(struct subject *s)
{
	__u32 cpu;
	int ret;

	s->ready = true;
	ret = rseq_stuck(&s->area->rseq_cs, s->descriptor);
	cpu = s->area->cpu_id;
	s->count = cpu == current_cpu();
	return ret;
}

/*
 * Moved while it sleeps in the kernel for a page: what was written before that
 * is not right any more.
 */
TEST_F(armed, moved_while_descriptor_is_brought)
{
	if (!have_userfaultfd())
		SKIP(return, "userfaultfd is needed");
	played = variant->event;
	memcpy(file, &self->st->cs, sizeof(self->st->cs));
	brought = map_pages(1, false);
	self->s->descriptor = addr(brought);
	self->s->prepare = register_page_for_event;
	self->s->companion = move_and_bring_page;
	self->s->body = stuck_and_look;
	EXPECT_ABORTED();
	EXPECT_TRUE(self->s->count);
}

TEST_F(armed, moved_while_area_is_brought)
{
	if (!have_userfaultfd())
		SKIP(return, "userfaultfd is needed");
	played = variant->event;
	brought = map_pages(1, false);
	self->s->area = (void *)brought;
	self->s->private_area = true;
	self->s->prepare = register_page_for_event;
	self->s->companion = drop_and_move_and_bring_page;
	self->s->body = stuck_and_look;
	EXPECT_ABORTED();
	EXPECT_TRUE(self->s->count);
}

/* Nobody brings it. */
static void see_it_wait(struct subject *s)
{
	struct uffd_msg msg;

	s->companion_done = true;
	if (read(bringer, &msg, sizeof(msg)) != sizeof(msg))
		_exit(BROKEN);
	s->count = 1;
}

TEST_F(armed, killed_while_it_waits)
{
	struct subject *s = self->s;

	if (!have_userfaultfd())
		SKIP(return, "userfaultfd is needed");
	brought = map_pages(1, false);
	s->descriptor = addr(brought);
	s->prepare = register_page;
	s->companion = see_it_wait;
	subject_start(s);
	ASSERT_TRUE(subject_wait_armed(s));
	EXPECT_TRUE(provoke(s, variant->event));
	EXPECT_TRUE(wait_for(s->count));
	EXPECT_FALSE(subject_ended(s));
	EXPECT_EQ(0, kill(s->pid, SIGKILL));
	EXPECT_TRUE(wait_for(subject_ended(s)));
	EXPECT_TRUE(WIFSIGNALED(s->status));
	EXPECT_EQ(SIGKILL, WTERMSIG(s->status));
}

/* Not in a critical section: the ID fields are all there is to do. */
FIXTURE(idle) {
	struct rseq_area *area;
	__u32 len;
};

FIXTURE_VARIANT(idle) {
	bool extended;
};

FIXTURE_VARIANT_ADD(idle, original) {
};

FIXTURE_VARIANT_ADD(idle, extended) {
	.extended = true,
};

static void ignore(int sig)
{
}

FIXTURE_SETUP(idle)
{
	file = map_file(&file_fd);
	ASSERT_NE(0, addr(file));
	self->area = map_pages(1, false);
	self->len = rseq_len(variant->extended);
	ASSERT_TRUE(signal(SIGUSR1, ignore) != SIG_ERR);
}

FIXTURE_TEARDOWN(idle)
{
}

/* The kernel is the first to write to the page. */
TEST_F(idle, area_never_touched)
{
	ASSERT_FALSE(is_present(self->area));
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	EXPECT_TRUE(ids_are_true(self->area, 1));
	/* The same for a file. */
	ASSERT_EQ(0, rseq_unregister(self->area, self->len));
	ASSERT_FALSE(is_present(file));
	ASSERT_EQ(0, rseq_register(file, self->len));
	EXPECT_TRUE(ids_are_true((void *)file, 1));
}

TEST_F(idle, file_area_dropped)
{
	struct rseq_area *area = (void *)file;
	int nr;

	ASSERT_EQ(0, rseq_register(area, self->len));
	for (nr = 0; allowed_cpu(nr) >= 0; nr++) {
		ASSERT_EQ(0, drop(area));
		ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(nr)));
		EXPECT_TRUE(ids_are_true(area, 1));
		ASSERT_EQ(0, drop(area));
		ASSERT_EQ(0, raise(SIGUSR1));
		EXPECT_TRUE(ids_are_true(area, 1));
	}
}

/*
 * Dropped for good: zeros instead of IDs, until they are next rewritten. In
 * extended mode the zeros are a change by user space, which may not do that.
 */
TEST_F(idle, anonymous_area_dropped)
{
	int nr;

	if (variant->extended)
		return;
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	for (nr = 0; allowed_cpu(nr) >= 0; nr++) {
		ASSERT_EQ(0, drop(self->area));
		ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(nr)));
		EXPECT_TRUE(ids_are_true(self->area, 1));
		EXPECT_EQ(allowed_cpu(nr), self->area->cpu_id);
		ASSERT_EQ(0, drop(self->area));
		ASSERT_EQ(0, raise(SIGUSR1));
		EXPECT_EQ(allowed_cpu(nr), self->area->cpu_id);
		EXPECT_TRUE(ids_are_true(self->area, 1));
	}
}

/* Ends a child: KILLED, or RELEASED if nothing happened. */
static enum outcome in_child(void (*fn)(struct rseq_area *area),
			     struct rseq_area *area, __u32 len)
{
	static const struct rlimit no_core;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (setrlimit(RLIMIT_CORE, &no_core) ||
		    move_to_cpu(0, allowed_cpu(0)) ||
		    rseq_register(area, len))
			_exit(BROKEN);
		fn(area);
		_exit(RELEASED);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return BROKEN;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
		return KILLED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN;
}

/* A pending rseq_cs goes with its page, here one that would be fatal. */
static void drop_armed(struct rseq_area *area)
{
	area->rseq_cs = 1;
	if (madvise(area, page_size(), MADV_DONTNEED))
		_exit(BROKEN);
	raise(SIGUSR1);
}

static void keep_armed(struct rseq_area *area)
{
	area->rseq_cs = 1;
	raise(SIGUSR1);
}

TEST_F(idle, pending_descriptor_dropped)
{
	enum outcome outcome = KILLED;
	int tries;

	EXPECT_EQ(KILLED, in_child(keep_armed, self->area, self->len));
	/* A preemption right before the drop finds it. */
	for (tries = 0; tries < 8 && outcome == KILLED; tries++)
		outcome = in_child(drop_armed, self->area, self->len);
	EXPECT_EQ(RELEASED, outcome);
}

static int new_prot;

static void protect(struct rseq_area *area)
{
	if (new_prot < 0 ? munmap(area, page_size()) :
			   mprotect(area, page_size(), new_prot))
		_exit(BROKEN);
}

static void protect_and_signal(struct rseq_area *area)
{
	protect(area);
	raise(SIGUSR1);
}

static void protect_and_migrate(struct rseq_area *area)
{
	protect(area);
	move_to_cpu(0, allowed_cpu(1));
}

TEST_F(idle, area_read_only)
{
	new_prot = PROT_READ;
	/* In extended mode only a changed ID has to be written. */
	if (!variant->extended)
		EXPECT_EQ(KILLED, in_child(protect_and_signal, self->area,
					   self->len));
	if (allowed_cpus() > 1)
		EXPECT_EQ(KILLED, in_child(protect_and_migrate, self->area,
					   self->len));
}

TEST_F(idle, area_inaccessible)
{
	new_prot = PROT_NONE;
	EXPECT_EQ(KILLED, in_child(protect_and_signal, self->area, self->len));
	if (allowed_cpus() > 1)
		EXPECT_EQ(KILLED, in_child(protect_and_migrate, self->area,
					   self->len));
}

TEST_F(idle, area_unmapped)
{
	new_prot = -1;
	EXPECT_EQ(KILLED, in_child(protect_and_signal, self->area, self->len));
	if (allowed_cpus() > 1)
		EXPECT_EQ(KILLED, in_child(protect_and_migrate, self->area,
					   self->len));
}

static void protect_and_restore(struct rseq_area *area)
{
	protect(area);
	if (mprotect(area, page_size(), PROT_READ | PROT_WRITE))
		_exit(BROKEN);
	raise(SIGUSR1);
	move_to_cpu(0, allowed_cpu(1));
	if (!ids_are_true(area, 1))
		_exit(ABORTED);
}

TEST_F(idle, area_accessible_again)
{
	enum outcome outcome = KILLED;
	int tries;

	new_prot = PROT_NONE;
	/* A preemption in between is fatal. */
	for (tries = 0; tries < 8 && outcome == KILLED; tries++)
		outcome = in_child(protect_and_restore, self->area, self->len);
	EXPECT_EQ(RELEASED, outcome);
}

static int two_areas(__u32 len, struct rseq_area *area)
{
	return !ids_are_true(area, 1) || rseq_register(area, len) != -EBUSY;
}

/* Parent and child on two CPUs: each writes to a copy of its own. */
TEST_F(idle, area_copied_on_write)
{
	int status, last = allowed_cpu(allowed_cpus() - 1);
	pid_t pid;

	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(0)));
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	pid = fork();
	if (!pid) {
		move_to_cpu(0, last);
		_exit(two_areas(self->len, self->area) ||
		      self->area->cpu_id != last);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, two_areas(self->len, self->area));
	EXPECT_EQ(allowed_cpu(0), self->area->cpu_id);
}

/*
 * What MADV_WIPEONFORK leaves in the child are zeros, which nobody wrote over
 * its IDs.
 */
TEST_F(idle, area_wiped_on_fork)
{
	int status, last = allowed_cpu(allowed_cpus() - 1);
	pid_t pid;

	if (!last)
		SKIP(return, "a CPU that is not CPU 0 is needed");
	ASSERT_EQ(0, madvise(self->area, page_size(), MADV_WIPEONFORK));
	ASSERT_EQ(0, move_to_cpu(0, last));
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	pid = fork();
	if (!pid)
		_exit(two_areas(self->len, self->area) ||
		      self->area->cpu_id != last);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, two_areas(self->len, self->area));
}

/*
 * Another thread never stops protecting a page that only the kernel looks at. At
 * each event it is there or not, or only for some of the accesses: the section
 * is aborted, or the thread killed.
 */
enum page { PAGE_AREA, PAGE_DESCRIPTOR, PAGE_SIGNATURE };

FIXTURE(unsteady) {
	struct stage *st;
};

FIXTURE_VARIANT(unsteady) {
	enum page page;
	bool extended;
};

FIXTURE_VARIANT_ADD(unsteady, area) {
	.page = PAGE_AREA,
};

FIXTURE_VARIANT_ADD(unsteady, area_extended) {
	.page = PAGE_AREA,
	.extended = true,
};

FIXTURE_VARIANT_ADD(unsteady, descriptor) {
	.page = PAGE_DESCRIPTOR,
};

FIXTURE_VARIANT_ADD(unsteady, descriptor_extended) {
	.page = PAGE_DESCRIPTOR,
	.extended = true,
};

FIXTURE_VARIANT_ADD(unsteady, signature) {
	.page = PAGE_SIGNATURE,
};

FIXTURE_VARIANT_ADD(unsteady, signature_extended) {
	.page = PAGE_SIGNATURE,
	.extended = true,
};

#define UNSTEADY_MS 1500

static struct {
	char *page;			/* that comes and goes */
	struct rseq_area *area;		/* the same area in another place */

	unsigned long __shared aborted, resumed;
} *unsteady;

FIXTURE_SETUP(unsteady)
{
	struct subject *s;

	self->st = map_pages(1, true);
	s = &self->st->s;
	unsteady = map_pages(1, true);
	file = map_file(&file_fd);
	ASSERT_NE(0, addr(file));
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
	unsteady->area = s->area;
	unsteady->page = file;
	switch (variant->page) {
	case PAGE_AREA:
		s->area = (void *)file;
		unsteady->area = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
				      MAP_SHARED, file_fd, 0);
		ASSERT_TRUE(unsteady->area != MAP_FAILED);
		break;
	case PAGE_DESCRIPTOR:
		memcpy(file, &self->st->cs, sizeof(self->st->cs));
		s->descriptor = addr(file);
		break;
	case PAGE_SIGNATURE:
		/* The handler itself is in the page behind. */
		put_abort_handler(file + page_size(), RSEQ_SIG);
		self->st->cs.abort_ip = addr(file + page_size());
		break;
	}
}

FIXTURE_TEARDOWN(unsteady)
{
}

static void *protect_and_unprotect(void *arg)
{
	const int all = PROT_READ | PROT_WRITE | PROT_EXEC;

	if (move_to_cpu(0, ((struct subject *)arg)->home))
		_exit(BROKEN);
	while (!mprotect(unsteady->page, page_size(), PROT_NONE) &&
	       !mprotect(unsteady->page, page_size(), all))
		;
	_exit(BROKEN);
}

static void move_on(int sig, siginfo_t *info, void *context)
{
	if (*context_ip(context) == (greg_t)(uintptr_t)rseq_stuck_here) {
		unsteady->resumed++;
		*context_ip(context) = (greg_t)(uintptr_t)rseq_stuck_past;
	}
}

static int be_interrupted(struct subject *s)
{
	struct itimerval often = {
		.it_interval = { .tv_usec = 1000 },
		.it_value = { .tv_usec = 1000 },
	};
	struct sigaction act = { .sa_sigaction = move_on };
	__u64 end = now_ms() + UNSTEADY_MS;
	pthread_t thread;

	act.sa_flags = SA_SIGINFO;
	if (sigaction(SIGALRM, &act, NULL) ||
	    pthread_create(&thread, NULL, protect_and_unprotect, s) ||
	    setitimer(ITIMER_REAL, &often, NULL))
		return BROKEN;
	while (now_ms() < end) {
		if (rseq_stuck(&unsteady->area->rseq_cs, s->descriptor) ==
		    RSEQ_STUCK_ABORTED)
			unsteady->aborted++;
	}
	/* Not to look at the area. */
	_exit(RELEASED);
}

TEST_F(unsteady, aborted_or_killed)
{
	struct subject *s = &self->st->s;
	__u64 end = now_ms() + UNSTEADY_MS;
	enum outcome outcome;
	int killed = 0;

	s->private_area = true;
	s->default_sigsegv = true;
	s->body = be_interrupted;
	while (now_ms() < end || ((!killed || !unsteady->aborted) &&
				  now_ms() < end + WAIT_MS)) {
		subject_start(s);
		outcome = subject_end(s);
		ASSERT_TRUE(outcome == KILLED || outcome == RELEASED) {
			TH_LOG("%d", outcome);
		}
		killed += outcome == KILLED;
	}
	EXPECT_LT(0, killed);
	EXPECT_LT(0, unsteady->aborted);
	EXPECT_EQ(0, unsteady->resumed);
}

TEST_HARNESS_MAIN
