#include "core/svm/state.h"

#include "core/platform/platform.h"
#include "lib/memory.h"

/* Components of XSAVE (APM vol. 2, 11.5.2) that a domain may enable: cpuid.def, leaf Dh. */
#define XCR0_X87    1u
#define XCR0_SSE    2u
#define XCR0_AVX    4u
#define XCR0_LEGACY (XCR0_X87 | XCR0_SSE)

/* The area: 512 bytes as FXSAVE's, 64 of header, then AVX. An empty header means first values. */
#define FPU_SIZE         832u
#define FPU_FCW_FIRST    0x37fu
#define FPU_MXCSR_OFFSET 24u
#define FPU_MXCSR_FIRST  0x1f80u

#define KEPT_GPR(number, first)
#define KEPT_VMCB(number, first)
#define KEPT_VMLOAD(number, first)
#define KEPT_FPU(number, first)
#define KEPT_XCR0(number, first)
#define KEPT_PKRU(number, first)
#define KEPT_DR(number, first)
#define KEPT_APIC(number, first)
#define KEPT_HIDDEN(number, first)
#define KEPT_MSR(number, first) {(number), (first)},

static const struct {
    uint32_t number;
    uint64_t first;
} msrs[] = {
#define VCPU_STATE(name, kept, number, first, init, text) KEPT_##kept(number, first)
#include "tables/vcpu_state.def"
#undef VCPU_STATE
};
#undef KEPT_DR
#undef KEPT_MSR
#define KEPT_DR(number, first) {(number), (first)},
#define KEPT_MSR(number, first)

static const struct {
    uint32_t number;
    uint64_t first;
} drs[] = {
#define VCPU_STATE(name, kept, number, first, init, text) KEPT_##kept(number, first)
#include "tables/vcpu_state.def"
#undef VCPU_STATE
};

#define MSRS (sizeof(msrs) / sizeof(msrs[0]))
#define DRS  (sizeof(drs) / sizeof(drs[0]))

/* By slot. Owner of each: the vCPU's CPU. */
static struct state {
    _Alignas(64) uint8_t fpu[FPU_SIZE];
    uint64_t xcr0;
    uint64_t dr[DRS], msr[MSRS];
    uint32_t pkru;
} states[BH_MAX_VCPUS];

/* Written by the boot CPU before any domain runs. */
static struct {
    uint64_t components; /* of XSAVE; 0: the CPU has FXSAVE alone */
    bool has_aux, has_pkru, has_barrier;
    bool keeps_pointers; /* FXSAVE and XSAVE leave the pointers to x87 code and data out */
} cpus;

void state_find_features(void)
{
    struct cpuid structured = {0};
    struct cpuid sizes = {0};

    if (cpuid(0, 0).eax >= CPUID_STRUCTURED)
        structured = cpuid(CPUID_STRUCTURED, 0);
    if (cpuid(CPUID_EXTENDED_MAX, 0).eax >= CPUID_ADDRESS_SIZES)
        sizes = cpuid(CPUID_ADDRESS_SIZES, 0);
    cpus.components = 0;
    if (cpuid(CPUID_FEATURES, 0).ecx & CPUID_FEATURES_ECX_XSAVE)
        cpus.components = cpuid(CPUID_XSAVE, 0).eax & (XCR0_LEGACY | XCR0_AVX);
    if (cpus.components & XCR0_AVX) {
        struct cpuid avx = cpuid(CPUID_XSAVE, 2);

        if (avx.ebx + avx.eax > FPU_SIZE)
            fatal("this CPU keeps AVX registers at %u in %u bytes: core has no room for that. Use "
                  "another AMD processor",
                  avx.ebx, avx.eax);
    }
    cpus.has_aux = (cpuid(CPUID_EXTENDED, 0).edx & CPUID_EXTENDED_EDX_RDTSCP) ||
                   (structured.ecx & CPUID_STRUCTURED_ECX_RDPID);
    cpus.has_pkru = structured.ecx & CPUID_STRUCTURED_ECX_PKU;
    cpus.has_barrier = sizes.ebx & CPUID_ADDRESS_SIZES_EBX_IBPB;
    cpus.keeps_pointers = !(sizes.ebx & CPUID_ADDRESS_SIZES_EBX_XSAVEERPTR);
}

void state_init_vcpu(const struct vcpu *vcpu)
{
    static const uint16_t fcw = FPU_FCW_FIRST;
    static const uint32_t mxcsr = FPU_MXCSR_FIRST;
    struct state *state = &states[vcpu->slot];

    memset(state, 0, sizeof(*state));
    memcpy(state->fpu, &fcw, sizeof(fcw));
    memcpy(state->fpu + FPU_MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
    state->xcr0 = XCR0_X87;
    for (unsigned i = 0; i < DRS; i++)
        state->dr[i] = drs[i].first;
    for (unsigned i = 0; i < MSRS; i++)
        state->msr[i] = msrs[i].first;
}

/*
 * Core's CR4 while it reaches XCR0 and PKRU. Its own pages are the supervisor's, which no
 * protection key restricts (APM vol. 2, 5.6.7).
 */
static uint64_t open_registers(void)
{
    uint64_t cr4 = read_cr4();

    write_cr4(cr4 | (cpus.components ? CR4_OSXSAVE : 0) | (cpus.has_pkru ? CR4_PKE : 0));
    return cr4;
}

static uint64_t every_component(void)
{
    return cpus.components;
}

void state_leave(const struct vcpu *vcpu)
{
    struct state *state = &states[vcpu->slot];
    uint64_t cr4 = open_registers();

    if (cpus.components) {
        state->xcr0 = read_xcr0();
        write_xcr0(every_component());
        xsave(state->fpu, every_component());
    } else {
        fxsave(state->fpu);
    }
    if (cpus.has_pkru)
        state->pkru = read_pkru();
    write_cr4(cr4);
    for (unsigned i = 0; i < DRS; i++)
        state->dr[i] = read_dr(drs[i].number);
    for (unsigned i = 0; i < MSRS && cpus.has_aux; i++)
        state->msr[i] = read_msr(msrs[i].number);
}

void state_enter(const struct vcpu *vcpu)
{
    const struct state *state = &states[vcpu->slot];
    uint64_t cr4 = open_registers();

    if (cpus.keeps_pointers)
        forget_fpu_pointers();
    if (cpus.components) {
        write_xcr0(every_component());
        xrstor(state->fpu, every_component());
        write_xcr0(state->xcr0);
    } else {
        fxrstor(state->fpu);
    }
    if (cpus.has_pkru)
        write_pkru(state->pkru);
    write_cr4(cr4);
    for (unsigned i = 0; i < DRS; i++)
        write_dr(drs[i].number, state->dr[i]);
    for (unsigned i = 0; i < MSRS && cpus.has_aux; i++)
        write_msr(msrs[i].number, state->msr[i]);
}

void state_forget_branches(void)
{
    if (cpus.has_barrier)
        write_msr(MSR_PRED_CMD, PRED_CMD_IBPB);
}
