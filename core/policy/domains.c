/* Checks of the domains' rows: who they are, their memory, intercepts and bitmaps. */
#include "core/policy/image.h"
#include "lib/memory.h"

static const struct bh_domain *rows(const struct bh_header *h)
{
    return POLICY_ROWS(h, domains, struct bh_domain);
}

static bool kind_is_known(const struct bh_domain *d)
{
    return d->kind >= BH_PRIMARY && d->kind <= BH_MICROVM && d->label >= BH_UNTRUSTED &&
           d->label <= BH_TRUSTED && d->interrupts >= BH_DIRECT && d->interrupts <= BH_VIRTUAL &&
           d->boot >= BH_BOOT_LINUX && d->boot <= BH_BOOT_MULTIBOOT &&
           d->on_stop == BH_ON_STOP_HALT;
}

static bool check_identity(const struct bh_header *h, uint32_t n, struct policy_fault *fault)
{
    const struct bh_domain *d = &rows(h)[n];

    if (!image_is_name(d->name, sizeof d->name))
        return policy_fail(fault, POLICY_DOMAIN_NAME, n, 0);
    if (!image_is_text(d->cmdline, sizeof d->cmdline))
        return policy_fail(fault, POLICY_DOMAIN_CMDLINE, n, 0);
    if (!kind_is_known(d))
        return policy_fail(fault, POLICY_DOMAIN_KIND, n, 0);
    if (d->boot == BH_BOOT_LINUX && d->kind != BH_PRIMARY)
        return policy_fail(fault, POLICY_DOMAIN_BOOT, n, 0);
    if (d->pad != 0 || (d->rights & ~BH_RIGHTS) != 0)
        return policy_fail(fault, POLICY_DOMAIN_PADDING, n, 0);
    for (uint32_t i = 0; i < n; i++) {
        if (memcmp(rows(h)[i].name, d->name, sizeof d->name) == 0)
            return policy_fail(fault, POLICY_DOMAIN_TWIN, n, 0);
        if (rows(h)[i].kind == BH_PRIMARY && d->kind == BH_PRIMARY)
            return policy_fail(fault, POLICY_DOMAIN_PRIMARY, n, 0);
        if ((rows(h)[i].rights & d->rights & BH_RIGHT_KEYBOARD) != 0)
            return policy_fail(fault, POLICY_DOMAIN_KEYBOARD, n, 0);
    }
    return true;
}

static bool has_core(const struct bh_domain *d, uint8_t core)
{
    for (uint32_t i = 0; i < d->ncores && i < BH_MAX_CORES; i++)
        if (d->core[i] == core)
            return true;
    return false;
}

/*
 * On a core with several domains core takes the interrupts, and its timer ends each one's turn: no
 * domain there may have them itself.
 */
static bool check_sharing(const struct bh_header *h, uint32_t n, struct policy_fault *fault)
{
    const struct bh_domain *d = &rows(h)[n];
    bool shares = false;

    for (uint32_t other = 0; other < h->domains.count; other++)
        for (uint32_t i = 0; i < d->ncores && other != n; i++) {
            if (!has_core(&rows(h)[other], d->core[i]))
                continue;
            if (d->interrupts == BH_DIRECT)
                return policy_fail(fault, POLICY_DOMAIN_SHARES, n, d->core[i]);
            shares = true;
        }
    if (shares ? d->slice_us < BH_SLICE_MIN || d->slice_us > BH_SLICE_MAX : d->slice_us != 0)
        return policy_fail(fault, POLICY_DOMAIN_SLICE, n, d->slice_us);
    return true;
}

/* `vcpus` counts those of the domains so far. */
static bool check_cores(const struct bh_header *h, uint32_t n, uint32_t *vcpus,
                        struct policy_fault *fault)
{
    const struct bh_domain *d = &rows(h)[n];
    uint32_t seen = 0;

    if (d->ncores == 0 || d->ncores > BH_MAX_CORES)
        return policy_fail(fault, POLICY_DOMAIN_CORES, n, d->ncores);
    *vcpus += d->ncores;
    if (*vcpus > BH_MAX_VCPUS)
        return policy_fail(fault, POLICY_DOMAIN_VCPUS, n, *vcpus);
    for (uint32_t i = 0; i < BH_MAX_CORES; i++) {
        uint8_t core = d->core[i];

        if (i >= d->ncores ? core != 0 : core >= BH_MAX_CORES || (seen & 1u << core) != 0)
            return policy_fail(fault, POLICY_DOMAIN_CORES, n, core);
        if (i < d->ncores)
            seen |= 1u << core;
    }
    return check_sharing(h, n, fault);
}

/* A microVM has a region of its own; a primary has what nobody else has. */
static bool check_memory(const struct bh_header *h, uint32_t n, struct policy_fault *fault)
{
    const struct bh_region *region = POLICY_ROWS(h, regions, struct bh_region);
    const struct bh_domain *d = &rows(h)[n];
    bool found = false;

    if ((d->memory_base | d->memory_size) % BH_PAGE != 0 || d->memory_size == 0)
        return policy_fail(fault, POLICY_DOMAIN_MEMORY, n, d->memory_size);
    for (uint32_t i = 0; i < h->regions.count; i++)
        if (region[i].use == BH_REGION_DOMAIN && region[i].owner == n)
            found |= image_within(d->memory_base, d->memory_size, region[i].base, region[i].size);
    if (d->kind == BH_PRIMARY ? d->memory_base != 0 || found : !found)
        return policy_fail(fault, POLICY_DOMAIN_MEMORY, n, d->memory_base);
    return true;
}

/* Shadow tables have a region, and only they. */
static bool check_paging(const struct bh_header *h, uint32_t n, struct policy_fault *fault)
{
    const struct bh_region *region = POLICY_ROWS(h, regions, struct bh_region);
    const struct bh_domain *d = &rows(h)[n];
    uint32_t found = 0;

    if (d->paging < BH_PAGING_NESTED || d->paging > BH_PAGING_ANY)
        return policy_fail(fault, POLICY_DOMAIN_PAGING, n, d->paging);
    if (d->paging == BH_PAGING_NESTED && (h->required_features & BH_FEATURE_NPT) == 0)
        return policy_fail(fault, POLICY_DOMAIN_PAGING, n, d->paging);
    for (uint32_t i = 0; i < h->regions.count; i++) {
        if (region[i].use != BH_REGION_SHADOW || region[i].owner != n)
            continue;
        found++;
        if (region[i].base != d->shadow_base || region[i].size != d->shadow_size)
            return policy_fail(fault, POLICY_DOMAIN_SHADOW, n, d->shadow_base);
    }
    if (d->paging == BH_PAGING_NESTED
            ? found != 0 || (d->shadow_base | d->shadow_size) != 0
            : found != 1 || d->shadow_size < (uint64_t)d->ncores * BH_SHADOW_POOL_MIN ||
                  d->shadow_size > BH_SHADOW_POOL_MAX)
        return policy_fail(fault, POLICY_DOMAIN_SHADOW, n, d->shadow_size);
    return true;
}

static uint32_t line_feeds(const char *text)
{
    uint32_t found = 0;

    for (; *text != 0; text++)
        found += *text == '\n';
    return found;
}

/* As many files of each role as the domain's way to boot takes, and a line of text a module. */
static bool roles_fit(const struct bh_domain *d, const uint32_t count[BH_FILE_MODULE + 1])
{
    bool is_linux = d->boot == BH_BOOT_LINUX || d->boot == BH_BOOT_PVH;
    bool is_multiboot = d->boot == BH_BOOT_MULTIBOOT;

    return count[BH_FILE_KERNEL] == (is_linux || is_multiboot) &&
           count[BH_FILE_INITRD] <= is_linux && count[BH_FILE_FLAT] == (d->boot == BH_BOOT_FLAT) &&
           (is_multiboot || count[BH_FILE_MODULE] == 0);
}

/* The files of a domain, in the order of their roles. */
static bool check_files(const struct bh_header *h, uint32_t n, struct policy_fault *fault)
{
    const struct bh_file *file = POLICY_ROWS(h, files, struct bh_file);
    const struct bh_domain *d = &rows(h)[n];
    uint32_t count[BH_FILE_MODULE + 1] = {0};

    for (uint32_t i = d->files.offset; i < d->files.offset + d->files.count; i++) {
        const struct bh_file *f = &file[i];

        if (!image_is_name(f->name, sizeof f->name) || f->size == 0 || f->role < BH_FILE_KERNEL ||
            f->role > BH_FILE_MODULE)
            return policy_fail(fault, POLICY_FILE_FORM, i, f->role);
        if (i > d->files.offset && f[-1].role > f->role)
            return policy_fail(fault, POLICY_FILE_ROLES, n, f->role);
        count[f->role]++;
        if (f->role == BH_FILE_FLAT &&
            (!image_within(d->load_gpa, f->size, 0, d->memory_size) || d->entry_gpa < d->load_gpa ||
             d->entry_gpa - d->load_gpa >= f->size || d->load_gpa + f->size > UINT32_MAX))
            return policy_fail(fault, POLICY_DOMAIN_LOAD, n, d->load_gpa);
    }
    if (d->boot != BH_BOOT_FLAT && (d->load_gpa | d->entry_gpa) != 0)
        return policy_fail(fault, POLICY_DOMAIN_LOAD, n, d->load_gpa);
    if (!roles_fit(d, count))
        return policy_fail(fault, POLICY_FILE_ROLES, n, 0);
    if (line_feeds(d->cmdline) != count[BH_FILE_MODULE])
        return policy_fail(fault, POLICY_DOMAIN_CMDLINE, n, count[BH_FILE_MODULE]);
    return true;
}

static bool check_intercepts(const struct bh_domain *d, uint32_t n, struct policy_fault *fault)
{
    enum { OFF = 0, DEFAULT = 0, FLOOR = 1, DIRECT_OFF = 2, SHADOW = 3, VIRTUAL_ONLY = 4 };
#define INTERCEPT(name, word, bit, rule, text) {BH_INTERCEPT_##word, bit, rule},
    static const struct {
        uint8_t word, bit, rule;
    } known[] = {
#include "tables/intercepts.def"
    };
#undef INTERCEPT
    uint32_t unknown[BH_INTERCEPT_WORDS], shadow[BH_INTERCEPT_WORDS] = {0};

    memcpy(unknown, d->intercepts, sizeof unknown);
    for (uint32_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t bit = 1u << known[i].bit;
        bool needed =
            known[i].rule == FLOOR || (known[i].rule == DIRECT_OFF && d->interrupts != BH_DIRECT);
        bool denied = (known[i].rule == DIRECT_OFF || known[i].rule == VIRTUAL_ONLY) &&
                      d->interrupts == BH_DIRECT;
        bool is_set = (d->intercepts[known[i].word] & bit) != 0;

        if (is_set ? denied : needed)
            return policy_fail(fault, POLICY_DOMAIN_INTERCEPT, n,
                               known[i].word * 32u + known[i].bit);
        unknown[known[i].word] &= ~bit;
        if (known[i].rule == SHADOW && d->paging != BH_PAGING_NESTED)
            shadow[known[i].word] |= bit;
    }
    if (memcmp(shadow, d->shadow_intercepts, sizeof shadow) != 0)
        return policy_fail(fault, POLICY_DOMAIN_SHADOW_INTERCEPT, n, 0);
    if (!image_zero(unknown, sizeof unknown))
        return policy_fail(fault, POLICY_DOMAIN_INTERCEPT, n, UINT32_MAX);
    return true;
}

/* IOPM: bit n set intercepts port n; a wide access at the last port asks for bits behind it
 * (APM vol. 2, 15.10.1). */
static bool check_ports(const uint8_t *iopm, uint32_t n, struct policy_fault *fault)
{
#define PORT(first, last, name, text) {first, last},
    static const struct {
        uint32_t first, last;
    } kept[] = {
#include "tables/ports.def"
        {0x10000, BH_IOPM_SIZE * 8 - 1},
    };
#undef PORT

    for (uint32_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        for (uint32_t port = kept[i].first; port <= kept[i].last; port++)
            if ((iopm[port / 8] & 1u << port % 8) == 0)
                return policy_fail(fault, POLICY_DOMAIN_PORT, n, port);
    return true;
}

/* What a policy may open of an MSR: bit 0 reads, bit 1 writes. */
static uint32_t msr_may_open(uint32_t number)
{
    enum { SHUT = 0, ALLOW_READ = 1, WRITE_OPEN = 2, OPEN = 3 };
#define MSR(name, first, last, grant, scope, read, write, value, text) \
    if (number >= (first) && number <= (last))                         \
        return grant;
#include "tables/msrs.def"
#undef MSR
    return 0;
}

/* MSRPM: two bits each, read and write, for three ranges of 2000h MSRs (15.11). */
static bool check_msrs(const uint8_t *msrpm, uint32_t n, struct policy_fault *fault)
{
    static const uint32_t range[] = {0, 0xc0000000, 0xc0010000};

    for (uint32_t i = 0; i < BH_MSRPM_SIZE * 4; i++) {
        uint32_t closed = (uint32_t)msrpm[i / 4] >> i % 4 * 2 & 3;
        uint32_t number = i / 0x2000 < 3 ? range[i / 0x2000] + i % 0x2000 : UINT32_MAX;

        if ((~closed & 3 & ~msr_may_open(number)) != 0)
            return policy_fail(fault, POLICY_DOMAIN_MSR, n, number);
    }
    return true;
}

static bool check_bitmaps(const struct bh_header *h, uint32_t n, struct policy_fault *fault)
{
    const struct bh_domain *d = &rows(h)[n];
    const uint8_t *iopm = image_at(h, d->iopm, BH_IOPM_SIZE);
    const uint8_t *msrpm = image_at(h, d->msrpm, BH_MSRPM_SIZE);

    if (!iopm || !msrpm || d->iopm % BH_PAGE != 0 || d->msrpm % BH_PAGE != 0)
        return policy_fail(fault, POLICY_DOMAIN_BITMAP, n, iopm ? d->msrpm : d->iopm);
    return check_ports(iopm, n, fault) && check_msrs(msrpm, n, fault);
}

/* A domain's run of rows begins where that of the domain before it ended. */
static bool run_follows(struct bh_table run, uint32_t *next)
{
    bool follows = run.count == 0 || run.offset == *next;

    *next += run.count;
    return follows;
}

/*
 * Files, functions, CPUID and MSR rows each fall into runs, one a domain, in the domains'
 * order and without rests. So every row has one owner.
 */
static bool check_runs(const struct bh_header *h, struct policy_fault *fault)
{
    uint32_t files = 0, functions = 0, cpuid = 0, msrs = 0;

    for (uint32_t n = 0; n < h->domains.count; n++) {
        const struct bh_domain *d = &rows(h)[n];

        if (d->files.count > BH_MAX_FILES || d->functions.count > BH_MAX_PCI ||
            d->cpuid.count > BH_MAX_CPUID || d->msrs.count > BH_MAX_MSR ||
            !run_follows(d->files, &files) || !run_follows(d->functions, &functions) ||
            !run_follows(d->cpuid, &cpuid) || !run_follows(d->msrs, &msrs))
            return policy_fail(fault, POLICY_DOMAIN_ROWS, n, 0);
    }
    if (files != h->files.count || functions != h->functions.count || cpuid != h->cpuid.count ||
        msrs != h->msrs.count)
        return policy_fail(fault, POLICY_DOMAIN_ROWS, h->domains.count, 0);
    return true;
}

/* Rows that tell their owner tell the one whose run they stand in. */
static bool check_owners(const struct bh_header *h, uint32_t n, struct policy_fault *fault)
{
    const struct bh_file *file = POLICY_ROWS(h, files, struct bh_file);
    const struct bh_pci_function *function = POLICY_ROWS(h, functions, struct bh_pci_function);
    const struct bh_domain *d = &rows(h)[n];

    for (uint32_t i = 0; i < d->files.count; i++)
        if (file[d->files.offset + i].domain != n)
            return policy_fail(fault, POLICY_DOMAIN_ROWS, n, 0);
    for (uint32_t i = 0; i < d->functions.count; i++)
        if (function[d->functions.offset + i].domain != n)
            return policy_fail(fault, POLICY_DOMAIN_ROWS, n, 0);
    return true;
}

bool image_check_domains(const struct bh_header *h, struct policy_fault *fault)
{
    uint32_t vcpus = 0;

    if (h->domains.count == 0)
        return policy_fail(fault, POLICY_NO_DOMAINS, 0, 0);
    if (!check_runs(h, fault))
        return false;
    for (uint32_t n = 0; n < h->domains.count; n++)
        if (!check_identity(h, n, fault) || !check_owners(h, n, fault) ||
            !check_cores(h, n, &vcpus, fault) || !check_memory(h, n, fault) ||
            !check_paging(h, n, fault) || !check_files(h, n, fault) ||
            !check_intercepts(&rows(h)[n], n, fault) || !check_bitmaps(h, n, fault))
            return false;
    return true;
}
