#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# run.sh: make each one-line mistake of the list in a copy of the overlay, build
# that, and run the tests and the fuzzer until one of them notices. Prints
# survived for each, or what caught it, and how many seconds of the guest's time
# that took; fails if one survived. What does not build, or cannot be judged, is an
# error of the list.
#
#   MUTANTS='name...'	only these
#   AT_ONCE=1		how many are built and tested side by side
#
# The kernels are built apart, in build/mutants, and build/mutants.2 and so on
# for those beside it.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

list=$top/lab/mutants/list
at_once=${AT_ONCE:-1}
names=$(sed -n 's/^\([a-z0-9_]*\) .*/\1/p' "$list")
for name in ${MUTANTS:-}; do
	echo "$names" | grep -qxF -e "$name" ||
		die "MUTANTS=$name: no such mutant; there are $(echo "$names" | tr "\n" " ")"
done
number AT_ONCE "$at_once" 99

# entry NAME: its file, test and script.
entry() {
	rest=$(grep "^$1 " "$list")
	rest=${rest#* }
	file=${rest%% *}
	rest=${rest#* }
	test=${rest%% *}
	script=${rest#* }
}

# One that cannot be made is found now, not after an hour.
for name in ${MUTANTS:-$names}; do
	entry "$name"
	changed=$(sed "$script" "$top/$file" | diff "$top/$file" - |
		grep -c '^>' || :)
	[ "$changed" = 1 ] ||
		die "$name: changes $changed lines of $file, not 1; correct it in ${list#"$top"/}"
done
[ "${1:-}" != check ] || exit 0

"$top/lab/deps.sh"
"$top/lab/guest/kernel.sh" ours
"$top/lab/guest/programs.sh" selftests fuzz
mkdir -p "$build/mutants"
lock "$build/mutants.lock"
export CCACHE_DIR="${CCACHE_DIR:-$build/ccache}"

# place N: work in the directory of the Nth that goes on at once. The trees are
# shared with the ones of the build, file by file.
place() {
	work=$build/mutants
	[ "$1" = 1 ] || work=$work.$1
	mkdir -p "$work"
	[ ! -d "$work/tree" ] || return 0
	rm -rf "$work/tree.new"
	cp -al "$build/tree" "$work/tree.new"
	mv "$work/tree.new" "$work/tree"
}

# overlay: a fresh copy of what lands in the kernel.
overlay() {
	rm -rf "$work/overlay"
	mkdir "$work/overlay"
	(cd "$top" && find . \( -path ./build -o -path ./.git -o -path ./lab \) \
		-prune -o -type f -print | tar -cf - -T -) |
		tar -C "$work/overlay" -xf -
}

# The test that the list names, the fuzzer, then the quick ones. Those of two
# features come last.
tests='register_test ids_test abort_test fatal_test lifetime_test membarrier_test
	ptrace_test modes_test memory_test commit_test debug_test segment_test
	slice_test'
tests_of() {
	echo "$1 fuzz"
	for test in $tests; do
		[ "$test" = "$1" ] || echo "$test"
	done
}
# A test that fails now and then has not noticed anything: it must fail twice,
# the second time by itself. A program is stopped when its first test fails.
# shellcheck disable=SC2016
command='cd "$dir" || exit
caught() {
	echo "caught by $1, $2 s after the boot"
	exit 1
}
now() {
	read -r up _ </proc/uptime
	echo "${up%.*}"
}
run() {
	case $test in
	fuzz) set -- "$fuzz" -t 20 ;;
	*) set -- "./$test" "$@" ;;
	esac
	timeout -k 1 120 "$@" >/run/said 2>&1 &
	while sleep 0.3; kill -0 $! 2>/dev/null; do
		! grep -q "^not ok" /run/said || {
			kill $!
			break
		}
	done
	wait $!
	status=$?
	pkill -KILL -x "$test"
	[ "$status" = 0 ] || [ "$status" = 4 ]
}
! dmesg | grep -q " *not ok [0-9]" || caught KUnit 0
for test in $tests; do
	for try in 1 2; do
		! run || continue 2
		at=$(now)
		failed=$(sed -n "/^not ok/{s/^not ok [0-9]* [^ ]*\.\([^ .]*\).*/\1/p;q}" /run/said)
		run ${failed:+-t "$failed"} || caught "$test${failed:+.$failed}" "$at"
	done
done
exit 0'

# look NAME TEST[+ARGUMENT]: boot the kernel, with that argument, and run the tests,
# with the verdict in the file verdict.
look() {
	argument=${2#"${2%%+*}"}
	began=$(date +%s)
	status=0
	BUILD=$work LOG="mutant-$1" TIMEOUT=1200 \
		CMD="dir='$build/selftests/rseq' fuzz='$build/fuzz/fuzz'
			tests='$(tests_of "${2%%+*}")'
			$command" \
		APPEND="kunit.enable=1 ${argument#+}" "$top/lab/guest/boot.sh" ours \
		>"$work/said" 2>>"$work/$1.log" || status=$?
	took=$(($(date +%s) - began))
	case $status in
	0) echo survived ;;
	124) echo "caught: the guest hung" ;;
	125) echo "caught: the kernel complained, within $took s" ;;
	*) grep '^caught ' "$work/said" || echo "status $status" ;;
	esac >"$work/verdict"
	return "$status"
}

# try NAME TEST: build the overlay and look at it; what noticed goes to stdout.
# What the kernel's end noticed must show twice as well.
try() {
	BUILD=$work OVERLAY=$work/overlay "$top/lab/guest/kernel.sh" ours \
		>"$work/$1.log" 2>&1 || {
		echo "does not build"
		return
	}
	for _ in 1 2; do
		retry "$1" look "$1" "$2" || :
		case $(cat "$work/verdict") in
		"caught: "*) ;;
		*) break ;;
		esac
	done
	cat "$work/verdict"
}

# some N: each AT_ONCEth mutant from the Nth on, with the verdicts in a file.
some() {
	place "$1"
	: >"$work/verdicts"
	n=0
	for name in ${MUTANTS:-$names}; do
		n=$((n % at_once + 1))
		[ "$n" = "$1" ] || continue
		entry "$name"
		overlay
		sed "$script" "$top/$file" >"$work/overlay/$file"
		verdict=$(try "$name" "$test")
		step "$name: $verdict"
		case $verdict in
		survived | caught*) ;;
		*) die "$name: $verdict; correct it in ${list#"$top"/} ($work/$name.log)" ;;
		esac
		echo "$verdict" >>"$work/verdicts"
	done
}

place 1
overlay
step "the tests without any mistake"
verdict=$(try none register_test)
[ "$verdict" = survived ] ||
	die "without a mistake: $verdict; the tests have to pass first ($work/none.log)"

jobs=
i=0
while [ "$i" -lt "$at_once" ]; do
	i=$((i + 1))
	(
		trap 'kill 0' TERM INT
		some "$i"
	) &
	jobs="$jobs $!"
done
status=0
for job in $jobs; do
	wait "$job" || status=1
done
[ "$status" = 0 ] || exit 1

caught=0 survived=0
i=0
while [ "$i" -lt "$at_once" ]; do
	i=$((i + 1))
	place "$i"
	while read -r verdict; do
		case $verdict in
		survived) survived=$((survived + 1)) ;;
		*) caught=$((caught + 1)) ;;
		esac
	done <"$work/verdicts"
done
echo "$caught caught, $survived survived"
[ "$survived" = 0 ]
