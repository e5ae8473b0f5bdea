/* Each thing that core needs of a CPU is missed by its own message. */
#include "testing.h"

#include <string.h>

#include "core/platform/features.h"
#include "hw/x86.h"

static const struct cpu_facts good = {
    .features_edx = CPUID_FEATURES_EDX_FXSR | CPUID_FEATURES_EDX_SSE2,
    .extended_ecx = CPUID_EXTENDED_ECX_SVM,
    .extended_edx = CPUID_EXTENDED_EDX_NX,
};

static void expect_lack(struct cpu_facts facts, const char *cause)
{
    const struct cpu_need *lack = features_find_lack(&facts);

    assert_non_null(lack);
    assert_string_equal(lack->cause, cause);
    assert_true(strlen(lack->remedy) > 5);
}

static void a_good_cpu_lacks_nothing(void **state)
{
    struct cpu_facts all;

    (void)state;
    assert_null(features_find_lack(&good));
    memset(&all, 0xff, sizeof(all)); /* what isn't needed doesn't matter */
    all.vm_cr &= ~(uint64_t)VM_CR_SVMDIS;
    assert_null(features_find_lack(&all));
}

static void each_lack_is_named(void **state)
{
    struct cpu_facts f;

    (void)state;
    f = good;
    f.features_edx = CPUID_FEATURES_EDX_SSE2;
    expect_lack(f, "this CPU has no SSE2");
    f.features_edx = CPUID_FEATURES_EDX_FXSR;
    expect_lack(f, "this CPU has no SSE2");
    f = good;
    f.extended_edx = 0;
    expect_lack(f, "this CPU has no NX");
    f = good;
    f.extended_ecx = 0;
    expect_lack(f, "this CPU has no SVM");
    f = good;
    f.vm_cr = VM_CR_SVMDIS;
    expect_lack(f, "SVM is turned off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_cpu_lacks_nothing),
        cmocka_unit_test(each_lack_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
