# SPDX-License-Identifier: GPL-2.0
# Tail latency of a spinlock with and without the time slice extension: data of
# slice_spinlock_demo in, SVG out; both are set by chart.sh.
set terminal svg size 1100,520 font "sans-serif,13" background "white"
set output out
set multiplot layout 1,2 title heading
set logscale xy
set key top left
set grid
set xlabel "all but one in N"
set ylabel "microseconds at most"
set format xy "10^{%L}"
set title "the lock was held for"
plot in using 1:2 with steps linewidth 2 linecolor rgb "#e6550d" \
		title "without", \
	"" using 1:3 with steps linewidth 2 linecolor rgb "#3182bd" \
		title "with the extension"
set title "a thread waited for it for"
plot in using 1:4 with steps linewidth 2 linecolor rgb "#e6550d" \
		title "without", \
	"" using 1:5 with steps linewidth 2 linecolor rgb "#3182bd" \
		title "with the extension"
unset multiplot
