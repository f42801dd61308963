#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# rseq.h as it is installed: found by pkg-config, and good for each compiler,
# optimisation, word size and code model, natively and without rseq().
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

plan 15
source=$top/lab/test/headers.c

install_to() {
	PREFIX=$1 DESTDIR=${2:-} "$top/lab/install-headers.sh"
}
# skip NAME REASON
skip() {
	count=$((count + 1))
	printf 'ok %s %s # SKIP %s\n' "$count" "$1" "$2"
}

passes "make install-headers" install_to "$tmp/usr"
passes "DESTDIR goes before it" sh -c "
	PREFIX=/usr DESTDIR='$tmp/root' '$top/lab/install-headers.sh' &&
	test -f '$tmp/root/usr/include/rseq-headers/rseq.h' &&
	grep -qx prefix=/usr '$tmp/root/usr/share/pkgconfig/rseq-headers.pc'"
fails "a PREFIX that is not absolute" "PREFIX=usr: not an absolute path" \
	install_to usr
flags=-I$tmp/usr/include/rseq-headers
if command -v pkg-config >/dev/null; then
	passes "pkg-config finds them" sh -c "
		[ \"\$(PKG_CONFIG_PATH='$tmp/usr/share/pkgconfig' \
			pkg-config --cflags rseq-headers | tr -d ' ')\" = '$flags' ]"
else
	skip "pkg-config finds them" "there is no pkg-config here"
fi

# A library that hides its symbols shares these with the program all the same: a
# thread can have one area, and there can be one lock.
shares() {
	# shellcheck disable=SC2086
	gcc -D_GNU_SOURCE= "$flags" -fPIC -shared -fvisibility=hidden \
		-o "$tmp/library.so" "$source" &&
		for symbol in rseq_own_area rseq_mode rseq_fallback_mutex; do
			nm -D "$tmp/library.so" | grep -q " $symbol\$" || {
				echo "$symbol is hidden"
				return 1
			}
		done
}
passes "symbols that must be shared are" shares

# builds COMPILER...: with each option, and what comes out runs.
builds() {
	for level in -O0 -O1 -O2 -O3 -Os; do
		for model in '-fno-pic -no-pie' '-fPIE -pie' \
			'-fPIC -fno-omit-frame-pointer'; do
			# One that does not come to an end is a failure too.
			# shellcheck disable=SC2086
			if ! timeout 60 "$@" -D_GNU_SOURCE= -Wall -Wextra -Werror \
				"$flags" $level $model -pthread \
				-o "$tmp/program" "$source"; then
				echo "failed: $* $level $model"
				return 1
			fi
			"$tmp/program" || {
				echo "$* $level $model: exit status $?"
				return 1
			}
		done
	done
}
# try NAME COMPILER...
try() {
	name=$1
	shift
	if echo 'int main(void) { return 0; }' >"$tmp/empty.c" &&
		"$@" -o "$tmp/empty" "$tmp/empty.c" >/dev/null 2>&1; then
		passes "$name" builds "$@"
	else
		skip "$name" "there is no such compiler here"
	fi
}
# The kernel's headers are the same for both word sizes, but not in gcc's path.
headers=/usr/include/$(gcc -print-multiarch)
without="-DRSEQ_NR_SYSCALL=100000"
GLIBC_TUNABLES=glibc.pthread.rseq=0
try "gcc" gcc
try "gcc -m32" gcc -m32 -idirafter "$headers"
try "clang" clang
try "clang -m32" clang -m32 -idirafter "$headers"
try "g++" g++ -U_GNU_SOURCE -x c++
try "clang++" clang++ -U_GNU_SOURCE -x c++
export GLIBC_TUNABLES
try "gcc, own registration" gcc
try "gcc -m32, own registration" gcc -m32 -idirafter "$headers"
try "gcc, without rseq()" gcc $without
try "gcc -m32, without rseq()" gcc -m32 -idirafter "$headers" $without
