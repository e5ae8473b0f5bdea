/* Hypercalls by which a domain gets evidence (bulkhead/evidence.h). */
#include "core/attest/quote.h"
#include "core/exits/handlers.h"
#include "core/mm/mm.h"
#include "hw/x86.h"
#include "lib/memory.h"

/* One call, with its arguments in core's memory, as svm_with_host() can pass it on. */
struct attest_call {
    unsigned index;
    struct bh_attest_request request;
    uint64_t offset, value;
    void *to;
    uint64_t size;
    enum bh_result result;
};

static bool may_attest(const struct vcpu *vcpu)
{
    return vcpu->domain->rights & BH_RIGHT_ATTEST;
}

/* How much of `size` bytes at `gpa` lies in the first page. */
static uint64_t in_first_page(uint64_t gpa, uint64_t size)
{
    uint64_t room = PAGE_SIZE - gpa % PAGE_SIZE;

    return size < room ? size : room;
}

static void start(void *argument)
{
    struct attest_call *call = argument;

    call->result = quote_start(call->index, &call->request);
}

int64_t call_attest_start(struct vcpu *vcpu)
{
    struct attest_call call = {.index = vcpu->index};
    uint64_t gpa = vcpu->gpr[RDI], size = vcpu->gpr[RSI], first;
    const void *at;

    if (!may_attest(vcpu))
        return BH_E_DENIED;
    if (size != sizeof(call.request))
        return BH_E_ARG;
    first = in_first_page(gpa, size);
    if (!(at = p2m_ram(vcpu->p2m, gpa, first, false)))
        return BH_E_ADDRESS;
    memcpy(&call.request, at, first);
    if (first < size) {
        if (!(at = p2m_ram(vcpu->p2m, gpa + first, size - first, false)))
            return BH_E_ADDRESS;
        memcpy((uint8_t *)&call.request + first, at, size - first);
    }
    svm_with_host(vcpu, start, &call);
    return call.result;
}

static void poll(void *argument)
{
    struct attest_call *call = argument;

    call->result = quote_poll(call->index, &call->value);
}

int64_t call_attest_poll(struct vcpu *vcpu)
{
    struct attest_call call = {.index = vcpu->index};

    if (!may_attest(vcpu))
        return BH_E_DENIED;
    svm_with_host(vcpu, poll, &call);
    if (call.result == BH_OK)
        vcpu->gpr[RDI] = call.value;
    return call.result;
}

static void read(void *argument)
{
    struct attest_call *call = argument;

    call->result = quote_read(call->index, call->offset, call->to, call->size, &call->value);
}

/* Into at most two pages. What the first got stays there if the second gets nothing. */
int64_t call_attest_read(struct vcpu *vcpu)
{
    uint64_t gpa = vcpu->gpr[RDI], size = vcpu->gpr[RSI], copied = 0;

    if (!may_attest(vcpu))
        return BH_E_DENIED;
    if (size < 1 || size > BH_READ_MAX)
        return BH_E_ARG;
    while (copied < size) {
        struct attest_call call = {.index = vcpu->index,
                                   .offset = vcpu->gpr[RDX] + copied,
                                   .size = in_first_page(gpa + copied, size - copied)};

        call.to = p2m_ram(vcpu->p2m, gpa + copied, call.size, true);
        if (!call.to)
            return BH_E_ADDRESS;
        svm_with_host(vcpu, read, &call);
        if (call.result != BH_OK && copied == 0)
            return call.result;
        if (call.result != BH_OK)
            break;
        copied += call.value;
        if (call.value < call.size)
            break;
    }
    vcpu->gpr[RDI] = copied;
    return BH_OK;
}
