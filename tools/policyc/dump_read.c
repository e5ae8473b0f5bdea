/* What dumps show of the hardware's tables. */
#include "dump.h"
#include <stdlib.h>

unsigned dump_ports(const struct reader *reader, const struct bh_domain *domain,
                    struct port_range *ranges)
{
    const uint8_t *iopm = reader_at(reader, domain->iopm, BH_IOPM_SIZE);
    unsigned count = 0;

    for (uint32_t port = 0; iopm != NULL && port < BH_IOPM_SIZE * 8; port++) {
        if ((iopm[port / 8] >> port % 8 & 1) != 0)
            continue;
        if (count != 0 && ranges[count - 1].last + 1 == port)
            ranges[count - 1].last = port;
        else if (count < DUMP_RANGES)
            ranges[count++] = (struct port_range){port, port};
    }
    return count;
}

unsigned dump_msrs(const struct reader *reader, const struct bh_domain *domain,
                   struct msr_right *rights)
{
    static const uint32_t first[] = {0, 0xc0000000, 0xc0010000};
    const uint8_t *msrpm = reader_at(reader, domain->msrpm, BH_MSRPM_SIZE);
    unsigned count = 0;

    for (uint32_t i = 0; msrpm != NULL && i < DUMP_MSRS; i++) {
        uint32_t open = ~((uint32_t)msrpm[i / 4] >> i % 4 * 2) & 3;

        if (open != 0)
            rights[count++] = (struct msr_right){first[i / 0x2000] + i % 0x2000, open};
    }
    return count;
}

const char *dump_memory(const struct reader *reader, const struct bh_domain *domain,
                        struct reach *reach)
{
    uint8_t *claimed = calloc(reader->size / BH_PAGE + 1, 1);
    const char *fault = "there is not enough memory to walk the table";
    uint64_t place;

    *reach = (struct reach){0};
    if (claimed != NULL)
        fault = reader_walk(reader, domain->table, claimed, reach, &place);
    free(claimed);
    return fault;
}

const char *dump_name(const char *name, char text[BH_CMDLINE_SIZE])
{
    size_t i = 0;

    for (; i + 1 < BH_CMDLINE_SIZE && name[i] != 0; i++)
        text[i] = (char)(name[i] < ' ' || name[i] > '~' ? '?' : name[i]);
    text[i] = 0;
    return text;
}
