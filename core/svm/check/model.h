/*
 * A model of what a CPU may hold on to between runs: translations by ASID (APM vol. 2, 15.16)
 * and VMCB fields by clean bit (15.15). It forgets nothing that a CPU might still have, and so
 * finds mistakes that a CPU which caches less, or an emulator that caches nothing, lets pass.
 * Pure: core built for checks (`make core-check`) and unit tests both ask it.
 */
#ifndef SVM_CHECK_MODEL_H
#define SVM_CHECK_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/image.h"
#include "hw/svm.h"

#define CHECK_ASIDS 16u /* ASIDs that it has room for; a core that is checked uses no more */

/* The parts of a VMCB that have fields. */
#define CHECK_CONTROL 0x100u
#define CHECK_SAVE    0x400u
#define CHECK_END     0x670u

struct check_vcpu {
    bool ran;
    unsigned cpu;                                                 /* where it ran last */
    uint8_t control[CHECK_CONTROL], save[CHECK_END - CHECK_SAVE]; /* its VMCB after that run */
    uint8_t tlb_control;                                          /* in that run */
    uint32_t asid;                                                /* in that run */
    uint64_t asked;       /* when a flush was last asked for; atomic */
    uint64_t stale;       /* translations from before that mustn't be used any more; atomic */
    uint64_t oldest_used; /* in its last run: the moment of the oldest that it could use */
};

struct check_model {
    uint32_t features; /* SVM_FEATURE_* */
    uint32_t asid_count;
    uint64_t moment;             /* moves on with each entry and each event; atomic */
    unsigned last[BH_MAX_CORES]; /* slot + 1 of the vCPU that the CPU ran last, 0: none */
    struct check_vcpu vcpu[BH_MAX_VCPUS];
    struct {
        bool is_used;
        unsigned slot;   /* of the vCPU whose translations may be there */
        uint64_t oldest; /* since when */
    } tag[BH_MAX_CORES][CHECK_ASIDS];
};

/* The vCPU in that slot is about to run on that CPU. NULL, or the rule that this breaks. */
const char *check_enter(struct check_model *model, unsigned cpu, unsigned slot,
                        const struct vmcb *vmcb);

/* It has run. */
void check_leave(struct check_model *model, unsigned slot, const struct vmcb *vmcb);

/* A flush of what the vCPU has cached is asked for now; returns the moment. */
uint64_t check_ask(struct check_model *model, unsigned slot);

/*
 * What was cached before `moment` must not be used any more. If the vCPU runs just now, with older
 * translations, that is the rule that is broken.
 */
const char *check_void(struct check_model *model, unsigned slot, uint64_t moment, bool is_running);

/* The rule of VMRUN's consistency checks (15.5.1, 15.20, 15.25.3) that a VMCB breaks, or NULL. */
const char *check_vmcb(const struct vmcb *vmcb);

#endif
