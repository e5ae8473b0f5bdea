/* Registers that an exit passes through core and maybe through other domains' hands. */
#include "bulkhead/abi.h"
#include "bulkhead/layout.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/call.h"
#include "domains/lib/cpu.h"

#define XMM_BYTES 256u /* 16 registers of 16 bytes */

static _Alignas(16) uint8_t before[XMM_BYTES], after[XMM_BYTES];

#define EACH_XMM(what)                                                                       \
    what(0) what(1) what(2) what(3) what(4) what(5) what(6) what(7) what(8) what(9) what(10) \
        what(11) what(12) what(13) what(14) what(15)
#define LOAD(n)  "movdqa " #n "*16(%0), %%xmm" #n "\n\t"
#define STORE(n) "movdqa %%xmm" #n ", " #n "*16(%1)\n\t"

/* Core checks signatures and prints with these registers; vault signs with them. */
static void vector_registers(struct report *report)
{
    for (uint32_t i = 0; i < XMM_BYTES; i++)
        before[i] = (uint8_t)(i ^ 0xc3);
    for (int round = 0; round < 100; round++) {
        uint32_t eax = 0, ecx = 0;

        __asm__ volatile(EACH_XMM(LOAD) : : "r"(before) : "memory");
        __asm__ volatile("cpuid" : "+a"(eax), "+c"(ecx) : : "ebx", "edx", "memory");
        bh_call(BH_CALL_RING, 0, 0, 0);
        in8(0x92);
        __asm__ volatile(EACH_XMM(STORE) : : "r"(before), "r"(after) : "memory");
        for (uint32_t i = 0; i < XMM_BYTES; i++)
            if (after[i] != before[i])
                report_breach(report, "byte %u of XMM%u changed", i % 16, i / 16);
    }
    report_detail(report, "XMM0-15 are its own after 300 exits");
}

/* All general registers that a hypercall doesn't answer in. */
static void general_registers(struct report *report)
{
    uint64_t rbx, rcx, r8, r15;

    for (uint64_t round = 1; round <= 100; round++) {
        uint64_t rax = BH_CALL | BH_CALL_VERSION;

        __asm__ volatile("mov %5, %%rbx\n\tmov %5, %%rcx\n\tmov %5, %%r8\n\tmov %5, %%r15\n\t"
                         "vmmcall\n\t"
                         "mov %%rbx, %1\n\tmov %%rcx, %2\n\tmov %%r8, %3\n\tmov %%r15, %4"
                         : "+a"(rax), "=m"(rbx), "=m"(rcx), "=m"(r8), "=m"(r15)
                         : "r"(round * 0x123456789abcdefull)
                         : "rbx", "rcx", "r8", "r15", "rdi", "rsi", "memory");
        uint64_t expected = round * 0x123456789abcdefull;

        if (rbx != expected || rcx != expected || r8 != expected || r15 != expected)
            report_breach(report, "a hypercall changed RBX, RCX, R8 or R15");
        if (rax != BH_ABI_VERSION)
            report_breach(report, "the version is %lx", rax);
    }
    report_detail(report, "RBX, RCX, R8 and R15 are its own after 100 hypercalls");
}

static uint64_t read_dr7(void)
{
    uint64_t value;

    __asm__ volatile("mov %%dr7, %0" : "=r"(value));
    return value;
}

/* Breakpoints must neither leak into core nor come back changed. */
static void debug_registers(struct report *report)
{
    uint64_t places[4] = {CORE_BASE, CORE_BASE + 0x1000, CORE_BASE + 0x2000, 0x2000}, seen[4];
    uint64_t enabled = 0x00000000000000aaull | 0x400;

    __asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3"
                     :
                     : "r"(places[0]), "r"(places[1]), "r"(places[2]), "r"(places[3]));
    __asm__ volatile("mov %0, %%dr7" : : "r"(enabled));
    for (int i = 0; i < 100; i++)
        cpuid(0, 0);
    victim_check(report);
    __asm__ volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
                     : "=r"(seen[0]), "=r"(seen[1]), "=r"(seen[2]), "=r"(seen[3]));
    for (int i = 0; i < 4; i++)
        if (seen[i] != places[i])
            report_breach(report, "DR%d became %lx", i, seen[i]);
    if (read_dr7() != enabled)
        report_breach(report, "DR7 became %lx", read_dr7());
    __asm__ volatile("mov %0, %%dr7" : : "r"(0x400ull));
    report_detail(report, "breakpoints set on core's code do nothing there and stay");
}

static const struct attack attacks[] = {
    {"vector-registers", vector_registers, "look for others' values in XMM registers"},
    {"general-registers", general_registers, "look for core's values in general registers"},
    {"debug-registers", debug_registers, "breakpoints on core's code"},
};
const struct subject state_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
