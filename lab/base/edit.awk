# SPDX-License-Identifier: GPL-2.0
#
# One rule of bare.rules on one file: standard input to standard output.
# VERB, ARG1 and ARG2 come from the environment, so that nothing in a pattern
# is taken for an escape. Exits 0 if something changed, 1 if nothing matched,
# 3 if a block was not closed.

function blank(text) { return text == "" }

# The comment that ends right above line i goes with it.
function drop_comment_above(i,	j) {
	j = i - 1
	if (line[j] !~ /\*\/$/)
		return
	while (j > 0 && line[j] !~ /\/\*/)
		j--
	if (line[j] !~ /^[ \t]*\/\*/)
		return
	for (; j < i; j++)
		gone[j] = 1
}

# Around a gap, one of two blank lines is enough, and none is needed next to
# a brace; the same for the empty lines of a comment.
function squeeze(above, below) {
	if (blank(above))
		return blank(below) ? "below" : below ~ /^[ \t]*}/ ? "above" : ""
	if (blank(below) && above ~ /{$/)
		return "below"
	if (above ~ /^[ \t]+\*$/)
		return below ~ /^[ \t]+\*$/ ? "below" : \
			below ~ /^[ \t]+\*\/$/ ? "above" : ""
	return ""
}

{ line[NR] = $0 }

END {
	verb = ENVIRON["VERB"]
	from = ENVIRON["ARG1"]
	to = ENVIRON["ARG2"]
	changed = 0
	open = 0
	for (i = 1; i <= NR; i++) {
		if (open && verb == "until" && line[i] ~ to)
			open = 0
		if (open) {
			gone[i] = 1
			if (verb == "block" && line[i] ~ to)
				open = 0
			continue
		}
		if (line[i] !~ from)
			continue
		changed++
		if (verb == "replace") {
			match(line[i], from)
			line[i] = substr(line[i], 1, RSTART - 1) to \
				substr(line[i], RSTART + RLENGTH)
			continue
		}
		gone[i] = 1
		if (verb == "statement")
			drop_comment_above(i)
		open = verb == "until" || \
			(verb == "block" && line[i] !~ to)
	}
	if (!changed)
		exit 1
	if (open)
		exit 3
	n = 0
	gap = 0
	for (i = 1; i <= NR; i++) {
		if (i in gone) {
			gap = 1
			continue
		}
		if (gap) {
			which = squeeze(n ? out[n] : "", line[i])
			if (which == "below")
				continue
			if (which == "above")
				n--
			gap = 0
		}
		out[++n] = line[i]
	}
	for (i = 1; i <= n; i++)
		print out[i]
}
