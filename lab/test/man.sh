#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The man pages: two programs find nothing wrong with them, they are installed
# under all their names, and their example works.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

MAN=1 "$top/lab/deps.sh"
pages=$(cd "$top/series/man" && ls)
names="rseq rseq_slice_yield PR_RSEQ_SLICE_EXTENSION ARCH_SET_PERCPU_SEGMENT
	ARCH_GET_PERCPU_SEGMENT ARCH_CLEAR_PERCPU_SEGMENT"
# shellcheck disable=SC2086
set -- $pages $names
plan $(($# + 5))

# lint PAGE: neither mandoc nor man has anything to say.
lint() {
	mandoc -T lint -W style "$1" || return
	LC_ALL=C.UTF-8 man --warnings=w -E UTF-8 -l -Tutf8 -Z "$1" 2>&1 >/dev/null |
		awk '{ print; n++ } END { exit n > 0 }'
}
for page in $pages; do
	passes "$page is lint-clean" lint "$top/series/man/$page"
done
sed 's/^\.SH DESCRIPTION/.SH DESCRIPTION\n.XX/' "$top/series/man/rseq.2" >"$tmp/wrong.2"
fails "an unknown macro is found" "unknown macro" lint "$tmp/wrong.2"

export DESTDIR="$tmp/root"
passes "they are installed" env PREFIX=/usr "$top/lab/series/install-man.sh"
for name in $names; do
	passes "man finds $name" \
		man -M "$tmp/root/usr/share/man" -w "$name"
done
fails "a directory that is none is refused" "PREFIX=usr: not an absolute path" \
	env PREFIX=usr DESTDIR= "$top/lab/series/install-man.sh"

# example PAGE: its example, as it is printed.
example() {
	mandoc -T utf8 "$top/series/man/$1" | col -bx |
		awk '/^EXAMPLES/ { on = 1; next } /^[A-Z]/ { on = 0 }
			on && /#include/ { code = 1 }
			on && code { print }'
}

# glibc registers the thread.
tells_cpu() {
	example rseq.2 >"$tmp/example.c"
	gcc -Wall -Wextra -o "$tmp/example" "$tmp/example.c" || return
	"$tmp/example" | grep -x 'CPU [0-9]*'
}
passes "the example of rseq(2) tells the CPU" tells_cpu

# With the headers of this repository, and a C library that is older.
compiles() {
	example PR_RSEQ_SLICE_EXTENSION.2const |
		sed '/An attempt to take/,$d' >"$tmp/slice.c"
	[ "$(grep -c slice_ "$tmp/slice.c")" -ge 4 ] || return
	gcc -Wall -Wextra -Wno-unused-function -fsyntax-only \
		-D__NR_rseq_slice_yield=471 -I"$tmp/include" "$tmp/slice.c"
}
mkdir -p "$tmp/include/linux"
cp "$top/include/uapi/linux/rseq.h" "$tmp/include/linux/"
passes "that of PR_RSEQ_SLICE_EXTENSION(2const) compiles" compiles
