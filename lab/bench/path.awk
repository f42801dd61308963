# SPDX-License-Identifier: GPL-2.0
# path.awk mark=ADDRESS: the addresses that the shortest event executes in the
# kernel, from QEMU's log of all. The mark is before and after each event.

/^Stopped execution/ {
	# What the last line says will be executed another time.
	if (kept)
		n--
	kept = 0
}

!/^Trace 0:/ { next }

$2 == mark {
	if (inside && (!least || n < least)) {
		least = n
		for (i = 1; i <= n; i++)
			best[i] = path[i]
	}
	inside = !inside
	n = 0
}

{
	kept = inside && $2 ~ /^ffffffff/
	if (kept)
		path[++n] = $2
}

END {
	for (i = 1; i <= least; i++)
		print best[i]
}
