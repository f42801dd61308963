#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# check.sh SERIES: check the series in a directory, as its receiver would.
#
#   - `checkpatch --strict` has nothing to say to any patch
#   - `git am` takes it on the bare tree, and every step builds, with RSEQ on
#     and off, where it touches what is built
#   - the last tree is ours, byte for byte
#   - kernel-doc has nothing to say to our files, and MAINTAINERS names them all
#   - sparse and W=1 say nothing that they do not say of the bare tree
#
#   QUICK=1   build nothing: without the builds, sparse and W=1
#   STEP=...  what each step builds, instead of vmlinux; directories are enough to
#             see that it compiles, if not that it links
#   KEEP=1    go on after what was found, and find the rest
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# = 1 ] || die "usage: check.sh SERIES"
series=$1
quick=${QUICK:-}
targets=${STEP:-vmlinux}
bare=$build/tree/bare ours=$build/tree/ours
work=$build/check-series
# Named as in build/, so that ccache finds what has been built there before.
tree=$work/tree/ours kernel=$work/kernel
jobs=${JOBS:-$(nproc)}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
found=0
lock "$work.lock"
lock "$bare.lock" -s
lock "$ours.lock" -s
mkdir -p "$build/log"

# wrong WHAT [FILE]: something was found; say it, and what FILE says.
wrong() {
	found=$((found + 1))
	[ -z "${2:-}" ] || sed 's/^/    /' "$2" >&2
	[ -n "${KEEP:-}" ] || die "$1"
	step "found: $1"
}

# The series, without its cover letter.
find "$series" -name '*.patch' ! -name '*-0000-*' | sort >"$tmp/patches"
total=$(wc -l <"$tmp/patches")

# The bare tree, as a repository whose first commit has what the series changes.
# Nothing is written to a file in place, so the links are safe.
rm -rf "$work"
mkdir -p "$work/tree"
cp -al "$bare" "$tree"
git() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 command git -C "$tree" \
		-c user.name="make check-series" -c user.email=check@invalid "$@"
}
git init -q -b series
{
	# checkpatch asks git for the licences that there are.
	echo LICENSES
	xargs sed -n 's|^--- a/||p' <"$tmp/patches" | sort -u
} >"$tmp/before"
git add -f --pathspec-from-file="$tmp/before"
git commit -q -m base
git tag base

# Every patch that adds files is asked whether MAINTAINERS should change. That is
# the last one of the series, and looked at below. The kernel's own script for
# licences needs modules that Debian has for its own python3.
checkpatch='cd "$1" && PATH=/usr/bin:$PATH perl scripts/checkpatch.pl --strict \
	--terse --no-summary --ignore FILE_PATH_CHANGES "$3" \
	>"$2/${3##*/}.said" 2>&1'
step "checkpatch --strict: $total patches"
# shellcheck disable=SC2016
xargs -P "$jobs" -n 1 sh -c "$checkpatch" sh "$tree" "$tmp" <"$tmp/patches" ||
	:
while IFS= read -r patch; do
	[ -f "$tmp/${patch##*/}.said" ] ||
		wrong "checkpatch did not look at ${patch##*/}"
done <"$tmp/patches"
# known LINE: is this what checkpatch is known to be wrong about (series/checkpatch)?
known() {
	at=${1%%: [A-Z]*}
	text=$(sed -n "${at##*:}p" "${at%:*}" 2>/dev/null)
	while IFS="$(printf '\t')" read -r message part; do
		case $1 in
		*"$message"*) ;;
		*) continue ;;
		esac
		case $text in
		*"$part"*) return 0 ;;
		esac
	done <"$tmp/known"
	return 1
}
grep -v -e '^#' -e '^$' "$top/series/checkpatch" >"$tmp/known"
cat "$tmp"/*.said | while IFS= read -r line; do
	known "$line" || printf '%s\n' "${line#"$series/"}"
done >"$tmp/said"
[ ! -s "$tmp/said" ] || wrong "checkpatch --strict" "$tmp/said"
rm -f "$tree"/.checkpatch-camelcase.git.*

export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
export KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab KBUILD_BUILD_VERSION=1
export CCACHE_DIR="${CCACHE_DIR:-$build/ccache}" CCACHE_MAXSIZE=2G
export CCACHE_BASEDIR="$build" CCACHE_NOHASHDIR=1
export CCACHE_SLOPPINESS=time_macros CCACHE_DEPEND=1

# kbuild OUT SRC TARGET...: a kernel's make.
kbuild() {
	out=$1 src=$2
	shift 2
	make -C "$src" O="$out" ARCH=x86_64 CC='ccache gcc' HOSTCC='ccache gcc' \
		-j"$jobs" "$@"
}
# configure OUT SRC on|off: a small configuration, with RSEQ or without.
configure() {
	if [ "$3" = on ]; then
		cp "$top/lab/series/config" "$tmp/config"
	else
		sed '/RSEQ/d; /PERCPU_SEGMENT/d' "$top/lab/series/config" \
			>"$tmp/config"
		echo '# CONFIG_RSEQ is not set' >>"$tmp/config"
	fi
	mkdir -p "$1"
	logged check-series-config kbuild "$1" "$2" \
		KCONFIG_ALLCONFIG="$tmp/config" allnoconfig
}
# has OUT OPTION: is it on there?
has() {
	grep -q "^$2=y" "$1/.config"
}
# headers: those of user space, which tests and samples need.
headers() {
	[ -f "$kernel/on/.config" ] || configure "$kernel/on" "$tree" on
	logged check-series-headers kbuild "$kernel/on" "$tree" headers
}
# step_builds TOUCHED: build what a step has touched, and say in $what with what
# result. A step leaves what it does not touch, so make does not build it again.
step_builds() {
	if grep -qvE '^(Documentation|samples|tools|MAINTAINERS)' "$1"; then
		for rseq in on off; do
			configure "$kernel/$rseq" "$tree" "$rseq"
			# Until RSEQ can be turned on, both are the same.
			if [ "$rseq" = off ] && ! has "$kernel/on" CONFIG_RSEQ; then
				what="$what, builds"
				continue
			fi
			# shellcheck disable=SC2086
			if logged "check-series-$rseq" kbuild "$kernel/$rseq" \
				"$tree" $targets; then
				has "$kernel/on" CONFIG_RSEQ &&
					what="$what, builds with RSEQ $rseq"
			else
				wrong "$name: does not build with RSEQ $rseq"
			fi
		done
	fi
	if grep -q '^tools/testing/selftests/rseq/Makefile' "$1"; then
		headers
		logged check-series-selftests \
			make -C "$tree/tools/testing/selftests" O="$kernel/on" \
			ARCH=x86_64 TARGETS=rseq FORCE_TARGETS=1 \
			INSTALL_PATH="$work/selftests" install ||
			wrong "$name: the tests do not build"
		what="$what, the tests build"
	fi
	if grep -q '^samples/rseq/Makefile' "$1"; then
		headers
		logged check-series-samples make -C "$tree/samples/rseq" \
			OUTPUT="$work/samples" \
			CPPFLAGS="-isystem $kernel/on/usr/include" ||
			wrong "$name: the samples do not build"
		what="$what, the samples build"
	fi
}

n=0
while IFS= read -r patch <&3; do
	name=${patch##*/}
	n=$((n + 1))
	git am -q "$patch" >"$tmp/said" 2>&1 || {
		cat "$tmp/said" >&2
		die "$name: git am does not take it"
	}
	what=applies
	git diff --name-only HEAD^ HEAD >"$tmp/touched"
	[ -n "$quick" ] || step_builds "$tmp/touched"
	step "$n/$total $(git log -1 --format=%s): $what"
done 3<"$tmp/patches"
if [ -z "$quick" ]; then
	grep '^CONFIG_' "$top/lab/series/config" |
		grep -vxFf "$kernel/on/.config" >"$tmp/said" || :
	[ ! -s "$tmp/said" ] ||
		wrong "cannot be turned on at the end of the series" "$tmp/said"
	! has "$kernel/off" CONFIG_RSEQ || wrong "RSEQ cannot be turned off"
fi

# Files that the trees share by links are not read.
diff -rq --no-dereference --exclude=.git "$tree" "$ours" >"$tmp/said" ||
	wrong "the last tree is not ours" "$tmp/said"
git diff --name-only base HEAD >"$tmp/files"
while IFS= read -r file; do
	[ "$(stat -c %A "$tree/$file" | cut -c 4)" = \
		"$(stat -c %A "$ours/$file" | cut -c 4)" ] || echo "$file"
done <"$tmp/files" >"$tmp/said"
[ ! -s "$tmp/said" ] ||
	wrong "executable in only one of the last tree and ours" "$tmp/said"
step "the last tree is ours: $(wc -l <"$tmp/files") files changed, no other differs"

git diff --name-only --diff-filter=A base HEAD >"$tmp/new"
# Of the tests, the headers that programs include.
grep '\.[ch]$' "$tmp/new" |
	grep -vE '^(samples|tools/.*/([^/]*_[^/]*|[^/]*\.c$))' >"$tmp/kernel-doc"
(cd "$tree" && xargs perl scripts/kernel-doc -none -Wall <"$tmp/kernel-doc") \
	>"$tmp/said" 2>&1 || :
[ ! -s "$tmp/said" ] || wrong "kernel-doc" "$tmp/said"
step "kernel-doc: $(wc -l <"$tmp/kernel-doc") files"

# In a pattern of MAINTAINERS a directory stands for all below it, and * for text
# without a slash.
git diff -U0 base HEAD -- MAINTAINERS |
	sed -n 's/^+F:[[:space:]]*//p' >"$tmp/patterns"
awk '
	FNR == NR {
		end = /\/$/ ? "" : "$"
		gsub(/[.+]/, "\\\\&")
		gsub(/[*]/, "[^/]*")
		pattern[++n] = "^" $0 end
		next
	}
	{
		for (i = 1; i <= n; i++)
			if ($0 ~ pattern[i])
				next
		print
	}' "$tmp/patterns" "$tmp/new" >"$tmp/said"
[ ! -s "$tmp/said" ] ||
	wrong "MAINTAINERS: new files that no added entry names" "$tmp/said"
step "MAINTAINERS: $(wc -l <"$tmp/new") new files"

# objects LIST: what its C files are compiled to. Parts of the scheduler are
# compiled as one file.
objects() {
	sed -n -e '/^\(tools\|samples\)\//d' \
		-e 's|^kernel/sched/membarrier\.c$|kernel/sched/build_utility.c|' \
		-e 's/\.c$/.o/p' "$1" | sort -u
}
# warnings LOG: what it says, without the place of the tree and the numbers of lines,
# which differ.
warnings() {
	grep -E '(warning|error): ' "$1" |
		sed -E 's,^[^:]*/tree/(bare|ours)/,,; s/:[0-9]+(:[0-9]+)?:/:/' | sort
}
if [ -z "$quick" ]; then
	git diff --name-only --diff-filter=M base HEAD >"$tmp/hooked"
	for which in bare ours; do
		src=$build/tree/$which
		list=$tmp/files
		[ "$which" = ours ] || list=$tmp/hooked
		objects "$list" >"$tmp/objects"
		configure "$kernel/sparse-$which" "$src" on
		step "sparse and W=1: $(wc -l <"$tmp/objects") files of $which"
		logged "check-series-prepare-$which" \
			kbuild "$kernel/sparse-$which" "$src" prepare
		# shellcheck disable=SC2046
		logged "check-series-sparse-$which" kbuild "$kernel/sparse-$which" \
			"$src" C=1 W=1 $(cat "$tmp/objects")
		warnings "$build/log/check-series-sparse-$which.log" \
			>"$tmp/warnings.$which"
	done
	diff "$tmp/warnings.bare" "$tmp/warnings.ours" | grep '^>' >"$tmp/said" || :
	[ ! -s "$tmp/said" ] ||
		wrong "sparse or W=1 has something new to say" "$tmp/said"
	step "sparse and W=1: $(wc -l <"$tmp/warnings.ours") lines, none that bare does not have"
fi

[ "$found" = 0 ] ||
	die "the series is not right: $found findings, which are listed above"
step "the series is right${quick:+, as far as is seen without building it (QUICK=1)}"
