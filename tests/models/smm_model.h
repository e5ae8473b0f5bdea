/*
 * A machine with system-management mode for unit tests: CPUs with an SMBASE each, q35's SMRAM
 * register, memory at the two usual places. An SMI does what the handler found there would do, and
 * the model notes when that is neither core's nor the firmware's.
 */
#ifndef MODELS_SMM_MODEL_H
#define MODELS_SMM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define SMM_MODEL_CPUS 16

/* A place of firmware's own, which nobody can reach. */
#define SMM_MODEL_HIDDEN 0x7f000000u

struct smm_model {
    uint32_t cpus;
    uint32_t smbase[SMM_MODEL_CPUS];
    uint8_t apic_id[SMM_MODEL_CPUS];

    bool ignores_relocation; /* RSM doesn't take a new SMBASE */
    bool hides_reset_base;   /* memory at 30000h keeps nothing, as if it were locked away */
    bool lock_is_ignored;    /* by the chipset, as QEMU's pc does */
    bool opens_though_locked;
    bool is_amd_locked; /* HWCR.SMMLOCK */

    uint32_t firmware_ran; /* SMIs that the firmware's handler has seen */
    const char *violation; /* the first thing that must not happen, or NULL */
};
extern struct smm_model smm_model;

/* A q35 with that many CPUs, all with this SMBASE, and this value in its SMRAM register. */
void smm_model_make(uint32_t cpus, uint32_t smbase, uint8_t smram);

/* Another chipset than q35. */
void smm_model_forget_chipset(void);

/* One of the CPUs takes an SMI. */
void smm_model_smi(uint32_t cpu);

/* Value of q35's SMRAM register. */
uint8_t smm_model_register(void);

/* What firmware has at both places, by the offset from SMBASE: no handler of core's. */
uint8_t smm_model_pattern(uint32_t offset);

/* Whether memory at the reset SMBASE is as it was before core came. */
bool smm_model_is_restored(void);

#endif
