# SPDX-License-Identifier: GPL-2.0
# trace.awk PATH LISTING SYMBOLS PATH: put instructions and functions to the
# addresses of a path, and at the end count. Symbols are sorted by address.

function leave(    text) {
	if (inside == "")
		return
	printf "# %s: %d\n", inside, here
}

FNR == 1 { file++ }

file == 1 {
	wanted[$1] = 1
	next
}

file == 2 {
	address = $1
	sub(/:$/, "", address)
	if (address in wanted) {
		sub(/^[^:]*:[ \t]*/, "")
		instruction[address] = $0
	}
	next
}

# The last symbol at or below each address: both are sorted as text.
file == 3 {
	if ($2 ~ /^[tTwW]$/) {
		n++
		start[n] = $1
		name[n] = $3
	}
	next
}

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
