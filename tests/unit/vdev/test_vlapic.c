/* The virtual local APIC by the rules of APM vol. 2, chapter 16. */
#include "testing.h"

#include <stdlib.h>

#include "hw/apic.h"
#include "hw/x86.h"
#include "vdev/vlapic_case.h"

static void registers_after_reset(void **state)
{
    (void)state;
    vlapic_init(&apic, 0x25);
    assert_int_equal(get(ID), 0x25);
    assert_int_equal(get(LDR), 0x00020020);
    assert_int_equal(get(VERSION) & 0xff, 0x14);
    assert_int_equal((get(VERSION) >> 16 & 0xff) + 1, VLAPIC_LVTS);
    assert_int_equal(get(SVR), 0xff);
    for (uint32_t msr = LVT_TIMER; msr <= LVT_ERROR; msr++)
        assert_int_equal(get(msr), APIC_LVT_MASKED);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(get(ISR + i) | get(TMR + i) | get(IRR + i), 0);
    assert_int_equal(get(TPR) | get(PPR) | get(ESR) | get(ICR) | get(COUNT) | get(CURRENT), 0);
    assert_int_equal(get(MSR_TSC_DEADLINE), 0);
    assert_int_equal(vlapic_pending(&apic), VLAPIC_NOTHING);
    assert_true(vlapic_deadline(&apic) == VLAPIC_NEVER);
}

static bool may(uint32_t msr, bool write)
{
    static const struct {
        uint32_t first, last;
        bool read, write;
    } known[] = {
#define R                                       true, false
#define W                                       false, true
#define RW                                      true, true
#define X2APIC(first, last, name, access, mask) {(first), (last), access},
#include "tables/x2apic.def"
#undef X2APIC
#undef R
#undef W
#undef RW
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (msr >= known[i].first && msr <= known[i].last)
            return write ? known[i].write : known[i].read;
    return false;
}

static void only_what_is_there_answers(void **state)
{
    struct vlapic_ipi ipi;
    uint64_t value;

    (void)state;
    for (uint32_t msr = 0x800; msr < 0x900; msr++) {
        assert_int_equal(vlapic_read(&apic, msr, NOW, &value), may(msr, false));
        assert_int_equal(vlapic_write(&apic, msr, 0, NOW, &ipi), may(msr, true));
    }
    assert_false(may(0x80e, false)); /* no DFR in x2APIC mode */
}

static void reserved_bits_are_refused(void **state)
{
    static const struct {
        uint32_t msr;
        uint64_t value;
    } bad[] = {
        {TPR, 0x100},
        {TPR, 1ull << 32},
        {EOI, 1},
        {SVR, 0x1000},
        {ESR, 1},
        {ICR, 0x2000},
        {ICR, 0x10000},
        {ICR, 0x100000},
        {LVT_TIMER, 0x700},
        {LVT_TIMER, 0x60000},
        {COUNT, 1ull << 32},
        {LVT_ERROR, 0x800},
        {LVT_LINT0, 1ull << 40},
        {DIVIDE, 4},
        {SELF_IPI, 0x100},
    };
    struct vlapic before;
    struct vlapic_ipi ipi;

    (void)state;
    put(TPR, 0x35);
    before = apic;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (vlapic_write(&apic, bad[i].msr, bad[i].value, NOW, &ipi))
            fail_msg("%#x takes %#lx", bad[i].msr, bad[i].value);
        assert_memory_equal(&apic, &before, sizeof(apic));
        assert_int_equal(ipi.kind, VLAPIC_IPI_NONE);
    }
}

/* 16.6.3 and 16.6.4 */
static void the_highest_comes_first_and_its_class_waits(void **state)
{
    (void)state;
    for (unsigned vector = 0x40; vector < 0x80; vector += 0x11)
        assert_true(vlapic_accept(&apic, (uint8_t)vector));
    assert_int_equal(take(), 0x73);
    assert_true(is_set(ISR, 0x73));
    assert_false(is_set(IRR, 0x73));
    assert_int_equal(get(PPR), 0x70);
    assert_true(vlapic_accept(&apic, 0x7f)); /* higher, but of the same class */
    assert_int_equal(take(), VLAPIC_NOTHING);
    assert_true(vlapic_accept(&apic, 0x80));
    assert_int_equal(take(), 0x80); /* nested */
    put(EOI, 0);
    assert_true(is_set(ISR, 0x73)); /* EOI ends the highest */
    assert_int_equal(take(), VLAPIC_NOTHING);
    put(EOI, 0);
    assert_int_equal(take(), 0x7f);
    put(EOI, 0);
    assert_int_equal(take(), 0x62);
    put(EOI, 0);
    put(EOI, 0); /* one too many ends nothing */
    assert_int_equal(take(), 0x51);
}

static void tpr_holds_back_its_class_and_below(void **state)
{
    (void)state;
    for (unsigned tpr = 0; tpr <= 0xff; tpr++) {
        put(TPR, tpr);
        assert_int_equal(get(PPR), tpr);
        for (unsigned vector = 0x10; vector <= 0xff; vector++)
            assert_int_equal(vlapic_passes_tpr(&apic, (uint8_t)vector), vector >> 4 > tpr >> 4);
    }
    vlapic_accept(&apic, 0x55);
    vlapic_offer(&apic, 0x55);
    vlapic_take(&apic, 0x55);
    put(TPR, 0x4f);
    assert_int_equal(get(PPR), 0x50);
    put(TPR, 0x51); /* the same class: TPR's own lower bits show */
    assert_int_equal(get(PPR), 0x51);
    put(TPR, 0x60);
    assert_int_equal(get(PPR), 0x60);
}

/* One may be pending while another of its vector is in service; a third is the second. */
static void a_vector_is_pending_once(void **state)
{
    (void)state;
    assert_true(vlapic_accept(&apic, 0x31));
    assert_false(vlapic_accept(&apic, 0x31));
    assert_int_equal(take(), 0x31);
    assert_true(vlapic_accept(&apic, 0x31));
    assert_int_equal(take(), VLAPIC_NOTHING);
    put(EOI, 0);
    assert_int_equal(take(), 0x31);
    put(EOI, 0);
    assert_int_equal(take(), VLAPIC_NOTHING);
}

/* 16.4.7 */
static void an_apic_that_is_off_takes_nothing_new(void **state)
{
    (void)state;
    vlapic_accept(&apic, 0x41);
    put(LVT_TIMER, 0x42);
    put(SVR, 0xff);
    assert_false(vlapic_accept(&apic, 0x43));
    assert_false(is_set(IRR, 0x43));
    assert_int_equal(get(LVT_TIMER), APIC_LVT_MASKED | 0x42);
    put(LVT_TIMER, 0x44); /* can't be unmasked */
    assert_int_equal(get(LVT_TIMER), APIC_LVT_MASKED | 0x44);
    assert_true(vlapic_accept_nmi(&apic)); /* an NMI is none of its business */
    put(SVR, 0x1ff);
    assert_int_equal(get(LVT_TIMER), APIC_LVT_MASKED | 0x44);
    assert_int_equal(take(), 0x41); /* what was pending still is */
}

/* 16.4.7: what makes a spurious interrupt, one that is gone when the CPU asks, can't happen. */
static void the_spurious_vector_never_comes_by_itself(void **state)
{
    (void)state;
    vlapic_accept(&apic, 0x51);
    put(TPR, 0x50);
    assert_int_equal(take(), VLAPIC_NOTHING);
    put(SVR, 0xff);
    put(SVR, 0x1ff);
    assert_int_equal(take(), VLAPIC_NOTHING);
    put(TPR, 0);
    assert_int_equal(take(), 0x51);
    assert_false(is_set(IRR, 0xff) || is_set(ISR, 0xff));
}

static void errors_are_latched_and_interrupt(void **state)
{
    (void)state;
    put(LVT_ERROR, 0x61);
    assert_int_equal(put(SELF_IPI, 0xf).kind, VLAPIC_IPI_NONE);
    assert_int_equal(get(ESR), 0); /* only once it is written */
    assert_int_equal(take(), 0x61);
    put(ESR, 0);
    assert_int_equal(get(ESR), 0x20); /* sent an illegal vector */
    put(LVT_TIMER, 0x0f);
    put(DIVIDE, BY_ONE);
    put(COUNT, SOME_COUNT);
    vlapic_tick(&apic, NOW + SOME_COUNT);
    put(ESR, 0);
    assert_int_equal(get(ESR), 0x40); /* received one */
    put(ESR, 0);
    assert_int_equal(get(ESR), 0);
    put(EOI, 0);
    assert_int_equal(take(), 0x61);
    put(LVT_ERROR, 5); /* an error in the error's entry makes no more of them */
    put(ICR, 0);
    put(ESR, 0);
    assert_int_equal(get(ESR), 0x20);
}

static unsigned reached(struct vlapic_ipi ipi)
{
    unsigned found = 0;

    for (unsigned id = 0; id < 20; id++)
        found |= (unsigned)vlapic_is_meant(&ipi, 3, id) << id;
    return found;
}

/* 16.5 and 16.11; vCPU 3 sends */
static void ipis_reach_whom_they_name(void **state)
{
    static const struct {
        uint64_t icr;
        unsigned ids;
    } ipis[] = {
        {0x0000000000000077, 1u << 0},
        {0x0000001200000077, 1u << 18},
        {0xffffffff00000077, 0xfffff},
        {0x0000000000040077, 1u << 3},
        {0x0000000000080077, 0xfffff},
        {0x00000000000c0077, 0xfffff & ~(1u << 3)},
        {0x0000800500000877, 0x00005},
        {0x0001000f00000877, 0xf0000},
        {0x0002ffff00000877, 0},
        {0xffffffff00000877, 0xfffff},
        {0x0000000500000877, 1u << 0 | 1u << 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ipis) / sizeof(ipis[0]); i++) {
        struct vlapic_ipi ipi = put(ICR, ipis[i].icr);

        assert_int_equal(ipi.kind, VLAPIC_IPI_FIXED);
        assert_int_equal(ipi.vector, 0x77);
        assert_int_equal(reached(ipi) & 0x7fff, ipis[i].ids & 0x7fff);
        assert_int_equal(reached(ipi) >> 16, ipis[i].ids >> 16);
        assert_int_equal(get(ICR), ipis[i].icr);
    }
    assert_int_equal(reached(put(SELF_IPI, 0x77)), 1u << 3);
    assert_int_equal(get(ICR) & 0xff, 0x77);
}

static void the_kinds_of_ipis(void **state)
{
    static const struct {
        uint32_t low;
        enum vlapic_ipi_kind kind;
    } ipis[] = {
        {0x0077, VLAPIC_IPI_FIXED},   {0x0177, VLAPIC_IPI_FIXED},   {0x0277, VLAPIC_IPI_DENIED},
        {0x0377, VLAPIC_IPI_DENIED},  {0x0400, VLAPIC_IPI_NMI},     {0x4500, VLAPIC_IPI_INIT},
        {0xc500, VLAPIC_IPI_INIT},    {0x8500, VLAPIC_IPI_NONE},    {0x0699, VLAPIC_IPI_STARTUP},
        {0x0777, VLAPIC_IPI_DENIED},  {0x40400, VLAPIC_IPI_DENIED}, {0x44500, VLAPIC_IPI_DENIED},
        {0x40699, VLAPIC_IPI_DENIED}, {0x000f, VLAPIC_IPI_NONE},    {0x80400, VLAPIC_IPI_NMI},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ipis) / sizeof(ipis[0]); i++) {
        struct vlapic_ipi ipi = put(ICR, ipis[i].low);

        if (ipi.kind != ipis[i].kind)
            fail_msg("ICR %#x is of kind %u", ipis[i].low, ipi.kind);
        assert_int_equal(ipi.to_one, (ipis[i].low >> 8 & 7) == APIC_MODE_LOWEST);
    }
    assert_int_equal(put(ICR, 0x699).vector, 0x99);
}

/*
 * Everything at random, against a model that is nothing but counters: each interrupt that was
 * accepted is taken, once, and never one that its class, TPR or what is in service holds back.
 */
static void nothing_is_lost_and_nothing_made_up(void **state)
{
    bool pending[256] = {false};
    uint8_t service[16];
    unsigned depth = 0, tpr = 0, taken = 0;

    (void)state;
    srand(1);
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t vector = (uint8_t)(16 + rand() % 240);
        int highest = 255, got;

        switch (rand() % 5) {
        case 0:
            assert_int_equal(vlapic_accept(&apic, vector), !pending[vector]);
            pending[vector] = true;
            break;
        case 1:
            tpr = (unsigned)rand() % 256;
            put(TPR, tpr);
            break;
        case 2:
            put(EOI, 0);
            depth -= depth > 0;
            break;
        default:
            while (highest >= 0 && !pending[highest])
                highest--;
            if (highest >= 0 && (highest >> 4 <= (int)tpr >> 4 ||
                                 (depth > 0 && highest >> 4 <= service[depth - 1] >> 4)))
                highest = VLAPIC_NOTHING;
            got = take();
            assert_int_equal(got, highest);
            if (got < 0)
                break;
            pending[got] = false;
            service[depth++] = (uint8_t)got;
            taken++;
        }
    }
    assert_true(taken > 1000);
}

/* Whatever is written where, at whatever time: the next deadline is ahead, and state is legal. */
static void any_write_is_survived(void **state)
{
    struct vlapic_ipi ipi;
    uint64_t now = NOW, value;

    (void)state;
    srand(2);
    for (unsigned i = 0; i < 300000; i++) {
        uint32_t msr = rand() % 8 ? 0x800 + (uint32_t)rand() % 0x40 : MSR_TSC_DEADLINE;
        unsigned bits = (unsigned)rand() % 65;

        value = (uint64_t)rand() << 33 ^ (uint64_t)rand() << 12 ^ (uint64_t)rand();
        value = bits == 0 ? 0 : value >> (64 - bits);
        vlapic_write(&apic, msr, value, now, &ipi);
        vlapic_read(&apic, msr, now, &value);
        now += (uint64_t)rand() % 100000;
        vlapic_tick(&apic, now);
        assert_true(vlapic_deadline(&apic) > now);
        assert_true(apic.tpr <= 0xff && get_at(CURRENT, now) <= UINT32_MAX);
        take();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registers_after_reset, start),
        cmocka_unit_test_setup(only_what_is_there_answers, start),
        cmocka_unit_test_setup(reserved_bits_are_refused, start),
        cmocka_unit_test_setup(the_highest_comes_first_and_its_class_waits, start),
        cmocka_unit_test_setup(tpr_holds_back_its_class_and_below, start),
        cmocka_unit_test_setup(a_vector_is_pending_once, start),
        cmocka_unit_test_setup(an_apic_that_is_off_takes_nothing_new, start),
        cmocka_unit_test_setup(the_spurious_vector_never_comes_by_itself, start),
        cmocka_unit_test_setup(errors_are_latched_and_interrupt, start),
        cmocka_unit_test_setup(ipis_reach_whom_they_name, start),
        cmocka_unit_test_setup(the_kinds_of_ipis, start),
        cmocka_unit_test_setup(nothing_is_lost_and_nothing_made_up, start),
        cmocka_unit_test_setup(any_write_is_survived, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
