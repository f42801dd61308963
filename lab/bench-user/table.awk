# SPDX-License-Identifier: GPL-2.0
# table.awk UNIT=ns|instructions CHART=FILE rows.tsv: the tables in Markdown, and
# the chart's data.
#
# The originals are the numbers of the first posting of rseq, in nanoseconds on
# one x86-64 machine.

BEGIN {
	# What was there before, and what rseq made of it.
	first("counter", "vDSO getcpu, atomic add", "rseq", 15.3, 2.0)
	first("tracer event", "vDSO getcpu, atomic reserve and commit", "rseq", \
		117.4, 98.0)
	first("RCU read side", "vDSO getcpu, atomic add", "rseq", 53.4, 28.6)
	# The C library's was the vDSO's then.
	first("current CPU", "vDSO getcpu", "rseq", 16.6, 0.8)
	first("current CPU", "getcpu system call", "rseq", 53.9, 0.8)
}

function first(row, before, after, ns_before, ns_after) {
	firsts++
	f_row[firsts] = row
	f_before[firsts] = before
	f_after[firsts] = after
	f_ns_before[firsts] = ns_before
	f_ns_after[firsts] = ns_after
}

{
	if (!($1 in variants)) {
		variants[$1] = 0
		row[++rows] = $1
	}
	variant[$1, ++variants[$1]] = $2
	median[$1, $2] = $3
	spread[$1, $2] = $4 " to " $5
}

END {
	print "What a program does, in " UNIT " (median, and half of all " \
		"measurements)"
	print ""
	print "| | variant | " UNIT " | half of all | times rseq |"
	print "| --- | --- | ---: | ---: | ---: |"
	for (r = 1; r <= rows; r++) {
		if (!((row[r], "rseq") in median))
			continue
		base = median[row[r], "rseq"]
		for (v = 1; v <= variants[row[r]]; v++) {
			name = variant[row[r], v]
			printf "| %s | %s | %s | %s | %.1f |\n", \
				v == 1 ? row[r] : "", name, \
				median[row[r], name], spread[row[r], name], \
				median[row[r], name] / base
			printf "\"%s: %s\"\t%s\t%d\n", row[r], name, \
				median[row[r], name], r >CHART
		}
	}

	print ""
	print "The first posting of rseq and this machine: before, with rseq, and the ratio"
	print ""
	print "| | before | first posting | here | |"
	print "| --- | --- | ---: | ---: | --- |"
	for (i = 1; i <= firsts; i++) {
		if (!((f_row[i], f_before[i]) in median)) {
			printf "| %s | %s | %s, %s: %.1f | not to be had here | |\n", \
				f_row[i], f_before[i], f_ns_before[i], \
				f_ns_after[i], f_ns_before[i] / f_ns_after[i]
			continue
		}
		before = median[f_row[i], f_before[i]]
		after = median[f_row[i], f_after[i]]
		want = f_ns_before[i] / f_ns_after[i]
		printf "| %s | %s | %s, %s: %.1f | %s, %s: %.1f | %s |\n", \
			f_row[i], f_before[i], f_ns_before[i], f_ns_after[i], \
			want, before, after, before / after, \
			(before / after >= want ? "at least as much" : \
			"less" why(f_row[i], before))
	}

	print ""
	print "Each operation of rseq.h, in " UNIT
	print ""
	print "| | by CPU | by mm_cid | without rseq() |"
	print "| --- | ---: | ---: | ---: |"
	for (r = 1; r <= rows; r++)
		if ((row[r], "by CPU") in median)
			printf "| %s | %s | %s | %s |\n", row[r], \
				median[row[r], "by CPU"], \
				median[row[r], "by mm_cid"], \
				median[row[r], "without rseq()"]
}

# why ROW BEFORE: what keeps the ratio down, from what was measured.
function why(what, before,    floor) {
	if (what == "counter") {
		floor = median[what, "plain add, not safe"]
		if (floor > 0)
			return sprintf(": the add alone takes %s, so %.1f is the most there can be, and asking for the CPU takes %s", \
				floor, before / floor, \
				median["current CPU", "vDSO getcpu"])
	}
	if (what == "current CPU")
		return sprintf(": the vDSO answers in %s here, and to load takes %s", \
			median[what, "vDSO getcpu"], median[what, "rseq"])
	return ""
}
