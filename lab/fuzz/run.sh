#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# run.sh: run the fuzzer in our kernel, with random seeds: three quarters of the
# time in 64 bits, and the rest in 32.
#
#   SECONDS=60	how long
#   SEED=n	the first seed; without it, the time
#
# Prints the executions per second, and the total of this build directory, which is
# kept in build/fuzz.total.
#
# A seed that surprises is printed with the least that shows it again, and how
# to play that: make boot CMD='fuzz -v -r ...'.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

# The variable counts up in some shells, whether the caller had it or not.
seconds=$(printenv SECONDS || :)
seconds=${seconds:-60} seed=${SEED:-$(date +%s)000000}
number SECONDS "$seconds"
case $seed in
*[!0-9]* | ????????????????????*) die "SEED=$seed: not a number below 10^19" ;;
esac
"$top/lab/deps.sh"
"$top/lab/guest/kernel.sh" ours
"$top/lab/guest/programs.sh" fuzz
step "fuzz for $seconds s of the guest's time, from seed $seed on"
mkdir -p "$build/log"
short=$((seconds / 4 + 1))
said=$build/log/fuzz.said
play() {
	CMD="fuzz -t $((seconds - short + 1)) -s $seed; status=\$?
		echo; echo in 32 bits:
		fuzz_32 -t $short -s $seed || status=\$?
		exit \$status" LOG=fuzz TIMEOUT=$((10 * seconds + 120)) \
		"$top/lab/guest/boot.sh" ours >"$said"
}
status=0
retry fuzz play || status=$?
cat "$said"

# Add up the last lines of the fuzzer, and those of earlier runs.
total=$build/fuzz.total
touch "$total"
sed -n 's/^\([0-9]*\) cases, \([0-9]*\) steps in \([0-9]*\) s: .*/\1 \2 \3/p' \
	"$said" >"$said.counts"
played=$(awk '{ n += $1 } END { print n + 0 }' "$said.counts")
awk '{
	cases += $1; steps += $2; seconds += $3
} END {
	print cases + 0, steps + 0, seconds + 0
}' "$total" "$said.counts" >"$total.new"
mv "$total.new" "$total"
read -r cases steps all <"$total"
echo "$cases cases, $steps steps in $all s, all runs together"
[ "$played" != 0 ] || die "no case was played"
exit "$status"
