#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# run.sh: make each one-line mistake of the list in a copy of the overlay, build
# that, and run the tests and the fuzzer until one of them notices. Prints
# caught or survived for each; fails if one survived.
#
#   MUTANTS='name...'	only these
#
# The kernels are built apart, in build/mutants.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

list=$top/lab/mutants/list
work=$build/mutants
names=$(sed -n 's/^\([a-z_]*\) .*/\1/p' "$list")
for name in ${MUTANTS:-}; do
	grep -q "^$name " "$list" ||
		die "MUTANTS=$name: no such mutant; there are $(echo "$names" | tr "\n" " ")"
done

"$top/lab/deps.sh"
"$top/lab/guest/kernel.sh" ours
"$top/lab/guest/programs.sh" selftests fuzz
mkdir -p "$work"
lock "$work.lock"
export CCACHE_DIR="${CCACHE_DIR:-$build/ccache}"

# overlay: a fresh copy of what lands in the kernel.
overlay() {
	rm -rf "$work/overlay"
	mkdir "$work/overlay"
	(cd "$top" && find . \( -path ./build -o -path ./.git -o -path ./lab \) \
		-prune -o -type f -print | tar -cf - -T -) |
		tar -C "$work/overlay" -xf -
}

# The quick tests first; what a test says when it fails is its name.
tests='register_test ids_test abort_test fatal_test lifetime_test membarrier_test
	ptrace_test modes_test memory_test commit_test'
# shellcheck disable=SC2016
command='cd "$dir" || exit
for test in $tests; do
	timeout 120 "./$test" >/run/said 2>&1 && continue
	echo "caught by $test"
	exit 1
done
"$fuzz" -t 20 >/run/said 2>&1 && exit
echo "caught by the fuzzer"
exit 1'
command="dir='$build/selftests/rseq' fuzz='$build/fuzz/fuzz' tests='$tests'
$command"

# try NAME: build the overlay and look at it; what noticed goes to stdout.
try() {
	# Not to be built is a way to be caught, and to be hung another.
	BUILD=$work OVERLAY=$work/overlay "$top/lab/guest/kernel.sh" ours \
		>"$work/$1.log" 2>&1 || {
		echo "caught by the compiler"
		return
	}
	status=0
	said=$(BUILD=$work CMD=$command LOG="mutant-$1" TIMEOUT=900 \
		APPEND=kunit.enable=1 "$top/lab/guest/boot.sh" ours \
		2>>"$work/$1.log") || status=$?
	if grep -q '^ *not ok ' "$work/log/mutant-$1.log"; then
		echo "caught by KUnit"
	elif [ -n "$said" ]; then
		echo "$said" | tail -n 1
	elif [ "$status" = 0 ]; then
		echo survived
	elif [ "$status" = 124 ]; then
		echo "caught: the guest hung"
	else
		echo "caught: the kernel complained"
	fi
}

# The trees are shared with the ones of the build, file by file.
if [ ! -d "$work/tree" ]; then
	mkdir -p "$work/tree"
	cp -al "$build/tree/." "$work/tree/"
fi
overlay
step "the tests without any mistake"
verdict=$(try none)
[ "$verdict" = survived ] ||
	die "without a mistake: $verdict; the tests have to pass first ($work/none.log)"

caught=0 survived=0
for name in ${MUTANTS:-$names}; do
	line=$(grep "^$name " "$list")
	rest=${line#* }
	file=${rest%% *}
	script=${rest#* }
	overlay
	sed "$script" "$top/$file" >"$work/overlay/$file"
	changed=$(diff "$top/$file" "$work/overlay/$file" | grep -c '^>' || :)
	[ "$changed" = 1 ] ||
		die "$name: changes $changed lines of $file, not 1; correct it in ${list#"$top"/}"
	verdict=$(try "$name")
	step "$name: $verdict"
	case $verdict in
	survived) survived=$((survived + 1)) ;;
	*) caught=$((caught + 1)) ;;
	esac
done
echo "$caught caught, $survived survived"
[ "$survived" = 0 ]
