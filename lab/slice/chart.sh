#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# chart.sh [OPTION...]: run slice_spinlock_demo in our kernel, and draw the tails
# that it measured, into build/slice/. NATIVE=1 runs it on this machine instead,
# if its kernel has the time slice extension.
#
# Under emulation the times are those of the emulator: a virtual CPU that the
# machine does not run looks like a holder that takes long, with and without the
# extension. What can be seen in it is the share of sections whose holder lost
# its CPU to another thread of the guest. The values, and the throughput, mean
# something on a machine of one's own only.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

BENCH=1 "$top/lab/deps.sh"
out=$build/slice
mkdir -p "$out"
# The end of what the demo prints, and the beginning of its data.
mark='--- data ---'
command="slice_spinlock_demo -o /tmp/slice.data $* && echo '$mark' &&
	cat /tmp/slice.data"
if [ -n "${NATIVE:-}" ]; then
	step "build slice_spinlock_demo"
	logged samples make -C "$top/samples/rseq" OUTPUT="$build/samples" \
		PROGRAMS=slice_spinlock_demo
	where=
	step "run slice_spinlock_demo on this machine"
	PATH=$build/samples:$PATH sh -c "$command" >"$out/output"
else
	"$top/lab/guest/kernel.sh" ours
	"$top/lab/guest/programs.sh" samples
	where=", under emulation"
	step "run slice_spinlock_demo in the guest"
	CMD=$command LOG=slice "$top/lab/guest/boot.sh" ours >"$out/output" || {
		status=$?
		cat "$out/output" >&2
		exit "$status"
	}
fi
sed "/^$mark\$/,\$d" "$out/output"
sed "1,/^$mark\$/d" "$out/output" >"$out/data"
heading=$(head -n 1 "$out/output")$where
gnuplot -e "in='$out/data'; out='$out/chart.svg'; heading='$heading'" \
	"$top/lab/slice/chart.gp"
step "the chart is ${out#"$top/"}/chart.svg"
[ -z "$where" ] ||
	step "compare the two: the values themselves are those of the emulator"
