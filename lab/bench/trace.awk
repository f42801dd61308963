# SPDX-License-Identifier: GPL-2.0
# trace.awk what=TEXT LISTING SYMBOLS PATH: put functions and instructions to
# the addresses of a path, and at the end the text and what was counted. Symbols
# are sorted by address.

FNR == 1 { file++ }

file == 1 {
	address = $1
	sub(/:$/, "", address)
	sub(/^[^:]*:[ \t]*/, "")
	instruction[address] = $0
	next
}

file == 2 {
	if ($2 ~ /^[tTwW]$/) {
		n++
		start[n] = $1
		name[n] = $3
	}
	next
}

# The last symbol at or below an address: both are sorted as text.
function function_of(address,    low, high, middle) {
	if (address in known)
		return known[address]
	low = 1
	high = n
	while (low < high) {
		middle = int((low + high + 1) / 2)
		if (start[middle] "" <= address "")
			low = middle
		else
			high = middle - 1
	}
	return known[address] = name[low]
}

{
	text = instruction[$1]
	if (text == "") {
		print "trace.awk: no instruction begins at " $1 >"/dev/stderr"
		exit failed = 1
	}
	total++
	locked += text ~ /^(lock|xchg.*\()/
	windows += text ~ /^stac/
	print $1, function_of($1) ":", text
}

END {
	if (!failed)
		printf "%s\t%d\t%d\t%d\n", what, total, locked, windows
	exit failed
}
