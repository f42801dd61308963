#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The threat model: each test that it names is there.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

plan 4
page=$top/Documentation/userspace-api/rseq-security.rst
selftests=$top/tools/testing/selftests/rseq

# named PAGE: what stands in brackets, as lines of a program and one test of it.
named() {
	tr '\n' ' ' <"$1" | grep -oE '\[[a-z0-9]+(_test)?: [^]]*\]' |
		tr -d '[]' | tr ';' '\n' | awk '{
			program = $1
			sub(/:$/, "", program)
			for (i = 2; i <= NF; i++) {
				sub(/,$/, "", $i)
				print program, $i
			}
		}'
}

# there PROGRAM TEST: is it one of kernel/rseq_test.c, or of a self-test, where
# its name may stand behind that of the fixture?
there() {
	if [ "$1" = kunit ]; then
		grep -qF "KUNIT_CASE($2)" "$top/kernel/rseq_test.c"
		return
	fi
	case $2 in
	*.*) name="${2%.*}, ${2#*.}" ;;
	*) name="([a-z_]+, )?$2" ;;
	esac
	grep -qE "^TEST(_F|_F_TIMEOUT)?\(${name}[,)]" "$selftests/$1.c"
}

all_there() {
	named "$1" | while read -r program test; do
		there "$program" "$test" || {
			echo "no such test: $program: $test"
			exit 1
		}
	done
}

passes "it names tests" sh -c "[ $(named "$page" | wc -l) -gt 50 ]"
passes "they are there" all_there "$page"
echo 'It cannot. [fatal_test: version, armed.version]' >"$tmp/wrong.rst"
fails "another one would be found" "fatal_test: armed.version" \
	all_there "$tmp/wrong.rst"
echo 'It cannot. [kunit: rseq_test_nothing]' >"$tmp/wrong.rst"
fails "also of KUnit" "kunit: rseq_test_nothing" all_there "$tmp/wrong.rst"
