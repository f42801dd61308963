// SPDX-License-Identifier: GPL-2.0
/*
 * Print the frequency of the time stamp counter in kHz. QEMU's software
 * emulation hands this counter on to the guest as it is, and a guest that
 * measures it while the machine is busy can be wrong by a factor of ten; then
 * so are its clocks, and all that waits for them.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define SPAN	50000000	/* ns between the two readings */

struct reading {
	uint64_t ticks;
	uint64_t ns;
};

/* Of many readings, the one with the least between counter and clock. */
static struct reading read_both(void)
{
	struct reading best = { 0, 0 };
	uint64_t before, after, least = UINT64_MAX;
	struct timespec now;
	int i;

	for (i = 0; i < 1000; i++) {
		before = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC, &now);
		after = __rdtsc();
		if (after - before >= least)
			continue;
		least = after - before;
		best.ticks = before + least / 2;
		best.ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	}
	return best;
}

int main(void)
{
	struct timespec span = { 0, SPAN };
	struct reading first, second;

	first = read_both();
	nanosleep(&span, NULL);
	second = read_both();
	printf("%.0f\n", (double)(second.ticks - first.ticks) * 1e6 /
	       (double)(second.ns - first.ns));
	return 0;
}
