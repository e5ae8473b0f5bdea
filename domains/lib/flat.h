/*
 * Run-time support of a bare-metal domain (BH_BOOT_FLAT): 64-bit mode, exceptions, page
 * rights. The program defines flat_main() and flat_say(). Interrupts are off.
 */
#ifndef DOMAINS_LIB_FLAT_H
#define DOMAINS_LIB_FLAT_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/x86.h"

/* The program. Returning ends the domain. */
void flat_main(void);

/* The program's way to show one line (without \n), also when it has crashed. */
void flat_say(const char *line);

/* Formats one line, cut at FLAT_LINE_MAX characters, and shows it by flat_say(). */
#define FLAT_LINE_MAX 160
void flat_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the domain (BH_CALL_STOP). */
_Noreturn void flat_stop(void);

/* What the stubs of exceptions.S push, and the CPU before them (APM vol. 2, 8.9). */
struct flat_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* The last exception that ended a flat_try(). */
struct flat_fault {
    uint32_t vector;
    uint32_t error;
    uint64_t rip;
    uint64_t cr2;
};
extern struct flat_fault flat_fault;

/*
 * Runs run(argument). Returns -1 if it came back by itself, else the vector (0-31, never
 * NMI) of the exception that ended it, with flat_fault filled in. Calls may be nested.
 * Registers are restored; what run() did to memory, CR0, CR4 and MSRs stays.
 */
int flat_try(void (*run)(void *), void *argument);

/* How often each vector has arrived that is no exception: NMI, and all from 32 on. */
extern uint32_t flat_arrived[256];

/* A program that has something to do with them as they come defines this; IF is clear then. */
__attribute__((weak)) void flat_interrupt(struct flat_frame *frame);

/* Likewise of exceptions: true if the domain may go on where the frame says. */
__attribute__((weak)) bool flat_mends(struct flat_frame *frame);

/* Loads the tables of flat_enter() again, for a program that went through other modes. */
void flat_load_tables(void);

/*
 * From now on only the program itself is mapped: code read-execute, constants read-only,
 * data and stack read-write, nothing else, a hole below the stack. NX where CPUID has it.
 */
void flat_confine(void);

/*
 * After flat_confine(): maps the page at guest-physical `gpa` at `address`, which must be
 * below 2 MiB and outside the program, read-write, not executable.
 */
void flat_map(uintptr_t address, uint64_t gpa);

/* Places that the linker script names. */
extern uint8_t flat_text[], flat_rodata[], flat_data[], flat_bss[], flat_guard[], flat_stack[],
    flat_stack_top[], flat_window[], flat_end[];

/* Tables of start.S. */
extern uint64_t flat_gdt[];
extern struct page_table flat_pml4, flat_pdpt, flat_pd[4];

#endif
