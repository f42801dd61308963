#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# trace.sh KERNEL ROW...: which instructions of the kernel an event of
# events.c executes. bench.sh runs it, and builds what it needs.
#
# QEMU executes one instruction at a time and tells each one's address; what
# stands there is read from the memory of the running kernel, after it has
# patched itself (but not taken the lock prefixes out, as it would for one CPU).
# It is the one of some events that measures as the number in the table says.
#
# For each row and registration: instructions in the kernel, locked ones (with a
# lock prefix, or an exchange with memory), and user-access windows (stac ...
# clac). The whole path goes to build/bench/trace/KERNEL.ROW.REGISTRATION.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# -ge 2 ] || die "usage: trace.sh KERNEL ROW..."
kernel=$1
shift
out=$build/bench
[ -x "$out/events" ] || die "$out/events: not built; make bench builds it"

mkdir -p "$build/run" "$build/log/bench" "$out/trace"
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

# The guest leaves its symbols in a directory. It says when it is about to make
# some events, and waits for a file there that says that QEMU now tells what it
# executes.
mkdir "$run/guest"
QEMU="-monitor pipe:$run/monitor
	-fsdev local,id=trace,path=$run/guest,security_model=none
	-device virtio-9p-pci,fsdev=trace,mount_tag=trace" \
CMD="mkdir /run/trace && mount -t 9p -o trans=virtio,version=9p2000.L trace /run/trace &&
	cp /proc/kallsyms /run/trace/symbols &&
	cp $out/events $out/nothing /dev/shm && cd /dev/shm &&
	GLIBC_TUNABLES=glibc.pthread.rseq=0 ./events -t $*" \
ICOUNT=1 SMP=1 LOG="bench/trace.$kernel" TIMEOUT="${TIMEOUT:-600}" \
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

# address SYMBOL
address() {
	awk -v name="$1" '$3 == name { print $1; exit }' "$run/guest/symbols"
}

mark=$(nm "$out/events" | awk '$3 == "mark" { print $1 }')
start=
version=0
while read -r row mode what percent; do
	case $what in
	ready)
		if [ -z "$start" ]; then
			start=$(address _text) end=$(address _etext)
			bytes=$((0x${end#????????} - 0x${start#????????}))
		fi
		# It has changed if somebody enabled what is patched in.
		monitor "memsave 0x$start $bytes \"$run/new\""
		if ! cmp -s "$run/new" "$run/code.$version"; then
			version=$((version + 1))
			mv "$run/new" "$run/code.$version"
		fi
		echo "$version" >"$run/$row.$mode.version"
		# What newer versions of QEMU call it comes second.
		monitor "logfile $run/log" "singlestep on" \
			"one-insn-per-tb on" "log exec,nochain"
		: >"$run/guest/$row.$mode"
		;;
	done)
		monitor "log none" "singlestep off" "one-insn-per-tb off" \
			"logfile $run/rest"
		awk -F / -v mark="$mark" -v percent="$percent" \
			-f "$top/lab/bench/path.awk" "$run/log" >"$run/$row.$mode"
		[ -s "$run/$row.$mode" ] ||
			die "$kernel: QEMU did not tell what $row executes"
		rm "$run/log" "$run/guest/$row.$mode"
		;;
	*) die "$kernel: not expected of the guest: $row $mode $what" ;;
	esac
done <"$run/said"
status=0
wait "$guest" || status=$?
guest=
[ "$status" = 0 ] || exit "$status"

i=0
while [ "$i" -lt "$version" ]; do
	i=$((i + 1))
	for file in $(cd "$run" && grep -lx "$i" ./*.version); do
		cat "$run/${file%.version}"
	done | sort -u >"$run/addresses"
	objdump -D -b binary -m i386:x86-64 --no-show-raw-insn \
		--adjust-vma="0x$start" "$run/code.$i" | awk '
		NR == FNR { wanted[$1 ":"] = 1; next }
		$1 in wanted' "$run/addresses" - >"$run/listing.$i"
done
sort "$run/guest/symbols" >"$run/symbols"
for row; do
	for mode in none 32 extended; do
		[ -f "$run/$row.$mode" ] || continue
		path=$out/trace/$kernel.$row.$mode
		awk -v what="$kernel	$row	$mode" \
			-f "$top/lab/bench/trace.awk" "$run/listing.$(cat "$run/$row.$mode.version")" \
			"$run/symbols" "$run/$row.$mode" >"$run/path"
		tail -n 1 "$run/path"
		sed '$d' "$run/path" >"$path"
	done
done
