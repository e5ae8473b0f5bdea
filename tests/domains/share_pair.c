/* A domain with two vCPUs, the second of which is on a core that is another one's first. */
#include "domains/lib/cpu.h"
#include "hw/apic.h"
#include "lib/memory.h"
#include "tests/domains/share.h"
#include "tests/domains/share_second.h"
#include "tests/domains/x2apic.h"

#define IPIS     100u
#define PATIENCE 400000000000ull /* of the TSC: minutes, far more than any of it takes */

extern const uint8_t share_second_begin[], share_second_end[];

static volatile uint32_t *word(uintptr_t address)
{
    __asm__("" : "+r"(address)); /* the compiler takes low addresses for NULL's neighbours */
    return (volatile uint32_t *)address;
}

static void await(uintptr_t address, uint32_t value, const char *what)
{
    uint64_t start = read_tsc();

    while (*word(address) != value)
        if (read_tsc() - start > PATIENCE) {
            flat_print("FAILED: %s %u, not %u", what, *word(address), value);
            flat_stop();
        }
}

static void send(uint32_t low)
{
    write_msr(ICR, 1ull << 32 | low);
}

static void start_second(void)
{
    memcpy((void *)word(SHARE_SECOND), share_second_begin,
           (size_t)(share_second_end - share_second_begin));
    *word(SHARE_SECOND_STARTS) = *word(SHARE_SECOND_TAKEN) = 0;
    send(APIC_ICR_INIT | APIC_ICR_ASSERT);
    send(APIC_ICR_STARTUP | APIC_ICR_ASSERT | SHARE_SECOND >> 12);
    await(SHARE_SECOND_STARTS, 1, "starts");
}

/* Each wakes it. */
static void wake_second(unsigned round)
{
    for (uint32_t i = 1; i <= IPIS; i++) {
        send(SHARE_SECOND_VECTOR);
        await(SHARE_SECOND_TAKEN, round * IPIS + i, "interrupts taken");
    }
}

void share_pair(unsigned who)
{
    start_second();
    wake_second(0);
    flat_print("its second core has taken %u interrupts", IPIS);
    table->beats[who] = 1;
    while (!table->beats[!who]) /* both end at once, or neither does */
        ;
}

_Noreturn void share_pair_for_ever(void)
{
    share_pair(1);
    for (unsigned round = 1;; round++) {
        wake_second(round);
        flat_print("beat");
    }
}
