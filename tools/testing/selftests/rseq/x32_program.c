// SPDX-License-Identifier: GPL-2.0
/*
 * An x32 program, which x32_test runs: 64-bit registers, 32-bit addresses, and
 * system calls with numbers of their own. It uses no library, because hardly
 * anybody has one installed. Its argument says what to do, with a capital letter
 * for an extended registration; it exits with 0, or with the number of the first
 * check that failed.
 */
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <asm/signal.h>
#include <linux/errno.h>
#include <linux/time.h>
#include "x32_stuck.h"

#ifndef __ILP32__
#error "to be built with -mx32"
#endif

#ifndef __NR_rseq
#define __NR_rseq (__X32_SYSCALL_BIT + 334)
#endif

#define SIG 0x53053053

/* Of an original registration, and of an extended one. */
#define ORIGINAL 32
#define EXTENDED 64

static alignas(EXTENDED) struct area area;
static unsigned int area_len = ORIGINAL;
static struct rseq_cs cs;
static int failed;

/* By the signal handler. */
static int __shared handled;
static __u64 __shared handler_ip, handler_cs;

static void check(int number, bool good)
{
	if (!good && !failed)
		failed = number;
}

/* Addresses above 2 GiB are not negative numbers. */
static long sys(unsigned long nr, unsigned long a, unsigned long b,
		unsigned long c, unsigned long d)
{
	register __u64 r10 asm("r10") = d;
	long long ret;

	asm volatile("syscall"
		     : "=a" (ret)
		     : "0" ((__u64)nr), "D" ((__u64)a),
		       "S" ((__u64)b), "d" ((__u64)c), "r" (r10)
		     : "rcx", "r11", "memory");
	return ret;
}

static long reg(int flags, __u32 sig)
{
	return sys(__NR_rseq, (long)&area, area_len, flags, sig);
}

static void check_registration(void)
{
	check(1, reg(RSEQ_FLAG_UNREGISTER, SIG) == -EINVAL);
	check(2, reg(1 << 30, SIG) == -EINVAL);
	check(3, sys(__NR_rseq, (long)&area + 4, area_len, 0, SIG) == -EINVAL);
	check(4, sys(__NR_rseq, 0, area_len, 0, SIG) == -EFAULT);
	area.cpu_id = RSEQ_CPU_ID_UNINITIALIZED;
	check(5, reg(0, SIG) == 0);
	check(6, (int)area.cpu_id >= 0);
	check(7, area.cpu_id_start == area.cpu_id);
	check(8, reg(0, SIG) == -EBUSY);
	check(9, reg(0, SIG + 1) == -EPERM);
	check(10, reg(RSEQ_FLAG_UNREGISTER, SIG) == 0);
	check(11, area.cpu_id == (__u32)RSEQ_CPU_ID_UNINITIALIZED);
	check(12, area.cpu_id_start == 0);
}

/* On each of the first 64 CPUs that there are. */
static void check_ids(void)
{
	unsigned int cpu, now, node;
	int cpus = 0;

	check(1, reg(0, SIG) == 0);
	for (cpu = 0; cpu < 64; cpu++) {
		__u64 mask = 1ULL << cpu;

		if (sys(__NR_sched_setaffinity, 0, sizeof(mask), (long)&mask,
			0))
			continue;
		cpus++;
		check(2, area.cpu_id == cpu);
		check(3, area.cpu_id_start == cpu);
		check(4, !sys(__NR_getcpu, (long)&now, (long)&node, 0, 0));
		check(5, now == cpu);
		check(6, node == area.node_id);
	}
	check(7, cpus > 0);
}

/* What stands before the registers in the context of an x32 handler. */
struct context {
	__u32 flags, link, stack[3], pad;
	__u64 regs[16];		/* r8 to r15, di, si, bp, bx, dx, ax, cx, sp */
	__u64 ip;
};

static void handle(int sig, void *info, struct context *context)
{
	handled++;
	handler_ip = context->ip;
	handler_cs = area.rseq_cs;
	if (context->ip == (unsigned long)stuck_start)
		context->ip = (unsigned long)stuck_end;
}

/* The kernel's idea of a struct sigaction: that of a 32-bit program. */
struct action {
	__u32 handler;
	__u32 flags;
	__u32 restorer;
	__u32 mask[2];
};

static int stuck_until_signal(void)
{
	struct action act = {
		.handler = (unsigned long)handle,
		.flags = SA_SIGINFO | SA_RESTORER,
		.restorer = (unsigned long)restorer,
	};
	/* A struct itimerval, which is that of a 64-bit program. */
	struct {
		__s64 interval[2], value[2];
	} timer = {
		.value = { 0, 20000 },
	};
	int ret;

	handled = 0;
	cs.start_ip = (unsigned long)stuck_start;
	cs.post_commit_offset = stuck_end - stuck_start;
	if (sys(__NR_rt_sigaction, SIGALRM, (long)&act, 0, 8) ||
	    sys(__NR_setitimer, 0, (long)&timer, 0, 0))
		return -1;
	ret = stuck(&area, &cs);
	/* Aborted by something else: the signal is yet to come. */
	while (!handled)
		;
	return ret;
}

static void check_abort(void)
{
	int tries = 0;

	cs.abort_ip = (unsigned long)stuck_abort;
	check(1, reg(0, SIG) == 0);
	do {
		check(2, stuck_until_signal() == 1);
		check(3, handled == 1);
		check(4, handler_cs == 0);
		check(5, area.rseq_cs == 0);
	} while (!failed && handler_ip != (unsigned long)stuck_abort &&
		 ++tries < 20);
	check(6, handler_ip == (unsigned long)stuck_abort);
}

/* By what x32_test does to this process: moves it, or takes its CPU. */
static void check_disturbed(void)
{
	cs.start_ip = (unsigned long)stuck_start;
	cs.post_commit_offset = stuck_end - stuck_start;
	cs.abort_ip = (unsigned long)stuck_abort;
	check(1, reg(0, SIG) == 0);
	check(2, stuck(&area, &cs) == 1);
	check(3, area.rseq_cs == 0);
}

static void check_nothing(void)
{
	cs.abort_ip = (unsigned long)stuck_abort;
	check(1, stuck_until_signal() == 0);
	check(2, handler_ip == (unsigned long)stuck_start);
	check(3, area.rseq_cs == (unsigned long)&cs);
}

/* To be killed: no signature there, or an address above 4 GiB. */
static void die(__u64 abort_ip)
{
	check(1, reg(0, SIG) == 0);
	cs.abort_ip = abort_ip;
	stuck_until_signal();
	check(2, false);
}

/* With the stack as the kernel left it: argc, argv. */
void start(const __u32 *stack)
{
	char what = *(const char *)stack[2];

	if (what < 'a')
		area_len = EXTENDED;
	switch (what | 0x20) {
	case 'r':
		check_registration();
		break;
	case 'i':
		check_ids();
		break;
	case 'a':
		check_abort();
		break;
	case 'd':
		check_disturbed();
		break;
	case 'n':
		check_nothing();
		break;
	case 's':
		die((unsigned long)stuck_abort + 1);
		break;
	case 'h':
		die((unsigned long)stuck_abort | 1ULL << 32);
		break;
	default:
		check(255, false);
	}
	sys(__NR_exit_group, failed, 0, 0, 0);
}
