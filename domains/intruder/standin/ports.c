/* All 65,536 ports, against what the policy grants: COM2, PIT, PIC; PCI is virtual. */
#include "domains/intruder/standin/standin.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"
#include "lib/memory.h"

#define VECTOR_GP 13
#define PORTS     0x10000u

/* Devices of tests/machine/standin.policy, as the machine description has them. */
static const struct {
    uint16_t first, last;
} granted[] = {{0x20, 0x21}, {0x40, 0x43}, {0x61, 0x61}, {0xa0, 0xa1}, {0x2f8, 0x2ff}};

/* Virtual: a 4-byte access of CF8h, any inside CFCh-CFFh. */
static bool is_virtual(uint32_t port, unsigned size)
{
    return (port == 0xcf8 && size == 4) || (port >= 0xcfc && port + size <= 0xd00);
}

/* Allowed is what lies in granted ports with all its bytes. */
static bool is_allowed(uint32_t port, unsigned size)
{
    for (size_t i = 0; i < sizeof(granted) / sizeof(granted[0]); i++)
        if (port >= granted[i].first && port + size - 1 <= granted[i].last)
            return true;
    return is_virtual(port, size);
}

static uint32_t in(uint16_t port, unsigned size)
{
    return size == 1 ? in8(port) : size == 2 ? in16(port) : in32(port);
}

static void out(uint16_t port, unsigned size, uint32_t value)
{
    if (size == 1)
        out8(port, (uint8_t)value);
    else if (size == 2)
        out16(port, (uint16_t)value);
    else
        out32(port, value);
}

static void port_reads(struct report *report)
{
    unsigned tried = 0;

    for (unsigned size = 1; size <= 4; size *= 2) {
        uint32_t ones = size == 4 ? UINT32_MAX : (1u << 8 * size) - 1;

        for (uint32_t port = 0; port < PORTS; port++) {
            uint32_t value;

            if (is_allowed(port, size))
                continue;
            value = in((uint16_t)port, size);
            tried++;
            if (value != ones)
                report_breach(report, "port %x, %u bytes, reads %x", port, size, value);
        }
    }
    report_detail(report, "%u reads of 1, 2 and 4 bytes: all ones", tried);
}

/* That core lives and nothing was reset is what the next lines on the console show. */
static void port_writes(struct report *report)
{
    unsigned tried = 0;

    for (unsigned size = 1; size <= 4; size *= 2) {
        for (uint32_t port = 0; port < PORTS; port++) {
            if (is_allowed(port, size))
                continue;
            out((uint16_t)port, size, 0xfefefefe);
            out((uint16_t)port, size, 0x06060606);
            tried += 2;
        }
    }
    report_detail(report, "%u writes of 1, 2 and 4 bytes: dropped", tried);
}

struct string_access {
    uint16_t port;
    unsigned size;
    bool write;
    uint8_t *memory;
};

static void string_access(void *argument)
{
    struct string_access *a = argument;
    uint8_t *memory = a->memory;
    uint64_t count = 2;

#define REP(instruction)                            \
    __asm__ volatile("rep " instruction             \
                     : "+D"(memory), "+c"(count)    \
                     : "d"(a->port), "S"(a->memory) \
                     : "memory", "cc")
    if (a->write && a->size == 1)
        REP("outsb");
    else if (a->write && a->size == 2)
        REP("outsw");
    else if (a->write)
        REP("outsl");
    else if (a->size == 1)
        REP("insb");
    else if (a->size == 2)
        REP("insw");
    else
        REP("insl");
#undef REP
}

/* String forms carry an address that core would have to walk: they are refused whole. */
static void string_ports(struct report *report)
{
    static const uint16_t ports[] = {0x60,  0x64,  0x70,  0x92,  0xb2,  0x300,
                                     0x3f8, 0x511, 0x604, 0xcf9, 0xffff};
    static uint8_t memory[16];
    unsigned tried = 0;

    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        for (unsigned form = 0; form < 6; form++) {
            struct string_access a = {ports[i], 1u << form / 2, form & 1, memory};
            int vector;

            memset(memory, 0x5a, sizeof(memory));
            vector = flat_try(string_access, &a);
            tried++;
            if (vector != VECTOR_GP)
                report_breach(report, "%s at port %x ended with %d", a.write ? "OUTS" : "INS",
                              a.port, vector);
            for (unsigned n = 0; n < sizeof(memory); n++)
                if (memory[n] != 0x5a)
                    report_breach(report, "INS at port %x wrote memory", a.port);
        }
    }
    report_detail(report, "%u string accesses: #GP", tried);
}

static const struct attack attacks[] = {
    {"port-reads", port_reads, "read every port that isn't granted"},
    {"port-writes", port_writes, "write every port that isn't granted"},
    {"port-strings", string_ports, "INS and OUTS on ports that aren't granted"},
};
const struct subject sweep_port_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
