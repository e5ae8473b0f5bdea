#include <hw/x86.h>
#include "domains/intruder/standin/trip.h"

#define SELECTOR_CODE16 0x10 /* in the descriptor table of this file */
#define SELECTOR_DATA16 0x18

    .text
    .globl mode_trip
mode_trip:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, saved_stack
    mov %edi, trip_flags
    mov %cr3, %rax
    mov %eax, saved_cr3
    mov %cr4, %rax
    mov %eax, saved_cr4
    lea compatibility(%rip), %rax
    push $SELECTOR_CODE32
    push %rax
    lretq

    .code32
compatibility:
    mov $SELECTOR_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov saved_stack, %esp
    call ask_cpuid

    mov %cr0, %eax
    and $~CR0_PG, %eax
    mov %eax, %cr0
    call ask_cpuid

    testl $TRIP_LME, trip_flags
    jz 1f
    mov $MSR_EFER, %ecx
    rdmsr
    and $~EFER_LME, %eax
    wrmsr
    call ask_cpuid
1:  testl $TRIP_PAE, trip_flags
    jz 2f
    mov %cr4, %eax
    and $~CR4_PAE, %eax
    mov %eax, %cr4
    call ask_cpuid
2:  testl $TRIP_FLAT, trip_flags
    jz 3f
    call paging_32
3:  testl $TRIP_REAL, trip_flags
    jz 4f
    call real_mode

4:  mov saved_cr4, %eax
    mov %eax, %cr4
    mov saved_cr3, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME, %eax
    wrmsr
    call ask_cpuid
    mov %cr0, %eax
    or $CR0_PG, %eax
    mov %eax, %cr0
    ljmp $SELECTOR_CODE, $long_mode

/* CPUID is intercepted in every domain: an exit in just this state. */
ask_cpuid:
    xor %eax, %eax
    xor %ecx, %ecx
    cpuid
    ret

/* Two-level paging with 4-MiB pages, the first 64 MiB as they are. */
paging_32:
    mov %cr4, %eax
    or $CR4_PSE, %eax
    mov %eax, %cr4
    mov $directory_32, %eax
    mov %eax, %cr3
    mov %cr0, %eax
    or $CR0_PG, %eax
    mov %eax, %cr0
    call ask_cpuid
    mov %cr0, %eax
    and $~CR0_PG, %eax
    mov %eax, %cr0
    ret

real_mode:
    mov %esp, saved_stack_32
    sgdt saved_gdt
    lgdt gdt_16_pointer
    ljmp $SELECTOR_CODE16, $TRIP_REAL_CODE
back_from_real_mode:
    lgdt saved_gdt
    mov $SELECTOR_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov saved_stack_32, %esp
    ret

    .code64
long_mode:
    mov saved_stack, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* Copied to TRIP_REAL_CODE. 16-bit protected mode, real mode, and 32-bit again. */
    .section .rodata
    .globl mode_real_code, mode_real_code_end
    .code16
mode_real_code:
    mov $SELECTOR_DATA16, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov %cr0, %eax
    and $~CR0_PE, %eax
    mov %eax, %cr0
    ljmp $0, $(TRIP_REAL_CODE + in_real_mode - mode_real_code)
in_real_mode:
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    xor %eax, %eax
    xor %ecx, %ecx
    cpuid
    in $0x92, %al
    mov %cr0, %eax
    or $CR0_PE, %eax
    mov %eax, %cr0
    ljmpl $0x08, $back_from_real_mode
mode_real_code_end:

    .data
    .balign 8
gdt_16:
    .quad 0
    .quad DESCRIPTOR_CODE32
    .quad 0x00009b000000ffff
    .quad 0x000093000000ffff
gdt_16_end:
gdt_16_pointer:
    .word gdt_16_end - gdt_16 - 1
    .long gdt_16
    .balign PAGE_SIZE
directory_32:
    .set page, 0
    .rept 16
    .long page * 0x400000 + PTE_P + PTE_RW + PTE_PS
    .set page, page + 1
    .endr
    .fill 1024 - 16, 4, 0

    .bss
    .balign 8
saved_stack:
    .skip 8
saved_stack_32:
    .skip 4
trip_flags:
    .skip 4
saved_cr3:
    .skip 4
saved_cr4:
    .skip 4
saved_gdt:
    .skip 10

    .section .note.GNU-stack, "", @progbits
