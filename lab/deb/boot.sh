#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# boot.sh: prove that the packages of make deb work: install the kernel's into a
# Debian root made with debootstrap, boot that root from a disk with its own
# kernel and initrd, log in on the serial console, and run the self-tests there.
#
#   SUITE=bookworm   which Debian
#   TIMEOUT=1800     seconds until the machine counts as hung
#
# As root, since debootstrap needs that.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"

[ $# = 0 ] || die "usage: boot.sh"
[ "$(id -u)" = 0 ] || die "debootstrap needs root"
suite=${SUITE:-bookworm} timeout=${TIMEOUT:-1800}
number TIMEOUT "$timeout"
image=$(find "$build/deb" -maxdepth 1 -name 'linux-image-*.deb' ! -name '*-dbg_*' 2>/dev/null | sort | tail -n 1)
[ -n "$image" ] || die "build/deb: there is no kernel package; make deb makes it"
DEB=1 "$top/lab/deps.sh"
"$top/lab/base/tree.sh" ours
"$top/lab/guest/programs.sh" selftests
lock "$build/deb.lock"
base=$build/deb/base-$suite root=$build/deb/root disk=$build/deb/disk.img
tests=$build/selftests/rseq

# The base is made once: from where this machine has its own packages.
if [ ! -f "$base.done" ]; then
	step "debootstrap $suite"
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' |
		grep -v security | sort -u | sed 1q)
	rm -rf "$base"
	logged debootstrap debootstrap --variant=minbase \
		--include=systemd-sysv,udev,kmod,initramfs-tools,zstd \
		"$suite" "$base" ${mirror:+"$mirror"}
	: >"$base.done"
fi

step "install ${image##*/}"
rm -rf "$root"
cp -a "$base" "$root"
cp "$image" "$root/kernel.deb"
# A kernel's package has its initrd made by the tools of the root it is in.
logged deb-install chroot "$root" dpkg -i /kernel.deb
rm "$root/kernel.deb"
release=$(find "$root/boot" -name 'vmlinuz-*' -printf '%P\n' | sed 's/^vmlinuz-//; 1q')
[ -f "$root/boot/initrd.img-$release" ] ||
	die "$release: the installation made no initrd"
chroot "$root" passwd -q -d root
echo rseq-test >"$root/etc/hostname"
printf '/dev/vda / ext4 defaults 0 1\n' >"$root/etc/fstab"
# A test has the kernel run out of memory and kill a process of its own. That is
# no reason to end the session.
mkdir -p "$root/etc/systemd/system/serial-getty@.service.d"
printf '[Service]\nOOMPolicy=continue\n' \
	>"$root/etc/systemd/system/serial-getty@.service.d/oom.conf"
cp -a "$tests" "$root/root/tests"
cat >"$root/root/run" <<'EOF'
#!/bin/sh
# Each test by itself; the last line is the verdict.
uname -r
cd /root/tests || exit
mount -t debugfs none /sys/kernel/debug 2>/dev/null
passed=0 failed=0 skipped=0
# This Debian has no 32-bit library.
for test in *_test; do
	[ -x "$test" ] || continue
	status=0
	timeout 300 "./$test" >"/root/$test.log" 2>&1 || status=$?
	case $status in
	0) passed=$((passed + 1)) ;;
	4) skipped=$((skipped + 1)) ;;
	*)
		failed=$((failed + 1))
		echo "$test: exit status $status"
		grep '^not ok' "/root/$test.log"
		;;
	esac
	echo "$test done"
done
echo "$passed programs passed, $failed failed, $skipped skipped"
poweroff
EOF
chmod +x "$root/root/run"

step "make a disk of it"
rm -f "$disk"
logged deb-disk mke2fs -q -t ext4 -L root -d "$root" "$disk" 2G

step "boot $release from the disk"
run=$(mktemp -d)
qemu= cat=
clean_up() {
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || :
	[ -z "$cat" ] || kill "$cat" 2>/dev/null || :
	rm -rf "$run"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkfifo "$run/serial.in" "$run/serial.out"
console=$build/log/deb-boot.log
timeout "$timeout" qemu-system-x86_64 -M pc -accel tcg,thread=multi -cpu max \
	-smp 2 -m 2048 -nodefaults -no-user-config -display none -no-reboot \
	-kernel "$root/boot/vmlinuz-$release" -initrd "$root/boot/initrd.img-$release" \
	-append "root=/dev/vda ro console=ttyS0" \
	-drive "file=$disk,format=raw,if=none,id=disk" -device virtio-blk-pci,drive=disk \
	-chardev "pipe,id=serial,path=$run/serial" -serial chardev:serial &
qemu=$!
# For reading as well, so that this does not wait for a reader.
exec 8<>"$run/serial.in"
# A prompt has no newline at its end, so the console is looked at as it grows.
cat "$run/serial.out" >"$console" &
cat=$!
# expect PATTERN: wait until the end of a line of the console matches.
expect() {
	until tr -d '\r' <"$console" | grep -qE "$1"; do
		kill -0 "$qemu" 2>/dev/null || {
			tail -n 30 "$console" >&2
			die "the machine ended before it said '$1'; the console is in $console"
		}
		sleep 1
	done
}
expect 'rseq-test login: ?$'
step "there is the login; run the self-tests"
printf 'root\n' >&8
expect 'root@rseq-test:~# ?$'
printf './run\n' >&8
expect '^[0-9]+ programs passed, [0-9]+ failed, [0-9]+ skipped'
wait "$qemu" || :
qemu=
verdict=$(tr -d '\r' <"$console" | grep -E '^[0-9]+ programs passed, ' | tail -n 1)
step "$verdict, on Debian $suite with $release"
case $verdict in
'0 programs passed'*) ;;
*', 0 failed,'*) exit 0 ;;
esac
tr -d '\r' <"$console" | grep -E '^not ok|: exit status [0-9]+$' >&2
exit 1
