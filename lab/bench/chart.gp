# SPDX-License-Identifier: GPL-2.0
# What rseq adds to each event: data in, SVG out; both are set by bench.sh.
set terminal svg size 1000,380 font "sans-serif,11" background "white"
set output out
set datafile separator "\t"
set title "Instructions that rseq adds to an event, over a kernel without it"
set style data histogram
set style histogram clustered gap 1
set style fill solid noborder
set key top left reverse Left
set yrange [0:*]
set offsets 0, 0, 20, 0
set border 1
unset ytics
set xtics scale 0 nomirror

# The rows that are one event; what follows them in the data is made of many.
rows = 8
set xrange [-0.6:rows - 0.4]
# Six bars, with a gap of one.
x(bar) = column(0) + (bar - 2.5) / 7
label(n) = sprintf("%.4g", n)
array colour[6] = ["#fdd0a2", "#e6550d", "#a63603", "#c6dbef", "#3182bd", "#08519c"]
array name[6] = ["6.12, not registered", "6.12, 32 bytes", "6.12, extended", \
	"ours, not registered", "ours, 32 bytes", "ours, extended"]
plot for [i = 1:6] in every ::0::rows - 1 using i + 1:xtic(1) \
		title name[i] linecolor rgb colour[i], \
	for [i = 1:6] in every ::0::rows - 1 \
		using (x(i - 1)):(column(i + 1)):(label(column(i + 1))) \
		with labels font ",6" offset 0, 0.5 notitle
