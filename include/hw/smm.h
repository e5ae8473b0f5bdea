/*
 * System-management mode, for C and assembler: where a CPU goes on an SMI and what it leaves there
 * (APM vol. 2, 10.2 and 10.3), and the chipset register that hides SMRAM (Intel 3 Series chipset
 * family data sheet, 5.1; Q35 is QEMU's q35).
 */
#ifndef HW_SMM_H
#define HW_SMM_H

/* Offsets from a CPU's SMBASE. Real mode, CS base SMBASE, all limits 4 GiB. */
#define SMM_ENTRY         0x8000
#define SMM_SAVE          0xfe00 /* 512 bytes */
#define SMM_SAVE_END      0x10000
#define SMM_SAVE_REVISION 0xfefc
#define SMM_SAVE_BASE     0xff00 /* RSM takes the new SMBASE from here */

#define SMM_REVISION_RELOCATES 0x00020000 /* bit 17: the field above is obeyed */

#define SMBASE_RESET 0x30000 /* after reset */
#define SMBASE_SMRAM 0xa0000 /* where firmware moves it if it hides its handler behind VGA */

/* Q35's host bridge, 0:0.0: SMRAM control. */
#define Q35_HOST_BRIDGE  0x29c08086 /* device and vendor */
#define Q35_SMRAM        0x9d
#define Q35_SMRAM_BASE   0x02 /* bits 2:0, read-only: A0000h */
#define Q35_SMRAM_ENABLE 0x08 /* G_SMRAME: SMRAM exists, for CPUs in SMM */
#define Q35_SMRAM_LOCK   0x10 /* D_LCK: until reset; this register and ESMRAMC are read-only */
#define Q35_SMRAM_CLOSE  0x20 /* D_CLS */
#define Q35_SMRAM_OPEN   0x40 /* D_OPEN: SMRAM is seen outside of SMM too */

/* AMD's own lock of the SMM registers: MSR HWCR, bit SMMLOCK (APM vol. 2, 10.2.4). */
#define MSR_HWCR     0xc0010015
#define HWCR_SMMLOCK 0x00000001

#endif
