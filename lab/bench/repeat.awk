# SPDX-License-Identifier: GPL-2.0
# repeat.awk RUN2/KERNEL.CPUS...: compare each with the same in RUN1 and name
# the rows that differ by more than 1 in 1000.

BEGIN {
	FS = "\t"
	split("none 32 extended", mode, " ")
}

FNR == 1 {
	other = FILENAME
	sub(/run2\/[^\/]*$/, "run1", other)
	where = FILENAME
	sub(/.*\//, "", where)
	other = other "/" where
	sub(/\./, " on ", where)
	where = where " CPUs"
}

# Does a value of the second run agree with that of the first one?
function agree(first, second) {
	if (first == second)
		return 1
	return first != "n/a" && second != "n/a" && \
		(first - second) * 1000 <= second && \
		(second - first) * 1000 <= second
}

{
	if ((getline line < other) <= 0)
		line = ""
	split(line, first, FS)
	for (i = 2; i <= 4; i++) {
		if (first[1] == $1 && agree(first[i], $i))
			continue
		printf "%s: %s, %s: %s in the first run, %s in the second\n",
			where, $1, mode[i - 1], first[i], $i
		failed = 1
	}
}

END { exit failed }
