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

# shellcheck disable=SC3028
seconds=${SECONDS:-60} seed=${SEED:-$(date +%s)000000}
for number in "$seconds" "$seed"; do
	case $number in
	*[!0-9]* | '') die "$number: SECONDS and SEED are numbers" ;;
	esac
done
"$top/lab/deps.sh"
"$top/lab/guest/kernel.sh" ours
"$top/lab/guest/programs.sh" fuzz
step "fuzz for $seconds s of the guest's time, from seed $seed on"
CMD="fuzz -t $seconds -s $seed" LOG=fuzz TIMEOUT=$((10 * seconds + 120)) \
	exec "$top/lab/guest/boot.sh" ours
