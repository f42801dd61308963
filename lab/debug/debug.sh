#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# debug.sh: the self-tests, KUnit and the fuzzer's corpus in our kernel with the
# kernel's own checks turned on. Any report on the console is a failure.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

"$top/lab/deps.sh"
"$top/lab/guest/kernel.sh" ours
"$top/lab/guest/programs.sh" selftests fuzz
failed=
for name in debug csan; do
	"$top/lab/guest/kernel.sh" ours "$top/lab/debug/$name.config"
	# These kernels are several times as slow.
	export KERNEL="ours-$name" TIMEOUT="${TIMEOUT:-1200}"
	step "test $KERNEL"
	"$top/lab/test/run.sh" || failed="$failed $name"
	CMD="fuzz -c '$top/lab/fuzz/corpus'" LOG="fuzz-$name" \
		"$top/lab/guest/boot.sh" "$KERNEL" || failed="$failed $name-fuzz"
done
[ -z "$failed" ] || die "failed:$failed"
