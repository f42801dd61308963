#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# overlay.sh REPO BARE TREE: make TREE what BARE is with REPO's kernel paths on
# top.
#
# A new file lands at its own path. X.patch, or X.FEATURE.patch, is a hook: a
# diff of the file X of BARE; X.patch goes first, then features by name. What
# each target must contain is worked out before anything is changed, and only
# what differs is replaced, so that make rebuilds no more than it must. Paths
# that REPO no longer has go back to what BARE has.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# = 3 ] || die "usage: overlay.sh REPO BARE TREE"
repo=$(cd "$1" && pwd -P) bare=$2 tree=$3
manifest=$tree.manifest
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

# The kernel paths of the repository.
kernel_paths() {
	"$top/lab/base/paths.sh" "$repo"
}

# check_hook HOOK TARGET: a hook must be a diff of its target and nothing
# else, and each hunk must have context to be placed by.
check_hook() {
	awk -v target="$2" -v hook="$1" '
	function fail(what) { print hook ": " what; bad = 1; exit }
	function hunk_end() {
		if (hunk && !context)
			fail("the hunk at line " hunk \
			     " has no context to be placed by; add a line of it")
	}
	old > 0 || added > 0 {
		c = substr($0, 1, 1)
		if (c == "+") added--
		else if (c == "-") old--
		else if (c != "\\") { old--; added--; context++ }
		next
	}
	/^--- / || /^\+\+\+ / {
		name = $2
		if (name != ($1 == "---" ? "a/" : "b/") target)
			fail("it patches " name "; by its own name it should patch " target)
		names++
	}
	/^@@ / {
		hunk_end()
		if (names != 2)
			fail("it is not a diff of one file: no --- and +++ line before line " NR)
		hunk = NR
		context = 0
		split($2, o, ",")
		split($3, a, ",")
		old = 2 in o ? o[2] : 1
		added = 2 in a ? a[2] : 1
		delete o
		delete a
	}
	END {
		if (!bad)
			hunk_end()
		if (!bad && !hunk)
			print hook ": it holds no diff"
	}' "$repo/$1"
}

wrong=$(kernel_paths | while IFS= read -r path; do
	case $path in
	*.patch)
		target=${path%.patch} feature=
		if [ ! -f "$bare/$target" ]; then
			feature=${target##*.}
			target=${target%.*}
		fi
		if [ ! -f "$bare/$target" ]; then
			echo "$path: a hook into a file that the kernel does not have: ${path%.patch}"
			continue
		fi
		problem=$(check_hook "$path" "$target")
		[ -z "$problem" ] || { echo "$problem"; continue; }
		printf '%s\t%s\t%s\n' "$target" "$feature" "$path" >>"$new/hooks"
		;;
	*)
		if [ ! -d "$bare/${path%%/*}" ]; then
			echo "$path: a kernel tree has no ${path%%/*}; kernel paths, lab/ and series/ are all there is"
		elif [ -e "$bare/$path" ]; then
			echo "$path: the kernel has this file already; change it by a hook, $path.patch"
		else
			printf '%s\n' "$path" >>"$new/files"
		fi
		;;
	esac
done)
[ -z "$wrong" ] || die "$wrong"

# A hook's result is computed here before it goes into the tree.
: >>"$new/hooks"
: >>"$new/files"
sort -t "$(printf '\t')" -k1,1 -k2,2 "$new/hooks" >"$new/sorted"
while IFS="$(printf '\t')" read -r target feature hook; do
	# The shell takes two tabs for one: no feature shifts the fields.
	hook=${hook:-$feature}
	mkdir -p "$new/hooked/$(dirname "$target")"
	[ -f "$new/hooked/$target" ] || cp "$bare/$target" "$new/hooked/$target"
	patch --fuzz=0 --batch --forward --no-backup-if-mismatch \
		--reject-file=- "$new/hooked/$target" "$repo/$hook" \
		>"$new/reason" 2>&1 ||
		die "$hook: does not apply to $target of this kernel:
$(grep -v '^File ' "$new/reason" | sed "s|$new/hooked/||g")"
done <"$new/sorted"

{
	cut -f 1 "$new/sorted"
	cat "$new/files"
} | sort -u >"$new/manifest"

# source_of PATH: the file that PATH of the tree must be like, or nothing.
source_of() {
	for from in "$new/hooked/$1" "$repo/$1" "$bare/$1"; do
		# What REPO has at this path counts only as a file of the overlay.
		[ "$from" != "$repo/$1" ] ||
			grep -qxF -e "$1" "$new/files" || continue
		[ ! -f "$from" ] || {
			printf '%s\n' "$from"
			return
		}
	done
}

# differing: list the paths that are not as they must be.
differing() {
	[ -f "$manifest" ] || : >"$manifest"
	sort -u "$manifest" "$new/manifest" | while IFS= read -r path; do
		from=$(source_of "$path")
		if [ -z "$from" ]; then
			[ ! -e "$tree/$path" ] || printf '%s\n' "$path"
		else
			cmp -s "$from" "$tree/$path" || printf '%s\n' "$path"
		fi
	done >"$new/differing"
}

# While nothing is to be changed, builds from the tree may go on.
lock "$tree.lock" -s
differing
if [ ! -s "$new/differing" ] && cmp -s "$new/manifest" "$manifest"; then
	exit 0
fi
lock "$tree.lock"
differing
# Until the work is done the manifest says all that may have been touched.
sort -u "$manifest" "$new/manifest" >"$manifest.new"
mv "$manifest.new" "$manifest"
while IFS= read -r path; do
	from=$(source_of "$path")
	if [ -n "$from" ]; then
		replace_file "$from" "$tree/$path"
	else
		rm -f "$tree/$path"
		(cd "$tree" && rmdir -p --ignore-fail-on-non-empty \
			"$(dirname "$path")" 2>/dev/null) || :
	fi
done <"$new/differing"
cp "$new/manifest" "$manifest.new"
mv "$manifest.new" "$manifest"
n=$(wc -l <"$new/differing")
[ "$n" = 0 ] || step "${tree##*/}: $n files changed"
