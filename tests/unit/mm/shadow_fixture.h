/* One guest on shadow tables, for tests of single rules: it maps what a test says, and accesses. */
#ifndef MM_SHADOW_FIXTURE_H
#define MM_SHADOW_FIXTURE_H

#include "core/mm/shadow.h"
#include "hw/npt.h"
#include "models/memory_model.h"
#include "models/mmu_model.h"

/* The domain's memory. All RAM is one piece of machine memory. */
#define TABLES     0x00100000ull
#define TABLE_SIZE 0x00100000ull
#define DATA       0x00400000ull
#define DATA_SIZE  0x00020000ull
#define ROM        0x00800000ull
#define DEVICE     0xfe000000ull
#define UNMAPPED   0x70000000ull

#define KERNEL (PTE_P | PTE_RW | PTE_A | PTE_D)
#define USER   (KERNEL | PTE_US)

struct mode {
    const char *name;
    uint64_t cr0, cr4, efer;
    unsigned levels, bits, entry;
};

extern const struct mode mode_off, mode_legacy, mode_pae, mode_long;
#define PAGED_MODES 3
extern const struct mode *const paged_modes[PAGED_MODES];

struct fixture {
    struct shadow shadow;
    struct shadow_guest g[2]; /* by vCPU */
    uint64_t cr3[2];          /* VMCB.CR3 */
    uint64_t next_table;
    unsigned flushes, faults; /* calls of config.flush and of shadow_fault() */
};

extern struct fixture f;

/* A domain of two vCPUs that have not run yet, with a pool of this size. */
void fixture_start(uint64_t pool_size);

/* A new table's guest-physical address. */
uint64_t new_table(void);

/* A vCPU enters a mode with an empty topmost table, or with that at `cr3`. */
void enter(unsigned vcpu, const struct mode *mode);
void enter_at(unsigned vcpu, const struct mode *mode, uint64_t cr3);

/* A vCPU loads CR3 as it is: all that it has changed holds. */
void reload(unsigned vcpu);

/* The entry for `linear` at `level` of the vCPU's tables, which are made as needed. */
uint64_t entry_at(unsigned vcpu, const struct mode *mode, uint64_t linear, unsigned level);
void map(unsigned vcpu, const struct mode *mode, uint64_t linear, uint64_t entry, unsigned level);

/* Past core, as a device does it. */
void put(uint64_t gpa, uint64_t value, unsigned size);
uint64_t get(uint64_t gpa, unsigned size);

/* An access until it passes or the guest has to do something; how it ends without core. */
struct mmu_result reach(unsigned vcpu, uint64_t linear, uint32_t access);
struct mmu_result try_once(unsigned vcpu, uint64_t linear, uint32_t access);

void assert_reaches(unsigned vcpu, uint64_t linear, uint32_t access, uint64_t gpa);
void assert_faults(unsigned vcpu, uint64_t linear, uint32_t access, uint32_t error);
void assert_denied(unsigned vcpu, uint64_t linear, uint32_t access, uint64_t gpa);

/* The vCPU stores at `linear`, by what its own tables map there. */
void guest_put(unsigned vcpu, uint64_t linear, uint64_t value, unsigned size);

#endif
