/* Assertions: of whom and what they speak. Whether they hold, verify/ says. */
#include "internal.h"
#include <string.h>

/* The domains that a label or a domain's name stands for; false: no such name. */
static bool parties(const struct policy *policy, const char *name, uint32_t *domains)
{
    int index = find_domain(policy, name);
    uint64_t label = strcmp(name, "trusted") == 0     ? BH_TRUSTED
                     : strcmp(name, "untrusted") == 0 ? BH_UNTRUSTED
                                                      : 0;

    *domains = 0;
    if (label == 0) {
        if (index >= 0)
            *domains = 1u << index;
        return index >= 0;
    }
    for (unsigned i = 0; i < policy->domain_count; i++)
        if (policy->domain[i].label.value == label)
            *domains |= 1u << i;
    return true;
}

static const char *suggest_party(struct front *front, const char *written)
{
    const char *names[BH_MAX_DOMAINS + 4];
    unsigned count = 0;

    for (unsigned i = 0; i < front->policy.domain_count; i++)
        names[count++] = front->policy.domain[i].name.value;
    names[count++] = "trusted";
    names[count++] = "untrusted";
    names[count++] = "platform";
    names[count] = NULL;
    return suggest(front, written, names);
}

static void check_lone_object(struct front *front, struct never *never)
{
    const char *name = never->object.value;
    int channel = find_channel(&front->policy, name);
    int resource = find_resource(&front->machine, name);
    uint32_t domains;

    if (strcmp(name, "platform") == 0) {
        never->kind = OBJECT_PLATFORM;
    } else if (channel >= 0) {
        never->kind = OBJECT_CHANNEL;
        never->index = (unsigned)channel;
    } else if (resource >= 0) {
        never->kind = OBJECT_RESOURCE;
        never->index = (unsigned)resource;
    } else {
        const char *hint = parties(&front->policy, name, &domains)
                               ? front_format(front, " (did you mean %s.memory?)", name)
                               : suggest_party(front, name);

        report(front, CHECK_never_object, never->object.at, name, hint, NULL);
    }
}

static void check_never(struct front *front, struct never *never)
{
    const struct policy *policy = &front->policy;
    bool is_known = parties(policy, never->subject.value, &never->subjects);

    if (!is_known)
        report(front, CHECK_never_subject, never->subject.at, never->subject.value,
               suggest_party(front, never->subject.value), NULL);
    else if (never->subjects == 0)
        report(front, CHECK_never_empty, never->subject.at, never->subject.value, NULL);
    if (never->part.value == NULL) {
        check_lone_object(front, never);
        return;
    }
    never->kind = strcmp(never->part.value, "memory") == 0 ? OBJECT_MEMORY : OBJECT_DEVICES;
    if (!parties(policy, never->object.value, &never->objects))
        report(front, CHECK_never_subject, never->object.at, never->object.value,
               suggest_party(front, never->object.value), NULL);
    else if (never->objects == 0)
        report(front, CHECK_never_empty, never->object.at, never->object.value, NULL);
    else if (never->subjects == never->objects && (never->subjects & (never->subjects - 1)) == 0 &&
             is_known)
        report(front, CHECK_never_self, never->at, never->subject.value, NULL);
}

void check_nevers(struct front *front)
{
    for (unsigned i = 0; i < front->policy.never_count; i++)
        check_never(front, &front->policy.never[i]);
}
