#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# debug.sh: the self-tests, KUnit and the fuzzer's corpus in our kernel with the
# kernel's own checks turned on. Any report on the console is a failure, but for a
# data race that the stock kernel has as well: when ours has one, stock runs the
# same programs with the same checks, though some fail there, and one that is hard
# on the timers.
#
#	SLOWNESS=6		how many times as long as else a test may take
#	KERNELS='debug csan'	only these: debug.config, csan.config
#	TESTS='name...'		only these tests, and the corpus
#
# Prints a table of the data races that were seen, and where. What stock once
# said is kept, in build/debug; races do not come at each try, so it has five.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

export SLOWNESS="${SLOWNESS:-6}"
kernels=${KERNELS:-debug csan}
for name in $kernels; do
	case $name in
	debug | csan) ;;
	*) die "KERNELS=$name: no such kernel; there are debug and csan" ;;
	esac
done
"$top/lab/deps.sh"
"$top/lab/guest/kernel.sh" ours
"$top/lab/guest/programs.sh" selftests fuzz timers
mkdir -p "$build/debug" "$build/log"

# Only these: a report of another kind ends with a trace of calls, and there is
# no telling whose that is.
race="BUG: KCSAN: "
titles() {
	sed -n "s/^\(\[ *[0-9.]*\] \)\{0,1\}\($race.*\)/\2/p" "$@" | sort -u
}

# stock NAME PROGRAM...: what stock says while a program runs. It may complain, and
# the program may fail, which it should not take its time for.
stock() {
	config=$1
	shift
	CMD="cd '$build/selftests/rseq' && PATH=.:\$PATH && timeout 300 $*; :" \
		LOG="debug/stock-$config.console" APPEND="$often" \
		"$top/lab/guest/boot.sh" "stock-$config" \
		>"$build/log/debug/stock-$config.out" 2>&1
}

# unknown NAME: are there data races that stock was not seen to have?
unknown() {
	grep -qvxF -f "$build/debug/$1.stock" "$build/debug/$1.ours"
}

# compare NAME: see whether stock has them, too. Most come while a kernel boots or
# idles: so each program has a guest of its own, as with ours, and what is hard on
# the timers is first, while more accesses are watched, and for longer.
compare() {
	for try in 1 2 3 4 5; do
		unknown "$1" || return 0
		"$top/lab/guest/kernel.sh" stock "$top/lab/debug/$1.config"
		step "stock-$1: what it says, try $try"
		for program in "../../debug/timers 120" $(sed -n 's/^rseq://p' \
			"$build/selftests/kselftest-list.txt" |
			grep '_test$') "fuzz -c '$top/lab/fuzz/corpus'"; do
			status=0 often=
			case $program in
			*/timers*) often="kcsan.skip_watch=1000 kcsan.udelay_interrupt=100" ;;
			esac
			retry "stock-$1" stock "$1" "$program" || status=$?
			[ "$status" != 124 ] ||
				die "stock-$1 hangs; see $build/log/debug/stock-$1.out"
			titles "$build/log/debug/stock-$1.console.log" \
				"$build/debug/$1.stock" >"$build/debug/$1.new"
			mv "$build/debug/$1.new" "$build/debug/$1.stock"
			unknown "$1" || return 0
		done
	done
	return 1
}

# table NAME: the data races that were seen.
table() {
	echo "data races:"
	printf '%-6s %-6s %s\n' stock ours report
	sort -u "$build/debug/$1.stock" "$build/debug/$1.ours" |
		while IFS= read -r title; do
			for seen in stock ours; do
				if grep -qxF -e "$title" "$build/debug/$1.$seen"; then
					printf '%-6s ' yes
				else
					printf '%-6s ' no
				fi
			done
			echo "${title#"$race"}"
		done
}

# checks KERNEL: is what finds the mistakes at work in it?
checks() {
	# shellcheck disable=SC2016
	CMD='case '$1' in
	*-csan) grep -x "enabled: 1" /sys/kernel/debug/kcsan ;;
	*) dmesg | grep "kasan: KernelAddressSanitizer initialized" &&
		grep -x " debug_locks: *1" /proc/lockdep_stats ;;
	esac' LOG="debug/checks-$1" "$top/lab/guest/boot.sh" "$1"
}

failed=
for name in $kernels; do
	kernel=ours-$name
	"$top/lab/guest/kernel.sh" ours "$top/lab/debug/$name.config"
	# These kernels are several times as slow.
	export KERNEL="$kernel" LATER="$race" TIMEOUT="${TIMEOUT:-2400}"
	rm -rf "$build/log/test-$kernel"
	mkdir -p "$build/log/debug"
	status=0
	retry "$kernel" checks "$kernel" >"$build/log/debug/checks.out" 2>&1 ||
		status=$?
	[ "$status" = 0 ] || {
		cat "$build/log/debug/checks.out"
		die "$kernel does not check anything, or does not boot"
	}
	step "test $kernel"
	"$top/lab/test/run.sh" || failed="$failed $name"
	for bits in '' _32; do
		retry "$name-fuzz$bits" \
			env CMD="fuzz$bits -c '$top/lab/fuzz/corpus$bits'" \
			LOG="test-$kernel/fuzz$bits.console" \
			"$top/lab/guest/boot.sh" "$kernel" ||
			failed="$failed $name-fuzz$bits"
	done
	touch "$build/debug/$name.stock"
	titles "$build/log/test-$kernel"/*.console.log >"$build/debug/$name.ours"
	compare "$name" || failed="$failed $name-races"
	[ ! -s "$build/debug/$name.ours" ] || table "$name"
done
[ -z "$failed" ] || die "failed:$failed"
