/* Model-specific registers. */
#include "domains/intruder/attacks/attack.h"
#include "domains/intruder/attacks/targets.h"
#include "hw/x86.h"

/*
 * A write of other bits must be refused, or be without effect. Whether a read is answered
 * is the policy's business: some registers have a harmless virtual value.
 */
static void try_change(struct report *report, uint32_t number, uint64_t flip)
{
    uint64_t before = 0, after = 0, value;
    bool readable = try_read_msr(number, &before);

    value = before ^ flip;
    if (!try_write_msr(number, value))
        return;
    if (!readable) {
        report_breach(report, "MSR %x can't be read, but takes %lx", number, (long)value);
        return;
    }
    if (!try_read_msr(number, &after) || after != before)
        report_breach(report, "MSR %x took %lx", number, (long)value);
}

static void expect_refused(struct report *report, uint32_t number)
{
    uint64_t value = 0;

    if (try_read_msr(number, &value))
        report_breach(report, "MSR %x can be read: %lx", number, (long)value);
    if (try_write_msr(number, value))
        report_breach(report, "MSR %x takes a write", number);
}

/* Locks, host save area, SMM: whoever has one of these has the machine. */
static void svm_and_smm(struct report *report)
{
    static const uint32_t numbers[] = {MSR_VM_CR,    MSR_VM_HSAVE_PA, MSR_SMM_BASE,
                                       MSR_SMM_ADDR, MSR_SMM_MASK,    MSR_SMM_CTL};
    size_t count = sizeof(numbers) / sizeof(numbers[0]);

    if (!msrs_ready(report))
        return;
    for (size_t i = 0; i < count; i++)
        expect_refused(report, numbers[i]);
    report_detail(report, "%zu registers refuse reads and writes", count);
}

static bool shows_svme(void)
{
    uint64_t efer = 0;

    return !try_read_msr(MSR_EFER, &efer) || (efer & EFER_SVME);
}

static void efer_svme(struct report *report)
{
    if (!msrs_ready(report))
        return;
    if (shows_svme())
        report_breach(report, "EFER can't be read, or shows SVME");
    try_change(report, MSR_EFER, EFER_SVME);
    report_detail(report, "EFER.SVME reads 0 and can't be set");
}

/* Moved, the local APIC's page would no longer be the one that core filters. */
static void apic_base(struct report *report)
{
    if (!msrs_ready(report))
        return;
    try_change(report, MSR_APIC_BASE, 0x00100000); /* to FEF00000h */
    try_change(report, MSR_APIC_BASE, 0x400);      /* x2APIC */
    try_change(report, MSR_APIC_BASE, 0x800);      /* off */
    report_detail(report, "APIC_BASE keeps its value");
}

/* Where memory and devices answer, what they cache, how the CPU is patched. */
static void memory_map(struct report *report)
{
    static const uint32_t numbers[] = {
        MSR_SYSCFG,   MSR_HWCR,      MSR_IORR_BASE,    MSR_IORR_MASK,    MSR_TOP_MEM,
        MSR_TOP_MEM2, MSR_MMIO_CONF, MSR_PATCH_LOADER, MSR_MTRR_DEFAULT, MSR_DEBUGCTL};
    size_t count = sizeof(numbers) / sizeof(numbers[0]);

    if (!msrs_ready(report))
        return;
    for (size_t i = 0; i < count; i++)
        try_change(report, numbers[i], 1);
    for (uint32_t number = MSR_SMI_ON_IO; number <= MSR_SMI_ON_IO + 6; number++)
        try_change(report, number, 1);
    report_detail(report, "%zu registers keep their values", count + 7);
}

/* Registers that the permission map has no bits for. */
static void outside_the_map(struct report *report)
{
    static const uint32_t numbers[] = {0x2000,     0x4b564d00, 0x40000000, 0x80000000,
                                       0xbfffffff, 0xc0002000, 0xc0012000, 0xffffffff};
    size_t count = sizeof(numbers) / sizeof(numbers[0]);

    if (!msrs_ready(report))
        return;
    for (size_t i = 0; i < count; i++)
        expect_refused(report, numbers[i]);
    report_detail(report, "%zu registers refuse reads and writes", count);
}

static const struct attack attacks[] = {
    {"msr-svm-smm", svm_and_smm, "VM_CR, VM_HSAVE_PA, SMM_BASE, SMM_ADDR, SMM_MASK, SMM_CTL"},
    {"msr-efer", efer_svme, "switch SVM on for itself"},
    {"msr-apic-base", apic_base, "move the local APIC or make it an x2APIC"},
    {"msr-memory-map", memory_map, "SYSCFG, HWCR, IORR, TOP_MEM, MTRR, SMI traps, microcode"},
    {"msr-outside", outside_the_map, "numbers outside the permission map"},
};
const struct subject msr_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
