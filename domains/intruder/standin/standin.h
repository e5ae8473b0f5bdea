/*
 * The stand-in: an untrusted primary without an operating system, in ring 0, that tries what
 * Linux can't. It is told what to do on COM2.
 */
#ifndef DOMAINS_INTRUDER_STANDIN_STANDIN_H
#define DOMAINS_INTRUDER_STANDIN_STANDIN_H

#include <stdbool.h>
#include <stdint.h>

#include "domains/intruder/attacks/attack.h"

/* Attacks that only ring 0 can try; one file a subject. */
extern const struct subject sweep_memory_attacks, sweep_port_attacks, sweep_msr_attacks,
    instruction_attacks, call_attacks, mode_attacks, interrupt_attacks, dma_attacks, msi_attacks,
    smm_attacks, state_attacks, evidence_attacks;

/* Attacks after which this domain is stopped: core's console tells the end. */
extern const struct subject fatal_attacks;

/* The same of a domain with two cores, for which alone they are: not part of `all`. */
extern const struct subject cores_attacks, cores_ends;

/* One of them, by devices of its own: msi.c. */
void msi_of_cores(struct report *report);

/* Does what the intercept of that name is for, and prints the outcome. */
void probe_named(const char *name);

/* Raises #DB without end; ends this domain when its timer interrupts that. */
void endless_debug(void);

/* Finds and maps the channel to vault. False if there is none. */
bool victim_find(void);

/* Asks vault whether it is intact; anything but yes is a breach. */
void victim_check(struct report *report);

/* The channel, which is this domain's although others' memory lies around it. */
uint64_t victim_channel(void);
uint64_t victim_channel_size(void);

/* Waits while `done` says no, for at most WAIT_TICKS of the TSC. False: it never said yes. */
#define WAIT_TICKS 60000000000ull
bool wait_until(bool (*done)(void *), void *argument);

/* Lets pending interrupts in for a moment, acknowledges them, and shuts them out again. */
void let_interrupts_in(void);

/* Whether the memory holds a word of vault's canary page. */
bool holds_canary(const volatile void *memory, unsigned bytes);

#endif
