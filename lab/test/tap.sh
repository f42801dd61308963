# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# TAP for the lab's own tests. Source it after lab/lib.sh; say `plan N` first.
# What a tested command said is in $tmp/out while it runs and in $tmp/said
# afterwards, and explains a failure.

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0

plan() {
	printf 'TAP version 13\n1..%s\n' "$1"
}

ok() {
	count=$((count + 1))
	printf 'ok %s %s\n' "$count" "$1"
}
not_ok() {
	count=$((count + 1))
	printf 'not ok %s %s\n' "$count" "$1"
	sed 's/^/# /' "$tmp/said"
}

# run COMMAND...: run it and leave its exit status in $got.
run() {
	got=0
	"$@" >"$tmp/out" 2>&1 || got=$?
	mv "$tmp/out" "$tmp/said"
}

# passes NAME COMMAND...: the command succeeds.
passes() {
	name=$1
	shift
	run "$@"
	if [ "$got" = 0 ]; then ok "$name"; else not_ok "$name"; fi
}

# fails NAME TEXT COMMAND...: the command fails and says TEXT.
fails() {
	name=$1 text=$2
	shift 2
	run "$@"
	if [ "$got" = 0 ]; then
		not_ok "$name (it succeeded)"
	elif grep -qF -e "$text" "$tmp/said"; then
		ok "$name"
	else
		not_ok "$name (it did not say: $text)"
	fi
}

# exits NAME STATUS COMMAND...: the command exits with this status.
exits() {
	name=$1 want=$2
	shift 2
	run "$@"
	if [ "$got" = "$want" ]; then
		ok "$name"
	else
		not_ok "$name (exit status $got, not $want)"
	fi
}
