#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# deb.sh [CONFIG]: kernel packages of ours, in build/deb, by the kernel's own
# bindeb-pkg. The configuration is the lab's with lab/deb/config, which boots a
# virtual machine from a disk; or CONFIG, a whole one, such as Debian's
# /boot/config-*, for which a build takes hours.
#
#   LOCALVERSION=-rseq  what the kernel's version ends in
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# -le 1 ] || die "usage: deb.sh [CONFIG]"
whole=${1:-}
if [ -n "$whole" ]; then
	[ -f "$whole" ] || die "CONFIG=$whole: no such file"
	grep -q '^CONFIG_64BIT=y' "$whole" && [ "$(grep -c '^CONFIG_' "$whole")" -gt 300 ] ||
		die "CONFIG=$whole: make deb takes a whole configuration for x86-64, such as /boot/config-*"
	whole=$(readlink -f "$whole")
fi
suffix=${LOCALVERSION:--rseq}
case $suffix in
-*[!a-z0-9.+-]* | [!-]*) die "LOCALVERSION=$suffix: must begin with - and have nothing but a-z, 0-9, ., + and - in it" ;;
esac
DEB=1 "$top/lab/deps.sh"
"$top/lab/base/tree.sh" ours
src=$build/tree/ours
out=$build/deb/kernel
mkdir -p "$out"
lock "$build/deb.lock"
lock "$src.lock" -s

export CCACHE_DIR="${CCACHE_DIR:-$build/ccache}" CCACHE_MAXSIZE=2G
export CCACHE_BASEDIR="$build" CCACHE_NOHASHDIR=1
export CCACHE_SLOPPINESS=time_macros CCACHE_DEPEND=1
# Who has built it is who would sign the patches.
DEBFULLNAME=$(git -C "$top" config user.name || echo root)
DEBEMAIL=$(git -C "$top" config user.email || echo root@localhost)
export DEBFULLNAME DEBEMAIL
kbuild() {
	make -C "$src" O="$out" ARCH=x86_64 CC='ccache gcc' HOSTCC='ccache gcc' \
		LOCALVERSION="$suffix" "$@"
}

step "configure the packaged kernel"
# What a list asks for that did not become so is an error, as in the lab.
if [ -n "$whole" ]; then
	# Debian's names a file of Debian's own build, and needs its tools.
	sed -E '/^CONFIG_(SYSTEM_TRUSTED_KEYS|MODULE_SIG_KEY|DEBUG_INFO)/d' \
		"$whole" >"$out/.config"
	printf '%s\n' 'CONFIG_SYSTEM_TRUSTED_KEYS=""' CONFIG_DEBUG_INFO_NONE=y \
		CONFIG_RSEQ=y >>"$out/.config"
	logged deb-config kbuild olddefconfig
	echo CONFIG_RSEQ=y >"$out/asked"
else
	# A later line for the same option replaces the earlier one.
	cat "$top/lab/guest/config" "$top/lab/guest/config.rseq" \
		"$top/lab/deb/config" |
		grep -E '^(CONFIG_[A-Z0-9_]+=|# CONFIG_[A-Z0-9_]+ is not set)' |
		awk '{
			o = $0
			sub(/^# /, "", o)
			sub(/[ =].*/, "", o)
			if (!(o in at)) name[++n] = o
			at[o] = $0
		} END { for (i = 1; i <= n; i++) print at[name[i]] }' >"$out/asked"
	logged deb-config kbuild KCONFIG_ALLCONFIG="$out/asked" allnoconfig
fi
while IFS= read -r line; do
	case $line in
	'#'*)
		option=${line#\# }
		! grep -q "^${option%% *}=" "$out/.config" || echo "$line"
		;;
	*) grep -qxF -e "$line" "$out/.config" || echo "$line" ;;
	esac
done <"$out/asked" >"$out/missing"
[ ! -s "$out/missing" ] || die "the kernel's configuration did not take
$(cat "$out/missing")"

release=$(kbuild -s kernelrelease)
step "build the packages of $release"
rm -f "$build"/deb/*.deb "$build"/deb/*.buildinfo "$build"/deb/*.changes
export KDEB_PKGVERSION="${release%"$suffix"}-1${suffix#-}" KDEB_CHANGELOG_DIST=unstable
logged deb kbuild -j"${JOBS:-$(nproc)}" vmlinux modules
# The image without ccache: see lab/guest/kernel.sh.
export CCACHE_DISABLE=1
logged deb kbuild -j"${JOBS:-$(nproc)}" bindeb-pkg
rm -f "$build"/deb/*.buildinfo "$build"/deb/*.changes
for package in "$build"/deb/*.deb; do
	step "$package"
done
