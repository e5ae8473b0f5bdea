/* The model in core built for checks: it looks on at each VMRUN and stops the machine. */
#include "core/platform/platform.h"
#include "core/svm/check.h"
#include "core/svm/check/model.h"

/* So few that generations end often. */
#define ASIDS 4u

/* A vCPU's part is written by its CPU; what others write is atomic. */
static struct check_model model;
static uint64_t asked[BH_MAX_VCPUS];
static bool is_inside[BH_MAX_VCPUS]; /* its domain, as far as the model was told */

void svm_check_entry(struct vcpu *vcpu);
void svm_check_exit(struct vcpu *vcpu);

static void expect(const struct vcpu *vcpu, const char *broken)
{
    if (broken)
        fatal("world switch: %s, vCPU %u on CPU %u: %s. This is a bug in core: report it",
              vcpu->domain->name, vcpu->id, vcpu->cpu, broken);
}

void svm_check_start(void)
{
    if (svm_asid_count > ASIDS)
        svm_asid_count = ASIDS;
    model.features = svm_features;
    model.asid_count = svm_asid_count;
    print("world switch: checked at each VMRUN, %u ASIDs", svm_asid_count);
}

void svm_check_entry(struct vcpu *vcpu)
{
    expect(vcpu, check_enter(&model, vcpu->cpu, vcpu->slot, vcpu->vmcb));
    __atomic_store_n(&is_inside[vcpu->slot], true, __ATOMIC_SEQ_CST);
}

void svm_check_exit(struct vcpu *vcpu)
{
    __atomic_store_n(&is_inside[vcpu->slot], false, __ATOMIC_SEQ_CST);
    check_leave(&model, vcpu->slot, vcpu->vmcb);
}

void svm_check_ask(struct vcpu *vcpu)
{
    __atomic_store_n(&asked[vcpu->slot], check_ask(&model, vcpu->slot), __ATOMIC_SEQ_CST);
}

void svm_check_void(struct vcpu *vcpu)
{
    /* One that is on its way in the model asks as it enters; one on its way out is out. */
    uint32_t turns = __atomic_load_n(&vcpu->turns, __ATOMIC_SEQ_CST);
    bool is_running = (turns & 1) && __atomic_load_n(&is_inside[vcpu->slot], __ATOMIC_SEQ_CST) &&
                      __atomic_load_n(&vcpu->turns, __ATOMIC_SEQ_CST) == turns;

    expect(vcpu, check_void(&model, vcpu->slot,
                            __atomic_load_n(&asked[vcpu->slot], __ATOMIC_SEQ_CST), is_running));
}
