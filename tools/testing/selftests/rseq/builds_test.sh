#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The tests of rseq.h in other builds: without rseq(), as C++, and by clang.

cd "$(dirname "$0")" || exit 1

printf 'TAP version 13\n1..6\n'
count=0 failed=0
for program in ops_fallback_test ops_fallback_test_32 inject_test_cxx \
	ops_test_cxx inject_test_clang ops_test_clang; do
	count=$((count + 1))
	if [ ! -x "$program" ]; then
		echo "ok $count $program # SKIP no such compiler when the tests were built"
	elif output=$("./$program" quick 2>&1); then
		echo "ok $count $program"
	else
		printf '%s\n' "$output" | sed 's/^/# /'
		echo "not ok $count $program"
		failed=1
	fi
done
exit "$failed"
