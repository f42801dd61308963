#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The source and the trees made from it: what is refused, what is redone, and
# that the proof of bareness can fail; and the list of mistakes in our own.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

plan 16

# source_tree DIR VERSION PATCHLEVEL SUBLEVEL: a kernel source of two files.
source_tree() {
	mkdir -p "$1/kernel"
	printf '%s\n' "VERSION = $2" "PATCHLEVEL = $3" "SUBLEVEL = $4" \
		>"$1/Makefile"
	echo fork >"$1/kernel/fork.c"
}
# tree SOURCE TREE: make a tree from it, in a build directory of this test.
tree() {
	LINUX=$1 BUILD=$tmp/build "$top/lab/base/tree.sh" "$2"
}

source_tree "$tmp/linux-6.6.1" 6 6 1
source_tree "$tmp/linux-6.12.9" 6 12 9
tar -C "$tmp" -czf "$tmp/old.tar.gz" linux-6.6.1
tar -C "$tmp" -cJf "$tmp/right.tar.xz" linux-6.12.9
mkdir "$tmp/empty"
: >"$tmp/empty.tar"

fails "a tree of another version is refused by name" \
	"LINUX=$tmp/linux-6.6.1: this is Linux 6.6.1; the series is for 6.12.y" \
	tree "$tmp/linux-6.6.1" stock
fails "a tarball of another version is refused by name" \
	"LINUX=$tmp/old.tar.gz: this is Linux 6.6.1; the series is for 6.12.y" \
	tree "$tmp/old.tar.gz" stock
fails "a tree that is no kernel is refused" "not a kernel source" \
	tree "$tmp/empty" stock
fails "a file that is no tarball is refused" "not a tarball" \
	tree "$tmp/empty.tar" stock
fails "a missing file is refused" "no such file" tree "$tmp/absent" stock
passes "none of them left a tree" test ! -e "$tmp/build/tree/stock"

# A tar that dies halfway takes the script with it, as a lost power supply
# would.
mkdir "$tmp/bin"
cat >"$tmp/bin/tar" <<'END'
#!/bin/sh
case $* in
*strip-components*)
	/bin/tar "$@"
	eval "rm -r \"\${2}/kernel\""
	kill -9 "$PPID"
	;;
*) exec /bin/tar "$@" ;;
esac
END
chmod +x "$tmp/bin/tar"
PATH=$tmp/bin:$PATH
exits "an unpack can be interrupted" 137 tree "$tmp/right.tar.xz" stock
PATH=${PATH#"$tmp"/bin:}
passes "what it left does not pass for a tree" test ! -e "$tmp/build/tree/stock"
passes "and is done again" tree "$tmp/right.tar.xz" stock
passes "in full" cmp "$tmp/linux-6.12.9/kernel/fork.c" \
	"$tmp/build/tree/stock/kernel/fork.c"
passes "another source replaces it" sh -c "
	echo other >'$tmp/linux-6.12.9/kernel/fork.c'
	LINUX='$tmp/linux-6.12.9' BUILD='$tmp/build' \
		'$top/lab/base/tree.sh' stock &&
	grep -q other '$tmp/build/tree/stock/kernel/fork.c'"

fails "a rule that matches nothing is named" \
	": delete kernel/rseq.c" \
	tree "$tmp/linux-6.12.9" bare

# One rule less, and the proof of bareness must see what it leaves.
cp -al "$build/tree/stock" "$tmp/less"
awk '/^[^\t#]/ { drop = $0 == "replace arch/arm64/kernel/syscall.c" } !drop' \
	"$top/lab/base/bare.rules" >"$tmp/less.rules"
passes "the rules apply with one of them dropped" \
	"$top/lab/base/strip.sh" "$tmp/less.rules" "$tmp/less"
fails "and the proof of bareness sees the line that is left" \
	"arch/arm64/kernel/syscall.c:" \
	"$top/lab/base/check-bare.sh" "$tmp/less"

passes "each mistake of the list can be made" "$top/lab/mutants/run.sh" check
mkdir -p "$tmp/top"
ln -s "$top"/* "$tmp/top"
rm "$tmp/top/lab"
cp -R "$top/lab" "$tmp/top/lab"
sed -i 's|^version .*|version kernel/rseq.h fatal_test s/no such line/;/|' \
	"$tmp/top/lab/mutants/list"
fails "one that cannot is named" \
	"version: changes 0 lines of kernel/rseq.h, not 1" \
	"$tmp/top/lab/mutants/run.sh" check
