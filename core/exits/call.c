/* Hypercalls (bulkhead/abi.h). Every argument is the caller's and untrusted. */
#include "bulkhead/abi.h"

#include "core/audit/audit.h"
#include "core/exits/handlers.h"
#include "core/mm/mm.h"
#include "core/platform/platform.h"
#include "lib/format.h"

/* The n-th channel that the domain is an end of, and which end; NULL if there are fewer. */
static const struct bh_channel *find_channel(const struct vcpu *vcpu, uint64_t n, unsigned *end)
{
    const struct bh_channel *rows = bh_rows(vcpu->image, &vcpu->image->channels);

    for (unsigned i = 0; i < vcpu->image->channels.count; i++) {
        for (*end = 0; *end < 2; (*end)++)
            if (rows[i].end[*end].domain == vcpu->index && n-- == 0)
                return &rows[i];
    }
    return NULL;
}

/* Which of domain `index`'s channels, counted as find_channel() does, is `channel`. */
static unsigned number_of(const struct vcpu *vcpu, const struct bh_channel *channel, uint32_t index)
{
    const struct bh_channel *row = bh_rows(vcpu->image, &vcpu->image->channels);
    unsigned number = 0;

    for (; row != channel; row++)
        number += row->end[0].domain == index || row->end[1].domain == index;
    return number;
}

static int64_t call_version(struct vcpu *vcpu)
{
    (void)vcpu;
    return BH_ABI_VERSION;
}

static int64_t call_channel(struct vcpu *vcpu)
{
    unsigned end;
    const struct bh_channel *channel = find_channel(vcpu, vcpu->gpr[RDI], &end);

    if (!channel)
        return BH_E_ARG;
    vcpu->gpr[RDI] = channel->end[end].gpa;
    vcpu->gpr[RSI] = channel->size;
    vcpu->gpr[RDX] = channel->end[end].rights;
    return BH_OK;
}

/* Tells the vCPU that its domain has chosen for that, if it has. */
static bool ring_by_interrupt(const struct vcpu *any)
{
    uint32_t bell = __atomic_load_n(&any->shared->bell, __ATOMIC_SEQ_CST);

    if (bell)
        exits_ring(svm_vcpu_of(any->index, bell >> 8 & 0xff), bell);
    return bell != 0;
}

static int64_t call_ring(struct vcpu *vcpu)
{
    unsigned end;
    const struct bh_channel *channel = find_channel(vcpu, vcpu->gpr[RDI], &end);
    const struct vcpu *other;
    uint32_t other_index;
    uint64_t bit;

    if (!channel)
        return BH_E_ARG;
    if (!(channel->end[end].rights & BH_CHANNEL_RING))
        return BH_E_DENIED;
    other_index = channel->end[!end].domain;
    other = svm_vcpu_of(other_index, 0);
    if (!other)
        return BH_OK;
    bit = 1ull << number_of(vcpu, channel, other_index);
    if (__atomic_fetch_or(&other->shared->doorbells, bit, __ATOMIC_SEQ_CST) & bit)
        return BH_OK; /* one that already rings need not be woken again */
    if (ring_by_interrupt(other))
        return BH_OK;
    for (unsigned id = 0; id < other->domain->ncores; id++) {
        struct vcpu *sleeper = svm_vcpu_of(other_index, id);

        if (sleeper)
            svm_wake(sleeper);
    }
    return BH_OK;
}

/* Another of the domain's vCPUs may take what rang. */
static bool wait_is_over(struct vcpu *vcpu)
{
    uint64_t rung = __atomic_exchange_n(&vcpu->shared->doorbells, 0, __ATOMIC_ACQ_REL);

    if (!rung && !exits_has_interrupt(vcpu) && !exits_has_requests(vcpu))
        return false;
    if (rung)
        vcpu->gpr[RDI] = rung;
    vcpu->vmcb->rax = (uint64_t)(int64_t)(rung ? BH_OK : BH_E_AGAIN);
    exits_offer(vcpu);
    return true;
}

static int64_t call_wait(struct vcpu *vcpu)
{
    if (vcpu->domain->interrupts != BH_VIRTUAL)
        return BH_E_DENIED;
    if (wait_is_over(vcpu))
        return (int64_t)vcpu->vmcb->rax;
    svm_sleep(vcpu, wait_is_over);
    return BH_OK;
}

/* What rang before it was told by interrupt is told now: whoever rings looks at `bell` last. */
static int64_t call_bell(struct vcpu *vcpu)
{
    uint64_t vector = vcpu->gpr[RDI], way = vcpu->gpr[RSI];
    uint32_t bell;

    if (vcpu->vmcb->cpl != 0) /* a program could hit its own kernel with any vector */
        return BH_E_DENIED;
    if (vector > 0xff || (vector != 0 && vector < BH_BELL_MIN))
        return BH_E_ARG;
    if (way >= BH_BELL_WAYS || (way != BH_BELL_APIC && vcpu->domain->interrupts != BH_DIRECT))
        return BH_E_ARG;
    bell = vector ? (uint32_t)(vector | way << 16) | vcpu->id << 8 : 0;
    __atomic_store_n(&vcpu->shared->bell, bell, __ATOMIC_SEQ_CST);
    if (bell && __atomic_load_n(&vcpu->shared->doorbells, __ATOMIC_SEQ_CST))
        exits_ring(vcpu, bell);
    return BH_OK;
}

static int64_t call_rung(struct vcpu *vcpu)
{
    vcpu->gpr[RDI] = __atomic_exchange_n(&vcpu->shared->doorbells, 0, __ATOMIC_SEQ_CST);
    return BH_OK;
}

static int64_t call_log(struct vcpu *vcpu)
{
    uint64_t gpa = vcpu->gpr[RDI];
    uint64_t size = vcpu->gpr[RSI];
    char prefix[BH_NAME_SIZE + 4];
    char text[BH_LOG_MAX + 1];

    if (!(vcpu->domain->rights & BH_RIGHT_LOG))
        return BH_E_DENIED;
    if (size < 1 || size > BH_LOG_MAX)
        return BH_E_ARG;
    for (uint64_t i = 0; i < size; i++) {
        const volatile char *byte = p2m_ram(vcpu->p2m, gpa + i, 1, false);

        if (!byte)
            return BH_E_ADDRESS;
        text[i] = *byte;
    }
    text[size] = '\0';
    format(prefix, sizeof(prefix), "[%s] ", vcpu->domain->name);
    console_line(prefix, text);
    return BH_OK;
}

/* A domain's programs may be allowed to call core, but not to end the domain under its kernel. */
static int64_t call_stop(struct vcpu *vcpu)
{
    if (vcpu->vmcb->cpl != 0)
        return BH_E_DENIED;
    exits_stop_asked(vcpu);
}

static int64_t (*const calls[BH_CALLS])(struct vcpu *) = {
    [BH_CALL_VERSION] = call_version,
    [BH_CALL_CHANNEL] = call_channel,
    [BH_CALL_RING] = call_ring,
    [BH_CALL_WAIT] = call_wait,
    [BH_CALL_LOG] = call_log,
    [BH_CALL_BELL] = call_bell,
    [BH_CALL_RUNG] = call_rung,
    [BH_CALL_STOP] = call_stop,
    [BH_CALL_ATTEST_START] = call_attest_start,
    [BH_CALL_ATTEST_POLL] = call_attest_poll,
    [BH_CALL_ATTEST_READ] = call_attest_read,
};

static int64_t carry_out(struct vcpu *vcpu)
{
    uint64_t number = vcpu->vmcb->rax - BH_CALL;

    return number < BH_CALLS ? calls[number](vcpu) : BH_E_CALL;
}

static __attribute__((noinline)) void note_error(const struct vcpu *vcpu, int64_t error)
{
    if (error == BH_E_CALL || error == BH_E_DENIED || error == BH_E_ADDRESS)
        audit_violation(vcpu->domain, vcpu->index, VIOLATION_CALL, vcpu->vmcb->rax,
                        vcpu->vmcb->rip);
}

void exit_call(struct vcpu *vcpu)
{
    int64_t result;

    if (vcpu->vmcb->cpl != 0 && !(vcpu->domain->rights & BH_RIGHT_USERCALL)) {
        exit_undefined(vcpu);
        return;
    }
    exits_skip_0f01(vcpu, 0xd9);
    result = carry_out(vcpu);
    if (result < 0)
        note_error(vcpu, result);
    vcpu->vmcb->rax = (uint64_t)result;
}
