#include "mm/shadow_fixture.h"

#include <string.h>

#include "testing.h"

const struct mode mode_off = {"no paging", CR0_PE, 0, 0, 0, 0, 0};
const struct mode mode_legacy = {"2 levels", CR0_PE | CR0_PG | CR0_WP, CR4_PSE, 0, 2, 10, 4};
const struct mode mode_pae = {"PAE", CR0_PE | CR0_PG | CR0_WP, CR4_PAE, EFER_NXE, 3, 9, 8};
const struct mode mode_long = {
    "4 levels", CR0_PE | CR0_PG | CR0_WP, CR4_PAE, EFER_NXE | EFER_LME | EFER_LMA, 4, 9, 8};
const struct mode *const paged_modes[PAGED_MODES] = {&mode_legacy, &mode_pae, &mode_long};

struct fixture f;

static void count_flush(void *owner)
{
    assert_ptr_equal(owner, &f);
    f.flushes++;
}

void fixture_start(uint64_t pool_size)
{
    struct shadow_config config = {.pool_size = pool_size,
                                   .vcpus = pool_size < 2 * SHADOW_POOL_MIN ? 1 : 2,
                                   .address_bits = 40,
                                   .has_1g_pages = true,
                                   .flush = count_flush,
                                   .owner = &f};

    memory_model_reset();
    memset(&f, 0, sizeof(f));
    memory_model_map(TABLES, TABLE_SIZE, MODEL_RAM);
    memory_model_map(DATA, DATA_SIZE, MODEL_RAM);
    memory_model_map(ROM, PAGE_SIZE, MODEL_ROM);
    memory_model_map(DEVICE, PAGE_SIZE, MODEL_MMIO);
    config.p2m = memory_model_root();
    config.pool = (uint64_t)memory_model_block(pool_size, PAGE_SIZE);
    memset((void *)config.pool, 0xff, pool_size); /* what lies there before is no matter */
    assert_true(shadow_init(&f.shadow, &config));
    f.next_table = TABLES;
    for (unsigned i = 0; i < 2; i++)
        f.g[i].pat = PAT_DEFAULT;
}

uint64_t new_table(void)
{
    f.next_table += PAGE_SIZE;
    assert_true(f.next_table <= TABLES + TABLE_SIZE);
    return f.next_table - PAGE_SIZE;
}

void reload(unsigned vcpu)
{
    f.cr3[vcpu] = shadow_root(&f.shadow, vcpu, &f.g[vcpu]);
}

void enter_at(unsigned vcpu, const struct mode *mode, uint64_t cr3)
{
    f.g[vcpu].cr0 = mode->cr0;
    f.g[vcpu].cr3 = cr3;
    f.g[vcpu].cr4 = mode->cr4;
    f.g[vcpu].efer = mode->efer;
    reload(vcpu);
}

void enter(unsigned vcpu, const struct mode *mode)
{
    enter_at(vcpu, mode, new_table());
}

void put(uint64_t gpa, uint64_t value, unsigned size)
{
    memcpy(memory_model_at(gpa), &value, size);
}

uint64_t get(uint64_t gpa, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, memory_model_at(gpa), size);
    return value;
}

uint64_t entry_at(unsigned vcpu, const struct mode *mode, uint64_t linear, unsigned level)
{
    uint64_t table = f.g[vcpu].cr3;

    for (unsigned at = mode->levels;; at--) {
        unsigned shift = 12 + mode->bits * (at - 1);
        uint64_t entry = table + (linear >> shift) % (1u << mode->bits) * mode->entry;

        if (at == level)
            return entry;
        if (!(get(entry, mode->entry) & PTE_P))
            put(entry, new_table() | (mode == &mode_pae && at == 3 ? PTE_P : USER & ~PTE_D),
                mode->entry);
        table = get(entry, mode->entry) & PTE_ADDRESS;
    }
}

void map(unsigned vcpu, const struct mode *mode, uint64_t linear, uint64_t entry, unsigned level)
{
    put(entry_at(vcpu, mode, linear, level), entry | (level > 1 ? PTE_PS : 0), mode->entry);
}

struct mmu_result try_once(unsigned vcpu, uint64_t linear, uint32_t access)
{
    uint64_t last = 0;

    return mmu_hardware(f.cr3[vcpu], &f.g[vcpu], linear, access, &last);
}

struct mmu_result reach(unsigned vcpu, uint64_t linear, uint32_t access)
{
    for (unsigned i = 0; i < 100; i++) {
        struct mmu_result result = try_once(vcpu, linear, access);
        struct shadow_result fault;

        if (result.verdict == MMU_PASSES)
            return result;
        f.faults++;
        fault = shadow_fault(&f.shadow, vcpu, &f.g[vcpu], linear, result.error);
        if (fault.outcome == SHADOW_RETRY)
            continue;
        return (struct mmu_result){.verdict = fault.outcome == SHADOW_PAGE_FAULT ? MMU_PAGE_FAULT
                                              : fault.outcome == SHADOW_DENIED   ? MMU_DENIED
                                                                                 : MMU_WALK_DENIED,
                                   .error = fault.error,
                                   .gpa = fault.gpa};
    }
    fail_msg("no end at %#lx", linear);
    return (struct mmu_result){0};
}

void assert_reaches(unsigned vcpu, uint64_t linear, uint32_t access, uint64_t gpa)
{
    struct mmu_result result = reach(vcpu, linear, access);

    if (result.verdict != MMU_PASSES)
        fail_msg("%#lx: verdict %u, error %#x", linear, result.verdict, result.error);
    assert_ptr_equal(result.machine, memory_model_at(gpa));
}

void assert_faults(unsigned vcpu, uint64_t linear, uint32_t access, uint32_t error)
{
    struct mmu_result result = reach(vcpu, linear, access);

    if (result.verdict != MMU_PAGE_FAULT || result.error != error)
        fail_msg("%#lx: verdict %u, error %#x, not %#x", linear, result.verdict, result.error,
                 error);
}

void assert_denied(unsigned vcpu, uint64_t linear, uint32_t access, uint64_t gpa)
{
    struct mmu_result result = reach(vcpu, linear, access);

    assert_int_equal(result.verdict, MMU_DENIED);
    assert_int_equal(result.gpa, gpa);
}

void guest_put(unsigned vcpu, uint64_t linear, uint64_t value, unsigned size)
{
    struct mmu_result result = reach(vcpu, linear, MMU_W);

    assert_int_equal(result.verdict, MMU_PASSES);
    memcpy((void *)result.machine, &value, size);
}
