/*
 * Inside core/svm: what core built for checks tells the model of TLB and clean bits
 * (check/model.h). In core as it ships nothing of it remains.
 */
#ifndef SVM_CHECK_H
#define SVM_CHECK_H

#include "core/svm/svm.h"

#ifdef SVM_CHECK
void svm_check_start(void);             /* features and ASIDs are known */
void svm_check_ask(struct vcpu *vcpu);  /* from here on its translations are to be flushed */
void svm_check_void(struct vcpu *vcpu); /* ... and now nothing older may be in use */
#else
static inline void svm_check_start(void)
{
}

static inline void svm_check_ask(struct vcpu *vcpu)
{
    (void)vcpu;
}

static inline void svm_check_void(struct vcpu *vcpu)
{
    (void)vcpu;
}
#endif

#endif
