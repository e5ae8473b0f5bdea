/* Appraising a made-up machine, and what is expected of the verdict. Each of these but begin and
 * finish fails the test that calls it, and those that end with a verdict of all drop the machine.
 */
#ifndef TESTS_UNIT_ATTEST_VERDICTS_H
#define TESTS_UNIT_ATTEST_VERDICTS_H

#include "testing.h"

#include "fabricate.h"

struct machine *begin(void);
/* All steps from the events on. */
void finish(struct machine *machine);
void drop(struct machine *machine);
/* Rejected by that code alone: nothing is said of any domain. */
void rejected(struct machine *machine, enum code code);
/* So is a machine that is changed before it attests: `change` is of the caller's `machine`. */
#define REJECTED(change, code)     \
    do {                           \
        machine = begin();         \
        change;                    \
        finish(machine);           \
        rejected(machine, (code)); \
    } while (0)
void judged(const struct machine *machine, size_t domain, enum tier tier, enum code code,
            const char *component);
void all_judged(struct machine *machine, enum tier tier, enum code code, const char *component);
void only_vault(struct machine *machine, enum code code);

/* Begun, and an event behind the boot's. Of it the report says only that it was. */
struct machine *happened(enum bh_event_type type, uint32_t domain, const void *body, size_t size);

#endif
