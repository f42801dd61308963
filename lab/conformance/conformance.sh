#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# conformance.sh [short]: run programs that rely on rseq, and that nobody here
# wrote, on stock and on ours, and compare. What succeeds on stock must succeed
# on ours. README.md says what they are.
#
# Prints a table, and how many passed and failed. The short form takes what fits
# a few minutes, and prints TAP, with the table in comments.
#
#	PROGRAMS='NAME...'	only these
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

here=$top/lab/conformance
out=$build/conformance
case $#,${1:-} in
0,) form=full ;;
1,short) form=short ;;
*) die "usage: conformance.sh [short]" ;;
esac
programs=${PROGRAMS:-}
# CRIU runs in kernels of its own.
criu=
case $form," $programs " in
full,"  " | full,*" criu "*) criu=1 ;;
esac

what=basic
[ -z "$criu" ] || what=criu
CONFORMANCE=$what "$top/lab/deps.sh"
for kernel in stock ours; do
	"$top/lab/guest/kernel.sh" "$kernel"
	[ -z "$criu" ] ||
		"$top/lab/guest/kernel.sh" "$kernel" "$here/criu.config"
done
"$here/programs.sh"
{
	LIST=1 "$here/guest.sh" "$form" "$out"
	[ -z "$criu" ] || LIST=1 "$here/guest.sh" criu "$out"
} >"$out/names"
for name in $programs; do
	grep -qxF -e "$name" "$out/names" ||
		die "PROGRAMS=$name: the $form form has no such program; there are $(
			tr '\n' ' ' <"$out/names")"
done

# What stock did the last time is good as long as nothing that it depends on has
# changed. The full form runs it each time.
stock_id() {
	cat "$build/kernel/stock/arch/x86/boot/bzImage" "$here"/* "$out"/glibc \
		"$out"/urcu "$out"/section "$out"/kselftest/*/* \
		"$(command -v gdb)" "$(command -v stress-ng)" 2>/dev/null |
		cksum
}

lock "$build/conformance-run.lock"
results=$out/results
mkdir -p "$results"
rm -f "$results"/*

# run_guest KERNEL FORM SECONDS: run the programs; a line for each goes to standard
# error as well. Returns how the guest ended.
run_guest() {
	echo 0 >"$results/status"
	{
		CMD="'$here/guest.sh' '$2' '$out' $programs" \
			LOG="conformance/$1" TIMEOUT="${TIMEOUT:-$3}" \
			"$top/lab/guest/boot.sh" "$1" 2>"$results/$1.boot" ||
			echo $? >"$results/status"
	} | while IFS= read -r line; do
		printf '%s\n' "$line"
		case $line in
		'= '*) step "$1: ${line#= }" ;;
		esac
	done >"$results/part"
	return "$(cat "$results/status")"
}

# guest KERNEL FORM SECONDS: the results of the programs, or of those that came
# first if the guest did not live to the end. How it ended is one of them.
guest() {
	step "$1: boot it and run the programs ($2)"
	status=0
	retry "$1" run_guest "$@" || status=$?
	cat "$results/part" >>"$results/${1%-criu}"
	{
		sed 's/^/| /' "$results/$1.boot"
		echo "= guest/$2 $status 0"
	} >>"$results/${1%-criu}"
}
mkdir -p "$build/log/conformance"
id=
if [ "$form" = short ] && [ -z "$programs" ]; then
	id=$(stock_id)
fi
for kernel in stock ours; do
	if [ "$kernel" = stock ] && [ -n "$id" ] &&
		[ "$(cat "$out/stock.id" 2>/dev/null)" = "$id" ]; then
		step "stock: as the last time; nothing has changed"
		cp "$out/stock.results" "$results/stock"
	elif [ "$form" = short ]; then
		guest "$kernel" short 2400
	else
		guest "$kernel" full 21600
		[ -z "$criu" ] || guest "$kernel-criu" criu 1800
	fi
done
if [ -n "$id" ] && grep -qx "= guest/short 0 0" "$results/stock" &&
	! grep -q "^= .* 124 " "$results/stock"; then
	rm -f "$out/stock.id"
	cp "$results/stock" "$out/stock.results"
	echo "$id" >"$out/stock.id"
fi
awk -v form="$form" -f "$here/compare.awk" "$results/stock" \
	"$results/ours"
