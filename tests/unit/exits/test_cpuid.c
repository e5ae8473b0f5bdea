/* CPUID by the rows of a domain: hardware bits masked and set, everything else zero. */
#include <string.h>

#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define OSXSAVE (1u << 27)

static struct vcpu *vcpu;

static const struct bh_cpuid rows[] = {
    {.leaf = 0, .flags = BH_CPUID_ANY_SUBLEAF, .or_ = {0xd, 0x11, 0x22, 0x33}},
    {.leaf = 1,
     .flags = BH_CPUID_ANY_SUBLEAF | BH_CPUID_OSXSAVE,
     .and_ = {UINT32_MAX, 0xff, UINT32_MAX, 0x0f0f0f0f},
     .or_ = {0, 0x100, 0, 0x10}},
    {.leaf = 4, .subleaf = 0, .and_ = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}},
    {.leaf = 4, .subleaf = 3, .or_ = {3, 3, 3, 3}},
    {.leaf = 0xd, .subleaf = 0, .flags = BH_CPUID_XSAVE_SIZE, .and_ = {7, 0, UINT32_MAX, 0}},
    {.leaf = 0x1f, .flags = BH_CPUID_ANY_SUBLEAF, .or_ = {0x1f}},
    {.leaf = 0x40000000, .flags = BH_CPUID_ANY_SUBLEAF, .or_ = {0x40000000, 1, 2, 3}},
    {.leaf = 0x8000001f, .flags = BH_CPUID_ANY_SUBLEAF, .or_ = {0x8f}},
    {.leaf = 0xc0000001, .flags = BH_CPUID_ANY_SUBLEAF, .or_ = {0xc1}},
};

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    memcpy(&image_model.cpuid[2], rows, sizeof(rows)); /* another domain's are in front */
    image_model.cpuid[0] = (struct bh_cpuid){.leaf = 2, .or_ = {1, 1, 1, 1}};
    image_model.domain[WORK].cpuid = (struct bh_table){2, sizeof(rows) / sizeof(rows[0])};
    vcpu = vcpu_model_init(WORK);
    return 0;
}

static void ask(const char *code, uint32_t leaf, uint32_t subleaf)
{
    unsigned length = vcpu_model_code(vcpu, 0, code);

    vcpu->vmcb->rax = 0xdead000000000000 | leaf;
    vcpu->gpr[RBX] = vcpu->gpr[RDX] = UINT64_MAX;
    vcpu->gpr[RCX] = 0xdead000000000000 | subleaf;
    vcpu->vmcb->interrupt_shadow = 1;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_CPUID, 0, 0));
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + length);
    assert_int_equal(vcpu->vmcb->interrupt_shadow, 0);
    assert_int_equal(vcpu->vmcb->eventinj, 0);
}

/* Asks twice: the second time the code is remembered, and the answer is given on the fast path. */
static void assert_answer(uint32_t leaf, uint32_t subleaf, struct cpuid expected)
{
    for (int i = 0; i < 2; i++) {
        ask("0f a2", leaf, subleaf);
        assert_int_equal(vcpu->vmcb->rax, expected.eax);
        assert_int_equal(vcpu->gpr[RBX], expected.ebx);
        assert_int_equal(vcpu->gpr[RCX], expected.ecx);
        assert_int_equal(vcpu->gpr[RDX], expected.edx);
    }
}

static void casesmask_and_set_bits_of_the_hardwares_answer(void **state)
{
    struct cpuid hw = cpu_model_cpuid(1, 0);

    (void)state;
    assert_answer(0, 0, (struct cpuid){0xd, 0x11, 0x22, 0x33});
    assert_answer(1, 0,
                  (struct cpuid){hw.eax, (hw.ebx & 0xff) | 0x100, hw.ecx & ~OSXSAVE,
                                 (hw.edx & 0x0f0f0f0f) | 0x10});
    assert_answer(0x40000000, 0, (struct cpuid){0x40000000, 1, 2, 3});
}

static void the_last_leaf_of_each_class_has_its_place(void **state)
{
    (void)state;
    assert_answer(0x1f, 0, (struct cpuid){.eax = 0x1f});
    assert_answer(0x8000001f, 0, (struct cpuid){.eax = 0x8f});
    assert_answer(0xc0000001, 0, (struct cpuid){.eax = 0xc1});
}

/* Not what a CPU does that shows its highest leaf then: what no row shows isn't there. */
static void leaves_without_a_row_are_zero(void **state)
{
    static const uint32_t leaves[] = {2,          3,          0x1e,       0x20,
                                      0x21,       0x3fffffff, 0x40000001, 0x40000020,
                                      0x8000000a, 0x80000020, 0x8ffffffe, 0xc0000000,
                                      0xffffffff, 0x00010001, 0x20000001, 0xa0000000};

    (void)state;
    for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
        assert_answer(leaves[i], 0, (struct cpuid){0});
}

static void subleaves_have_casesof_their_own(void **state)
{
    (void)state;
    assert_answer(4, 0, cpu_model_cpuid(4, 0));
    assert_answer(4, 3, (struct cpuid){3, 3, 3, 3});
    assert_answer(4, 1, (struct cpuid){0});
    assert_answer(4, 0x80000000, (struct cpuid){0});
    assert_answer(0, 77, (struct cpuid){0xd, 0x11, 0x22, 0x33});
}

static void osxsave_is_the_domains_own(void **state)
{
    (void)state;
    for (int on = 0; on < 2; on++) {
        vcpu->vmcb->cr4 = CR4_PAE | (on ? CR4_OSXSAVE : 0);
        ask("0f a2", 1, 0);
        assert_int_equal(vcpu->gpr[RCX] & OSXSAVE, on ? OSXSAVE : 0);
        assert_int_equal(vcpu->gpr[RCX] | OSXSAVE, cpu_model_cpuid(1, 0).ecx | OSXSAVE);
    }
}

static void the_size_of_the_save_area_follows_xcr0(void **state)
{
    (void)state;
    assert_answer(0xd, 0, (struct cpuid){7, 576, 832, 0});
    cpu_model.xcr0 = 7;
    assert_answer(0xd, 0, (struct cpuid){7, 832, 832, 0});
}

/* What the domain's components take, not what all of the CPU's would. */
static void the_largest_save_area_is_the_domains(void **state)
{
    static const struct {
        uint32_t features, shown, size;
    } cases[] = {{3, 3, 576}, {7, 7, 832}, {0xe7, 7, 832}, {0x203, 3, 576}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cpu_model.features = cases[i].features;
        vcpu = vcpu_model_init(WORK);
        assert_answer(0xd, 0, (struct cpuid){cases[i].shown, 576, cases[i].size, 0});
    }
}

static void prefixes_are_stepped_over(void **state)
{
    (void)state;
    ask("66 f2 0f a2", 0, 0);
    assert_int_equal(vcpu->gpr[RBX], 0x11);
    ask("0f a2", 0, 0);
    ask("66 0f a2", 0, 0); /* what was remembered stands there no longer */
    ask("0f a2", 0, 0);
}

static void a_domain_without_casessees_nothing(void **state)
{
    (void)state;
    vcpu = vcpu_model_init(VAULT);
    assert_answer(0, 0, (struct cpuid){0});
    assert_answer(0x40000000, 0, (struct cpuid){0});
}

/* Its number in its domain; a real one's is the hardware's. */
static void a_virtual_apics_id_is_told(void **state)
{
    (void)state;
    image_model.cpuid[3].or_[1] |= 0x77000000; /* leaf 1 */
    image_model.domain[VAULT].cpuid = image_model.domain[WORK].cpuid;
    image_model.domain[VAULT].ncores = 2;
    image_model.domain[VAULT].core[1] = 2;
    for (unsigned id = 0; id < 2; id++) {
        vcpu = vcpu_model_init_id(VAULT, id);
        vcpu->requests = 0; /* as if it had been started */
        ask("0f a2", 1, 0);
        assert_int_equal(vcpu->gpr[RBX] >> 24, id);
    }
    vcpu = vcpu_model_init(WORK);
    ask("0f a2", 1, 0);
    assert_int_equal(vcpu->gpr[RBX] >> 24, 0x77);
}

static void init_with_a_leaf_that_has_no_place(void *leaf)
{
    image_model.cpuid[2].leaf = *(uint32_t *)leaf;
    vcpu_model_init(WORK);
}

static void casesthat_core_cannot_hold_are_refused_at_boot(void **state)
{
    uint32_t leaves[] = {0x20, 0x40000040, 0x80000021, 0xbfffffff};

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        expect_fatal(init_with_a_leaf_that_has_no_place, &leaves[i], "CPUID row 0 is for leaf 0x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(casesmask_and_set_bits_of_the_hardwares_answer, start),
        cmocka_unit_test_setup(a_virtual_apics_id_is_told, start),
        cmocka_unit_test_setup(the_last_leaf_of_each_class_has_its_place, start),
        cmocka_unit_test_setup(leaves_without_a_row_are_zero, start),
        cmocka_unit_test_setup(subleaves_have_casesof_their_own, start),
        cmocka_unit_test_setup(osxsave_is_the_domains_own, start),
        cmocka_unit_test_setup(the_size_of_the_save_area_follows_xcr0, start),
        cmocka_unit_test_setup(the_largest_save_area_is_the_domains, start),
        cmocka_unit_test_setup(prefixes_are_stepped_over, start),
        cmocka_unit_test_setup(a_domain_without_casessees_nothing, start),
        cmocka_unit_test_setup(casesthat_core_cannot_hold_are_refused_at_boot, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
