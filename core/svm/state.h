/*
 * Inside core/svm: what of a vCPU stays in the CPU while its exits are handled and VMSAVE doesn't
 * move (include/tables/vcpu_state.def), for CPUs that several vCPUs share. All of it is moved when
 * the vCPU changes, nothing later: what the next one doesn't use it can't read either.
 */
#ifndef SVM_STATE_H
#define SVM_STATE_H

#include "core/svm/svm.h"

/* Boot CPU, once: what the CPUs have of it. Fatal if there is no room for it. */
void state_find_features(void);

/* The vCPU will find the values of a first start. It doesn't run yet. */
void state_init_vcpu(const struct vcpu *vcpu);

/* GIF is clear: takes the vCPU's state out of the CPU, which then is another's to enter. */
void state_leave(const struct vcpu *vcpu);
void state_enter(const struct vcpu *vcpu);

/* Between the two: nothing that the one has taught the branch predictors hits the other. */
void state_forget_branches(void);

#endif
