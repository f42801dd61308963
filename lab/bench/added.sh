#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# added.sh PATH OTHER: the instructions that one path of trace.sh has and the
# other has not, with - and + before them. Where code has been moved to, and
# which registers and offsets the compiler took, is no difference.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# = 2 ] || die "usage: added.sh PATH OTHER"
mkdir -p "$build/run"
run=$(mktemp -d "$build/run/XXXXXX")
trap 'rm -rf "$run"' EXIT

# Function and instruction, without operands.
shape() {
	awk '{ sub(/\..*/, ":", $2); print $2, $3 }' "$1"
}
shape "$1" >"$run/old"
shape "$2" >"$run/new"
diff --minimal --unchanged-line-format= --old-line-format='- %dn
' --new-line-format='+ %dn
' "$run/old" "$run/new" >"$run/lines" || [ $? = 1 ]
awk -v old="$1" -v new="$2" '
BEGIN {
	while ((getline text <old) > 0)
		path["-", ++n] = text
	while ((getline text <new) > 0)
		path["+", ++m] = text
}
{ print $1, path[$1, $2] }' "$run/lines"
