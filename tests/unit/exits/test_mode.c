/*
 * The processor modes that a domain may be in, whatever it writes to CR0 and EFER in whatever
 * order (APM vol. 2, 3.1.1, 3.1.7 and 14.6). What the VMCB holds while LME is set and PG is clear
 * decides whether core survives the domain's exit.
 */
#include <string.h>

#include "core/exits/mode.h"
#include "hw/apic.h"
#include "hw/x86.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define LONG_BITS (EFER_LME | EFER_LMA)
#define CR0_DEFINED                                                                            \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | \
     CR0_PG)

#define CR4_FIRST \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE)
#define CR4_DEFINED                                                                             \
    (CR4_FIRST | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_LA57 | CR4_FSGSBASE | CR4_PCIDE | \
     CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_CET)
#define ADDRESS_BITS 48

static struct vmcb vmcb;
static struct vcpu vcpu;
static struct bh_domain domain;

static int start(void **state)
{
    (void)state;
    memset(&vmcb, 0, sizeof(vmcb));
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&domain, 0, sizeof(domain));
    cpu_model_reset();
    cpu_model.cpuid[0].leaf = CPUID_FEATURES;
    cpu_model.cpuid[0].answer = (struct cpuid){.ecx = ~0u, .edx = ~0u};
    cpu_model.cpuid[1].leaf = CPUID_STRUCTURED;
    cpu_model.cpuid[1].answer = (struct cpuid){.ebx = ~0u, .ecx = ~0u};
    cpu_model.cpuid[2].leaf = CPUID_ADDRESS_SIZES;
    cpu_model.cpuid[2].answer = (struct cpuid){.eax = 0x3000 | ADDRESS_BITS};
    domain.interrupts = BH_VIRTUAL;
    vcpu.domain = &domain;
    vcpu.vmcb = &vmcb;
    vmcb.cr0 = CR0_ET;
    vmcb.efer = EFER_SVME;
    vmcb.cs.attributes = VMCB_SEG_CODE32;
    return 0;
}

/* What always holds, for the CPU and for what the domain can read. */
static void assert_sound(void)
{
    bool long_mode = (vcpu.efer & EFER_LME) && (vmcb.cr0 & CR0_PG);

    assert_int_equal(vmcb.efer & LONG_BITS, long_mode ? LONG_BITS : 0);
    assert_int_equal(vcpu.efer & EFER_LMA, long_mode ? EFER_LMA : 0);
    assert_true(vmcb.efer & EFER_SVME);
    assert_false(vcpu.efer & EFER_SVME);
    assert_int_equal((vmcb.efer ^ vcpu.efer) & ~(uint64_t)(LONG_BITS | EFER_SVME), 0);
    assert_true(vmcb.cr0 & CR0_ET);
    assert_int_equal(vmcb.cr0 & ~(uint64_t)CR0_DEFINED, 0);
    assert_true(!(vmcb.cr0 & CR0_PG) || (vmcb.cr0 & CR0_PE));
    assert_true(!(vmcb.cr0 & CR0_NW) || (vmcb.cr0 & CR0_CD));
    assert_true(!long_mode || (vmcb.cr4 & CR4_PAE));
}

/* A domain's state, as far as it decides what may come next; each bit of `n` sets one part. */
static bool enter_state(unsigned n)
{
    bool pg = n & 2, lme = n & 4, pae = n & 8, is_64 = n & 16, pcide = n & 32;

    start(NULL);
    if ((pg && !(n & 1)) || (pg && lme && !pae) || (is_64 && !(pg && lme)) ||
        (pcide && !(pg && lme)))
        return false; /* no such state */
    vmcb.cr0 = CR0_ET | (n & 1 ? CR0_PE : 0) | (pg ? CR0_PG : 0);
    vmcb.cr4 = (pae ? CR4_PAE : 0) | (pcide ? CR4_PCIDE : 0);
    vmcb.cs.attributes = is_64 ? VMCB_SEG_CODE64 : VMCB_SEG_CODE32;
    vcpu.efer = (lme ? EFER_LME : 0) | (lme && pg ? EFER_LMA : 0);
    vmcb.efer = EFER_SVME | (lme && pg ? LONG_BITS : 0);
    assert_sound();
    return true;
}

/* The manual's reasons for #GP, one by one. */
static bool cr0_is_refused(uint64_t value)
{
    bool was_paging = vmcb.cr0 & CR0_PG, paging = value & CR0_PG;
    bool is_64 = vmcb.cs.attributes & VMCB_SEG_L;

    return value >> 32 != 0 || (paging && !(value & CR0_PE)) ||
           (value & (CR0_NW | CR0_CD)) == CR0_NW || (was_paging && !paging && is_64) ||
           (was_paging && !paging && (vmcb.cr4 & CR4_PCIDE)) ||
           (!was_paging && paging && (vcpu.efer & EFER_LME) && !(vmcb.cr4 & CR4_PAE));
}

static void every_write_of_cr0_in_every_state_is_as_the_manual_says(void **state)
{
    static const uint64_t parts[] = {CR0_PE, CR0_PG, CR0_NW, CR0_CD, CR0_WP, 1ull << 32};
    unsigned accepted = 0, refused = 0;

    (void)state;
    for (unsigned n = 0; n < 64; n++)
        for (unsigned choice = 0; choice < 64; choice++) {
            uint64_t value = 0, cr0;

            if (!enter_state(n))
                continue;
            cr0 = vmcb.cr0;
            for (unsigned part = 0; part < 6; part++)
                value |= choice >> part & 1 ? parts[part] : 0;
            if (cr0_is_refused(value)) {
                assert_false(mode_write_cr0(&vcpu, value));
                assert_int_equal(vmcb.cr0, cr0);
                refused++;
            } else {
                assert_true(mode_write_cr0(&vcpu, value));
                assert_int_equal(vmcb.cr0, value | CR0_ET);
                assert_int_equal(vcpu_model_flushed(&vcpu),
                                 ((value ^ cr0) & (CR0_PE | CR0_PG | CR0_WP)) != 0);
                accepted++;
            }
            assert_sound();
        }
    assert_true(accepted > 100 && refused > 100);
}

/* APM vol. 2, 14.6.1: paging can't be turned on in a code segment that would be 64-bit then. */
static void paging_starts_in_a_segment_that_stays_32_bit(void **state)
{
    (void)state;
    vmcb.cr4 = CR4_PAE;
    vmcb.cs.attributes = VMCB_SEG_CODE64;
    assert_true(mode_write_efer(&vcpu, EFER_LME));
    assert_false(mode_write_cr0(&vcpu, CR0_PE | CR0_PG));
    assert_sound();
    vmcb.cs.attributes = VMCB_SEG_CODE32;
    assert_true(mode_write_cr0(&vcpu, CR0_PE | CR0_PG));
    assert_sound();
    assert_true(vmcb.efer & EFER_LMA);
}

/* Without LME the bit has no meaning: a 32-bit system may have left anything there. */
static void the_segments_long_bit_is_ignored_outside_of_long_mode(void **state)
{
    (void)state;
    vmcb.cs.attributes = VMCB_SEG_CODE64;
    assert_true(mode_write_cr0(&vcpu, CR0_PE | CR0_PG));
    assert_true(mode_write_cr0(&vcpu, CR0_PE));
    assert_sound();
}

/* Every way to turn on PE, PG, PAE and LME, one a step, and what becomes of each step. */
static void every_order_of_the_four_switches_is_sound(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 4 * 4 * 4 * 4; order++) {
        start(NULL);
        for (unsigned step = 0; step < 8; step++) { /* on in this order, then off in it */
            uint64_t cr0 = vmcb.cr0, cr4 = vmcb.cr4, efer = vcpu.efer;

            switch (order >> (2 * (step % 4)) & 3) {
            case 0:
                mode_write_cr0(&vcpu, cr0 ^ CR0_PE);
                break;
            case 1:
                mode_write_cr0(&vcpu, cr0 ^ CR0_PG);
                break;
            case 2:
                mode_write_cr4(&vcpu, cr4 ^ CR4_PAE);
                break;
            default:
                mode_write_efer(&vcpu, efer ^ EFER_LME);
                break;
            }
            assert_sound();
        }
    }
}

static void long_mode_is_entered_and_left_as_linux_does(void **state)
{
    (void)state;
    assert_true(mode_write_cr0(&vcpu, CR0_PE));
    vmcb.cr4 = CR4_PAE;
    assert_true(mode_write_efer(&vcpu, EFER_LME | EFER_SCE | EFER_NXE));
    assert_int_equal(vmcb.efer, EFER_SVME | EFER_SCE | EFER_NXE);
    assert_int_equal(vcpu.efer, EFER_LME | EFER_SCE | EFER_NXE);
    assert_true(mode_write_cr0(&vcpu, CR0_PE | CR0_PG | CR0_WP));
    assert_int_equal(vmcb.efer, EFER_SVME | EFER_SCE | EFER_NXE | LONG_BITS);
    assert_int_equal(vcpu.efer, EFER_SCE | EFER_NXE | LONG_BITS);
    assert_true(mode_write_cr0(&vcpu, CR0_PE | CR0_WP));
    assert_int_equal(vmcb.efer, EFER_SVME | EFER_SCE | EFER_NXE);
    assert_true(mode_write_efer(&vcpu, 0));
    assert_true(mode_write_cr0(&vcpu, 0));
    assert_int_equal(vmcb.cr0, CR0_ET);
    assert_sound();
}

static void efer_takes_only_bits_that_a_domain_may_have(void **state)
{
    const uint64_t allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR;

    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        start(NULL);
        assert_true(mode_write_efer(&vcpu, EFER_SCE));
        vcpu_model_flushed(&vcpu);
        if (allowed >> bit & 1) {
            assert_true(mode_write_efer(&vcpu, 1ull << bit));
            assert_true(vcpu_model_flushed(&vcpu));
        } else {
            assert_false(mode_write_efer(&vcpu, 1ull << bit | EFER_SCE));
            assert_int_equal(vcpu.efer, EFER_SCE);
            assert_int_equal(vmcb.efer, EFER_SVME | EFER_SCE);
        }
        assert_sound();
    }
}

static void lme_is_fixed_while_paging(void **state)
{
    (void)state;
    assert_true(enter_state(1 | 2));
    assert_false(mode_write_efer(&vcpu, EFER_LME));
    assert_true(mode_write_efer(&vcpu, EFER_NXE));
    assert_true(enter_state(1 | 2 | 4 | 8));
    assert_false(mode_write_efer(&vcpu, EFER_LMA));
    assert_true(mode_write_efer(&vcpu, EFER_LME | EFER_SCE));
    assert_int_equal(vcpu.efer, LONG_BITS | EFER_SCE); /* LMA is the CPU's */
    assert_sound();
}

static void lma_cannot_be_written(void **state)
{
    (void)state;
    assert_true(mode_write_efer(&vcpu, EFER_LME | EFER_LMA));
    assert_int_equal(vcpu.efer, EFER_LME);
    assert_sound();
}

/* They are ignored, and the VMCB never holds them: what VMRUN makes of them isn't said. */
static void undefined_bits_of_cr0_do_not_stick(void **state)
{
    (void)state;
    assert_true(mode_write_cr0(&vcpu, 0xffffffff));
    assert_int_equal(vmcb.cr0, CR0_DEFINED);
    assert_sound();
}

/* With every feature each defined bit can be set; without its feature it is reserved. */
static void cr4_takes_the_bits_that_the_cpu_has(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t value = 1ull << bit;

        start(NULL);
        vmcb.cr0 |= CR0_WP; /* for CET */
        if (value == CR4_PCIDE)
            assert_true(enter_state(1 | 2 | 4 | 8));
        assert_int_equal(mode_write_cr4(&vcpu, vmcb.cr4 | value), (CR4_DEFINED & value) != 0);
        assert_int_equal(vmcb.cr4 & value, CR4_DEFINED & value);
        start(NULL);
        memset(cpu_model.cpuid, 0, sizeof(cpu_model.cpuid[0]) * 2);
        cpu_model.cpuid[0].leaf = CPUID_FEATURES;
        cpu_model.cpuid[1].leaf = CPUID_STRUCTURED;
        assert_int_equal(mode_write_cr4(&vcpu, value), value == CR4_PCE);
    }
}

/* Which bit of CPUID stands for which of CR4: APM vol. 3, appendix E. */
static void each_bit_of_cr4_hangs_on_its_feature(void **state)
{
    static const struct {
        uint64_t bit;
        struct cpuid one, seven;
    } rows[] = {
        {CR4_VME | CR4_PVI, {.edx = 1 << 1}, {0}}, {CR4_DE, {.edx = 1 << 2}, {0}},
        {CR4_PSE, {.edx = 1 << 3}, {0}},           {CR4_TSD, {.edx = 1 << 4}, {0}},
        {CR4_PAE, {.edx = 1 << 6}, {0}},           {CR4_MCE, {.edx = 1 << 7}, {0}},
        {CR4_PGE, {.edx = 1 << 13}, {0}},          {CR4_OSFXSR, {.edx = 1 << 24}, {0}},
        {CR4_OSXMMEXCPT, {.edx = 1 << 25}, {0}},   {CR4_OSXSAVE, {.ecx = 1 << 26}, {0}},
        {CR4_FSGSBASE, {0}, {.ebx = 1 << 0}},      {CR4_SMEP, {0}, {.ebx = 1 << 7}},
        {CR4_SMAP, {0}, {.ebx = 1 << 20}},         {CR4_UMIP, {0}, {.ecx = 1 << 2}},
        {CR4_PKE, {0}, {.ecx = 1 << 3}},           {CR4_LA57, {0}, {.ecx = 1 << 16}},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(NULL);
        cpu_model.cpuid[0].answer = rows[i].one;
        cpu_model.cpuid[1].answer = rows[i].seven;
        assert_true(mode_write_cr4(&vcpu, rows[i].bit | CR4_PCE));
        assert_int_equal(vmcb.cr4, rows[i].bit | CR4_PCE);
        assert_false(mode_write_cr4(&vcpu, CR4_DEFINED & ~(CR4_PCIDE | CR4_CET)));
        assert_int_equal(vmcb.cr4, rows[i].bit | CR4_PCE);
    }
}

/* APM vol. 2, 3.1.3 and 5.3.1: in long mode. */
static void long_mode_keeps_pae_and_its_levels(void **state)
{
    (void)state;
    assert_true(enter_state(1 | 2 | 4 | 8));
    assert_false(mode_write_cr4(&vcpu, 0));
    assert_false(mode_write_cr4(&vcpu, CR4_PAE | CR4_LA57));
    assert_true(mode_write_cr4(&vcpu, CR4_PAE | CR4_PGE));
    assert_true(mode_write_cr0(&vcpu, CR0_PE));
    assert_true(mode_write_cr4(&vcpu, CR4_PGE));
    assert_sound();
}

/* 5.5.1: they begin in long mode, with PCID 0; while they are on, paging is. */
static void process_context_ids_begin_in_long_mode(void **state)
{
    (void)state;
    assert_true(enter_state(1 | 2 | 8));
    assert_false(mode_write_cr4(&vcpu, CR4_PAE | CR4_PCIDE));
    assert_true(enter_state(1 | 2 | 4 | 8));
    vmcb.cr3 = 0x1008;
    assert_false(mode_write_cr4(&vcpu, CR4_PAE | CR4_PCIDE));
    vmcb.cr3 = 0x1000;
    assert_true(mode_write_cr4(&vcpu, CR4_PAE | CR4_PCIDE));
    assert_true(mode_write_cr3(&vcpu, 1ull << 63 | 0x2018));
    assert_int_equal(vmcb.cr3, 0x2018);
    assert_true(mode_write_cr4(&vcpu, CR4_PAE | CR4_PCIDE | CR4_PGE)); /* they are on already */
    assert_false(mode_write_cr0(&vcpu, CR0_PE));
    assert_sound();
}

/* 18.6: shadow stacks need write protection. */
static void cet_needs_wp(void **state)
{
    (void)state;
    assert_true(mode_write_cr0(&vcpu, CR0_PE));
    assert_false(mode_write_cr4(&vcpu, CR4_CET));
    assert_true(mode_write_cr0(&vcpu, CR0_PE | CR0_WP));
    assert_true(mode_write_cr4(&vcpu, CR4_CET));
    assert_false(mode_write_cr0(&vcpu, CR0_PE));
}

static void cr3_has_as_many_bits_as_physical_addresses(void **state)
{
    (void)state;
    assert_true(enter_state(1 | 2 | 4 | 8));
    for (unsigned bit = 0; bit < 64; bit++) {
        vmcb.cr3 = 0x5000;
        vcpu_model_flushed(&vcpu);
        assert_int_equal(mode_write_cr3(&vcpu, 1ull << bit), bit < ADDRESS_BITS);
        assert_int_equal(vmcb.cr3, bit < ADDRESS_BITS ? 1ull << bit : 0x5000);
        assert_int_equal(vcpu_model_flushed(&vcpu), bit < ADDRESS_BITS);
    }
}

static void cr8_is_the_task_priority(void **state)
{
    (void)state;
    vmcb.v_intr = 0x1234567800ull | 0x35;
    assert_int_equal(mode_cr8(&vcpu), 0x35); /* what the CPU left there */
    assert_true(mode_write_cr8(&vcpu, 0xf));
    assert_int_equal(vmcb.v_intr, 0x123456780full);
    for (unsigned bit = 4; bit < 64; bit++)
        assert_false(mode_write_cr8(&vcpu, 1ull << bit));
    assert_int_equal(vmcb.v_intr, 0x123456780full);
    assert_int_equal(cpu_model.apic_log.count, 0);
    domain.interrupts = BH_DIRECT;
    cpu_model.apic[APIC_TPR / 4] = 0xa7;
    assert_int_equal(mode_cr8(&vcpu), 0xa);
    assert_true(mode_write_cr8(&vcpu, 0xc));
    assert_int_equal(cpu_model.apic_log.count, 1);
    assert_int_equal(cpu_model.apic_log.write[0].reg, APIC_TPR);
    assert_int_equal(cpu_model.apic_log.write[0].value, 0xc0);
    assert_int_equal(vmcb.v_intr, 0x123456780cull); /* V_TPR as well: 15.21.2 */
}

/* 7.8.1: of eight numbers two aren't memory types. */
static void pat_takes_memory_types(void **state)
{
    (void)state;
    for (unsigned entry = 0; entry < 8; entry++)
        for (unsigned type = 0; type < 256; type++) {
            bool is_type = type < 8 && type != 2 && type != 3;
            uint64_t value = (PAT_DEFAULT & ~(0xffull << 8 * entry)) | (uint64_t)type << 8 * entry;

            vmcb.g_pat = 0x0606060606060606;
            assert_int_equal(mode_write_pat(&vcpu, value), is_type);
            assert_int_equal(mode_pat(&vcpu), is_type ? value : 0x0606060606060606);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_write_of_cr0_in_every_state_is_as_the_manual_says, start),
        cmocka_unit_test_setup(paging_starts_in_a_segment_that_stays_32_bit, start),
        cmocka_unit_test_setup(the_segments_long_bit_is_ignored_outside_of_long_mode, start),
        cmocka_unit_test_setup(every_order_of_the_four_switches_is_sound, start),
        cmocka_unit_test_setup(long_mode_is_entered_and_left_as_linux_does, start),
        cmocka_unit_test_setup(efer_takes_only_bits_that_a_domain_may_have, start),
        cmocka_unit_test_setup(lme_is_fixed_while_paging, start),
        cmocka_unit_test_setup(lma_cannot_be_written, start),
        cmocka_unit_test_setup(undefined_bits_of_cr0_do_not_stick, start),
        cmocka_unit_test_setup(cr4_takes_the_bits_that_the_cpu_has, start),
        cmocka_unit_test_setup(each_bit_of_cr4_hangs_on_its_feature, start),
        cmocka_unit_test_setup(long_mode_keeps_pae_and_its_levels, start),
        cmocka_unit_test_setup(process_context_ids_begin_in_long_mode, start),
        cmocka_unit_test_setup(cet_needs_wp, start),
        cmocka_unit_test_setup(cr3_has_as_many_bits_as_physical_addresses, start),
        cmocka_unit_test_setup(cr8_is_the_task_priority, start),
        cmocka_unit_test_setup(pat_takes_memory_types, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
