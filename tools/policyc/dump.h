/* Policy images for people and for programs. */
#ifndef POLICYC_DUMP_H
#define POLICYC_DUMP_H

#include "verify/reader.h"
#include <stdio.h>

void dump_text(const struct reader *reader, FILE *out);

/* One object: header's fields, and arrays of rows with their fields' names; of each domain
 * also `ports`, `msrs_open` and `memory` as read from the hardware's tables. */
void dump_json(const struct reader *reader, FILE *out);

/* The same without what gives nobody anything: the policy's name and version, the files. Two
 * policies that give the same domains the same rights on a machine have one matrix. */
void dump_matrix(const struct reader *reader, FILE *out);

/* What both show of the hardware's tables. Ranges of ports, both ends included. */
struct port_range {
    uint32_t first, last;
};
#define DUMP_RANGES 4096u
unsigned dump_ports(const struct reader *reader, const struct bh_domain *domain,
                    struct port_range *ranges);

/* rights: bit 0 reads, bit 1 writes. */
struct msr_right {
    uint32_t number;
    uint32_t rights;
};
#define DUMP_MSRS (3u * 0x2000u)
unsigned dump_msrs(const struct reader *reader, const struct bh_domain *domain,
                   struct msr_right *rights);

/* NULL, or why the table can't be walked; the spans must be freed. */
const char *dump_memory(const struct reader *reader, const struct bh_domain *domain,
                        struct reach *reach);

/* A printable form of a name from the image, which may hold anything. */
const char *dump_name(const char *name, char text[BH_CMDLINE_SIZE]);

#endif
