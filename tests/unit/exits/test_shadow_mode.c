/*
 * Control registers of a domain with shadow tables: it reads what it wrote, in whatever order, and
 * its VMCB holds what core/mm/shadow.h demands.
 */
#include <string.h>

#include "core/exits/mode.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/shadow_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define LONG_BITS  (EFER_LME | EFER_LMA)
#define ADDRESS_48 0x3030 /* CPUID 8000_0008h EAX */

#define TASK_SWITCH (1u << 29) /* in BH_INTERCEPT_MISC1 */

static struct vcpu *vcpu;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    memset(&shadow_model, 0, sizeof(shadow_model));
    cpu_model.cpuid[0].leaf = CPUID_FEATURES;
    cpu_model.cpuid[0].answer = (struct cpuid){.ecx = ~0u, .edx = ~0u};
    cpu_model.cpuid[1].leaf = CPUID_STRUCTURED;
    cpu_model.cpuid[1].answer = (struct cpuid){.ebx = ~0u, .ecx = ~0u};
    cpu_model.cpuid[2].leaf = CPUID_ADDRESS_SIZES;
    cpu_model.cpuid[2].answer = (struct cpuid){.eax = ADDRESS_48};
    cpu_model.cpuid[3].leaf = CPUID_SVM;
    cpu_model.cpuid[3].answer = (struct cpuid){.edx = 0};
    image_model.domain[WORK].paging = BH_PAGING_SHADOW;
    image_model.domain[WORK].shadow_base = 0x10800000;
    image_model.domain[WORK].shadow_size = 0x400000;
    for (unsigned i = 0; i < BH_INTERCEPT_WORDS; i++) {
        image_model.domain[WORK].intercepts[i] = 0x10u << i;
        image_model.domain[WORK].shadow_intercepts[i] = 0x10000u << i;
    }
    vcpu = vcpu_model_init(WORK);
    return 0;
}

/* What always holds. */
static void assert_sound(uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
    const struct vmcb *vmcb = vcpu->vmcb;
    bool long_mode = (efer & EFER_LME) && (cr0 & CR0_PG);

    assert_int_equal(mode_cr0(vcpu), cr0);
    assert_int_equal(mode_cr3(vcpu), cr3);
    assert_int_equal(mode_cr4(vcpu), cr4);
    assert_int_equal(vcpu->efer, (efer & ~(uint64_t)EFER_LMA) | (long_mode ? EFER_LMA : 0));
    assert_int_equal(vmcb->cr0, cr0 | CR0_PG | CR0_WP);
    assert_int_equal(vmcb->cr3, MODEL_ROOT + 0x1000ull * (shadow_model.roots - 1));
    assert_int_equal(vmcb->cr4,
                     (cr4 & ~(uint64_t)(cr0 & CR0_PG ? 0 : CR4_SMEP | CR4_SMAP)) | CR4_PAE);
    assert_int_equal(vmcb->efer, (efer & ~(uint64_t)LONG_BITS) | (long_mode ? LONG_BITS : 0) |
                                     EFER_NXE | EFER_SVME);
    assert_int_equal(shadow_model.guest.cr0 & (CR0_PG | CR0_WP), cr0 & (CR0_PG | CR0_WP));
    assert_int_equal(shadow_model.guest.cr3, cr3);
    assert_int_equal(shadow_model.guest.cr4, cr4);
    assert_int_equal(shadow_model.guest.efer, vcpu->efer);
}

static void the_policy_decides_and_any_leaves_it_to_the_cpu(void **state)
{
    (void)state;
    assert_int_equal(vcpu->vmcb->np_enable, 0);
    assert_int_equal(shadow_model.inits, 1);
    assert_int_equal(shadow_model.config.pool, 0x10800000);
    assert_int_equal(shadow_model.config.pool_size, 0x400000);
    assert_int_equal(shadow_model.config.vcpus, 1);
    assert_int_equal(shadow_model.config.address_bits, 48);
    assert_ptr_equal(shadow_model.config.p2m, vcpu->p2m);
    for (unsigned i = 0; i < BH_INTERCEPT_WORDS; i++)
        assert_int_equal(vcpu->vmcb->intercepts[i] & ~(i == BH_INTERCEPT_MISC1 ? TASK_SWITCH : 0),
                         0x10010u << i);
    image_model.domain[WORK].paging = BH_PAGING_ANY;
    vcpu = vcpu_model_init(WORK);
    assert_non_null(vcpu->shadow);
    cpu_model.cpuid[3].answer.edx = CPUID_SVM_EDX_NP;
    vcpu = vcpu_model_init(WORK);
    assert_null(vcpu->shadow);
    assert_int_equal(vcpu->vmcb->np_enable, 1);
    for (unsigned i = 0; i < BH_INTERCEPT_WORDS; i++)
        assert_int_equal(vcpu->vmcb->intercepts[i], 0x10u << i);
    image_model.domain[WORK].paging = BH_PAGING_SHADOW;
    vcpu = vcpu_model_init(WORK);
    assert_non_null(vcpu->shadow);
    assert_int_equal(shadow_model.inits, 3);
}

/* A task switch takes CR3 out of the domain's memory: with shadow tables that is the machine's. */
static void no_policy_opens_task_switches(void **state)
{
    (void)state;
    assert_true(vcpu->vmcb->intercepts[BH_INTERCEPT_MISC1] & TASK_SWITCH);
    image_model.domain[WORK].paging = BH_PAGING_NESTED;
    vcpu = vcpu_model_init(WORK);
    assert_false(vcpu->vmcb->intercepts[BH_INTERCEPT_MISC1] & TASK_SWITCH);
}

static void init_work(void *argument)
{
    (void)argument;
    vcpu_model_init(WORK);
}

static void a_pool_that_will_not_do_is_fatal(void **state)
{
    (void)state;
    shadow_model.refuses = true;
    expect_fatal(init_work, NULL, "work: core can't make shadow tables of 0x400000 bytes");
}

static uint64_t choose(uint32_t *seed, const uint64_t *values, unsigned count)
{
    *seed = *seed * 1664525 + 1013904223;
    return values[(*seed >> 16) % count];
}

/* Random writes of all four registers: what is refused changes nothing, what isn't is read back. */
static void each_register_reads_as_it_was_written(void **state)
{
    static const uint64_t cr0s[] = {0,
                                    CR0_PE,
                                    CR0_PE | CR0_WP,
                                    CR0_PE | CR0_PG,
                                    CR0_PE | CR0_PG | CR0_WP,
                                    CR0_PE | CR0_PG | CR0_TS,
                                    CR0_PG,
                                    CR0_TS | CR0_MP,
                                    CR0_PE | CR0_CD,
                                    CR0_PE | CR0_PG | CR0_CD | CR0_NW,
                                    CR0_NW};
    static const uint64_t cr3s[] = {0, 0x1000, 0x12345018, 0xfffff000, 1ull << 47, 1ull << 48};
    static const uint64_t cr4s[] = {0,
                                    CR4_PAE,
                                    CR4_PSE,
                                    CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP,
                                    CR4_SMEP,
                                    CR4_PSE | CR4_SMAP | CR4_OSFXSR,
                                    CR4_PAE | CR4_LA57,
                                    CR4_PAE | CR4_PCIDE,
                                    CR4_PAE | CR4_PKE,
                                    CR4_CET};
    static const uint64_t efers[] = {0, EFER_LME, EFER_NXE, EFER_LME | EFER_NXE | EFER_SCE,
                                     EFER_LME | EFER_SVME};
    uint32_t seed = 1;
    unsigned accepted = 0, modes = 0;
    uint64_t cr0 = CR0_ET, cr3 = 0, cr4 = 0, efer = 0;

    (void)state;
    mode_start(vcpu, cr0, cr3, cr4, efer);
    vcpu->vmcb->cs.attributes = VMCB_SEG_CODE32;
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t value;
        bool taken;

        vcpu_model_flushed(vcpu);
        switch (choose(&seed, (const uint64_t[]){0, 1, 2, 3}, 4)) {
        case 0:
            value = choose(&seed, cr0s, sizeof(cr0s) / sizeof(cr0s[0]));
            taken = mode_write_cr0(vcpu, value);
            cr0 = taken ? value | CR0_ET : cr0;
            break;
        case 1:
            value = choose(&seed, cr3s, sizeof(cr3s) / sizeof(cr3s[0]));
            taken = mode_write_cr3(vcpu, value);
            cr3 = taken ? value : cr3;
            break;
        case 2:
            value = choose(&seed, cr4s, sizeof(cr4s) / sizeof(cr4s[0]));
            taken = mode_write_cr4(vcpu, value);
            assert_false(taken && (value & (CR4_LA57 | CR4_PCIDE | CR4_PKE | CR4_CET)));
            cr4 = taken ? value : cr4;
            break;
        default:
            value = choose(&seed, efers, sizeof(efers) / sizeof(efers[0]));
            taken = mode_write_efer(vcpu, value);
            assert_false(taken && (value & EFER_SVME));
            efer = taken ? value : efer;
        }
        assert_sound(cr0, cr3, cr4, efer);
        accepted += taken;
        modes |= 1u << ((cr0 & CR0_PE ? 1 : 0) | (cr0 & CR0_PG ? 2 : 0) | (cr4 & CR4_PAE ? 4 : 0) |
                        (efer & EFER_LME ? 8 : 0));
    }
    assert_true(accepted > 8000);
    /* All but PG without PE, and long mode without PAE. */
    assert_int_equal(modes, 0xffffu & ~(1u << 2 | 1u << 6 | 1u << 10 | 1u << 14 | 1u << 11));
}

static bool access(uint64_t exit, const char *code)
{
    vcpu_model_code(vcpu, 0, code);
    return vcpu_model_exit(vcpu, exit, 0, 0);
}

/* APM vol. 2, 5.5.2: what a device wrote to a table counts then, too. */
static void a_change_of_pge_compares_all_tables(void **state)
{
    (void)state;
    assert_true(mode_write_cr4(vcpu, vcpu->cr4 | CR4_PGE));
    assert_int_equal(shadow_model.compares, 1);
    assert_true(mode_write_cr4(vcpu, vcpu->cr4));
    assert_int_equal(shadow_model.compares, 1);
    assert_true(mode_write_cr4(vcpu, vcpu->cr4 & ~(uint64_t)CR4_PGE));
    assert_int_equal(shadow_model.compares, 2);
}

static void no_instruction_reads_what_is_cores(void **state)
{
    (void)state;
    assert_true(access(SVM_EXIT_CR3_READ, "0f 20 d8"));
    assert_int_equal(vcpu->vmcb->rax, vcpu->cr3);
    assert_int_not_equal(vcpu->vmcb->rax, vcpu->vmcb->cr3);
    vcpu_model_mode(vcpu, INSN_16);
    assert_true(access(SVM_EXIT_CR0_READ, "0f 20 c0"));
    assert_int_equal(vcpu->vmcb->rax, CR0_ET);
    assert_true(mode_write_cr4(vcpu, 0));
    assert_true(access(SVM_EXIT_CR4_READ, "0f 20 e0"));
    assert_int_equal(vcpu->vmcb->rax, 0);
    assert_int_equal(vcpu->vmcb->cr4, CR4_PAE);
    assert_true(access(SVM_EXIT_CR0_READ, "66 0f 01 e0")); /* SMSW of 32 bits */
    assert_int_equal(vcpu->vmcb->rax, CR0_ET);
}

/* A task switch is no reason to build tables anew. */
static void ts_changes_no_translation(void **state)
{
    unsigned roots = shadow_model.roots;

    (void)state;
    vcpu_model_flushed(vcpu);
    assert_true(mode_write_cr0(vcpu, CR0_PG | CR0_PE | CR0_TS));
    assert_int_equal(vcpu->vmcb->cr0, CR0_PG | CR0_PE | CR0_TS | CR0_ET | CR0_WP);
    assert_int_equal(mode_cr0(vcpu), CR0_PG | CR0_PE | CR0_TS | CR0_ET);
    assert_int_equal(shadow_model.roots, roots);
    assert_false(vcpu_model_flushed(vcpu));
    assert_true(mode_write_cr0(vcpu, CR0_PG | CR0_PE | CR0_WP));
    assert_int_equal(shadow_model.roots, roots + 1);
    assert_true(vcpu_model_flushed(vcpu));
}

/* Even the same value: that is how a system flushes the TLB. */
static void each_write_of_cr3_flushes(void **state)
{
    unsigned roots = shadow_model.roots;

    (void)state;
    vcpu_model_flushed(vcpu);
    vcpu->places[3].code = (const volatile svm_code *)memory_model_at(MODEL_CODE);
    assert_true(mode_write_cr3(vcpu, vcpu->cr3));
    assert_int_equal(shadow_model.roots, roots + 1);
    assert_true(vcpu_model_flushed(vcpu));
    assert_ptr_equal(vcpu->places[3].code, svm_no_code);
}

static void the_pat_is_composed_into_tables(void **state)
{
    uint64_t hidden = vcpu->vmcb->g_pat;

    (void)state;
    assert_int_equal(mode_pat(vcpu), PAT_DEFAULT);
    assert_true(mode_write_pat(vcpu, 0x0606060606060600));
    assert_int_equal(mode_pat(vcpu), 0x0606060606060600);
    assert_int_equal(vcpu->vmcb->g_pat, hidden);
    assert_int_equal(shadow_model.resets, 1);
    assert_int_equal(shadow_model.guest.pat, 0x0606060606060600);
    assert_false(mode_write_pat(vcpu, 2));
    assert_int_equal(shadow_model.resets, 1);
}

/* Core reads the domain's code by the domain's registers, not by those in the VMCB. */
static void code_is_fetched_with_the_domains_paging(void **state)
{
    (void)state;
    vcpu_model_mode(vcpu, INSN_32);
    assert_true(mode_write_cr3(vcpu, 0xdead000));
    assert_true(access(SVM_EXIT_CR0_READ, "0f 20 c3"));
    assert_int_equal(vcpu->gpr[RBX], CR0_PE | CR0_ET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_policy_decides_and_any_leaves_it_to_the_cpu, start),
        cmocka_unit_test_setup(no_policy_opens_task_switches, start),
        cmocka_unit_test_setup(a_pool_that_will_not_do_is_fatal, start),
        cmocka_unit_test_setup(each_register_reads_as_it_was_written, start),
        cmocka_unit_test_setup(a_change_of_pge_compares_all_tables, start),
        cmocka_unit_test_setup(no_instruction_reads_what_is_cores, start),
        cmocka_unit_test_setup(ts_changes_no_translation, start),
        cmocka_unit_test_setup(each_write_of_cr3_flushes, start),
        cmocka_unit_test_setup(the_pat_is_composed_into_tables, start),
        cmocka_unit_test_setup(code_is_fetched_with_the_domains_paging, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
