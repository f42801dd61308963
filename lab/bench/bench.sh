#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# bench.sh: instructions per event on bare, stock and ours, counted by QEMU.
#
#   QUICK=1       fewer events, and only ours is measured twice
#   ROWS=...      only these rows, without a table of targets; see lab/bench/rows
#   KERNELS=...   of bare, stock and ours; all of them unless given
#   PREBUILT=1    take the kernels in build/kernel as they are
#
# One configuration, one compiler, one program (events.c) in all three. Each
# number is measured in two boots, which must agree. The tables on
# standard output are Markdown; build/bench/kernel.tsv has all numbers,
# build/bench/kernel.svg a chart of what rseq adds.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

out=$build/bench
here=$top/lab/bench
quick=${QUICK:-}
kernels=${KERNELS:-bare stock ours}
only=${ROWS:-}
for kernel in $kernels; do
	case $kernel in
	bare | stock | ours) ;;
	*) die "KERNELS=$kernel: there are bare, stock and ours" ;;
	esac
done

# rows CPUS [trace]: the names of the rows for so many CPUs, those that use up
# process IDs last: the cost of looking one up grows with its size.
rows() {
	awk -v cpus="$1" -v trace="${2:-}" -v only=" $only " '
	/^#/ { next }
	only != "  " && !index(only, " " $1 " ") { next }
	$2 == cpus && (trace == "" || $3 == trace) { print $1 }
	' "$here/rows" | tr '\n' ' '
}
for row in $only; do
	awk -v name="$row" '$1 == name { found = 1 } END { exit !found }' \
		"$here/rows" || die "ROWS=$row: lab/bench/rows has no such row"
done

size="-e 500 -r 4"
threads="2 4 8 16 32 64" cpus="2 4 8 16"
if [ -n "$quick" ]; then
	size="-e 100 -r 2"
	threads=64 cpus=16
fi
crowds=
[ -n "$only" ] || crowds=$(for n in $threads; do
	printf 'switch-%s signal-%s ' "$n" "$n"
done)

BENCH=1 "$top/lab/deps.sh"
for kernel in $kernels; do
	[ -n "${PREBUILT:-}" ] || "$top/lab/guest/kernel.sh" "$kernel"
done

mkdir -p "$out"
lock "$out.lock"
rm -rf "$out"
mkdir -p "$out/run1" "$out/run2" "$out/trace" "$build/log/bench"
programs() {
	gcc -O2 -Wall -Wextra -static -pthread -o "$out/events" \
		"$here/events.c" &&
		gcc -O2 -Wall -Wextra -static -nostdlib -o "$out/nothing" \
			"$here/nothing.c"
}
logged bench/programs programs

# measure KERNEL CPUS RUN ROW...: what events prints, in $out/RUN/KERNEL.CPUS.
# It runs in memory, with nothing in the way that differs from boot to boot.
measure() {
	kernel=$1 n=$2 run=$3
	shift 3
	[ $# != 0 ] || return 0
	ICOUNT=1 SMP=$n LOG="bench/$run.$kernel.$n" TIMEOUT="${TIMEOUT:-1800}" \
		APPEND="norandmaps loglevel=5 ${APPEND:-}" \
		CMD="cp $out/events $out/nothing /dev/shm && cd /dev/shm &&
			GLIBC_TUNABLES=glibc.pthread.rseq=0 ./events $size $*" \
		"$top/lab/guest/boot.sh" "$kernel" >"$out/$run/$kernel.$n.new" ||
		die "$kernel: the measurement failed; the lines above say why"
	mv "$out/$run/$kernel.$n.new" "$out/$run/$kernel.$n"
}

# all KERNEL RUN: all that is measured of a kernel in one run.
# shellcheck disable=SC2046,SC2086
all() {
	measure "$1" 1 "$2" $crowds $(rows 1)
	measure "$1" 2 "$2" $(rows 2) ${crowds:+switch-2 signal-2}
	[ -n "$only" ] || for n in $cpus; do
		[ "$n" = 2 ] || measure "$1" "$n" "$2" switch-2 signal-2
	done
}

# one KERNEL: both runs, and the paths.
one() {
	all "$1" run1
	step "$1: first run done"
	if [ -z "$quick" ] || [ "$1" = ours ]; then
		all "$1" run2
		step "$1: second run done"
	fi
	: >"$out/$1.counts"
	[ -n "$(rows 1 trace)" ] || return 0
	# shellcheck disable=SC2046
	"$here/trace.sh" "$1" $(rows 1 trace) >"$out/$1.counts"
	step "$1: paths done"
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
	task=$(nm -S "$object/vmlinux.o" | awk '$NF == "init_task" { print $2 }')
	printf 'task_struct\t%s\t%d\n' "$1" "0x$task"
}

step "measure (consoles: $build/log/bench)"
jobs=
for kernel in $kernels; do
	(
		trap 'kill 0' TERM INT
		one "$kernel"
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

# Which instructions those are that a path has more than in bare.
for path in "$out"/trace/stock.* "$out"/trace/ours.*; do
	row=${path##*/}
	row=${row#*.}
	bare=$out/trace/bare.${row%.*}.none
	if [ -f "$bare" ] && [ -f "$path" ]; then
		"$here/added.sh" "$bare" "$path" >"$path.added"
	fi
done

# A path has instructions without effect where the time slice extension comes in
# as soon as somebody enables it.
: >"$out/no-ops"
for mode in none 32 extended; do
	before=$out/trace/ours.preempt.$mode after=$out/trace/ours.unasked.$mode
	if [ -f "$before" ] && [ -f "$after" ]; then
		"$here/added.sh" "$before" "$after" >"$after.enabled"
		printf '%s\t%d\n' "$mode" "$(grep -cE '^- .*(nop|xchg +%ax,%ax)' \
			"$after.enabled")" >>"$out/no-ops"
	fi
done

awk -f "$here/repeat.awk" "$here/rows" "$out"/run2/* ||
	die "two boots of one kernel do not agree; the rows are above"

rm -f "$out/chart"
awk -v TSV="$out/kernel.tsv" -v CHART="$out/chart" \
	-f "$here/table.awk" "$here/rows" "$out/sizes" "$out/no-ops" "$out"/*.counts \
	"$out"/run1/* >"$out/table.md"
cat "$out/table.md"
# Some rows are not in it.
if [ "$kernels" = "bare stock ours" ] && [ -s "$out/chart" ]; then
	gnuplot -e "in='$out/chart'; out='$out/kernel.svg'" "$here/chart.gp"
	step "chart: $out/kernel.svg"
fi
step "all numbers: $out/kernel.tsv; paths: $out/trace"
