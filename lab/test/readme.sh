#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The README: its program does what it says, the targets and paths that it names
# are there, and the cover letter has the same numbers.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

plan 6
readme=$top/README.md

program() {
	awk '/^```$/ { on = 0 } on { print } /^```c$/ { on = 1 }' "$readme" \
		>"$tmp/hits.c"
	DESTDIR='' PREFIX=$tmp/usr "$top/lab/install-headers.sh" &&
		gcc -Wall -Wextra -Werror -O2 -I"$tmp/usr/include/rseq-headers" \
			-o "$tmp/hits" "$tmp/hits.c" || return
	"$tmp/hits" | grep -x '1 hit on CPU [0-9]*'
}
passes "its program counts one hit" program

# targets README MAKEFILE: each `make TARGET` of the one is in the other.
targets() {
	grep -oE '(^ +|`)make [a-z][a-z-]*' "$1" | sed 's/.*make //' | sort -u |
		while IFS= read -r target; do
			grep -q "^$target:" "$2" || {
				echo "no such target: make $target"
				exit 1
			}
		done
}
passes "the targets that it names are there" targets "$readme" "$top/Makefile"
# shellcheck disable=SC2016
echo 'Run `make nothing`.' >"$tmp/wrong.md"
fails "another one would be found" "make nothing" targets "$tmp/wrong.md" \
	"$top/Makefile"

# Whatever stands between backquotes and has a slash, up to a blank.
paths() {
	# shellcheck disable=SC2016
	grep -oE '`[A-Za-z][A-Za-z0-9_.-]*/[A-Za-z0-9_./-]*`|\(lab/[^)]*\)' \
		"$readme" | tr -d '`()' | sort -u |
		while IFS= read -r path; do
			case $path in
			build/*) continue ;;
			esac
			[ -e "$top/$path" ] || {
				echo "no such path: $path"
				exit 1
			}
		done
}
passes "the paths that it names are there" paths

# numbers FILE: the rows of five numbers that a file has, Markdown or not.
numbers() {
	tr '|' ' ' <"$1" | awk 'NF > 5 {
		for (i = NF - 4; i <= NF; i++)
			if ($i !~ /^[0-9.]+$/)
				next
		print $(NF - 4), $(NF - 3), $(NF - 2), $(NF - 1), $NF
	}' | sort
}
same_numbers() {
	numbers "$readme" >"$tmp/readme"
	numbers "$1" | diff "$tmp/readme" -
}
passes "the cover letter has its numbers" same_numbers "$top/series/cover"
sed '/critical section  /s/ [0-9.]*$/ 12345/' "$top/series/cover" >"$tmp/cover"
fails "another number would be found" 12345 same_numbers "$tmp/cover"
