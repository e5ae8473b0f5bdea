/* Real mode, DS:0 is address 0. Copied to SECOND_PAGE, entered there by SIPI. */
#include "domains/intruder/standin/second.h"

    .section .rodata
    .code16
    .globl second_begin
second_begin:
    cli
    xor %ax, %ax
    mov %ax, %ds
    lock incl SECOND_DATA + SECOND_STARTS
again:
    lock incl SECOND_DATA + SECOND_ROUNDS
    mov SECOND_DATA + SECOND_ORDER, %eax
    cmp $SECOND_CHANGE, %eax
    je change
    cmp $SECOND_END, %eax
    je end
    jmp again

change:
    mov SECOND_DATA + SECOND_TARGET, %bx
    mov SECOND_DATA + SECOND_VALUE, %eax
    mov %eax, (%bx)
    mov SECOND_DATA + SECOND_VALUE + 4, %eax
    mov %eax, (%bx)
    jmp again

end: /* neither this exception nor the double fault finds a handler */
    push %ax
    push %ax
    push %ax
    mov %sp, %bx
    lidtl %ss:(%bx)
    ud2

    .globl second_undefined
second_undefined:
    xor %ax, %ax
    mov %ax, %ds
    lock incl SECOND_DATA + SECOND_FAULTS
    hlt
    jmp second_undefined
    .globl second_end
second_end:

    .section .note.GNU-stack, "", @progbits
