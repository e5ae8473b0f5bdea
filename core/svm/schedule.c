/*
 * Which vCPU a CPU runs: those that have something to do, in turn, each for its domain's slice.
 *
 * A turn begins when a vCPU gets the core, and ends when it sleeps or when the slice is over and
 * another one has something to do. Within it nobody else's timers are looked at and no wake-up
 * takes the core, so that what others do doesn't shorten it. One that has its core alone pays
 * for nothing of this.
 */
#include "core/platform/platform.h"
#include "core/svm/run.h"
#include "core/svm/state.h"

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void svm_set_deadline(struct vcpu *vcpu, uint64_t deadline)
{
    const struct svm_cpu *cpu = &svm_cpus[vcpu->cpu];

    if (deadline == vcpu->deadline)
        return; /* the timer is set for it, or will be before VMRUN */
    vcpu->deadline = deadline;
    if (vcpu == cpu->current && !vcpu->asleep)
        timer_set(earlier(deadline, cpu->others_at));
}

/* For its turn, or to be asked whether its sleep is over. */
static bool is_waiting(const struct vcpu *vcpu)
{
    return !vcpu->asleep || __atomic_load_n(&vcpu->knocked, __ATOMIC_SEQ_CST);
}

void schedule_timer(struct svm_cpu *cpu)
{
    uint64_t soonest = TIMER_NEVER;

    if (!cpu->current->take_interrupts)
        return; /* nor is the timer core's */
    for (unsigned i = 0; i < cpu->count; i++) {
        const struct vcpu *other = cpu->queue[i];

        if (other != cpu->current)
            soonest = earlier(soonest, is_waiting(other) ? 0 : other->deadline);
    }
    cpu->others_at = soonest < cpu->slice_end ? cpu->slice_end : soonest;
    timer_set(earlier(cpu->current->deadline, cpu->others_at));
}

static bool has_work(struct vcpu *vcpu)
{
    if (!vcpu->asleep)
        return true;
    if (!vcpu->asleep(vcpu))
        return false;
    __atomic_store_n(&vcpu->asleep, NULL, __ATOMIC_SEQ_CST);
    return true;
}

/* Whoever knocks from now on is heard, or has been before the sleeper is asked. */
static bool is_due(struct vcpu *vcpu)
{
    bool has_knocked = __atomic_exchange_n(&vcpu->knocked, false, __ATOMIC_SEQ_CST);

    return vcpu->asleep &&
           (has_knocked || (vcpu->deadline != TIMER_NEVER && time_is_over(vcpu->deadline)));
}

static void begin_turn(struct svm_cpu *cpu, const struct vcpu *vcpu)
{
    if (cpu->count > 1)
        cpu->slice_end = time_after(vcpu->domain->slice_us);
}

/*
 * Its place in the queue, or `count` if all sleep. All of them are asked, so that none is missed
 * that has the core next; the current one is the last.
 */
static unsigned choose(struct svm_cpu *cpu)
{
    bool slept = cpu->current->asleep;
    bool is_over = cpu->count > 1 && time_is_over(cpu->slice_end);
    bool was_due = false;
    unsigned chosen = cpu->count;

    for (unsigned i = 1; i <= cpu->count; i++) {
        unsigned place = (cpu->turn + i) % cpu->count;
        struct vcpu *vcpu = cpu->queue[place];

        if (slept || is_over)
            was_due |= is_due(vcpu);
        if (has_work(vcpu) && chosen == cpu->count)
            chosen = place;
    }
    if (chosen == cpu->count)
        return chosen;
    if (!slept && !is_over)
        return cpu->turn;
    /* Who is woken for nothing, again and again, doesn't get at the one that runs more often. */
    if (slept || chosen != cpu->turn || was_due)
        begin_turn(cpu, cpu->queue[chosen]);
    return chosen;
}

/* Until an interrupt. The current vCPU's registers stay in the CPU. */
static void sleep(struct svm_cpu *cpu)
{
    struct vcpu *current = cpu->current;
    uint64_t soonest = TIMER_NEVER;

    if (current->take_interrupts) {
        for (unsigned i = 0; i < cpu->count; i++)
            soonest = earlier(soonest, cpu->queue[i]->deadline);
        timer_set(soonest);
    }
    svm_window(current->vmcb, current->host, true, current->take_interrupts != 0);
    if (current->take_interrupts)
        enable_interrupts();
}

/* Everything that the CPU holds of the one becomes the other's. */
static void change(struct svm_cpu *cpu, struct vcpu *next)
{
    svm_save(cpu->current->vmcb);
    state_leave(cpu->current);
    state_forget_branches();
    __atomic_store_n(&cpu->current, next, __ATOMIC_SEQ_CST); /* before `requests` is looked at */
    state_enter(next);
    svm_load(next->vmcb);
    svm_ask(next, SVM_REQUEST_TURN);
}

struct vcpu *schedule_next(struct svm_cpu *cpu)
{
    unsigned place;

    while ((place = choose(cpu)) == cpu->count)
        sleep(cpu);
    cpu->turn = place;
    if (cpu->queue[place] != cpu->current)
        change(cpu, cpu->queue[place]);
    return cpu->current;
}

void schedule_start(struct svm_cpu *cpu)
{
    state_enter(cpu->current); /* what the firmware has left there is none of the domain's */
    begin_turn(cpu, cpu->current);
}
