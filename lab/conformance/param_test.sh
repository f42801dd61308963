#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# param_test.sh: in the directory of the kselftest param_test, what its own
# run_param_test.sh does, cut to fit: each of its tests in each of its four
# programs, with 8 threads and 20 repetitions instead of 24 and 1000, and with
# all its disturbances at once (delays, yields, signals and sleeps, each the
# second time that a thread comes by) instead of one after the other.
set -u
for program in param_test param_test_compare_twice param_test_mm_cid \
	param_test_mm_cid_compare_twice; do
	for test in s l b 'b -M' m 'm -M' i r; do
		set -- -r 20 -t 8 -1 100 -2 100 -3 100 -4 100 -5 100 -6 100 \
			-7 -1 -8 -1 -9 -1 -m 2 -y -k -s 1
		# shellcheck disable=SC2086
		"./$program" -T $test "$@" || {
			status=$?
			echo "$program -T $test $*: exit status $status"
			exit 1
		}
	done
done
