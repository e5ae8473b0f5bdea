/*
 * What holds for every policy: some hundred random ones are emitted, and their bits are read
 * by this file's own walk. A failure prints the seed and the policy.
 */
#include "bits.h"
#include "bulkhead/layout.h"
#include "core/policy/image.h"
#include "testing.h"
#include "verify/verify.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define RUNS       300u
#define FIRST_SEED 1u
#define TEXT_MAX   8192u
#define DOMAINS    5u
#define CORES      8u

/* Machine memory by 4-KiB frames: all RAM of random.machine. */
#define FRAMES (0x20000000u / 4096u)

static uint64_t random_state;

static unsigned pick(unsigned below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % below;
}

static bool chance(unsigned percent)
{
    return pick(100) < percent;
}

static char text[TEXT_MAX];
static size_t used;

static void write(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void write(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    used += (size_t)vsnprintf(text + used, TEXT_MAX - used, format, arguments);
    va_end(arguments);
    assert_true(used < TEXT_MAX);
}

/* ---- a random policy that is right ---- */

static bool has_primary;

static void write_devices(void)
{
    const char *separator = "        devices ";

    for (unsigned i = 0; i < 8; i++)
        if (chance(50)) {
            write("%s%c%u", separator, i < 4 ? 'e' : 'l', i % 4);
            separator = ", ";
        }
    write("\n");
}

static void write_words(void)
{
    static const char *const on[] = {"cr3_write", "rdtsc", "exception_gp", "pause", "wbinvd"};
    static const char *const off[] = {"rdpmc", "task_switch", "rdpru", "tlbsync"};

    if (chance(40))
        write("        intercept %s, %s\n", on[pick(2)], on[2 + pick(3)]);
    if (chance(40))
        write("        no intercept %s\n", off[pick(4)]);
    if (chance(30))
        write("        msr allow tsc\n");
    if (chance(50))
        write("        may log\n");
    if (chance(50))
        write("        calls user\n");
    if (chance(30))
        write("        may attest\n");
    if (chance(30))
        write("        requires rdrand\n");
}

/* As `boot linux` or `pvh`, or by Multiboot. */
static void write_kernel(unsigned index, const char *boot)
{
    if (strcmp(boot, "pvh") == 0 && chance(50)) {
        write("        boot multiboot { kernel \"f%u\"", index);
        for (unsigned i = pick(3); i > 0; i--)
            write(" module \"m%u%u\"%s", index, i, chance(50) ? " \"a b\"" : "");
    } else {
        write("        boot %s { kernel \"f%u\"", boot, index);
    }
    write("%s }\n", chance(50) ? " cmdline \"x y\"" : "");
}

/* Cores that each domain has, one bit each. */
static unsigned cores_of[DOMAINS];

/*
 * A primary has some for itself, one of them the first; microVMs each have a few of the following
 * ones, as many as there are microVMs, which they may share.
 */
static void choose_cores(unsigned domains)
{
    unsigned first = pick(CORES), microvms = domains - has_primary;

    memset(cores_of, 0, sizeof(cores_of));
    for (unsigned i = chance(50) && has_primary ? 1 + pick(CORES + 1 - domains) : has_primary; i--;)
        cores_of[0] |= 1u << (first + CORES - i) % CORES;
    for (unsigned d = has_primary; d < domains; d++) {
        unsigned place = chance(60) ? d - has_primary : pick(microvms);

        for (unsigned i = 0, n = chance(60) ? 1 : 1 + pick(2); i < n; i++)
            cores_of[d] |= 1u << (first + has_primary + (place + i) % microvms) % CORES;
    }
}

static bool shares_core(unsigned index)
{
    unsigned others = 0;

    for (unsigned i = 0; i < DOMAINS; i++)
        others |= i != index ? cores_of[i] : 0;
    return (cores_of[index] & others) != 0;
}

static void write_cores(unsigned index)
{
    const char *before = "        cores";

    for (unsigned start = pick(CORES), i = 0; i < CORES; i++)
        if ((cores_of[index] >> (start + i) % CORES & 1) != 0) {
            write("%s %u", before, (start + i) % CORES);
            before = ",";
        }
    write("\n");
    if (shares_core(index))
        write("        slice %u ms\n", 1 + pick(1000));
}

static void write_domain(unsigned index)
{
    unsigned cores = (unsigned)__builtin_popcount(cores_of[index]);
    bool is_primary = has_primary && index == 0;

    write("    domain d%u {\n        %s %strusted\n", index, is_primary ? "primary" : "microvm",
          chance(50) ? "un" : "");
    write_cores(index);
    if (is_primary) {
        write("        interrupts direct\n        memory rest\n");
        write_devices();
        if (chance(60))
            write_kernel(index, chance(40) ? "linux" : "pvh");
        else
            write("        boot flat \"f%u\" at 0x%x\n", index, 0x100000 + pick(100) * 0x1000);
    } else {
        /* Above 2 MiB, which begin at a multiple of it, for some: all must fit the pool. */
        write("        interrupts virtual\n        memory %u KiB\n",
              4 * (2 + pick(index % 2 != 0 ? 600 : 400)));
        if (chance(30))
            write_kernel(index, "pvh");
        else
            write("        boot flat \"f%u\" at 0x%x\n", index, pick(2) * 0x1000);
    }
    if (chance(40))
        write("        paging %s %u KiB\n", chance(50) ? "any" : "shadow",
              256 * cores + 4 * pick(10));
    write_words();
    write("    }\n");
}

static void write_channel(unsigned index, unsigned domains, bool may_dma)
{
    unsigned a = pick(domains), b = (a + 1 + pick(domains - 1)) % domains;

    write("    channel c%u {\n        size %u KiB\n        d%u", index, 4 * (1 + pick(40)), a);
    if (chance(30) && !(has_primary && a == 0))
        write(" at 0x%x", 0x1000000 + index * 0x100000);
    write(" read%s%s", chance(70) ? " write" : "", chance(50) ? " ring" : "");
    if (has_primary && a == 0 && may_dma && chance(40))
        write(" dma");
    write("\n        d%u read write\n    }\n", b);
}

static void write_policy(void)
{
    unsigned domains = 1 + pick(DOMAINS);
    unsigned channels = domains > 1 ? pick(5) : 0;
    bool may_dma;

    used = 0;
    has_primary = chance(70);
    write("policy \"random\" {\n    version %u\n    machine \"random.machine\"\n", 1 + pick(9));
    if (chance(50))
        write("    attest %s\n", chance(50) ? "required" : "optional");
    choose_cores(domains);
    for (unsigned i = 0; i < domains; i++)
        write_domain(i);
    may_dma = strstr(text, "devices e") != NULL;
    for (unsigned i = 0; i < channels; i++)
        write_channel(i, domains, may_dma);
    write("    never d0 reach platform\n}\n");
}

/* ---- what is read back ---- */

static uint8_t reached[DOMAINS][FRAMES]; /* 1: mapped, 2: writable by CPU or device */

static void note(unsigned domain, uint64_t entry, unsigned level)
{
    uint64_t frame = (entry & 0x000ffffffffff000) >> 12, count = level == 1 ? 1 : 512;
    uint8_t rights = (entry >> 1 & 1) != 0 || (entry >> 62 & 1) != 0 ? 3 : 1;

    for (uint64_t i = frame; i < frame + count && i < FRAMES; i++)
        reached[domain][i] |= rights;
}

static void walk(const struct image *image, unsigned domain, uint64_t table, unsigned level)
{
    const uint64_t *entries = bits_at(image, table);

    for (unsigned i = 0; i < 512; i++) {
        bool is_leaf = level == 1 || (entries[i] >> 7 & 1) != 0;

        if (entries[i] == 0)
            continue;
        if (is_leaf)
            note(domain, entries[i], level);
        else
            walk(image, domain, entries[i] & 0x000ffffffffff000, level - 1);
    }
}

static bool in_channel(const struct image *image, uint64_t address, unsigned a, unsigned b)
{
    const struct bh_header *header = bits_header(image);
    const struct bh_channel *row =
        (const struct bh_channel *)(image->bytes + header->channels.offset);

    for (uint32_t i = 0; i < header->channels.count; i++)
        if (address >= row[i].base && address - row[i].base < row[i].size &&
            row[i].end[0].domain + row[i].end[1].domain == a + b &&
            (row[i].end[0].domain == a || row[i].end[0].domain == b))
            return true;
    return false;
}

static const char *shared_page(const struct image *image, unsigned domains)
{
    for (unsigned a = 0; a < domains; a++)
        for (unsigned b = 0; b < a; b++)
            for (uint64_t i = 0; i < FRAMES; i++)
                if (reached[a][i] != 0 && reached[b][i] != 0 &&
                    ((reached[a][i] | reached[b][i]) & 2) != 0 && !in_channel(image, i << 12, a, b))
                    return "a page is reached by two domains";
    return NULL;
}

static const char *core_page(const struct image *image, unsigned domains)
{
    for (unsigned a = 0; a < domains; a++)
        for (uint64_t address = 0x10000000; address < CORE_END; address += 4096) {
            bool is_image = address < 0x10000000 + image->size;
            bool is_core = address >= DEVICE_TABLE_BASE; /* which lies right below core */

            if (reached[a][address >> 12] != 0 && (is_image || is_core))
                return "core, its tables or the image are mapped";
        }
    return NULL;
}

static const char *core_refuses(const struct image *image)
{
    static _Alignas(4096) uint8_t aligned[BH_MAX_IMAGE];
    static char why[CHECK_TEXT];
    struct policy_fault fault;

    memcpy(aligned, image->bytes, image->size);
    if (image_check(aligned, image->size, &fault))
        return NULL;
    policy_explain(&fault, why, sizeof(why));
    return why;
}

static const char *check_one(void)
{
    struct file_fact facts[3 * DOMAINS];
    char names[3 * DOMAINS][4];
    struct front front;
    struct image image = {0};
    const char *fault = NULL;
    unsigned domains;

    for (unsigned i = 0; i < 3 * DOMAINS; i++) {
        if (i < DOMAINS)
            snprintf(names[i], sizeof(names[i]), "f%u", i % 10);
        else
            snprintf(names[i], sizeof(names[i]), "m%u%u", i % DOMAINS, i / DOMAINS % 10);
        facts[i] = (struct file_fact){.name = names[i], .size = 4096, .sha256 = {1}};
    }
    if (front_load_text(&front, "tests/unit/policyc/random.policy", text) != FRONT_OK)
        fault = "it is refused";
    if (fault == NULL && !emit_image(&front, facts, 3 * DOMAINS, &image))
        fault = "it can't be emitted";
    if (fault == NULL && !verify_image(&front, image.bytes, image.size, true))
        fault = "the verifier finds differences";
    domains = front.policy.domain_count;
    memset(reached, 0, sizeof(reached));
    for (unsigned i = 0; fault == NULL && i < domains; i++)
        walk(&image, i, bits_domain(&image, i)->table, 4);
    if (fault == NULL)
        fault = shared_page(&image, domains);
    if (fault == NULL)
        fault = core_page(&image, domains);
    if (fault == NULL)
        fault = core_refuses(&image);
    front_print(&front, stderr);
    free(image.bytes);
    front_free(&front);
    return fault;
}

static void random_policies_are_kept(void **state)
{
    (void)state;
    for (unsigned seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
        const char *fault;

        random_state = seed * 0x9e3779b97f4a7c15u;
        write_policy();
        fault = check_one();
        if (fault != NULL)
            fail_msg("seed %u: %s:\n%s", seed, fault, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_policies_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
