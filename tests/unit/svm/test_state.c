/* What a CPU holds of a vCPU, when another one gets that CPU. */
#include <string.h>

#include "core/svm/run.h"
#include "core/svm/state.h"
#include "hw/x86.h"
#include "models/tpm_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define SLICE       1000u
#define XSAVE_MXCSR 24

static struct vcpu *work, *vault;

static void set_cpuid(uint32_t features_ecx, uint32_t structured_ecx, uint32_t sizes_ebx)
{
    cpu_model.cpuid[0].leaf = CPUID_FEATURES;
    cpu_model.cpuid[0].answer.ecx = features_ecx;
    cpu_model.cpuid[1].leaf = CPUID_STRUCTURED;
    cpu_model.cpuid[1].answer.ecx = structured_ecx;
    cpu_model.cpuid[2].leaf = CPUID_ADDRESS_SIZES;
    cpu_model.cpuid[2].answer.ebx = sizes_ebx;
    state_find_features();
}

static void pretend(uint8_t byte)
{
    memset(cpu_model.fpu, byte, sizeof(cpu_model.fpu));
    for (unsigned i = 0; i < 4; i++)
        cpu_model.dr[i] = byte + i;
    cpu_model.xcr0 = byte & 4 ? 7 : 3;
    cpu_model.pkru = byte * 3u;
    cpu_model.aux = byte * 5u;
    cpu_model.has_aux = true;
    cpu_model.fpu_pointer = byte;
}

static void expect_own(uint8_t byte)
{
    for (unsigned i = 0; i < sizeof(cpu_model.fpu); i++)
        assert_int_equal(cpu_model.fpu[i], byte);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(cpu_model.dr[i], byte + i);
    assert_int_equal(cpu_model.xcr0, byte & 4 ? 7 : 3);
    assert_int_equal(cpu_model.pkru, byte * 3u);
    assert_int_equal(cpu_model.aux, byte * 5u);
}

static void expect_first(void)
{
    for (unsigned i = 2; i < sizeof(cpu_model.fpu); i++)
        if (i != XSAVE_MXCSR && i != XSAVE_MXCSR + 1)
            assert_int_equal(cpu_model.fpu[i], 0);
    assert_memory_equal(cpu_model.fpu, "\x7f\x03", 2);
    assert_memory_equal(cpu_model.fpu + XSAVE_MXCSR, "\x80\x1f", 2);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(cpu_model.dr[i], 0);
    assert_int_equal(cpu_model.xcr0, 1);
    assert_int_equal(cpu_model.pkru, 0);
    assert_int_equal(cpu_model.aux, 0);
}

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    for (unsigned i = 0; i < 2; i++) {
        image_model.domain[i].interrupts = BH_VIRTUAL;
        image_model.domain[i].core[0] = 1;
        image_model.domain[i].slice_us = SLICE;
    }
    work = vcpu_model_init(WORK);
    vault = vcpu_model_init(VAULT);
    cpu_model.has_rdtscp = true;
    set_cpuid(CPUID_FEATURES_ECX_XSAVE, CPUID_STRUCTURED_ECX_PKU,
              CPUID_ADDRESS_SIZES_EBX_IBPB | CPUID_ADDRESS_SIZES_EBX_XSAVEERPTR);
    model_current = work;
    return 0;
}

static void end_turn(struct vcpu *from, struct vcpu *to)
{
    tpm_model_now += SLICE + 1;
    svm_ask(from, SVM_REQUEST_SCHEDULE);
    assert_ptr_equal(svm_attend(from), to);
    cpu_model.msr_log.count = 0;
}

static void each_keeps_what_is_its_own(void **state)
{
    (void)state;
    pretend(0x11);
    end_turn(work, vault);
    pretend(0x66);
    end_turn(vault, work);
    expect_own(0x11);
    end_turn(work, vault);
    expect_own(0x66);
    end_turn(vault, work);
    expect_own(0x11);
}

static void the_first_turn_finds_first_values(void **state)
{
    (void)state;
    pretend(0x66);
    schedule_start(&svm_cpus[1]);
    expect_first();
    pretend(0x66);
    end_turn(work, vault);
    expect_first();
}

/* Core's own CR4 has neither bit while a domain runs: VMRUN wouldn't mind, the next boot would. */
static void core_keeps_its_cr4(void **state)
{
    (void)state;
    cpu_model.cr4 = CR4_PAE;
    end_turn(work, vault);
    assert_int_equal(cpu_model.cr4, CR4_PAE);
}

static void without_xsave_there_is_fxsave(void **state)
{
    (void)state;
    set_cpuid(0, 0, CPUID_ADDRESS_SIZES_EBX_XSAVEERPTR);
    pretend(0x11);
    end_turn(work, vault);
    assert_int_equal(cpu_model.fpu[MODEL_LEGACY - 1], 0);
    memset(cpu_model.fpu, 0x66, MODEL_LEGACY);
    end_turn(vault, work);
    for (unsigned i = 0; i < MODEL_LEGACY; i++)
        assert_int_equal(cpu_model.fpu[i], 0x11);
}

/* XSAVE leaves them out where CPUID doesn't say otherwise, unless an exception is pending. */
static void pointers_of_the_other_are_forgotten(void **state)
{
    (void)state;
    pretend(0x11);
    end_turn(work, vault);
    assert_int_equal(cpu_model.fpu_pointer, 0x11); /* this CPU's XRSTOR sees to it */
    set_cpuid(CPUID_FEATURES_ECX_XSAVE, 0, 0);
    end_turn(vault, work);
    assert_int_equal(cpu_model.fpu_pointer, 0);
}

static unsigned barriers(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < cpu_model.msr_log.count; i++)
        count += cpu_model.msr_log.write[i].reg == MSR_PRED_CMD &&
                 cpu_model.msr_log.write[i].value == PRED_CMD_IBPB;
    return count;
}

static void branches_are_forgotten_between_domains(void **state)
{
    (void)state;
    tpm_model_now += SLICE + 1;
    assert_ptr_equal(svm_attend(work), vault);
    assert_int_equal(barriers(), 1);
    svm_ask(vault, SVM_REQUEST_SCHEDULE);
    assert_ptr_equal(svm_attend(vault), vault); /* no change: no cost */
    assert_int_equal(barriers(), 1);
    set_cpuid(CPUID_FEATURES_ECX_XSAVE, 0, CPUID_ADDRESS_SIZES_EBX_XSAVEERPTR);
    cpu_model.msr_log.count = 0;
    tpm_model_now += SLICE + 1;
    assert_ptr_equal(svm_attend(vault), work);
    assert_int_equal(barriers(), 0); /* the MSR may not be there */
}

static void without_rdtscp_there_is_no_msr(void **state)
{
    (void)state;
    cpu_model.has_rdtscp = false;
    set_cpuid(CPUID_FEATURES_ECX_XSAVE, 0, CPUID_ADDRESS_SIZES_EBX_XSAVEERPTR);
    cpu_model.msr_reads = 0;
    tpm_model_now += SLICE + 1;
    assert_ptr_equal(svm_attend(work), vault);
    assert_int_equal(cpu_model.msr_reads + cpu_model.msr_log.count, 0);
}

/* A register of the CPU's that a domain reads and writes itself changes with the vCPU. */
static void no_open_msr_is_shared(void **state)
{
    enum { OPEN, WRITE_OPEN, ALLOW_READ, SHUT };
    enum { GPR, VMCB, VMLOAD, FPU, XCR0, PKRU, DR, STATE_MSR, APIC, HIDDEN };
    static const struct {
        const char *name;
        int grant;
    } msrs[] = {
#define MSR(name, first, last, grant, scope, read, write, value, text) {#name, grant},
#include "tables/msrs.def"
#undef MSR
    };
#define MSR STATE_MSR
    static const struct {
        const char *name;
        int kept;
    } states[] = {
#define VCPU_STATE(name, kept, number, first, init, text) {#name, kept},
#include "tables/vcpu_state.def"
#undef VCPU_STATE
    };
#undef MSR
    unsigned open = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
        size_t n = 0;

        if (msrs[i].grant != OPEN)
            continue;
        while (n < sizeof(states) / sizeof(states[0]) && strcmp(states[n].name, msrs[i].name) != 0)
            n++;
        if (n == sizeof(states) / sizeof(states[0]) ||
            (states[n].kept != VMLOAD && states[n].kept != STATE_MSR))
            fail_msg("%s is open to domains, but stays when the vCPU changes", msrs[i].name);
        open++;
    }
    assert_true(open > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_open_msr_is_shared),
        cmocka_unit_test_setup(each_keeps_what_is_its_own, start),
        cmocka_unit_test_setup(the_first_turn_finds_first_values, start),
        cmocka_unit_test_setup(core_keeps_its_cr4, start),
        cmocka_unit_test_setup(without_xsave_there_is_fxsave, start),
        cmocka_unit_test_setup(pointers_of_the_other_are_forgotten, start),
        cmocka_unit_test_setup(branches_are_forgotten_between_domains, start),
        cmocka_unit_test_setup(without_rdtscp_there_is_no_msr, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
