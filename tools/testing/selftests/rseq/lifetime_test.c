// SPDX-License-Identifier: GPL-2.0
/*
 * Who has a registration: fork hands it down, a thread or a vfork child starts
 * with none, execve takes it away unless it fails, and exit ends it.
 */
#include "../kselftest_harness.h"
#include "rseq_test.h"
#include <spawn.h>

extern char **environ;

/* Argument of this program after an execve: where the area was, and the len. */
#define AFTER_EXEC "--after-exec"

FIXTURE(lifetime) {
	struct rseq_area *area, *other;
	__u32 len;
};

FIXTURE_VARIANT(lifetime) {
	bool extended;
};

FIXTURE_VARIANT_ADD(lifetime, original) {
};

FIXTURE_VARIANT_ADD(lifetime, extended) {
	.extended = true,
};

FIXTURE_SETUP(lifetime)
{
	self->area = map_pages(1, false);
	self->other = map_pages(1, false);
	self->len = rseq_len(variant->extended);
}

FIXTURE_TEARDOWN(lifetime)
{
}

/* fork() with the registration of the parent, and events in the child. */
FIXTURE(inherited) {
	struct stage *st;
	struct rseq_area *area;
};

FIXTURE_VARIANT(inherited) {
	enum event event;
	bool extended;
};

FIXTURE_VARIANT_ADD(inherited, signal) {
	.event = EVENT_SIGNAL,
};

FIXTURE_VARIANT_ADD(inherited, preemption) {
	.event = EVENT_PREEMPTION,
};

FIXTURE_VARIANT_ADD(inherited, migration) {
	.event = EVENT_MIGRATION,
};

FIXTURE_VARIANT_ADD(inherited, signal_extended) {
	.event = EVENT_SIGNAL,
	.extended = true,
};

FIXTURE_VARIANT_ADD(inherited, preemption_extended) {
	.event = EVENT_PREEMPTION,
	.extended = true,
};

FIXTURE_VARIANT_ADD(inherited, migration_extended) {
	.event = EVENT_MIGRATION,
	.extended = true,
};

FIXTURE_SETUP(inherited)
{
	self->st = map_pages(1, true);
	self->area = map_pages(1, false);
	if (!stage_init(self->st, variant->extended))
		SKIP(return, "two CPUs are needed");
	ASSERT_EQ(0, rseq_register(self->area, rseq_len(variant->extended)));
}

FIXTURE_TEARDOWN(inherited)
{
}

static __u32 inherited_len;

/* In the child, before it arms: all that it has, it has from its parent. */
static int check_inherited(struct subject *s)
{
	return rseq_register(s->area, inherited_len) != -EBUSY ||
	       rseq(s->area, inherited_len, 0, RSEQ_SIG + 1) != -EPERM ||
	       !ids_are_true(s->area, 1);
}

TEST_F(inherited, fork_child_is_aborted)
{
	struct subject *s = &self->st->s;

	inherited_len = s->len;
	s->len = 0;
	s->area = self->area;
	s->private_area = true;
	s->prepare = check_inherited;
	ASSERT_EQ(ABORTED, subject_play(s, variant->event));
	EXPECT_TRUE(s->provoked);
	EXPECT_EQ(0, s->last.rseq_cs);
	EXPECT_TRUE(s->last_ids_true);
	if (variant->event == EVENT_SIGNAL)
		EXPECT_EQ(addr(rseq_stuck_abort), s->handler_ip);

	/* The parent is where it was, and registered. */
	EXPECT_TRUE(ids_are_true(self->area, 1));
	EXPECT_EQ(s->home, self->area->cpu_id);
	EXPECT_EQ(-EBUSY, rseq_register(self->area, inherited_len));
}

/* Waits for a child that tells by its exit code. */
static int child_result(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST_F(lifetime, fork_child_unregisters_for_itself)
{
	pid_t pid;

	ASSERT_EQ(0, rseq_register(self->area, self->len));
	pid = fork();
	if (!pid) {
		if (rseq_unregister(self->area, self->len))
			_exit(1);
		if (self->area->cpu_id != (__u32)-1)
			_exit(2);
		if (rseq_register(self->other, self->len))
			_exit(3);
		_exit(0);
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(-EBUSY, rseq_register(self->area, self->len));
	EXPECT_TRUE(ids_are_true(self->area, CPU_SETSIZE));
}

/* A grandchild has it from its grandparent. */
TEST_F(lifetime, fork_twice)
{
	pid_t pid;

	ASSERT_EQ(0, rseq_register(self->area, self->len));
	pid = fork();
	if (!pid) {
		pid = fork();
		if (!pid)
			_exit(rseq_unregister(self->area, self->len) ? 1 : 0);
		_exit(child_result(pid));
	}
	EXPECT_EQ(0, child_result(pid));
}

/* What a child sees that shares its memory with the parent. */
struct sharing {
	struct rseq_area *area, *other;
	__u32 len;
	int cpu;
	int unregister_area, unregister_none, register_other, busy;
	int unregister_other;
	bool ids_true;
	__u32 parent_cpu_id;
};

static void check_none(struct sharing *sh)
{
	__u32 len = sh->len;

	sh->unregister_area = rseq_unregister(sh->area, len);
	sh->unregister_none = rseq_unregister(NULL, len);
	/* Without a registration a migration writes nowhere. */
	move_to_cpu(0, sh->cpu);
	sh->parent_cpu_id = sh->area->cpu_id;
	sh->register_other = rseq_register(sh->other, len);
	sh->busy = rseq_register(sh->other, len);
	sh->ids_true = ids_are_true(sh->other, CPU_SETSIZE);
	sh->unregister_other = rseq_unregister(sh->other, len);
}

static int sharing_child(void *arg)
{
	check_none(arg);
	return 0;
}

static void *sharing_thread(void *arg)
{
	check_none(arg);
	return NULL;
}

static void expect_none(struct __test_metadata *_metadata,
			const struct sharing *sh)
{
	EXPECT_EQ(-EINVAL, sh->unregister_area);
	EXPECT_EQ(-EINVAL, sh->unregister_none);
	EXPECT_EQ(0, sh->register_other);
	EXPECT_EQ(-EBUSY, sh->busy);
	EXPECT_TRUE(sh->ids_true);
	EXPECT_EQ(0, sh->unregister_other);
	EXPECT_EQ(allowed_cpu(0), sh->parent_cpu_id);
	/* The parent has what it had. */
	EXPECT_EQ(allowed_cpu(0), sh->area->cpu_id);
	EXPECT_EQ(-EBUSY, rseq_register(sh->area, sh->len));
}

/* A child with these clone flags starts with none. */
static void clone_child(struct __test_metadata *_metadata, struct sharing *sh,
			int flags)
{
	char *stack = map_pages(16, false);

	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(0)));
	ASSERT_EQ(0, rseq_register(sh->area, sh->len));
	ASSERT_EQ(0, child_result(clone(sharing_child,
					stack + 16 * page_size(),
					flags | SIGCHLD, sh)));
	expect_none(_metadata, sh);
}

TEST_F(lifetime, clone_vm_vfork_starts_with_none)
{
	struct sharing sh = {
		.area = self->area, .other = self->other, .len = self->len,
		.cpu = allowed_cpu(allowed_cpus() - 1),
	};

	clone_child(_metadata, &sh, CLONE_VM | CLONE_VFORK);
}

TEST_F(lifetime, clone_vm_starts_with_none)
{
	struct sharing sh = {
		.area = self->area, .other = self->other, .len = self->len,
		.cpu = allowed_cpu(allowed_cpus() - 1),
	};

	clone_child(_metadata, &sh, CLONE_VM);
}

TEST_F(lifetime, thread_starts_with_none)
{
	struct sharing sh = {
		.area = self->area, .other = self->other, .len = self->len,
		.cpu = allowed_cpu(allowed_cpus() - 1),
	};
	pthread_t thread;

	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(0)));
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	ASSERT_EQ(0, pthread_create(&thread, NULL, sharing_thread, &sh));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	expect_none(_metadata, &sh);
}

static alignas(64) struct rseq_area new_area[4];

/* In the new image; the exit code says which check failed. */
static int after_exec(char **argv)
{
	__u32 len = strtoul(argv[3], NULL, 0);
	void *old = (void *)(uintptr_t)strtoull(argv[2], NULL, 0);

	if (rseq_unregister(old, len) != -EINVAL)
		return 101;
	if (rseq_unregister(NULL, len) != -EINVAL)
		return 102;
	if (rseq_register(new_area, len))
		return 103;
	if (!ids_are_true(new_area, CPU_SETSIZE))
		return 104;
	return 0;
}

struct exec_arguments {
	char old[32], len[32];
	char *argv[5];
};

static char **exec_arguments(struct exec_arguments *args, void *area,
			     __u32 len)
{
	snprintf(args->old, sizeof(args->old), "%#llx",
		 (unsigned long long)addr(area));
	snprintf(args->len, sizeof(args->len), "%u", len);
	args->argv[0] = "lifetime_test";
	args->argv[1] = AFTER_EXEC;
	args->argv[2] = args->old;
	args->argv[3] = args->len;
	args->argv[4] = NULL;
	return args->argv;
}

TEST_F(lifetime, execve_takes_it_away)
{
	struct exec_arguments args;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (rseq_register(self->area, self->len))
			_exit(1);
		execv("/proc/self/exe",
		      exec_arguments(&args, self->area, self->len));
		_exit(2);
	}
	EXPECT_EQ(0, child_result(pid));
}

struct exec_thread {
	struct rseq_area *area;
	__u32 len;
};

static void *exec_in_thread(void *arg)
{
	struct exec_thread *t = arg;
	struct exec_arguments args;

	if (rseq_register(t->area, t->len))
		_exit(1);
	execv("/proc/self/exe", exec_arguments(&args, t->area, t->len));
	_exit(2);
}

TEST_F(lifetime, execve_in_a_thread_takes_it_away)
{
	struct exec_thread t = { self->other, self->len };
	pthread_t thread;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (rseq_register(self->area, self->len) ||
		    pthread_create(&thread, NULL, exec_in_thread, &t))
			_exit(3);
		pthread_join(thread, NULL);
		_exit(4);
	}
	EXPECT_EQ(0, child_result(pid));
}

TEST_F(lifetime, posix_spawn_starts_with_none)
{
	struct exec_arguments args;
	pid_t pid;

	ASSERT_EQ(0, rseq_register(self->area, self->len));
	ASSERT_EQ(0, posix_spawn(&pid, "/proc/self/exe", NULL, NULL,
				 exec_arguments(&args, self->area, self->len),
				 environ));
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(-EBUSY, rseq_register(self->area, self->len));
}

/* ENOENT, ENOEXEC, EACCES, E2BIG: each at another depth of execve(). */
TEST_F(lifetime, failed_execve_changes_nothing)
{
	char *argv[2] = { NULL, NULL };
	char *big = map_pages(64, false);
	int fd, nr;

	fd = memfd_create("not a program", 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(4, write(fd, "none", 4));
	memset(big, 'x', 64 * page_size() - 1);

	ASSERT_EQ(0, rseq_register(self->area, self->len));
	argv[0] = "none";
	EXPECT_EQ(-1, execv("/nonexistent/program", argv));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(-1, execv("/", argv));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, fexecve(fd, argv, environ));
	EXPECT_EQ(ENOEXEC, errno);
	argv[0] = big;
	EXPECT_EQ(-1, execv("/proc/self/exe", argv));
	EXPECT_EQ(E2BIG, errno);

	EXPECT_EQ(-EBUSY, rseq_register(self->area, self->len));
	for (nr = 0; allowed_cpu(nr) >= 0; nr++) {
		ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(nr)));
		EXPECT_TRUE(ids_are_true(self->area, CPU_SETSIZE));
	}
	EXPECT_EQ(0, rseq_unregister(self->area, self->len));
}

/* The section of a thread whose execve failed is still aborted. */
static int fail_to_exec(struct subject *s)
{
	char *argv[2] = { "none", NULL };

	execv("/nonexistent/program", argv);
	return rseq_register(s->area, s->len) != -EBUSY;
}

TEST_F(inherited, failed_execve_is_aborted)
{
	struct subject *s = &self->st->s;

	/* The subject shall have an area of its own. */
	ASSERT_EQ(0, rseq_unregister(self->area, s->len));
	s->prepare = fail_to_exec;
	EXPECT_EQ(ABORTED, subject_play(s, variant->event));
	EXPECT_TRUE(s->last_ids_true);
}

struct leaver {
	struct rseq_area *area;
	__u32 len;
	int error;
	bool ids_true;
};

static void *register_and_leave(void *arg)
{
	struct leaver *l = arg;

	l->error = rseq_register(l->area, l->len);
	l->ids_true = ids_are_true(l->area, CPU_SETSIZE);
	return NULL;
}

TEST_F(lifetime, area_is_left_alone_after_exit)
{
	struct leaver l = { .area = self->area, .len = self->len };
	__u8 *bytes = (__u8 *)self->area;
	pthread_t thread;
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, register_and_leave,
					    &l));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_EQ(0, l.error);
		ASSERT_TRUE(l.ids_true);
		memset(bytes, 0xa5, page_size());
		ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(i % allowed_cpus())));
		sched_yield();
	}
	/* Another one that registers elsewhere, where there is a lot to do. */
	l.area = self->other;
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, register_and_leave,
					    &l));
		ASSERT_EQ(0, pthread_join(thread, NULL));
	}
	for (i = 0; i < page_size(); i++) {
		ASSERT_EQ(0xa5, bytes[i]) {
			TH_LOG("byte %d was written", i);
		}
	}
}

/* Nor is it touched while the thread goes: it may be gone before. */
static void *register_unmap_and_leave(void *arg)
{
	struct leaver *l = arg;
	int ret;

	l->error = rseq_register(l->area, l->len);
	/* Unmaps and exits with nothing in between. */
#ifdef __x86_64__
	asm volatile("syscall\n"
		     "	xorl %%edi, %%edi\n"
		     "	movl %1, %%eax\n"
		     "	syscall"
		     : "=a" (ret)
		     : "i" (SYS_exit), "0" ((long)SYS_munmap), "D" (l->area),
		       "S" (page_size())
		     : "rcx", "r11", "memory");
#else
	asm volatile("int $0x80\n"
		     "	xorl %%ebx, %%ebx\n"
		     "	movl %1, %%eax\n"
		     "	int $0x80"
		     : "=a" (ret)
		     : "i" (SYS_exit), "0" (SYS_munmap), "b" (l->area),
		       "c" (page_size())
		     : "memory");
#endif
	return NULL;
}

TEST_F(lifetime, thread_leaves_without_its_area)
{
	struct leaver l = { .len = self->len };
	pthread_t thread;
	pid_t pid;
	int tries, result = -1;

	/* An event between the two system calls is fatal, and right so. */
	for (tries = 0; tries < 8 && result; tries++) {
		pid = fork();
		if (!pid) {
			l.area = self->area;
			if (pthread_create(&thread, NULL,
					   register_unmap_and_leave, &l) ||
			    pthread_join(thread, NULL))
				_exit(1);
			_exit(l.error ? 2 : 0);
		}
		result = child_result(pid);
	}
	EXPECT_EQ(0, result);
}

TEST_F(lifetime, area_is_used_again)
{
	struct leaver l = { .area = self->area, .len = self->len };
	pthread_t thread;
	int i;

	for (i = 0; i < 10; i++) {
		l.ids_true = false;
		ASSERT_EQ(0, pthread_create(&thread, NULL, register_and_leave,
					    &l));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_EQ(0, l.error);
		ASSERT_TRUE(l.ids_true);
	}
	/* And by this thread in the end. */
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(allowed_cpus() - 1)));
	EXPECT_TRUE(ids_are_true(self->area, CPU_SETSIZE));
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], AFTER_EXEC))
		return after_exec(argv);
	return test_harness_run(argc, argv);
}
