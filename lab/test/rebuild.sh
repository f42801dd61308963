#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Editing a file of the overlay rebuilds that file's object and no other. The
# edit is made in a copy of the overlay; the real one is built again at the
# end.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

# An object that the kernel has from one of our own files.
source=$(cd "$build/kernel/ours" && grep '\.c$' "$build/tree/ours.manifest" |
	while IFS= read -r file; do
		[ -f "$build/tree/bare/$file" ] || [ ! -f "${file%.c}.o" ] ||
			echo "$file"
	done | head -n 1)
if [ -z "$source" ]; then
	echo "1..0 # SKIP the overlay has no source file of its own yet"
	exit 0
fi

plan 4
# What follows from the linked kernel, its version and its size, is not counted.
compiled() {
	sed -n 's/^  CC  *\([^ ]*\)$/\1/p' "$build/log/kernel-ours.log" |
		grep -vx -e init/version.o -e arch/x86/boot/compressed/misc.o |
		sort
}
cp "$build/tree/ours.manifest" "$tmp/manifest"
mkdir "$tmp/overlay"
(cd "$top" && find . \( -path ./build -o -path ./.git -o -path ./lab \) -prune \
	-o -type f -print | tar -cf - -T -) | tar -C "$tmp/overlay" -xf -

passes "a build with nothing changed" "$top/lab/guest/kernel.sh" ours
passes "compiles nothing" sh -c "[ -z '$(compiled)' ]"
printf '\n' >>"$tmp/overlay/$source"
OVERLAY=$tmp/overlay passes "a build after an edit of $source" \
	"$top/lab/guest/kernel.sh" ours
compiled >"$tmp/compiled"
passes "compiles that file and no other" sh -c "
	cat '$tmp/compiled'; [ \"\$(cat '$tmp/compiled')\" = '${source%.c}.o' ]"
"$top/lab/guest/kernel.sh" ours >/dev/null 2>&1
