#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# bench.sh: instructions per event on bare, stock and ours, counted by QEMU.
#
#   QUICK=1   fewer events, and only ours is measured twice
#
# One configuration, one compiler, one program (events.c) in all three. Each
# number is measured in two boots, which must agree to 1 in 1000. The tables on
# standard output are Markdown; build/bench/kernel.tsv has all numbers,
# build/bench/kernel.svg a chart of what rseq adds.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

out=$build/bench
quick=${QUICK:-}
kernels="bare stock ours"
events="syscall signal switch pipe preempt abort fault"
crowds="switch-4 signal-4 switch-8 signal-8 switch-16 signal-16 \
switch-32 signal-32 switch-64 signal-64"
# What uses up process IDs comes last: the cost of looking one up grows with
# its size.
lives="fork exec thread"
cpus="4 8 16"
size="-e 500 -r 4"
if [ -n "$quick" ]; then
	crowds="switch-64 signal-64"
	cpus=8
	size="-e 100 -r 2"
fi

BENCH=1 "$top/lab/deps.sh"
for kernel in $kernels; do
	"$top/lab/guest/kernel.sh" "$kernel"
done

mkdir -p "$out"
lock "$out.lock"
programs() {
	gcc -O2 -Wall -Wextra -static -pthread -o "$out/events" \
		"$top/lab/bench/events.c" &&
		gcc -O2 -Wall -Wextra -static -nostdlib -o "$out/nothing" \
			"$top/lab/bench/nothing.c"
}
logged bench-programs programs

# boot KERNEL CPUS NAME COMMAND: run it in memory, with nothing in the way that
# differs from boot to boot; its output goes to $out/KERNEL.NAME.
boot() {
	ICOUNT=1 SMP=$2 LOG="bench/$1.$3" TIMEOUT="${TIMEOUT:-1800}" \
		APPEND="norandmaps loglevel=5 ${APPEND:-}" \
		CMD="cp $out/events $out/nothing /dev/shm && cd /dev/shm && $4" \
		"$top/lab/guest/boot.sh" "$1" >"$out/$1.$3.new" ||
		die "$1: the measurement failed; the lines above say why"
	mv "$out/$1.$3.new" "$out/$1.$3"
}

# measure KERNEL CPUS RUN ROWS: the rows, as events prints them.
measure() {
	boot "$1" "$2" "cpus$2.$3" \
		"GLIBC_TUNABLES=glibc.pthread.rseq=0 ./events $size $4"
}

# hackbench KERNEL RUN: instructions for each message, with threads and with
# processes, with the C library's own registration and without. 20 senders send
# each message to 20 receivers. hackbench tells the time in milliseconds, of
# a million instructions each.
hackbench() {
	# shellcheck disable=SC2016
	boot "$1" 1 "hackbench.$2" '
for kind in -T -P; do
	printf "hackbench$kind"
	for rseq in 0 1; do
		export GLIBC_TUNABLES=glibc.pthread.rseq=$rseq
		hackbench "$kind" -p -g 1 -l 1000 |
			/bin/busybox awk "/^Time:/ { printf \"\\t%.0f\", \$2 * 1e9 / 400000 }"
	done
	printf "\tn/a\n"
done'
}

# one KERNEL RUN: all that is measured of a kernel.
one() {
	measure "$1" 1 "$2" "$events $crowds $lives"
	measure "$1" 2 "$2" migrate
	for n in $cpus; do
		measure "$1" "$n" "$2" "switch signal"
	done
	[ -n "$quick" ] || hackbench "$1" "$2"
}

# sizes KERNEL: bytes of code, without the unit tests, which only ours has; of
# that, in rseq's own files; and of a task.
sizes() {
	object=$build/kernel/$1
	size -A "$object/vmlinux.o" "$object"/kernel/rseq*.o 2>/dev/null |
		awk -v kernel="$1" '
	$2 == ":" {
		file = "all"
		if ($1 ~ /\/kernel\/rseq[^\/]*\.o$/)
			file = $1 ~ /_test\.o$/ ? "tests" : "own"
	}
	$1 ~ /text/ { bytes[file] += $2 }
	END {
		printf "text\t%s\t%d\n", kernel, bytes["all"] - bytes["tests"]
		printf "own\t%s\t%d\n", kernel, bytes["own"]
	}'
	# The size of a symbol is hexadecimal; that of the first task is the
	# size of every task.
	task=$(nm -S "$object/vmlinux" | awk '$NF == "init_task" { print $2 }')
	printf 'task_struct\t%s\t%d\n' "$1" "0x$task"
}

rm -f "$out"/*.run1 "$out"/*.run2 "$out"/*.new
step "measure (log: $build/log/bench)"
mkdir -p "$build/log/bench"
jobs=
for kernel in $kernels; do
	(
		trap 'kill 0' TERM INT
		one "$kernel" run1
		step "$kernel: first run done"
		if [ -z "$quick" ] || [ "$kernel" = ours ]; then
			one "$kernel" run2
			step "$kernel: second run done"
		fi
	) &
	jobs="$jobs $!"
done
status=0
for job in $jobs; do
	wait "$job" || status=1
done
[ "$status" = 0 ] || exit 1

for kernel in $kernels; do
	sizes "$kernel"
done >"$out/sizes"

awk -f "$top/lab/bench/repeat.awk" "$out"/*.run2 ||
	die "two boots of one kernel do not agree to 1 in 1000; the rows are above"

awk -v OFS='\t' -v TSV="$out/kernel.tsv" -v CHART="$out/chart" \
	-f "$top/lab/bench/table.awk" "$out/sizes" "$out"/*.cpus1.run1 \
	"$out"/*.cpus2.run1 $(for n in $cpus; do echo "$out"/*."cpus$n.run1"; done) \
	$([ -n "$quick" ] || echo "$out"/*.hackbench.run1)
gnuplot -e "in='$out/chart'; out='$out/kernel.svg'" "$top/lab/bench/chart.gp"
step "all numbers: $out/kernel.tsv; chart: $out/kernel.svg"
