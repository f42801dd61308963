#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# run.sh: check the model of the protocol, rseq.pml, exhaustively within
# its bounds; and that each of the mistakes it knows is found. TAP.
#
# DEEP=1 has wider bounds; that takes minutes and 4 GiB of memory.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/lab/lib.sh"
. "$top/lab/test/tap.sh"

MODEL=1 "$top/lab/deps.sh"
model=$top/lab/model/rseq.pml
export CCACHE_DIR="${CCACHE_DIR:-$build/ccache}"
cc=gcc
! command -v ccache >/dev/null || cc='ccache gcc'

# check CFLAGS DEFINE...: translate $tmp/rseq.pml, compile it, search all of its
# states. Succeeds if no claim fails.
check() {
	(
		cflags=$1
		shift
		cd "$tmp"
		rm -f ./*.trail pan
		spin -a "$@" rseq.pml
		# shellcheck disable=SC2086
		$cc $cflags -DNOFAIR -DCOLLAPSE -c -o pan.o pan.c
		gcc -o pan pan.o
		case $cflags in
		*-DNP*) ./pan -n -m1000000 -l ;;
		*) ./pan -n -m1000000 ;;
		esac
		if [ -f rseq.pml.trail ]; then
			spin -t -k rseq.pml.trail "$@" rseq.pml || :
		fi
	) >"$tmp/out" 2>&1 || return
	# A search that was cut short has shown nothing.
	grep -q 'errors: 0$' "$tmp/out" &&
		! grep -qE 'max search depth|[Ss]earch not completed|out of memory' \
			"$tmp/out"
}

# holds WHAT CFLAGS DEFINE...: no claim fails.
holds() {
	what=$1
	shift
	got=0
	cp "$model" "$tmp/rseq.pml"
	check "$@" || got=$?
	mv "$tmp/out" "$tmp/said"
	if [ "$got" = 0 ]; then
		ok "$what ($(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' \
			"$tmp/said") states)"
	else
		not_ok "$what"
	fi
}

# found CLAIM WHAT DEFINE...: this claim fails, whatever others do.
found() {
	claim=$1 what=$2
	shift 2
	sed "/assert(/{/$claim/!d}" "$model" >"$tmp/rseq.pml"
	case $claim,$* in
	ran_barred,* | *BARRIER*) alone=-DSIGNALS=0 ;;
	*) alone=-DBARRIERS=0 ;;
	esac
	check "-O0 -DSAFETY" "$alone" "$@" || :
	mv "$tmp/out" "$tmp/said"
	if grep -q "assertion violated.*$claim" "$tmp/said"; then
		ok "$what: $claim"
	else
		not_ok "$what: not $claim"
	fi
}

if [ -n "${DEEP:-}" ]; then
	plan 6
	for mode in ORIGINAL EXTENDED; do
		holds "$mode, signals" "-O2 -DSAFETY" "-D$mode" -DBARRIERS=0 \
			-DSWITCHES=3 -DFAULTS=2
		holds "$mode, membarrier" "-O2 -DSAFETY" "-D$mode" -DSIGNALS=0 \
			-DSWITCHES=2 -DFAULTS=2
		holds "$mode, both" "-O2 -DSAFETY" "-D$mode" \
			-DSWITCHES=2 -DFAULTS=1
	done
	exit
fi

plan 28
for mode in ORIGINAL EXTENDED; do
	holds "$mode, signals" "-O2 -DSAFETY" "-D$mode" -DBARRIERS=0
	holds "$mode, membarrier" "-O2 -DSAFETY" "-D$mode" -DSIGNALS=0 \
		-DSWITCHES=1
	holds "$mode, the thread finishes" "-O2 -DNP" "-D$mode" -DBARRIERS=0 \
		-DSWITCHES=1
	holds "$mode, the thread finishes, membarrier" "-O2 -DNP" "-D$mode" \
		-DSIGNALS=0 -DSWITCHES=1 -DENTRIES=1
done

while read -r claim mode define what; do
	found "$claim" "$what" "-D$mode" "-D$define"
done <<END
id_is_stale		EXTENDED LOWERED_LATE	the note is lowered after the area was read
ran_interrupted		ORIGINAL TESTED_WITH_INTERRUPTS	the note is tested with interrupts enabled
id_is_stale		EXTENDED NOT_REPEATED	after the slow path nobody looks for a new note
ran_interrupted		ORIGINAL FAULT_IGNORED	a fault in the fast path is taken for no section
ran_interrupted		ORIGINAL FRAME_FIRST	the signal frame is built before the section is restarted
armed_in_a_handler	EXTENDED SIGNAL_UNNOTICED	signal delivery does not look at the section
overwritten_id_stays	ORIGINAL SIGNAL_KEEPS_IDS	signal delivery does not write the IDs of an original registration
signal_is_lost		ORIGINAL WORD_STORE	the note is stored with the word that it read
id_is_stale		EXTENDED MIGRATION_UNNOTICED	a migration is not noticed
ran_interrupted		EXTENDED SWITCH_UNNOTICED	a switch is noticed only if it changes an ID
id_is_stale		EXTENDED REMEMBERED_LATE	the IDs are remembered after they were written
area_cpu		EXTENDED COMPARED_AGAIN	the IDs are compared again after a half of them was written
ran_barred		ORIGINAL BARRIER_SEES_USER_MODE_ONLY	the membarrier takes note of threads in user mode only
ran_barred		EXTENDED BARRIER_DOES_NOT_WAIT	the membarrier does not wait for the other CPUs
note_is_lost		ORIGINAL LOWERED_LATE	the note is lowered after the section was read
note_is_lost		ORIGINAL NOT_REPEATED	after the slow path nobody looks for a new note
note_is_lost		EXTENDED FAULT_IGNORED	a fault in the fast path is taken for a look
note_is_lost		EXTENDED BARRIER_SEES_USER_MODE_ONLY	the membarrier takes note of threads in user mode only
armed_in_a_handler	ORIGINAL NEVER_DISARMED	a section that is restarted stays armed
END
cp "$model" "$tmp/rseq.pml"
check "-O1 -DNP" -DORIGINAL -DNEVER_LOWERED -DBARRIERS=0 -DSWITCHES=1 || :
mv "$tmp/out" "$tmp/said"
if grep -q "non-progress cycle" "$tmp/said"; then
	ok "the slow path does not lower the note: no progress"
else
	not_ok "the slow path does not lower the note: not found"
fi
