#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# coverage.sh: which lines and branches of our kernel files run in the self-tests,
# KUnit and the fuzzer's corpus, all in one boot. Prints a line a file; the
# annotated sources are in build/coverage.
#
# What stands in headers counts for the file that it is inlined in.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

"$top/lab/deps.sh"
"$top/lab/guest/kernel.sh" ours
"$top/lab/guest/programs.sh" selftests fuzz

# Our own files that this kernel has, without their suffix.
files=$(sed -n 's|\.c$||p' "$build/tree/ours.manifest" |
	grep -E '^(kernel|arch/x86/kernel)/' | grep -v '_test$' |
	while IFS= read -r file; do
		[ ! -f "$build/kernel/ours/$file.o" ] || echo "$file"
	done)

# Instrument these and no others: what make is told in MAKEFLAGS is as if it
# stood on the command line.
flags='--'
for file in $files; do
	flags="$flags GCOV_PROFILE_${file##*/}.o=y"
done
MAKEFLAGS=$flags "$top/lab/guest/kernel.sh" ours "$top/lab/debug/gcov.config"
object=$build/kernel/ours-gcov

out=$build/coverage
rm -rf "$out"
mkdir -p "$out"
tests=$(sed -n 's/^rseq://p' "$build/selftests/kselftest-list.txt" | tr '\n' ' ')
step "run everything in one boot"
# Files of debugfs have no size, so copy them before they are packed.
CMD="cd '$build/selftests/rseq' || exit
mkdir /run/gcov
for test in $tests; do
	timeout 300 ./\$test >/run/said 2>&1 || echo \$test >>/run/gcov/failed
done
fuzz -c '$top/lab/fuzz/corpus' >/run/said 2>&1 || echo fuzz >>/run/gcov/failed
for file in $(echo "$files" | tr '\n' ' '); do
	mkdir -p /run/gcov/\${file%/*}
	cat '/sys/kernel/debug/gcov$object/'\$file.gcda >/run/gcov/\$file.gcda
done
tar -C /run/gcov -cf - ." LOG=coverage TIMEOUT="${TIMEOUT:-3600}" \
	APPEND=kunit.enable=1 \
	"$top/lab/guest/boot.sh" ours-gcov >"$out/data.tar"
tar -C "$out" -xf "$out/data.tar"
[ ! -e "$out/failed" ] || step "failed: $(tr "\n" " " <"$out/failed")"

cd "$out"
for file in $files; do
	cp "$object/$file.gcno" "$file.gcno"
	gcov -b -o "$out/${file%/*}" "$out/$file.gcda" >"$file.said" 2>&1 ||
		die "gcov: $(tail -n 1 "$file.said")"
	awk -v file="$file.c" '
		/^File / { ours = index($0, file) != 0 }
		ours && sub(/^Lines executed:/, "") { lines = $0 }
		ours && sub(/^Taken at least once:/, "") { branches = $0 }
		END {
			if (lines == "")
				exit 1
			printf "%-36s lines %s, branches %s\n", file, lines,
				branches == "" ? "none" : branches
		}' "$file.said" || die "$file.c: gcov says nothing about it"
done
