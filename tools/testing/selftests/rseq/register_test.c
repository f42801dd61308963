// SPDX-License-Identifier: GPL-2.0
/*
 * Registration: each row of the two error tables of rseq(), the order of the
 * rows, what registering and unregistering write, and what they leave alone.
 */
#include "../kselftest_harness.h"
#include "rseq_test.h"

#ifdef __x86_64__
#define KERNEL_ADDRESS ((void *)0xffff888000000000UL)
#else
#define KERNEL_ADDRESS ((void *)0xfffff000UL)
#endif

/* Any flag that is not UNREGISTER and not of the slice extension. */
#define UNKNOWN_FLAG 4

FIXTURE(registration) {
	char *pages;	/* 2, and nothing is mapped behind them */
	struct rseq_area *area, *other;
	__u32 len;
};

FIXTURE_VARIANT(registration) {
	bool extended;
};

FIXTURE_VARIANT_ADD(registration, original) {
};

FIXTURE_VARIANT_ADD(registration, extended) {
	.extended = true,
};

FIXTURE_SETUP(registration)
{
	self->pages = map_pages(3, false);
	ASSERT_EQ(0, munmap(self->pages + 2 * page_size(), page_size()));
	self->area = (void *)self->pages;
	self->other = (void *)(self->pages + page_size());
	self->len = rseq_len(variant->extended);
}

FIXTURE_TEARDOWN(registration)
{
}

TEST(auxiliary_vector)
{
	__u32 align = RSEQ_ORIG_SIZE;

	EXPECT_LE(28, rseq_feature_size());
	EXPECT_GE(33, rseq_feature_size());
	while (align < rseq_feature_size())
		align *= 2;
	EXPECT_EQ(align, rseq_align());
}

TEST_F(registration, registers_and_unregisters)
{
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	EXPECT_EQ(0, rseq_unregister(self->area, self->len));
	/* And all over again, elsewhere. */
	ASSERT_EQ(0, rseq_register(self->other, self->len));
	EXPECT_EQ(0, rseq_unregister(self->other, self->len));
	EXPECT_EQ(-EINVAL, rseq_unregister(self->other, self->len));
}

TEST_F(registration, ids_are_true_on_return)
{
	int cpu, nr;

	for (nr = 0; (cpu = allowed_cpu(nr)) >= 0; nr++) {
		ASSERT_EQ(0, move_to_cpu(0, cpu));
		self->area->cpu_id = RSEQ_GARBAGE;
		self->area->cpu_id_start = RSEQ_GARBAGE;
		self->area->node_id = RSEQ_GARBAGE;
		self->area->mm_cid = RSEQ_GARBAGE;
		ASSERT_EQ(0, rseq_register(self->area, self->len));
		EXPECT_EQ((__u32)cpu, self->area->cpu_id);
		EXPECT_EQ((__u32)cpu, self->area->cpu_id_start);
		EXPECT_EQ(current_node(), self->area->node_id);
		EXPECT_EQ(0, self->area->mm_cid);
		ASSERT_EQ(0, rseq_unregister(self->area, self->len));
	}
}

TEST_F(registration, unknown_flags)
{
	int bit;

	for (bit = 2; bit < 32; bit++) {
		EXPECT_EQ(-EINVAL, rseq(self->area, self->len, 1U << bit,
					RSEQ_SIG)) {
			TH_LOG("flag bit %d", bit);
		}
	}
	/* Before slice extension there is no second flag. */
	if (rseq_feature_size() == RSEQ_SIZE_MM_CID)
		EXPECT_EQ(-EINVAL, rseq(self->area, self->len, 2, RSEQ_SIG));
	EXPECT_EQ(-EINVAL, rseq_unregister(self->area, self->len));
}

TEST_F(registration, unknown_flag_comes_first)
{
	/* Before the length, the alignment, the address ... */
	EXPECT_EQ(-EINVAL, rseq(KERNEL_ADDRESS, self->len, UNKNOWN_FLAG,
				RSEQ_SIG));
	/* ... and before EPERM and EBUSY. */
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	EXPECT_EQ(-EINVAL, rseq(self->area, self->len, UNKNOWN_FLAG,
				RSEQ_SIG));
	EXPECT_EQ(-EINVAL, rseq(self->area, self->len, UNKNOWN_FLAG,
				RSEQ_SIG + 1));
	EXPECT_EQ(-EBUSY, rseq_register(self->area, self->len));
}

TEST_F(registration, other_area_is_refused)
{
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	EXPECT_EQ(-EINVAL, rseq_register(self->other, self->len));
	EXPECT_EQ(-EINVAL, rseq_register((char *)self->area + 1, self->len));
	/* Before EFAULT ... */
	EXPECT_EQ(-EINVAL, rseq_register(NULL, self->len));
	EXPECT_EQ(-EINVAL, rseq_register(KERNEL_ADDRESS, self->len));
	/* ... and before EPERM. */
	EXPECT_EQ(-EINVAL, rseq(self->other, self->len, 0, RSEQ_SIG + 1));
	EXPECT_EQ(0, rseq_unregister(self->area, self->len));
}

TEST_F(registration, other_length_is_refused)
{
	static const __u32 lens[] = { 0, 31, 33, 128, 0xffffffff };
	unsigned int i;

	ASSERT_EQ(0, rseq_register(self->area, self->len));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		EXPECT_EQ(-EINVAL, rseq_register(self->area, lens[i])) {
			TH_LOG("length %u", lens[i]);
		}
	}
	/* The other mode's length too, and before EPERM. */
	EXPECT_EQ(-EINVAL, rseq_register(self->area,
					 rseq_len(!variant->extended)));
	EXPECT_EQ(-EINVAL, rseq(self->area, rseq_len(!variant->extended), 0,
				RSEQ_SIG + 1));
	EXPECT_EQ(0, rseq_unregister(self->area, self->len));
}

TEST_F(registration, other_signature_is_refused)
{
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	EXPECT_EQ(-EPERM, rseq(self->area, self->len, 0, RSEQ_SIG + 1));
	EXPECT_EQ(-EPERM, rseq(self->area, self->len, 0, 0));
	EXPECT_EQ(0, rseq_unregister(self->area, self->len));
}

TEST_F(registration, second_time_is_busy)
{
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	EXPECT_EQ(-EBUSY, rseq_register(self->area, self->len));
	EXPECT_EQ(-EBUSY, rseq_register(self->area, self->len));
	EXPECT_EQ(0, rseq_unregister(self->area, self->len));
}

TEST_F(registration, any_signature)
{
	static const __u32 sigs[] = { 0, 1, 0x80000000, 0xffffffff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sigs); i++) {
		ASSERT_EQ(0, rseq(self->area, self->len, 0, sigs[i]));
		EXPECT_EQ(-EBUSY, rseq(self->area, self->len, 0, sigs[i]));
		EXPECT_EQ(-EPERM, rseq(self->area, self->len, 0, ~sigs[i]));
		ASSERT_EQ(0, rseq(self->area, self->len, RSEQ_FLAG_UNREGISTER,
				  sigs[i]));
	}
}

TEST_F(registration, lengths)
{
	__u32 feature_size = rseq_feature_size(), len;

	for (len = 0; len <= 2 * self->len; len++) {
		bool good = len == RSEQ_ORIG_SIZE ||
			    (len > RSEQ_ORIG_SIZE && len >= feature_size);

		ASSERT_EQ(good ? 0 : -EINVAL,
			  rseq_register(self->area, len)) {
			TH_LOG("length %u", len);
		}
		if (good)
			ASSERT_EQ(0, rseq_unregister(self->area, len));
	}
	ASSERT_EQ(0, rseq_register(self->area, page_size()));
	EXPECT_EQ(0, rseq_unregister(self->area, page_size()));
}

TEST_F(registration, alignment)
{
	__u32 align = variant->extended ? rseq_align() : RSEQ_ORIG_SIZE;
	__u32 shift;

	for (shift = 1; shift <= 2 * align; shift++) {
		char *area = self->pages + shift;

		ASSERT_EQ(shift % align ? -EINVAL : 0,
			  rseq_register(area, self->len)) {
			TH_LOG("area at %u past a page", shift);
		}
		if (!(shift % align))
			ASSERT_EQ(0, rseq_unregister(area, self->len));
	}
}

TEST_F(registration, length_and_alignment_come_before_fault)
{
	EXPECT_EQ(-EINVAL, rseq_register(NULL, 0));
	EXPECT_EQ(-EINVAL, rseq_register(KERNEL_ADDRESS, RSEQ_ORIG_SIZE - 1));
	EXPECT_EQ(-EINVAL, rseq_register((char *)KERNEL_ADDRESS + 8,
					 self->len));
	EXPECT_EQ(-EFAULT, rseq_register(KERNEL_ADDRESS, self->len));
}

TEST_F(registration, area_must_be_writable_user_memory)
{
	char *behind = self->pages + 2 * page_size();

	EXPECT_EQ(-EFAULT, rseq_register(NULL, self->len));
	EXPECT_EQ(-EFAULT, rseq_register(behind, self->len));
	EXPECT_EQ(-EFAULT, rseq_register(KERNEL_ADDRESS, self->len));
	EXPECT_EQ(-EFAULT, rseq_register((void *)(uintptr_t)user_top(),
					 self->len));
#ifdef __x86_64__
	/* The first address that is not canonical. */
	EXPECT_EQ(-EFAULT, rseq_register((void *)(uintptr_t)
					 (user_top() + page_size()),
					 self->len));
#endif
	ASSERT_EQ(0, mprotect(self->area, page_size(), PROT_NONE));
	EXPECT_EQ(-EFAULT, rseq_register(self->area, self->len));

	/* A refused area is not registered. */
	EXPECT_EQ(-EINVAL, rseq_unregister(self->area, self->len));
	ASSERT_EQ(0, mprotect(self->area, page_size(),
			      PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, rseq_register(self->area, self->len));

	/* The end of the last page is as good as any other place. */
	ASSERT_EQ(0, rseq_unregister(self->area, self->len));
	ASSERT_EQ(0, rseq_register(behind - self->len, self->len));
	EXPECT_EQ(0, rseq_unregister(behind - self->len, self->len));
}

/* Even if memory is mapped there, which root may do. */
TEST_F(registration, address_0_is_no_area)
{
	void *mem = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (mem)
		SKIP(return, "no memory at address 0; root is needed");
	EXPECT_EQ(-EFAULT, rseq_register(NULL, self->len));
	EXPECT_EQ(-EINVAL, rseq_unregister(NULL, self->len));
	munmap(mem, page_size());
}

TEST_F(registration, area_must_not_be_read_only)
{
	ASSERT_EQ(0, mprotect(self->area, page_size(), PROT_READ));
	EXPECT_EQ(-EFAULT, rseq_register(self->area, self->len));
	EXPECT_EQ(-EINVAL, rseq_unregister(self->area, self->len));
}

TEST_F(registration, unregister_without_registration)
{
	EXPECT_EQ(-EINVAL, rseq_unregister(self->area, self->len));
	EXPECT_EQ(-EINVAL, rseq_unregister(NULL, 0));
	EXPECT_EQ(-EINVAL, rseq_unregister(NULL, self->len));
	EXPECT_EQ(-EINVAL, rseq_unregister(KERNEL_ADDRESS, self->len));
}

TEST_F(registration, unregister_errors)
{
	int bit;

	ASSERT_EQ(0, rseq_register(self->area, self->len));

	EXPECT_EQ(-EINVAL, rseq_unregister(self->other, self->len));
	EXPECT_EQ(-EINVAL, rseq_unregister(NULL, self->len));
	EXPECT_EQ(-EINVAL, rseq_unregister(self->area, 0));
	EXPECT_EQ(-EINVAL, rseq_unregister(self->area, self->len + 1));
	EXPECT_EQ(-EINVAL, rseq_unregister(self->area, self->len - 1));
	EXPECT_EQ(-EINVAL, rseq_unregister(self->area,
					   rseq_len(!variant->extended)));
	/* With another flag, even when all the rest is right. */
	for (bit = 1; bit < 32; bit++) {
		EXPECT_EQ(-EINVAL, rseq(self->area, self->len,
					RSEQ_FLAG_UNREGISTER | 1U << bit,
					RSEQ_SIG)) {
			TH_LOG("flag bit %d", bit);
		}
	}
	/* EINVAL comes before EPERM. */
	EXPECT_EQ(-EINVAL, rseq(self->other, self->len, RSEQ_FLAG_UNREGISTER,
				RSEQ_SIG + 1));
	EXPECT_EQ(-EINVAL, rseq(self->area, self->len + 1,
				RSEQ_FLAG_UNREGISTER, RSEQ_SIG + 1));
	EXPECT_EQ(-EINVAL, rseq(self->area, self->len,
				RSEQ_FLAG_UNREGISTER | UNKNOWN_FLAG,
				RSEQ_SIG + 1));
	EXPECT_EQ(-EPERM, rseq(self->area, self->len, RSEQ_FLAG_UNREGISTER,
			       RSEQ_SIG + 1));
	EXPECT_EQ(-EPERM, rseq(self->area, self->len, RSEQ_FLAG_UNREGISTER,
			       RSEQ_SIG ^ 0x80000000));

	/* After all of it the registration stands. */
	EXPECT_EQ(-EBUSY, rseq_register(self->area, self->len));
	EXPECT_TRUE(ids_are_true(self->area, allowed_cpus()));
	EXPECT_EQ(0, rseq_unregister(self->area, self->len));
}

/* In a child; returns what it exits with. */
static int unregister_read_only_area(__u32 len)
{
	struct rseq_area *area = map_pages(1, false);
	int ret;

	if (rseq_register(area, len) ||
	    mprotect(area, page_size(), PROT_READ))
		return 1;
	ret = rseq_unregister(area, len);
	if (mprotect(area, page_size(), PROT_READ | PROT_WRITE))
		return 2;
	if (ret != -EFAULT)
		return 3;
	/* The registration stands. */
	return rseq_register(area, len) == -EBUSY ? 0 : 4;
}

TEST_F(registration, unregister_needs_the_area)
{
	int status, tries = 0;
	pid_t pid;

	do {
		pid = fork();
		if (!pid)
			_exit(unregister_read_only_area(self->len));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		/* If it has lost its CPU meanwhile, that was its end. */
	} while (status == SIGSEGV && ++tries < 50);
	EXPECT_EQ(0, status);
}

TEST_F(registration, fields_after_unregister)
{
	int cpu = allowed_cpu(allowed_cpus() - 1);

	ASSERT_EQ(0, move_to_cpu(0, cpu));
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	ASSERT_EQ((__u32)cpu, self->area->cpu_id);
	ASSERT_EQ(0, rseq_unregister(self->area, self->len));
	EXPECT_EQ(0, self->area->cpu_id_start);
	EXPECT_EQ((__u32)-1, self->area->cpu_id);
	EXPECT_EQ(0, self->area->node_id);
	EXPECT_EQ(0, self->area->mm_cid);
	EXPECT_EQ(0, self->area->rseq_cs);
}

static void ignore(int sig)
{
}

TEST_F(registration, area_is_left_alone_after_unregister)
{
	int nr;

	ASSERT_EQ(0, rseq_register(self->area, self->len));
	ASSERT_EQ(0, rseq_unregister(self->area, self->len));
	ASSERT_TRUE(signal(SIGUSR1, ignore) != SIG_ERR);
	memset(self->area, 0xa5, self->len);
	for (nr = 0; allowed_cpu(nr) >= 0; nr++) {
		ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(nr)));
		ASSERT_EQ(0, raise(SIGUSR1));
	}
	for (nr = 0; nr < (int)self->len; nr++) {
		ASSERT_EQ(0xa5, ((__u8 *)self->area)[nr]) {
			TH_LOG("byte %d was written", nr);
		}
	}
}

TEST_F(registration, stale_descriptor_is_cleared)
{
	int nr;

	/* Fatal if the kernel ever followed it. */
	self->area->rseq_cs = addr(self->pages + 2 * page_size());
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	EXPECT_EQ(0, self->area->rseq_cs);
	ASSERT_EQ(0, rseq_unregister(self->area, self->len));

	self->area->rseq_cs = UINT64_MAX;
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	EXPECT_EQ(0, self->area->rseq_cs);
	ASSERT_TRUE(signal(SIGUSR1, ignore) != SIG_ERR);
	for (nr = 0; allowed_cpu(nr) >= 0; nr++) {
		ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(nr)));
		ASSERT_EQ(0, raise(SIGUSR1));
	}
}

/* Bytes 0 to 15 and 20 to 27 are for the kernel to write, and no others. */
TEST_F(registration, other_bytes_are_left_alone)
{
	bool slices = rseq_feature_size() > RSEQ_SIZE_MM_CID &&
		      variant->extended;
	__u8 *guard = (__u8 *)self->pages;
	struct rseq_area *area = (void *)(self->pages + 512);
	__u32 flags = slices ? 0 : 0xa5a5a5a5;
	int i, at;

	memset(guard, 0xa5, page_size());
	area->flags = flags;
	ASSERT_TRUE(signal(SIGUSR1, ignore) != SIG_ERR);
	ASSERT_EQ(0, rseq_register(area, self->len));
	for (i = 0; allowed_cpu(i) >= 0; i++) {
		ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(i)));
		ASSERT_EQ(0, raise(SIGUSR1));
		sched_yield();
	}
	ASSERT_EQ(0, rseq_unregister(area, self->len));

	/* Slice extension tells its state in two flags. */
	EXPECT_EQ(flags, area->flags & (slices ? ~0x30U : ~0U));
	for (i = 0; i < (int)page_size(); i++) {
		at = i - 512;
		if (at >= 0 && at < (slices ? 32 : 28))
			continue;
		ASSERT_EQ(0xa5, guard[i]) {
			TH_LOG("byte %d of the area was written", at);
		}
	}
}

/* After unregistering nothing is aborted any more: the section goes on. */
TEST_F(registration, unregistered_section_is_not_aborted)
{
	struct rseq_cs cs;

	set_good_section(&cs);
	ASSERT_EQ(0, rseq_register(self->area, self->len));
	ASSERT_EQ(0, rseq_unregister(self->area, self->len));
	self->area->rseq_cs = addr(&cs);
	ASSERT_TRUE(signal(SIGUSR1, ignore) != SIG_ERR);
	ASSERT_EQ(0, raise(SIGUSR1));
	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(0)));
	ASSERT_EQ(0, move_to_cpu(0, allowed_cpu(allowed_cpus() - 1)));
	EXPECT_EQ(addr(&cs), self->area->rseq_cs);
}

TEST_HARNESS_MAIN
