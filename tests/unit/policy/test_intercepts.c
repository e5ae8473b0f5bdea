/* The floor of intercepts, bit by bit: core refuses an image that undercuts it anywhere. */
#include "testing.h"

#include "core/policy/image.h"
#include "policy/sample.h"

enum rule { FLOOR, DEFAULT, DIRECT_OFF, SHADOW, OFF, VIRTUAL_ONLY };

static const struct row {
    const char *name;
    unsigned word, bit;
    enum rule rule;
} rows[] = {
#define INTERCEPT(name, word, bit, rule, text) {#name, BH_INTERCEPT_##word, bit, rule},
#include "tables/intercepts.def"
#undef INTERCEPT
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct sample sample;

static bool is_accepted(unsigned domain, unsigned word, uint32_t bits)
{
    struct policy_fault fault;

    sample_build(&sample);
    sample.domain[domain].intercepts[word] = bits;
    if (image_check(sample.bytes, SAMPLE_SIZE, &fault))
        return true;
    assert_int_equal(fault.check, POLICY_DOMAIN_INTERCEPT);
    assert_int_equal(fault.row, domain);
    return false;
}

/* `work` has its own interrupts, vault's are virtual. */
static bool is_needed(const struct row *row, unsigned domain)
{
    return row->rule == FLOOR || (row->rule == DIRECT_OFF && domain == SAMPLE_VAULT_DOMAIN);
}

static bool is_denied(const struct row *row, unsigned domain)
{
    return (row->rule == DIRECT_OFF || row->rule == VIRTUAL_ONLY) && domain == SAMPLE_WORK;
}

static void no_bit_of_the_floor_can_be_missing(void **state)
{
    unsigned needed = 0;

    (void)state;
    for (unsigned domain = 0; domain < 2; domain++)
        for (unsigned i = 0; i < ROWS; i++) {
            uint32_t bit = 1u << rows[i].bit, before;

            sample_build(&sample);
            before = sample.domain[domain].intercepts[rows[i].word];
            if (is_accepted(domain, rows[i].word, before & ~bit) == is_needed(&rows[i], domain))
                fail_msg("%s of domain %u, cleared", rows[i].name, domain);
            if (is_accepted(domain, rows[i].word, before | bit) == is_denied(&rows[i], domain))
                fail_msg("%s of domain %u, set", rows[i].name, domain);
            needed += is_needed(&rows[i], domain);
        }
    assert_true(needed > 50);
}

static void no_bit_without_a_row_can_be_set(void **state)
{
    uint32_t known[BH_INTERCEPT_WORDS] = {0};

    (void)state;
    for (unsigned i = 0; i < ROWS; i++)
        known[rows[i].word] |= 1u << rows[i].bit;
    for (unsigned word = 0; word < BH_INTERCEPT_WORDS; word++)
        for (unsigned bit = 0; bit < 32; bit++) {
            sample_build(&sample);
            if (!(known[word] >> bit & 1) &&
                is_accepted(0, word, sample.domain[0].intercepts[word] | 1u << bit))
                fail_msg("bit %u of word %u", bit, word);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_bit_of_the_floor_can_be_missing),
        cmocka_unit_test(no_bit_without_a_row_can_be_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
