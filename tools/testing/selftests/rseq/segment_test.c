// SPDX-License-Identifier: GPL-2.0
/*
 * The per-CPU segment: arch_prctl(ARCH_SET_PERCPU_SEGMENT) and what becomes of
 * the GS base. What programs do with it is tested in percpu_test.c.
 *
 * These tests expect the same with the kernel argument nofsgsbase, as
 * segment_test.arguments asks for.
 */
#include "../kselftest_harness.h"
#include "rseq_test.h"
#include <elf.h>
#include <sys/procfs.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <linux/ptrace.h>

#ifndef ARCH_SET_PERCPU_SEGMENT
#define ARCH_SET_PERCPU_SEGMENT		0x6001
#define ARCH_GET_PERCPU_SEGMENT		0x6002
#define ARCH_CLEAR_PERCPU_SEGMENT	0x6003
#endif
#ifndef PTRACE_ARCH_PRCTL
#define PTRACE_ARCH_PRCTL 30
#endif
#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE 2
#endif

#define BY_CPU		0
#define BY_MM_CID	1	/* PERCPU_SEGMENT_MM_CID */

/* Not from the kernel's header: this is what the ABI is. */
struct segment {
	__u64 size;
	__u64 flags;
	__u64 base;
	__u64 stride;
	__u64 later[508];	/* up to a page */
};

#define SIZE_VER0 32

static int segment_prctl(int option, const void *arg)
{
	return syscall(SYS_arch_prctl, option, arg) ? -errno : 0;
}

static int set(__u64 flags, __u64 base, __u64 stride)
{
	struct segment segment = {
		.size = SIZE_VER0, .flags = flags, .base = base,
		.stride = stride,
	};

	return segment_prctl(ARCH_SET_PERCPU_SEGMENT, &segment);
}

static int get(struct segment *segment)
{
	memset(segment, 0xff, sizeof(*segment));
	segment->size = SIZE_VER0;
	return segment_prctl(ARCH_GET_PERCPU_SEGMENT, segment);
}

static int get_error(void)
{
	struct segment segment;

	return get(&segment);
}

static int clear(void)
{
	return segment_prctl(ARCH_CLEAR_PERCPU_SEGMENT, NULL);
}

static __u64 gs_base(void)
{
	__u64 base = -1;

	syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	return base;
}

static unsigned int gs_selector(void)
{
	unsigned int selector;

	asm volatile("mov %%gs, %0" : "=r" (selector));
	return selector;
}

static void load_gs(unsigned int selector)
{
	asm volatile("mov %0, %%gs" : : "r" (selector) : "memory");
}

/* Where the areas are: each begins with its index. */
struct areas {
	__u64 base;
	__u64 stride;
	unsigned int nr;
};

static unsigned int possible_cpus(void)
{
	unsigned long mask[1024];
	long len = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);

	/* A multiple of 64, and not less than the kernel counts with. */
	return len > 0 ? len * 8 : 0;
}

static void map_areas(struct areas *areas)
{
	unsigned int i;

	areas->nr = possible_cpus();
	areas->stride = page_size();
	areas->base = addr(map_pages(areas->nr, true));
	for (i = 0; i < areas->nr; i++)
		*(__u64 *)(areas->base + i * areas->stride) = i;
}

/* The index that %gs has. */
static inline __u64 gs_index(void)
{
	__u64 index;

	asm volatile("movq %%gs:0, %0" : "=r" (index));
	return index;
}

/* Both at once, as one instruction cannot be. */
static bool gs_is(const struct areas *areas, unsigned int index)
{
	return gs_index() == index &&
	       gs_base() == areas->base + index * areas->stride;
}

/* ---- Arguments and errors ---- */

FIXTURE(call) {
	struct areas areas;
};

FIXTURE_SETUP(call)
{
	map_areas(&self->areas);
	ASSERT_EQ(-ENOENT, get_error()) {
		TH_LOG("CONFIG_X86_PERCPU_SEGMENT?");
	}
}

FIXTURE_TEARDOWN(call)
{
}

TEST_F(call, set_get_clear)
{
	struct segment segment;
	__u64 flags;

	for (flags = BY_CPU; flags <= BY_MM_CID; flags++) {
		ASSERT_EQ(0, set(flags, self->areas.base, self->areas.stride));
		ASSERT_EQ(0, get(&segment));
		EXPECT_EQ(SIZE_VER0, segment.size);
		EXPECT_EQ(flags, segment.flags);
		EXPECT_EQ(self->areas.base, segment.base);
		EXPECT_EQ(self->areas.stride, segment.stride);
		EXPECT_EQ(-1ULL, segment.later[0]);
		EXPECT_EQ(0, gs_base() % self->areas.stride);
		EXPECT_EQ(self->areas.base + gs_index() * self->areas.stride,
			  gs_base());
		ASSERT_EQ(0, clear());
		EXPECT_EQ(0, gs_base());
		EXPECT_EQ(-ENOENT, get(&segment));
		EXPECT_EQ(-ENOENT, clear());
	}
}

TEST_F(call, size)
{
	struct segment *segment = map_pages(2, false);
	size_t page = page_size();
	__u64 size;

	segment->base = self->areas.base;
	segment->stride = self->areas.stride;
	for (size = 0; size < SIZE_VER0; size++) {
		segment->size = size;
		EXPECT_EQ(-EINVAL, segment_prctl(ARCH_SET_PERCPU_SEGMENT,
						 segment));
		EXPECT_EQ(-EINVAL, segment_prctl(ARCH_GET_PERCPU_SEGMENT,
						 segment));
	}
	/* From the future, with nothing to say. */
	for (size = SIZE_VER0; size <= page; size++) {
		segment->size = size;
		ASSERT_EQ(0, segment_prctl(ARCH_SET_PERCPU_SEGMENT, segment));
		ASSERT_EQ(0, clear());
	}
	segment->size = page + 1;
	EXPECT_EQ(-E2BIG, segment_prctl(ARCH_SET_PERCPU_SEGMENT, segment));
	segment->size = -1;
	EXPECT_EQ(-E2BIG, segment_prctl(ARCH_SET_PERCPU_SEGMENT, segment));
	/* With something to say. */
	for (size = SIZE_VER0 + 1; size <= page; size++) {
		segment->size = size;
		((char *)segment)[size - 1] = 1;
		ASSERT_EQ(-E2BIG, segment_prctl(ARCH_SET_PERCPU_SEGMENT,
						segment));
		((char *)segment)[size - 1] = 0;
	}
	EXPECT_EQ(-ENOENT, get_error());
	EXPECT_EQ(0, gs_base());
}

TEST_F(call, get_tells_the_size_that_the_kernel_knows)
{
	struct segment segment = { .size = sizeof(segment) };

	ASSERT_EQ(0, set(BY_CPU, self->areas.base, self->areas.stride));
	memset(segment.later, 0xff, sizeof(segment.later));
	ASSERT_EQ(0, segment_prctl(ARCH_GET_PERCPU_SEGMENT, &segment));
	EXPECT_EQ(SIZE_VER0, segment.size);
	EXPECT_EQ(-1ULL, segment.later[0]);
}

TEST_F(call, flags)
{
	int bit;

	for (bit = 1; bit < 64; bit++)
		EXPECT_EQ(-EINVAL, set(1ULL << bit, self->areas.base,
				       self->areas.stride));
	EXPECT_EQ(-EINVAL, set(BY_MM_CID | 2, self->areas.base,
			       self->areas.stride));
	EXPECT_EQ(-ENOENT, get_error());
}

TEST_F(call, pointer)
{
	char *pages = map_pages(2, false);
	char *end = pages + page_size();
	__u64 size = SIZE_VER0 + 8;
	int i;

	static const int options[] = {
		ARCH_SET_PERCPU_SEGMENT, ARCH_GET_PERCPU_SEGMENT,
	};

	ASSERT_EQ(0, munmap(end, page_size()));
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		EXPECT_EQ(-EFAULT, segment_prctl(options[i], NULL));
		EXPECT_EQ(-EFAULT, segment_prctl(options[i], end));
		EXPECT_EQ(-EFAULT, segment_prctl(options[i], end - 4));
		EXPECT_EQ(-EFAULT, segment_prctl(options[i],
						 (void *)-4096UL));
	}
	/* The size is there, the rest of it is not. */
	memcpy(end - SIZE_VER0, &size, sizeof(size));
	EXPECT_EQ(-EFAULT, segment_prctl(ARCH_SET_PERCPU_SEGMENT,
					 end - SIZE_VER0));
	ASSERT_EQ(0, set(BY_CPU, self->areas.base, self->areas.stride));
	size = SIZE_VER0;
	memcpy(end - 24, &size, sizeof(size));
	EXPECT_EQ(-EFAULT, segment_prctl(ARCH_GET_PERCPU_SEGMENT, end - 24));
	/* Clear takes no argument, and that is kept free. */
	EXPECT_EQ(-EINVAL, segment_prctl(ARCH_CLEAR_PERCPU_SEGMENT, pages));
	EXPECT_EQ(0, get_error());
}

TEST_F(call, area_in_user_space)
{
	__u64 top = user_top(), page = page_size(), nr = 1, stride;

	ASSERT_NE(0, top);
	/* How many indices the kernel counts with, from what it accepts. */
	while (nr < self->areas.nr && set(BY_CPU, top - nr * page, page))
		nr++;
	ASSERT_EQ(0, clear());
	EXPECT_LE(counted_cpus(), nr);
	stride = top / nr / page * page;
	EXPECT_EQ(0, set(BY_CPU, top - nr * page, page) ?: clear());
	EXPECT_EQ(-EINVAL, set(BY_CPU, top - nr * page + 1, page));
	EXPECT_EQ(-EINVAL, set(BY_MM_CID, top - nr * page + 1, page));
	EXPECT_EQ(0, set(BY_CPU, 0, stride) ?: clear());
	EXPECT_EQ(-EINVAL, set(BY_CPU, 0, stride + page));
	/* No room between them is a way to have one for all. */
	EXPECT_EQ(0, set(BY_CPU, self->areas.base, 0) ?: clear());
	EXPECT_EQ(-EINVAL, set(BY_CPU, top, 0));
	EXPECT_EQ(-EINVAL, set(BY_CPU, -1ULL, 0));
	EXPECT_EQ(-EINVAL, set(BY_CPU, -page, page));
	/* Each of these wraps, to where it would look well. */
	EXPECT_EQ(-EINVAL, set(BY_CPU, self->areas.base, -page));
	if (nr > 1)
		EXPECT_EQ(-EINVAL, set(BY_CPU, self->areas.base,
				       -1ULL / nr + 1));
	EXPECT_EQ(-EINVAL, set(BY_CPU, -4096ULL * nr, 8192));
	EXPECT_EQ(-EINVAL, set(BY_CPU, self->areas.base, 1ULL << 63));
	EXPECT_EQ(-ENOENT, get_error());
	EXPECT_EQ(0, gs_base());
}

TEST_F(call, busy_with_a_base)
{
	ASSERT_EQ(0, segment_prctl(ARCH_SET_GS, (void *)self->areas.base));
	EXPECT_EQ(-EBUSY, set(BY_CPU, self->areas.base + self->areas.stride,
			      self->areas.stride));
	EXPECT_EQ(self->areas.base, gs_base());
	EXPECT_EQ(0, gs_index());
	EXPECT_EQ(-ENOENT, get_error());
	ASSERT_EQ(0, segment_prctl(ARCH_SET_GS, NULL));
	EXPECT_EQ(0, set(BY_CPU, self->areas.base, self->areas.stride));
}

/* As Wine and 32-bit code have it: the base is that of a descriptor. */
TEST_F(call, busy_with_a_selector)
{
	struct user_desc desc = {
		.entry_number = -1, .limit = 0xfffff, .seg_32bit = 1,
		.limit_in_pages = 1, .useable = 1,
	};
	struct user_desc *low;

	low = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, low);
	*low = desc;
	low->base_addr = addr(low);
	asm volatile("int $0x80"
		     : "+a" ((long){ 243 /* set_thread_area */ })
		     : "b" (low) : "r8", "r9", "r10", "r11", "memory");
	ASSERT_NE(-1, (int)low->entry_number);
	load_gs(low->entry_number * 8 + 3);
	EXPECT_EQ(-EBUSY, set(BY_CPU, self->areas.base, self->areas.stride));
	EXPECT_EQ(low->entry_number * 8 + 3, gs_selector());
	EXPECT_EQ(addr(low), gs_base());
	EXPECT_EQ(*(__u64 *)low, gs_index());
	load_gs(0);
	ASSERT_EQ(0, segment_prctl(ARCH_SET_GS, NULL));
	EXPECT_EQ(0, set(BY_CPU, self->areas.base, self->areas.stride));
}

/* Its base may be 0, as if %gs were not in use. */
TEST_F(call, busy_with_a_selector_of_base_0)
{
	unsigned short selector;

	asm("mov %%ss, %0" : "=r" (selector));
	load_gs(selector);
	ASSERT_EQ(0, gs_base());
	EXPECT_EQ(-EBUSY, set(BY_CPU, self->areas.base, self->areas.stride));
	EXPECT_EQ(selector, gs_selector());
	load_gs(0);
	EXPECT_EQ(0, set(BY_CPU, self->areas.base, self->areas.stride));
}

TEST_F(call, busy_with_a_segment_of_base_0)
{
	ASSERT_EQ(0, set(BY_CPU, 0, 0));
	ASSERT_EQ(0, gs_base());
	EXPECT_EQ(-EBUSY, set(BY_CPU, self->areas.base, self->areas.stride));
	EXPECT_EQ(-EBUSY, set(BY_CPU, 0, 0));
	ASSERT_EQ(0, clear());
	EXPECT_EQ(0, set(BY_CPU, self->areas.base, self->areas.stride));
}

TEST_F(call, busy_with_a_segment)
{
	struct segment segment;

	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(0)));
	ASSERT_EQ(0, set(BY_CPU, self->areas.base, self->areas.stride));
	EXPECT_EQ(-EBUSY, set(BY_CPU, self->areas.base, self->areas.stride));
	EXPECT_EQ(-EBUSY, set(BY_MM_CID, self->areas.base, 0));
	EXPECT_EQ(-EBUSY, segment_prctl(ARCH_SET_GS, NULL));
	EXPECT_EQ(-EBUSY, segment_prctl(ARCH_SET_GS, &segment));
	ASSERT_EQ(0, get(&segment));
	EXPECT_EQ(BY_CPU, segment.flags);
	EXPECT_EQ(self->areas.stride, segment.stride);
	EXPECT_TRUE(gs_is(&self->areas, allowed_cpu(0)));
	ASSERT_EQ(0, clear());
	EXPECT_EQ(0, segment_prctl(ARCH_SET_GS, &segment));
	EXPECT_EQ(addr(&segment), gs_base());
}

/* The 32-bit system call, from whatever code it comes. */
TEST_F(call, thirty_two_bits)
{
	struct segment *low;
	int option;

	low = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, low);
	low->size = SIZE_VER0;
	for (option = ARCH_SET_PERCPU_SEGMENT;
	     option <= ARCH_CLEAR_PERCPU_SEGMENT; option++) {
		long ret = 384;		/* arch_prctl */

		asm volatile("int $0x80"
			     : "+a" (ret) : "b" (option), "c" (low)
			     : "r8", "r9", "r10", "r11", "memory");
		EXPECT_EQ(-EINVAL, (int)ret);
	}
	EXPECT_EQ(-ENOENT, get_error());
}

/* ---- Which index it has ---- */

/* Extended registrations keep their IDs, so the segment has another path. */
FIXTURE(follow) {
	struct areas areas;
	struct rseq_area *area;
	bool registered;
};

FIXTURE_VARIANT(follow) {
	__u64 flags;
	__u32 len;	/* of the registration; 1: extended */
};

FIXTURE_VARIANT_ADD(follow, cpu) {
	.flags = BY_CPU,
};

FIXTURE_VARIANT_ADD(follow, cpu_original) {
	.flags = BY_CPU,
	.len = RSEQ_ORIG_SIZE,
};

FIXTURE_VARIANT_ADD(follow, cpu_extended) {
	.flags = BY_CPU,
	.len = 1,
};

FIXTURE_VARIANT_ADD(follow, mm_cid) {
	.flags = BY_MM_CID,
};

FIXTURE_VARIANT_ADD(follow, mm_cid_original) {
	.flags = BY_MM_CID,
	.len = RSEQ_ORIG_SIZE,
};

FIXTURE_VARIANT_ADD(follow, mm_cid_extended) {
	.flags = BY_MM_CID,
	.len = 1,
};

FIXTURE_SETUP(follow)
{
	map_areas(&self->areas);
	self->area = map_pages(1, false);
	if (variant->len)
		ASSERT_EQ(0, rseq_register(self->area, variant->len == 1 ?
					   rseq_extended_size() :
					   variant->len));
	if (allowed_cpus() < 2)
		SKIP(return, "two CPUs are needed");
	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(0)));
	ASSERT_EQ(0, set(variant->flags, self->areas.base,
			 self->areas.stride));
}

FIXTURE_TEARDOWN(follow)
{
}

/* The index that the calling thread has while no other one of its process runs. */
static unsigned int alone(__u64 flags, int cpu)
{
	return flags & BY_MM_CID ? 0 : cpu;
}

TEST_F(follow, every_cpu)
{
	int round, i;

	for (round = 0; round < 20; round++) {
		for (i = 0; allowed_cpu(i) >= 0; i++) {
			ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(i)));
			ASSERT_TRUE(gs_is(&self->areas,
					  alone(variant->flags,
						allowed_cpu(i))));
		}
	}
}

/* Losing the CPU and getting it back, in user mode and in a system call. */
TEST_F(follow, preemption)
{
	int round;
	pid_t pid;

	pid = fork();
	if (!pid) {
		while (getppid() != 1)
			sched_yield();
		_exit(0);
	}
	ASSERT_LT(0, pid);
	for (round = 0; round < 1000; round++) {
		long before = thread_switches();

		while (thread_switches() == before)
			sched_yield();
		ASSERT_TRUE(gs_is(&self->areas, alone(variant->flags,
						      allowed_cpu(0))));
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* One that follows from a signal frame would come back with it. */
static struct areas *handler_areas;
static bool __shared handler_was_right, handler_moved;
static __u64 handler_flags;

static void move_in_handler(int sig)
{
	handler_was_right = gs_is(handler_areas, alone(handler_flags,
						       allowed_cpu(0)));
	handler_moved = !move_to_cpu(0, allowed_cpu(1));
}

TEST_F(follow, signal_handler)
{
	handler_areas = &self->areas;
	handler_flags = variant->flags;
	ASSERT_NE(SIG_ERR, signal(SIGUSR1, move_in_handler));
	ASSERT_EQ(0, raise(SIGUSR1));
	EXPECT_TRUE(handler_was_right);
	EXPECT_TRUE(handler_moved);
	EXPECT_TRUE(gs_is(&self->areas, alone(variant->flags,
					      allowed_cpu(1))));
}

TEST_F(follow, clear)
{
	ASSERT_EQ(0, clear());
	EXPECT_EQ(0, gs_base());
	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(1)));
	EXPECT_EQ(0, gs_base());
}

/* Unregistering leaves the segment, and the other way round. */
TEST_F(follow, registration_is_independent)
{
	__u32 len = variant->len == 1 ? rseq_extended_size() : variant->len;
	int i;

	if (!variant->len)
		len = rseq_extended_size();
	else
		ASSERT_EQ(0, rseq_unregister(self->area, len));
	for (i = 0; allowed_cpu(i) >= 0; i++) {
		ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(i)));
		EXPECT_TRUE(gs_is(&self->areas, alone(variant->flags,
						      allowed_cpu(i))));
	}
	ASSERT_EQ(0, rseq_register(self->area, len));
	for (i = 0; allowed_cpu(i) >= 0; i++) {
		ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(i)));
		EXPECT_TRUE(gs_is(&self->areas, alone(variant->flags,
						      allowed_cpu(i))));
		EXPECT_EQ((__u32)allowed_cpu(i), self->area->cpu_id);
	}
	ASSERT_EQ(0, clear());
	for (i = 0; allowed_cpu(i) >= 0; i++) {
		ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(i)));
		EXPECT_EQ(0, gs_base());
		EXPECT_EQ((__u32)allowed_cpu(i), self->area->cpu_id);
	}
}

/*
 * A file that can be executed by its mode only. It is text, for which the kernel
 * does not ask for a module.
 */
static bool make_text(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
	bool made = fd >= 0 && write(fd, "text", 4) == 4;

	close(fd);
	return made;
}

/*
 * A failed execve gives the mm_cid back and takes one again, and it looks for the
 * best CPU: the thread goes on in its own memory.
 */
TEST_F(follow, failed_execve)
{
	static const char path[] = "/dev/shm/segment_test.text";
	unsigned int round;
	cpu_set_t set;
	int i;

	CPU_ZERO(&set);
	for (i = 0; allowed_cpu(i) >= 0; i++)
		CPU_SET(allowed_cpu(i), &set);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
	ASSERT_TRUE(make_text(path));
	for (round = 0; round < 200; round++) {
		ASSERT_EQ(-1, execl(path, path, NULL));
		ASSERT_EQ(ENOEXEC, errno);
		ASSERT_GT(self->areas.nr, (gs_base() - self->areas.base) /
					  self->areas.stride);
		if (variant->flags & BY_MM_CID)
			ASSERT_TRUE(gs_is(&self->areas, 0));
	}
	unlink(path);
	for (i = 0; allowed_cpu(i) >= 0; i++) {
		ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(i)));
		EXPECT_TRUE(gs_is(&self->areas, alone(variant->flags,
						      allowed_cpu(i))));
	}
}

/* What the thread itself does to %gs is gone at the next migration. */
TEST_F(follow, selector_by_hand)
{
	load_gs(3);
	load_gs(0);
	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(1)));
	EXPECT_TRUE(gs_is(&self->areas, alone(variant->flags,
					      allowed_cpu(1))));
	EXPECT_EQ(0, gs_selector());
}

TEST_F(follow, base_by_hand)
{
	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
		SKIP(return, "WRGSBASE is not enabled");
	asm volatile("wrgsbase %0" : : "r" (0x1000UL) : "memory");
	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(1)));
	EXPECT_TRUE(gs_is(&self->areas, alone(variant->flags,
					      allowed_cpu(1))));
}

/* ---- Lifetimes ---- */

/* Of a child or thread: 0 if its segment is that of its parent. */
static int inherited(const struct areas *areas, __u64 flags)
{
	struct segment segment;
	__u64 index = (gs_base() - areas->base) / areas->stride;
	int i;

	if (get(&segment) || segment.flags != flags ||
	    segment.base != areas->base || segment.stride != areas->stride)
		return 1;
	if (index >= areas->nr || gs_index() >= areas->nr)
		return 2;
	for (i = 0; allowed_cpu(i) >= 0; i++) {
		if (move_to_cpu(0, allowed_cpu(i)))
			return 3;
		if (!(flags & BY_MM_CID) && !gs_is(areas, allowed_cpu(i)))
			return 4;
	}
	return 0;
}

struct inherit {
	const struct areas *areas;
	__u64 flags;
	int ret;
};

static void *inherit_thread(void *arg)
{
	struct inherit *inherit = arg;

	inherit->ret = inherited(inherit->areas, inherit->flags);
	return NULL;
}

TEST_F(follow, threads_inherit)
{
	struct inherit inherit = { &self->areas, variant->flags, -1 };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, inherit_thread, &inherit));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, inherit.ret);
}

static int exit_status(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   1000 + WTERMSIG(status);
}

TEST_F(follow, fork_inherits)
{
	pid_t pid = fork();

	if (!pid)
		_exit(inherited(&self->areas, variant->flags));
	EXPECT_EQ(0, exit_status(pid));
}

/* The child runs in the memory of its parent. */
TEST_F(follow, vfork_inherits)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(inherited(&self->areas, variant->flags));
	EXPECT_EQ(0, exit_status(pid));
	/* The child may have kept the mm_cid that the parent had. */
	EXPECT_TRUE(gs_is(&self->areas, variant->flags & BY_MM_CID ?
			  gs_index() : (unsigned int)allowed_cpu(0)));
}

/* What the child does to its segment is its own. */
TEST_F(follow, child_clears)
{
	pid_t pid = fork();

	if (!pid)
		_exit(clear() || gs_base() || get_error() != -ENOENT);
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, get_error());
	EXPECT_TRUE(gs_is(&self->areas, alone(variant->flags,
					      allowed_cpu(0))));
}

#define AFTER_EXEC "SEGMENT_TEST_AFTER_EXEC"

/* In the new image, before main(). */
static __attribute__((constructor)) void after_exec(void)
{
	int i;

	if (!getenv(AFTER_EXEC))
		return;
	if (gs_base() || gs_selector() || get_error() != -ENOENT)
		_exit(1);
	for (i = 0; allowed_cpu(i) >= 0; i++)
		if (move_to_cpu(0, allowed_cpu(i)) || gs_base())
			_exit(2);
	_exit(0);
}

TEST_F(follow, execve_resets)
{
	pid_t pid = fork();

	if (!pid) {
		setenv(AFTER_EXEC, "1", 1);
		execl("/proc/self/exe", "segment_test", NULL);
		_exit(3);
	}
	EXPECT_EQ(0, exit_status(pid));
}

/* A thread that does not call exec itself, but is the leader. */
static void *exec_thread(void *arg)
{
	setenv(AFTER_EXEC, "1", 1);
	execl("/proc/self/exe", "segment_test", NULL);
	_exit(3);
}

TEST_F(follow, execve_of_a_thread_resets)
{
	pid_t pid = fork();
	pthread_t thread;

	if (!pid) {
		if (!pthread_create(&thread, NULL, exec_thread, NULL))
			pause();
		_exit(4);
	}
	EXPECT_EQ(0, exit_status(pid));
}

/* ---- Threads that existed before ---- */

struct before {
	bool __shared go;
	__u64 sum;
};

static void *use_segment(void *arg)
{
	struct before *before = arg;

	while (!before->go)
		sched_yield();
	before->sum = gs_index();
	return NULL;
}

TEST_F(call, thread_from_before_faults)
{
	struct before before = { .go = false };
	pid_t pid = fork();
	pthread_t thread;

	if (!pid) {
		if (pthread_create(&thread, NULL, use_segment, &before) ||
		    set(BY_CPU, self->areas.base, self->areas.stride))
			_exit(1);
		before.go = true;
		pthread_join(thread, NULL);
		_exit(0);
	}
	EXPECT_EQ(1000 + SIGSEGV, exit_status(pid));
}

/* ---- Many threads ---- */

struct crowd {
	bool __shared stop;
	unsigned long __shared done;
};

static void *add_plainly(void *arg)
{
	struct crowd *crowd = arg;
	unsigned long n = 0;

	while (!crowd->stop) {
		asm volatile("incq %%gs:8" : : : "memory", "cc");
		n++;
	}
	__atomic_fetch_add(&crowd->done, n, __ATOMIC_RELAXED);
	return NULL;
}

#define CROWD 8

/* Nothing is lost although the threads are moved, and some execve fails. */
TEST_F(follow, crowd_counts_exactly)
{
	static const char path[] = "/dev/shm/segment_test.text";
	struct crowd crowd = { .stop = false };
	__u64 end = now_ms() + 2000;
	pthread_t thread[CROWD];
	unsigned long sum = 0;
	unsigned int i;
	cpu_set_t set;

	CPU_ZERO(&set);
	for (i = 0; allowed_cpu(i) >= 0; i++)
		CPU_SET(allowed_cpu(i), &set);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
	ASSERT_TRUE(make_text(path));
	for (i = 0; i < CROWD; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, add_plainly,
					    &crowd));
	while (now_ms() < end) {
		int cpu = allowed_cpu(rand() % allowed_cpus());

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		pthread_setaffinity_np(thread[rand() % CROWD], sizeof(set),
				       &set);
		/* This thread counts as well, with whatever that leaves it. */
		execl(path, path, NULL);
		asm volatile("incq %%gs:8" : : : "memory", "cc");
		__atomic_fetch_add(&crowd.done, 1, __ATOMIC_RELAXED);
	}
	crowd.stop = true;
	for (i = 0; i < CROWD; i++)
		pthread_join(thread[i], NULL);
	unlink(path);
	for (i = 0; i < self->areas.nr; i++)
		sum += *(__u64 *)(self->areas.base + i * self->areas.stride +
				  8);
	EXPECT_EQ(crowd.done, sum);
}

/* ---- Hotplug ---- */

static bool put_cpu(int cpu, bool online)
{
	char path[64];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online",
		 cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, online ? "1" : "0", 1) == 1;
	close(fd);
	return done;
}

TEST_F(follow, cpu_goes_offline)
{
	int cpu = allowed_cpu(allowed_cpus() - 1), now;

	ASSERT_EQ(0, move_to_cpu(0, cpu));
	ASSERT_TRUE(gs_is(&self->areas, alone(variant->flags, cpu)));
	if (!put_cpu(cpu, false))
		SKIP(return, "CPU %d cannot be taken offline here: %s", cpu,
		     strerror(errno));
	now = current_cpu();
	EXPECT_NE(cpu, now);
	EXPECT_TRUE(gs_is(&self->areas, alone(variant->flags, now)));
	ASSERT_TRUE(put_cpu(cpu, true));
	ASSERT_EQ(0, move_to_cpu(0, cpu));
	EXPECT_TRUE(gs_is(&self->areas, alone(variant->flags, cpu)));
}

/* ---- Tracers and core dumps ---- */

static long trace(int request, pid_t pid, unsigned long addr, const void *data)
{
	long ret = syscall(SYS_ptrace, request, pid, addr, data);

	return ret < 0 ? -errno : ret;
}

static bool stopped(pid_t pid)
{
	int status;

	return waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status);
}

/*
 * A child that is stopped on its second CPU. It goes on to say whether its
 * segment is right where it then is, and stops again to be asked.
 */
static pid_t start_tracee(const struct areas *areas, __u64 flags)
{
	pid_t pid = fork();
	int i;

	if (pid)
		return pid;
	if (trace(PTRACE_TRACEME, 0, 0, NULL) ||
	    move_to_cpu(0, allowed_cpu(1)))
		_exit(100);
	raise(SIGSTOP);
	for (i = 0; i < 2; i++) {
		if (!gs_is(areas, alone(flags, allowed_cpu(i))))
			_exit(1 + i);
		raise(SIGSTOP);
	}
	_exit(0);
}

#define USER_REG(name) offsetof(struct user, regs.name)

TEST_F(follow, registers_from_another_cpu)
{
	struct user_regs_struct before, regs;
	struct iovec iov = { &before, sizeof(before) };
	pid_t pid = start_tracee(&self->areas, variant->flags);

	ASSERT_LT(0, pid);
	ASSERT_TRUE(stopped(pid));
	ASSERT_EQ(0, trace(PTRACE_GETREGS, pid, 0, &before));
	EXPECT_EQ(self->areas.base + self->areas.stride *
		  alone(variant->flags, allowed_cpu(1)), before.gs_base);
	EXPECT_EQ(0, before.gs);

	/* What a debugger does around a function that it calls. */
	ASSERT_EQ(0, move_to_cpu(pid, allowed_cpu(0)));
	EXPECT_EQ(0, trace(PTRACE_SETREGS, pid, 0, &before));
	EXPECT_EQ(0, trace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov));
	ASSERT_EQ(0, trace(PTRACE_CONT, pid, 0, NULL));
	ASSERT_TRUE(stopped(pid));
	ASSERT_EQ(0, trace(PTRACE_GETREGS, pid, 0, &regs));
	EXPECT_EQ(self->areas.base + self->areas.stride *
		  alone(variant->flags, allowed_cpu(0)), regs.gs_base);

	/* Accepted and dropped, on the same CPU as well. */
	EXPECT_EQ(0, trace(PTRACE_POKEUSR, pid, USER_REG(gs_base), NULL));
	EXPECT_EQ(0, trace(PTRACE_POKEUSR, pid, USER_REG(gs), (void *)3));
	EXPECT_EQ(-EIO, trace(PTRACE_POKEUSR, pid, USER_REG(gs_base),
			      (void *)-1UL));
	EXPECT_EQ(0, trace(PTRACE_GETREGS, pid, 0, &before));
	EXPECT_EQ(regs.gs_base, before.gs_base);
	EXPECT_EQ(0, before.gs);

	ASSERT_EQ(0, move_to_cpu(pid, allowed_cpu(1)));
	ASSERT_EQ(0, trace(PTRACE_CONT, pid, 0, NULL));
	ASSERT_TRUE(stopped(pid));
	ASSERT_EQ(0, trace(PTRACE_CONT, pid, 0, NULL));
	EXPECT_EQ(0, exit_status(pid));
}

TEST_F(follow, arch_prctl_of_a_tracer)
{
	struct segment segment = { .size = SIZE_VER0 };
	pid_t pid = start_tracee(&self->areas, variant->flags);

	ASSERT_LT(0, pid);
	ASSERT_TRUE(stopped(pid));
	EXPECT_EQ(0, trace(PTRACE_ARCH_PRCTL, pid, addr(&segment),
			   (void *)ARCH_GET_PERCPU_SEGMENT));
	EXPECT_EQ(variant->flags, segment.flags);
	EXPECT_EQ(self->areas.base, segment.base);
	EXPECT_EQ(self->areas.stride, segment.stride);
	EXPECT_EQ(-EINVAL, trace(PTRACE_ARCH_PRCTL, pid, addr(&segment),
				 (void *)ARCH_SET_PERCPU_SEGMENT));
	EXPECT_EQ(-EINVAL, trace(PTRACE_ARCH_PRCTL, pid, 0,
				 (void *)ARCH_CLEAR_PERCPU_SEGMENT));
	EXPECT_EQ(-EBUSY, trace(PTRACE_ARCH_PRCTL, pid, 0,
				(void *)ARCH_SET_GS));
	ASSERT_EQ(0, move_to_cpu(pid, allowed_cpu(0)));
	ASSERT_EQ(0, trace(PTRACE_CONT, pid, 0, NULL));
	EXPECT_TRUE(stopped(pid));
	ASSERT_EQ(0, trace(PTRACE_KILL, pid, 0, NULL));
	ASSERT_EQ(1000 + SIGKILL, exit_status(pid));
}

/* gs_base of the first NT_PRSTATUS in a core file, or -1. */
static __u64 core_gs_base(const char *path)
{
	__u64 base = -1;
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr;
	int fd, i;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return base;
	if (pread(fd, &ehdr, sizeof(ehdr), 0) != sizeof(ehdr))
		ehdr.e_phnum = 0;
	for (i = 0; i < ehdr.e_phnum; i++) {
		struct {
			Elf64_Nhdr n;
			char name[8];	/* CORE */
		} note;
		struct user_regs_struct regs;
		struct elf_prstatus status;

		if (pread(fd, &phdr, sizeof(phdr), ehdr.e_phoff +
			  i * sizeof(phdr)) != sizeof(phdr) ||
		    phdr.p_type != PT_NOTE)
			continue;
		if (pread(fd, &note, sizeof(note), phdr.p_offset) !=
		    sizeof(note) || note.n.n_type != NT_PRSTATUS ||
		    pread(fd, &status, sizeof(status), phdr.p_offset +
			  sizeof(note)) != sizeof(status))
			break;
		static_assert(sizeof(regs) == sizeof(status.pr_reg),
			      "registers");
		memcpy(&regs, status.pr_reg, sizeof(regs));
		base = regs.gs_base;
		break;
	}
	close(fd);
	return base;
}

#define CORE_PATTERN "/proc/sys/kernel/core_pattern"

/* Without such a file it is "core", which is what is wanted here. */
static bool put_core_pattern(const char *pattern, char *old, size_t size)
{
	int fd = open(CORE_PATTERN, O_RDWR | O_CLOEXEC);
	bool done;
	ssize_t len;

	if (fd < 0)
		return errno == ENOENT;
	if (old) {
		len = pread(fd, old, size - 1, 0);
		old[len > 0 ? len : 0] = 0;
	}
	done = pwrite(fd, pattern, strlen(pattern), 0) ==
	       (ssize_t)strlen(pattern);
	close(fd);
	return done;
}

TEST_F(follow, core_dump)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char old[256], path[128], dir[64];
	int status;
	pid_t pid;

	if (!put_core_pattern("core", old, sizeof(old)))
		SKIP(return, CORE_PATTERN ": %s", strerror(errno));
	snprintf(dir, sizeof(dir), "/dev/shm/segment_test.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(dir));
	pid = fork();
	if (!pid) {
		if (setrlimit(RLIMIT_CORE, &unlimited) || chdir(dir) ||
		    prctl(PR_SET_DUMPABLE, 1) ||
		    move_to_cpu(0, allowed_cpu(1)))
			_exit(1);
		abort();
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(put_core_pattern(old, NULL, 0));
	if (WIFSIGNALED(status) && !WCOREDUMP(status))
		SKIP(return, "this kernel dumps no core: CONFIG_ELF_CORE?");
	ASSERT_TRUE(WIFSIGNALED(status));
	/* Some systems add the number of the process in any case. */
	snprintf(path, sizeof(path), "%s/core.%d", dir, pid);
	if (access(path, R_OK))
		snprintf(path, sizeof(path), "%s/core", dir);
	EXPECT_EQ(self->areas.base + self->areas.stride *
		  alone(variant->flags, allowed_cpu(1)), core_gs_base(path));
	unlink(path);
	rmdir(dir);
}

TEST_HARNESS_MAIN
