#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The counting of results, on which the verdict of all tests stands.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

plan 9

# counts NAME RESULT LINE...: these lines of TAP are counted so.
counts() {
	name=$1 result=$2
	shift 2
	printf '%s\n' "$@" | awk -f "$top/lab/test/count.awk" >"$tmp/counted"
	printf '%s\n' "$result" >"$tmp/expected"
	passes "$name" diff "$tmp/expected" "$tmp/counted"
}

counts "passed, failed and skipped" "1 1 1" \
	"TAP version 13" 1..3 "ok 1 a" "not ok 2 b" "ok 3 c # SKIP why"
counts "a plan that is not completed" "1 0 0; 2 tests planned, 1 seen" \
	1..2 "ok 1 a"
counts "more than was planned" "2 0 0; 1 tests planned, 2 seen" \
	1..1 "ok 1 a" "ok 2 b"
counts "no plan" "1 0 0; no plan" "ok 1 a"
counts "nothing at all" "0 0 0; no tests seen" "Segmentation fault"
counts "all skipped" "0 0 1" "1..0 # SKIP why"
counts "giving up" "1 0 0; Bail out! why" 1..1 "ok 1 a" "Bail out! why"
counts "a list in a list is counted once" "3 1 1" "KTAP version 1" 1..1 \
	"    KTAP version 1" "    1..3" "    ok 1 a" "        ok 1 x" \
	"        ok 2 y # SKIP why" "    not ok 2 b" "    ok 3 c" "not ok 1 suite"
counts "and must be complete" "1 0 0; 2 tests planned, 1 seen" \
	"KTAP version 1" 1..1 "    1..2" "    ok 1 a" "ok 1 suite"
