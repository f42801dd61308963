# SPDX-License-Identifier: GPL-2.0
# What rseq adds to each event: data in, SVG out; both are set by bench.sh.
set terminal svg size 1100,620 font "sans-serif,13" background "white"
set output out
set datafile separator "\t"
set title "Instructions that rseq adds to an event, over a kernel without it"
set style data histogram
set style histogram clustered gap 2
set style fill solid border -1
set key top left reverse Left
set ylabel "instructions"
# One abort would hide all the rest in a linear scale.
set logscale y
set yrange [0.8:*]
set xtics scale 0
set grid ytics
plot in using 2:xtic(1) title "stock, not registered" linecolor rgb "#fdd0a2", \
	"" using 3 title "stock, 32 bytes" linecolor rgb "#e6550d", \
	"" using 4 title "stock, extended" linecolor rgb "#a63603", \
	"" using 5 title "ours, not registered" linecolor rgb "#c6dbef", \
	"" using 6 title "ours, 32 bytes" linecolor rgb "#3182bd", \
	"" using 7 title "ours, extended" linecolor rgb "#08519c"
