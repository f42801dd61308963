#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The series: what it is made of, and what is refused. On trees of a few files.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

plan 23

repo=$tmp/repo bare=$tmp/bare ours=$tmp/ours out=$tmp/mail
mkdir -p "$repo/kernel" "$repo/series" "$repo/lab" "$bare/kernel"
printf '%s\n' one two three four five >"$bare/kernel/fork.c"
: >"$repo/lab/ignored"
: >"$repo/README.md"
cp -al "$bare" "$ours"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL EMAIL
git init -q "$repo"

# hook FILE BEFORE AFTER LINE TEXT: a diff of fork.c that adds TEXT.
hook() {
	cat >"$repo/kernel/$1" <<-END
	--- a/kernel/fork.c
	+++ b/kernel/fork.c
	@@ -$4,2 +$4,3 @@
	 $2
	+$5
	 $3
	END
}
# carry NAME PATH...: a patch of the series.
carry() {
	file=$1
	shift
	printf '%s\n' "subject of $file" "" "Why." --- "$@" \
		>"$repo/series/$file"
}
series() {
	"$top/lab/base/overlay.sh" "$repo" "$bare" "$ours" &&
		BASE="Linux of a test" "$top/lab/series/series.sh" "$repo" "$bare" \
			"$ours" "$out"
}

echo new >"$repo/kernel/rseq.c"
hook fork.c.patch two three 2 hooked
hook fork.c.slice.patch hooked three 3 feature
printf '%s\n' "subject of the series" "" "What it is." --- "version 3" \
	"to list@example.org" >"$repo/series/cover"
carry 010-core 'kernel/rseq.*' kernel/fork.c.patch
carry 020-slice '*.slice.patch'

fails "a name is needed to sign with" "git has no name" series
git -C "$repo" config user.name "A U Thor"
fails "an address is needed" "git has no address" series
git -C "$repo" config user.email nobody
fails "and has to be one" "git has nobody to sign the patches with" series
passes "none of them left a series" test ! -e "$out"
git -C "$repo" config user.email author@example.org
passes "a series is written" series
passes "with its version in its names" sh -c "cd '$out' && ls | tr '\n' ' ' |
	grep -x 'v3-0000-cover-letter.patch v3-0001-.*.patch v3-0002-.*.patch '"
passes "and a cover letter that says what it applies to" \
	grep -qx 'This applies to Linux of a test.' "$out/v3-0000-cover-letter.patch"
passes "each patch is signed" sh -c "grep -L '^Signed-off-by: A U Thor \
<author@example.org>$' '$out'/v3-000[12]* | grep -c . | grep -qx 0"
cp -r "$out" "$tmp/first"
series >/dev/null 2>&1
passes "the same content makes the same series" sh -c "
	cd '$tmp' && for f in first/*; do
		sed '/^Date: /d; /^From [0-9a-f]/d' \$f >a &&
		sed '/^Date: /d; /^From [0-9a-f]/d' mail/\${f#*/} >b && cmp a b || exit
	done"

# As its receiver would.
applied() {
	git init -q "$tmp/am" && cp -r "$bare/." "$tmp/am" &&
		git -C "$tmp/am" add -A &&
		git -C "$tmp/am" -c user.name=x -c user.email=x@y commit -q -m base &&
		git -C "$tmp/am" -c user.name=x -c user.email=x@y am "$out"/v3-000[12]*
}
passes "git am takes it" applied
passes "and makes ours of bare" diff -r --exclude=.git "$tmp/am" "$ours"

echo more >"$repo/kernel/more.c"
fails "a path in no patch is named" \
	"kernel/more.c: no patch of the series carries it" series
carry 010-core 'kernel/rseq.*' kernel/fork.c.patch kernel/more.c
passes "one line carries it" series
carry 020-slice '*.slice.patch' 'kernel/m*'
fails "a path in two patches is named" \
	"kernel/more.c: more than one patch of the series carries it: series/010-core series/020-slice" \
	series
carry 020-slice '*.slice.patch' 'kernel/none*'
fails "a pattern that carries nothing is named" \
	"series/020-slice: carries kernel/none*, and there is no such kernel path" \
	series
carry 020-slice
fails "a patch without a change is refused" "no patch of the series carries it" \
	series
carry 005-slice '*.slice.patch'
rm "$repo/series/020-slice"
fails "a feature before what it is built on is refused" \
	"series/005-slice: kernel/fork.c.slice.patch does not apply at this place" \
	series
rm "$repo/series/005-slice"
carry 020-slice '*.slice.patch'
printf 'subject\n' >"$repo/series/020-slice"
fails "a patch that does not say what it carries is refused" \
	"series/020-slice: has no line ---" series
printf '%s\n' subject '' --- '*.slice.patch' >"$repo/series/020-slice"
fails "one without a message is refused" \
	"series/020-slice: has no message below the subject" series
carry 020-slice '*.slice.patch'
sed -i 's/^version 3/version three/' "$repo/series/cover"
fails "a version that is no number is refused" "version three" series
passes "nothing of that has touched the series that was there" \
	grep -q 'kernel/more.c' "$out"/v3-0001*
sed -i 's/^version three/version 4/' "$repo/series/cover"
passes "the next version" series
passes "replaces the last one" sh -c "ls '$out' | grep -c ^v3- | grep -qx 0"
