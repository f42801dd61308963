# SPDX-License-Identifier: GPL-2.0
# table.awk TSV=FILE CHART=FILE rows sizes no-ops KERNEL.counts... RUN/KERNEL.CPUS...:
# the tables in Markdown, and the same numbers as TSV and as the chart's data.
#
# "Over bare" compares with bare, where there is no registration.

BEGIN {
	kernels = split("bare stock ours", kernel, " ")
	modes = split("none 32 extended", mode, " ")
	slices = split("unasked asked yielded", slice, " ")
	for (s = 1; s <= slices; s++)
		is_slice[slice[s]] = 1
}

function tidy(x) {
	if (x !~ /^-?[0-9.]+$/)
		return x == "" ? "n/a" : x
	x = sprintf("%.2f", x)
	sub(/\.?0+$/, "", x)
	return x == "-0" ? 0 : x
}

function signed(x) {
	x = tidy(x)
	return x ~ /^[0-9]/ && x != 0 ? "+" x : x
}

function minus(a, b) {
	return a ~ /^[0-9]/ && b ~ /^[0-9]/ ? a - b : "n/a"
}

function over_bare(row, k, m) {
	return minus(count[row, k, m], count[row, "bare", "none"])
}

# Tables are printed when they are complete, as wide as what is in them.
function head(title, text) {
	printf "%s### %s\n\n", heads++ ? "\n" : "", title
	lines = 0
	widths = 0
	line(text)
}

function line(text,    i, n, part) {
	n = split(text, part, "|")
	widths = n > widths ? n : widths
	lines++
	for (i = 1; i <= n; i++) {
		cell[lines, i] = part[i]
		if (lines == 1 || length(part[i]) > width[i])
			width[i] = length(part[i])
	}
}

function rule(n,    text) {
	text = sprintf("%" n "s", "")
	gsub(/ /, "-", text)
	return text
}

function flush(    i, l) {
	for (l = 1; l <= lines; l++) {
		for (i = 1; i <= widths; i++)
			printf i == 1 ? "| %-" width[i] "s |" : " %" width[i] "s |",
				cell[l, i]
		print ""
		if (l > 1)
			continue
		for (i = 1; i <= widths; i++)
			printf i == 1 ? "| %s |" : " %s: |",
				rule(width[i] - (i > 1))
		print ""
	}
}

FNR == 1 {
	where = FILENAME
	sub(/.*\//, "", where)
}

where == "rows" {
	if (/^#/)
		next
	name[++rows] = $1
	goal[$1] = $4
	repeats[$1] = $5
	text = $6
	for (i = 7; i <= NF; i++)
		text = text " " $i
	# What does not repeat well says so, and is not in the chart.
	if (repeats[$1] < 1000)
		text = text " (to 1 in " repeats[$1] ")"
	says[$1] = text
	next
}

where == "sizes" {
	size[$1, $2] = $3
	next
}

where == "no-ops" {
	no_ops[$1] = $2
	next
}

where ~ /\.counts$/ {
	traced[$2] = 1
	instructions[$2, $1, $3] = $4
	locked[$2, $1, $3] = $5
	windows[$2, $1, $3] = $6
	next
}

# KERNEL.CPUS: a line for each row.
{
	split(where, part, ".")
	row = $1
	if (!(row in says)) {
		row = $1 "-" part[2]
		if (!(row in of_crowd)) {
			crowd[++crowds] = row
			split(row, field, "-")
			of_crowd[row] = field[1]
			threads[row] = field[2]
			cpus[row] = field[3]
		}
	}
	measured[row] = 1
	for (i = 1; i <= modes; i++)
		count[row, part[1], mode[i]] = $(i + 1)
}

function write_numbers(row, event, threads, cpus,    k, m) {
	for (k = 1; k <= kernels; k++)
		for (m = 1; m <= modes; m++)
			print event, threads, cpus, kernel[k], mode[m], \
				tidy(count[row, kernel[k], mode[m]]), \
				tidy(over_bare(row, kernel[k], mode[m])), \
				tidy(locked[row, kernel[k], mode[m]]), \
				tidy(windows[row, kernel[k], mode[m]]) >TSV
}

# The cells of one row for stock and ours.
function added(row,    k, m, text) {
	for (k = 2; k <= kernels; k++)
		for (m = 1; m <= modes; m++)
			text = text "|" signed(over_bare(row, kernel[k], mode[m]))
	return text
}

function main_table(    r, row, k, m, value) {
	head("Instructions for one event, and what rseq adds to them", \
		"event|bare|stock none|32 bytes|extended|ours none|32 bytes|extended")
	for (r = 1; r <= rows; r++) {
		row = name[r]
		if (!(row in measured))
			continue
		line(says[row] "|" tidy(count[row, "bare", "none"]) added(row))
		if (repeats[row] < 1000 || row in is_slice)
			continue
		printf "%s", row >CHART
		for (k = 2; k <= kernels; k++)
			for (m = 1; m <= modes; m++) {
				value = over_bare(row, kernel[k], mode[m])
				printf "\t%s", value == "n/a" ? "NaN" : value >CHART
			}
		print "" >CHART
	}
	flush()
}

function target_table(    r, m, row, may, got, text) {
	head("What ours may add: none over bare, the others over none", \
		"event|none|32 bytes|extended")
	for (r = 1; r <= rows; r++) {
		row = name[r]
		if (goal[row] == "-" || !(row in measured))
			continue
		split(goal[row], may, ",")
		text = says[row]
		for (m = 1; m <= modes; m++) {
			got = m == 1 ? over_bare(row, "ours", "none") : \
				minus(count[row, "ours", mode[m]], \
				      count[row, "ours", "none"])
			if (got == "n/a")
				text = text "|n/a"
			else
				text = text "|" signed(got) " of " may[m] ": " \
					(got <= may[m] ? "met" : \
					 "missed by " tidy(got - may[m]))
		}
		line(text)
	}
	flush()
}

# What the time slice extension adds to the preemption of a thread with the same
# registration, before anybody enabled the extension.
function slice_table(    s, row, m, text) {
	if (!("unasked" in measured) || !("preempt" in measured))
		return
	head("What the time slice extension adds to a preemption, in ours", \
		"|none|32 bytes|extended, enabled")
	text = "nobody has enabled it: no-ops"
	for (m = 1; m <= modes; m++)
		text = text "|" tidy(no_ops[mode[m]])
	line(text)
	for (s = 1; s <= slices; s++) {
		row = slice[s]
		if (!(row in measured))
			continue
		text = says[row]
		for (m = 1; m <= modes; m++)
			text = text "|" signed(minus( \
				count[row, "ours", mode[m]], \
				count["preempt", "ours", mode[m]]))
		line(text)
	}
	flush()
}

# The difference between the most and the least that is added to an event, by
# column: 0 if the number of threads and CPUs does not matter.
function spread(event,    k, m, r, value, low, high, text) {
	for (k = 2; k <= kernels; k++)
		for (m = 1; m <= modes; m++) {
			low = high = ""
			for (r = 1; r <= crowds; r++) {
				value = over_bare(crowd[r], kernel[k], mode[m])
				if (of_crowd[crowd[r]] != event || value == "n/a")
					continue
				low = low == "" || value < low ? value : low
				high = high == "" || value > high ? value : high
			}
			text = text "|" (low == "" ? "n/a" : tidy(high - low))
		}
	return text
}

function crowd_table(    r, row, seen) {
	head("The same for more threads and CPUs", \
		"event|threads|CPUs|bare|stock none|32 bytes|extended|ours none|32 bytes|extended")
	for (r = 1; r <= crowds; r++) {
		row = crowd[r]
		line(of_crowd[row] "|" threads[row] "|" cpus[row] "|" \
			tidy(count[row, "bare", "none"]) added(row))
	}
	for (r = 1; r <= crowds; r++) {
		row = of_crowd[crowd[r]]
		if (!seen[row]++)
			line(row ", most - least||| " spread(row))
	}
	flush()
}

function path_table(    r, row, text, k, m, key) {
	head("Locked instructions / user-access windows of an event", \
		"event|bare|stock none|32 bytes|extended|ours none|32 bytes|extended")
	for (r = 1; r <= rows; r++) {
		row = name[r]
		if (!(row in traced))
			continue
		text = says[row]
		for (k = 1; k <= kernels; k++)
			for (m = 1; m <= (k == 1 ? 1 : modes); m++) {
				key = row SUBSEP kernel[k] SUBSEP mode[m]
				text = text "|" (locked[key] == "" ? "n/a" : \
					locked[key] " / " windows[key])
			}
		line(text)
	}
	flush()
}

function bytes(what, text) {
	line(text "|" tidy(size[what, "bare"]) \
		"|" signed(minus(size[what, "stock"], size[what, "bare"])) \
		"|" signed(minus(size[what, "ours"], size[what, "bare"])))
}

function size_table() {
	head("Bytes", "|bare|stock|ours")
	bytes("text", "code")
	bytes("own", "of that, kernel/rseq*.c")
	bytes("task_struct", "struct task_struct, a multiple of 64")
	flush()
}

END {
	OFS = "\t"
	print "event", "threads", "CPUs", "kernel", "registration", \
		"instructions", "over bare", "locked", "windows" >TSV
	for (r = 1; r <= rows; r++)
		if (name[r] in measured)
			write_numbers(name[r], name[r], "", "")
	for (r = 1; r <= crowds; r++)
		write_numbers(crowd[r], of_crowd[crowd[r]], \
			threads[crowd[r]], cpus[crowd[r]])
	main_table()
	target_table()
	if (crowds)
		crowd_table()
	slice_table()
	path_table()
	size_table()
}
