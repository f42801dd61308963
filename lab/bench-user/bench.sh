#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# bench.sh: what restartable sequences are worth to a program: the benchmarks
# of samples/rseq and of each operation of rseq.h.
#
# Natively, in nanoseconds of CPU time, when the machine's own kernel has
# rseq(); else in the guest, where a nanosecond is an instruction (GUEST=1 asks
# for that). All variants of a row are measured in turn, 25 times over; a
# number is the median, with the quartiles around it. The tables on standard
# output are Markdown; build/bench-user/rows.tsv has all numbers, and
# build/bench-user/user.svg the chart.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

out=$build/bench-user
samples="current_cpu percpu_counter percpu_ring percpu_rcu percpu_freelist"

BENCH_USER=1 "$top/lab/deps.sh"
mkdir -p "$out"
lock "$out.lock"

programs() {
	make -C "$top/samples/rseq" OUTPUT="$out" PROGRAMS="$samples"
	for option in '' -DRSEQ_NR_SYSCALL=100000; do
		# shellcheck disable=SC2086
		gcc -O2 -Wall -Wextra -pthread $option \
			-I"$top/tools/testing/selftests/rseq" \
			-I"$top/samples/rseq" \
			-o "$out/ops${option:+_fallback}" \
			"$top/lab/bench-user/ops.c"
	done
}
step "build the benchmarks"
logged bench-user-programs programs

# rows PROGRAM...: the commands that print the rows.
rows() {
	for sample in $samples ops; do
		echo "'$out/$sample' -b"
	done
	echo "GLIBC_TUNABLES=glibc.pthread.rseq=0 '$out/ops_fallback' -b 2>/dev/null"
}

guest=${GUEST:-}
if [ -z "$guest" ] && "$out/current_cpu" 2>&1 | grep -q 'no rseq() here'; then
	step "this machine's kernel has no rseq()"
	guest=1
fi
if [ -n "$guest" ]; then
	unit=instructions
	"$top/lab/guest/kernel.sh" ours
	step "measure in the guest"
	ICOUNT=1 SMP=1 LOG=bench-user TIMEOUT="${TIMEOUT:-1800}" \
		CMD="set -e
$(rows)" "$top/lab/guest/boot.sh" ours >"$out/rows.new" ||
		die "the measurement failed; the lines above say why"
else
	unit=ns
	step "measure"
	rows >"$out/commands"
	logged bench-user sh -ec ". '$out/commands' >'$out/rows.new'"
fi
mv "$out/rows.new" "$out/rows.tsv"

awk -F '\t' -v UNIT="$unit" -v CHART="$out/chart" \
	-f "$top/lab/bench-user/table.awk" "$out/rows.tsv"
gnuplot -e "in='$out/chart'; out='$out/user.svg'; unit='$unit'" \
	"$top/lab/bench-user/chart.gp"
step "all numbers: $out/rows.tsv; chart: $out/user.svg"
