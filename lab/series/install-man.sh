#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# install-man.sh: install the man pages of series/man, and a link for each
# further name that a page has.
#
#   PREFIX=/usr/local  where to
#   DESTDIR=           what to put before it, to make a package of it
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# = 0 ] || die "usage: [PREFIX=...] [DESTDIR=...] install-man.sh"
prefix=${PREFIX:-/usr/local} dest=${DESTDIR:-}
absolute PREFIX "$prefix"
[ -z "$dest" ] || absolute DESTDIR "$dest"
dir=$dest$prefix/share/man/man2
mkdir -p "$dir" 2>/dev/null && [ -w "$dir" ] ||
	die "$dir: cannot be written; install as root, or with PREFIX=\$HOME/.local"

# names PAGE: what it documents, by its section NAME.
names() {
	awk '/^\.SH/ { on = $2 == "NAME"; next }
		on { text = text " " $0 }
		END {
			sub(/ \\- .*/, "", text)
			n = split(text, name, /[ ,]+/)
			for (i = 1; i <= n; i++)
				if (name[i] != "")
					print name[i]
		}' "$1"
}

n=0
for page in "$top"/series/man/*.2*; do
	file=${page##*/}
	install -m 644 "$page" "$dir/$file"
	n=$((n + 1))
	for name in $(names "$page"); do
		[ "$name" != "${file%%.*}" ] || continue
		ln -sf "$file" "$dir/$name.${file#*.}"
		n=$((n + 1))
	done
done
step "$n man pages in $dir"
