/*
 * The processor modes that a domain may be in, whatever it writes to CR0 and EFER in whatever
 * order (APM vol. 2, 3.1.1, 3.1.7 and 14.6). What the VMCB holds while LME is set and PG is clear
 * decides whether core survives the domain's exit.
 */
#include <string.h>

#include "core/exits/mode.h"
#include "hw/x86.h"
#include "testing.h"

#define LONG_BITS (EFER_LME | EFER_LMA)
#define CR0_DEFINED                                                                            \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | \
     CR0_PG)

static struct vmcb vmcb;
static struct vcpu vcpu;

static int start(void **state)
{
    (void)state;
    memset(&vmcb, 0, sizeof(vmcb));
    memset(&vcpu, 0, sizeof(vcpu));
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
                assert_int_equal(vmcb.tlb_control, VMCB_TLB_FLUSH_ALL);
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
            case 2: /* not intercepted: the CPU refuses it in long mode (APM vol. 2, 3.1.3) */
                if (!(vmcb.efer & EFER_LMA))
                    vmcb.cr4 = cr4 ^ CR4_PAE;
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
        vmcb.tlb_control = 0;
        if (allowed >> bit & 1) {
            assert_true(mode_write_efer(&vcpu, 1ull << bit));
            assert_int_equal(vmcb.tlb_control, VMCB_TLB_FLUSH_ALL);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
