# SPDX-License-Identifier: GPL-2.0
# What a debugger sees of a critical section, on a running `section`: gdb -p PID
# -x section.gdb. Ends with "as promised" if it is what
# Documentation/userspace-api/rseq.rst says.
set pagination off
set confirm off
set debuginfod enabled off
set $wrong = 0

# expect EXPRESSION TEXT: neither has a blank in it.
define expect
  if $arg0
    echo ok: $arg1\n
  else
    echo WRONG: $arg1\n
    info registers rip
    set $wrong = 1
  end
end

# before: stop before the section. The breakpoint stands before the instruction
# that arms.
define before
  delete
  break *section_arm
  continue
  delete
end

set $arm = (long)&section_arm
set $start = (long)&section_start
set $middle = (long)&section_middle
set $end = (long)&section_end

echo \n--- a breakpoint before the section is hit each time around\n
before
expect $pc==$arm stops-before-the-section
set $committed = committed
before
expect $pc==$arm stops-there-again
expect committed-$committed+aborted>0 and-the-section-ran-in-between

# Before the section, because the area is known by then.
set $rseq_cs = (unsigned long *)($fs_base + rseq_offset_found + 8)

echo \n--- single-stepping restarts the section\n
stepi
set $store = $pc
stepi
expect $pc==$start two-steps-to-the-start-of-the-section
set $descriptor = *$rseq_cs
expect $descriptor!=0 which-is-armed
set $abort = *(long *)($descriptor + 24)
expect *(long*)($descriptor+8)==$start with-this-start
expect *(long*)($descriptor+16)==$end-$start and-this-length
set $counter = counter
break *$abort
stepi
expect $pc==$abort the-next-step-is-at-the-abort-handler
expect *$rseq_cs==0 disarmed
expect counter==$counter and-nothing-is-committed
delete

echo \n--- a breakpoint inside is hit, and restarts the section\n
before
set $counter = counter
break *$middle
continue
expect $pc==$middle stops-inside
expect *$rseq_cs==$descriptor which-is-still-armed
# To go on from a breakpoint gdb lifts all of them for one instruction, and that
# would be the first one of the abort handler.
delete
break *$abort
continue
expect $pc==$abort goes-on-at-the-abort-handler
expect counter==$counter nothing-is-committed
delete
break *$middle
continue
expect $pc==$middle and-is-hit-again-when-the-program-tries-again

echo \n--- a breakpoint on the instruction that arms does the same\n
delete
break *$store
continue
expect $pc==$store stops-at-the-instruction-that-arms
break *$abort
break *$end
continue
expect $pc==$abort stepping-over-the-breakpoint-restarts-the-section

echo \n--- to step over: breakpoints behind it and at the abort handler\n
before
set $counter = counter
break *$end
break *$abort
continue
# The thread may have lost its CPU inside, on its own.
while $pc == $abort
  continue
end
expect $pc==$end stops-behind-the-section
expect counter==$counter+1 which-has-committed-once

echo \n--- to step through: disarm it\n
before
stepi
stepi
expect $pc==$start at-the-start-of-the-section
set $counter = counter
set *$rseq_cs = 0
stepi
expect $pc==$middle steps-inside
stepi
stepi
expect $pc==$end steps-to-the-end
expect counter==$counter+1 and-it-has-committed

echo \n--- a call of a function disarms it\n
before
break *$middle
continue
expect $pc==$middle stops-inside
expect answer()==42 calls-a-function
expect *$rseq_cs==0 which-has-disarmed-the-section
expect $pc==$middle and-left-the-thread-inside
set *$rseq_cs = $descriptor
delete
break *$abort
continue
expect $pc==$abort armed-again-it-is-restarted

# The program goes on for a while.
delete
set var last = committed + 1000
detach
if $wrong
  quit 1
end
echo as promised\n
