/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_SLICE_H
#define FUZZ_SLICE_H

/* The time slice extension, as Documentation/userspace-api/rseq.rst has it. */

#include "rseq_test.h"

#ifndef __NR_rseq_slice_yield
#define __NR_rseq_slice_yield 471
#endif
#define PR_SLICE 79
#define PR_SLICE_GET 1
#define PR_SLICE_SET 2
#define FLAG_DEFAULT_ON 2
#define AVAILABLE 0x10U
#define ENABLED 0x20U
#ifndef ENOTSUPP
#define ENOTSUPP 524
#endif

#define SLICE_LENGTH "/sys/kernel/debug/rseq/slice_ext_nsec"

/* The last field of the area. */
struct slice_ctrl {
	__u8 __shared request;
	__u8 __shared granted;
	__u16 reserved;
};

static inline struct slice_ctrl *slice_ctrl(struct rseq_area *area)
{
	return (struct slice_ctrl *)&area->slice_ctrl;
}

static inline long slice_yield(void)
{
	return syscall(__NR_rseq_slice_yield);
}

/* prctl(), with a negative error number. */
static inline int slice_prctl(unsigned long op, unsigned long value,
			      unsigned long arg4, unsigned long arg5)
{
	int ret = prctl(PR_SLICE, op, value, arg4, arg5);

	return ret < 0 ? -errno : ret;
}

/* Does a registration with the flag get it? */
static inline bool slice_offered(void)
{
	static alignas(64) struct rseq_area area;
	__u32 len = rseq_extended_size();
	bool offered;

	if (rseq(&area, len, FLAG_DEFAULT_ON, RSEQ_SIG))
		return false;
	offered = area.flags;
	rseq_unregister(&area, len);
	return offered;
}

/* The longest there is, so that a slow machine can do something in it. */
static inline void slice_be_long(void)
{
	int fd = open(SLICE_LENGTH, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "50000", 5) != 5)
		perror(SLICE_LENGTH);
	close(fd);
}

#endif /* FUZZ_SLICE_H */
