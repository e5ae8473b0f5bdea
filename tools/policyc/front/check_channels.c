/* Channels: who their ends are, and whether their addresses can be what the policy says. */
#include "internal.h"

#define HIGHEST_GPA 0xfec00000u /* below IOAPIC and local APIC */

static const char *suggest_domain(struct front *front, const char *written)
{
    const char *names[BH_MAX_DOMAINS + 1];
    unsigned count = front->policy.domain_count;

    for (unsigned i = 0; i < count; i++)
        names[i] = front->policy.domain[i].name.value;
    names[count] = NULL;
    return suggest(front, written, names);
}

static bool has_dma(const struct front *front, const struct domain *domain)
{
    for (unsigned i = 0; i < domain->resource_count; i++)
        if (front->machine.resource[domain->resource[i]].pci.at.line != 0)
            return true;
    return false;
}

static void check_address(struct front *front, const struct channel *channel,
                          const struct channel_end *end)
{
    const struct domain *domain = &front->policy.domain[end->domain];
    const struct extent *pool = &front->machine.pool;
    uint64_t at = end->at.value, size = channel->size.value;
    const char *fault = NULL;

    if (at % BH_PAGE != 0)
        fault = "it is not the start of a page";
    else if (domain->kind.value == BH_PRIMARY && !inside(at, size, pool->base, pool->size))
        fault = "a primary sees it where it lies, and this is outside of the machine's pool";
    else if (domain->kind.value == BH_MICROVM && at < domain->memory.value)
        fault = "the domain's own memory is there";
    else if (domain->kind.value == BH_MICROVM && !inside(at, size, 0, HIGHEST_GPA))
        fault = "it reaches 0xfec00000 or more";
    if (fault != NULL)
        report(front, CHECK_channel_place, end->at.at,
               front_format(front, "%llx", (unsigned long long)at), end->name.value,
               channel->name.value, fault, NULL);
}

static void check_end(struct front *front, const struct channel *channel, struct channel_end *end)
{
    int domain = find_domain(&front->policy, end->name.value);

    if ((end->rights & BH_CHANNEL_READ) == 0)
        report(front, CHECK_channel_rights, end->rights_at, end->name.value, NULL);
    if (domain < 0) {
        report(front, CHECK_channel_domain, end->name.at, end->name.value,
               suggest_domain(front, end->name.value), NULL);
        return;
    }
    end->domain = (unsigned)domain;
    if (end->dma.line != 0 && !has_dma(front, &front->policy.domain[domain]))
        report(front, CHECK_channel_dma, end->dma, end->name.value, NULL);
    if (end->at.at.line != 0)
        check_address(front, channel, end);
}

static void check_channel(struct front *front, struct channel *channel)
{
    if (channel->size.at.line == 0 && !front->is_incomplete)
        report(front, CHECK_missing, channel->name.at, channel->name.value, "size",
               "one, like `size 64 KiB`", NULL);
    if (channel->size.at.line == 0)
        return;
    if (channel->size.value == 0 || channel->size.value % BH_PAGE != 0)
        report(front, CHECK_memory_size, channel->size.at, "this", NULL);
    for (unsigned i = 0; i < channel->end_count; i++)
        check_end(front, channel, &channel->end[i]);
    if (channel->end_count < 2 && !front->is_incomplete)
        report(front, CHECK_channel_ends, channel->name.at, channel->name.value, NULL);
    if (channel->end_count < 2)
        return;
    if (channel->surplus.line != 0)
        report(front, CHECK_channel_ends, channel->surplus, channel->name.value, NULL);
    else if (find_domain(&front->policy, channel->end[0].name.value) ==
             find_domain(&front->policy, channel->end[1].name.value))
        report(front, CHECK_channel_ends, channel->end[1].name.at, channel->name.value, NULL);
    else if (((channel->end[0].rights | channel->end[1].rights) & BH_CHANNEL_WRITE) == 0)
        report(front, CHECK_channel_useless, channel->name.at, channel->name.value, NULL);
}

/* Two channels that a domain sees at the same address. */
static void check_two(struct front *front, const struct channel *a, const struct channel *b)
{
    for (unsigned i = 0; i < a->end_count; i++)
        for (unsigned j = 0; j < b->end_count; j++) {
            const struct channel_end *first = &b->end[j], *second = &a->end[i];

            if (first->at.at.line == 0 || second->at.at.line == 0 ||
                first->domain != second->domain ||
                !overlap(first->at.value, b->size.value, second->at.value, a->size.value))
                continue;
            report(front, CHECK_channel_place, second->at.at,
                   front_format(front, "%llx", (unsigned long long)second->at.value),
                   second->name.value, a->name.value,
                   front_format(front, "%s is there", b->name.value), NULL);
            report_note(front, first->at.at, "the other one");
        }
}

void check_channels(struct front *front)
{
    struct policy *policy = &front->policy;

    for (unsigned i = 0; i < policy->channel_count; i++)
        check_channel(front, &policy->channel[i]);
    for (unsigned i = 0; i < policy->channel_count; i++)
        for (unsigned j = 0; j < i; j++)
            check_two(front, &policy->channel[i], &policy->channel[j]);
}
