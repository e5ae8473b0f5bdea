/* Every MSR that the permission map has bits for (APM vol. 2, 15.11), against msrs.def. */
#include "bulkhead/image.h"
#include "domains/intruder/standin/standin.h"

#define MSR_TSC 0x10u /* runs on */

enum grant { OPEN, WRITE_OPEN, ALLOW_READ, SHUT };
enum action { GP, CONSTANT, HARDWARE, DROP, EFER, APIC_BASE, PAT, X2APIC };
enum scope { ANY, DIRECT, VIRTUAL };

static const struct row {
    uint32_t first, last;
    enum grant grant;
    enum scope scope;
    enum action read, write;
    uint64_t value;
} rows[] = {
#define MSR(name, first, last, grant, scope, read, write, value, text) \
    {first, last, grant, scope, read, write, value},
#include "tables/msrs.def"
#undef MSR
};

static const struct row closed = {.grant = SHUT, .read = GP, .write = GP};

/* Ranges of the permission map. */
static const uint32_t ranges[][2] = {
    {0x00000000, 0x00001fff}, {0xc0000000, 0xc0001fff}, {0xc0010000, 0xc0011fff}};

static const struct row *find(uint32_t number)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (number >= rows[i].first && number <= rows[i].last)
            return rows[i].scope == VIRTUAL ? &closed : &rows[i]; /* its interrupts are direct */
    return &closed;
}

static void try_read(struct report *report, uint32_t number, const struct row *row)
{
    uint64_t value = 0;
    bool answered = try_read_msr(number, &value);

    if (answered && row->grant != OPEN && row->read == GP)
        report_breach(report, "MSR %x can be read: %lx", number, value);
    if (!answered && (row->grant == OPEN || row->read != GP))
        report_breach(report, "MSR %x can't be read, against its row", number);
    if (answered && row->grant != OPEN && row->read == CONSTANT && value != row->value)
        report_breach(report, "MSR %x reads %lx, not its constant", number, value);
}

/* Writes what changes nothing where it is allowed, and something else where it isn't. */
static void try_write(struct report *report, uint32_t number, const struct row *row)
{
    uint64_t before = 0, after = 0;
    bool readable = try_read_msr(number, &before);
    bool open = row->grant == OPEN || row->grant == WRITE_OPEN || row->write == EFER ||
                row->write == APIC_BASE || row->write == PAT;
    bool taken = try_write_msr(number, open ? before : before ^ 1);

    if (open || row->write == DROP) {
        if (!taken)
            report_breach(report, "MSR %x can't be written, against its row", number);
    } else if (taken) {
        report_breach(report, "MSR %x takes a write", number);
    }
    if (readable && number != MSR_TSC && try_read_msr(number, &after) && after != before)
        report_breach(report, "MSR %x was %lx, became %lx", number, before, after);
}

static void sweep(struct report *report, void (*try)(struct report *, uint32_t, const struct row *))
{
    unsigned tried = 0, with_row = 0;

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        for (uint32_t number = ranges[i][0]; number <= ranges[i][1]; number++) {
            const struct row *row = find(number);

            try(report, number, row);
            tried++;
            with_row += row != &closed;
        }
    }
    report_detail(report, "%u MSRs, %u with a row answer by it, all others #GP", tried, with_row);
}

static void msr_reads(struct report *report)
{
    sweep(report, try_read);
}

static void msr_writes(struct report *report)
{
    sweep(report, try_write);
}

static const struct attack attacks[] = {
    {"msr-reads", msr_reads, "read every MSR of the permission map"},
    {"msr-writes", msr_writes, "write every MSR of the permission map"},
};
const struct subject sweep_msr_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
