#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# patch.sh STOCK OURS OUT: write one diff from STOCK to OURS to the directory OUT,
# and see that `patch -p1` makes OURS of what it changes in STOCK.
#
#   BASE=TEXT   what STOCK is, for the head of the diff
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# = 3 ] || die "usage: patch.sh STOCK OURS OUT"
stock=$1 ours=$2 out=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Files that the trees share by links are not read. No name in a kernel tree has
# a blank.
LC_ALL=C diff -rqN --no-dereference "$stock" "$ours" >"$tmp/differ" || :
awk -v strip="$stock/" '{ print substr($2, length(strip) + 1) }' \
	"$tmp/differ" | sort >"$tmp/files"
[ -s "$tmp/files" ] || die "$ours does not differ from $stock"

# put FROM TO: the files that differ.
put() {
	while IFS= read -r file; do
		[ ! -e "$1/$file" ] || {
			mkdir -p "$2/$(dirname "$file")"
			cp --preserve=mode "$1/$file" "$2/$file"
		}
	done <"$tmp/files"
}

git() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 command git \
		-C "$tmp/tree" -c user.name=patch -c user.email=patch@invalid "$@"
}
mkdir "$tmp/tree"
git init -q
put "$stock" "$tmp/tree"
git add -A -f
git commit -q -m stock
git rm -q -r --cached .
find "$tmp/tree" -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +
put "$ours" "$tmp/tree"
git add -A -f
git commit -q -m ours

name=rseq-$(awk '$2 == "=" && !($1 in v) { v[$1] = $3 }
	END { print v["VERSION"] "." v["PATCHLEVEL"] "." v["SUBLEVEL"] }' \
	"$stock/Makefile").patch
{
	printf '%s\n\n' "Restartable sequences, in place of those that the kernel has."
	printf '%s\n\n' "For ${BASE:-stock}. Apply with patch -p1."
	cat "$top/series/distributors.md"
	echo
	git diff --stat=72 --summary --no-renames HEAD^ HEAD
	echo
	git diff --no-renames --no-color HEAD^ HEAD
} >"$tmp/$name"

step "apply $name with patch -p1 to the stock files"
mkdir "$tmp/try"
put "$stock" "$tmp/try"
patch -d "$tmp/try" -p1 --fuzz=0 --batch --forward <"$tmp/$name" \
	>"$tmp/said" 2>&1 || {
	cat "$tmp/said" >&2
	die "$name: does not apply to the source that it was made from"
}
while IFS= read -r file; do
	if [ -e "$ours/$file" ]; then
		cmp "$tmp/try/$file" "$ours/$file" &&
			[ "$(stat -c %A "$tmp/try/$file" | cut -c 4)" = \
				"$(stat -c %A "$ours/$file" | cut -c 4)" ]
	else
		[ ! -e "$tmp/try/$file" ]
	fi || die "$file: is not what it is in the tree ours after $name was applied"
done <"$tmp/files"

mkdir -p "$out"
rm -f "$out"/*.patch
mv "$tmp/$name" "$out/$name"
step "$(wc -l <"$tmp/files") files, $(git diff --shortstat --no-renames HEAD^ HEAD | sed 's/^[^,]*, //'): $out/$name"
