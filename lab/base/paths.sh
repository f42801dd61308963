#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# paths.sh REPO: list the kernel paths of a repository, sorted: those that a
# kernel tree has, as against what builds, tests or mails it. In a repository of
# git it is what git tracks or would, so that backups and objects stay out.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# = 1 ] || die "usage: paths.sh REPO"
repo=$(cd "$1" && pwd -P)

if [ "$(git -C "$repo" rev-parse --show-toplevel 2>/dev/null)" = "$repo" ]; then
	git -C "$repo" -c core.quotePath=off ls-files -co \
		--exclude-standard | sort -u
else
	(cd "$repo" && find . -name .git -prune -o -path ./build -prune \
		-o -type f ! -name '*~' ! -name '*.o' ! -name '*.orig' \
		! -name '*.rej' ! -name '.*.sw?' -printf '%P\n') | sort
fi | awk -F/ '
	NF == 1 && /^(README\.md|Makefile|COPYING)$/ { next }
	$1 ~ /^\.(git|ci)/ || $1 ~ /^(lab|series|build)$/ { next }
	{ print }' | while IFS= read -r path; do
	[ ! -f "$repo/$path" ] || printf '%s\n' "$path"
done
