#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# trace.sh KERNEL ROW...: which instructions of the kernel an event of
# events.c executes.
#
# QEMU executes one instruction at a time and tells each one's address; what
# stands there is read from the memory of the running kernel, after it has
# patched itself (but not taken the lock prefixes out, as it would for one CPU).
# The shortest of some events counts, which no interrupt hit.
#
# For each row and registration: instructions in the kernel, locked ones (with a
# lock prefix, or an exchange with memory), and user-access windows (stac ...
# clac). The whole path goes to build/bench/KERNEL.ROW.REGISTRATION.trace.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# -ge 2 ] || die "usage: trace.sh KERNEL ROW..."
kernel=$1
shift
out=$build/bench
vmlinux=$build/kernel/$kernel/vmlinux
[ -x "$out/events" ] || die "$out/events: not built; bench.sh builds it"

mkdir -p "$build/run" "$build/log/bench"
run=$(mktemp -d "$build/run/XXXXXX")
mkfifo "$run/monitor.in" "$run/monitor.out" "$run/said"
guest=
clean_up() {
	[ -z "$guest" ] || kill "$guest" 2>/dev/null || :
	rm -rf "$run"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# address FILE SYMBOL
address() {
	nm "$1" | awk -v name="$2" '$3 == name { print $1; exit }'
}
start=$(address "$vmlinux" _text)
end=$(address "$vmlinux" _etext)
bytes=$((0x${end#????????} - 0x${start#????????}))
mark=$(address "$out/events" mark)

# The guest says when it is about to make some events, and waits for a file that
# says that QEMU now tells what it executes.
mkdir "$run/trace"
QEMU="-monitor pipe:$run/monitor -icount sleep=on
	-fsdev local,id=trace,path=$run/trace,security_model=none,readonly=on
	-device virtio-9p-pci,fsdev=trace,mount_tag=trace" \
CMD="mkdir /run/trace && mount -t 9p -o trans=virtio,version=9p2000.L trace /run/trace &&
	cp $out/events $out/nothing /dev/shm && cd /dev/shm &&
	GLIBC_TUNABLES=glibc.pthread.rseq=0 ./events -t $*" \
ICOUNT=1 SMP=1 LOG="bench/$kernel.trace" TIMEOUT="${TIMEOUT:-600}" \
	APPEND="norandmaps loglevel=5 noreplace-smp" \
	"$top/lab/guest/boot.sh" "$kernel" >"$run/said" &
guest=$!

exec 3<>"$run/monitor.in" 4<>"$run/monitor.out"
# monitor COMMAND...: have QEMU do these, and wait until they are done.
monitor() {
	printf '%s\n' "$@" "info version" >&3
	while read -r line <&4; do
		case $line in
		[0-9]*.[0-9]*.*) break ;;
		esac
	done
}

events=0
while read -r row mode what; do
	case $what in
	ready)
		[ "$events" != 0 ] || monitor "memsave 0x$start $bytes \"$run/code\""
		monitor "logfile $run/log" "singlestep on" "log exec,nochain"
		: >"$run/trace/$row.$mode"
		;;
	done)
		monitor "log none" "singlestep off" "logfile $run/rest"
		awk -F / -v mark="$mark" '
		!/^Trace 0:/ { next }
		$2 == mark {
			if (marks++ && (!least || n < least)) {
				least = n
				for (i = 1; i <= n; i++)
					best[i] = path[i]
			}
			n = 0
			next
		}
		marks >= 1 && marks <= 4 && $2 ~ /^ffffffff/ { path[++n] = $2 }
		END {
			for (i = 1; i <= least; i++)
				print best[i]
		}' "$run/log" >"$run/$row.$mode"
		rm "$run/log" "$run/trace/$row.$mode"
		events=$((events + 1))
		;;
	*) die "$kernel: not expected of the guest: $row $mode $what" ;;
	esac
done <"$run/said"
status=0
wait "$guest" || status=$?
guest=
[ "$status" = 0 ] || exit "$status"

objdump -D -b binary -m i386:x86-64 --no-show-raw-insn \
	--adjust-vma="0x$start" "$run/code" >"$run/listing"
nm -n "$vmlinux" >"$run/symbols"
for row; do
	for mode in none 32 extended; do
		[ -f "$run/$row.$mode" ] || continue
		awk -v what="$kernel	$row	$mode" \
			-f "$top/lab/bench/trace.awk" "$run/$row.$mode" \
			"$run/listing" "$run/symbols" "$run/$row.$mode" \
			>"$out/$kernel.$row.$mode.trace"
		tail -n 1 "$out/$kernel.$row.$mode.trace"
	done
done
