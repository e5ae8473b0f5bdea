/*
 * Entry of a flat domain (BH_BOOT_FLAT, bulkhead/image.h): 32-bit protected mode, flat
 * segments, paging off, no stack. Goes to 64-bit mode with the first 4 GiB mapped as they
 * are, and calls flat_enter().
 */
#include <bulkhead/abi.h>
#include <hw/x86.h>

#define SELECTOR_FS 0x30
#define CPUID_ECX_RDRAND 30
#define GIB_TABLES 4

    .section .start, "ax"
    .code32
    .globl flat_start
flat_start:
    cmp $BH_START_MAGIC, %eax
    jne halt
    cld
    mov $flat_stack_top, %esp
    mov $flat_bss, %edi
    mov $flat_stack_top, %ecx
    sub %edi, %ecx
    xor %eax, %eax
    rep stosb

    call flat_early
    call build_tables
    /* %fs:28h is the stack protector's place; a segment base needs no MSR to be open. */
    mov $flat_thread, %eax
    mov %ax, fs_descriptor + 2
    shr $16, %eax
    mov %al, fs_descriptor + 4
    mov %ah, fs_descriptor + 7

    /* PAE comes before LME: no state with LME=1 and PAE=0 in between. */
    mov %cr4, %eax
    or $(CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
    mov %eax, %cr4
    mov $flat_pml4, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME, %eax
    wrmsr
    mov $(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $SELECTOR_CODE, $long_mode
halt:
    cli
    hlt
    jmp halt

/* One PML4 entry, four page-directory pointers, 2048 large pages. */
build_tables:
    mov $(flat_pdpt + PTE_P + PTE_RW), %eax
    mov %eax, flat_pml4
    mov $(flat_pd + PTE_P + PTE_RW), %eax
    xor %ecx, %ecx
1:  mov %eax, flat_pdpt(, %ecx, 8)
    add $PAGE_SIZE, %eax
    inc %ecx
    cmp $GIB_TABLES, %ecx
    jb 1b
    mov $(PTE_P + PTE_RW + PTE_PS), %eax
    xor %ecx, %ecx
2:  mov %eax, flat_pd(, %ecx, 8)
    add $LARGE_PAGE_SIZE, %eax
    inc %ecx
    cmp $(GIB_TABLES * 512), %ecx
    jb 2b
    ret

/* A program that has something to do in 32-bit mode, paging off, defines its own. */
    .weak flat_early
flat_early:
    ret

    .code64
long_mode:
    mov $SELECTOR_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %ecx, %ecx
    mov %ecx, %gs
    mov $SELECTOR_FS, %eax
    mov %eax, %fs
    mov $flat_stack_top, %esp
    fninit

    /* The stack protector's secret: random where the CPU offers it. */
    mov $CPUID_FEATURES, %eax
    xor %ecx, %ecx
    cpuid
    bt $CPUID_ECX_RDRAND, %ecx
    jnc 1f
    rdrand %rax
    xor %rax, flat_thread + 0x28
1:  xor %ebp, %ebp
    call flat_enter

    .data
    .balign 16
    .globl flat_gdt
flat_gdt:
    .quad 0
    .quad DESCRIPTOR_CODE
    .quad DESCRIPTOR_DATA
    .quad DESCRIPTOR_CODE32
    .quad 0, 0 /* TSS: flat_enter() fills it in */
fs_descriptor:
    .quad DESCRIPTOR_DATA
gdt_end:
gdt_pointer:
    .word gdt_end - flat_gdt - 1
    .quad flat_gdt

    .balign 64
    .globl flat_thread
flat_thread:
    .fill 5, 8, 0
    .quad 0x000aff0d4cb1a5e7
    .fill 2, 8, 0

    .bss
    .balign PAGE_SIZE
    .globl flat_pml4, flat_pdpt, flat_pd
flat_pml4:
    .skip PAGE_SIZE
flat_pdpt:
    .skip PAGE_SIZE
flat_pd:
    .skip GIB_TABLES * PAGE_SIZE

    .section .note.GNU-stack, "", @progbits
