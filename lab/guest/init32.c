// SPDX-License-Identifier: GPL-2.0
/*
 * The first program of a guest that runs no 64-bit programs, and so not the
 * host's shell either. It runs the program that boot.sh left the name of in its
 * run directory, with the output on the virtio console, and writes down the exit
 * status there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define LAB "/run/lab"

static void need(int failed, const char *what)
{
	if (!failed)
		return;
	perror(what);
	sync();
	reboot(RB_AUTOBOOT);
}

static void mount_on(const char *type, const char *dir, const char *options)
{
	need(mount(type, dir, type, 0, options), dir);
}

static void run(char *program)
{
	char *name = strrchr(program, '/');

	*name++ = 0;
	if (setsid() < 0 || chdir(program)) {
		perror(program);
		_exit(127);
	}
	name[-1] = '/';
	execl(program, name, NULL);
	perror(program);
	_exit(127);
}

int main(void)
{
	char program[PATH_MAX] = "", output[4096];
	int pipes[2], console, status = 0;
	struct termios modes;
	ssize_t n;
	FILE *f;
	pid_t pid;

	mount_on("devtmpfs", "/dev", NULL);
	mount_on("proc", "/proc", NULL);
	mount_on("sysfs", "/sys", NULL);
	mount_on("debugfs", "/sys/kernel/debug", NULL);
	mount_on("tmpfs", "/run", NULL);
	mount_on("tmpfs", "/tmp", "mode=1777");
	need(mkdir("/dev/shm", 0777), "/dev/shm");
	mount_on("tmpfs", "/dev/shm", "mode=1777");
	need(mkdir(LAB, 0777), LAB);
	need(mount("lab", LAB, "9p", 0, "trans=virtio,version=9p2000.L"), LAB);

	f = fopen(LAB "/started", "w");
	need(!f || fclose(f), LAB "/started");
	f = fopen(LAB "/program", "r");
	need(!f || !fgets(program, sizeof(program), f), LAB "/program");
	program[strcspn(program, "\n")] = 0;
	need(!strchr(program, '/'), program);

	console = open("/dev/hvc0", O_RDWR | O_CLOEXEC);
	need(console < 0 || tcgetattr(console, &modes), "/dev/hvc0");
	cfmakeraw(&modes);
	need(tcsetattr(console, TCSANOW, &modes), "/dev/hvc0");

	/* A pipe, because it is one on the host as well. */
	need(pipe2(pipes, O_CLOEXEC), "pipe");
	pid = fork();
	need(pid < 0, "fork");
	if (!pid) {
		int null = open("/dev/null", O_RDONLY);

		if (dup2(null, 0) < 0 || dup2(pipes[1], 1) < 0 ||
		    dup2(pipes[1], 2) < 0)
			_exit(127);
		run(program);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], output, sizeof(output))) > 0)
		need(write(console, output, n) != n, "/dev/hvc0");
	need(waitpid(pid, &status, 0) != pid, "wait");
	tcdrain(console);

	f = fopen(LAB "/status", "w");
	need(!f, LAB "/status");
	fprintf(f, "%d\n", WIFEXITED(status) ? WEXITSTATUS(status) :
		128 + WTERMSIG(status));
	need(fclose(f), LAB "/status");
	sync();
	reboot(RB_AUTOBOOT);
	return 1;
}
