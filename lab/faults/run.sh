#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# run.sh: our kernel with swap and with the kernel's fault injection, and in it:
# memory that is swapped out when the kernel needs it, allocations and copies
# that fail one after the other, all that memory_test does, and CPUs that go and
# come back for SECONDS=180.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

# The variable counts up in some shells, whether the caller had it or not.
seconds=$(printenv SECONDS || :)
seconds=${seconds:-180}
number SECONDS "$seconds"

"$top/lab/deps.sh"
"$top/lab/guest/kernel.sh" ours
"$top/lab/guest/programs.sh" selftests faults
"$top/lab/guest/kernel.sh" ours "$top/lab/faults/faults.config"
failed=

# guest NAME SECONDS COMMAND: run a TAP program in it.
guest() {
	step "$1"
	status=0
	retry "$1" guest_says "$@" || status=$?
	grep '^# Totals:' "$build/log/$1.said" || :
	grep ' # SKIP ' "$build/log/$1.said" || :
	[ "$status" != 0 ] || return 0
	cat "$build/log/$1.said"
	failed="$failed $1"
}
guest_says() {
	CMD=$3 LOG=$1 TIMEOUT=$2 "$top/lab/guest/boot.sh" ours-faults \
		>"$build/log/$1.said" 2>&1
}

guest faults 300 "echo 64M >/sys/block/zram0/disksize &&
	mkswap /dev/zram0 >/dev/null && swapon /dev/zram0 && faults"
guest faults-memory 300 "cd '$build/selftests/rseq' && ./memory_test"
# For each kind of registration.
guest faults-hotplug "$((seconds * 2 + 120))" "cd '$build/selftests/rseq' &&
	RSEQ_HOTPLUG_SECONDS=$(((seconds + 1) / 2)) \
		./fault_test -t cpus_go_and_come_back"
[ -z "$failed" ] || die "failed:$failed"
