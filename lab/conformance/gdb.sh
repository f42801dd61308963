#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# gdb.sh DIRECTORY: attach gdb to a program that runs a critical section, look
# at what section.gdb looks at, detach, and see that the program still works.
set -u
here=$(cd "$(dirname "$0")" && pwd)
"$1/section" &
pid=$!

debugger() {
	gdb -nx -q -batch -p "$pid" "$@" </dev/null
}

result=0
said=$(debugger -x "$here/section.gdb" 2>&1) || result=1
echo "$said"
case $said in
*'as promised') ;;
*) result=1 ;;
esac
# It goes on, and counts, until it is told to stop, and counted right.
# shellcheck disable=SC2016
debugger -ex 'set $before = committed' -ex 'break *section_arm' \
	-ex continue -ex continue -ex continue \
	-ex 'printf "%d more\n", committed > $before' \
	-ex 'set var finish = 1' -ex delete -ex detach 2>&1 |
	grep -x '1 more' || result=1
[ "$result" = 0 ] || kill "$pid"
wait "$pid" || result=1
exit "$result"
