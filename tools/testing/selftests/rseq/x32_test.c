// SPDX-License-Identifier: GPL-2.0
/*
 * x32 behaves as x86-64. The program that shows it is another one, because it
 * has to be an x32 program: x32_program, in the directory of this one.
 */
#include "../kselftest_harness.h"
#include "rseq_test.h"

/* Its exit status, 256 + the signal that killed it, or -errno. */
static int run_x32(const char *what)
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
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	if (error)
		return -error;
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

static void expect_x32(struct __test_metadata *_metadata, int expected,
		       const char *what)
{
	int ret = run_x32(what);

	if (ret == -ENOENT)
		SKIP(return, "x32_program was not built: no -mx32?");
	if (ret == -ENOEXEC)
		SKIP(return, "this kernel has no CONFIG_X86_X32_ABI");
	EXPECT_EQ(expected, ret);
}

TEST(registration)
{
	expect_x32(_metadata, 0, "registration");
}

TEST(ids)
{
	expect_x32(_metadata, 0, "ids");
}

TEST(signal_aborts)
{
	expect_x32(_metadata, 0, "abort");
}

TEST(no_registration_no_abort)
{
	expect_x32(_metadata, 0, "nothing");
}

TEST(signature_is_checked)
{
	expect_x32(_metadata, 256 + SIGSEGV, "signature");
}

TEST(abort_address_above_4_gib)
{
	expect_x32(_metadata, 256 + SIGSEGV, "high");
}

TEST_HARNESS_MAIN
