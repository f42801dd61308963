#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# boot.sh KERNEL: boot build/kernel/KERNEL in QEMU under software emulation
# and run a command in it.
#
#   CMD=...      a shell command line; without it, an interactive shell
#   PROGRAM=...  a 32-bit program instead, for a kernel that runs no other
#   SMP=4        virtual CPUs
#   THREADS=1    how many of them a core has; only a kernel with ACPI, and support
#                for Intel, sees that
#   ICOUNT=1     one virtual CPU at a time, and a time stamp counter that counts
#                its instructions
#   MEM=1024     MiB of memory, in two nodes when there are two CPUs
#   TIMEOUT=120  seconds until the guest counts as hung
#   APPEND=...   further kernel arguments
#   QEMU=...      further QEMU arguments, without blanks in them
#   LOG=NAME     the console goes to build/log/NAME.log
#   LATER=TEXT   lines of the console that begin so are for the caller to judge
#
# Standard output is the command's output, and the exit status is its own;
# 124 if the guest had to be stopped after TIMEOUT, 125 if it died or the
# kernel complained on the console, whose lines are then shown; 123 if that was
# the fault of the emulator, so that it is worth another try.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# = 1 ] || die "usage: [CMD=...] boot.sh KERNEL"
kernel=$1
smp=${SMP:-4} threads=${THREADS:-1} mem=${MEM:-1024} timeout=${TIMEOUT:-120}
image=$build/kernel/$kernel/arch/x86/boot/bzImage
[ -f "$image" ] || die "$image: no such kernel; make kernel TREE=$kernel makes it"
number SMP "$smp"
number THREADS "$threads"
number MEM "$mem"
number TIMEOUT "$timeout"
[ "$smp" -le 64 ] || die "SMP=$smp: the kernel is built for 64 CPUs at most"
[ $((smp % threads)) = 0 ] || die "THREADS=$threads: does not divide SMP=$smp"

# What the lab has built is at hand in the guest.
programs() {
	for dir in "$build/samples" "$build/fuzz" "$build/faults" \
		"$build"/selftests/*/; do
		[ ! -d "$dir" ] || printf "%s:" "${dir%/}"
	done
}
shell="command -v bash >/dev/null && exec bash -i; exec sh -i"

mkdir -p "$build/log" "$build/run"
run=$(mktemp -d "$build/run/XXXXXX")
log=$build/log/${LOG:-boot-$kernel}.log
qemu=
clean_up() {
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || :
	rm -rf "$run"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

{
	echo "PATH='$(programs)'\$PATH"
	printf '%s\n' "${CMD:-$shell}"
} >"$run/command"
printf '%s\n' "$PWD" >"$run/directory"
init=$top/lab/guest/init
if [ -n "${PROGRAM:-}" ]; then
	init=$build/init32/init32
	[ -x "$init" ] || die "$init: not built; programs.sh init32 builds it"
	printf '%s\n' "$PROGRAM" >"$run/program"
	CMD=$PROGRAM
fi
: >"$run/console"
if [ -t 1 ]; then
	stty size <&1 >"$run/terminal"
fi
if [ -z "${CMD:-}" ]; then
	[ -t 0 ] && [ -t 1 ] ||
		die "a shell needs a terminal; CMD='...' runs a command without one"
	: >"$run/interactive"
fi

# A value in QEMU's options ends at a comma, unless it is doubled.
quote() {
	printf '%s' "$1" | sed 's/,/,,/g'
}

# The guest is told the frequency of its time stamp counter, which is that of the
# host. It cannot measure it while the host is busy, and all its clocks would be
# wrong, by a factor of ten or more.
tsc_khz() {
	source=$top/lab/guest/tsc_khz.c program=$build/tsc_khz
	if [ ! -x "$program" ] || [ "$source" -nt "$program" ]; then
		gcc -O2 -Wall -Wextra -o "$run/tsc_khz" "$source"
		mv -f "$run/tsc_khz" "$program"
	fi
	"$program"
}

machine="-accel tcg,thread=multi -cpu max" arguments=
# A repeated string instruction counts once a turn, so they should not go byte by
# byte. The calibration of the APIC timer would take half a minute, and the delays
# at the start of each CPU as long. Behind an IO-APIC, the timer that is left
# (the PIT) would interrupt a second time while the kernel handles it: QEMU raises
# its line twice.
if [ -n "${ICOUNT:-}" ]; then
	machine="-accel tcg,thread=single -icount shift=0,sleep=off -rtc clock=vm
		-cpu max,erms=off"
	arguments="nolapic_timer noapic cpu_init_udelay=0"
else
	arguments=tsc_early_khz=$(tsc_khz)
fi
[ "$threads" = 1 ] || machine="$machine,vendor=GenuineIntel"
# shellcheck disable=SC2086
set -- -M pc $machine -m "$mem" \
	-nodefaults -no-user-config -display none -no-reboot
# Without ACPI the kernel finds its CPUs in the MP table, one in each socket, and
# makes up two nodes; which would divide a core of several CPUs.
nodes=
[ "$smp" -lt 2 ] || [ "$threads" -gt 1 ] || nodes=numa=fake=2
# shellcheck disable=SC2086
set -- "$@" ${QEMU:-} -smp "$smp,sockets=$((smp / threads)),threads=$threads" -kernel "$image" \
	-serial "file:$run/console" \
	-device virtio-serial-pci -chardev stdio,id=out,signal=off \
	-device virtconsole,chardev=out \
	-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \
	-device virtio-9p-pci,fsdev=root,mount_tag=root \
	-fsdev "local,id=lab,path=$(quote "$run"),security_model=none" \
	-device virtio-9p-pci,fsdev=lab,mount_tag=lab \
	-append "console=ttyS0 no_timer_check tsc=reliable lpj=4000000 oops=panic panic=-1 kunit.enable=0 \
root=root rootfstype=9p rootflags=trans=virtio,version=9p2000.L,cache=loose,msize=262144 ro \
$nodes init=\"$init\" LAB_TERM=$([ -t 1 ] && echo "${TERM:-dumb}" || echo dumb) $arguments ${APPEND:-}"

no_timer='APIC timer disabled due to verification failure'

# A CPU that QEMU emulates may run into a breakpoint that another one has taken
# away already: the kernel puts them up while it patches its own code, as it does
# when it boots. QEMU was also seen to die of a SIGSEGV of its own. Then the guest
# is booted once more; once a program runs, that is left to the caller.
#
# While the machine is busy, the timers of the CPUs may not stand the comparison
# with the clock that the kernel makes, and then there are no high resolution
# timers, and much is not tested. The guest ends before it runs anything, unless
# this is the last try.
for try in 1 2 3 4 5 6 7 8 9 10; do
	rm -f "$run/last"
	[ "$try" != 10 ] || : >"$run/last"
	status=0
	if [ -e "$run/interactive" ]; then
		qemu-system-x86_64 "$@" || status=$?
	else
		timeout -k 5 "$timeout" qemu-system-x86_64 "$@" </dev/null &
		qemu=$!
		wait "$qemu" || status=$?
		qemu=
	fi
	tr -d '\r' <"$run/console" >"$log"
	[ ! -e "$run/started" ] || break
	if [ "$status" = 139 ]; then
		step "$kernel: the emulator died; boot it again"
	elif grep -q '^\(\[.*\] \)\?Oops: int3' "$log"; then
		step "$kernel: the emulator lost track of a patched instruction; boot it again"
	elif [ "$status" = 0 ] && grep -q "$no_timer" "$log"; then
		step "$kernel: the guest has no high resolution timers; boot it again"
	else
		break
	fi
done

complain() {
	printf '%s\n' "$1" "the whole console is in $log" >&2
}

# What a kernel says when something in it has gone wrong.
trouble='WARNING:|BUG:|Oops|Call Trace|Kernel panic|rcu: INFO|rcu_.*stall|blocked for more than|soft lockup|possible circular locking|possible recursive locking|INFO: .*suspicious|KTAP.*not ok'
if [ "$status" = 139 ]; then
	complain "the emulator died of a SIGSEGV;"
	exit 123
fi
# Two boots of some thousands had a CPU that slept past its timer for as long as
# nothing else woke it up; why, is not known. The kernel says so once the thread that drives the
# grace periods of RCU is late by 21 s. A kernel that is at fault does it again.
# Anything else that it complains of counts.
lost_timer() {
	! grep -vqE 'rcu: INFO|Call Trace' "$run/trouble" &&
		grep -q "rcu: .* kthread timer wakeup didn't happen" "$log" &&
		grep -q 'NMI backtrace for cpu [0-9]* skipped: idling' "$log"
}

# An OOM kill that a test has asked for has a call trace in its report.
asked='/sysrq: Manual OOM execution/,/Out of memory: Killed process/s/Call Trace//'
if sed "s/^\\[ *[0-9.]*\\] //; $asked" "$log" | awk -v later="${LATER:-}" '
	{ print later != "" && index($0, later) == 1 ? "" : $0 }' |
	grep -nE "$trouble" >"$run/trouble"; then
	n=$(head -n 1 "$run/trouble" | cut -d : -f 1)
	if head -n 1 "$run/trouble" | grep -q "Oops: int3"; then
		complain "the emulator lost track of a patched instruction;"
		exit 123
	fi
	if lost_timer; then
		complain "the timer of a CPU that idles did not go off;"
		exit 123
	fi
	tail -n "+$n" "$log" | head -n 40 >&2
	complain "the kernel complained on its console, from line $n on (shown above);"
	exit 125
fi
# One boot of some thousands came to a stop without a word, about when it begins
# with its command. A kernel that is at fault does that again, too.
if [ "$status" = 124 ] && [ ! -e "$run/running" ]; then
	tail -n 20 "$log" >&2
	complain "the guest stopped before it ran anything, for $timeout s; its last lines are above;"
	exit 123
fi
if [ "$status" = 124 ] || [ "$status" = 137 ]; then
	tail -n 20 "$log" >&2
	complain "the guest had not finished after $timeout s (TIMEOUT=) and was stopped; its last lines are above;"
	exit 124
fi
if [ "$status" != 0 ] || [ ! -s "$run/status" ]; then
	tail -n 20 "$log" >&2
	complain "the guest ended without the command's status (QEMU: $status); its last lines are above;"
	exit 125
fi
exit "$(cat "$run/status")"
