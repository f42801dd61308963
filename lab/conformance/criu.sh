#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# criu.sh DIRECTORY: checkpoint a process whose threads do nothing but count in
# per-CPU counters, restore it, and see that it goes on counting, right and
# registered. Three times: each finds the threads somewhere else.
set -u
tmp=$(mktemp -d)
cd "$tmp" || exit
setsid "$1/spin" "$tmp/out" </dev/null >/dev/null 2>&1 &
pid=$!

fail() {
	echo "$*"
	cat "$tmp/out"
	kill -9 "$pid" 2>/dev/null
	exit 1
}

# told SIGNAL: the line that it appends when it gets the signal. There is no
# hurry; guest.sh has the clock.
told() {
	lines=$(wc -l <out)
	kill "-$1" "$pid" || fail "spin is gone"
	while [ "$(wc -l <out)" = "$lines" ]; do
		sleep 0.1
		[ -d "/proc/$pid" ] || [ "$(wc -l <out)" != "$lines" ] ||
			fail "spin has ended"
	done
	tail -n 1 out
}

# SIGUSR1 has no handler before it is blocked.
while ! grep -qs ready out; do
	sleep 0.1
	[ -d "/proc/$pid" ] || fail "spin has ended"
done
for round in 1 2 3; do
	before=$(told USR1)
	mkdir "$round"
	criu dump -t "$pid" -D "$round" --manage-cgroups=ignore \
		-v4 -o log || {
		grep -E 'Error|Warn' "$round/log"
		fail "round $round: criu dump failed"
	}
	# The dump ends it; what is left must not keep its process ID.
	wait "$pid" 2>/dev/null
	[ ! -d "/proc/$pid" ] || fail "round $round: dumped, and still there"
	criu restore -d -D "$round" --manage-cgroups=ignore \
		-v4 -o restore.log || {
		grep -E 'Error|Warn' "$round/restore.log"
		fail "round $round: criu restore failed"
	}
	after=$(told USR1)
	echo "round $round: ${before% *} before, ${after% *} after"
	[ "${after% *}" -gt "${before% *}" ] ||
		fail "round $round: it does not count any more"
done
said=$(told TERM)
echo "$said"
case $said in
right) exit ;;
*" counted, "*" in the counters") ;;
*) exit 1 ;;
esac
# CRIU 3.17 asks whether a thread is in its section before it has its instruction
# pointer, and then resumes it there without a restart, on any kernel. Its log tells.
# shellcheck disable=SC2086
set -- $said
lost=$(($1 - $3))
inside=$(cat ./*/log | grep -c 'fixup_thread_rseq for .* IP = 0$')
echo "CRIU did not look where $inside threads were"
[ "$lost" -gt 0 ] && [ "$lost" -le "$inside" ]
