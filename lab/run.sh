#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# run.sh demo|test|shell: what `make run`, `make test` and `make shell` do, from
# a fresh clone on.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/lab/lib.sh"

demo() {
	"$top/lab/guest/kernel.sh" ours
	"$top/lab/guest/programs.sh" samples
	step "boot it and run percpu_counter_demo"
	CMD=percpu_counter_demo exec "$top/lab/guest/boot.sh" ours
}

shell() {
	"$top/lab/guest/kernel.sh" ours
	"$top/lab/guest/programs.sh" samples selftests
	step "boot it; exit ends it"
	CMD='' exec "$top/lab/guest/boot.sh" ours
}

[ $# = 1 ] || die "usage: run.sh demo|test|shell"
"$top/lab/deps.sh"
case $1 in
demo | shell) "$1" ;;
test) exec "$top/lab/test/run.sh" ;;
*) die "$1: there are demo, test and shell" ;;
esac
