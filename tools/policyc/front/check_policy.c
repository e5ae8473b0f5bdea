/* What can be said of a policy without knowing the machine. */
#include "internal.h"
#include <ctype.h>
#include <string.h>

static void need(struct front *front, struct text owner, struct place at, const char *what,
                 const char *example)
{
    if (at.line == 0 && !front->is_incomplete)
        report(front, CHECK_missing, owner.at, owner.value, what, example, NULL);
}

static void check_length(struct front *front, struct text text, size_t size)
{
    if (text.at.line != 0 && (text.value[0] == 0 || strlen(text.value) >= size))
        report(front, CHECK_name_length, text.at, text.value, front_format(front, "%zu", size - 1),
               NULL);
}

bool check_letters(struct front *front, struct text name, enum check check)
{
    for (const char *c = name.value; *c != 0; c++)
        if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)
            return report(front, check, name.at, name.value, NULL);
    return true;
}

static void check_file(struct front *front, struct text name)
{
    if (name.at.line == 0)
        return;
    check_length(front, name, BH_NAME_SIZE);
    check_letters(front, name, CHECK_file_name);
}

/* Command line and modules' strings share one place in the image. */
static void check_texts(struct front *front, const struct domain *domain)
{
    size_t length = domain->cmdline.at.line != 0 ? strlen(domain->cmdline.value) : 0;
    struct place at = domain->cmdline.at;

    for (unsigned i = 0; i < domain->module_string.count; i++) {
        length += 1 + strlen(domain->module_string.item[i].value);
        at = domain->module_string.item[i].at;
    }
    if (length >= BH_CMDLINE_SIZE)
        report(front, CHECK_cmdline_long, at, domain->name.value,
               front_format(front, "%zu", length), front_format(front, "%u", BH_CMDLINE_SIZE - 1),
               NULL);
}

static void check_boot(struct front *front, const struct domain *domain)
{
    need(front, domain->name, domain->boot.at, "boot", "`boot flat \"FILE\" at ADDRESS`");
    if (domain->boot.at.line != 0 && domain->boot.value != BH_BOOT_FLAT)
        need(front, domain->name, domain->kernel.at, "kernel", "`kernel \"FILE\"` to its `boot`");
    if (domain->boot.value == BH_BOOT_LINUX && domain->kind.value == BH_MICROVM)
        report(front, CHECK_boot_kind, domain->boot.at, domain->name.value, NULL);
    if (domain->boot.value == BH_BOOT_FLAT && domain->load.value > UINT32_MAX)
        report(front, CHECK_boot_entry, domain->load.at,
               front_format(front, "%llx", (unsigned long long)domain->load.value), NULL);
    if (domain->boot.value == BH_BOOT_MULTIBOOT && domain->initrd.at.line != 0)
        report(front, CHECK_boot_file, domain->initrd.at, domain->name.value, "initrd", "module",
               NULL);
    if (domain->boot.value != BH_BOOT_MULTIBOOT && domain->module.count != 0)
        report(front, CHECK_boot_file, domain->module.item[0].at, domain->name.value, "module",
               "initrd", NULL);
    check_file(front, domain->kernel);
    check_file(front, domain->initrd);
    check_file(front, domain->flat);
    for (unsigned i = 0; i < domain->module.count; i++)
        check_file(front, domain->module.item[i]);
    check_texts(front, domain);
}

/* A primary has the machine's memory and its interrupts; a microVM only what is made for it. */
static void check_kind(struct front *front, const struct domain *domain)
{
    bool is_primary = domain->kind.value == BH_PRIMARY;
    bool is_rest = domain->memory.value == 0;
    const struct number *interrupts = &domain->interrupts;

    if (domain->kind.at.line == 0)
        return;
    if (domain->memory.at.line != 0 && is_primary && !is_rest)
        report(front, CHECK_primary_memory, domain->memory.at, domain->name.value, NULL);
    if (domain->memory.at.line != 0 && !is_primary && is_rest)
        report(front, CHECK_microvm_memory, domain->memory.at, domain->name.value, NULL);
    if (interrupts->at.line != 0 && is_primary && interrupts->value != BH_DIRECT)
        report(front, CHECK_interrupts_kind, interrupts->at, domain->name.value,
               "a primary's devices deliver them directly", "direct", NULL);
    if (interrupts->at.line != 0 && !is_primary && interrupts->value != BH_VIRTUAL)
        report(front, CHECK_interrupts_kind, interrupts->at, domain->name.value,
               "a microvm has no local APIC of its own", "virtual", NULL);
}

static void check_paging(struct front *front, const struct domain *domain)
{
    uint64_t least = (uint64_t)domain->core_count * BH_SHADOW_POOL_MIN;

    if (is_shadowed(domain) &&
        (domain->shadow.value % BH_PAGE != 0 || domain->shadow.value < least ||
         domain->shadow.value > BH_SHADOW_POOL_MAX))
        report(front, CHECK_shadow_size, domain->shadow.at, domain->name.value,
               front_format(front, "%u", BH_SHADOW_POOL_MIN / 1024),
               front_format(front, "%u", BH_SHADOW_POOL_MAX / 1024), NULL);
}

static void check_core_list(struct front *front, const struct domain *domain)
{
    for (unsigned i = 0; i < domain->core_count; i++)
        for (unsigned j = 0; j < i; j++)
            if (domain->core[i].value == domain->core[j].value)
                report(front, CHECK_core_repeated, domain->core[i].at, domain->name.value,
                       front_format(front, "%llu", (unsigned long long)domain->core[i].value),
                       NULL);
}

static const struct number *shared_core(const struct domain *a, const struct domain *b)
{
    for (unsigned i = 0; i < a->core_count; i++)
        for (unsigned j = 0; j < b->core_count; j++)
            if (a->core[i].value == b->core[j].value)
                return &a->core[i];
    return NULL;
}

static void check_slice_range(struct front *front, const struct number *slice)
{
    const unsigned least = BH_SLICE_MIN / 1000, most = BH_SLICE_MAX / 1000;

    if (slice->value < least || slice->value > most)
        report(front, CHECK_slice_range, slice->at, front_format(front, "%u", least),
               front_format(front, "%u", most), NULL);
}

/* Who shares a core needs a slice; that one with direct interrupts can't is said elsewhere. */
static void check_slice(struct front *front, const struct domain *domain)
{
    const struct policy *policy = &front->policy;
    const struct number *core, *slice = &domain->slice;
    bool shares = false;

    for (unsigned i = 0; i < policy->domain_count; i++) {
        const struct domain *other = &policy->domain[i];

        core = other != domain ? shared_core(domain, other) : NULL;
        if (core == NULL)
            continue;
        if (!shares && slice->at.line == 0 && domain->interrupts.value != BH_DIRECT &&
            other->interrupts.value != BH_DIRECT)
            report(front, CHECK_slice_missing, core->at, domain->name.value,
                   front_format(front, "%llu", (unsigned long long)core->value), NULL);
        shares = true;
    }
    if (slice->at.line == 0)
        return;
    check_slice_range(front, slice);
    if (!shares)
        report(front, CHECK_slice_needless, slice->at, domain->name.value, NULL);
}

static void check_domain(struct front *front, const struct domain *domain)
{
    need(front, domain->name, domain->kind.at, "primary or microvm",
         "one of them, with `trusted` or `untrusted`");
    need(front, domain->name, domain->cores_at, "cores", "a core's number");
    need(front, domain->name, domain->interrupts.at, "interrupts", "`direct` or `virtual`");
    need(front, domain->name, domain->memory.at, "memory", "a size, or `rest` for a primary");
    check_length(front, domain->name, BH_NAME_SIZE);
    check_boot(front, domain);
    check_kind(front, domain);
    check_paging(front, domain);
    check_words(front, domain);
    check_core_list(front, domain);
    check_slice(front, domain);
}

/* Files are modules, and modules are found by name alone. */
static void check_file_taken(struct front *front, struct text name, struct text other)
{
    if (name.at.line == 0 || other.at.line == 0 || strcmp(name.value, other.value) != 0)
        return;
    report(front, CHECK_name_taken, name.at, name.value, NULL);
    report_note(front, other.at, "by this file");
}

static unsigned files_of(const struct domain *domain)
{
    return 3 + domain->module.count;
}

static struct text file_of(const struct domain *domain, unsigned index)
{
    const struct text files[] = {domain->kernel, domain->initrd, domain->flat};

    return index < 3 ? files[index] : domain->module.item[index - 3];
}

static void check_files(struct front *front, const struct domain *a, const struct domain *b)
{
    for (unsigned i = 0; i < files_of(a); i++)
        for (unsigned j = 0; j < (a == b ? i : files_of(b)); j++)
            check_file_taken(front, file_of(a, i), file_of(b, j));
}

/* Core takes all interrupts of a core with several domains. */
static void check_sharing(struct front *front, const struct domain *a, const struct domain *b)
{
    const struct number *core = shared_core(a, b);
    const struct domain *direct = a->interrupts.value == BH_DIRECT ? a : b;

    if (core == NULL || direct->interrupts.value != BH_DIRECT)
        return;
    report(front, CHECK_core_taken, core->at,
           front_format(front, "%llu", (unsigned long long)core->value), b->name.value,
           a->name.value, direct->name.value, NULL);
    report_note(front, shared_core(b, a)->at, "given here first");
}

static void check_two(struct front *front, const struct domain *a, const struct domain *b)
{
    if (a->kind.value == BH_PRIMARY && b->kind.value == BH_PRIMARY) {
        report(front, CHECK_two_primaries, a->kind.at, b->name.value, a->name.value, NULL);
        report_note(front, b->kind.at, "the other one");
    }
    if ((a->rights.value & b->rights.value & BH_RIGHT_KEYBOARD) != 0)
        report(front, CHECK_keyboard_taken, a->name.at, b->name.value, a->name.value, NULL);
    check_sharing(front, a, b);
    check_files(front, a, b);
}

/* Domains and channels share one space of names with the classes of assertions. */
static void check_name(struct front *front, struct text name, const struct text *others,
                       unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(name.value, others[i].value) == 0) {
            report(front, CHECK_name_taken, name.at, name.value, NULL);
            report_note(front, others[i].at, "by this one");
            return;
        }
    if (strcmp(name.value, "platform") == 0)
        report(front, CHECK_name_taken, name.at, name.value, NULL);
}

static void check_names(struct front *front)
{
    const struct policy *policy = &front->policy;
    struct text names[BH_MAX_DOMAINS + BH_MAX_CHANNELS];
    unsigned count = 0;

    for (unsigned i = 0; i < policy->domain_count; i++) {
        check_name(front, policy->domain[i].name, names, count);
        names[count++] = policy->domain[i].name;
    }
    for (unsigned i = 0; i < policy->channel_count; i++) {
        check_length(front, policy->channel[i].name, BH_NAME_SIZE);
        check_name(front, policy->channel[i].name, names, count);
        names[count++] = policy->channel[i].name;
    }
}

static void check_vcpus(struct front *front)
{
    const struct policy *policy = &front->policy;
    unsigned count = 0;

    for (unsigned i = 0; i < policy->domain_count; i++) {
        const struct domain *domain = &policy->domain[i];

        if (count <= BH_MAX_VCPUS && count + domain->core_count > BH_MAX_VCPUS)
            report(front, CHECK_vcpus, domain->cores_at, domain->name.value,
                   front_format(front, "%u", count + domain->core_count),
                   front_format(front, "%u", BH_MAX_VCPUS), NULL);
        count += domain->core_count;
    }
}

void check_policy(struct front *front)
{
    const struct policy *policy = &front->policy;

    if (policy->name.at.line == 0)
        return; /* the parser has said so */
    check_length(front, policy->name, BH_NAME_SIZE);
    check_letters(front, policy->name, CHECK_name_letters);
    need(front, policy->name, policy->version.at, "version", "`version 1`");
    need(front, policy->name, policy->machine.at, "machine", "`machine \"FILE\"`");
    if (policy->version.at.line != 0 && policy->version.value == 0)
        report(front, CHECK_version_zero, policy->version.at, NULL);
    if (policy->domain_count == 0 && !front->is_incomplete)
        report(front, CHECK_no_domain, policy->name.at, NULL);
    check_names(front);
    check_vcpus(front);
    for (unsigned i = 0; i < policy->domain_count; i++) {
        check_domain(front, &policy->domain[i]);
        check_files(front, &policy->domain[i], &policy->domain[i]);
        for (unsigned j = 0; j < i; j++)
            check_two(front, &policy->domain[i], &policy->domain[j]);
    }
}
