/*
 * A domain's second vCPU, in real mode: it sleeps, and counts the interrupts that wake it. Copied
 * to SHARE_SECOND, entered there by SIPI; what it counts lies behind it.
 */
#include "tests/domains/share_second.h"

#define MSR_EOI 0x80b
#define MSR_SVR 0x80f

    .section .rodata
    .code16
    .globl share_second_begin
share_second_begin:
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $SHARE_SECOND_STACK, %sp
    /* vector's entry: offset, segment */
    movw $(taken - share_second_begin), SHARE_SECOND_VECTOR * 4
    movw $(SHARE_SECOND >> 4), SHARE_SECOND_VECTOR * 4 + 2
    mov $MSR_SVR, %ecx
    mov $0x1ff, %eax
    xor %edx, %edx
    wrmsr
    lock incl SHARE_SECOND_STARTS
1:  sti
    hlt
    cli
    jmp 1b

taken:
    lock incl SHARE_SECOND_TAKEN
    mov $MSR_EOI, %ecx
    xor %eax, %eax
    xor %edx, %edx
    wrmsr
    iret
    .globl share_second_end
share_second_end:

    .section .note.GNU-stack, "", @progbits
