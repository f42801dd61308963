#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What the scripts are given: what is wrong is named before any work is done.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

plan 15
# One that does nothing else than look at what all are given.
cat >"$tmp/nothing.sh" <<'END'
#!/bin/sh
set -eu
. "$top/lab/lib.sh"
echo "QUICK is ${QUICK-unset}"
END
chmod +x "$tmp/nothing.sh"
export top
fails "a number of jobs that is none" "JOBS=two: not a positive number" \
	env JOBS=two "$tmp/nothing.sh"
fails "no jobs" "JOBS=0: not a positive number" env JOBS=0 "$tmp/nothing.sh"
fails "a slowness that is no number" "SLOWNESS=-1: not a positive number" \
	env SLOWNESS=-1 "$tmp/nothing.sh"
fails "a slowness beyond what tests have time for" \
	"SLOWNESS=100: not a number from 1 to 99" \
	env SLOWNESS=100 "$tmp/nothing.sh"
fails "a switch that is neither on nor off" "QUICK=yes: 1 turns it on" \
	env QUICK=yes "$tmp/nothing.sh"
off() {
	QUICK=0 "$tmp/nothing.sh" | grep -x "QUICK is unset"
}
passes "0 turns a switch off" off

fails "a time that would be taken for octal" "SECONDS=08: not a positive number" \
	env SECONDS=08 "$top/lab/fuzz/run.sh"
fails "a seed that is none" "SEED=first: not a number" \
	env SEED=first "$top/lab/fuzz/run.sh"
fails "a regular expression for a mutant" "MUTANTS=slice.expiry: no such mutant" \
	env MUTANTS=slice.expiry "$top/lab/mutants/run.sh" check
fails "a relative prefix with a destination" "PREFIX=usr: not an absolute path" \
	env PREFIX=usr DESTDIR="$tmp/root" "$top/lab/series/install-man.sh"
fails "a relative destination" "DESTDIR=root: not an absolute path" \
	env DESTDIR=root "$top/lab/install-headers.sh"
passes "nothing was installed" test ! -e "$tmp/root" -a ! -e root

fails "a configuration without an option" "README.md: has no line like" \
	"$top/lab/guest/kernel.sh" ours "$top/README.md"
fails "a test that there is not" "TESTS=abort_tests: there is no such test" \
	env TESTS='abort_test abort_tests' "$top/lab/test/run.sh"
fails "a time limit that is no number" "TIMEOUT=long: not a positive number" \
	env CMD=true TIMEOUT=long "$top/lab/guest/boot.sh" ours
