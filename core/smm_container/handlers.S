/*
 * SMI handlers: real mode, CS base = SMBASE, DS base 0, all limits 4 GiB (APM vol. 2, 10.3.1).
 * RSM restores every register from the state-save area.
 */
#include "core/smm_container/handlers.h"

    .section .rodata.smm, "a"
    .code16

    .global smm_relocate, smm_relocate_end
smm_relocate:
    movl $APIC_ID_ADDRESS, %ebx
    movl %ds:(%ebx), %ebx
    shrl $APIC_ID_BIT, %ebx
    movl %cs:SMM_ENTRY + RELOCATE_BASES(, %ebx, 4), %eax
    testl %eax, %eax
    jz 1f
    movl %eax, %cs:SMM_SAVE_BASE
    lock incl %cs:SMM_ENTRY + RELOCATE_COUNT
1:  rsm
smm_relocate_end:
    .org smm_relocate + RELOCATE_COUNT /* an error if the code is longer */

    .global smm_stub, smm_stub_end
smm_stub:
    incl %cs:SMM_ENTRY + STUB_COUNT
    rsm
smm_stub_end:
    .org smm_stub + STUB_COUNT

    .section .note.GNU-stack, "", @progbits
