/* The rows that core reads, and what the device table gets: each against the manuals. */
#include "bulkhead/abi.h"
#include "core/policy/image.h"
#include "hw/amdvi.h"
#include "sample.h"
#include "testing.h"
#include "verify/verify.h"
#include <stdlib.h>
#include <string.h>

static const struct bh_cpuid *cpuid(unsigned domain, uint32_t leaf)
{
    const struct bh_cpuid *rows =
        (const struct bh_cpuid *)(image.bytes + bits_header(&image)->cpuid.offset) +
        bits_domain(&image, domain)->cpuid.offset;

    for (uint32_t i = 0; i < bits_domain(&image, domain)->cpuid.count; i++)
        if (rows[i].leaf == leaf)
            return &rows[i];
    return NULL;
}

/* On a CPU that has everything. */
static uint32_t shown(unsigned domain, uint32_t leaf, unsigned reg)
{
    const struct bh_cpuid *row = cpuid(domain, leaf);

    return row == NULL ? 0 : row->and_[reg] | row->or_[reg];
}

static void cpuid_hides_what_is_not_for_guests(void **state)
{
    enum { EAX, EBX, ECX, EDX };

    (void)state;
    assert_int_equal(cpuid(WORK, 0)->or_[EAX], 0xd);
    assert_int_equal(cpuid(WORK, 0x80000000)->or_[EAX], 0x80000008);
    assert_null(cpuid(WORK, 0x8000000a)); /* SVM's features */
    assert_memory_equal(&cpuid(WORK, BH_CPUID_BASE)->or_[1], "BulkheadBulk", 12);
    for (unsigned domain = 0; domain < 2; domain++) {
        assert_false(shown(domain, 0x80000001, ECX) & 1u << 2);  /* SVM */
        assert_false(shown(domain, 0x80000001, ECX) & 1u << 12); /* SKINIT */
        assert_false(shown(domain, 0x80000001, ECX) & 1u << 10); /* IBS */
        assert_false(shown(domain, 1, ECX) & 1u << 3);           /* MONITOR */
        assert_false(shown(domain, 1, EDX) & 1u << 7);           /* MCE */
        assert_false(shown(domain, 1, EDX) & 1u << 14);          /* MCA */
        assert_false(shown(domain, 1, EDX) & 1u << 28);          /* HTT */
        assert_true(shown(domain, 1, ECX) & 1u << 31);           /* hypervisor */
        assert_true(shown(domain, 1, ECX) & 1u << 30);           /* RDRAND */
        assert_int_equal(shown(domain, 1, EBX) >> 16 & 0xff, 1); /* one processor */
    }
    assert_true(shown(WORK, 1, EDX) & 1u << 9);                /* APIC */
    assert_true(shown(WORK, 1, EDX) & 1u << 12);               /* MTRR */
    assert_false(shown(WORK, 1, ECX) & (1u << 21 | 1u << 24)); /* x2APIC, TSC deadline: */
    assert_int_equal(cpuid(VAULT, 1)->or_[ECX] & 0x1200000,
                     0x1200000); /* of a virtual APIC alone */
    assert_int_equal(cpuid(VAULT, 1)->or_[EDX], 1u << 9);
    assert_int_equal(cpuid(VAULT, 6)->or_[EAX], 1u << 2); /* ARAT */
    assert_false(shown(VAULT, 1, EDX) & 1u << 12);
}

static const struct bh_msr *msr(unsigned domain, uint32_t number)
{
    const struct bh_msr *rows =
        (const struct bh_msr *)(image.bytes + bits_header(&image)->msrs.offset) +
        bits_domain(&image, domain)->msrs.offset;

    for (uint32_t i = 0; i < bits_domain(&image, domain)->msrs.count; i++)
        if (rows[i].number == number)
            return &rows[i];
    return NULL;
}

static void msr_rows_answer_what_linux_asks(void **state)
{
    (void)state;
    assert_int_equal(msr(WORK, 0xc0000080)->read, BH_MSR_EFER);
    assert_int_equal(msr(WORK, 0xc0000080)->write, BH_MSR_EFER);
    assert_int_equal(msr(VAULT, 0xc0000080)->write, BH_MSR_EFER);
    assert_int_equal(msr(WORK, 0x1b)->write, BH_MSR_APIC_BASE);
    assert_int_equal(msr(VAULT, 0x1b)->write, BH_MSR_X2APIC);
    assert_int_equal(msr(VAULT, 0x80b)->write, BH_MSR_X2APIC);
    assert_int_equal(msr(VAULT, 0x6e0)->read, BH_MSR_X2APIC);
    assert_null(msr(WORK, 0x80b));
    assert_null(msr(VAULT, 0x2ff));
    assert_int_equal(msr(WORK, 0x2ff)->write, BH_MSR_DROP);
    assert_int_equal(msr(WORK, 0x20f)->read, BH_MSR_HARDWARE);
    assert_int_equal(msr(WORK, 0xc0011029)->value, 2);
    assert_null(msr(WORK, 0xc0010114)); /* VM_CR: no row, so #GP */
    assert_null(msr(WORK, 0xc0010117)); /* VM_HSAVE_PA */
    assert_null(msr(WORK, 0xc0010111)); /* SMM_BASE */
}

/* APM vol. 3, E.3.2 and E.4.7: two cores of one package, told apart by two bits of their APIC ids.
 */
static void cpuid_counts_the_domains_cores(void **state)
{
    struct front other;
    struct image kept = image;

    (void)state;
    assert_int_equal(cpuid(WORK, 1)->or_[1], 0x00010000);
    assert_int_equal(cpuid(WORK, 1)->or_[3], 0);
    assert_int_equal(cpuid(WORK, 0x80000008)->or_[2], 0);
    bits_emit("policy \"x\" { version 1 machine \"machines/qemu-q35.machine\"\n"
              "    domain a { primary untrusted cores 3, 1 interrupts direct memory rest\n"
              "        boot flat \"a\" at 0x100000 } }\n",
              &other, &image);
    assert_int_equal(bits_domain(&image, 0)->ncores, 2);
    assert_int_equal(bits_domain(&image, 0)->core[0], 3);
    assert_int_equal(bits_domain(&image, 0)->core[1], 1);
    assert_int_equal(cpuid(0, 1)->or_[1], 0x00020000);
    assert_int_equal(cpuid(0, 1)->or_[3], 1u << 28);
    assert_int_equal(cpuid(0, 0x80000001)->or_[2], 1u << 1);
    assert_int_equal(cpuid(0, 0x80000008)->or_[2], 0x2001);
    assert_true(verify_image(&other, image.bytes, image.size, true));
    free(image.bytes);
    front_free(&other);
    image = kept;
}

/* Virtual local APICs are numbered from 0, whichever cores they are on. */
static void microvms_share_cores(void **state)
{
    struct front other;
    struct image kept = image;

    (void)state;
    bits_emit("policy \"x\" { version 1 machine \"machines/qemu-q35.machine\"\n"
              "    domain a { microvm untrusted cores 5, 6 slice 2 ms interrupts virtual\n"
              "        memory 2 MiB boot flat \"a\" at 0x100000 }\n"
              "    domain b { microvm untrusted cores 6 slice 1000 ms interrupts virtual\n"
              "        memory 2 MiB boot flat \"b\" at 0x100000 } }\n",
              &other, &image);
    assert_int_equal(bits_domain(&image, 0)->ncores, 2);
    assert_int_equal(bits_domain(&image, 0)->core[1], 6);
    assert_int_equal(bits_domain(&image, 0)->slice_us, 2000);
    assert_int_equal(bits_domain(&image, 1)->slice_us, 1000000);
    assert_int_equal(cpuid(0, 1)->or_[1], 0x00020000);
    assert_int_equal(cpuid(0, 0x80000008)->or_[2], 0x1001);
    assert_true(verify_image(&other, image.bytes, image.size, true));
    ((struct bh_domain *)(uintptr_t)bits_domain(&image, 1))->slice_us = 2000;
    assert_false(verify_image(&other, image.bytes, image.size, true));
    free(image.bytes);
    front_free(&other);
    image = kept;
}

static void domains_are_described(void **state)
{
    const struct bh_header *header = bits_header(&image);
    const struct bh_domain *work = bits_domain(&image, WORK), *vault = bits_domain(&image, VAULT);
    const struct bh_file *files = (const struct bh_file *)(image.bytes + header->files.offset);

    (void)state;
    assert_string_equal(header->name, "sample");
    assert_string_equal(header->machine, "qemu-q35");
    assert_int_equal(header->version, 7);
    assert_int_equal(header->attest, BH_ATTEST_OPTIONAL);
    assert_int_equal(header->base, 0x10000000);
    assert_int_equal(header->required_features,
                     BH_FEATURE_NPT | BH_FEATURE_AMDVI | BH_FEATURE_RDRAND);
    assert_string_equal(work->cmdline, "quiet");
    assert_int_equal(work->core[0], 2);
    assert_int_equal(work->rights, BH_RIGHT_USERCALL | BH_RIGHT_ATTEST);
    assert_int_equal(work->ioapic_pins, 1u << 2 | 1u << 3);
    assert_int_equal(work->memory_size, 0x80000000);
    assert_int_equal(vault->rights, BH_RIGHT_LOG);
    assert_int_equal(vault->entry_gpa, 0x8000);
    assert_int_equal(header->files.count, 3);
    assert_string_equal(files[vault->files.offset].name, "v");
    assert_int_equal(files[vault->files.offset].size, 4096);
    assert_int_equal(files[vault->files.offset].sha256[31], 0xaa);
    assert_int_equal(sample_channel(0)->end[0].rights, BH_CHANNEL_READ);
    assert_int_equal(sample_channel(0)->end[1].rights,
                     BH_CHANNEL_READ | BH_CHANNEL_WRITE | BH_CHANNEL_RING);
}

/* What a policy doesn't say is what protects most. */
static void attestation_is_required_unless_said_optional(void **state)
{
    static const struct {
        const char *statement;
        uint32_t attest;
    } cases[] = {{"", BH_ATTEST_REQUIRED},
                 {"attest required", BH_ATTEST_REQUIRED},
                 {"attest optional", BH_ATTEST_OPTIONAL}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct front other;
        struct image made;
        char text[512];

        snprintf(text, sizeof(text),
                 "policy \"x\" { version 1 machine \"machines/qemu-q35.machine\" %s\n"
                 "    domain a { microvm trusted cores 0 interrupts virtual memory 4 KiB\n"
                 "        boot flat \"a\" at 0 } }\n",
                 cases[i].statement);
        bits_emit(text, &other, &made);
        assert_int_equal(bits_header(&made)->attest, cases[i].attest);
        assert_true(verify_image(&other, made.bytes, made.size, true));
        free(made.bytes);
        front_free(&other);
    }
}

/* The kernel's command line and each module's, in a line of their own, so that all are measured. */
static void modules_have_their_texts(void **state)
{
    static const char text[] =
        "policy \"x\" { version 1 machine \"machines/qemu-q35.machine\"\n"
        "    domain a { primary untrusted cores 0 interrupts direct memory rest\n"
        "        boot multiboot { kernel \"k\" module \"m\" \"one 1\" cmdline \"all\"\n"
        "            module \"n\" module \"o\" \"three\" } }\n"
        "    domain b { microvm trusted cores 1 interrupts virtual memory 1 MiB\n"
        "        boot pvh { kernel \"p\" initrd \"i\" cmdline \"alone\" } } }\n";
    static const char *const names[] = {"k", "m", "n", "o", "p", "i"};
    static const uint32_t roles[] = {BH_FILE_KERNEL, BH_FILE_MODULE, BH_FILE_MODULE,
                                     BH_FILE_MODULE, BH_FILE_KERNEL, BH_FILE_INITRD};
    struct front other;
    struct image made;

    (void)state;
    bits_emit(text, &other, &made);
    const struct bh_domain *a = bits_domain(&made, 0), *b = bits_domain(&made, 1);
    const struct bh_file *files =
        (const struct bh_file *)(made.bytes + bits_header(&made)->files.offset);
    assert_int_equal(a->boot, BH_BOOT_MULTIBOOT);
    assert_string_equal(a->cmdline, "all\none 1\n\nthree");
    assert_int_equal(a->load_gpa | a->entry_gpa, 0);
    assert_int_equal(a->files.count, 4);
    assert_int_equal(b->boot, BH_BOOT_PVH);
    assert_string_equal(b->cmdline, "alone");
    for (unsigned i = 0; i < 6; i++) {
        assert_string_equal(files[i].name, names[i]);
        assert_int_equal(files[i].role, roles[i]);
    }
    assert_true(verify_image(&other, made.bytes, made.size, true));
    strcpy(((struct bh_domain *)(made.bytes + bits_header(&made)->domains.offset))->cmdline,
           "all\none 1\nthree\n"); /* two modules' strings exchanged */
    assert_false(verify_image(&other, made.bytes, made.size, true));
    free(made.bytes);
    front_free(&other);
}

/* ---- devices ---- */

static void functions_are_masked(void **state)
{
    const struct bh_pci_function *row =
        (const struct bh_pci_function *)(image.bytes + bits_header(&image)->functions.offset);

    (void)state;
    assert_int_equal(bits_header(&image)->functions.count, 3);
    assert_int_equal(row[0].bdf, 0x00);
    assert_int_equal(row[0].granted, 0);
    assert_int_equal(row[0].read_mask[0], UINT32_MAX);
    assert_int_equal(row[0].read_mask[1], 0);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(row[0].write_mask[i], 0);
    assert_int_equal(row[1].bdf, 0x18);
    assert_int_equal(row[1].granted, 1);
    assert_int_equal(row[1].bar[1].address, 0xd0000000);
    assert_int_equal(row[1].bar[4].flags, BH_BAR_64 | BH_BAR_PREFETCH);
    assert_int_equal(row[1].write_mask[1], 0x406);
    assert_int_equal(row[1].write_mask[0x98 / 4], 0xc0000000);
    assert_int_equal(row[1].read_mask[0x84 / 4], 0x0000ffff);
    assert_int_equal(row[1].read_mask[0x94 / 4], 0);
    assert_int_equal(row[1].read_mask[0x30 / 4], 0);
    for (unsigned i = 4; i < 0x98 / 4; i++)
        assert_int_equal(row[1].write_mask[i], 0);
    assert_int_equal(row[2].bdf, 0x20);
    assert_int_equal(row[2].write_mask[0x44 / 4], 0xfffffffc);
    assert_int_equal(row[2].write_mask[0x4c / 4], 0xffff);
}

static void device_table_entries_name_their_domain(void **state)
{
    const struct bh_dte *row =
        (const struct bh_dte *)(image.bytes + bits_header(&image)->dtes.offset);
    uint64_t root = bits_domain(&image, WORK)->table;

    (void)state;
    assert_int_equal(bits_header(&image)->dtes.count, 3);
    assert_int_equal(row[0].device_id, 0x18);
    assert_int_equal(row[1].device_id, 0x20);
    assert_int_equal(row[2].device_id, 0xa0);
    assert_int_equal(row[0].dte[0], 3ull << 61 | 4u << 9 | root | 3);
    assert_int_equal(row[1].dte[0], row[0].dte[0]);
    assert_int_equal(row[2].dte[0], 3); /* the IOAPIC has no business in memory */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(row[i].dte[1], 1);
        assert_int_equal(row[i].dte[2] >> 56, 2u << 4); /* remap; nothing passes */
        assert_int_equal(row[i].dte[2] & 0x3f, AMDVI_IRT_LENGTH << 1 | 1);
        assert_int_equal(row[i].dte[3], 0);
    }
    assert_int_equal(bits_header(&image)->denied_dte[0], 3);
    assert_int_equal(bits_header(&image)->denied_dte[2], 1);
}

static void interrupts_go_to_their_domains_core(void **state)
{
    const struct bh_dte *row =
        (const struct bh_dte *)(image.bytes + bits_header(&image)->dtes.offset);
    const uint32_t *table = bits_at(&image, row[0].dte[2] & 0x000fffffffffffc0);

    (void)state;
    for (uint32_t i = 0; i < 2048; i++) {
        uint32_t mode = i >> 8, vector = i & 0xff;
        bool is_open = mode <= 1 && vector >= 0x20 && vector <= 0xfe;

        assert_int_equal(table[i], is_open ? vector << 16 | 2u << 8 | 1 : 0);
    }
}

/* Each source has a table of its own, empty, and the CPU can't reach nic's MSI-X table. */
static void several_cores_leave_interrupts_to_core(void **state)
{
    static const uint8_t empty[sizeof(struct bh_remap)];
    struct front other;
    struct image several;
    const struct bh_dte *row;
    const struct bh_pci_function *function;

    (void)state;
    bits_emit("policy \"several\" { version 1 machine \"machines/qemu-q35.machine\"\n"
              "    domain a { primary untrusted cores 3, 1 interrupts direct memory rest\n"
              "        boot flat \"f\" at 0x100000 devices nic, edu, com2 }\n}\n",
              &other, &several);
    row = (const struct bh_dte *)(several.bytes + bits_header(&several)->dtes.offset);
    assert_int_equal(bits_header(&several)->dtes.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_memory_equal(bits_at(&several, row[i].dte[2] & 0x000fffffffffffc0), empty,
                            sizeof(empty));
        assert_int_equal(row[i].dte[2] >> 60, 2); /* remap */
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(row[i].dte[2], row[j].dte[2]);
    }
    function =
        (const struct bh_pci_function *)(several.bytes + bits_header(&several)->functions.offset);
    assert_int_equal(function[1].bdf, 0x18);
    assert_int_equal(function[1].msix_bar, 1);
    assert_int_equal(function[1].msix_table, 0);
    assert_int_equal(function[1].msix_count, 4);
    assert_int_equal(bits_translate(&several, bits_domain(&several, 0)->table, 0xd0000000).hpa,
                     BITS_NOTHING);
    assert_int_equal(bits_translate(&several, bits_domain(&several, 0)->table, 0xd0004000).hpa,
                     0xd0004000);
    assert_true(verify_image(&other, several.bytes, several.size, true));
    free(several.bytes);
    front_free(&other);
}

/* ---- the whole ---- */

static void core_accepts_it(void **state)
{
    uint64_t *aligned = malloc(image.size);
    struct policy_fault fault;

    (void)state;
    memcpy(aligned, image.bytes, image.size);
    image_check(aligned, image.size, &fault);
    free(aligned);
    if (fault.check != POLICY_OK)
        fail_msg("core's check %d, row %u, value %llx", (int)fault.check, fault.row,
                 (unsigned long long)fault.value);
}

static void the_verifier_accepts_it(void **state)
{
    (void)state;
    if (!verify_image(&front, image.bytes, image.size, true)) {
        front_print(&front, stderr);
        fail_msg("the verifier found differences");
    }
}

static void the_same_policy_gives_the_same_bytes(void **state)
{
    struct front other;
    struct image again;

    (void)state;
    bits_emit(sample_policy, &other, &again);
    assert_int_equal(again.size, image.size);
    assert_memory_equal(again.bytes, image.bytes, image.size);
    free(again.bytes);
    front_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpuid_hides_what_is_not_for_guests),
        cmocka_unit_test(msr_rows_answer_what_linux_asks),
        cmocka_unit_test(cpuid_counts_the_domains_cores),
        cmocka_unit_test(microvms_share_cores),
        cmocka_unit_test(domains_are_described),
        cmocka_unit_test(modules_have_their_texts),
        cmocka_unit_test(attestation_is_required_unless_said_optional),
        cmocka_unit_test(functions_are_masked),
        cmocka_unit_test(device_table_entries_name_their_domain),
        cmocka_unit_test(interrupts_go_to_their_domains_core),
        cmocka_unit_test(several_cores_leave_interrupts_to_core),
        cmocka_unit_test(core_accepts_it),
        cmocka_unit_test(the_verifier_accepts_it),
        cmocka_unit_test(the_same_policy_gives_the_same_bytes),
    };

    return cmocka_run_group_tests(tests, sample_begin, sample_end);
}
