#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# run.sh series|check|patch: what `make series`, `make check-series` and `make
# patch` do, from a fresh clone on.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

# base: what the source is called.
base() {
	if [ -n "${LINUX:-}" ]; then
		source=$(basename "$LINUX")
	else
		source="Debian's linux-source-6.12 $(dpkg-query -W \
			-f '${Version}' linux-source-6.12 2>/dev/null || :)"
	fi
	awk -v source="$source" '$2 == "=" && !($1 in v) { v[$1] = $3 }
		END { print "Linux " v["VERSION"] "." v["PATCHLEVEL"] "." \
			v["SUBLEVEL"] " (" source ")" }' "$build/tree/stock/Makefile"
}

# write: the series, against the trees as they are now.
write() {
	"$top/lab/base/tree.sh" ours
	BASE="$(base) without its own rseq, as made by make tree TREE=bare of its repository" \
		"$top/lab/series/series.sh" "$top" "$build/tree/bare" \
		"$build/tree/ours" "$build/series"
}

[ $# = 1 ] || die "usage: run.sh series|check|patch"
case $1 in
series | patch) SERIES=1 "$top/lab/deps.sh" ;;
check) SERIES=1 CHECK=1 "$top/lab/deps.sh" ;;
*) die "$1: there are series, check and patch" ;;
esac
lock "$build/series.lock"
case $1 in
series) write ;;
check)
	write
	"$top/lab/series/check.sh" "$build/series"
	;;
patch)
	"$top/lab/base/tree.sh" ours
	BASE=$(base) "$top/lab/series/patch.sh" "$build/tree/stock" \
		"$build/tree/ours" "$build/patch"
	;;
esac
