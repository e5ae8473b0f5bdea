/*
 * The shadow engine against a reference: vCPUs of one domain in all modes of paging, on random
 * tables (large pages, tables that map themselves or each other, reserved bits, ROM, devices, what
 * isn't the domain's), which they write as guests do, with flushes and without.
 *
 * What a flush was due for must be as the reference has it at once: verdict, address, memory type,
 * error code, A and D. Until then an access may pass as it would have at any time since the
 * last flush. A fault is the present tables' always, and nothing ever passes that the p2m denies.
 */
#include <stdlib.h>
#include <string.h>

#include "mm/shadow_world.h"
#include "testing.h"

static unsigned entry_size(const struct shadow_guest *g)
{
    return (g->efer & EFER_LMA) || (g->cr4 & CR4_PAE) ? 8 : 4;
}

static void assert_same(const struct mmu_result *got, const struct mmu_result *wanted)
{
    assert_int_equal(got->verdict, wanted->verdict);
    if (wanted->verdict == MMU_PAGE_FAULT)
        assert_int_equal(got->error, wanted->error);
    else if (wanted->verdict != MMU_PASSES)
        assert_int_equal(got->gpa, wanted->gpa);
}

static bool passed_once(const struct place *place, uint64_t machine, unsigned kind)
{
    for (unsigned i = 0; i < place->pasts; i++)
        if (place->past[i].machine == machine && (place->past[i].passes & 1u << kind))
            return true;
    return false;
}

/* PAE's topmost entry is read again as one further down: the A that is set there makes it reserved
 * for the next walk. How many walks an access takes is the CPU's affair. */
static bool spoils_itself(const struct vcpu_state *v, const struct mmu_result *walk)
{
    for (unsigned i = 1; i < walk->depth && entry_size(&v->g) == 8; i++)
        if (!(v->g.efer & EFER_LMA) && walk->path[i] == walk->path[0])
            return true;
    return false;
}

/* One access, judged. */
static struct mmu_result check_access(struct vcpu_state *v, struct place *place, unsigned kind)
{
    uint32_t access = (kind & 1 ? MMU_W : 0) | (kind & 2 ? MMU_U : 0) | (kind & 4 ? MMU_ID : 0);
    bool is_exact = place->is_fresh;
    struct mmu_result got, wanted;

    v->g.ac = kind & 8;
    wanted = mmu_reference(&t.memory, &v->g, place->linear, access, is_exact);
    got = try_access(v, place, access);
    if (spoils_itself(v, &wanted)) {
        memcpy(t.memory.copy, (void *)t.memory.machine, REGION);
        note_bits();
        return got;
    }
    t.verdicts[got.verdict]++;
    t.reserved_faults += got.verdict == MMU_PAGE_FAULT && (got.error & MMU_RSVD);
    if (got.verdict != MMU_PASSES || is_exact)
        assert_same(&got, &wanted);
    if (got.verdict == MMU_PASSES && !passed_once(place, got.machine & PTE_ADDRESS, kind))
        fail_msg("%#lx is reached at %#lx as never since the last flush", got.machine,
                 place->linear);
    if (!is_exact) {
        t.stale_passes +=
            got.verdict == MMU_PASSES &&
            (wanted.verdict != MMU_PASSES || wanted.machine / PAGE_SIZE != got.machine / PAGE_SIZE);
        memcpy(t.memory.copy, (void *)t.memory.machine, REGION);
        note_bits();
        return got;
    }
    t.exact++;
    if (wanted.verdict == MMU_PASSES) {
        assert_int_equal(got.machine & PTE_ADDRESS, wanted.machine & PTE_ADDRESS);
        assert_int_equal(got.type, wanted.type == 5 ? 0 : wanted.type); /* core has no WP */
    }
    if (memcmp(t.memory.copy, (void *)t.memory.machine, REGION) != 0)
        fail_msg("A and D aren't as the CPU sets them, after %#lx", place->linear);
    note_bits();
    return got;
}

static unsigned random_kind(void)
{
    unsigned kind = random_below(KINDS);

    return (kind & 5) == 5 ? kind & ~4u : kind; /* no fetch writes */
}

static void step_access(void)
{
    struct vcpu_state *v = random_vcpu();
    struct place *place = &v->place[random_below(PLACES)];
    unsigned kind = random_kind(), size = entry_size(&v->g);
    struct mmu_result result = check_access(v, place, kind);
    uint64_t page = result.machine & PTE_ADDRESS;

    if (result.verdict == MMU_PASSES && (kind & 1) && page - t.memory.machine < REGION &&
        chance(40))
        store(page + random_slot(size) % PAGE_SIZE, random_entry(size), size);
}

/* By the vCPU that has no paging, at the page's own address. */
static void step_store(void)
{
    struct vcpu_state *writer = &t.vcpu[VCPUS - 1];
    unsigned size = entry_size(&random_vcpu()->g);
    uint64_t slot = random_slot(size);
    struct place *place = &writer->place[slot / PAGE_SIZE % PLACES];
    struct mmu_result result;

    assert_int_equal(PLACES, PAGES);
    result = check_access(writer, place, 1);
    assert_int_equal(result.verdict, MMU_PASSES);
    store((result.machine & PTE_ADDRESS) + slot % PAGE_SIZE, random_entry(size), size);
}

static void step_flush(void)
{
    struct vcpu_state *v = random_vcpu();
    struct place *place = &v->place[random_below(PLACES)];

    switch (random_below(8)) {
    case 0:
        choose_mode(v);
        load_root(v);
        break;
    case 1:
    case 2:
    case 3:
        load_root(v);
        break;
    default:
        invalidate(v, place->linear);
        break;
    }
}

/* CPUs read ahead: whatever the tables hold may come to be cached. */
static void step_speculate(void)
{
    struct vcpu_state *v = random_vcpu();
    struct place *place = &v->place[random_below(PLACES)];
    struct mmu_result result = mmu_hardware(v->cr3, &v->g, place->linear, 0, &place->last_table);

    if (result.verdict == MMU_PASSES) {
        place->cached = result;
        place->is_cached = true;
    }
}

static void step_new_pat(void)
{
    static const uint64_t pats[] = {PAT_DEFAULT, 0x0007040100070406u, 0x0106050400070406u};
    uint64_t pat = pats[random_below(3)];

    for (unsigned i = 0; i < VCPUS; i++)
        t.vcpu[i].g.pat = pat;
    shadow_reset(&t.shadow);
    for (unsigned i = 0; i < VCPUS; i++)
        load_root(&t.vcpu[i]);
}

/* Nothing in a shadow table is more than the p2m grants. */
static void assert_granted(uint64_t table, unsigned level, bool is_long)
{
    unsigned entries = level == 3 && !is_long ? 4 : 512;

    for (unsigned i = 0; i < entries; i++) {
        uint64_t entry = ((const uint64_t *)table)[i], at = entry & PTE_ADDRESS;

        if (!(entry & PTE_P))
            continue;
        if (level > 1)
            assert_granted(at, level - 1, is_long);
        else if (at == (*memory_model_entry(ROM, 1) & NPT_ADDRESS))
            assert_int_equal(entry & PTE_RW, 0);
        else if (at == (*memory_model_entry(DEVICE, 1) & NPT_ADDRESS))
            assert_true((entry & PTE_NX) && (entry & NPT_UC) == NPT_UC && !(entry & PTE_PS));
        else
            assert_true(at - t.memory.machine < t.memory.length);
    }
}

static void run(uint64_t seed, uint64_t pool_size, unsigned steps)
{
    static uint8_t copy[REGION];

    begin(seed, pool_size, copy);
    for (unsigned i = 0; i < steps; i++) {
        uint32_t what = random_below(1000);

        if (what < 550)
            step_access();
        else if (what < 750)
            step_store();
        else if (what < 900)
            step_flush();
        else if (what < 998)
            step_speculate();
        else
            step_new_pat();
        if (i % 64 == 0)
            for (unsigned v = 0; v < VCPUS; v++)
                assert_granted(t.vcpu[v].cr3, shadow_is_long(&t.vcpu[v].g) ? 4 : 3,
                               shadow_is_long(&t.vcpu[v].g));
    }
}

static void any_guest_is_shadowed_as_the_reference_walks(void **state)
{
    unsigned verdicts[4] = {0}, exact = 0, stale = 0, reserved = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        run(seed, seed % 2 ? SHADOW_POOL_MIN : 16 * SHADOW_POOL_MIN, 1500);
        for (unsigned i = 0; i < 4; i++)
            verdicts[i] += t.verdicts[i];
        exact += t.exact;
        stale += t.stale_passes;
        reserved += t.reserved_faults;
    }
    if (getenv("SHADOW_VERBOSE"))
        print_message("pass %u fault %u (reserved %u) denied %u walk %u, exact %u, stale %u\n",
                      verdicts[0], verdicts[1], reserved, verdicts[2], verdicts[3], exact, stale);
    /* all of it happened, often enough to mean something */
    assert_true(verdicts[MMU_PASSES] > 5000 && verdicts[MMU_PAGE_FAULT] > 5000);
    assert_true(verdicts[MMU_DENIED] > 200 && verdicts[MMU_WALK_DENIED] > 200);
    assert_true(exact > 2000 && stale > 20 && reserved > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_guest_is_shadowed_as_the_reference_walks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
