/* The hypercalls for evidence: with others' memory, without end, and while registers hold secrets.
 */
#include "bulkhead/evidence.h"
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/call.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"
#include "lib/memory.h"

#define FLOOD         20000u
#define FXSAVE_USED   416u /* x87, MXCSR and XMM0-15 (APM vol. 2, 11.4.4) */
#define FXSAVE_FTW    4u
#define FXSAVE_ST     32u
#define FXSAVE_XMM    160u
#define MSR_KERNEL_GS 0xc0000102u
#define PATTERN       0x00001234abcd0000ull
#define MSR_STAR      0xc0000081u
#define MSR_LSTAR     0xc0000082u

static _Alignas(16) uint8_t before[512], after[512];
static struct bh_attest_request request;
static uint8_t part[256];

static const uint32_t kept_msrs[] = {MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS, MSR_STAR, MSR_LSTAR};
#define KEPT_MSRS (sizeof(kept_msrs) / sizeof(kept_msrs[0]))

/* Every register that libsodium in core may use has a value of its own, and so have the others. */
static void fill_registers(void)
{
    __asm__ volatile("fninit; fxsave64 %0" : "=m"(before));
    before[FXSAVE_FTW] = 0xff;
    for (unsigned i = 0; i < 8; i++)
        for (unsigned n = 0; n < 10; n++)
            before[FXSAVE_ST + 16 * i + n] = (uint8_t)(0x80 | (i * 10 + n));
    for (unsigned i = FXSAVE_XMM; i < FXSAVE_USED; i++)
        before[i] = (uint8_t)(i * 7 ^ 0x5a);
    for (unsigned i = 0; i < KEPT_MSRS; i++)
        write_msr(kept_msrs[i], PATTERN + i * 0x1000);
}

/* One call with these registers; whatever has changed is a breach. */
static struct bh_answer call_with_registers(struct report *report, enum bh_call number, uint64_t a,
                                            uint64_t b, uint64_t c)
{
    struct bh_answer answer;

    __asm__ volatile("fxrstor64 %0" : : "m"(before));
    answer = bh_call(number, a, b, c);
    __asm__ volatile("fxsave64 %0" : "=m"(after));
    for (unsigned i = 0; i < FXSAVE_USED; i++)
        if (after[i] != before[i])
            report_breach(report, "byte %u of the FXSAVE image became %02x by call %u", i, after[i],
                          (unsigned)number);
    for (unsigned i = 0; i < KEPT_MSRS; i++)
        if (read_msr(kept_msrs[i]) != PATTERN + i * 0x1000)
            report_breach(report, "MSR %x became %lx", kept_msrs[i], read_msr(kept_msrs[i]));
    return answer;
}

/* Core hashes in between, by code that uses SSE and finds its stack's guard by FS. */
static void registers(struct report *report)
{
    struct bh_answer answer;
    uint64_t size = 0, calls = 1;

    memset(request.nonce, 0x77, sizeof(request.nonce));
    fill_registers();
    answer =
        call_with_registers(report, BH_CALL_ATTEST_START, (uintptr_t)&request, sizeof(request), 0);
    while (answer.result == BH_OK && size == 0) {
        do {
            answer = call_with_registers(report, BH_CALL_ATTEST_POLL, 0, 0, 0);
            calls++;
        } while (answer.result == BH_E_AGAIN);
        size = answer.a;
    }
    if (answer.result == BH_OK)
        answer = call_with_registers(report, BH_CALL_ATTEST_READ, (uintptr_t)part, sizeof(part), 0);
    if (answer.result == BH_OK)
        report_detail(report, "x87, SSE, FS and GS are its own while core made %lu bytes", size);
    else
        report_detail(report, "no evidence: %ld after %lu calls", (long)answer.result, calls);
}

/* A request out of others' memory, evidence into it. */
static void foreign(struct report *report)
{
    static const uint64_t places[] = {
        POOL_BASE,      POOL_BASE - 8, POOL_BASE + 0xff000, CORE_BASE,      CORE_BASE + 0x1000,
        HOLE_END - 8,   IOMMU_BASE,    0xfee00000,          0xfed40000,     0xff000000,
        UINT64_MAX - 8, 1ull << 40,    UINT64_MAX,          CORE_BASE - 128};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int64_t result =
            bh_call(BH_CALL_ATTEST_START, places[i], sizeof(struct bh_attest_request), 0).result;

        if (result != BH_E_ADDRESS)
            report_breach(report, "a request at %lx gave %ld", places[i], (long)result);
        if (bh_call(BH_CALL_ATTEST_READ, places[i], 64, 0).result >= 0)
            report_breach(report, "evidence was read to %lx", places[i]);
    }
    report_detail(report, "%zu requests and reads in others' memory: errors",
                  sizeof(places) / sizeof(places[0]));
}

/* Sizes and offsets that nobody should send. */
static void sizes(struct report *report)
{
    static const uint64_t values[] = {0,
                                      1,
                                      127,
                                      129,
                                      4096,
                                      4097,
                                      1ull << 32,
                                      1ull << 63,
                                      UINT64_MAX,
                                      0xffffffff,
                                      UINT64_MAX - 127};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (bh_call(BH_CALL_ATTEST_START, (uintptr_t)&request, values[i], 0).result != BH_E_ARG)
            report_breach(report, "a request of %lx bytes was taken", values[i]);
        for (size_t n = 0; n < sizeof(values) / sizeof(values[0]); n++)
            if (bh_call(BH_CALL_ATTEST_READ, (uintptr_t)part, values[i], values[n]).result >= 0)
                report_breach(report, "%lx bytes at offset %lx were read", values[i], values[n]);
    }
    report_detail(report, "no size and offset but evidence's own");
}

/* Bad requests and good ones; what it gets isn't read, so that it stays core's to keep. */
static void flood(struct report *report)
{
    unsigned made = 0;

    for (unsigned i = 0; i < FLOOD; i++) {
        bh_call(BH_CALL_ATTEST_START, CORE_BASE, sizeof(request), 0);
        bh_call(BH_CALL_ATTEST_START, (uintptr_t)&request, sizeof(request), 0);
        made += bh_call(BH_CALL_ATTEST_POLL, 0, 0, 0).result == BH_OK;
    }
    report_detail(report, "%u requests and polls, evidence %u times", FLOOD, made);
}

static const struct attack attacks[] = {
    {"evidence-registers", registers, "look for core's values in registers while it hashes"},
    {"evidence-foreign", foreign, "have core read a request from, and write evidence to, others"},
    {"evidence-sizes", sizes, "impossible sizes and offsets of requests and evidence"},
    {"evidence-flood", flood, "ask for evidence without end"},
};
const struct subject evidence_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
