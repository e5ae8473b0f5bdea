#include "verdicts.h"
#include <stdlib.h>

struct machine *begin(void)
{
    struct machine *machine = malloc(sizeof(*machine));

    assert_non_null(machine);
    machine_begin(machine);
    machine_measure(machine);
    machine_reference(machine);
    assert_string_equal(machine->reference.fault, "");
    return machine;
}

void finish(struct machine *machine)
{
    machine_extend(machine);
    machine_quote(machine);
    machine_encode(machine);
    machine_appraise(machine);
}

void drop(struct machine *machine)
{
    machine_end(machine);
    free(machine);
}

void rejected(struct machine *machine, enum code code)
{
    const struct result *result = &machine->result;

    assert_int_equal(result->findings, 1);
    assert_string_equal(code_row(result->finding[0].code)->name, code_row(code)->name);
    assert_int_equal(result->status, code_row(code)->status);
    assert_int_equal(result->domains, 0);
    assert_int_equal(result->checks, code_row(code)->check - 1);
    assert_true(result->finding[0].difference.expected[0] != '\0');
    drop(machine);
}

void judged(const struct machine *machine, size_t domain, enum tier tier, enum code code,
            const char *component)
{
    const struct verdict *verdict = &machine->result.domain[domain];

    assert_true(domain < machine->result.domains);
    assert_int_equal(verdict->tier, tier);
    assert_int_equal(verdict->code, code);
    assert_string_equal(verdict->component, component);
}

void all_judged(struct machine *machine, enum tier tier, enum code code, const char *component)
{
    judged(machine, WORK, tier, code, component);
    judged(machine, VAULT, tier, code, component);
    assert_int_equal(machine->result.status, tier == TIER_AFFIRMING ? EXIT_AFFIRMING
                                             : tier == TIER_WARNING ? EXIT_WARNING
                                                                    : EXIT_CONTRAINDICATED);
    drop(machine);
}

void only_vault(struct machine *machine, enum code code)
{
    judged(machine, WORK, TIER_AFFIRMING, CODE_NONE, "");
    judged(machine, VAULT, TIER_CONTRAINDICATED, code, "vault");
    assert_int_equal(machine->result.status, EXIT_CONTRAINDICATED);
    drop(machine);
}

struct machine *happened(enum bh_event_type type, uint32_t domain, const void *body, size_t size)
{
    struct machine *machine = begin();

    machine_event(machine, type, BH_PCR_RUNTIME, domain, body, size);
    machine->report.next++;
    if (domain < MACHINE_DOMAINS)
        machine->domains[domain].last = 10;
    return machine;
}
