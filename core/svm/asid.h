/*
 * ASIDs: which of a CPU's cached translations a vCPU may use (APM vol. 2, 15.16).
 *
 * Each CPU hands out its ASIDs in turn. When they are used up it flushes all and begins a new
 * generation, in which nothing that was handed out before is valid. So an ASID never comes to
 * a vCPU while translations of another, or of itself from before a flush, may be cached under it.
 */
#ifndef SVM_ASID_H
#define SVM_ASID_H

#include <stdbool.h>
#include <stdint.h>

/* Of one CPU, which owns it. All zero at first: no generation has begun. */
struct asid_pool {
    uint64_t generation;
    uint32_t next;
};

/* Of one vCPU. Generation 0 never was: all zero means none. */
struct asid {
    uint64_t generation;
    uint32_t cpu;
    uint32_t number;
};

/*
 * For a vCPU that is about to run on CPU `cpu`: gives it an ASID unless it has a valid one.
 * With `flush` it won't see translations that were cached before. Returns what TLB_CONTROL must
 * be in that run, and in that run alone.
 */
uint8_t asid_enter(struct asid_pool *pool, unsigned cpu, struct asid *asid, bool flush);

/* A VMRUN failed, so what TLB_CONTROL asked for may not have happened: all ASIDs are void. */
void asid_distrust(struct asid_pool *pool);

#endif
