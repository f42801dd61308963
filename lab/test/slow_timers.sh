#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A guest one of whose CPUs has no high resolution timers, as if its clock event
# device were not good enough: a debugger sees to that. In it, the test of slice_test
# that needs one, in 64 and in 32 bits.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

DEBUGGER=1 "$top/lab/deps.sh"
tmp=$(mktemp -d)
debugger=
trap '[ -z "$debugger" ] || kill "$debugger" || :; rm -rf "$tmp"' EXIT

# The first argument of QEMU has it wait for the debugger. Thread 4 is a CPU.
cat >"$tmp/script" <<'END'
hbreak *tick_init_highres thread 4
while 1
	continue
	set $rax = -22
	set $rip = *(unsigned long *)$rsp
	set $rsp = $rsp + 8
end
END
# For each guest that boot.sh has to boot until one has timers.
while :; do
	[ ! -S "$tmp/socket" ] ||
		gdb -nx -q -batch -iex 'set auto-load off' \
			"$build/kernel/ours/vmlinux" \
			-ex "target remote $tmp/socket" -x "$tmp/script" || :
	sleep 0.1
done >"$tmp/log" 2>&1 &
debugger=$!

test=timers_that_wait_for_the_tick_keep_no_cpu
QEMU="-S -gdb unix:$tmp/socket,server=on,wait=off" LOG=slow_timers \
	CMD="cd '$build/selftests/rseq' || exit
		for bits in '' _32; do
			./slice_test\$bits -t $test >/tmp/said || status=\$?
			cat /tmp/said
			! grep -q '# SKIP' /tmp/said || status=1
		done
		exit \${status:-0}" "$top/lab/guest/boot.sh" ours >"$tmp/said" || {
	status=$?
	cat "$tmp/said" "$tmp/log" >&2
	exit "$status"
}
# One plan for the two.
echo "TAP version 13
1..2"
grep -E '^(not )?ok ' "$tmp/said" | awk '{ sub(/ok [0-9]+/, "ok " NR); print }'
