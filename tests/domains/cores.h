/* A domain with several cores and virtual interrupts, and one that rings it and watches its end. */
#ifndef TESTS_DOMAINS_CORES_H
#define TESTS_DOMAINS_CORES_H

#define AP_PAGE 0x8000 /* where the second CPU starts; below 64 KiB */

#ifndef __ASSEMBLER__
#include <stdint.h>

#include "hw/x86.h"

/* cores_ap.S */
extern const uint8_t cores_begin[], cores_end[];
extern struct table_pointer cores_idt;
_Noreturn void cores_second(void);
#endif

#endif
