#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# run.sh: build what is tested and test it; TESTS='name...' runs only these.
# KERNEL=ours-NAME: only KUnit and the kselftests, in that kernel, which is there.
#
# The lab's own tests (lab/test), the bare kernel, the KUnit results of a boot
# of ours, then each kselftest program in a guest of its own, those of statistics
# and tracepoints in a kernel that has these. One line for each program, its whole
# output when it failed, and at last `N passed, M failed`. A program that does not
# complete its plan has failed.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

passed=0 failed=0 skipped=0
wanted=${TESTS:-}
kernel=${KERNEL:-ours}
log=test
[ "$kernel" = ours ] || log=test-$kernel
results=$build/log/$log
mkdir -p "$results"

# any NAME...: is one of these to be run?
any() {
	[ -n "$wanted" ] || return 0
	for each in $wanted; do
		case " $* " in
		*" $each "*) return 0 ;;
		esac
	done
	return 1
}

# tally NAME STATUS FILE: count what a program printed, and say so.
tally() {
	counts=$(awk -f "$top/lab/test/count.awk" "$3")
	wrong=${counts#*;}
	[ "$wrong" != "$counts" ] || wrong=
	# shellcheck disable=SC2086
	set -- "$1" "$2" "$3" ${counts%%;*}
	# A program must say itself which of its tests failed; one that died
	# has at least that against it.
	if [ "$2" != 0 ] && [ "$5" = 0 ]; then
		wrong="$wrong; exit status $2"
	fi
	[ -z "$wrong" ] || set -- "$1" "$2" "$3" "$4" $(($5 + 1)) "$6"
	passed=$((passed + $4)) failed=$((failed + $5))
	skipped=$((skipped + $6))
	verdict="$4 passed, $5 failed"
	[ "$6" = 0 ] || verdict="$verdict, $6 skipped"
	step "$1: $verdict${wrong:+ (${wrong# })}"
	[ "$5" = 0 ] || sed 's/^/    /' "$3"
}

# said COMMAND...: run it, with all that it says in the log of the program.
said() {
	"$@" >"$results/$program.log" 2>&1
}

# program NAME COMMAND...: run a TAP program and count it.
program() {
	program=$1
	shift
	any "$program" || return 0
	status=0
	retry "$program" said "$@" || status=$?
	tally "$program" "$status" "$results/$program.log"
}

# guest NAME KERNEL COMMAND [PROGRAM [ARGUMENTS]]: the same, in a guest, whose kernel
# gets these arguments.
guest() {
	program "$1" env CMD="$3" PROGRAM="${4:-}" LOG="$log/$1.console" \
		APPEND="${5:-} ${APPEND:-}" \
		TIMEOUT="${TIMEOUT:-$seconds}" "$top/lab/guest/boot.sh" "$2"
}

seconds=120
own=$(cd "$top/lab/test" && for file in *.sh; do
	case $file in
	run.sh | tap.sh) ;;
	*) echo "${file%.sh}" ;;
	esac
done)

# What needs statistics and tracepoints, of which the other kernel is free.
observing=
for name in stats_test trace_test slice_test log_test; do
	observing="$observing $name-stats ${name}_32-stats"
done

# known: the names of all that there is for this kernel, a line each.
known() {
	echo kunit
	[ "$kernel" != ours ] ||
		printf '%s\n' check-bare bare bare32 $own model fuzz fuzz_32 \
			conformance $observing
	sed 's/:/ /' "$build/selftests/kselftest-list.txt" 2>/dev/null |
		while read -r dir name; do
			echo "$name"
			file=$name
			[ -z "$bits32" ] || file=${name%_32}
			sed "s/^/$name-/" "$build/selftests/$dir/$file.arguments" \
				2>/dev/null || :
		done
}
if [ "$kernel" = ours ]; then
	"$top/lab/guest/kernel.sh" ours
	"$top/lab/guest/programs.sh" selftests bare_test fuzz
fi
# A 32-bit kernel has only the 32-bit programs.
bits32=
! grep -q '^CONFIG_X86_32=y' "$build/kernel/$kernel/.config" || bits32=1
for name in $wanted; do
	known | grep -qxF -e "$name" ||
		die "TESTS=$name: there is no such test; there are $(known | tr '\n' ' ')"
done

if [ "$kernel" = ours ]; then
	if any bare bare32 check-bare guest source rebuild samples; then
		"$top/lab/guest/kernel.sh" bare
	fi

	# The tree without rseq.
	check_bare() {
		printf 'TAP version 13\n1..1\n'
		"$top/lab/base/check-bare.sh" "$build/tree/bare" ||
			printf 'not '
		printf 'ok 1 no rseq is left in the bare tree\n'
	}
	program check-bare check_bare
	guest bare bare "$build/bare_test/bare_test"
	guest bare32 bare "$build/bare_test/bare_test_32"

	# The lab.
	for name in $own; do
		program "$name" "$top/lab/test/$name.sh"
	done
	program model "$top/lab/model/run.sh"

	# Seeds that reach every kind of step, in 64 and in 32 bits.
	guest fuzz ours "fuzz -c '$top/lab/fuzz/corpus'"
	guest fuzz_32 ours "fuzz_32 -c '$top/lab/fuzz/corpus_32'"

	# The programs of others, on stock as well.
	program conformance "$top/lab/conformance/conformance.sh" short
fi

# KUnit reports on the console while the kernel boots.
kunit() {
	CMD=true PROGRAM=${bits32:+$build/init32/nothing} LOG=$log/kunit.console \
		APPEND="kunit.enable=1 ${APPEND:-}" \
		"$top/lab/guest/boot.sh" "$kernel" || return
	sed -n '/^ *KTAP version/,$p' "$results/kunit.console.log" |
		grep -E '^ *(KTAP version|1\.\.[0-9]|ok [0-9]|not ok [0-9]|# )'
}
if grep -q '^CONFIG_.*_KUNIT_TEST=y' "$build/kernel/$kernel/.config"; then
	program kunit kunit
fi

# The kselftests, each with its directory's own time limit.
for dir in "$build"/selftests/*/; do
	dir=${dir%/}
	[ -f "$dir/../kselftest-list.txt" ] || continue
	names=$(sed -n "s|^${dir##*/}:||p" "$dir/../kselftest-list.txt")
	[ -n "$names" ] || continue
	seconds=$(sed -n 's/^timeout=//p' "$dir/settings" 2>/dev/null || :)
	seconds=${seconds:-120}
	# The Makefile leaves these out where they cannot be built.
	echo "$names" | grep -q '_32$' ||
		die "${dir##*/}: there are no 32-bit programs; does gcc -m32 work?"
	for name in $names; do
		if [ -z "$bits32" ]; then
			command="cd '$dir' && ${SLOWNESS:+RSEQ_TEST_SLOWNESS=$SLOWNESS }./$name"
			file=
			arguments=$dir/$name.arguments
		elif [ "${name%_32}" != "$name" ]; then
			command=
			file=$dir/$name
			arguments=${file%_32}.arguments
		else
			continue
		fi
		guest "$name" "$kernel" "$command" "$file"
		# What it is to be run with once more.
		for argument in $(cat "$arguments" 2>/dev/null); do
			guest "$name-$argument" "$kernel" "$command" "$file" \
				"$argument"
		done
	done
done

if [ "$kernel" = ours ] && any $observing; then
	"$top/lab/guest/kernel.sh" ours "$top/lab/matrix/stats.config"
	for name in $observing; do
		guest "$name" ours-stats \
			"cd '$build/selftests/rseq' && ./${name%-stats}"
	done
fi

verdict="$passed passed, $failed failed"
[ "$skipped" = 0 ] || verdict="$verdict, $skipped skipped"
echo "$verdict"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
