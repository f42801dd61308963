// SPDX-License-Identifier: GPL-2.0
/*
 * x32 behaves as x86-64. The program that shows it is another one, because it
 * has to be an x32 program: x32_program, in the directory of this one.
 */
#include "../kselftest_harness.h"
#include "rseq_test.h"

/* What happens to the program while it runs. */
enum disturbance { NOTHING, PREEMPTION, MIGRATION };

/*
 * Disturbs the program once. It is bound to the second CPU, and not running
 * when this process is there.
 */
static void disturb(pid_t pid, enum disturbance disturbance)
{
	int here = allowed_cpu(0), there = allowed_cpu(1);

	if (disturbance == NOTHING)
		return;
	if (disturbance == MIGRATION)
		move_to_cpu(pid, here);
	move_to_cpu(pid, there);
	if (disturbance == PREEMPTION) {
		move_to_cpu(0, there);
		move_to_cpu(0, here);
	}
}

static bool disturb_and_look(pid_t pid, enum disturbance disturbance,
			     int *status)
{
	disturb(pid, disturbance);
	return waitpid(pid, status, WNOHANG) == pid;
}

/* Its exit status, 256 + the signal that killed it, or -errno. */
static int run_x32(const char *what, enum disturbance disturbance)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 16);
	int pipes[2], status, error = 0;
	char *slash;
	pid_t pid;

	if (len < 0)
		return -errno;
	path[len] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash + 1, path + sizeof(path) - slash - 1, "x32_program");
	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		static const struct rlimit no_core;

		setrlimit(RLIMIT_CORE, &no_core);
		execl(path, path, what, NULL);
		error = errno;
		if (write(pipes[1], &error, sizeof(error)) != sizeof(error))
			abort();
		_exit(255);
	}
	close(pipes[1]);
	if (pid > 0 && read(pipes[0], &error, sizeof(error)) < 0)
		error = errno;
	close(pipes[0]);
	if (pid < 0)
		return -errno;
	if (!wait_for(disturb_and_look(pid, disturbance, &status))) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return -ETIME;
	}
	if (error)
		return -error;
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

static void expect_x32(struct __test_metadata *_metadata, int expected,
		       const char *what, enum disturbance disturbance)
{
	int ret = run_x32(what, disturbance);

	if (ret == -ENOENT)
		SKIP(return, "x32_program was not built: no -mx32?");
	if (ret == -ENOEXEC)
		SKIP(return, "this kernel has no CONFIG_X86_X32_ABI");
	EXPECT_EQ(expected, ret);
}

FIXTURE(x32) {
};

FIXTURE_VARIANT(x32) {
	bool extended;
};

FIXTURE_VARIANT_ADD(x32, original) {
};

FIXTURE_VARIANT_ADD(x32, extended) {
	.extended = true,
};

FIXTURE_SETUP(x32)
{
}

FIXTURE_TEARDOWN(x32)
{
}

/* What to do with an original registration, and with an extended one. */
#define EXPECT_X32(expected, original_arg, extended_arg, disturbance)	\
	expect_x32(_metadata, expected,					\
		   variant->extended ? (extended_arg) : (original_arg),	\
		   disturbance)

TEST_F(x32, registration)
{
	EXPECT_X32(0, "registration", "Registration", NOTHING);
}

TEST_F(x32, ids)
{
	EXPECT_X32(0, "ids", "Ids", NOTHING);
}

TEST_F(x32, signal_aborts)
{
	EXPECT_X32(0, "abort", "Abort", NOTHING);
}

TEST_F(x32, preemption_aborts)
{
	if (allowed_cpu(1) < 0)
		SKIP(return, "two CPUs are needed");
	EXPECT_X32(0, "disturbed", "Disturbed", PREEMPTION);
}

TEST_F(x32, migration_aborts)
{
	if (allowed_cpu(1) < 0)
		SKIP(return, "two CPUs are needed");
	EXPECT_X32(0, "disturbed", "Disturbed", MIGRATION);
}

TEST_F(x32, signature_is_checked)
{
	EXPECT_X32(256 + SIGSEGV, "signature", "Signature", NOTHING);
}

TEST_F(x32, abort_address_above_4_gib)
{
	EXPECT_X32(256 + SIGSEGV, "high", "High", NOTHING);
}

TEST(no_registration_no_abort)
{
	expect_x32(_metadata, 0, "nothing", NOTHING);
}

TEST_HARNESS_MAIN
