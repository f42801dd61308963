#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# matrix.sh: build our kernel in each configuration of lab/matrix, boot it, and
# run the self-tests in it; MATRIX='name...' takes only these.
#
# Prints a line for each configuration, and fails if one of them did.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

all=$(cd "$top/lab/matrix" && for file in *.config; do echo "${file%.config}"; done)
for name in ${MATRIX:-}; do
	[ -f "$top/lab/matrix/$name.config" ] ||
		die "MATRIX=$name: there is no such configuration; there are $(echo $all)"
done

"$top/lab/guest/kernel.sh" ours
"$top/lab/guest/programs.sh" selftests bare_test init32
mkdir -p "$build/log"

# nothing_skipped WHAT: of the tests that need this.
nothing_skipped() {
	! grep -E "# SKIP.*($1)" "$build/log/test-$KERNEL"/*_test*.log || {
		echo "these must not be skipped here"
		return 1
	}
}

# tests NAME: what a configuration has to pass.
tests() {
	KERNEL=ours-$1
	APPEND=
	export KERNEL APPEND
	case $1 in
	no-rseq)
		retry "$1" env \
			CMD="$build/bare_test/bare_test && $build/bare_test/bare_test_32" \
			"$top/lab/guest/boot.sh" "$KERNEL"
		;;
	stats)
		"$top/lab/test/run.sh" && nothing_skipped \
			"CONFIG_RSEQ_STATS|CONFIG_FTRACE|exception-trace"
		;;
	core-scheduling)
		THREADS=2 "$top/lab/test/run.sh" &&
			nothing_skipped CONFIG_SCHED_CORE
		;;
	up) SMP=1 "$top/lab/test/run.sh" ;;
	nohz-full) APPEND=nohz_full=1-3 "$top/lab/test/run.sh" ;;
	*) "$top/lab/test/run.sh" ;;
	esac
}

failed=
for name in ${MATRIX:-$all}; do
	log=$build/log/matrix-$name.log
	if ! "$top/lab/guest/kernel.sh" ours "$top/lab/matrix/$name.config"; then
		failed="$failed $name"
		printf '%-14s does not build\n' "$name"
		continue
	fi
	step "test ours-$name"
	if tests "$name" >"$log" 2>&1; then
		printf '%-14s %s\n' "$name" "$(tail -n 1 "$log")"
	else
		failed="$failed $name"
		printf '%-14s FAILED: %s\n' "$name" "$(tail -n 1 "$log")"
		grep -E '^ *not ok|failed \(' "$log" | head -n 20 || :
		echo "the whole log is $log"
	fi
done
[ -z "$failed" ] || die "failed:$failed"
