#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# strip.sh RULES TREE: apply a file of rules (bare.rules says what they look
# like) to a kernel tree. Each changed file gets a new inode. A rule that
# matches nothing is an error that names it.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# = 2 ] || die "usage: strip.sh RULES TREE"
rules=$1 tree=$2
edit=$top/lab/base/edit.awk
tab=$(printf '\t')
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# wrong MESSAGE: the rule being applied cannot be.
wrong() {
	die "$rules:$at: $verb $files: $1"
}

# edit_file FILE: apply the rule to one file; 0 if it changed.
edit_file() {
	if [ "$verb" = unifdef ]; then
		status=0
		unifdef -B -U"$arg1" "$1" >"$tmp/new" 2>"$tmp/err" || status=$?
		[ "$status" = 2 ] && wrong "$1: $(cat "$tmp/err")"
		[ "$status" = 1 ] || return 1
	else
		status=0
		VERB=$verb ARG1=$arg1 ARG2=$arg2 awk -f "$edit" \
			<"$1" >"$tmp/new" || status=$?
		[ "$status" = 3 ] && wrong "$1: the end of the block is missing"
		[ "$status" -gt 1 ] && wrong "$1: awk failed"
		[ "$status" = 0 ] || return 1
	fi
	chmod --reference="$1" "$tmp/new"
	replace_file "$tmp/new" "$1"
}

apply() {
	[ -n "$verb" ] || return 0
	optional=
	case $verb in
	*\?) optional=1 verb=${verb%\?} ;;
	esac
	case $verb:$args in
	delete:0 | unifdef:1 | lines:1 | statement:1) ;;
	block:2 | until:2 | replace:2) ;;
	delete:* | unifdef:* | lines:* | statement:* | block:* | until:* | \
		replace:*) wrong "takes another number of arguments than $args" ;;
	*) wrong "there is no such verb" ;;
	esac
	for pattern in $files; do
		found=
		# The pattern is expanded here, in the tree.
		for file in $(cd "$tree" && set +f && eval "ls -d $pattern" 2>/dev/null); do
			if [ "$verb" = delete ]; then
				rm -r "${tree:?}/$file"
				found=1
			elif edit_file "$tree/$file"; then
				found=1
			fi
		done
		[ -n "$found$optional" ] || wrong \
			"nothing in $pattern matches; this source differs from what the rule was written for"
	done
}

set -f
verb='' n=0
while IFS= read -r text; do
	n=$((n + 1))
	case $text in
	'#'* | '') ;;
	"$tab"*)
		args=$((args + 1))
		[ "$args" = 1 ] && arg1=${text#"$tab"}
		[ "$args" = 2 ] && arg2=${text#"$tab"}
		;;
	*)
		apply
		verb=${text%% *} files=${text#* }
		at=$n args=0 arg1='' arg2=''
		;;
	esac
done <"$rules"
apply
