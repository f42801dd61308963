// SPDX-License-Identifier: GPL-2.0
/*
 * Which CPU is this? Four ways to ask: the system call, what the vDSO makes of
 * it without entering the kernel, the C library (which asks one of the others),
 * and one load from the area that the kernel keeps up to date.
 */
#include "sample.h"

static int getcpu_by_system_call(void)
{
	unsigned int cpu;

	syscall(SYS_getcpu, &cpu, NULL, NULL);
	return cpu;
}

/* On each CPU in turn, all must say the same. */
static int look(void)
{
	int i, cpu, different = 0;
	cpu_set_t set;

	printf("%8s %12s %8s %8s %8s %8s %8s\n", "on CPU", "system call",
	       "vDSO", "glibc", "rseq", "node", "mm_cid");
	for (i = 0; i < allowed_cpus; i++) {
		cpu = allowed_cpu[i];
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			err(1, "moving to CPU %d", cpu);
		printf("%8d %12d %8d %8d %8d %8d %8d\n", cpu,
		       getcpu_by_system_call(),
		       vdso_getcpu ? getcpu_by_vdso() : -1, sched_getcpu(),
		       rseq_current_cpu_raw(), rseq_current_node(),
		       rseq_current_mm_cid());
		if (getcpu_by_system_call() != cpu || sched_getcpu() != cpu ||
		    (vdso_getcpu && getcpu_by_vdso() != cpu) ||
		    (!rseq_falls_back() && rseq_current_cpu_raw() != cpu))
			different++;
	}
	if (different)
		errx(1, "FAILED: on %d CPUs the answers differ", different);
	puts("OK: all say the same");
	return 0;
}

#define TIMED(name, expression)						\
static void name(unsigned long n)					\
{									\
	while (n--)							\
		keep(expression);					\
}

TIMED(time_system_call, getcpu_by_system_call())
TIMED(time_vdso, getcpu_by_vdso())
TIMED(time_glibc, sched_getcpu())
TIMED(time_rseq, rseq_cpu_start())
TIMED(time_mm_cid, rseq_mm_cid_start())

int main(int argc, char **argv)
{
	struct variant variant[] = {
		{ "getcpu system call", time_system_call },
		{ "vDSO getcpu", NULL },
		{ "glibc sched_getcpu", time_glibc },
		{ "rseq", time_rseq },
		{ "rseq, mm_cid", time_mm_cid },
	};

	begin(argc, argv, "asks on each CPU, and compares the answers", "bh");
	if (find_vdso_getcpu())
		variant[1].run = time_vdso;
	if (!option.benchmark)
		return look();
	benchmark("current CPU", variant, 5);
	return 0;
}
