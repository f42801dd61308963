#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# coverage.sh: which lines and branches of our kernel files run in the self-tests,
# KUnit and the fuzzer's corpus. Prints a line a file; which lines do not run is
# in build/coverage/lines.
#
# Several boots are added up: with the kernel arguments that tests ask for, and of
# a kernel with statistics and tracepoints, where each return to user mode takes
# the slow path. What is inlined counts where it stands in the source, wherever it
# is inlined; of a file that is only hooked, the lines that were added.
#
# Fails if a test failed, if fewer lines than 98 % ran, or if what did not run is
# not what lab/debug/uncovered explains.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

"$top/lab/deps.sh"
"$top/lab/base/tree.sh" bare
"$top/lab/guest/kernel.sh" ours
"$top/lab/guest/programs.sh" selftests fuzz
out=$build/coverage
rm -rf "$out"
mkdir -p "$out/boots" "$build/log"

# The files that are counted, and of them those that are objects of their own.
grep -E '^(kernel|arch|fs|include)/.*\.[ch]$' "$build/tree/ours.manifest" |
	grep -v '_test\.c$' >"$out/files"
objects=$(sed -n 's|\.c$||p' "$out/files" | while IFS= read -r file; do
	[ ! -f "$build/kernel/ours/$file.o" ] || echo "$file"
done)

# Instrument these and no others: what make is told in MAKEFLAGS is as if it
# stood on the command line. The functions that enter the kernel and leave it are
# not to be instrumented, because most instrumentation calls something. To count
# is one instruction.
flags='-- CFLAGS_GCOV=-fprofile-arcs\ -ftest-coverage\ -fno-tree-loop-im\ -fprofile-update=prefer-atomic\ -D__no_profile_instrument_function__=__unused__'
for stem in $(printf '%s\n' "$objects" | sed 's|.*/||' | sort -u); do
	directories=$(printf '%s\n' "$objects" | sed -n "s|/$stem\$||p" |
		tr '\n' ' ')
	# shellcheck disable=SC2016
	flags="$flags GCOV_PROFILE_$stem.o=\$\$(filter\\ $(
		echo "${directories% }" | sed 's/ /\\ /g'),\$\$(obj))"
done
for config in gcov gcov-stats; do
	MAKEFLAGS=$flags "$top/lab/guest/kernel.sh" ours "$top/lab/debug/$config.config"
done

# boot KERNEL NAME ARGUMENTS TEST...: run tests, and leave what was counted in
# build/coverage/boots/NAME.
boot() {
	kernel=$1 name=$2 arguments=$3
	shift 3
	object=$build/kernel/$kernel
	step "$name: boot $kernel and run $# programs"
	retry "$name" counted "$@" || die "$name: the boot failed"
	mkdir "$out/boots/$name"
	tar -C "$out/boots/$name" -xf "$out/boots/$name.tar"
	rm "$out/boots/$name.tar"
	[ ! -s "$out/boots/$name/failed" ] || {
		failed="$failed $(sed "s/\$/ ($name)/" "$out/boots/$name/failed" | tr '\n' ' ')"
		cat "$out/boots/$name"/*.said >&2 || :
	}
	for file in $objects; do
		ln -s "$object/$file.gcno" "$out/boots/$name/$file.gcno"
	done
}

# Files of debugfs have no size, so copy them before they are packed.
counted() {
	CMD="cd '$build/selftests/rseq' && mkdir /run/gcov && cd /run/gcov || exit
	! dmesg | grep -q ' *not ok [0-9]' || echo KUnit >>failed
	for test in $*; do
		said=/run/gcov/\${test##*/}.said
		(cd '$build/selftests/rseq' && case \$test in
		fuzz) exec timeout 900 fuzz -c '$top/lab/fuzz/corpus' ;;
		*) exec timeout 600 ./\$test ;;
		esac) >\$said 2>&1
		case \$? in
		# Passed, or skipped.
		0 | 4) rm \$said ;;
		*) echo \$test >>failed ;;
		esac
	done
	for file in $(echo "$objects" | tr '\n' ' '); do
		mkdir -p \${file%/*}
		cat '/sys/kernel/debug/gcov$object/'\$file.gcda >\$file.gcda ||
			echo \$file >>failed
	done
	tar -cf - ." LOG=coverage-$name TIMEOUT="${TIMEOUT:-3600}" \
		APPEND=$arguments "$top/lab/guest/boot.sh" "$kernel" \
		>"$out/boots/$name.tar"
}

failed=
selftests=$(sed -n 's/^rseq://p' "$build/selftests/kselftest-list.txt" | tr '\n' ' ')
# shellcheck disable=SC2086
boot ours-gcov plain kunit.enable=1 $selftests fuzz
for file in "$build"/selftests/rseq/*.arguments; do
	test=${file##*/}
	test=${test%.arguments}
	while IFS= read -r argument; do
		boot ours-gcov "$test-$argument" "$argument" "$test" </dev/null
	done <"$file"
done
# shellcheck disable=SC2046,SC2086
boot ours-gcov-stats stats "" $(printf '%s\n' $selftests |
	grep -E '^(stats|trace|slice|log)_test')

# What each line of ours says: file, line, text.
while IFS= read -r file; do
	before=$build/tree/bare/$file
	[ -f "$before" ] || before=/dev/null
	diff --old-line-format= --unchanged-line-format= \
		--new-line-format="$file	%dn	%L" \
		"$before" "$build/tree/ours/$file" || :
done <"$out/files" >"$out/text"

# How often each line ran, and each branch of it: file, line, "-" or which
# branch, count.
step "add up"
mkdir "$out/gcov"
cd "$out/gcov"
for boot in "$out"/boots/*/; do
	for file in $objects; do
		gcov -b -c -p -o "$boot${file%/*}" "$boot$file.gcda" >said 2>&1 ||
			die "gcov: $(tail -n 1 said)"
		awk -F : '
			FILENAME == ARGV[1] { known[$0] = 1; next }
			FNR == 1 {
				file = $4
				sub(/^(.*\/)?tree\/ours\//, "", file)
				if (!(file in known))
					nextfile
				next
			}
			/^(branch|call) / {
				split($0, word, " +")
				if (word[1] == "branch")
					print file, line, branch++,
						word[3] == "taken" ? word[4] : 0
				next
			}
			/^ *[0-9#=]+\*?: *[0-9]+:/ {
				line = $2 + 0
				branch = 0
				print file, line, "-", $1 + 0
			}' "$out/files" ./*.gcov
		rm -f ./*.gcov
	done
done >"$out/counts"

# An entry of the list is for one line: "file: text: reason".
awk -v list="$top/lab/debug/uncovered" -v lines="$out/lines" '
function percent(part, all) {
	if (!all)
		return sprintf("%16s", "none")
	return sprintf("%6.2f %% of %4d", 100 * part / all, all)
}
FILENAME == list {
	if ($0 !~ /^(#|$)/)
		entry[++entries] = $0
	next
}
FILENAME == ARGV[2] {
	split($0, field, "\t")
	text[field[1], field[2]] = substr($0, \
		length(field[1]) + length(field[2]) + 3)
	next
}
!(($1, $2) in text) { next }
$3 == "-" {
	if (!(($1, $2) in ran)) {
		order[++n] = $1 SUBSEP $2
		nr_lines[$1]++
		all_lines++
	}
	if ($4 && !ran[$1, $2]) {
		good_lines[$1]++
		all_good++
	}
	ran[$1, $2] += $4
	next
}
{
	if (!(($1, $2, $3) in taken))
		nr_branches[$1]++
	if ($4 && !taken[$1, $2, $3])
		good_branches[$1]++
	taken[$1, $2, $3] += $4
}
END {
	for (i = 1; i <= n; i++) {
		split(order[i], at, SUBSEP)
		if (ran[at[1], at[2]])
			continue
		said = text[at[1], at[2]]
		sub(/^[ \t]+/, "", said)
		print at[1] ":" at[2] ": " said >lines
		for (e = 1; e <= entries; e++)
			if (!used[e] && index(entry[e], at[1] ": " said ": ") == 1)
				break
		if (e <= entries) {
			used[e] = 1
		} else {
			print "not explained: " at[1] ":" at[2] ": " said
			bad = 1
		}
	}
	for (e = 1; e <= entries; e++)
		if (!used[e]) {
			print "explained, but it ran, or is not there: " entry[e]
			bad = 1
		}
	for (file in nr_lines)
		printf "%-38s lines %s, branches %s\n", file,
			percent(good_lines[file], nr_lines[file]),
			percent(good_branches[file], nr_branches[file]) | "sort"
	close("sort")
	printf "%-38s lines %s\n", "together", percent(all_good, all_lines)
	if (!all_lines || all_good / all_lines < 0.98) {
		print "fewer lines than 98 % ran"
		bad = 1
	}
	exit bad
}' "$top/lab/debug/uncovered" "$out/text" "$out/counts" || failed="$failed coverage"
[ -z "$failed" ] || die "failed:$failed"
