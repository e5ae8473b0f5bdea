/* What the verifier's own files share. */
#ifndef POLICYC_VERIFY_INTERNAL_H
#define POLICYC_VERIFY_INTERNAL_H

#include "reader.h"
#include "verify.h"

struct verification {
    struct front *front;
    const struct policy *policy;
    const struct machine *machine;
    const struct reader *image;
    bool has_files;
    unsigned found;
    uint8_t *claimed; /* a byte a page of the image: has it a use? */
    struct reach reach[BH_MAX_DOMAINS];
};

/* The image differs from what is said at `at`. */
void differ(struct verification *v, struct place at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The parts. Each relies on those before it having found nothing. */
void verify_rows(struct verification *v);
void verify_regions(struct verification *v);
void verify_rights(struct verification *v);
void verify_registers(struct verification *v);
void verify_functions(struct verification *v);
void verify_dtes(struct verification *v);
void verify_memory(struct verification *v);
void verify_padding(struct verification *v);
void verify_nevers(struct verification *v);

/* What the policy gives a domain. */
bool owns(const struct domain *domain, unsigned resource);
bool has_dma(const struct verification *v, const struct domain *domain);
uint32_t pins_of(const struct verification *v, const struct domain *domain);

static inline bool within(uint64_t base, uint64_t size, struct extent outer)
{
    return base >= outer.base && size <= outer.size && base - outer.base <= outer.size - size;
}

static inline bool touches(uint64_t base, uint64_t size, uint64_t other, uint64_t other_size)
{
    return base < other + other_size && other < base + size;
}

/* The bits of the image that say whether a domain can use a port. */
bool port_is_open(const struct verification *v, unsigned domain, uint32_t port);

#define LOCAL_APIC 0xfee00000ull

#endif
