/* What a domain's #VMEXITs lead to. Every path resumes it, has it take a fault, or stops it. */
#ifndef EXITS_EXITS_H
#define EXITS_EXITS_H

#include "core/svm/svm.h"

/* Prepares what the domain's vCPUs share. The boot CPU calls it before any of them runs. */
void exits_init_domain(const struct bh_header *image, unsigned index);

/*
 * Prepares what exits of this vCPU look up: its CPUID answers and, for a domain's vCPU 0,
 * which runs before the others do, the domain's virtual devices. The
 * others are left to wait for INIT and SIPI.
 */
void exits_init_vcpu(struct vcpu *vcpu);

/*
 * What svm_run() is to call: at each #VMEXIT of this vCPU, which is exits_handle() or does more,
 * and for what others ask of it.
 */
svm_exit_handler *exits_handler(const struct vcpu *vcpu);
void exits_handle(struct vcpu *vcpu);
void exits_attend(struct vcpu *vcpu);

#endif
