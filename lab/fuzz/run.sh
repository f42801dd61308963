#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# run.sh: run the fuzzer in our kernel, with random seeds.
#
#   SECONDS=60	how long
#   SEED=n	the first seed; without it, the time
#
# A seed that surprises is printed with the least that shows it again, and how
# to play that: make boot CMD='fuzz -v -r ...'.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

# The variable counts up in some shells, whether the caller had it or not.
seconds=$(printenv SECONDS || :)
seconds=${seconds:-60} seed=${SEED:-$(date +%s)000000}
for number in "$seconds" "$seed"; do
	case $number in
	*[!0-9]* | '') die "$number: SECONDS and SEED are numbers" ;;
	esac
done
[ "$seconds" -gt 0 ] || die "SECONDS=$seconds: that is no time to play anything"
"$top/lab/deps.sh"
"$top/lab/guest/kernel.sh" ours
"$top/lab/guest/programs.sh" fuzz
step "fuzz for $seconds s of the guest's time, from seed $seed on"
mkdir -p "$build/log"
play() {
	{
		status=0
		CMD="fuzz -t $seconds -s $seed" LOG=fuzz \
			TIMEOUT=$((10 * seconds + 120)) \
			"$top/lab/guest/boot.sh" ours || status=$?
		echo "$status" >"$build/log/fuzz.status"
	} | tee "$build/log/fuzz.out"
	return "$(cat "$build/log/fuzz.status")"
}
retry fuzz play
grep -qE '^[1-9][0-9]* cases in ' "$build/log/fuzz.out" ||
	die "no case was played"
