# SPDX-License-Identifier: GPL-2.0
# What each variant takes: data in, SVG out, and the unit; set by bench.sh.
set terminal svg size 1100,900 font "sans-serif,12" background "white"
set output out
set datafile separator "\t"
set title "What a program does, with restartable sequences and without"
set ylabel unit
# A system call would hide all the rest in a linear scale.
set logscale y
set yrange [0.2:*]
set style fill solid border -1
set boxwidth 0.8
set grid ytics
set xtics rotate by 90 right scale 0 noenhanced
set bmargin 28
set rmargin 3
unset key
plot in using 0:2:3:xtic(1) with boxes linecolor variable, \
	"" using 0:2:2 with labels offset 0,0.6 font "sans-serif,10"
