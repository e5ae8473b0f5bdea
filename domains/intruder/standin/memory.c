/* Every page of the hole, by every way that ring 0 has. */
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"

#define VECTOR_UD 6
#define ROM_BASE  0x000c0000u
#define ROM_SIZE  0x00040000u

struct read {
    uint8_t byte;
    uint16_t word;
    uint32_t dword;
    uint64_t qword;
    int64_t sign_extended;
    uint64_t zero_extended;
};

/* One access of each size, at odd addresses too, and the extending forms of MOV. */
static struct read read_all_forms(uintptr_t at)
{
    struct read r;

    __asm__ volatile("movb 3(%1), %0" : "=q"(r.byte) : "r"(at) : "memory");
    __asm__ volatile("movw 0x7ff(%1), %0" : "=r"(r.word) : "r"(at) : "memory");
    __asm__ volatile("movl 0xffc(%1), %0" : "=r"(r.dword) : "r"(at) : "memory");
    __asm__ volatile("movq (%1), %0" : "=r"(r.qword) : "r"(at) : "memory");
    __asm__ volatile("movsbq 0x100(%1), %0" : "=r"(r.sign_extended) : "r"(at) : "memory");
    __asm__ volatile("movzbl 0x101(%1), %k0" : "=r"(r.zero_extended) : "r"(at) : "memory");
    return r;
}

static bool is_all_ones(const struct read *r)
{
    return r->byte == 0xff && r->word == 0xffff && r->dword == 0xffffffff &&
           r->qword == UINT64_MAX && r->sign_extended == -1 && r->zero_extended == 0xff;
}

/* Calls once for every page of the hole that isn't granted. Returns their number. */
static unsigned each_page(struct report *report, void (*try)(struct report *, uintptr_t))
{
    unsigned pages = 0;

    for (uint64_t gpa = POOL_BASE; gpa < HOLE_END; gpa += PAGE_SIZE) {
        if (is_granted(gpa))
            continue;
        try(report, gpa);
        pages++;
    }
    return pages;
}

static void read_page(struct report *report, uintptr_t gpa)
{
    struct read r = read_all_forms(gpa);

    if (!is_all_ones(&r))
        report_breach(report, "%lx reads %lx", gpa, r.qword);
}

static void foreign_read(struct report *report)
{
    unsigned pages = each_page(report, read_page);

    report_detail(report, "%u pages, 6 forms of MOV: all ones", pages);
}

static void write_page(struct report *report, uintptr_t gpa)
{
    __asm__ volatile("movb %b0, 5(%1)\n\t"
                     "movw %w0, 0x7ff(%1)\n\t"
                     "movl %k0, 0xffc(%1)\n\t"
                     "movq %q0, (%1)\n\t"
                     "movq $-0x1234, 0x80(%1)"
                     :
                     : "q"(attack_pattern()), "r"(gpa)
                     : "memory");
    read_page(report, gpa);
    if (mmio_read64(gpa + 0x80) != UINT64_MAX)
        report_breach(report, "%lx holds what was written", gpa + 0x80);
}

static void foreign_write(struct report *report)
{
    unsigned pages = each_page(report, write_page);

    report_detail(report, "%u pages, 5 forms of MOV: dropped", pages);
}

static void call_page(void *gpa)
{
    __asm__ volatile("call *%0" : : "r"(gpa) : "memory");
}

static void execute_page(struct report *report, uintptr_t gpa)
{
    int vector = flat_try(call_page, (void *)gpa);

    if (vector != VECTOR_UD || flat_fault.rip != gpa)
        report_breach(report, "a call to %lx ended with %d at %lx", gpa, vector, flat_fault.rip);
}

static void foreign_execute(struct report *report)
{
    unsigned pages = each_page(report, execute_page);

    report_detail(report, "%u pages: #UD at the first byte", pages);
}

/* Half of the access is the domain's own. What lies beyond must not come along. */
static void straddle(struct report *report)
{
    volatile uint32_t *below = (volatile uint32_t *)(uintptr_t)(POOL_BASE - 4);
    volatile uint32_t *above = (volatile uint32_t *)(uintptr_t)HOLE_END;
    uint64_t low, high;

    *below = 0x11111111;
    *above = 0x22222222;
    low = mmio_read64(POOL_BASE - 4);
    high = mmio_read64(HOLE_END - 4);
    if (low >> 32 != UINT32_MAX || (uint32_t)high != UINT32_MAX)
        report_breach(report, "8 bytes across the edges read %lx and %lx", low, high);
    mmio_write64(POOL_BASE - 4, 0);
    mmio_write64(HOLE_END - 4, 0);
    if (mmio_read32(POOL_BASE) != UINT32_MAX || mmio_read32(HOLE_END - 4) != UINT32_MAX)
        report_breach(report, "a write across an edge reached the other side");
    report_detail(report, "8 bytes across both edges of the hole bring nothing from inside");
}

/* Firmware's ROM may be read and run; writable, it would be everybody's at the next reset. */
static void rom(struct report *report)
{
    for (uintptr_t gpa = ROM_BASE; gpa < ROM_BASE + ROM_SIZE; gpa += PAGE_SIZE) {
        uint64_t before = mmio_read64(gpa), after;

        mmio_write64(gpa, ~before);
        after = mmio_read64(gpa);
        if (after != before)
            report_breach(report, "%lx was %lx, became %lx", gpa, before, after);
    }
    report_detail(report, "%u pages keep what they hold", ROM_SIZE / PAGE_SIZE);
}

static const struct attack attacks[] = {
    {"foreign-read", foreign_read, "read every page of the hole, all sizes"},
    {"foreign-write", foreign_write, "write every page of the hole, all sizes"},
    {"foreign-execute", foreign_execute, "run every page of the hole"},
    {"straddle", straddle, "accesses that begin inside its memory and end outside"},
    {"rom", rom, "write the firmware's ROM"},
};
const struct subject sweep_memory_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
