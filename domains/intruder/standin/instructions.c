/* Instructions that belong to the hypervisor, and what CPUID says of them. */
#include "bulkhead/abi.h"
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"
#include "lib/memory.h"

#define VECTOR_UD 6
#define VECTOR_GP 13

#define CPUID_ECX_SKINIT     (1u << 12)
#define CPUID_ECX_MONITOR    (1u << 3)
#define CPUID_ECX_HYPERVISOR (1u << 31)

/* An instruction that takes an address or a number in RAX, and one more in RCX. */
#define INSTRUCTION(name, text, rcx)                                            \
    static void name(void *rax)                                                 \
    {                                                                           \
        __asm__ volatile(text : "+a"(rax) : "c"(rcx), "d"(0) : "memory", "cc"); \
    }
INSTRUCTION(vmrun, "vmrun", 0)
INSTRUCTION(vmload, "vmload", 0)
INSTRUCTION(vmsave, "vmsave", 0)
INSTRUCTION(stgi, "stgi", 0)
INSTRUCTION(clgi, "clgi", 0)
INSTRUCTION(skinit, "skinit", 0)
INSTRUCTION(invlpga, "invlpga", 1)
INSTRUCTION(monitor, "monitor", 0)
INSTRUCTION(mwait, "mwait", 0)
INSTRUCTION(rsm, "rsm", 0)
INSTRUCTION(rdpmc, "rdpmc", 0)
INSTRUCTION(xsetbv_reserved, "xsetbv", 1)
#undef INSTRUCTION

struct trial {
    const char *name;
    void (*run)(void *);
};

/*
 * Runs each with addresses that mean something to it: #UD, as on a CPU without SVM. An
 * address that no machine has may also be #GP, which the CPU checks before the intercept.
 */
static void expect_undefined(struct report *report, const struct trial *trials, size_t count)
{
    static const uint64_t operands[] = {0,         0x1000,        0x200000,   POOL_BASE,
                                        CORE_BASE, 0xfee00000ull, 1ull << 47, UINT64_MAX};
    const size_t possible = 6; /* the first ones are addresses of this machine */

    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < sizeof(operands) / sizeof(operands[0]); n++) {
            int vector = flat_try(trials[i].run, (void *)operands[n]);

            if (vector != VECTOR_UD && (n < possible || vector != VECTOR_GP))
                report_breach(report, "%s of %lx ended with %d", trials[i].name, operands[n],
                              vector);
        }
    }
    report_detail(report, "%zu instructions, 8 operands each: #UD", count);
}

/* They would run a guest of its own, read or write core's state, or close core's window. */
static void svm(struct report *report)
{
    static const struct trial trials[] = {
        {"VMRUN", vmrun}, {"VMLOAD", vmload}, {"VMSAVE", vmsave},  {"STGI", stgi},
        {"CLGI", clgi},   {"SKINIT", skinit}, {"INVLPGA", invlpga}};

    expect_undefined(report, trials, sizeof(trials) / sizeof(trials[0]));
}

/* MONITOR and MWAIT would watch others' memory; RSM belongs into SMM. */
static void waiting(struct report *report)
{
    static const struct trial trials[] = {{"MONITOR", monitor}, {"MWAIT", mwait}, {"RSM", rsm}};

    expect_undefined(report, trials, sizeof(trials) / sizeof(trials[0]));
}

static void refused(struct report *report)
{
    int vector = flat_try(rdpmc, NULL);

    if (vector != VECTOR_GP && vector != VECTOR_UD)
        report_breach(report, "RDPMC ended with %d", vector);
    vector = flat_try(xsetbv_reserved, NULL);
    if (vector != VECTOR_GP && vector != VECTOR_UD)
        report_breach(report, "XSETBV of nothing ended with %d", vector);
    report_detail(report, "RDPMC and an invalid XSETBV raise exceptions");
}

static void invalidate(void *unused)
{
    (void)unused;
    __asm__ volatile("invd; wbinvd" : : : "memory");
}

/* INVD would drop everybody's writes that are still in the caches. */
static void cache(struct report *report)
{
    static volatile uint64_t written[512];

    for (uint64_t i = 0; i < 512; i++)
        written[i] = i * i;
    int vector = flat_try(invalidate, NULL);

    if (vector >= 0)
        report_breach(report, "INVD ended with %d", vector);
    for (uint64_t i = 0; i < 512; i++)
        if (written[i] != i * i)
            report_breach(report, "INVD dropped a write");
    report_detail(report, "INVD writes back");
}

static void cpuid_view(struct report *report)
{
    struct cpuid basic = cpuid(CPUID_FEATURES, 0), extended = cpuid(CPUID_EXTENDED, 0);
    struct cpuid svm_leaf = cpuid(CPUID_SVM, 0), hypervisor = cpuid(BH_CPUID_BASE, 0);
    uint32_t signature[3] = {hypervisor.ebx, hypervisor.ecx, hypervisor.edx};

    if ((extended.ecx & (CPUID_EXTENDED_ECX_SVM | CPUID_ECX_SKINIT)) ||
        (basic.ecx & CPUID_ECX_MONITOR))
        report_breach(report, "CPUID shows SVM or MONITOR: %x %x", extended.ecx, basic.ecx);
    if (svm_leaf.eax || svm_leaf.ebx || svm_leaf.ecx || svm_leaf.edx)
        report_breach(report, "leaf 8000000A isn't empty");
    if (!(basic.ecx & CPUID_ECX_HYPERVISOR) || memcmp(signature, BH_CPUID_SIGNATURE, 12) != 0)
        report_breach(report, "CPUID doesn't show Bulkhead");
    for (uint32_t leaf = 0; leaf < 0x100; leaf++) { /* none of them may hurt */
        cpuid(leaf, leaf);
        cpuid(BH_CPUID_BASE + leaf, 0);
        cpuid(CPUID_EXTENDED_MAX + leaf, UINT32_MAX);
        cpuid(0x8fffff00 + leaf, 0);
    }
    report_detail(report, "no SVM, no SKINIT, no MONITOR, leaf 8000000A empty");
}

static const struct attack attacks[] = {
    {"svm-instructions", svm, "VMRUN, VMLOAD, VMSAVE, STGI, CLGI, SKINIT, INVLPGA"},
    {"wait-instructions", waiting, "MONITOR, MWAIT, RSM"},
    {"refused-instructions", refused, "RDPMC, invalid XSETBV"},
    {"invd", cache, "drop cached writes by INVD"},
    {"cpuid", cpuid_view, "find SVM by CPUID; odd leaves"},
};
const struct subject instruction_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
