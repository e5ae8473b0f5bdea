/*
 * Any writes to an MSI-X table, an MSI capability, the I/O APIC and logical ids, by any of the
 * domain's cores: after each, every entry of the remapping tables is one that the domain may have;
 * and those of the MSI-X table are what an independent reading of its words makes of them.
 */
#include "vdev/remap_case.h"

#define ROUNDS 50000u
#define FIRST  32u

static uint32_t written[MSIX_COUNT][4];
static uint32_t logical[CORES], seed;

static uint32_t pick(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(seed >> 4) * below >> 28);
}

/* Mostly what a system writes, with a flaw now and then, sometimes anything. */
static uint32_t some_value(unsigned dword)
{
    static const uint32_t ids[] = {0x10, 0x12, 0x15, 0x11, 0xff, 0, 1, 2, 4, 7, 8};
    static const uint32_t odd[] = {0x10, 0x20, 0x800, 0x100000, 8, 4, 2, 1};
    static const uint32_t modes[] = {0, 0, 0, 0, 0x100, 0x200, 0x400, 0x500, 0x700, 0x8000, 0x4000};

    if (pick(8) == 0)
        return pick(1u << 28) << 4 | pick(16);
    switch (dword) {
    case 0:
        return (0xfee00000 | ids[pick(11)] << 12) | (pick(2) ? 4 : 0) |
               (pick(4) == 0 ? odd[pick(8)] : 0);
    case 1:
        return pick(6) == 0;
    case 2:
        return pick(256) | modes[pick(11)];
    default:
        return pick(2);
    }
}

static unsigned core_of(uint8_t to, bool is_logical)
{
    for (unsigned id = 0; id < CORES; id++)
        if (is_logical ? (to & logical[id]) != 0 : to == 0xff || to == APIC_OF(cores[id]))
            return id;
    return CORES;
}

/* The reference: what an entry must be. */
static uint32_t expected(const uint32_t *words)
{
    uint32_t vector = words[2] & 0xff, mode = words[2] >> 8 & 7;
    unsigned id = core_of((uint8_t)(words[0] >> 12), words[0] >> 2 & 1);

    if (words[0] >> 20 != 0xfee || (words[0] & 0xff3) != 0 || words[1] != 0 || id == CORES ||
        mode > 1 || (words[2] & 0x8000) != 0 || vector < 0x20 || vector == 0xff)
        return 0;
    return entry_to(id, vector);
}

static void write_table(struct vcpu *vcpu)
{
    unsigned size = pick(8) == 0 ? 1u << pick(4) : pick(3) == 0 ? 8 : 4;
    uint32_t offset = pick(8) == 0 ? pick(16 * MSIX_COUNT) : pick(4 * MSIX_COUNT) * 4;
    unsigned entry = offset / 16, dword = offset / 4 % 4;
    uint64_t value = some_value(dword) | (uint64_t)some_value((dword + 1) % 4) << 32;
    bool done = vdev_write(vcpu, (uint64_t)bar + MSIX_TABLE + offset, size, value);

    assert_int_equal(done, size >= 4 && (MSIX_TABLE + offset) % size == 0);
    for (unsigned i = 0; i < size / 4 && done; i++)
        written[entry][dword + i] = (uint32_t)(value >> 32 * i);
}

static void write_msi(struct vcpu *vcpu)
{
    uint32_t reg = pick(24), value = some_value(pick(4));
    uint32_t address = PCI_CONFIG_ENABLE | (uint32_t)EDU << 8 | ((EDU_MSI + reg) & 0xfc);
    unsigned size = 1u << pick(3);

    assert_true(vdev_port(vcpu, PCI_CONFIG_ADDRESS, 4, false, &address));
    if (reg % size == 0)
        vdev_port(vcpu, (uint16_t)(PCI_CONFIG_DATA + (reg & 3)), size, false, &value);
}

static void write_ioapic(struct vcpu *vcpu)
{
    uint32_t index = pick(4) == 0 ? pick(256) : IOAPIC_ENTRY + 2 * (pick(2) ? PIN : LEVEL_PIN);
    uint32_t value = pick(2) ? some_value(2) | pick(2) << 11 | pick(4) / 3 << 16 : pick(256) << 24;

    vdev_write(vcpu, IOAPIC_BASE_DEFAULT + IOAPIC_SELECT, 4, index + pick(2));
    vdev_write(vcpu, IOAPIC_BASE_DEFAULT + IOAPIC_WINDOW, 4, value);
}

static void check(void)
{
    check_entries(&nic_remap);
    check_entries(&edu_remap);
    check_entries(&ioapic_remap);
    for (unsigned i = 0; i < MSIX_COUNT; i++) {
        const uint32_t *device = &bar[MSIX_TABLE / 4 + 4 * i];
        const uint32_t core[] = {0xfee00000, 0, FIRST + i, written[i][3] & 1};

        assert_int_equal(nic_remap.entry[FIRST + i], expected(written[i]));
        assert_memory_equal(device, core, sizeof(core));
    }
    for (unsigned i = 0; i < 512; i++)
        if (i < FIRST || i >= FIRST + MSIX_COUNT)
            assert_int_equal(nic_remap.entry[i], 0);
    assert_int_equal(edu->config[EDU_MSI + 5] | edu->config[EDU_MSI + 8], 0);
    assert_int_equal(edu->config[EDU_MSI + 12] | edu->config[EDU_MSI + 13], 0);
}

static void no_entry_names_what_is_denied(void **state)
{
    (void)state;
    memset(written, 0, sizeof(written));
    for (unsigned i = 0; i < MSIX_COUNT; i++)
        written[i][3] = 1;
    for (unsigned id = 0; id < CORES; id++)
        logical[id] = 1u << id;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned id = pick(CORES), what = pick(16);

        model_current = work[id];
        cpu_model.apic_log.count = cpu_model.ioapic_log.count = 0;
        if (what == 0) {
            logical[id] = pick(3) ? 1u << pick(8) : pick(256);
            set_logical(id, logical[id]);
        } else if (what < 4) {
            write_ioapic(work[id]);
        } else if (what < 7) {
            write_msi(work[id]);
        } else {
            write_table(work[id]);
        }
        check();
        console_clear();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_entry_names_what_is_denied, start_remap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
