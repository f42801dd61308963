#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# kernel.sh TREE [FRAGMENT]: bring the tree and its kernel up to date, in
# build/kernel/TREE, or build/kernel/TREE-NAME with a further config fragment
# of that name. The recipe is the same for all trees.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# = 1 ] || [ $# = 2 ] || die "usage: kernel.sh TREE [FRAGMENT]"
tree=$1 fragment=${2:-}

# asked FILE: the options of a fragment, as .config writes them.
asked() {
	grep -E '^(CONFIG_[A-Z0-9_]+=|# CONFIG_[A-Z0-9_]+ is not set)' "$1"
}
if [ -n "$fragment" ]; then
	[ -f "$fragment" ] || die "CONFIG=$fragment: no such file"
	asked "$fragment" >/dev/null ||
		die "CONFIG=$fragment: has no line like CONFIG_RSEQ=y"
fi
"$top/lab/base/tree.sh" "$tree"
src=$build/tree/$tree
name=$tree
if [ -n "$fragment" ]; then
	fragment=$(readlink -f "$fragment")
	base=${fragment##*/}
	base=${base#config.}
	name=$tree-${base%.config}
fi
out=$build/kernel/$name
jobs=${JOBS:-$(nproc)}
mkdir -p "$out"
lock "$build/kernel/$name.lock"
lock "$build/tree/$tree.lock" -s

# Who builds, where and when must not show in the result.
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
export KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab KBUILD_BUILD_VERSION=1
export CCACHE_DIR="${CCACHE_DIR:-$build/ccache}" CCACHE_MAXSIZE=2G
export CCACHE_BASEDIR="$build" CCACHE_NOHASHDIR=1
# The dependencies that the kernel has made anyway stand in for a second run of
# the preprocessor.
export CCACHE_SLOPPINESS=time_macros CCACHE_DEPEND=1
cc=gcc
! command -v ccache >/dev/null || cc='ccache gcc'

kbuild() {
	make -C "$src" O="$out" ARCH=x86 CC="$cc" HOSTCC="$cc" "$@"
}

# known OPTION: does some Kconfig file of this tree define it?
known() {
	grep -rqE "^(menu)?config $1\$" --include='Kconfig*' "$src"
}

wanted=$out/lab.config
{
	asked "$top/lab/guest/config"
	asked "$top/lab/guest/config.rseq" | while read -r line; do
		option=${line#CONFIG_}
		! known "${option%%=*}" || echo "$line"
	done
	[ -z "$fragment" ] || asked "$fragment"
} | awk '{
	# A later line for the same option replaces the earlier one.
	o = $0
	sub(/^# /, "", o)
	sub(/[ =].*/, "", o)
	if (!(o in at)) name[++n] = o
	at[o] = $0
} END { for (i = 1; i <= n; i++) print at[name[i]] }' >"$wanted.new"

# The configuration is made anew when what is asked for or what can be asked
# for has changed.
{
	cat "$wanted.new"
	find "$src" -name "Kconfig*" -type f -exec cat {} +
} | cksum >"$out/lab.id.new"
if [ ! -f "$out/.config" ] || ! cmp -s "$out/lab.id.new" "$out/lab.id"; then
	step "configure $name"
	rm -f "$out/lab.id"
	# KCONFIG_ALLCONFIG sets what it names and allnoconfig the rest, so
	# that a choice between options is made by the one that is named.
	logged "config-$name" kbuild KCONFIG_ALLCONFIG="$wanted.new" allnoconfig
	while IFS= read -r line; do
		case $line in
		'#'*)
			option=${line#\# }
			! grep -q "^${option%% *}=" "$out/.config" || echo "$line"
			;;
		*) grep -qxF -e "$line" "$out/.config" || echo "$line" ;;
		esac
	done <"$wanted.new" >"$out/lab.missing"
	if [ -s "$out/lab.missing" ]; then
		die "$name: the kernel's configuration did not take
$(cat "$out/lab.missing")"
	fi
	mv "$wanted.new" "$wanted"
	mv "$out/lab.id.new" "$out/lab.id"
fi
rm -f "$out/lab.id.new" "$wanted.new"

step "build $name (-j$jobs)"
logged "kernel-$name" kbuild -j"$jobs" vmlinux
# With CCACHE_DEPEND, ccache does not see that the source of the image includes the
# compressed kernel, and would return one that is another's, of the same size.
export CCACHE_DISABLE=1
logged "image-$name" kbuild -j"$jobs" bzImage
step "$name: $out/arch/x86/boot/bzImage"
