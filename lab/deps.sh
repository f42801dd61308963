#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# deps.sh: see that what the lab needs is there. As root on Debian, missing
# packages are installed; otherwise they are listed with the command that
# installs them.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/lab/lib.sh"

case $top in
*[[:space:]:]*) die "$top: the kernel cannot be built below a path with a blank or a colon; move the repository" ;;
esac
[ "$(uname -m)" = x86_64 ] ||
	die "this machine is $(uname -m); the lab builds and runs on x86_64"

missing=
# need PACKAGE TEST...: the package is wanted unless the test succeeds.
need() {
	package=$1
	shift
	"$@" >/dev/null 2>&1 || missing="$missing $package"
}
tool() {
	command -v "$1"
}
# Can a program with this header, for this machine, be made?
compiles() {
	printf '#include <%s>\nint main(void) { return 0; }\n' "$1" |
		gcc -x c "$2" -o /dev/null -
}
# For scripts/spdxcheck.py of the kernel, which checkpatch calls.
has_module() {
	/usr/bin/python3 -c "import $1"
}
look() {
	missing=
	need gcc tool gcc
	need make tool make
	need libc6-dev compiles stdio.h -m64
	need gcc-multilib compiles stdio.h -m32
	need ccache tool ccache
	need flex tool flex
	need bison tool bison
	need bc tool bc
	need libelf-dev compiles libelf.h -m64
	need patch tool patch
	need unifdef tool unifdef
	need rsync tool rsync
	need xz-utils tool xz
	need util-linux tool flock
	need busybox-static test -x /bin/busybox
	need qemu-system-x86 tool qemu-system-x86_64
	if [ -n "${BENCH:-}" ]; then
		need gnuplot-nox tool gnuplot
		need rt-tests tool hackbench
	fi
	if [ -n "${CONFORMANCE:-}" ]; then
		need stress-ng tool stress-ng
		need gdb tool gdb
		need liburcu-dev compiles urcu.h -m64
		[ "$CONFORMANCE" != criu ] || need criu tool criu
	fi
	[ -z "${DEBUGGER:-}" ] || need gdb tool gdb
	[ -z "${MODEL:-}" ] || need spin tool spin
	if [ -n "${SERIES:-}" ]; then
		need git tool git
	fi
	if [ -n "${DEB:-}" ]; then
		need debhelper tool dh_builddeb
		need dpkg-dev tool dpkg-buildpackage
		need kmod tool depmod
		need cpio tool cpio
		need libssl-dev compiles openssl/opensslv.h -m64
		need debootstrap tool debootstrap
		need e2fsprogs tool mke2fs
	fi
	if [ -n "${DOC:-}" ]; then
		need python3-sphinx tool sphinx-build
	fi
	if [ -n "${MAN:-}" ]; then
		need man-db tool man
		need mandoc tool mandoc
		need bsdextrautils tool col
	fi
	if [ -n "${CHECK:-}" ]; then
		need sparse tool sparse
		need python3-ply has_module ply
		need python3-git has_module git
	fi
	if [ -n "${BENCH_USER:-}" ]; then
		need liburcu-dev compiles urcu/urcu-memb.h -m64
		need gnuplot-nox tool gnuplot
	fi
	if [ -n "${COMPILERS:-}" ]; then
		need g++ tool g++
		need clang tool clang
	fi
	[ -n "${LINUX:-}" ] ||
		need linux-source-6.12 test -f /usr/src/linux-source-6.12.tar.xz
}

look
[ -n "$missing" ] || exit 0
command="apt-get install --no-install-recommends -y$missing"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	die "missing:$missing; as root: $command"
fi
step "install$missing"
export DEBIAN_FRONTEND=noninteractive
logged deps-update apt-get update
logged deps $command
look
[ -z "$missing" ] || die "still missing after the installation:$missing"
