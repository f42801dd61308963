// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of the decision about an armed critical section. */

#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/overflow.h>
#include <linux/sizes.h>

#include "rseq.h"

#define SIG		0x53053053
#define OTHER_SIG	0x53053054

/* A section of four bytes that nothing is wrong with. */
#define START		0x10000ULL
#define LENGTH		4ULL
#define ABORT		0x20000ULL

static const u64 limits[] = {
	SZ_4G - SZ_4K,			/* 32-bit program, 64-bit kernel */
	SZ_2G + SZ_1G,			/* 32-bit kernel */
	(1ULL << 47) - SZ_4K,		/* four levels of page tables */
	(1ULL << 56) - SZ_4K,		/* five */
};

static const struct rseq_cs good = {
	.start_ip		= START,
	.post_commit_offset	= LENGTH,
	.abort_ip		= ABORT,
};

/* With the right signature. */
static enum rseq_verdict judge(const struct rseq_cs *cs, u64 ip, u64 limit)
{
	return rseq_judge(cs, ip, limit, SIG, SIG);
}

/* Every instruction pointer from before the section to behind it. */
static void rseq_test_inside(struct kunit *test)
{
	u64 ip;

	for (ip = START - 16; ip < START + LENGTH + 16; ip++) {
		bool inside = ip == START || ip == START + 1 ||
			      ip == START + 2 || ip == START + 3;

		KUNIT_EXPECT_EQ_MSG(test, judge(&good, ip, limits[0]),
				    inside ? RSEQ_ABORT : RSEQ_CLEAR,
				    "ip %llx", ip);
	}
}

/* Far away, where a difference wraps or loses its upper half. */
static void rseq_test_far(struct kunit *test)
{
	static const u64 ips[] = {
		0, 1, ABORT, ABORT - 1, ABORT + 1, SZ_4G, START + SZ_4G,
		START + SZ_4G + 1, -START, S64_MAX, S64_MIN, U64_MAX,
		START | 1ULL << 63,
	};
	int i, j;

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		for (j = 0; j < ARRAY_SIZE(ips); j++)
			KUNIT_EXPECT_EQ_MSG(test,
					    judge(&good, ips[j], limits[i]),
					    RSEQ_CLEAR, "ip %llx", ips[j]);
}

static void rseq_test_empty(struct kunit *test)
{
	struct rseq_cs cs = good;
	u64 ip;

	cs.post_commit_offset = 0;
	for (ip = START - 1; ip <= START + 1; ip++)
		KUNIT_EXPECT_EQ(test, judge(&cs, ip, limits[0]), RSEQ_CLEAR);

	/* Nothing is inside an empty section, not even its abort address. */
	cs.abort_ip = cs.start_ip;
	KUNIT_EXPECT_EQ(test, judge(&cs, START, limits[0]), RSEQ_CLEAR);
}

static void rseq_test_version_flags(struct kunit *test)
{
	int bit;

	for (bit = 0; bit < 32; bit++) {
		struct rseq_cs cs = good;

		cs.version = 1U << bit;
		KUNIT_EXPECT_EQ(test, judge(&cs, START, limits[0]),
				RSEQ_BAD_VERSION);
		KUNIT_EXPECT_EQ(test, judge(&cs, 0, limits[0]),
				RSEQ_BAD_VERSION);
		cs = good;
		cs.flags = 1U << bit;
		KUNIT_EXPECT_EQ(test, judge(&cs, START, limits[0]),
				RSEQ_BAD_FLAGS);
		KUNIT_EXPECT_EQ(test, judge(&cs, 0, limits[0]),
				RSEQ_BAD_FLAGS);
	}
}

/* Start and length around the top of user space, and around every wrap. */
static void rseq_test_range(struct kunit *test)
{
	int i, a, b;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		const u64 limit = limits[i];
		const u64 values[] = {
			0, 1, START, limit - 2, limit - 1, limit, limit + 1,
			SZ_4G, SZ_4G + 1, S64_MAX, S64_MIN, U64_MAX - limit,
			U64_MAX - START, U64_MAX - 1, U64_MAX,
		};

		for (a = 0; a < ARRAY_SIZE(values); a++) {
			for (b = 0; b < ARRAY_SIZE(values); b++) {
				struct rseq_cs cs = {
					.start_ip		= values[a],
					.post_commit_offset	= values[b],
				};
				u64 end;
				bool bad;

				/* An abort address outside of the section. */
				cs.abort_ip = values[a] >= 8 ? 4 : limit - 1;
				bad = check_add_overflow(values[a], values[b],
							 &end) ||
				      values[a] >= limit || end >= limit;
				KUNIT_EXPECT_EQ_MSG(test,
						    judge(&cs, values[a], limit),
						    bad ? RSEQ_BAD_RANGE :
						    values[b] ? RSEQ_ABORT :
						    RSEQ_CLEAR,
						    "start %llx length %llx limit %llx",
						    values[a], values[b],
						    limit);
			}
		}
	}
}

static void rseq_test_abort_ip(struct kunit *test)
{
	struct rseq_cs cs = good;
	u64 abort_ip;
	int i;

	/* Around the section, at each byte. */
	for (abort_ip = START - 8; abort_ip < START + LENGTH + 8; abort_ip++) {
		bool inside = abort_ip >= START && abort_ip < START + LENGTH;

		cs.abort_ip = abort_ip;
		KUNIT_EXPECT_EQ_MSG(test, judge(&cs, START, limits[0]),
				    inside ? RSEQ_BAD_ABORT_IP : RSEQ_ABORT,
				    "abort_ip %llx", abort_ip);
	}

	/* No room for a signature below 4, nothing to run at the top. */
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct {
			u64 abort_ip;
			bool bad;
		} edges[] = {
			{ 0, true }, { 1, true }, { 2, true }, { 3, true },
			{ 4, false }, { 5, false },
			{ limits[i] - 1, false }, { limits[i], true },
			{ limits[i] + 1, true }, { S64_MAX, true },
			{ S64_MIN, true }, { U64_MAX, true },
		};
		int j;

		for (j = 0; j < ARRAY_SIZE(edges); j++) {
			cs.abort_ip = edges[j].abort_ip;
			KUNIT_EXPECT_EQ_MSG(test,
					    judge(&cs, START, limits[i]),
					    edges[j].bad ? RSEQ_BAD_ABORT_IP :
					    RSEQ_ABORT,
					    "abort_ip %llx limit %llx",
					    cs.abort_ip, limits[i]);
			KUNIT_EXPECT_EQ(test,
					rseq_abort_ip_valid(cs.abort_ip,
							    limits[i]),
					!edges[j].bad);
		}
	}
}

static void rseq_test_signature(struct kunit *test)
{
	int bit;

	for (bit = 0; bit < 32; bit++) {
		KUNIT_EXPECT_EQ(test,
				rseq_judge(&good, START, limits[0],
					   SIG ^ (1U << bit), SIG),
				RSEQ_BAD_SIGNATURE);
		KUNIT_EXPECT_EQ(test,
				rseq_judge(&good, 0, limits[0],
					   SIG, SIG ^ (1U << bit)),
				RSEQ_BAD_SIGNATURE);
	}
	KUNIT_EXPECT_EQ(test,
			rseq_judge(&good, START, limits[0],
				   OTHER_SIG, OTHER_SIG),
			RSEQ_ABORT);
	KUNIT_EXPECT_EQ(test, rseq_judge(&good, START, limits[0], 0, 0),
			RSEQ_ABORT);
}

static struct kunit_case rseq_test_cases[] = {
	KUNIT_CASE(rseq_test_inside),
	KUNIT_CASE(rseq_test_far),
	KUNIT_CASE(rseq_test_empty),
	KUNIT_CASE(rseq_test_version_flags),
	KUNIT_CASE(rseq_test_range),
	KUNIT_CASE(rseq_test_abort_ip),
	KUNIT_CASE(rseq_test_signature),
	{}
};

static struct kunit_suite rseq_test_suite = {
	.name		= "rseq",
	.test_cases	= rseq_test_cases,
};

kunit_test_suite(rseq_test_suite);

MODULE_DESCRIPTION("KUnit tests of restartable sequences");
MODULE_LICENSE("GPL");
