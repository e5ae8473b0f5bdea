#include "core/domain/place.h"

#include <sodium/crypto_hash_sha256.h>
#include <stdnoreturn.h>

#include "bulkhead/abi.h"
#include "core/domain/place_kernel.h"
#include "core/domain/primary.h"
#include "core/platform/platform.h"
#include "core/policy/policy.h"
#include "lib/format.h"
#include "lib/memory.h"

/* Selectors of a flat start; there is no table behind them. */
#define FLAT_CS 0x08u
#define FLAT_DS 0x10u

#define HASH_TEXT (2 * crypto_hash_sha256_BYTES + 1)

static noreturn void refuse(enum start_error error, const char *domain, const char *file)
{
    fatal("%s: %s, %s. %s", start_error_cause(error), domain, file, start_error_remedy(error));
}

static void hash_text(const uint8_t hash[crypto_hash_sha256_BYTES], char text[HASH_TEXT])
{
    for (uint32_t i = 0; i < crypto_hash_sha256_BYTES; i++)
        format(text + 2 * i, 3, "%02x", hash[i]);
}

/* The module that a file row names: it is there, and it is just that file. */
static void verify(const struct bh_file *file, const char *domain, const struct boot_module *module)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char expected[HASH_TEXT], got[HASH_TEXT];

    if (module->end - module->start != file->size) {
        print("%s: module %s has %lu bytes, the policy says %lu", domain, file->name,
              module->end - module->start, file->size);
        refuse(START_FILE_SIZE, domain, file->name);
    }
    crypto_hash_sha256(hash, at_physical(module->start), file->size);
    if (memcmp(hash, file->sha256, sizeof hash) == 0)
        return;
    hash_text(hash, got);
    hash_text(file->sha256, expected);
    print("%s: module %s has SHA-256 %s", domain, file->name, got);
    print("%s: the policy says %*s SHA-256 %s", domain, (int)strlen(file->name), "", expected);
    refuse(START_FILE_HASH, domain, file->name);
}

static const struct bh_file *files_of(const struct bh_header *policy,
                                      const struct bh_domain *domain)
{
    return POLICY_ROWS(policy, files, struct bh_file) + domain->files.offset;
}

static void verify_all(const struct bh_header *policy, const struct boot_info *info)
{
    const struct bh_domain *domain = POLICY_ROWS(policy, domains, struct bh_domain);
    const struct bh_file *file = POLICY_ROWS(policy, files, struct bh_file);

    for (uint32_t i = 0; i < policy->files.count; i++)
        verify(&file[i], domain[file[i].domain].name, policy_module(info, file[i].name));
}

/* What microVMs and channels begin with is zero, whatever ran before. */
static void scrub(const struct bh_header *policy)
{
    const struct bh_region *region = POLICY_ROWS(policy, regions, struct bh_region);

    for (uint32_t i = 0; i < policy->regions.count; i++)
        if (region[i].use == BH_REGION_DOMAIN || region[i].use == BH_REGION_CHANNEL)
            memset(at_physical(region[i].base), 0, region[i].size);
}

/* True if a module other than `own` lies in [start, end). */
static bool other_module_in(const struct boot_info *info, const struct boot_module *own,
                            uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < info->module_count; i++)
        if (&info->modules[i] != own && info->modules[i].start < end &&
            start < info->modules[i].end)
            return true;
    return false;
}

/* One file, copied to where the policy says, entered in 32-bit protected mode. */
static struct start_state place_flat(const struct bh_header *policy, const struct boot_info *info,
                                     const struct bh_domain *domain)
{
    const struct bh_file *file = files_of(policy, domain);
    const struct boot_module *module = policy_module(info, file->name);
    uint64_t to = domain->memory_base + domain->load_gpa;

    if (domain->kind == BH_PRIMARY) {
        if (!primary_owns(policy, info, domain, to, to + file->size))
            refuse(START_LOAD_NOT_RAM, domain->name, file->name);
        if (other_module_in(info, module, to, to + file->size))
            refuse(START_LOAD_MODULE, domain->name, file->name);
    }
    memmove(at_physical(to), at_physical(module->start), file->size);
    print("%s: %s at %lx, %lu KiB", domain->name, file->name, to, file->size / 1024);
    return (struct start_state){.rip = domain->entry_gpa,
                                .rax = BH_START_MAGIC,
                                .cr0 = CR0_PE | CR0_ET,
                                .cs = FLAT_CS,
                                .ds = FLAT_DS};
}

static struct start_state place(const struct bh_header *policy, struct boot_info *info,
                                const struct acpi_cpus *cpus, const struct bh_domain *domain)
{
    switch (domain->boot) {
    case BH_BOOT_LINUX:
        return primary_place_linux(policy, info, cpus, domain);
    case BH_BOOT_PVH:
    case BH_BOOT_MULTIBOOT:
        return place_kernel(policy, info, cpus, domain);
    default: /* the image's check has seen to it */
        return place_flat(policy, info, domain);
    }
}

void domain_place_all(const struct bh_header *policy, struct boot_info *info,
                      const struct acpi_cpus *cpus, struct start_state start[BH_MAX_DOMAINS])
{
    const struct bh_domain *domain = POLICY_ROWS(policy, domains, struct bh_domain);

    verify_all(policy, info);
    scrub(policy);
    for (uint32_t n = 0; n < policy->domains.count; n++)
        start[n] = place(policy, info, cpus, &domain[n]);
    wbinvd();
}
