/* A second CPU from its startup IPI to 64-bit mode, with the tables that the first has made. */
#include <hw/x86.h>
#include "tests/domains/cores.h"

    .section .rodata
    .code16
    .globl cores_begin
/* Copied to AP_PAGE: real mode, CS is AP_PAGE >> 4. */
cores_begin:
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl AP_PAGE + gdt_pointer - cores_begin
    mov $(CR4_PAE | CR4_OSFXSR), %eax
    mov %eax, %cr4
    mov $flat_pml4, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME, %eax
    wrmsr
    mov $(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
    mov %eax, %cr0
    ljmpl $SELECTOR_CODE, $long_mode
    .balign 4
gdt_pointer:
    .word 5 * 8 - 1
    .long flat_gdt
    .globl cores_end
cores_end:

    .text
    .code64
long_mode:
    mov $SELECTOR_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $cores_stack_top, %esp
    lidt cores_idt
    call cores_second
1:  hlt
    jmp 1b

    .bss
    .balign 16
    .skip 16384
cores_stack_top:

    .section .note.GNU-stack, "", @progbits
