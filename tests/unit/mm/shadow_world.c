#include "mm/shadow_world.h"

#include <string.h>

#include "testing.h"

struct world t;

uint32_t random_below(uint32_t range)
{
    t.random ^= t.random << 13; /* xorshift */
    t.random ^= t.random >> 7;
    t.random ^= t.random << 17;
    return (uint32_t)((t.random >> 11) % range);
}

bool chance(uint32_t percent)
{
    return random_below(100) < percent;
}

static void forget(struct vcpu_state *v)
{
    for (unsigned i = 0; i < PLACES; i++) {
        v->place[i].is_cached = false;
        v->place[i].last_table = 0;
    }
}

static void flush_all(void *owner)
{
    assert_ptr_equal(owner, &t);
    t.flushes++;
    for (unsigned i = 0; i < VCPUS; i++)
        forget(&t.vcpu[i]);
}

/* Adds what the tables say now to what a TLB may have cached. */
static void note_present(struct vcpu_state *v, struct place *place)
{
    struct past now = {0};

    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct shadow_guest g = v->g;
        struct mmu_result result;

        g.ac = kind & 8;
        result = mmu_reference(
            &t.memory, &g, place->linear,
            (kind & 1 ? MMU_W : 0) | (kind & 2 ? MMU_U : 0) | (kind & 4 ? MMU_ID : 0), false);
        if (result.verdict == MMU_PASSES) {
            now.machine = result.machine & ~(uint64_t)(PAGE_SIZE - 1);
            now.passes |= 1u << kind;
        }
    }
    for (unsigned i = 0; i < place->pasts; i++)
        if (place->past[i].machine == now.machine) {
            place->past[i].passes |= now.passes;
            return;
        }
    assert_true(place->pasts < HISTORY);
    place->past[place->pasts++] = now;
}

static void note_flush(struct vcpu_state *v, struct place *place)
{
    place->pasts = 0;
    place->is_fresh = true;
    note_present(v, place);
}

void load_root(struct vcpu_state *v)
{
    v->cr3 = shadow_root(&t.shadow, (unsigned)(v - t.vcpu), &v->g);
    forget(v);
    for (unsigned i = 0; i < PLACES; i++)
        note_flush(v, &v->place[i]);
}

/* What the vCPU's tables say has changed: nothing is fresh, and more may be cached. */
static void note_change(struct vcpu_state *v)
{
    for (unsigned p = 0; p < PLACES; p++) {
        v->place[p].is_fresh = false;
        if (v->place[p].pasts == HISTORY) { /* the list is full: have the guest flush */
            load_root(v);
            return;
        }
        note_present(v, &v->place[p]);
    }
}

void note_bits(void)
{
    for (unsigned i = 0; i < VCPUS; i++) {
        struct vcpu_state *v = &t.vcpu[i];
        uint64_t offset = v->g.cr3 - TABLES;

        if ((v->g.efer & EFER_LMA) || !(v->g.cr4 & CR4_PAE) || offset >= REGION)
            continue;
        if (memcmp(v->topmost, t.memory.copy + offset, sizeof(v->topmost)) != 0)
            note_change(v);
        memcpy(v->topmost, t.memory.copy + offset, sizeof(v->topmost));
    }
}

void invalidate(struct vcpu_state *v, uint64_t linear)
{
    shadow_invlpg(&t.shadow, (unsigned)(v - t.vcpu), &v->g, linear);
    for (unsigned i = 0; i < PLACES; i++) { /* and the page-walk cache, 5.5.2 */
        v->place[i].last_table = 0;
        if (v->place[i].linear / PAGE_SIZE == linear / PAGE_SIZE) {
            v->place[i].is_cached = false;
            note_flush(v, &v->place[i]);
        }
    }
}

/* The guest's store of `size` bytes, where an access has passed. */
void store(uint64_t machine, uint64_t value, unsigned size)
{
    memcpy((void *)machine, &value, size);
    if (machine - t.memory.machine < t.memory.length)
        memcpy(t.memory.copy + (machine - t.memory.machine), &value, size);
    for (unsigned i = 0; i < VCPUS; i++)
        note_change(&t.vcpu[i]);
}

struct vcpu_state *random_vcpu(void)
{
    return &t.vcpu[random_below(VCPUS - 1)];
}

static uint64_t random_page(void)
{
    switch (random_below(16)) {
    case 0:
        return ROM;
    case 1:
        return DEVICE;
    case 2:
        return UNMAPPED;
    case 3:
        return ALIAS + random_below(4) * PAGE_SIZE;
    case 4:
    case 5:
    case 6:
    case 7:
        return DATA + random_below(DATA_COUNT) * PAGE_SIZE;
    default:
        return TABLES + random_below(TABLE_COUNT) * PAGE_SIZE;
    }
}

uint64_t random_entry(unsigned size)
{
    static const uint64_t large[] = {DATA, ALIAS, FAR_ALIAS, 0x400000};
    uint64_t entry = random_page();

    if (chance(12)) {
        entry = large[random_below(4)];
        if (size == 4 && entry >> 32)
            entry = (entry & 0xffc00000) | (entry >> 32 & 0xff) << 13;
        entry |= PTE_PS;
    }
    entry |= (chance(95) ? PTE_P : 0) | random_below(8) << 9;
    if (size == 8 && chance(15)) /* as one of PAE's topmost, where most bits are reserved */
        return entry;
    entry |= (chance(80) ? PTE_RW : 0) | (chance(80) ? PTE_US : 0) | (chance(60) ? PTE_A : 0) |
             (chance(50) ? PTE_D : 0) | (chance(10) ? PTE_PWT : 0) | (chance(10) ? PTE_PCD : 0);
    if (chance(5))
        entry |= chance(50) ? PTE_LARGE_PAT : PTE_PS;
    if (chance(2))
        entry |= 1ull << (13 + random_below(39));
    if (size == 8 && chance(6))
        entry |= PTE_NX;
    return entry;
}

/* An offset in the region: mostly of an entry that some vCPU's walk reads. */
uint64_t random_slot(unsigned size)
{
    static const unsigned indices[] = {0, 1, 2, 3, 4, 510, 511, 512, 513, 1023};
    uint64_t table = random_below(PAGES) * (uint64_t)PAGE_SIZE;
    struct vcpu_state *v = random_vcpu();
    struct mmu_result walk;

    walk = mmu_reference(&t.memory, &v->g, v->place[random_below(PLACES)].linear, MMU_W, false);
    if (walk.depth && chance(80)) {
        unsigned which = chance(60) ? walk.depth - 1 : random_below(walk.depth);
        uint64_t offset = walk.path[which] - t.memory.machine;

        if (offset < REGION)
            return offset & ~(uint64_t)(size - 1);
    }
    return table + indices[random_below(size == 8 ? 7 : 10)] * size;
}

static uint64_t random_linear(const struct shadow_guest *g)
{
    static const uint64_t top[] = {0, 1, 510, 511};
    uint64_t page = random_below(3) + (chance(10) ? 509 : 0);

    if (!(g->cr0 & CR0_PG))
        return random_page();
    if (g->efer & EFER_LMA) {
        uint64_t first = top[random_below(4)];

        return (first >= 256 ? 0xffffull << 48 : 0) | first << 39 | top[random_below(4)] << 30 |
               top[random_below(4)] << 21 | page << 12;
    }
    return (uint64_t)random_below(4) << 30 | top[random_below(4)] << 21 | page << 12;
}

void choose_mode(struct vcpu_state *v)
{
    uint64_t cr3 = TABLES + random_below(chance(50) ? 2 : TABLE_COUNT) * PAGE_SIZE;

    v->g = (struct shadow_guest){.cr0 = CR0_PE | CR0_PG, .cr3 = cr3, .pat = t.vcpu[0].g.pat};
    v->g.cr0 |= chance(70) ? CR0_WP : 0;
    v->g.cr4 |= chance(40) ? CR4_SMEP : 0;
    /* Without WP, AC has no effect on pages that the supervisor just wrote (see shadow.h). */
    v->g.cr4 |= (v->g.cr0 & CR0_WP) && chance(40) ? CR4_SMAP : 0;
    v->g.efer |= chance(70) ? EFER_NXE : 0;
    switch (v == &t.vcpu[VCPUS - 1] ? 0 : random_below(9)) {
    case 0:
        v->g.cr0 &= ~(uint64_t)CR0_PG;
        v->g.cr4 &= ~(uint64_t)(CR4_SMEP | CR4_SMAP);
        break;
    case 1:
    case 2:
        v->g.cr4 |= chance(70) ? CR4_PSE : 0;
        break;
    case 3:
    case 4:
        v->g.cr4 |= CR4_PAE;
        v->g.cr3 |= random_below(2) * 0xfe0;
        break;
    default:
        v->g.cr4 |= CR4_PAE;
        v->g.efer |= EFER_LME | EFER_LMA;
        break;
    }
    if (chance(2))
        v->g.cr3 = chance(50) ? UNMAPPED : ROM;
    for (unsigned i = 0; i < PLACES; i++)
        v->place[i].linear = random_linear(&v->g);
}

struct mmu_result try_access(struct vcpu_state *v, struct place *place, uint32_t access)
{
    for (unsigned i = 0; i < MOST_ATTEMPTS; i++) {
        struct mmu_result result;
        struct shadow_result fault;

        if (place->is_cached && mmu_tlb_allows(&place->cached, &v->g, access))
            return place->cached;
        place->is_cached = false; /* a refused access is walked anew (5.5.2) */
        if (chance(50))
            place->last_table = 0;
        result = mmu_hardware(v->cr3, &v->g, place->linear, access, &place->last_table);
        if (result.verdict == MMU_PASSES) {
            place->cached = result;
            place->is_cached = true;
            return result;
        }
        place->last_table = 0;
        fault = shadow_fault(&t.shadow, (unsigned)(v - t.vcpu), &v->g, place->linear, result.error);
        if (fault.outcome == SHADOW_RETRY)
            continue;
        return (struct mmu_result){
            .verdict = fault.outcome == SHADOW_PAGE_FAULT ? MMU_PAGE_FAULT
                       : fault.outcome == SHADOW_DENIED   ? MMU_DENIED
                                                          : MMU_WALK_DENIED,
            .error = fault.error,
            .gpa = fault.gpa,
        };
    }
    fail_msg("no end at %#lx", place->linear);
    return (struct mmu_result){0};
}

static void map_region(uint64_t gpa, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        memory_model_leaf(gpa + i * PAGE_SIZE, t.memory.machine + (first + i) * PAGE_SIZE, 1,
                          MODEL_RAM);
}

void begin(uint64_t seed, uint64_t pool_size, uint8_t *copy)
{
    struct shadow_config config = {.pool_size = pool_size,
                                   .vcpus = 1,
                                   .address_bits = ADDRESS_BITS,
                                   .flush = flush_all,
                                   .owner = &t};

    memory_model_reset();
    memset(&t, 0, sizeof(t));
    t.random = seed * 0x9e3779b97f4a7c15u | 1;
    t.memory = (struct mmu_memory){.p2m = memory_model_root(),
                                   .address_bits = ADDRESS_BITS,
                                   .has_1g_pages = seed % 3,
                                   .machine = (uint64_t)memory_model_block(REGION, PAGE_SIZE),
                                   .length = REGION,
                                   .copy = copy};
    map_region(TABLES, 0, TABLE_COUNT);
    map_region(DATA, TABLE_COUNT, DATA_COUNT);
    map_region(ALIAS, 0, 4);
    map_region(ALIAS + LARGE_PAGE_SIZE, 4, 4);
    map_region(FAR_ALIAS, TABLE_COUNT - 2, 4);
    memory_model_map(ROM, PAGE_SIZE, MODEL_ROM);
    memory_model_map(DEVICE, PAGE_SIZE, MODEL_MMIO);
    config.p2m = t.memory.p2m;
    config.has_1g_pages = t.memory.has_1g_pages;
    config.pool = (uint64_t)memory_model_block(pool_size, PAGE_SIZE);
    assert_true(shadow_init(&t.shadow, &config));
    for (uint64_t at = 0; at < REGION; at += 8) {
        uint64_t entry = random_entry(8);

        memcpy((uint8_t *)t.memory.machine + at, &entry, 8);
    }
    memcpy(copy, (void *)t.memory.machine, REGION);
    t.vcpu[0].g.pat = PAT_DEFAULT;
    for (unsigned i = 0; i < VCPUS; i++) {
        choose_mode(&t.vcpu[i]);
        for (unsigned p = 0; i == VCPUS - 1 && p < PLACES; p++)
            t.vcpu[i].place[p].linear =
                p < TABLE_COUNT ? TABLES + p * PAGE_SIZE : DATA + (p - TABLE_COUNT) * PAGE_SIZE;
        load_root(&t.vcpu[i]);
    }
}
