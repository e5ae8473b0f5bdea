#include "internal.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FOUND 32u /* enough to see what is going on */

void differ(struct verification *v, struct place at, const char *format, ...)
{
    char text[256];
    va_list arguments;

    if (v->found++ >= MAX_FOUND)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    report(v->front, CHECK_image_differs, at, text, NULL);
}

bool owns(const struct domain *domain, unsigned resource)
{
    for (unsigned i = 0; i < domain->resource_count; i++)
        if (domain->resource[i] == resource)
            return true;
    return false;
}

bool has_dma(const struct verification *v, const struct domain *domain)
{
    for (unsigned i = 0; i < v->machine->resource_count; i++)
        if (v->machine->resource[i].pci.at.line != 0 && owns(domain, i))
            return true;
    return false;
}

uint32_t pins_of(const struct verification *v, const struct domain *domain)
{
    uint32_t pins = 0;

    for (unsigned i = 0; i < v->machine->resource_count; i++)
        if (owns(domain, i))
            pins |= v->machine->resource[i].pins;
    return pins;
}

/* Each domain's table and bitmaps are its own, and no page of the image has two uses. */
static void claim(struct verification *v)
{
    for (unsigned i = 0; i < v->policy->domain_count; i++) {
        const struct bh_domain *row = &v->image->domain[i];
        struct place at = v->policy->domain[i].name.at;
        uint64_t place;
        const char *fault;

        if (!reader_claim(v->image, v->claimed, row->iopm, BH_IOPM_SIZE))
            differ(v, at, "%s's IOPM is not pages of its own", row->name);
        if (!reader_claim(v->image, v->claimed, row->msrpm, BH_MSRPM_SIZE))
            differ(v, at, "%s's MSRPM is not pages of its own", row->name);
        fault = reader_walk(v->image, row->table, v->claimed, &v->reach[i], &place);
        if (fault != NULL)
            differ(v, at, "%s's table: %s (at 0x%llx)", row->name, fault,
                   (unsigned long long)place);
    }
}

static void verify_all(struct verification *v)
{
    static void (*const parts[])(struct verification *) = {
        verify_rows,      verify_regions, claim,         verify_rights,  verify_registers,
        verify_functions, verify_dtes,    verify_memory, verify_padding, verify_nevers,
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && v->found == 0; i++)
        parts[i](v);
}

bool verify_image(struct front *front, const void *bytes, size_t size, bool has_files)
{
    struct reader reader;
    struct verification v = {.front = front,
                             .policy = &front->policy,
                             .machine = &front->machine,
                             .image = &reader,
                             .has_files = has_files};
    unsigned before = front->errors;
    const char *fault = reader_open(&reader, bytes, size);

    if (fault != NULL)
        return report(front, CHECK_image_unreadable, front->policy.name.at, fault, NULL);
    v.claimed = front_alloc(front, size / BH_PAGE + 1);
    verify_all(&v);
    for (unsigned i = 0; i < BH_MAX_DOMAINS; i++)
        free(v.reach[i].span);
    return front->errors == before;
}
