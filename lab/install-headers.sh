#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# install-headers.sh: install rseq.h, percpu.h and what they include for other
# programs.
#
#   PREFIX=/usr/local   where to, an absolute path
#   DESTDIR=            what to put before it, for packages
#
# A program finds them by `pkg-config --cflags rseq-headers`.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/lab/lib.sh"

prefix=${PREFIX:-/usr/local} dest=${DESTDIR:-}
absolute PREFIX "$prefix"
[ -z "$dest" ] || absolute DESTDIR "$dest"
case $prefix in
*[[:space:]]*) die "PREFIX=$prefix: pkg-config takes no path with a blank in it" ;;
esac
include=$prefix/include/rseq-headers
pc=$prefix/share/pkgconfig

install -d "$dest$include" "$dest$pc" ||
	die "cannot write to $dest$prefix; PREFIX=DIR names another place"
from=$top/tools/testing/selftests/rseq
for header in "$from"/rseq.h "$from"/rseq-*.h "$from"/percpu.h \
	"$from"/percpu-*.h; do
	install -m 644 "$header" "$dest$include/"
done
cat >"$dest$pc/rseq-headers.pc" <<PC
prefix=$prefix
includedir=\${prefix}/include/rseq-headers

Name: rseq-headers
Description: Operations on per-CPU data by restartable sequences, header only
Version: 1
Cflags: -I\${includedir}
PC
step "installed $dest$include/rseq.h"
[ -n "$dest" ] || step "pkg-config --cflags rseq-headers finds it"
