# SPDX-License-Identifier: GPL-2.0
# path.awk mark=ADDRESS percent=N: the addresses that an event executes in the
# kernel, from QEMU's log of all. The mark is before and after each event. It is
# the event of which so many percent are shorter.

/^Stopped execution/ {
	# What the last line says will be executed another time.
	if (kept)
		n--
	kept = 0
}

!/^Trace 0:/ { next }

$2 == mark {
	if (inside)
		length_of[++events] = n
	inside = !inside
	n = 0
}

{
	kept = inside && $2 ~ /^ffffffff/
	if (kept)
		path[events + 1, ++n] = $2
}

# How many events are shorter, or as long and before it?
function rank(event,    i, less) {
	less = 0
	for (i = 1; i <= events; i++)
		less += length_of[i] < length_of[event] || \
			(length_of[i] == length_of[event] && i < event)
	return less
}

END {
	for (event = 1; event <= events; event++) {
		if (rank(event) != int(events * percent / 100))
			continue
		for (i = 1; i <= length_of[event]; i++)
			print path[event, i]
	}
}
