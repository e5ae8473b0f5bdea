/* Domains that share a core: what those of one machine tell each other, and how one of them goes
 * through its registers. */
#ifndef TESTS_DOMAINS_SHARE_H
#define TESTS_DOMAINS_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/domains/expect.h"

/* The channel's memory, if there is one. */
struct table {
    volatile uint64_t beats[2]; /* of each: how often it has seen that it has the core */
    volatile uint64_t filled;   /* the early one has its own values in all registers */
    volatile uint64_t asked, answered;
};
extern struct table *table;

/* The CPU has protection keys, which CPUID hides. */
extern bool share_has_keys;

/* Domain `who`, 0 or 1, of two that have the same core. */
void share_state(unsigned who);

/* The other roles: share_turns.c. */
_Noreturn void share_spin_for_ever(void);
_Noreturn void share_exit_for_ever(void);
_Noreturn void share_wake_for_ever(void);
_Noreturn void share_sleep_for_ever(void);
_Noreturn void share_answer_for_ever(void);
_Noreturn void share_beat_for_ever(void);
void share_measure(void);
void share_ask(void);
void share_pass(unsigned who);
void share_stop(void);
void share_crash(void);

/* Domain `who` of two that have the same two cores: share_pair.c. */
void share_pair(unsigned who);
_Noreturn void share_pair_for_ever(void);

#endif
