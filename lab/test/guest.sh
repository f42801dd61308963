#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The guest: what a command sees, what comes back, and that a kernel that dies
# or hangs is a failure in bounded time. On the bare kernel, unless KERNEL says
# another.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

plan 19

# boot COMMAND: run it in the guest, as `make boot` does.
boot() {
	CMD=$1 LOG=boot-test "$top/lab/guest/boot.sh" "${KERNEL:-bare}"
}
# prints COMMAND TEXT: the command's output is TEXT and nothing else.
prints() {
	boot "$1" >"$tmp/printed" && printf '%s\n' "$2" | diff - "$tmp/printed"
}
with() {
	env "$@" LOG=boot-test "$top/lab/guest/boot.sh" "${KERNEL:-bare}"
}

passes "a command's output is all that is printed" prints "echo out; echo err >&2" "out
err"
# shellcheck disable=SC2016
passes "a command may hold any quoting" prints \
	'a='"'"'x  "y"'"'"'; printf "%s\n" "$a" "\$a"; [ 1 = 1 ] && echo `echo ok`' \
	'x  "y"
$a
ok'
for status in 0 1 255; do
	exits "exit status $status comes back" "$status" boot "exit $status"
done
passes "SMP and MEM are what was asked for, in two nodes" sh -c "
	SMP=6 MEM=512 LOG=boot-test CMD='nproc; ls -d /sys/devices/system/node/node[0-9]* | wc -l
		awk \"/MemTotal/ { print (\\\$2 > 400000 && \\\$2 < 524288) }\" /proc/meminfo' \
		'$top/lab/guest/boot.sh' '${KERNEL:-bare}' | tr '\n' ' ' | grep -x '6 2 1 '"
passes "the host's files are there, read-only underneath" sh -c "
	echo host >'$tmp/file'
	CMD='cat $tmp/file; echo guest >$tmp/file; cat $tmp/file' LOG=boot-test \
		'$top/lab/guest/boot.sh' '${KERNEL:-bare}' | tr '\n' ' ' |
		grep -x 'host guest ' && grep -x host '$tmp/file'"
passes "what a command leaves behind does not keep the guest alive" \
	boot "sleep 1000 & exit 0"
exits "a panic is a failure" 125 boot "echo c >/proc/sysrq-trigger"
passes "that shows the console" grep -q 'sysrq triggered crash' "$tmp/said"
exits "a warning on the console is a failure" 125 \
	boot "echo '<4>WARNING: as the kernel writes it' >/dev/kmsg"
passes "unless it is left to the caller to judge" with LATER="WARNING: as" \
	CMD="echo '<4>WARNING: as the kernel writes it' >/dev/kmsg"
exits "a call trace on the console is one, too" 125 \
	boot "echo '<4>Call Trace:' >/dev/kmsg"
passes "but not that of an OOM kill that was asked for" boot "sleep 1000 &
	echo 1000 >/proc/\$!/oom_score_adj; echo f >/proc/sysrq-trigger; ! wait \$!"
stall="echo '<3>rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
NMI backtrace for cpu 1 skipped: idling at default_idle+0xb/0x10
rcu: rcu_preempt kthread timer wakeup didn'\''t happen for 21021 jiffies!
Call Trace:' >/dev/kmsg"
exits "an idle CPU without its timer is worth another try" 123 boot "$stall"
exits "unless there is anything else to complain of" 125 \
	boot "$stall; echo '<4>WARNING: as the kernel writes it' >/dev/kmsg"
exits "a hang is a failure" 124 with TIMEOUT=20 CMD="kill -STOP \$\$"
exits "before it runs anything it is worth another try" 123 \
	with TIMEOUT=10 APPEND=init=/bin/cat CMD=true
exits "a guest that stops by itself is a failure" 125 boot "/bin/busybox reboot -f"
