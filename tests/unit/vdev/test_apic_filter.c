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
static const struct apic_core flat = {.id = 2, .ldr = 0x04000000, .dfr = FLAT};
static const struct apic_core cluster = {.id = 2, .ldr = 0x31000000, .dfr = CLUSTER};

/* Two cores of a domain, the second of which sends; a third core, 3, isn't the domain's. */
static const struct apic_core two_flat[] = {{1, 0x02000000, FLAT}, {2, 0x04000000, FLAT}};
static const struct apic_core two_clusters[] = {{1, 0x21000000, CLUSTER}, {2, 0x31000000, CLUSTER}};

struct row {
    uint32_t low;
    uint8_t destination;
    const struct apic_core *core;
    uint32_t targets; /* whom it is for: bit n: core[n] */
    bool others;
};

#define ME    1u /* alone */
#define FIRST 1u /* of two */
#define LAST  2u
#define BOTH  3u

static const struct row alone[] = {
    /* physical destinations */
    {0, 2, &flat, ME, false},
    {0, 0, &flat, 0, true},
    {0, 3, &flat, 0, true},
    {0, 0x82, &flat, 0, true},
    {0, 0xff, &flat, ME, true},
    /* logical, flat: one bit a core */
    {LOGICAL, 0x04, &flat, ME, false},
    {LOGICAL, 0x01, &flat, 0, true},
    {LOGICAL, 0x02, &flat, 0, true}, /* its APIC id isn't its logical id */
    {LOGICAL, 0x05, &flat, ME, true},
    {LOGICAL, 0xff, &flat, ME, true},
    {LOGICAL, 0x00, &flat, 0, false},
    {LOGICAL, 0xfb, &flat, 0, true},
    /* logical, clusters: number of the cluster, one bit for each of its four */
    {LOGICAL, 0x31, &cluster, ME, false},
    {LOGICAL, 0x32, &cluster, 0, true},
    {LOGICAL, 0x33, &cluster, ME, true},
    {LOGICAL, 0x21, &cluster, 0, true},
    {LOGICAL, 0x11, &cluster, 0, true}, /* shares a bit of the number */
    {LOGICAL, 0xff, &cluster, ME, true},
    {LOGICAL, 0xf1, &cluster, ME, true},
    {LOGICAL, 0xf2, &cluster, 0, true},
    {LOGICAL, 0x30, &cluster, 0, false},
    {LOGICAL, 0x20, &cluster, 0, true},
    /* shorthands: the destination means nothing */
    {SHORT(1), 0, &flat, ME, false},
    {SHORT(1), 0xff, &flat, ME, false},
    {SHORT(1) | LOGICAL, 0x01, &cluster, ME, false},
    {SHORT(2), 2, &flat, ME, true},
    {SHORT(2) | LOGICAL, 0x04, &flat, ME, true},
    {SHORT(3), 2, &flat, 0, true},
    {SHORT(3) | LOGICAL, 0x31, &cluster, 0, true},
};

/* A broadcast of one that isn't alone means the domain's cores, as it knows no others. */
static const struct row beside_another[] = {
    {0, 1, two_flat, FIRST, false},
    {0, 2, two_flat, LAST, false},
    {0, 0, two_flat, 0, true},
    {0, 3, two_flat, 0, true},
    {0, 0xff, two_flat, BOTH, false},
    {LOGICAL, 0x02, two_flat, FIRST, false},
    {LOGICAL, 0x04, two_flat, LAST, false},
    {LOGICAL, 0x06, two_flat, BOTH, false},
    {LOGICAL, 0x01, two_flat, 0, true},
    {LOGICAL, 0x08, two_flat, 0, true},
    {LOGICAL, 0x0e, two_flat, BOTH, true},
    {LOGICAL, 0xff, two_flat, BOTH, false},
    {LOGICAL, 0x00, two_flat, 0, false},
    {LOGICAL, 0x21, two_clusters, FIRST, false},
    {LOGICAL, 0x31, two_clusters, LAST, false},
    {LOGICAL, 0x22, two_clusters, 0, true},
    {LOGICAL, 0x23, two_clusters, FIRST, true},
    {LOGICAL, 0x11, two_clusters, 0, true},
    {LOGICAL, 0xf1, two_clusters, BOTH, false},
    {LOGICAL, 0xff, two_clusters, BOTH, false},
    {LOGICAL, 0xf2, two_clusters, 0, false},
    {SHORT(1), 0, two_flat, LAST, false},
    {SHORT(2), 0, two_flat, BOTH, false},
    {SHORT(3), 0, two_flat, FIRST, false},
    {SHORT(3) | LOGICAL, 0x02, two_flat, FIRST, false},
};

static const struct {
    const struct row *row;
    unsigned rows, count, self;
} sets[] = {{alone, sizeof(alone) / sizeof(alone[0]), 1, 0},
            {beside_another, sizeof(beside_another) / sizeof(beside_another[0]), 2, 1}};

static void assert_ipi(unsigned set, const struct row *row, uint32_t low,
                       const struct apic_ipi *expected)
{
    /* Bits of ICR_HIGH below the destination are reserved. */
    struct apic_ipi ipi =
        apic_filter_ipi(row->low | low, (uint32_t)row->destination << 24 | 0xffffff, row->core,
                        sets[set].count, sets[set].self);

    if (ipi.event != expected->event || ipi.vector != expected->vector ||
        ipi.targets != expected->targets || ipi.denied != expected->denied)
        fail_msg("%u cores, ICR %02x:%08x: event %d, vector %x, targets %x, denied %d; got "
                 "%d, %x, %x, %d",
                 sets[set].count, row->destination, row->low | low, expected->event,
                 expected->vector, expected->targets, expected->denied, ipi.event, ipi.vector,
                 ipi.targets, ipi.denied);
}

/* What becomes of every row with these further bits: `event` for its targets, or nothing. */
static void assert_events(uint32_t low, int event, uint8_t vector)
{
    for (unsigned set = 0; set < 2; set++)
        for (unsigned i = 0; i < sets[set].rows; i++) {
            const struct row *row = &sets[set].row[i];
            struct apic_ipi expected = {.targets = row->targets, .denied = row->others};

            if (row->targets) {
                expected.event = event;
                expected.vector = vector;
            }
            assert_ipi(set, row, low, &expected);
        }
}

static uint32_t mode(enum apic_mode mode)
{
    return (uint32_t)mode << APIC_ICR_MODE_SHIFT;
}

static void interrupts_reach_the_own_cores_alone(void **state)
{
    (void)state;
    assert_events(mode(APIC_MODE_FIXED) | VECTOR, APIC_INTERRUPT, VECTOR);
    assert_events(mode(APIC_MODE_FIXED) | APIC_ICR_ASSERT | APIC_ICR_LEVEL | 0xff, APIC_INTERRUPT,
                  0xff);
}

static void lowest_priority_reaches_one_core(void **state)
{
    (void)state;
    for (unsigned set = 0; set < 2; set++)
        for (unsigned i = 0; i < sets[set].rows; i++) {
            const struct row *row = &sets[set].row[i];
            struct apic_ipi expected = {.targets = row->targets == BOTH ? FIRST : row->targets,
                                        .denied = row->others};

            if (row->targets) {
                expected.event = APIC_INTERRUPT;
                expected.vector = VECTOR;
            }
            assert_ipi(set, row, mode(APIC_MODE_LOWEST) | VECTOR, &expected);
        }
}

static void nmis_reach_the_own_cores_alone(void **state)
{
    (void)state;
    assert_events(mode(APIC_MODE_NMI), APIC_NMI, 0);
    assert_events(mode(APIC_MODE_NMI) | VECTOR, APIC_NMI, 0);
}

/* Nobody resets or starts himself. */
static void inits_and_sipis_reach_the_other_own_cores_alone(void **state)
{
    (void)state;
    for (unsigned set = 0; set < 2; set++)
        for (unsigned i = 0; i < sets[set].rows; i++) {
            const struct row *row = &sets[set].row[i];
            uint32_t self = 1u << sets[set].self;
            struct apic_ipi expected = {.targets = row->targets & ~self,
                                        .denied = row->others || (row->targets & self)};

            if (expected.targets)
                expected.event = APIC_INIT;
            assert_ipi(set, row, mode(APIC_MODE_INIT) | APIC_ICR_ASSERT, &expected);
            assert_ipi(set, row, mode(APIC_MODE_INIT) | APIC_ICR_ASSERT | APIC_ICR_LEVEL,
                       &expected);
            assert_ipi(set, row, mode(APIC_MODE_INIT) | VECTOR, &expected);
            if (expected.targets) {
                expected.event = APIC_STARTUP;
                expected.vector = VECTOR;
            }
            assert_ipi(set, row, mode(APIC_MODE_STARTUP) | VECTOR, &expected);
        }
}

static void other_kinds_reach_nobody(void **state)
{
    static const enum apic_mode modes[] = {APIC_MODE_SMI, (enum apic_mode)3, APIC_MODE_EXTINT};
    const struct apic_ipi nothing = {.denied = true};

    (void)state;
    for (unsigned set = 0; set < 2; set++)
        for (unsigned i = 0; i < sets[set].rows; i++)
            for (unsigned m = 0; m < 3; m++) {
                const struct row *row = &sets[set].row[i];

                assert_ipi(set, row, mode(modes[m]) | VECTOR, &nothing);
                assert_ipi(set, row, mode(modes[m]) | APIC_ICR_ASSERT, &nothing);
                assert_ipi(set, row, mode(modes[m]) | APIC_ICR_ASSERT | APIC_ICR_LEVEL, &nothing);
            }
}

/* The end of the INIT sequence that some systems send: nothing happens, and nothing is meant. */
static void the_deassertion_of_init_is_ignored(void **state)
{
    const struct apic_ipi nothing = {0};

    (void)state;
    for (unsigned set = 0; set < 2; set++)
        for (unsigned i = 0; i < sets[set].rows; i++)
            assert_ipi(set, &sets[set].row[i], mode(APIC_MODE_INIT) | APIC_ICR_LEVEL, &nothing);
}

static void vectors_of_exceptions_are_never_sent(void **state)
{
    const struct row self = {SHORT(1), 0, &flat, ME, false};

    (void)state;
    for (uint32_t vector = 0; vector < 256; vector++) {
        struct apic_ipi expected = {.denied = true};

        if (vector >= 16)
            expected = (struct apic_ipi){APIC_INTERRUPT, (uint8_t)vector, ME, false};
        assert_ipi(0, &self, vector, &expected);
    }
}

/* An LDR of all ones takes everything for itself: still nobody else gets it. */
static void a_claim_to_all_destinations_changes_nothing(void **state)
{
    const struct apic_core greedy = {.id = 2, .ldr = 0xff000000, .dfr = FLAT};

    (void)state;
    for (uint32_t to = 0; to < 256; to++) {
        struct apic_ipi ipi = apic_filter_ipi(LOGICAL | VECTOR, to << 24, &greedy, 1, 0);

        assert_int_equal(ipi.targets, to ? ME : 0);
    }
}

/* Whatever ids, models and bits: no target beyond the domain's cores. */
static void targets_are_cores_of_the_domain(void **state)
{
    uint64_t seed = 0x853c49e6748fea9b;

    (void)state;
    for (unsigned i = 0; i < 1000000; i++) {
        struct apic_core core[16];
        unsigned count, self;
        struct apic_ipi ipi;

        for (unsigned n = 0; n < 16; n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            core[n] = (struct apic_core){(uint32_t)(seed >> 32) & 0xff, (uint32_t)(seed >> 16),
                                         seed >> 63 ? FLAT : CLUSTER};
        }
        count = (unsigned)(seed >> 40 & 15) + 1;
        self = (unsigned)(seed >> 44 & 15) % count;
        ipi = apic_filter_ipi((uint32_t)(seed >> 8), (uint32_t)(seed >> 24), core, count, self);
        assert_int_equal(ipi.targets >> count, 0);
        assert_int_equal(ipi.event == APIC_NOTHING, ipi.targets == 0);
        if (ipi.event == APIC_INIT || ipi.event == APIC_STARTUP)
            assert_int_equal(ipi.targets >> self & 1, 0);
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
        {0x080, APIC_RULE_PASS, 0xff},
        {0x0b0, APIC_RULE_PASS, 0},
        {0x0d0, APIC_RULE_LOGICAL, 0xff000000},
        {0x0e0, APIC_RULE_LOGICAL, 0xffffffff},
        {0x0f0, APIC_RULE_PASS, 0x3ff},
        {0x280, APIC_RULE_PASS, 0},
        {0x2f0, APIC_RULE_KEEP, 0},
        {0x300, APIC_RULE_ICR_LOW, 0},
        {0x310, APIC_RULE_ICR_HIGH, 0},
        {0x380, APIC_RULE_PASS, 0xffffffff},
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
                expected =
                    (struct apic_store){.rule = (uint8_t)open[i].rule, .value = open[i].mask};
                found++;
            }
        assert_int_equal(store.rule, expected.rule);
        assert_int_equal(store.value, expected.value);
        assert_int_equal(store.denied, expected.denied);
    }
    assert_int_equal(found, sizeof(open) / sizeof(open[0]));
}

/* The straight path decides as the table does. */
static void what_passes_by_the_straight_path_is_what_the_filter_passes(void **state)
{
    (void)state;
    for (uint32_t offset = 0; offset < 0x1000; offset++) {
        struct apic_store store = apic_filter_write(offset, 0xffffffff);
        uint32_t mask;

        assert_int_equal(apic_passes(offset, &mask), store.rule == APIC_RULE_PASS);
        if (store.rule == APIC_RULE_PASS)
            assert_int_equal(mask, store.value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interrupts_reach_the_own_cores_alone),
        cmocka_unit_test(lowest_priority_reaches_one_core),
        cmocka_unit_test(nmis_reach_the_own_cores_alone),
        cmocka_unit_test(inits_and_sipis_reach_the_other_own_cores_alone),
        cmocka_unit_test(other_kinds_reach_nobody),
        cmocka_unit_test(the_deassertion_of_init_is_ignored),
        cmocka_unit_test(vectors_of_exceptions_are_never_sent),
        cmocka_unit_test(a_claim_to_all_destinations_changes_nothing),
        cmocka_unit_test(targets_are_cores_of_the_domain),
        cmocka_unit_test(local_interrupts_are_fixed_or_nmi),
        cmocka_unit_test(local_interrupts_have_their_defined_bits_alone),
        cmocka_unit_test(other_registers_cannot_be_written),
        cmocka_unit_test(what_passes_by_the_straight_path_is_what_the_filter_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
