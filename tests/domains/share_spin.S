/*
 * General registers and flags as share_spin_registers has them, for as many rounds as
 * share_spin_rounds says: RAX to R15 in the order of their encoding, RSP among them, then RFLAGS.
 * No interrupts come. On return they are what the registers held in the end.
 */
    .text
    .globl share_spin
share_spin:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, stack
    lea share_spin_registers, %rsp
    mov 0x08(%rsp), %rcx
    mov 0x10(%rsp), %rdx
    mov 0x18(%rsp), %rbx
    mov 0x28(%rsp), %rbp
    mov 0x30(%rsp), %rsi
    mov 0x38(%rsp), %rdi
    mov 0x40(%rsp), %r8
    mov 0x48(%rsp), %r9
    mov 0x50(%rsp), %r10
    mov 0x58(%rsp), %r11
    mov 0x60(%rsp), %r12
    mov 0x68(%rsp), %r13
    mov 0x70(%rsp), %r14
    mov 0x78(%rsp), %r15
    lea 0x80(%rsp), %rsp
    popf
    mov share_spin_registers, %rax
    mov share_spin_registers + 0x20, %rsp
1:  decl share_spin_rounds
    jnz 1b
    mov %rax, share_spin_registers
    mov %rsp, share_spin_registers + 0x20
    lea share_spin_registers + 0x88, %rsp
    pushf
    mov %rcx, -0x78(%rsp)
    mov %rdx, -0x70(%rsp)
    mov %rbx, -0x68(%rsp)
    mov %rbp, -0x58(%rsp)
    mov %rsi, -0x50(%rsp)
    mov %rdi, -0x48(%rsp)
    mov %r8, -0x40(%rsp)
    mov %r9, -0x38(%rsp)
    mov %r10, -0x30(%rsp)
    mov %r11, -0x28(%rsp)
    mov %r12, -0x20(%rsp)
    mov %r13, -0x18(%rsp)
    mov %r14, -0x10(%rsp)
    mov %r15, -0x08(%rsp)
    mov stack, %rsp
    push $2
    popf
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* Before anything else has changed them: what the domain begins with. No stack is in use yet. */
    .code32
    .globl flat_early
flat_early:
    mov %edx, share_first + 0x0
    mov %ebx, share_first + 0x4
    mov %ebp, share_first + 0x8
    mov %esi, share_first + 0xc
    fnstcw share_first + 0x10
    ret
    .code64

    .bss
    .balign 8
stack:
    .skip 8
    .globl share_spin_registers, share_spin_rounds
share_spin_registers:
    .skip 0x88
share_spin_rounds:
    .skip 8
    .globl share_first
share_first:
    .skip 0x18

    .section .note.GNU-stack, "", @progbits
