#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# tree.sh stock|bare|ours: bring build/tree/NAME up to date.
#
#   stock   the kernel source, untouched
#   bare    stock without rseq (bare.rules)
#   ours    bare with this repository's kernel paths on top (overlay.sh)
#
# The source is Debian's linux-source-6.12, or LINUX=PATH: a 6.12.y tarball or
# tree. The trees share unchanged files by hard links. A tree is made under
# another name and renamed, and its stamp, which says what it was made from, is
# written last: what has no stamp that fits is made again.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

series=6.12
tree=$build/tree
debian_source=/usr/src/linux-source-$series.tar.xz

# version FILE: the version that a kernel's top Makefile states.
version() {
	awk '$2 == "=" && !($1 in v) { v[$1] = $3 }
	     END { if ("VERSION" in v)
			print v["VERSION"] "." v["PATCHLEVEL"] "." v["SUBLEVEL"]
	     }' "$1"
}

# check_version FILE: refuse any kernel but the series this one is for.
check_version() {
	v=$(version "$1")
	case $v in
	"$series".*) ;;
	'') die "LINUX=$src: not a kernel source: its Makefile states no version" ;;
	*) die "LINUX=$src: this is Linux $v; the series is for $series.y" ;;
	esac
}

# describe: one line that changes whenever the source does.
describe() {
	if [ -d "$src" ]; then
		find "$src" -name .git -prune -o -type f -printf '%P %s %T@\n' |
			sort | cksum | sed "s|^|tree $src |"
	else
		stat -L -c "tarball $src %s %Y" "$src"
	fi
}

# stamped NAME ID: is the tree there, and made from ID?
stamped() {
	[ -d "$tree/$1" ] && [ -f "$tree/$1.stamp" ] &&
		[ "$(cat "$tree/$1.stamp")" = "$2" ]
}

# fresh NAME ID: the same, under a shared lock if so and an exclusive one, to
# make it, if not.
fresh() {
	lock "$tree/$1.lock" -s
	stamped "$1" "$2" && return
	lock "$tree/$1.lock"
	stamped "$1" "$2" || return
	lock "$tree/$1.lock" -s
}

# install NAME ID: put the finished NAME.new in the tree's place.
install_tree() {
	rm -f "$tree/$1.stamp"
	rm -rf "${tree:?}/$1"
	mv "$tree/$1.new" "$tree/$1"
	printf '%s\n' "$2" >"$tree/$1.stamp.new"
	mv -f "$tree/$1.stamp.new" "$tree/$1.stamp"
	lock "$tree/$1.lock" -s
}

stock() {
	src=${LINUX:-$debian_source}
	[ -e "$src" ] || die "$src: no such file; LINUX= takes a $series.y tarball or tree"
	src=$(readlink -f "$src")
	id=$(describe)
	fresh stock "$id" && return
	rm -rf "$tree/stock.new"
	mkdir -p "$tree/stock.new"
	if [ -d "$src" ]; then
		[ -f "$src/Makefile" ] || die "LINUX=$src: not a kernel source: it has no Makefile"
		check_version "$src/Makefile"
		step "copy ${src##*/}"
		tar -C "$src" --exclude=.git -cf - . | tar -C "$tree/stock.new" -xf -
		if [ -e "$src/.config" ] || [ -d "$src/include/config" ]; then
			logged mrproper make -C "$tree/stock.new" mrproper
		fi
	else
		dir=$(tar -tf "$src" 2>/dev/null | head -n 1) || :
		dir=${dir%%/*}
		[ -n "$dir" ] || die "LINUX=$src: not a tarball"
		tar -xOf "$src" --occurrence=1 "$dir/Makefile" \
			>"$tree/stock.Makefile" 2>/dev/null || :
		check_version "$tree/stock.Makefile"
		rm "$tree/stock.Makefile"
		step "unpack ${src##*/} (Linux $v)"
		tar -C "$tree/stock.new" --strip-components=1 \
			--no-same-owner -xf "$src" ||
			die "$src: could not be unpacked"
	fi
	install_tree stock "$id"
}

bare() {
	stock
	id="$id; rules $(cd "$top/lab/base" &&
		cat bare.rules strip.sh edit.awk | cksum)"
	fresh bare "$id" && return
	step "take rseq out: bare"
	rm -rf "$tree/bare.new"
	cp -al "$tree/stock" "$tree/bare.new"
	"$top/lab/base/strip.sh" "$top/lab/base/bare.rules" "$tree/bare.new"
	install_tree bare "$id"
}

ours() {
	bare
	if ! fresh ours "$id"; then
		step "lay this repository over it: ours"
		rm -rf "$tree/ours.new"
		cp -al "$tree/bare" "$tree/ours.new"
		rm -f "$tree/ours.manifest"
		install_tree ours "$id"
	fi
	# overlay.sh locks the tree itself, as little as it must.
	flock -u 7
	"$top/lab/base/overlay.sh" "${OVERLAY:-$top}" "$tree/bare" "$tree/ours"
}

[ $# = 1 ] || die "usage: tree.sh stock|bare|ours"
case $1 in
stock | bare | ours) ;;
*) die "TREE=$1: there is no such tree; there are stock, bare and ours" ;;
esac
"$1"
