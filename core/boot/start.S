/*
 * Entry from the loader: 32-bit protected mode without paging (Multiboot 0.6.96, 3.2;
 * Multiboot2 2.0, 3.5), EAX = magic, EBX = address of the boot information. Sets up long mode
 * with all memory below 4 GiB mapped one to one and calls core_main(magic, address). The mapping
 * made here allows everything; paging.c takes rights away before anything else is read. The other
 * CPUs come in at ap_trampoline, use paging.c's tables at once and call ap_main().
 */
#include "bulkhead/layout.h"
#include "core/platform/cpu.h"
#include "hw/multiboot1.h"
#include "hw/multiboot2.h"
#include "hw/x86.h"

#define COM1            0x3f8
#define COM1_LINE_STATE (COM1 + 5)
#define COM1_CAN_SEND   0x20

    .section .header, "a"

    .balign 8
multiboot2_header:
    .long MB2_HEADER_MAGIC
    .long MB2_HEADER_I386
    .long multiboot2_header_end - multiboot2_header
    .long -(MB2_HEADER_MAGIC + MB2_HEADER_I386 + (multiboot2_header_end - multiboot2_header))

    .balign 8
1:  .short MB2_HEADER_INFORMATION, 0
    .long 2f - 1b
    .long MB2_TAG_MEMORY_MAP
2:
    .balign 8
1:  .short MB2_HEADER_INFORMATION, MB2_HEADER_OPTIONAL
    .long 2f - 1b
    .long MB2_TAG_COMMAND_LINE, MB2_TAG_LOADER_NAME, MB2_TAG_MODULE, MB2_TAG_FRAMEBUFFER
    .long MB2_TAG_EFI64, MB2_TAG_RSDP_1, MB2_TAG_RSDP_2, MB2_TAG_EFI_MAP
2:
    .balign 8
    .short MB2_HEADER_MODULE_ALIGN, 0
    .long 8

    .balign 8
    .short MB2_HEADER_CONSOLE, MB2_HEADER_OPTIONAL
    .long 12
    .long MB2_CONSOLE_EGA_TEXT

    .balign 8
    .short MB2_HEADER_FRAMEBUFFER, MB2_HEADER_OPTIONAL
    .long 20
    .long 0, 0, 32 /* any width, any height, 32 bits per pixel */

    .balign 8
    .short MB2_HEADER_END, 0
    .long 8
multiboot2_header_end:

#define MB1_FLAGS (MB1_HEADER_PAGE_ALIGN | MB1_HEADER_MEMORY_INFO | MB1_HEADER_ADDRESSES)

    .balign 4
multiboot1_header:
    .long MB1_HEADER_MAGIC
    .long MB1_FLAGS
    .long -(MB1_HEADER_MAGIC + MB1_FLAGS)
    .long multiboot1_header
    .long CORE_BASE
    .long core_data_end
    .long core_end
    .long core_start

    .section .rodata.start, "a"

    .balign 8
start_gdt:
    .quad 0
    .quad DESCRIPTOR_CODE
    .quad DESCRIPTOR_DATA
    .quad DESCRIPTOR_CODE32
start_gdt_end:

start_gdt_pointer:
    .short start_gdt_end - start_gdt - 1
    .long start_gdt

no_long_mode:
    .asciz "bulkhead: FATAL: unsuitable CPU: it has no long mode or no NX. Use an AMD processor with SVM.\r\n"

    .section .text.start, "ax"
    .code32

    .global core_start
core_start:
    cli
    cld
    movl %eax, %ebp /* magic; EBX keeps the address */
    lgdt start_gdt_pointer
    ljmp $SELECTOR_CODE32, $1f
1:  movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss

    /* A loader clears what the file doesn't hold, but a measured launch wouldn't. */
    movl $core_data_end, %edi
    movl $core_end, %ecx
    subl %edi, %ecx
    shrl $2, %ecx
    xorl %eax, %eax
    rep stosl

    movl %ebx, %esi /* CPUID overwrites EBX */
    movl $CPUID_EXTENDED_MAX, %eax
    cpuid
    cmpl $CPUID_EXTENDED, %eax
    jb unsuitable_cpu
    movl $CPUID_EXTENDED, %eax
    cpuid
    andl $(CPUID_EXTENDED_EDX_LM | CPUID_EXTENDED_EDX_NX), %edx
    cmpl $(CPUID_EXTENDED_EDX_LM | CPUID_EXTENDED_EDX_NX), %edx
    jne unsuitable_cpu

    /* One PML4 entry, four PDP entries, four tables of 2-MiB pages. */
    movl $(core_pdp + PTE_P + PTE_RW), core_pml4
    movl $(core_pd + PTE_P + PTE_RW), %eax
    xorl %ecx, %ecx
1:  movl %eax, core_pdp(, %ecx, 8)
    addl $PAGE_SIZE, %eax
    incl %ecx
    cmpl $4, %ecx
    jb 1b
    movl $(PTE_P | PTE_RW | PTE_PS), %eax
    xorl %ecx, %ecx
1:  movl %eax, core_pd(, %ecx, 8)
    addl $LARGE_PAGE_SIZE, %eax
    incl %ecx
    cmpl $2048, %ecx
    jb 1b

    movl $first_cpu_enter, %edi
    jmp enter_long_mode

unsuitable_cpu:
    movl $no_long_mode, %esi
1:  lodsb
    testb %al, %al
    jz 3f
    movb %al, %bl
    movl $100000, %ecx /* bound: there may be no UART */
2:  movw $COM1_LINE_STATE, %dx
    inb %dx, %al
    testb $COM1_CAN_SEND, %al
    loopz 2b
    movw $COM1, %dx
    movb %bl, %al
    outb %al, %dx
    jmp 1b
3:  hlt
    jmp 3b

/*
 * From 32-bit protected mode without paging and with start_gdt loaded into 64-bit mode with
 * core's page tables, at the address in EDI. Keeps EBP and ESI.
 */
enter_long_mode:
    movl $(CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
    movl %eax, %cr4
    movl $core_pml4, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    movl $(EFER_LME | EFER_NXE), %eax
    xorl %edx, %edx
    wrmsr
    movl $(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
    movl %eax, %cr0
    ljmp $SELECTOR_CODE, $1f

    .code64
1:  movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movl %edi, %edi
    jmp *%rdi

first_cpu_enter:
    movl $cpu_areas + CPU_AREA_SIZE, %esp
    movl %ebp, %edi
    xorl %ebp, %ebp
    call core_main
1:  hlt /* core_main doesn't return */
    jmp 1b

/*
 * Where a CPU other than the first begins, in real mode at the start of a page (APM vol. 2, 15.27
 * and 16.5): ap.c copies this there. It fits in any page, since it uses nothing but its own CS.
 */
    .section .rodata.trampoline, "a"
    .code16
    .global ap_trampoline, ap_trampoline_end
ap_trampoline:
    cli
    movw %cs, %ax
    movw %ax, %ds
    lgdtl ap_gdt_pointer - ap_trampoline
    movl %cr0, %eax
    orl $CR0_PE, %eax
    movl %eax, %cr0
    ljmpl $SELECTOR_CODE32, $ap_start
ap_gdt_pointer:
    .short start_gdt_end - start_gdt - 1
    .long start_gdt
ap_trampoline_end:

    .section .text.start, "ax"
    .code32
ap_start:
    cld
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $ap_enter, %edi
    jmp enter_long_mode

    .code64
ap_enter:
    movl ap_stack, %esp
    xorl %ebp, %ebp
    call ap_main
1:  hlt /* ap_main doesn't return */
    jmp 1b

    .section .bss.tables, "aw", @nobits
    .balign PAGE_SIZE
    .global core_pml4, core_pdp, core_pd
core_pml4:
    .skip PAGE_SIZE
core_pdp:
    .skip PAGE_SIZE
core_pd:
    .skip 4 * PAGE_SIZE

    .section .note.GNU-stack, "", @progbits
