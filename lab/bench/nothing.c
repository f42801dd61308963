// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest program there is, for the cost of exec: it ends at once, without
 * a C library.
 */

asm(".globl _start\n"
    "_start:\n\t"
    "xor %edi, %edi\n\t"
    "mov $60, %eax\n\t"		/* exit */
    "syscall");
