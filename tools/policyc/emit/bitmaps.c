/* Intercept words, IOPM and MSRPM: all closed, then named holes are cut. */
#include "internal.h"
#include <string.h>

enum intercept_rule { FLOOR, DEFAULT, DIRECT_OFF, SHADOW, OFF, VIRTUAL_ONLY };

static const struct {
    const char *name;
    uint32_t word, bit;
    enum intercept_rule rule;
} intercepts[] = {
#define INTERCEPT(name, word, bit, rule, text) {#name, BH_INTERCEPT_##word, bit, rule},
#include "tables/intercepts.def"
#undef INTERCEPT
};

static bool names(const struct texts *list, const char *name)
{
    for (unsigned i = 0; i < list->count; i++)
        if (strcmp(list->item[i].value, name) == 0)
            return true;
    return false;
}

static bool is_intercepted(const struct domain *domain, size_t row)
{
    const char *name = intercepts[row].name;

    switch (intercepts[row].rule) {
    case DEFAULT:
        return !names(&domain->no_intercept, name);
    case DIRECT_OFF:
        return domain->interrupts.value != BH_DIRECT || names(&domain->intercept, name);
    case SHADOW:
    case OFF:
    case VIRTUAL_ONLY:
        return names(&domain->intercept, name);
    case FLOOR:
    default:
        return true;
    }
}

void emit_intercepts(struct emission *emission, unsigned domain)
{
    const struct domain *owner = &emission->policy->domain[domain];
    struct bh_domain *row = &emission->domain[domain];

    for (size_t i = 0; i < sizeof(intercepts) / sizeof(intercepts[0]); i++) {
        uint32_t bit = 1u << intercepts[i].bit;

        if (is_intercepted(owner, i))
            row->intercepts[intercepts[i].word] |= bit;
        if (intercepts[i].rule == SHADOW && is_shadowed(owner))
            row->shadow_intercepts[intercepts[i].word] |= bit;
    }
}

static void cut(uint8_t *bitmap, uint32_t bit)
{
    bitmap[bit / 8] &= (uint8_t) ~(1u << bit % 8);
}

/* One bit a port; those behind FFFFh, which a wide access at the end asks for, stay set
 * (APM vol. 2, 15.10.1). */
void emit_iopm(struct emission *emission, unsigned domain)
{
    const struct domain *owner = &emission->policy->domain[domain];
    uint8_t *iopm = emit_pages(emission, BH_IOPM_SIZE / BH_PAGE, &emission->domain[domain].iopm);

    memset(iopm, 0xff, BH_IOPM_SIZE);
    for (unsigned i = 0; i < owner->resource_count; i++) {
        const struct resource *resource = &emission->machine->resource[owner->resource[i]];

        for (unsigned j = 0; j < resource->ports_count; j++)
            for (uint32_t port = resource->ports[j].first; port <= resource->ports[j].last; port++)
                cut(iopm, port);
    }
}

/* Two bits an MSR, read then write; three ranges of 2000h MSRs, 800h bytes each (15.11). */
static void open_msr(uint8_t *msrpm, uint32_t number, bool read, bool write)
{
    static const uint32_t first[] = {0, 0xc0000000, 0xc0010000};

    for (uint32_t i = 0; i < 3; i++) {
        uint32_t bit = (i * 0x2000 + (number - first[i])) * 2;

        if (number < first[i] || number - first[i] >= 0x2000)
            continue;
        if (read)
            cut(msrpm, bit);
        if (write)
            cut(msrpm, bit + 1);
    }
}

enum msr_grant { OPEN, WRITE_OPEN, ALLOW_READ, SHUT };

void emit_msrpm(struct emission *emission, unsigned domain)
{
    static const struct {
        const char *name;
        uint32_t first, last;
        enum msr_grant grant;
    } msrs[] = {
#define MSR(name, first, last, grant, scope, read, write, value, text) {#name, first, last, grant},
#include "tables/msrs.def"
#undef MSR
    };
    const struct texts *allowed = &emission->policy->domain[domain].msrs;
    uint8_t *msrpm = emit_pages(emission, BH_MSRPM_SIZE / BH_PAGE, &emission->domain[domain].msrpm);

    memset(msrpm, 0xff, BH_MSRPM_SIZE);
    for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
        bool read =
            msrs[i].grant == OPEN || (msrs[i].grant == ALLOW_READ && names(allowed, msrs[i].name));
        bool write = msrs[i].grant == OPEN || msrs[i].grant == WRITE_OPEN;

        for (uint32_t number = msrs[i].first; number <= msrs[i].last; number++)
            open_msr(msrpm, number, read, write);
    }
}
