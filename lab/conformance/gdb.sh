#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# gdb.sh DIRECTORY: attach gdb to a program that runs a critical section, look
# at what section.gdb looks at, detach, and see that the program goes on, to the
# end that it was given, and counted right.
set -u
here=$(cd "$(dirname "$0")" && pwd)
"$1/section" &
pid=$!
result=0
said=$(gdb -nx -q -batch -iex 'set auto-load off' -p "$pid" \
	-x "$here/section.gdb" 2>&1 </dev/null) || result=1
echo "$said"
case $said in
*'as promised') ;;
*) result=1 ;;
esac
[ "$result" = 0 ] || kill "$pid"
wait "$pid" || result=1
exit "$result"
