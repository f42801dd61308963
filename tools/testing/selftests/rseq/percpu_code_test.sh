#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# percpu_code_test.sh: disassemble percpu_code.c, as it was compiled in several
# ways, and see that each operation is what percpu.h promises: one instruction in
# the segment that reads, modifies and writes, without a lock prefix.
set -eu
cd "$(dirname "$0")"

objects=$(echo percpu_code_*.o)
echo 'TAP version 13'
if ! command -v objdump >/dev/null; then
	echo '1..0 # SKIP there is no objdump: install binutils'
	exit 4
fi
[ "$objects" != 'percpu_code_*.o' ] || {
	echo 'Bail out! percpu_code_*.o: none was built'
	exit 1
}

# judge FUNCTIONS: read the disassembly of so many functions, and print a line for
# each that has something wrong.
judge() {
	awk '
	function wrong(why) { print "# " name ": " why; bad = 1 }
	function finish() {
		# Not inlined without optimization.
		if (name ~ /^percpu_list_(push|pop)$/)
			name = "loop_" name
		else if (name ~ /^(one|loop|read|none)_/)
			n++
		else
			return
		if (locks) wrong("a lock prefix")
		if (xchg) wrong("xchg with memory, which locks")
		if (name ~ /^one_/ && (rmw != 1 || other))
			wrong(rmw " modifying and " other " other instructions in the segment")
		if (name ~ /^loop_/ && !(rmw == 1 && !stores && jumps) &&
		    !(calls && !rmw && !other))
			wrong("not one modifying instruction in a loop")
		if (name ~ /^read_/ && (rmw || stores || other != 1))
			wrong("not one load")
		if (name ~ /^none_/ && rmw + other)
			wrong("an access to the segment")
	}
	/^[0-9a-f]+ <[^>]*>:$/ {
		finish()
		name = $2
		gsub(/[<>:]/, "", name)
		locks = xchg = rmw = other = stores = jumps = calls = 0
		next
	}
	# address: instruction operands
	/^ *[0-9a-f]+:\t/ {
		sub(/^ *[0-9a-f]+:\t/, "")
		sub(/ *#.*/, "")
		if (/^lock|^data16.*lock/) locks++
		if (/^xchg.*\(/) xchg++
		if (/^j/) jumps++
		if (/^call.*<percpu_list_/) calls++
		if (!/%gs:/) next
		writes = /%gs:[^,]*(\([^)]*\))?$/
		if (writes &&
		    /^(inc|add|or|and|sub|dec|xadd|cmpxchg|cmpxchg16b)[bwlq]? /)
			rmw++
		else {
			other++
			if (writes) stores++
		}
	}
	END {
		finish()
		if (n != functions) {
			print "# " n " functions, and not " functions
			bad = 1
		}
		exit bad
	}' functions="$1"
}

# A judge that lets everything pass would be none.
# verdict INSTRUCTIONS: of a function that has to be of one.
verdict() {
	if judge 1 >/dev/null <<-END
	0000000000000000 <one_inc8>:
	   0:	$1
	   9:	ret
	END
	then
		echo accepted
	else
		echo refused
	fi
}

# shellcheck disable=SC2086
set -- $objects
echo "1..$(($# + 3))"
n=0 failed=0
result() {
	n=$((n + 1))
	echo "$1 $n $2"
	[ "$1" = ok ] || failed=1
}

for object; do
	if objdump -d --no-show-raw-insn "$object" | judge 29; then
		result ok "$object"
	else
		result 'not ok' "$object"
	fi
done
check() {
	if [ "$(verdict "$2")" = "$1" ]; then
		result ok "$3 is $1"
	else
		result "not ok" "$3 is $1"
	fi
}
check accepted "incq   %gs:0x0(%rip)" "one instruction"
check refused "lock incq %gs:0x0(%rip)" "a lock prefix"
check refused "$(printf '%s\n   4:\t%s\n   6:\t%s' "mov    %gs:0x0(%rip),%rax" \
	"inc    %rax" "mov    %rax,%gs:0x0(%rip)")" "load, add, store"
exit $failed
