/* Changes of mode in every order, and reserved bits of control registers. */
#include "domains/intruder/standin/trip.h"

#include "domains/intruder/standin/standin.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"
#include "lib/memory.h"

#define VECTOR_GP 13

static void trip(struct report *report, uint32_t flags)
{
    memcpy((void *)TRIP_REAL_CODE, mode_real_code, (size_t)(mode_real_code_end - mode_real_code));
    mode_trip(flags);
    flat_load_tables();
    if (!(read_msr(MSR_EFER) & EFER_LMA))
        report_breach(report, "back in 64-bit mode, EFER doesn't show it");
}

/*
 * QEMU's CPU hangs for good at an exit with LME=1, PG=0, PAE=0; the domain goes there and
 * has exits there. Core must hold LME back until paging is on.
 */
static void lme_without_pae(struct report *report)
{
    trip(report, TRIP_PAE);
    trip(report, TRIP_PAE | TRIP_REAL);
    report_detail(report, "EFER.LME=1, CR0.PG=0, CR4.PAE=0, and back");
}

static void mode_orders(struct report *report)
{
    static const uint32_t trips[] = {0,
                                     TRIP_LME,
                                     TRIP_LME | TRIP_PAE,
                                     TRIP_LME | TRIP_PAE | TRIP_FLAT,
                                     TRIP_REAL,
                                     TRIP_LME | TRIP_REAL,
                                     TRIP_LME | TRIP_PAE | TRIP_REAL,
                                     TRIP_LME | TRIP_PAE | TRIP_FLAT | TRIP_REAL};
    size_t count = sizeof(trips) / sizeof(trips[0]);

    for (size_t i = 0; i < count; i++)
        trip(report, trips[i]);
    report_detail(report, "%zu trips through LME, PG, PAE and PE", count);
}

struct value {
    uint64_t value;
};

static void set_cr0(void *v)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(((struct value *)v)->value) : "memory");
}

static void set_efer(void *v)
{
    write_msr(MSR_EFER, ((struct value *)v)->value);
}

static void expect_gp(struct report *report, const char *what, void (*set)(void *), uint64_t value)
{
    struct value v = {value};
    int vector = flat_try(set, &v);

    if (vector != VECTOR_GP)
        report_breach(report, "%s = %lx ended with %d", what, value, vector);
}

static uint64_t read_cr0(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

/*
 * Values that are #GP (APM vol. 2, 3.1 and 14.6), and SVME, which is core's. QEMU's CPU
 * ignores the upper half of CR0, and reserved bits of CR4, without an exit.
 */
static void reserved_bits(struct report *report)
{
    uint64_t cr0 = read_cr0(), efer = read_msr(MSR_EFER);

    expect_gp(report, "CR0", set_cr0, cr0 & ~(uint64_t)CR0_PE);
    expect_gp(report, "CR0", set_cr0, cr0 & ~(uint64_t)CR0_PG); /* in 64-bit code */
    expect_gp(report, "CR0", set_cr0, (cr0 | CR0_NW) & ~(uint64_t)CR0_CD);
    expect_gp(report, "EFER", set_efer, efer | EFER_SVME);
    expect_gp(report, "EFER", set_efer, efer & ~(uint64_t)EFER_LME);
    expect_gp(report, "EFER", set_efer, efer | 1ull << 63);
    if (read_cr0() != cr0 || read_msr(MSR_EFER) != efer)
        report_breach(report, "a refused value was kept");
    report_detail(report, "6 values of CR0 and EFER: #GP");
}

/* Caches off for one core only slow down that core; the bit is the domain's. */
static void caches_off(struct report *report)
{
    uint64_t cr0 = read_cr0();
    struct value off = {cr0 | CR0_CD | CR0_NW}, on = {cr0};

    if (flat_try(set_cr0, &off) >= 0 || flat_try(set_cr0, &on) >= 0)
        report_breach(report, "CR0.CD can't be changed");
    report_detail(report, "CR0.CD and NW set and cleared");
}

static const struct attack attacks[] = {
    {"lme-without-pae", lme_without_pae, "exits with EFER.LME=1, CR0.PG=0, CR4.PAE=0"},
    {"mode-orders", mode_orders, "LME, PG, PAE, PE in every order"},
    {"reserved-bits", reserved_bits, "reserved bits of CR0 and EFER"},
    {"caches-off", caches_off, "switch the caches off"},
};
const struct subject mode_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
