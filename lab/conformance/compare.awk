# SPDX-License-Identifier: GPL-2.0
#
# Compare what guest.sh said on stock, the first file, and on ours, the second:
# a table of both, or TAP with form=short. The exit status is 1 if a program does
# less well on ours than on stock, or did not run on both.
#
# A program that fails on both teaches nothing and counts as skipped; but if it
# says of some of its parts that they succeeded, ours must have as many. Those that
# are here for their use of rseq must succeed on stock, and none may run out of
# time: then it is not known what it would have said.

BEGIN {
	# As kselftests have it, and timeout.
	word[0] = "pass"
	word[4] = "skip"
	word[124] = "hang"
}

FNR == 1 {
	file++
	begin()
}

function begin() {
	reason = last = said = ""
	parts = 0
}

# Why a program failed is usually the last that it says about it.
/^\| / {
	line = substr($0, 3)
	said = said line "\n"
	if (line ~ /^# Totals:/)
		next
	last = line
	if (line ~ /SKIP|[Ff]ail|FAIL|not ok|[Ee]rror|fault|WRONG|abort|[Aa]ssert/)
		reason = line
	else if (line ~ /^(ok |\[OK\])/)
		parts++
	next
}

/^= / {
	name = $2
	if (!(name in known)) {
		known[name] = 1
		names[++n] = name
	}
	status[file, name] = $3
	seconds[file, name] = $4
	good_parts[file, name] = parts
	if (reason == "")
		reason = last
	sub(/^[# \t]+/, "", reason)
	why[file, name] = reason
	output[file, name] = said
	begin()
}

function shown(file, name, s) {
	if (!((file, name) in status))
		return "did not run"
	s = status[file, name]
	if (s in word)
		s = word[s]
	else if (s > 128 && s <= 192)
		s = "signal " s - 128
	else
		s = "fail"
	return sprintf("%-9s %4d s", s, seconds[file, name])
}

# Returns 1: as it should be, 0: not, -1: nothing to compare.
function judge(name) {
	if (!((1, name) in status) || !((2, name) in status))
		return 0
	if (good_parts[2, name] < good_parts[1, name])
		return 0
	# How the guests ended.
	if (name ~ /^guest\//)
		return status[1, name] == 0 && status[2, name] == 0
	if (status[1, name] == 124 || status[2, name] == 124)
		return 0
	if (name ~ /^(rseq|glibc)\// || name ~ /^(liburcu|gdb|stress-ng|criu)$/)
		return status[1, name] == 0 && status[2, name] == 0
	if (status[2, name] == 0)
		return 1
	return status[1, name] == 0 ? 0 : -1
}

function row(name, stock, ours, note) {
	line = sprintf("%-41s %-16s %-16s %s", name, stock, ours, note)
	sub(/ +$/, "", line)
	print (form == "short" ? "# " : "") line
}

END {
	if (file != 2 || !n) {
		print "there are no results to compare" >"/dev/stderr"
		exit 1
	}
	if (form == "short")
		print "TAP version 13\n1.." n
	row("program", "stock", "ours", "")
	for (i = 1; i <= n; i++) {
		name = names[i]
		result[i] = judge(name)
		count[result[i]]++
		note[i] = ""
		if (result[i] < 0)
			note[i] = "on both: " why[2, name]
		else if (!result[i])
			note[i] = "WRONG " why[status[2, name] == 0 ? 1 : 2, name]
		row(name, shown(1, name), shown(2, name), note[i])
	}
	for (i = 1; i <= n; i++) {
		name = names[i]
		if (form == "short")
			print (result[i] ? "ok " : "not ok ") i " " name \
				(result[i] < 0 ? " # SKIP " note[i] : "")
		if (result[i])
			continue
		for (file = 1; file <= 2; file++) {
			said = output[file, name]
			gsub(/\n/, "\n#   ", said)
			print "# " name " on " (file == 1 ? "stock" : "ours") \
				": " shown(file, name) "\n#   " said
		}
	}
	if (form != "short")
		printf "%d passed, %d failed, %d skipped\n", count[1], \
			count[0], count[-1]
	exit count[0] > 0
}
