/* Exception entry, and flat_try(): run a function and learn which exception ended it. */
#include <hw/x86.h>

#define HAS_ERROR_CODE(v) (v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21 || v == 29 || v == 30)

    .text
/* 256 stubs of 16 bytes each: push a zero where the CPU pushed no error code, and the vector. */
    .balign 16
    .globl flat_stubs
flat_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !HAS_ERROR_CODE(vector)
    push $0
    .endif
    push $vector
    jmp enter
    .set vector, vector + 1
    .endr

/* Builds struct flat_frame. */
enter:
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
    mov %rsp, %rdi
    mov %rsp, %rbx
    and $-16, %rsp
    call flat_exception
    mov %rbx, %rsp
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
    add $16, %rsp
    iretq

/* int flat_try(void (*run)(void *), void *argument): -1, or the vector that ended run(). */
    .globl flat_try
flat_try:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push flat_try_stack
    mov %rsp, flat_try_stack
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    mov $-1, %eax
leave_try:
    pop flat_try_stack
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

/* flat_exception() returns here, on the stack of flat_try(), instead of to the culprit. */
    .globl flat_try_failed
flat_try_failed:
    mov $SELECTOR_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov flat_fault, %eax
    jmp leave_try

    .bss
    .balign 8
    .globl flat_try_stack
flat_try_stack:
    .skip 8

    .section .note.GNU-stack, "", @progbits
