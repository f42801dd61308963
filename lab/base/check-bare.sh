#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# check-bare.sh TREE: prove that a kernel tree has no rseq: no word of any text
# file outside tools/ and Documentation/ may have `rseq`, in either case, as
# one of its parts between underscores. (errseq, pwrseq or aevent_rseqth are
# other words.) Says what it looked at and what it found.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# = 1 ] || die "usage: check-bare.sh TREE"
[ -f "$1/Makefile" ] || die "$1: not a kernel tree"
cd "$1"

# Words that only look alike: "read the VGA sequencer", and registers of a
# disk controller.
foreign='^(vga_rseq|vga_(io|mm)_rseq|rseq_(gp|[0-3])_reg)$'

list=$(mktemp)
trap 'rm -f "$list"' EXIT
find . \( -path ./tools -o -path ./Documentation \) -prune -o \
	-type f -print0 >"$list"
files=$(tr -cd '\0' <"$list" | wc -c)
found=$({ xargs -0 grep -IinH rseq <"$list" || :; } |
	awk -v foreign="$foreign" '
	{
		text = $0
		sub(/^[^:]*:[0-9]+:/, "", text)
		n = split(text, word, /[^A-Za-z0-9_]+/)
		for (i = 1; i <= n; i++)
			if (tolower("_" word[i] "_") ~ /_rseq_/ &&
			    word[i] !~ foreign) {
				print
				break
			}
	}')
for path in kernel/rseq.c tools/testing/selftests/rseq; do
	[ ! -e "$path" ] || found="$found
$path: is still there"
done
if [ -n "$found" ]; then
	printf '%s\n' "$found" | sed '/^$/d; s|^\./||' >&2
	left=$(printf '%s\n' "$found" | sed '/^$/d; s/:.*//' | sort -u | wc -l)
	die "$1: rseq is left in $left of $files files"
fi
printf 'no rseq in the words of %s files\n' "$files"
