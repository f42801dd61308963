#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The overlay: what lands, what is refused, what is touched. On trees of a few
# files.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

plan 20

repo=$tmp/repo stock=$tmp/stock tree=$tmp/tree
mkdir -p "$repo/kernel" "$repo/lab" "$stock/kernel"
printf '%s\n' one two three four five >"$stock/kernel/fork.c"
echo exit >"$stock/kernel/exit.c"
cp -al "$stock" "$tree"
: >"$repo/lab/ignored"
: >"$repo/README.md"

overlay() {
	"$top/lab/base/overlay.sh" "$repo" "$stock" "$tree"
}
same() {
	printf '%s\n' "$2" | tr ' ' '\n' | cmp - "$1"
}
# hook FILE TARGET BEFORE AFTER LINE TEXT: a diff that adds TEXT between two
# lines.
hook() {
	cat >"$repo/$1" <<END
--- a/$2
+++ b/$2
@@ -$5,2 +$5,3 @@
 $3
+$6
 $4
END
}

echo new >"$repo/kernel/rseq.c"
hook kernel/fork.c.patch kernel/fork.c two three 2 hooked
passes "an overlay is laid" overlay
passes "a new file lands at its path" same "$tree/kernel/rseq.c" new
passes "a hook is applied" same "$tree/kernel/fork.c" \
	"one two hooked three four five"
passes "what the trees shared is not written to" \
	same "$stock/kernel/fork.c" "one two three four five"
passes "lab/ and the front door stay out" \
	test ! -e "$tree/lab" -a ! -e "$tree/README.md"

hook kernel/fork.c.slice.patch kernel/fork.c hooked three 3 feature
passes "a feature's hook goes on top" overlay
passes "and lands after the first" same "$tree/kernel/fork.c" \
	"one two hooked feature three four five"
rm "$repo/kernel/fork.c.slice.patch"

touch -d '2001-01-01' "$tree/kernel/rseq.c"
overlay
passes "what is the same is not touched" \
	test "$tree/kernel/rseq.c" -ot "$stock/kernel/fork.c"
passes "a feature that is dropped is taken back" same "$tree/kernel/fork.c" \
	"one two hooked three four five"
rm "$repo/kernel/rseq.c"
overlay
passes "a file that is dropped is taken out" test ! -e "$tree/kernel/rseq.c"
mv "$repo/kernel/fork.c.patch" "$tmp/good"
overlay
passes "a hook that is dropped is taken back" \
	cmp "$stock/kernel/fork.c" "$tree/kernel/fork.c"

hook kernel/fork.c.patch kernel/fork.c two absent 2 hooked
echo first >"$repo/kernel/aaa.c"
fails "a hook that does not apply is named" "kernel/fork.c.patch: does not apply" \
	overlay
passes "with the reason" grep -q "Hunk #1 FAILED" "$tmp/said"
passes "and nothing is half done" test ! -e "$tree/kernel/aaa.c"
rm "$repo/kernel/aaa.c"
printf '%s\n' '--- a/kernel/fork.c' '+++ b/kernel/fork.c' '@@ -2,0 +3 @@' \
	+hooked >"$repo/kernel/fork.c.patch"
fails "a hunk without context is refused" "has no context" overlay
hook kernel/fork.c.patch kernel/exit.c two three 2 hooked
fails "a hook for another file than its name says is refused" \
	"it patches a/kernel/exit.c" overlay
rm "$repo/kernel/fork.c.patch"
hook kernel/gone.c.patch kernel/gone.c two three 2 hooked
fails "a hook into a file that is not there is refused" \
	"kernel/gone.c.patch: a hook into a file that the kernel does not have" \
	overlay
rm "$repo/kernel/gone.c.patch"
echo mine >"$repo/kernel/exit.c"
fails "a file that the kernel has is not overwritten" \
	"kernel/exit.c: the kernel has this file already" overlay
rm "$repo/kernel/exit.c"
echo stray >"$repo/stray.txt"
fails "a path that no kernel tree has is refused" "stray.txt: a kernel tree has no" \
	overlay
rm "$repo/stray.txt"
mv "$tmp/good" "$repo/kernel/fork.c.patch"
passes "and when all is right again, it is laid" overlay
