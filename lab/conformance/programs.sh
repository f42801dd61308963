#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# programs.sh: build what conformance.sh runs in the guest, into
# build/conformance: the stock tree's kselftests, as they are, by their own
# Makefiles, and the programs of this directory. Nothing is written to the tree.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

here=$top/lab/conformance
tree=$build/tree/stock
out=$build/conformance

"$top/lab/base/tree.sh" stock
lock "$out.lock"
lock "$tree.lock" -s
mkdir -p "$out/object"

# The same source gives the same programs.
id=$(cat "$tree.stamp")
if [ "$(cat "$out/kselftest.stamp" 2>/dev/null)" != "$id" ]; then
	step "build the kselftests of stock: rseq membarrier ptrace x86"
	rm -rf "$out/kselftest" "$out/kselftest.stamp"
	logged conformance-headers make -C "$tree" O="$out/object" \
		ARCH=x86_64 headers
	logged conformance-kselftest make -C "$tree/tools/testing/selftests" \
		O="$out/object" ARCH=x86_64 FORCE_TARGETS=1 \
		TARGETS='rseq membarrier ptrace x86' \
		INSTALL_PATH="$out/kselftest" install
	printf '%s\n' "$id" >"$out/kselftest.stamp"
fi

# own NAME FLAGS...: a program of this directory.
own() {
	program=$1
	shift
	logged conformance-programs gcc -O2 -Wall -Wextra \
		-I"$top/tools/testing/selftests/rseq" \
		-o "$out/$program" "$here/$program.c" "$@"
}
step "build glibc urcu spin section"
own glibc -pthread
own urcu -pthread -lurcu
own spin -pthread
# gdb finds the variables of this one by their names, and soon, because it is
# static.
own section -g -static
