/*
 * Roles of domains that share a core: some that would have more of it than their turns, and one
 * that measures what is left for it.
 */
#include "domains/lib/call.h"
#include "domains/lib/cpu.h"
#include "hw/apic.h"
#include "tests/domains/share.h"
#include "tests/domains/x2apic.h"

#define PERIODIC 0x20000u
#define BY_ONE   0xbu
#define SHORTEST 0x8000u /* of the periods that core lets a timer have */

/* Ticks of the TSC, which counts instructions where this is run. */
#define MEASURED  40000000u /* how long that goes on */
#define AWAY      400u      /* from one look at the TSC to the next: something came in between */
#define BEAT      3000000u
#define QUESTIONS 30u
#define PASSES    50u

_Noreturn void share_spin_for_ever(void)
{
    for (;;)
        ;
}

_Noreturn void share_exit_for_ever(void)
{
    for (;;)
        cpuid(0, 0);
}

static void start_timer(void)
{
    write_msr(SVR, 0x1ff);
    write_msr(DIVIDE, BY_ONE);
    write_msr(LVT_TIMER, PERIODIC | 0x40);
    write_msr(COUNT, SHORTEST);
}

/* Sleeps, and is woken as often as can be. */
_Noreturn void share_wake_for_ever(void)
{
    start_timer();
    for (;;) {
        __asm__ volatile("sti; hlt; cli" : : : "memory");
        write_msr(EOI, 0);
    }
}

/* Its timer comes as often, but it doesn't listen. */
_Noreturn void share_sleep_for_ever(void)
{
    start_timer();
    for (;;)
        __asm__ volatile("cli; hlt" : : : "memory");
}

/* How long it ran and was away at a time. Both ends are cut off: they aren't whole. */
void share_measure(void)
{
    uint64_t shortest = UINT64_MAX, longest_away = 0, turns = 0;
    uint64_t start = read_tsc(), begin = 0, last = start, now;

    while (last - start < MEASURED) {
        now = read_tsc();
        if (now - last > AWAY) {
            if (begin != 0 && last - begin < shortest)
                shortest = last - begin;
            if (begin != 0 && now - last > longest_away)
                longest_away = now - last;
            turns += begin != 0;
            begin = now;
        }
        last = now;
    }
    if (turns == 0)
        shortest = 0;
    flat_print("%lu turns, the shortest %lu, away %lu at most", turns, shortest, longest_away);
}

/* Asks and is answered by doorbell, and tells how long that took. */
void share_ask(void)
{
    uint64_t longest = 0, shortest = UINT64_MAX;

    for (unsigned i = 1; i <= QUESTIONS; i++) {
        uint64_t start = read_tsc(), time;

        table->asked = i;
        EXPECT(bh_call(BH_CALL_RING, 0, 0, 0).result == BH_OK);
        while (table->answered != i)
            bh_call(BH_CALL_WAIT, 0, 0, 0);
        time = read_tsc() - start;
        longest = time > longest ? time : longest;
        shortest = time < shortest ? time : shortest;
    }
    flat_print("the shortest after %lu", shortest);
    flat_print("%u answers, the longest after %lu", QUESTIONS, longest);
}

_Noreturn void share_answer_for_ever(void)
{
    for (;;) {
        bh_call(BH_CALL_WAIT, 0, 0, 0);
        table->answered = table->asked;
        bh_call(BH_CALL_RING, 0, 0, 0);
    }
}

/* What one has passed on the other passes back. Who waits for it spins with PAUSE. */
void share_pass(unsigned who)
{
    uint64_t start = read_tsc();

    for (unsigned i = 0; i < PASSES; i++) {
        while (table->asked % 2 != who)
            __asm__ volatile("pause" : : : "memory");
        table->asked++;
    }
    if (who == 1)
        flat_print("%u passes in %lu", 2 * PASSES, read_tsc() - start);
}

/* Tells that it is still there. */
_Noreturn void share_beat_for_ever(void)
{
    for (uint64_t last = read_tsc();;)
        if (read_tsc() - last > BEAT) {
            last = read_tsc();
            flat_print("beat");
        }
}

static void wait(void)
{
    uint64_t start = read_tsc();

    while (read_tsc() - start < 2 * (uint64_t)BEAT)
        ;
}

void share_stop(void)
{
    wait();
    flat_print("ends now");
}

void share_crash(void)
{
    struct table_pointer none = {0, 0};

    wait();
    flat_print("ends now");
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
}
