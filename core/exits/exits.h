/* What a domain's #VMEXITs lead to. Every path resumes it, has it take a fault, or stops it. */
#ifndef EXITS_EXITS_H
#define EXITS_EXITS_H

#include "core/svm/svm.h"

/* Prepares what exits of this domain look up: its CPUID answers, its virtual PCI and APIC state. */
void exits_init_domain(struct vcpu *vcpu);

/* Answers one #VMEXIT; the handler for svm_run(). */
void exits_handle(struct vcpu *vcpu);

#endif
