#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The samples: each checks itself while its threads are moved about, with rseq()
# and, on the bare kernel, without.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

plan 4
"$top/lab/guest/programs.sh" samples

# samples KERNEL COMMAND...: run them, one after the other.
samples() {
	kernel=$1
	shift
	CMD=$(printf '%s || exit\n' "$@") LOG=samples "$top/lab/guest/boot.sh" \
		"$kernel"
}

passes "with rseq()" samples ours current_cpu 'percpu_counter -s 1' \
	'percpu_ring -s 1' 'percpu_rcu -s 1' 'percpu_freelist -s 1'
passes "with the time slice extension" samples ours 'slice_spinlock_demo -s 0.3'
passes "CPUs that go offline are drained" samples ours \
	'percpu_freelist -s 2 -o'
passes "without rseq()" samples bare 'percpu_counter -s 1' \
	'percpu_ring -s 1' 'percpu_rcu -s 1' 'percpu_freelist -s 1'
