# SPDX-License-Identifier: GPL-2.0
#
# Count the results in TAP or KTAP, nested by four blanks a level. A result
# that closes a nested list is a summary of it, not a test of its own. Prints
# "PASSED FAILED SKIPPED", and after it what is wrong with the list itself, if
# it is not what its plan promised.

BEGIN { deepest = 0 }

function complain(text) {
	if (!(text in said))
		wrong = wrong "; " text
	said[text] = 1
}

# The list at this depth is over: it must have been what it promised.
function finish(depth) {
	if (!(depth in seen) && !(depth in plan))
		return
	# KUnit does not know how many parameters a test has.
	if (!(depth in plan) && depth < 2)
		complain("no plan")
	else if (depth in plan && plan[depth] != seen[depth] + 0)
		complain(plan[depth] " tests planned, " seen[depth] + 0 " seen")
	delete plan[depth]
	delete seen[depth]
	delete bad[depth]
}

{
	sub(/\r$/, "")
	match($0, /^ */)
	depth = int(RLENGTH / 4)
	text = substr($0, RLENGTH + 1)
}

text ~ /^1\.\.[0-9]+/ {
	for (d = deepest; d > depth; d--)
		finish(d)
	if (depth > deepest)
		deepest = depth
	plan[depth] = substr(text, 4) + 0
	if (plan[depth] == 0 && text ~ /# *[Ss][Kk][Ii][Pp]/)
		skipped++
	next
}

text ~ /^(not )?ok( |$)/ {
	nested = 0
	nested_bad = 0
	for (d = deepest; d > depth; d--) {
		if (d in seen)
			nested = 1
		if (d in bad)
			nested_bad = 1
		finish(d)
	}
	if (depth > deepest)
		deepest = depth
	seen[depth]++
	failed_now = text ~ /^not ok/ && text !~ /# *TODO/
	if (failed_now)
		bad[depth] = 1
	if (nested) {
		if (failed_now && !nested_bad)
			failed++
	} else if (failed_now) {
		failed++
	} else if (text ~ /# *[Ss][Kk][Ii][Pp]/) {
		skipped++
	} else {
		passed++
	}
	next
}

text ~ /^Bail out!/ { complain(text) }

END {
	any = 0
	for (d in plan)
		any = 1
	for (d in seen)
		any = 1
	if (!any && !passed && !failed && !skipped)
		complain("no tests seen")
	for (d = deepest; d >= 0; d--)
		finish(d)
	print passed + 0, failed + 0, skipped + 0 wrong
}
