# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# What every script of the lab shares. Source it with $top set to the
# repository's root; it sets $build and the start of the clock.

BUILD=${BUILD:-$top/build}
build=$BUILD
LAB_START=${LAB_START:-$(date +%s)}
export BUILD LAB_START

# What is built must not depend on the caller's language.
LC_ALL=C
export LC_ALL

# die MESSAGE: say what was wrong and what to do, and stop.
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# number NAME VALUE [MOST]: stop unless it is one, above 0, and MOST at most.
number() {
	case $2 in
	*[!0-9]* | '' | 0* | ??????????*) die "$1=$2: not a positive number" ;;
	esac
	[ "$2" -le "${3:-$2}" ] || die "$1=$2: not a number from 1 to $3"
}

# absolute NAME PATH: stop unless it begins at the root.
absolute() {
	case $2 in
	/*) ;;
	*) die "$1=$2: not an absolute path" ;;
	esac
}

# What several scripts read is looked at before any of them does its work.
number JOBS "${JOBS:-1}"
number SLOWNESS "${SLOWNESS:-1}" 99
for switch in DEEP GUEST KEEP NATIVE PREBUILT QUICK; do
	value=
	eval "value=\${$switch:-}"
	case $value in
	'' | 1) ;;
	0) unset "$switch" ;;
	*) die "$switch=$value: 1 turns it on, and 0 off" ;;
	esac
done

# step MESSAGE: one line for each step of long work, with the time since the
# start of the whole command.
step() {
	printf '[%4d s] %s\n' "$(($(date +%s) - LAB_START))" "$*" >&2
}

# logged NAME COMMAND...: run a command with its output in build/log/NAME.log,
# whose end is shown if it fails.
logged() {
	log=$build/log/$1.log
	shift
	mkdir -p "$build/log"
	if "$@" >"$log" 2>&1; then
		return 0
	else
		status=$?
	fi
	tail -n 30 "$log" >&2
	printf '%s: failed; the whole log is %s\n' "${0##*/}" "$log" >&2
	return "$status"
}

# retry NAME COMMAND...: run a command that boots a guest, and again, twice at
# most, if it was the emulator that failed (status 123: see boot.sh).
retry() {
	retried=$1 attempts=1
	shift
	while :; do
		result=0
		"$@" || result=$?
		[ "$result" = 123 ] && [ "$attempts" -lt 3 ] || return "$result"
		attempts=$((attempts + 1))
		step "$retried: the emulator failed; run it again"
	done
}

# lock FILE [-s]: hold a lock (shared with -s) until the script ends. May be
# called again for the same file, to turn one kind of lock into the other.
lock() {
	mkdir -p "${1%/*}"
	# One descriptor for each lock that a script may hold at a time.
	case $1 in
	*/tree/stock.lock) lock_fd=5; exec 5>>"$1" ;;
	*/tree/bare.lock) lock_fd=6; exec 6>>"$1" ;;
	*/tree/ours.lock) lock_fd=7; exec 7>>"$1" ;;
	*) lock_fd=9; exec 9>>"$1" ;;
	esac
	flock ${2:+"$2"} -n "$lock_fd" && return 0
	step "waiting for another make that uses ${1%.lock}"
	flock ${2:+"$2"} "$lock_fd"
}

# replace_file SRC DST: give DST the content and mode of SRC in a new inode;
# the trees share unchanged files by hard links, which must not be written to.
replace_file() {
	mkdir -p "${2%/*}"
	cp --preserve=mode --remove-destination "$1" "$2.lab-new"
	mv -f "$2.lab-new" "$2"
}
