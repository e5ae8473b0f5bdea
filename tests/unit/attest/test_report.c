/* Check 14: the report, which is signed, and the events. */
#include "verdicts.h"

#include <stdlib.h>
#include <string.h>

/* Check 14. */
static void reports_that_contradict(void **state)
{
    struct machine *machine;

    (void)state;
    REJECTED(machine->report.next++, CODE_E309);
    REJECTED(machine->report.next--, CODE_E309);
    REJECTED(machine->report.boot_id[0] ^= 1, CODE_E309);
    REJECTED(machine->report.domains = 1, CODE_E309);
    REJECTED(machine->report.domains = 0, CODE_E309);
    REJECTED(machine->domains[WORK].state = BH_STATE_CRASHED, CODE_E309);
    REJECTED(machine->domains[WORK].state = BH_STATE_STOPPED, CODE_E309);
    REJECTED(machine->domains[WORK].starts = 0, CODE_E309);
    REJECTED(machine->domains[WORK].starts = 2, CODE_E309);
    REJECTED(machine->domains[WORK].crashes = 1, CODE_E309);
    REJECTED(machine->domains[WORK].violations[13] = 1, CODE_E309);
    REJECTED(machine->domains[WORK].last++, CODE_E309);
    REJECTED(strcpy(machine->domains[WORK].name, "wor"), CODE_E309);
    REJECTED(machine->domain = 2, CODE_E309); /* who asked */
}

static void ends_that_contradict(void **state)
{
    struct bh_event_end end = {.exitcode = 0x400};

    (void)state;
    for (unsigned reported = BH_STATE_RUNNING; reported <= BH_STATE_CRASHED; reported++)
        for (unsigned stopped = 0; stopped <= 1; stopped++) {
            struct machine *machine =
                happened(stopped ? BH_EVENT_STOP : BH_EVENT_CRASH, VAULT, &end, sizeof(end));

            machine->domains[VAULT].state = reported;
            machine->domains[VAULT].crashes = !stopped;
            finish(machine);
            if (reported == (stopped ? BH_STATE_STOPPED : BH_STATE_CRASHED))
                only_vault(machine, CODE_C602);
            else
                rejected(machine, CODE_E309);
        }
}

static void a_violation_that_is_not_reported(void **state)
{
    struct bh_event_violation violation = {.kind = 3};
    struct machine *machine = happened(BH_EVENT_VIOLATION, WORK, &violation, sizeof(violation));

    (void)state;
    finish(machine);
    rejected(machine, CODE_E309);

    machine = happened(BH_EVENT_VIOLATION, WORK, &violation, sizeof(violation));
    machine_event(machine, BH_EVENT_VIOLATION, BH_PCR_RUNTIME, WORK, &violation,
                  sizeof(violation)); /* the first of its kind, twice */
    machine->report.next++;
    machine->domains[WORK].last = 11;
    machine->domains[WORK].violations[3] = 2;
    finish(machine);
    rejected(machine, CODE_E309);
}

/* Ended and restarted, as often as events say. */
static void restarts(void **state)
{
    struct bh_event_end end = {.exitcode = 0x400};
    struct bh_event_restart restart = {.starts = 2};

    (void)state;
    for (unsigned wrong = 0; wrong < 4; wrong++) {
        struct machine *machine = happened(BH_EVENT_CRASH, VAULT, &end, sizeof(end));

        restart.starts = wrong == 1 ? 3 : 2;
        if (wrong == 2) /* the crash comes later */
            machine->events--;
        machine_event(machine, BH_EVENT_RESTART, BH_PCR_RUNTIME, VAULT, &restart, sizeof(restart));
        if (wrong == 2)
            machine_event(machine, BH_EVENT_CRASH, BH_PCR_RUNTIME, VAULT, &end, sizeof(end));
        if (wrong == 3) /* ended twice */
            machine_event(machine, BH_EVENT_CRASH, BH_PCR_RUNTIME, VAULT, &end, sizeof(end));
        machine->report.next = machine->events;
        machine->domains[VAULT].last = machine->events - 1;
        machine->domains[VAULT].starts = 2;
        machine->domains[VAULT].crashes = 1;
        finish(machine);
        if (wrong == 0)
            only_vault(machine, CODE_C602);
        else
            rejected(machine, CODE_E309);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_that_contradict),
        cmocka_unit_test(ends_that_contradict),
        cmocka_unit_test(a_violation_that_is_not_reported),
        cmocka_unit_test(restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
