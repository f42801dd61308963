#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# series.sh REPO BARE OURS OUT: write REPO's kernel paths as a series of patches
# against BARE that ends in OURS, in the directory OUT.
#
# REPO/series has a file for each patch, NNN-NAME, in the order of the series:
# the message, a line `---`, and the paths that the patch carries, as shell
# patterns in which * stands for any text. The file `cover` is the cover letter,
# and below its `---` has the version of the series and whom it is sent to. Each
# kernel path must be carried by exactly one patch, and each pattern carry one.
#
#   BASE=TEXT   what the series applies to, for the cover letter
#
# Whose patches they are is git's own configuration.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# = 4 ] || die "usage: series.sh REPO BARE OURS OUT"
repo=$(cd "$1" && pwd -P) bare=$2 ours=$3 out=$4
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
cover=$repo/series/cover

# Nothing is guessed: git would make up an address from the name of the machine.
name=$(git -C "$repo" config user.name || :)
email=$(git -C "$repo" config user.email || :)
name=${GIT_AUTHOR_NAME:-$name}
email=${GIT_AUTHOR_EMAIL:-$email}
[ -n "$name" ] || die "git has no name to sign the patches with; git config user.name 'Your Name'"
case $email in
*[!a-zA-Z0-9.+_@-]* | @* | *@ | *@*@*) valid= ;;
*@*) valid=1 ;;
*) valid= ;;
esac
[ -n "$valid" ] || die "git has ${email:-no address} to sign the patches with, which is not an address; git config user.email you@example.org"
case $name in
*[\<\>]*) die "git has $name to sign the patches with, which cannot be part of a signature; git config user.name 'Your Name'" ;;
esac

# message FILE: what is above the line ---; data FILE: what is below.
message() {
	sed '/^---$/,$d' "$1"
}
data() {
	sed '1,/^---$/d; /^$/d; /^#/d' "$1"
}
# well_formed FILE: refuse one that is not as it must be.
well_formed() {
	grep -qx -e --- "$1" || die "${1#"$repo/"}: has no line --- with what it carries below"
	[ -n "$(sed 1q "$1")" ] && [ -z "$(sed -n 2p "$1")" ] ||
		die "${1#"$repo/"}: must begin with a subject and an empty line"
	[ -n "$(message "$1" | sed 1,2d)" ] || die "${1#"$repo/"}: has no message below the subject"
}

[ -f "$cover" ] || die "series/cover: there is no cover letter"
well_formed "$cover"
patches=$(cd "$repo/series" && find . -name '[0-9][0-9][0-9]-*' -type f \
	! -name '*~' -printf '%P\n' | sort)
[ -n "$patches" ] || die "series/: there are no patches, which would be named NNN-NAME"

# Which patch carries which path.
"$top/lab/base/paths.sh" "$repo" >"$new/paths"
: >"$new/carried"
for patch in $patches; do
	well_formed "$repo/series/$patch"
	data "$repo/series/$patch" >"$new/globs"
	while IFS= read -r glob; do
		found=
		while IFS= read -r path; do
			# shellcheck disable=SC2254
			case $path in
			$glob)
				printf '%s\t%s\n' "$path" "$patch"
				found=1
				;;
			esac
		done <"$new/paths" >>"$new/carried"
		[ -n "$found" ] || die "series/$patch: carries $glob, and there is no such kernel path"
	done <"$new/globs"
done
sort -u "$new/carried" >"$new/sorted"
wrong=$(awk -F '\t' '
	FNR == NR { in_patch[$1] = in_patch[$1] " series/" $2; n[$1]++; next }
	!n[$0] { print $0 ": no patch of the series carries it; name it below the --- of one, series/NNN-NAME" }
	n[$0] > 1 { print $0 ": more than one patch of the series carries it:" in_patch[$0] }
	' "$new/sorted" "$new/paths")
[ -z "$wrong" ] || die "$wrong"

# target PATH: the file of the kernel that a path is for.
target() {
	case $1 in
	*.patch)
		file=${1%.patch}
		[ -f "$bare/$file" ] || file=${file%.*}
		printf '%s\n' "$file"
		;;
	*) printf '%s\n' "$1" ;;
	esac
}

version=$(data "$cover" | sed -n 's/^version //p')
case $version in
*[!0-9]* | '' | 0*) die "series/cover: version ${version:-(none)}: below the --- there must be a line 'version N' with a number" ;;
esac
data "$cover" | sed -n 's/^to /--to=/p; s/^cc /--cc=/p' >"$new/whom"

# The same content makes the same series.
date=$(git -C "$repo" log -1 --format=%cD 2>/dev/null) || :
date=${date:-$(date -R)}
export GIT_AUTHOR_NAME="$name" GIT_AUTHOR_EMAIL="$email" GIT_AUTHOR_DATE="$date"
export GIT_COMMITTER_NAME="$name" GIT_COMMITTER_EMAIL="$email"
export GIT_COMMITTER_DATE="$date"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1

# A repository of the files that are touched, with a commit for each patch.
tree=$new/tree
git init -q -b series "$tree"
while IFS= read -r path; do
	case $path in
	*.patch)
		file=$(target "$path")
		[ -f "$bare/$file" ] || die "$path: the kernel has no $file"
		mkdir -p "$tree/$(dirname "$file")"
		cp --preserve=mode "$bare/$file" "$tree/$file"
		;;
	esac
done <"$new/paths"
git -C "$tree" add -A -f
git -C "$tree" commit -q --allow-empty -m "${BASE:-bare}"
git -C "$tree" tag base
for patch in $patches; do
	awk -F '\t' -v patch="$patch" '$2 == patch { print $1 }' "$new/sorted" |
		while IFS= read -r path; do
			file=$(target "$path")
			mkdir -p "$tree/$(dirname "$file")"
			case $path in
			*.patch)
				patch --fuzz=0 --batch --forward \
					--no-backup-if-mismatch --reject-file=- \
					"$tree/$file" "$repo/$path" \
					>"$new/reason" 2>&1 ||
					die "series/$patch: $path does not apply at this place in the series:
$(cat "$new/reason")"
				;;
			*) cp --preserve=mode "$repo/$path" "$tree/$file" ;;
			esac
		done
	git -C "$tree" add -A -f
	message "$repo/series/$patch" |
		git -C "$tree" commit -q -s -F - ||
		die "series/$patch: changes nothing"
done

# Hooks of one file that are not in the order of the overlay can end up at other
# places in it.
git -C "$tree" ls-files | while IFS= read -r file; do
	cmp -s "$tree/$file" "$ours/$file" ||
		die "$file: is not what it is in the tree ours at the end of the series; let the patches of series/ carry its hooks in the order of their names"
done

{
	message "$cover"
	echo
	printf 'This applies to %s.\n' "${BASE:-bare}" | fmt -w 72
} >"$new/description"
git -C "$tree" config branch.series.description "$(cat "$new/description")"
mkdir "$new/out"
set --
while IFS= read -r whom; do
	set -- "$@" "$whom"
done <"$new/whom"
git -C "$tree" -c core.abbrev=12 format-patch -q -o "$new/out" \
	-v "$version" --cover-letter --cover-from-description=subject \
	--no-renames --signature=rseq --stat=72 "$@" base..series

rm -rf "$out.new"
mkdir -p "$(dirname "$out")"
mv "$new/out" "$out.new"
rm -rf "$out"
mv "$out.new" "$out"
count=$(echo "$patches" | wc -l)
step "series: version $version, $count patches by $name <$email>: $out/v$version-*.patch"
