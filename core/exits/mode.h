/*
 * The domain's processor mode: CR0 and EFER as it wrote them, against what its VMCB may hold.
 * While CR0.PG is clear the VMCB's EFER.LME is kept clear, whatever the domain wrote: a CPU
 * that leaves a domain with LME set, PG and PAE clear is not required to survive it (and one
 * emulator doesn't). LME and LMA are set when the domain sets PG (APM vol. 2, 14.6).
 */
#ifndef EXITS_MODE_H
#define EXITS_MODE_H

#include <stdbool.h>

#include "core/svm/svm.h"

/* A WRMSR to EFER; false: #GP(0). */
bool mode_write_efer(struct vcpu *vcpu, uint64_t value);

/* A write of CR0; false: #GP(0). */
bool mode_write_cr0(struct vcpu *vcpu, uint64_t value);

#endif
