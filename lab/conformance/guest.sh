#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# guest.sh short|full|criu DIRECTORY [NAME...]: in the guest, run programs one
# after the other, those from DIRECTORY, where programs.sh has put them, and
# those of the system; NAMEs choose some of them. LIST=1: print their names.
#
# When one ends there is a line "= NAME STATUS SECONDS" on standard output,
# after what it printed, each line after "| ". 124 for STATUS says that it was
# stopped when its time was up, which is meant for a machine that is busy with
# other things.
set -u
here=$(cd "$(dirname "$0")" && pwd)
form=$1 dir=$2
shift 2
wanted=$*
# A program may leave a core behind, and its own files.
[ -n "${LIST:-}" ] || {
	said=$(mktemp)
	cd "$(mktemp -d)" || exit
}

# now: seconds since boot.
now() {
	read -r up _ </proc/uptime
	echo "${up%.*}"
}

# try NAME SECONDS COMMAND...: run a program.
try() {
	name=$1 limit=$2
	shift 2
	[ -z "${LIST:-}" ] || {
		echo "$name"
		return
	}
	case " $wanted " in
	'  ' | *" $name "*) ;;
	*) return ;;
	esac
	began=$(now)
	status=0
	timeout -k 10 "$limit" "$@" >"$said" 2>&1 </dev/null || status=$?
	[ "$status" != 137 ] || status=124
	tail -n 100 "$said" | sed 's/^/| /'
	echo "= $name $status $(($(now) - began))"
}

# full NAME...: the same, but only in the full form.
full() {
	[ "$form" != full ] || try "$@"
}

if [ "$form" = criu ]; then
	try criu 600 "$here/criu.sh" "$dir"
	exit
fi

# Their library is found in the current directory.
cd "$dir/kselftest/rseq" || exit
try rseq/basic_test 120 ./basic_test
try rseq/param_test 600 "$here/param_test.sh"
full rseq/basic_percpu_ops_test 1200 ./basic_percpu_ops_test
full rseq/basic_percpu_ops_mm_cid_test 1200 ./basic_percpu_ops_mm_cid_test
# Its other options stay as they are; the last one counts. Fewer repetitions than
# 10 are a division by zero.
full rseq/run_param_test.sh 3000 ./run_param_test.sh -r 10 -t 4
full rseq/param_test_benchmark 300 ./param_test_benchmark -r 1000 -t 8
full rseq/param_test_mm_cid_benchmark 300 \
	./param_test_mm_cid_benchmark -r 1000 -t 8

# program FILE: is it one?
program() {
	[ -f "$1" ] && [ -x "$1" ]
}

for test in ../membarrier/* ../ptrace/*; do
	program "$test" || continue
	case $test in
	# One of its tests hangs on stock until its half minute is up.
	*/vmaccess) full "${test#../}" 120 "$test" ;;
	*) try "${test#../}" 120 "$test" ;;
	esac
done

cd ../x86 || exit
for test in *; do
	program "$test" || continue
	case $test in
	# These two return far in 64-bit mode, and the emulator then reads
	# the user's stack as the kernel's: the guest dies, whatever its
	# kernel.
	test_syscall_vdso_32 | sysret_ss_attrs_64) ;;
	# These take minutes.
	syscall_numbering_64 | sysret_rip_64 | sysret_ss_attrs_32)
		full "x86/$test" 1200 "./$test" ;;
	*) try "x86/$test" 120 "./$test" ;;
	esac
done

for test in area migration threads fork spawn vfork; do
	try "glibc/$test" 600 "$dir/glibc" "$test"
done
try liburcu 600 "$dir/urcu"
try gdb 900 "$here/gdb.sh" "$dir"
if [ "$form" = full ]; then
	try stress-ng 600 "$here/stress-ng.sh" 60
else
	try stress-ng 300 "$here/stress-ng.sh" 10
fi
