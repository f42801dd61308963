#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# programs.sh NAME...: build programs for the guest on the host, against the
# headers of the ours tree:
#
#   samples     samples/rseq, into build/samples
#   selftests   the overlay's kselftests, by their own Makefiles, into
#               build/selftests/DIRECTORY
#   bare_test   what the bare kernel is asked, into build/bare_test
#   init32      the first program of a 32-bit guest, and one that does nothing,
#               into build/init32
#   fuzz        the fuzzer, for 64 and 32 bits, into build/fuzz
#   faults      the tests with swap and fault injection, into build/faults
#   timers      what keeps the kernel's timer code busy, into build/debug
#
# Nothing is written to the tree.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

tree=$build/tree/ours
object=$build/kernel/ours

headers() {
	logged headers make -C "$tree" O="$object" ARCH=x86_64 headers
}

samples() {
	[ -f "$tree/samples/rseq/Makefile" ] ||
		die "samples/rseq/Makefile: there are no samples to build"
	step "build samples/rseq"
	mkdir -p "$build/samples"
	logged samples make -C "$top/samples/rseq" OUTPUT="$build/samples" \
		CPPFLAGS="-isystem $object/usr/include"
}

selftests() {
	targets=$(sed -n 's|^tools/testing/selftests/\([^/]*\)/Makefile$|\1|p' \
		"$tree.manifest")
	if [ -z "$targets" ]; then
		rm -rf "$build/selftests"
		return
	fi
	step "build selftests"
	rm -rf "$build/selftests.new"
	logged selftests make -C "$tree/tools/testing/selftests" \
		O="$object" ARCH=x86_64 TARGETS="$(echo "$targets" | tr '\n' ' ')" \
		FORCE_TARGETS=1 INSTALL_PATH="$build/selftests.new" install
	rm -rf "$build/selftests"
	mv "$build/selftests.new" "$build/selftests"
}

bare_test() {
	step "build bare_test"
	mkdir -p "$build/bare_test"
	for bits in 64 32; do
		out=$build/bare_test/bare_test
		[ "$bits" = 64 ] || out=${out}_32
		logged bare_test gcc "-m$bits" -O2 -Wall -Wextra -pthread \
			-isystem "$object/usr/include" \
			-o "$out" "$top/lab/test/bare_test.c"
	done
}

fuzz() {
	step "build fuzz"
	mkdir -p "$build/fuzz"
	for bits in 64 32; do
		out=$build/fuzz/fuzz
		[ "$bits" = 64 ] || out=${out}_32
		logged fuzz gcc "-m$bits" -O2 -Wall -Wextra \
			-Wno-unused-parameter -Wno-sign-compare -static -pthread \
			-isystem "$object/usr/include" \
			-I "$tree/tools/testing/selftests/rseq" \
			-o "$out" "$top/lab/fuzz/fuzz.c"
	done
}

faults() {
	step "build faults"
	mkdir -p "$build/faults"
	logged faults gcc -O2 -Wall -Wextra -Wno-unused-parameter \
		-Wno-sign-compare -static -pthread -D_GNU_SOURCE= \
		-isystem "$object/usr/include" \
		-iquote "$tree/tools/testing/selftests/rseq" \
		-o "$build/faults/faults" "$top/lab/faults/faults.c"
}

timers() {
	step "build timers"
	mkdir -p "$build/debug"
	logged timers gcc -O2 -Wall -Wextra -pthread -o "$build/debug/timers" \
		"$top/lab/debug/timers.c"
}

init32() {
	step "build init32"
	mkdir -p "$build/init32"
	logged init32 gcc -m32 -O2 -Wall -Wextra -static \
		-isystem "$object/usr/include" \
		-o "$build/init32/init32" "$top/lab/guest/init32.c"
	echo 'int main(void) { return 0; }' | logged init32 gcc -m32 -static \
		-x c -o "$build/init32/nothing" -
}

lock "$build/programs.lock"
lock "$tree.lock" -s
for what; do
	case $what in
	samples | selftests | bare_test | init32 | fuzz | faults | timers) ;;
	*) die "$what: there are samples, selftests, bare_test, init32, fuzz," \
		"faults and timers" ;;
	esac
done
headers
for what; do
	"$what"
done
