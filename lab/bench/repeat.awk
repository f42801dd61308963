# SPDX-License-Identifier: GPL-2.0
# repeat.awk KERNEL.WHAT.run2...: compare each with its .run1 and name the rows
# that differ by more than 1 in 1000.

BEGIN {
	FS = "\t"
	split("none 32 extended", mode, " ")
}

FNR == 1 {
	other = FILENAME
	sub(/run2$/, "run1", other)
	where = FILENAME
	sub(/.*\//, "", where)
	sub(/\.run2$/, "", where)
}

{
	here = $0
	if ((getline line < other) <= 0)
		line = ""
	split(line, first, FS)
	split(here, second, FS)
	for (i = 2; i <= 4; i++) {
		if (first[1] == second[1] && first[i] == second[i])
			continue
		difference = first[i] - second[i]
		if (difference < 0)
			difference = -difference
		if (first[1] == second[1] && difference * 1000 <= second[i] &&
		    second[i] != "n/a")
			continue
		printf "%s: %s, %s: %s in the first run, %s in the second\n",
			where, second[1], mode[i - 1], first[i], second[i]
		failed = 1
	}
}

END { exit failed }
