/*
 * What a domain's writes to its local APIC become: whom an IPI would reach besides its own core,
 * and which local interrupts it may ask for (APM vol. 2, chapter 16).
 */
#include "core/vdev/apic_filter.h"
#include "hw/apic.h"
#include "testing.h"

#define FLAT     0xffffffffu
#define CLUSTER  0x0fffffffu
#define LOGICAL  APIC_ICR_LOGICAL
#define SHORT(n) ((uint32_t)(n) << APIC_ICR_SHORTHAND_SHIFT)
#define VECTOR   0x31u

/* APIC id 2; logical destination 4, or 1 of cluster 3. */
static const struct apic_self flat = {.id = 2, .ldr = 0x04000000, .dfr = FLAT};
static const struct apic_self cluster = {.id = 2, .ldr = 0x31000000, .dfr = CLUSTER};

struct row {
    uint32_t low;
    uint8_t destination;
    const struct apic_self *self;
    bool me, others; /* whom it is for */
};

static const struct row rows[] = {
    /* physical destinations */
    {0, 2, &flat, true, false},
    {0, 0, &flat, false, true},
    {0, 3, &flat, false, true},
    {0, 0x82, &flat, false, true},
    {0, 0xff, &flat, true, true},
    /* logical, flat: one bit a core */
    {LOGICAL, 0x04, &flat, true, false},
    {LOGICAL, 0x01, &flat, false, true},
    {LOGICAL, 0x02, &flat, false, true}, /* its APIC id isn't its logical id */
    {LOGICAL, 0x05, &flat, true, true},
    {LOGICAL, 0xff, &flat, true, true},
    {LOGICAL, 0x00, &flat, false, false},
    {LOGICAL, 0xfb, &flat, false, true},
    /* logical, clusters: number of the cluster, one bit for each of its four */
    {LOGICAL, 0x31, &cluster, true, false},
    {LOGICAL, 0x32, &cluster, false, true},
    {LOGICAL, 0x33, &cluster, true, true},
    {LOGICAL, 0x21, &cluster, false, true},
    {LOGICAL, 0x11, &cluster, false, true}, /* shares a bit of the number */
    {LOGICAL, 0xff, &cluster, true, true},
    {LOGICAL, 0xf1, &cluster, true, true},
    {LOGICAL, 0xf2, &cluster, false, true},
    {LOGICAL, 0x30, &cluster, false, false},
    {LOGICAL, 0x20, &cluster, false, true},
    /* shorthands: the destination means nothing */
    {SHORT(1), 0, &flat, true, false},
    {SHORT(1), 0xff, &flat, true, false},
    {SHORT(1) | LOGICAL, 0x01, &cluster, true, false},
    {SHORT(2), 2, &flat, true, true},
    {SHORT(2) | LOGICAL, 0x04, &flat, true, true},
    {SHORT(3), 2, &flat, false, true},
    {SHORT(3) | LOGICAL, 0x31, &cluster, false, true},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct apic_ipi send(const struct row *row, uint32_t low)
{
    /* Bits of ICR_HIGH below the destination are reserved. */
    return apic_filter_ipi(row->low | low, (uint32_t)row->destination << 24 | 0xffffff, row->self);
}

static void assert_ipi(const struct row *row, uint32_t low, unsigned vector, bool nmi, bool denied)
{
    struct apic_ipi ipi = send(row, low);

    if (ipi.self_vector != vector || ipi.self_nmi != nmi || ipi.denied != denied)
        fail_msg("ICR %02x:%08x: expected vector %x, NMI %d, denied %d, got %x, %d, %d",
                 row->destination, row->low | low, vector, nmi, denied, ipi.self_vector,
                 ipi.self_nmi, ipi.denied);
}

static uint32_t mode(enum apic_mode mode)
{
    return (uint32_t)mode << APIC_ICR_MODE_SHIFT;
}

static void interrupts_reach_the_own_core_alone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];

        assert_ipi(row, mode(APIC_MODE_FIXED) | VECTOR, row->me ? VECTOR : 0, false, row->others);
        assert_ipi(row, mode(APIC_MODE_LOWEST) | VECTOR, row->me ? VECTOR : 0, false, row->others);
        assert_ipi(row, mode(APIC_MODE_FIXED) | APIC_ICR_ASSERT | APIC_ICR_LEVEL | 0xff,
                   row->me ? 0xff : 0, false, row->others);
    }
}

static void nmis_reach_the_own_core_alone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROWS; i++) {
        assert_ipi(&rows[i], mode(APIC_MODE_NMI), 0, rows[i].me, rows[i].others);
        assert_ipi(&rows[i], mode(APIC_MODE_NMI) | VECTOR, 0, rows[i].me, rows[i].others);
    }
}

static void other_kinds_reach_nobody(void **state)
{
    static const enum apic_mode modes[] = {APIC_MODE_SMI, (enum apic_mode)3, APIC_MODE_INIT,
                                           APIC_MODE_STARTUP, APIC_MODE_EXTINT};

    (void)state;
    for (unsigned i = 0; i < ROWS; i++)
        for (unsigned m = 0; m < 5; m++) {
            assert_ipi(&rows[i], mode(modes[m]) | VECTOR, 0, false, true);
            assert_ipi(&rows[i], mode(modes[m]) | APIC_ICR_ASSERT, 0, false, true);
            assert_ipi(&rows[i], mode(modes[m]) | APIC_ICR_ASSERT | APIC_ICR_LEVEL, 0, false, true);
        }
}

/* The end of the INIT sequence that some systems send: nothing happens, and nothing is meant. */
static void the_deassertion_of_init_is_ignored(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROWS; i++)
        assert_ipi(&rows[i], mode(APIC_MODE_INIT) | APIC_ICR_LEVEL, 0, false, false);
}

static void vectors_of_exceptions_are_never_sent(void **state)
{
    const struct row self = {SHORT(1), 0, &flat, true, false};

    (void)state;
    for (uint32_t vector = 0; vector < 256; vector++)
        assert_ipi(&self, vector, vector < 16 ? 0 : vector, false, vector < 16);
}

/* An LDR of all ones takes everything for itself: still nobody else gets it. */
static void a_claim_to_all_destinations_changes_nothing(void **state)
{
    const struct apic_self greedy = {.id = 2, .ldr = 0xff000000, .dfr = FLAT};

    (void)state;
    for (unsigned to = 0; to < 256; to++) {
        struct apic_ipi ipi = apic_filter_ipi(LOGICAL | VECTOR, to << 24, &greedy);

        assert_int_equal(ipi.self_vector, to ? VECTOR : 0);
        assert_false(ipi.self_nmi);
    }
}

static const uint32_t lvts[] = {0x330, 0x340, 0x350, 0x360, 0x370};

static void local_interrupts_are_fixed_or_nmi(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        for (uint32_t m = 0; m < 8; m++)
            for (uint32_t masked = 0; masked <= APIC_LVT_MASKED; masked += APIC_LVT_MASKED) {
                bool good = m == APIC_MODE_FIXED || m == APIC_MODE_NMI;
                struct apic_store store =
                    apic_filter_write(lvts[i], m << APIC_ICR_MODE_SHIFT | VECTOR | masked);

                assert_int_equal(store.rule, APIC_RULE_LVT);
                assert_int_equal(store.value, good ? m << APIC_ICR_MODE_SHIFT | VECTOR | masked
                                                   : VECTOR | APIC_LVT_MASKED);
                assert_int_equal(store.denied, !good && !masked);
            }
}

static void local_interrupts_have_their_defined_bits_alone(void **state)
{
    (void)state;
    assert_int_equal(apic_filter_write(0x320, 0xffffffff).value, 0x300ff);
    assert_false(apic_filter_write(0x320, 0x600 | VECTOR).denied); /* no delivery mode there */
    assert_int_equal(apic_filter_write(0x320, 0x600 | VECTOR).value, VECTOR);
    for (unsigned i = 0; i < 5; i++) {
        uint32_t lint = lvts[i] == 0x350 || lvts[i] == 0x360 ? 0xa000 : 0;

        assert_int_equal(apic_filter_write(lvts[i], 0xfffff8ff).value, 0x100ff | lint);
        assert_int_equal(apic_filter_write(lvts[i], 0xfffffcff).value, 0x104ff | lint);
    }
}

/* Every offset of the page: what isn't listed here can't be written. */
static void other_registers_cannot_be_written(void **state)
{
    static const struct {
        uint32_t offset;
        enum apic_rule rule;
        uint32_t mask;
    } open[] = {
        {0x080, APIC_RULE_PASS, 0xff},       {0x0b0, APIC_RULE_PASS, 0},
        {0x0d0, APIC_RULE_PASS, 0xff000000}, {0x0e0, APIC_RULE_PASS, 0xffffffff},
        {0x0f0, APIC_RULE_PASS, 0x3ff},      {0x280, APIC_RULE_PASS, 0},
        {0x2f0, APIC_RULE_KEEP, 0},          {0x300, APIC_RULE_ICR_LOW, 0},
        {0x310, APIC_RULE_ICR_HIGH, 0},      {0x380, APIC_RULE_PASS, 0xffffffff},
        {0x3e0, APIC_RULE_PASS, 0xb},
    };
    unsigned found = 0;

    (void)state;
    for (uint32_t offset = 0; offset < 0x1000; offset++) {
        struct apic_store store = apic_filter_write(offset, 0xffffffff);
        struct apic_store expected = {.rule = APIC_RULE_NONE, .denied = true};

        if (store.rule == APIC_RULE_LVT)
            continue;
        for (unsigned i = 0; i < sizeof(open) / sizeof(open[0]); i++)
            if (open[i].offset == offset) {
                expected = (struct apic_store){open[i].rule, open[i].mask, false};
                found++;
            }
        assert_int_equal(store.rule, expected.rule);
        assert_int_equal(store.value, expected.value);
        assert_int_equal(store.denied, expected.denied);
    }
    assert_int_equal(found, sizeof(open) / sizeof(open[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interrupts_reach_the_own_core_alone),
        cmocka_unit_test(nmis_reach_the_own_core_alone),
        cmocka_unit_test(other_kinds_reach_nobody),
        cmocka_unit_test(the_deassertion_of_init_is_ignored),
        cmocka_unit_test(vectors_of_exceptions_are_never_sent),
        cmocka_unit_test(a_claim_to_all_destinations_changes_nothing),
        cmocka_unit_test(local_interrupts_are_fixed_or_nmi),
        cmocka_unit_test(local_interrupts_have_their_defined_bits_alone),
        cmocka_unit_test(other_registers_cannot_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
