# SPDX-License-Identifier: GPL-2.0
# table.awk TSV=FILE CHART=FILE sizes KERNEL.WHAT.run1...: the tables in
# Markdown, and the same numbers as TSV and as the chart's data.
#
# "Over bare" compares with bare, where there is no registration.

BEGIN {
	FS = "\t"
	kernels = split("bare stock ours", kernel, " ")
	modes = split("none 32 extended", mode, " ")
	# What ours may add (issue: "what ours must add"): without a
	# registration over bare, with one over none. A preemption and its end
	# are two switches, so the scheduler's test is made twice.
	targets = split("syscall signal switch pipe preempt fault", aimed, " ")
	goal["syscall"] = "0 0 0"
	goal["signal"] = "0 26 8"
	goal["switch"] = "2 26 6"
	goal["pipe"] = "2 26 6"
	goal["preempt"] = "4 30 18"
	goal["fault"] = "0 0 0"
	says["syscall"] = "system call"
	says["signal"] = "signal, delivered and returned from"
	says["switch"] = "voluntary switch between two threads"
	says["pipe"] = "switch over a pipe between two processes"
	says["preempt"] = "preemption in user mode, and the way back"
	says["abort"] = "the same in a critical section"
	says["migrate"] = "migration to another CPU and back"
	says["fault"] = "page fault"
	says["fork"] = "fork, exit and wait"
	says["exec"] = "vfork, exec, exit and wait"
	says["thread"] = "thread creation, exit and join"
	says["hackbench-T"] = "hackbench, threads, a message"
	says["hackbench-P"] = "hackbench, processes, a message"
	print "event", "threads", "CPUs", "kernel", "registration", \
		"instructions", "over bare" >TSV
}

function tidy(x) {
	if (x !~ /^-?[0-9.]+$/)
		return x
	x = sprintf("%.2f", x)
	sub(/\.?0+$/, "", x)
	return x == "-0" ? 0 : x
}

function signed(x) {
	return (x < 0 ? "" : "+") tidy(x)
}

function over(row, k, m,    value, base) {
	value = count[row, k, m]
	base = count[row, "bare", "none"]
	return value ~ /^[0-9]/ && base ~ /^[0-9]/ ? signed(value - base) : "n/a"
}

FILENAME ~ /sizes$/ {
	size[$1, $2] = $3
	next
}

FNR == 1 {
	split(FILENAME, part, "/")
	where = FILENAME
	sub(/.*\//, "", where)
	split(where, part, ".")
	cpus = part[2] ~ /^cpus/ ? substr(part[2], 5) + 0 : 1
}

{
	event = $1
	threads = 1
	# A number behind the name is of threads, but for hackbench.
	if (event !~ /^hackbench/ && split(event, part2, "-") == 2) {
		event = part2[1]
		threads = part2[2]
	} else if (event == "switch") {
		threads = 2
	}
	plain = (cpus == 1 || event == "migrate") && $1 == event
	row = plain ? event : event " " threads " " cpus
	if (!(row in known)) {
		known[row] = 1
		of_event[row] = event
		of_threads[row] = threads
		of_cpus[row] = cpus
		order[++rows] = row
		if (event !~ /^hackbench/ && (plain == 0))
			flat[++flats] = row
	}
	for (i = 1; i <= modes; i++)
		count[row, substr(where, 1, index(where, ".") - 1), mode[i]] = $(i + 1)
}

END {
	for (r = 1; r <= rows; r++)
		for (k = 1; k <= kernels; k++)
			for (m = 1; m <= modes; m++)
				print of_event[order[r]], of_threads[order[r]], \
					of_cpus[order[r]], kernel[k], mode[m], \
					tidy(count[order[r], kernel[k], mode[m]]), \
					over(order[r], kernel[k], mode[m]) >TSV

	print "Instructions for one event, and what rseq adds to them"
	print ""
	print "| event | bare | stock none | 32 | extended | ours none | 32 | extended |"
	print "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
	n = split("syscall signal switch pipe preempt abort migrate fault fork exec thread hackbench-T hackbench-P", all, " ")
	for (r = 1; r <= n; r++) {
		if (!(all[r] in known))
			continue
		printf "| %s | %s |", says[all[r]], tidy(count[all[r], "bare", "none"])
		for (k = 2; k <= kernels; k++)
			for (m = 1; m <= modes; m++)
				printf " %s |", over(all[r], kernel[k], mode[m])
		print ""
		if (all[r] ~ /^hackbench/)
			continue
		printf "\"%s\"", says[all[r]] >CHART
		for (k = 2; k <= kernels; k++)
			for (m = 1; m <= modes; m++) {
				v = over(all[r], kernel[k], mode[m])
				printf "\t%s", v == "n/a" ? "NaN" : v + 0 >CHART
			}
		print "" >CHART
	}

	print ""
	print "What rseq adds to switch and signal, by threads and CPUs"
	print ""
	print "| event | threads | CPUs | stock none | 32 | extended | ours none | 32 | extended |"
	print "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
	for (r = 1; r <= flats; r++) {
		row = flat[r]
		printf "| %s | %s | %s |", of_event[row], of_threads[row], of_cpus[row]
		for (k = 2; k <= kernels; k++)
			for (m = 1; m <= modes; m++)
				printf " %s |", over(row, kernel[k], mode[m])
		print ""
	}

	print ""
	print "Bytes"
	print ""
	print "| | bare | stock | ours |"
	print "| --- | ---: | ---: | ---: |"
	printf "| code | %d | %+d | %+d |\n", size["text", "bare"], \
		size["text", "stock"] - size["text", "bare"], \
		size["text", "ours"] - size["text", "bare"]
	printf "| of that, kernel/rseq*.c | | %+d | %+d |\n", \
		size["own", "stock"], size["own", "ours"]
	printf "| struct task_struct | %d | %+d | %+d |\n", \
		size["task_struct", "bare"], \
		size["task_struct", "stock"] - size["task_struct", "bare"], \
		size["task_struct", "ours"] - size["task_struct", "bare"]

	print ""
	print "What ours may add: none over bare, the others over none"
	print ""
	print "| event | none | 32 | extended |"
	print "| --- | --- | --- | --- |"
	for (r = 1; r <= targets; r++) {
		split(goal[aimed[r]], may, " ")
		printf "| %s |", says[aimed[r]]
		for (m = 1; m <= modes; m++) {
			got = m == 1 ? over(aimed[r], "ours", "none") : \
				count[aimed[r], "ours", mode[m]] - \
				count[aimed[r], "ours", "none"]
			got += 0
			printf " %s of %s: %s |", signed(got), may[m], \
				got <= may[m] ? "met" : "missed by " tidy(got - may[m])
		}
		print ""
	}
}
