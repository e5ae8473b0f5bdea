#include <hw/x86.h>
#include "tests/domains/modes.h"

#define SELECTOR_CODE16 0x10 /* in the descriptor table of this file */
#define SELECTOR_DATA16 0x18
#define NOTE_SIZE 24

    .text
    .globl modes_trip
modes_trip:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, saved_stack
    mov %cr3, %rax
    mov %eax, saved_cr3
    mov %cr4, %rax
    mov %eax, saved_cr4
    mov %esi, %ebp /* EBP: the next note */
    mov %edi, %esi /* ESI: the next step */
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
    mov %cr0, %eax
    and $~CR0_PG, %eax
    mov %eax, %cr0
    call lme_off
    call pae_off

next:
    movzbl (%esi), %ebx
    inc %esi
    cmp $STEP_PAE, %bl
    je step_pae
    cmp $STEP_2LEVEL, %bl
    je step_2level
    cmp $STEP_LONG, %bl
    je step_long
    cmp $STEP_LME, %bl
    je step_lme
    cmp $STEP_REAL, %bl
    je step_real
    cmp $STEP_TIMER, %bl
    je step_timer

    mov saved_cr4, %eax
    mov %eax, %cr4
    mov saved_cr3, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME, %eax
    wrmsr
    mov %cr0, %eax
    or $CR0_PG, %eax
    mov %eax, %cr0
    ljmp $SELECTOR_CODE, $long_mode

/* Reads and writes through the window, if there is paging, and notes it with the registers. */
note_window:
    mov WINDOW, %edx
    incl WINDOW
    addl $0x101, WINDOW + 0x1000
    jmp note_value
note:
    xor %edx, %edx
note_value:
    mov %edx, 16(%ebp)
    mov %ebx, 20(%ebp)
    smsw 22(%ebp) /* beside the step, which is a byte */
    lmsw 22(%ebp)
    mov %cr0, %eax
    mov %eax, 0(%ebp)
    mov %cr3, %eax
    mov %eax, 4(%ebp)
    mov %cr4, %eax
    mov %eax, 8(%ebp)
    mov $MSR_EFER, %ecx
    rdmsr
    mov %eax, 12(%ebp)
    add $NOTE_SIZE, %ebp
    ret

lme_off:
    mov $MSR_EFER, %ecx
    rdmsr
    and $~EFER_LME, %eax
    wrmsr
    ret

pae_off:
    mov %cr4, %eax
    and $~CR4_PAE, %eax
    mov %eax, %cr4
    ret

/* CR4 with `bits`, CR3 = `tables`, paging on, a note, paging off, a note. */
    .macro paged bits, tables
    mov %cr4, %eax
    or $\bits, %eax
    mov %eax, %cr4
    mov $\tables, %eax
    mov %eax, %cr3
    mov %cr0, %eax
    or $CR0_PG, %eax
    mov %eax, %cr0
    call note_window
    mov %cr0, %eax
    and $~CR0_PG, %eax
    mov %eax, %cr0
    call note
    .endm

step_pae:
    call lme_off
    paged CR4_PAE, modes_pdpt
    call pae_off
    jmp next

step_2level:
    call lme_off
    call pae_off
    paged CR4_PSE, modes_directory
    jmp next

step_long: /* PAE comes before LME: a CPU that exits in between would not survive on every emulator */
    mov %cr4, %eax
    or $CR4_PAE, %eax
    mov %eax, %cr4
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME, %eax
    wrmsr
    paged CR4_PAE, modes_pml4
    call lme_off
    call pae_off
    jmp next

step_lme:
    mov $MSR_EFER, %ecx
    rdmsr
    xor $EFER_LME, %eax
    wrmsr
    call note
    jmp next

step_timer: /* a real-mode program's interrupt, from the domain's own local APIC */
    movl $0x1ff, REAL_APIC + 0xf0
    movl $REAL_TIMER, REAL_APIC + 0x320
    movl $TIMER_COUNT, REAL_APIC + 0x380
    call real_mode
    movl $0, REAL_APIC + 0xb0
    movl $0x10000 + REAL_TIMER, REAL_APIC + 0x320
    jmp real_seen
step_real:
    call real_mode
real_seen: /* CR0 as MOV and SMSW read it there, and the interrupts */
    mov REAL_NOTES, %edx
    rol $16, %edx
    or REAL_NOTES + 4, %edx
    call note_value
    jmp next

real_mode:
    sidt saved_idt
    sgdt saved_gdt
    lgdt gdt_16_pointer
    mov %esp, saved_stack_32
    ljmp $SELECTOR_CODE16, $REAL_CODE
back_from_real_mode:
    lgdt saved_gdt
    lidt saved_idt
    mov $SELECTOR_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov saved_stack_32, %esp
    ret

    .code64
long_mode:
    mov saved_stack, %rsp
    mov %ebp, %eax
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* Copied to REAL_CODE. 16-bit protected mode, real mode, and 32-bit again. BL: the step. */
    .section .rodata
    .globl modes_real_code, modes_real_code_end
    .code16
modes_real_code:
    mov $SELECTOR_DATA16, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    lidtl REAL_CODE + (real_idt - modes_real_code)
    mov %cr0, %eax
    and $~CR0_PE, %eax
    mov %eax, %cr0
    ljmp $0, $(REAL_CODE + in_real_mode - modes_real_code)
in_real_mode:
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $REAL_CODE, %sp
    movw $(REAL_CODE + handler - modes_real_code), REAL_INT * 4
    movw %ax, REAL_INT * 4 + 2
    movw $(REAL_CODE + handler - modes_real_code), REAL_TIMER * 4
    movw %ax, REAL_TIMER * 4 + 2
    movl $0, REAL_NOTES
    cmp $STEP_TIMER, %bl
    je 1f
    int $REAL_INT
    jmp 3f
1:  sti
2:  cmpw $0, REAL_NOTES
    je 2b
    cli
3:  mov %cr0, %eax
    mov %eax, REAL_NOTES + 4
    smsw REAL_NOTES + 2
    lmsw REAL_NOTES + 2
    or $CR0_PE, %eax
    mov %eax, %cr0
    ljmpl $0x08, $back_from_real_mode
handler:
    incw REAL_NOTES
    iret
    .balign 4
real_idt:
    .word 0x3ff
    .long 0
modes_real_code_end:

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

    .bss
    .balign 8
saved_stack:
    .skip 8
saved_stack_32:
    .skip 4
saved_cr3:
    .skip 4
saved_cr4:
    .skip 4
saved_gdt:
    .skip 10
saved_idt:
    .skip 10

    .section .note.GNU-stack, "", @progbits
