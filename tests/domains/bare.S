/*
 * Starts a flat domain's binary on the bare machine as core would start it in a domain
 * (BH_BOOT_FLAT, bulkhead/image.h), but with its place full of rubbish. FLAT names the file.
 * Multiboot 1 (specification 0.6.96, 3.1).
 */
#include <bulkhead/abi.h>

    .section .multiboot, "a"
    .long 0x1BADB002, 0, -0x1BADB002

    .text
    .globl _start
_start:
    cld
    mov $0x100000, %edi
    mov $0x100000, %ecx
    mov $0xa5, %eax
    rep stosb
    mov $flat, %esi
    mov $0x100000, %edi
    mov $(flat_end - flat), %ecx
    rep movsb
    xor %ebx, %ebx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %ebp, %ebp
    xor %esp, %esp
    mov $BH_START_MAGIC, %eax
    jmp *entry

    .data
entry:
    .long 0x100000
flat:
    .incbin FLAT
flat_end:
    .section .note.GNU-stack, "", @progbits
