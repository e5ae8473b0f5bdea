/*
 * A kernel for testing the launcher: Multiboot 1 (specification 0.6.96, 3.1) and
 * Multiboot 2 (2.0, 3.1) headers, 32-bit entry.
 */
    .section .multiboot, "a"
    .balign 8
    .long 0x1BADB002, 0, -0x1BADB002
    .balign 8
header:
    .long 0xE85250D6, 0, header_end - header, -(0xE85250D6 + header_end - header)
    .short 0, 0
    .long 8
header_end:

    .text
    .globl _start
_start:
    movl $stack_end, %esp
    pushl %ebx
    pushl %eax
    call probe
halt:
    hlt
    jmp halt

    .bss
    .balign 16
    .skip 4096
stack_end:
    .section .note.GNU-stack, "", @progbits
