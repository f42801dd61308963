# SPDX-License-Identifier: GPL-2.0
# repeat.awk rows RUN2/KERNEL.CPUS...: compare each with the same in RUN1 and
# name the rows that do not agree as well as rows says.

BEGIN { split("none 32 extended", mode, " ") }

FNR == 1 {
	where = FILENAME
	sub(/.*\//, "", where)
	other = FILENAME
	sub(/run2\/[^\/]*$/, "run1/" where, other)
	sub(/\./, " on ", where)
}

where == "rows" {
	if (!/^#/)
		one_in[$1] = $5
	next
}

# Does a value of the second run agree with that of the first one?
function agree(first, second, n) {
	if (first == second)
		return 1
	return first != "n/a" && second != "n/a" && \
		(first - second) * n <= second && \
		(second - first) * n <= second
}

{
	if ((getline line < other) <= 0)
		line = ""
	split(line, first)
	n = $1 in one_in ? one_in[$1] : 1000
	for (i = 2; i <= 4; i++) {
		if (first[1] == $1 && agree(first[i], $i, n))
			continue
		printf "%s CPUs: %s, %s: %s in the first run, %s in the second; must agree to 1 in %d\n",
			where, $1, mode[i - 1], first[i], $i, n
		failed = 1
	}
}

END { exit failed }
