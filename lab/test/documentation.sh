#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The pages of Documentation that are ours: Sphinx makes HTML of them, with the
# kernel's own extension for what is documented in headers, without a warning.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

DOC=1 "$top/lab/deps.sh"
tree=$build/tree/ours
pages=$("$top/lab/base/paths.sh" "$top" | grep '^Documentation/.*\.rst$')
# shellcheck disable=SC2086
set -- $pages
plan $(($# + 1))

# html PAGE...: files of the tree, as one book.
html() {
	rm -rf "$tmp/src" "$tmp/html"
	mkdir "$tmp/src"
	printf '%s\n' Pages ===== '' '.. toctree::' '' >"$tmp/src/index.rst"
	for page; do
		cp "$page" "$tmp/src"
		page=${page##*/}
		echo "   ${page%.rst}" >>"$tmp/src/index.rst"
	done
	cat >"$tmp/src/conf.py" <<-END
	import sys
	sys.path.insert(0, "$tree/Documentation/sphinx")
	extensions = ["kerneldoc"]
	kerneldoc_bin = "$tree/scripts/kernel-doc"
	kerneldoc_srctree = "$tree"
	highlight_language = "none"
	END
	(cd "$tree" && PATH=/usr/bin:$PATH srctree=$tree PYTHONDONTWRITEBYTECODE=1 \
		sphinx-build -q -W --keep-going -b html "$tmp/src" "$tmp/html")
}

for page in $pages; do
	passes "$page has no warning" html "$tree/$page"
done
printf '%s\n' Title === '' 'See `Nowhere`_.' >"$tmp/wrong.rst"
fails "a wrong page has one" WARNING html "$tmp/wrong.rst"
