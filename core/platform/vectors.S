/* Entry points of exceptions: saves registers as struct trap_frame (exceptions.c) lists them. */
#include "hw/x86.h"

    .text

    .set vector, 0
    .rept VECTOR_COUNT
    .balign 16
    .if vector == 0
    .global vectors
vectors:
    .endif
    /* The CPU pushes an error code for these alone: APM vol. 2, table 8-1. */
    .if vector >= EXCEPTION_COUNT
    push $0
    .elseif !((1 << vector) & 0x60227d00)
    push $0
    .endif
    push $vector
    jmp save
    .set vector, vector + 1
    .endr

save:
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    cld
    movq %rsp, %rdi
    movq %rsp, %rbp
    andq $-16, %rsp
    call exception
    movq %rbp, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    addq $16, %rsp
    iretq

    .section .note.GNU-stack, "", @progbits
