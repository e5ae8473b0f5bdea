#include "core/policy/policy.h"

#include <sodium/crypto_hash_sha256.h>

#include "core/platform/platform.h"
#include "core/policy/image.h"
#include "core/policy/match.h"
#include "core/policy/minisig.h"
#include "hw/x86.h"
#include "lib/evlog.h"
#include "lib/memory.h"

static noreturn void refuse(const struct policy_fault *fault)
{
    char text[CHECK_TEXT];

    policy_explain(fault, text, sizeof text);
    fatal("%s", text);
}

const struct boot_module *policy_module(const struct boot_info *info, const char *name)
{
    const struct boot_module *module = NULL;
    enum boot_error error = boot_find_module(info, name, &module);

    if (error)
        fatal("%s: name=%s. %s", boot_error_cause(error), name, boot_error_remedy(error));
    return module;
}

/* A module's bytes. */
struct file {
    const void *bytes;
    size_t size;
};

static struct file find(const struct boot_info *info, const char *name)
{
    const struct boot_module *module = policy_module(info, name);

    return (struct file){at_physical(module->start), module->end - module->start};
}

/* True if the author whose key was loaded signed just this image. */
static bool verify(const struct boot_info *info, struct file image, struct minisig_key *key,
                   struct policy_fault *fault)
{
    struct file trust = find(info, "trust.pub"), signature = find(info, "signature");

    if (image.size > BH_MAX_IMAGE)
        return policy_fail(fault, POLICY_IMAGE_SIZE, 0, image.size);
    return minisig_parse_key(trust.bytes, trust.size, key, fault) &&
           minisig_verify(key, signature.bytes, signature.size, image.bytes, image.size, fault);
}

static void hash(const struct boot_info *info, const char *name, uint8_t digest[BH_DIGEST])
{
    struct file file = find(info, name);

    crypto_hash_sha256(digest, file.bytes, file.size);
}

/* The tables are hashed where the hardware will read them. */
static void trace(const struct boot_info *info, const struct bh_header *placed,
                  const struct minisig_key *key, struct policy_origin *origin)
{
    struct bh_event_policy *event = &origin->event;
    crypto_hash_sha256_state state;
    struct evlog_part part[2];

    hash(info, "policy", event->image);
    hash(info, "signature", event->signature);
    hash(info, "trust.pub", origin->trust);
    memcpy(event->author, key->key, sizeof event->author);
    event->version = placed->version;
    evlog_tables(part, placed);
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, part[0].bytes, part[0].size);
    crypto_hash_sha256_update(&state, part[1].bytes, part[1].size);
    crypto_hash_sha256_final(&state, event->tables);
}

const struct bh_header *policy_load(const struct boot_info *info, struct policy_origin *origin)
{
    struct file image = find(info, "policy");
    const struct bh_header *loaded = image.bytes;
    struct policy_fault fault;
    struct minisig_key key;

    if (!verify(info, image, &key, &fault) || !image_check_header(loaded, image.size, &fault) ||
        !image_check_regions(loaded, &fault) || !match_memory(loaded, info, &fault))
        refuse(&fault);

    struct bh_header *placed = at_physical(loaded->base);

    memcpy(placed, loaded, image.size);
    if (!image_check(placed, image.size, &fault))
        refuse(&fault);
    trace(info, placed, &key, origin);
    print("policy: %s version %lu for %s, signed by %016lx, %u domains", placed->name,
          placed->version, placed->machine, key.id, placed->domains.count);
    return placed;
}

static uint32_t pci_id(uint16_t bdf)
{
    return pci_read32(bdf, 0);
}

static bool has_svm(void)
{
    return cpuid(CPUID_EXTENDED_MAX, 0).eax >= CPUID_SVM &&
           (cpuid(CPUID_EXTENDED, 0).ecx & CPUID_EXTENDED_ECX_SVM) != 0;
}

static uint64_t features(void)
{
    size_t size;
    uint64_t found = 0;

    if (has_svm() && (cpuid(CPUID_SVM, 0).edx & CPUID_SVM_EDX_NP) != 0)
        found |= BH_FEATURE_NPT;
    if ((cpuid(CPUID_FEATURES, 0).ecx & CPUID_FEATURES_ECX_RDRAND) != 0)
        found |= BH_FEATURE_RDRAND;
    if (acpi_find("IVRS", &size))
        found |= BH_FEATURE_AMDVI;
    return found;
}

void policy_match(const struct bh_header *policy, const struct acpi_cpus *cpus)
{
    struct policy_machine machine = {.features = features(),
                                     .asids = has_svm() ? cpuid(CPUID_SVM, 0).ebx : 0,
                                     .cpus = cpus->count,
                                     .pci_id = pci_id};
    struct policy_fault fault;

    _Static_assert(sizeof machine.apic_id == sizeof cpus->apic_id, "one core, one APIC");
    memcpy(machine.apic_id, cpus->apic_id, sizeof machine.apic_id);
    if (!match_machine(policy, &machine, &fault))
        refuse(&fault);
}
