#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The tests of rseq.h, built as C++ and by clang.

cd "$(dirname "$0")" || exit 1

printf 'TAP version 13\n1..4\n'
count=0 failed=0
for build in cxx clang; do
	for test in inject_test ops_test; do
		count=$((count + 1))
		program=${test}_$build
		if [ ! -x "$program" ]; then
			echo "ok $count $program # SKIP not built, there was no such compiler"
		elif output=$("./$program" 2>&1); then
			echo "ok $count $program"
		else
			printf '%s\n' "$output" | sed 's/^/# /'
			echo "not ok $count $program"
			failed=1
		fi
	done
done
exit "$failed"
