/*
 * Kernels by PVH and Multiboot 1: what a file says is taken only if all of it makes sense, whatever
 * its author has in mind.
 */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "core/domain/kernel.h"
#include "hw/elf.h"

#define MIB  0x100000ul
#define SIZE 0x800u

/* A file of either class: a program in two segments, a note with its PVH entry. */
static union {
    uint8_t bytes[SIZE];
    struct {
        struct elf64_header header;
        struct elf64_program program[3];
    } wide;
    struct {
        struct elf32_header header;
        struct elf32_program program[3];
    } narrow;
} file;

#define CODE_AT   0x400u
#define NOTES_AT  0x300u
#define HEADER_AT 0x200u /* Multiboot's */

static struct mb1_header *const multiboot = (struct mb1_header *)(file.bytes + HEADER_AT);
static struct kernel kernel;

static const struct elf_identity identity = {.magic = ELF_MAGIC, .data = 1, .version = 1};

static uint32_t write_note(uint32_t at, const char *name, uint32_t type, const void *content,
                           uint32_t size)
{
    struct elf_note note = {(uint32_t)strlen(name) + 1, size, type};

    memcpy(file.bytes + at, &note, sizeof note);
    memcpy(file.bytes + at + 12, name, note.name_size);
    memcpy(file.bytes + at + 12 + (note.name_size + 3) / 4 * 4, content, size);
    return 12 + (note.name_size + 3) / 4 * 4 + (size + 3) / 4 * 4;
}

static uint32_t write_notes(uint64_t entry)
{
    uint32_t used = write_note(NOTES_AT, "GNU", 3, "12345", 5);

    used += write_note(NOTES_AT + used, "Xen", 3, "12345678", 8);
    used += write_note(NOTES_AT + used, "XeN", 18, "12345678", 8);
    return used + write_note(NOTES_AT + used, "Xen", 18, &entry, 8);
}

static int set_up_64(void **state)
{
    (void)state;
    memset(&file, 0xcc, sizeof file);
    file.wide.header = (struct elf64_header){.identity = identity,
                                             .type = ELF_EXECUTABLE,
                                             .machine = ELF_X86_64,
                                             .entry = 0xffffffff81000010,
                                             .program_headers = sizeof(struct elf64_header),
                                             .program_header_size = sizeof(struct elf64_program),
                                             .program_header_count = 3};
    file.wide.header.identity.class = ELF_CLASS_64;
    file.wide.program[0] = (struct elf64_program){.type = ELF_LOAD,
                                                  .offset = CODE_AT,
                                                  .virtual = 0xffffffff81000000,
                                                  .physical = 16 * MIB,
                                                  .file_size = 0x200,
                                                  .memory_size = 0x200};
    file.wide.program[1] = (struct elf64_program){
        .type = ELF_NOTE, .offset = NOTES_AT, .file_size = write_notes(16 * MIB + 0x40)};
    file.wide.program[2] = (struct elf64_program){.type = ELF_LOAD,
                                                  .offset = CODE_AT + 0x200,
                                                  .virtual = 0xffffffff81200000,
                                                  .physical = 18 * MIB,
                                                  .file_size = 0x100,
                                                  .memory_size = 0x3000};
    *multiboot = (struct mb1_header){.magic = MB1_HEADER_MAGIC,
                                     .flags = MB1_HEADER_PAGE_ALIGN | MB1_HEADER_MEMORY_INFO,
                                     .checksum = -(MB1_HEADER_MAGIC + 3u)};
    memset(&kernel, 0xee, sizeof kernel);
    return 0;
}

static int set_up_32(void **state)
{
    struct elf64_program wide[3];

    set_up_64(state);
    memcpy(wide, file.wide.program, sizeof wide);
    memset(&file, 0xcc, HEADER_AT);
    file.narrow.header = (struct elf32_header){.identity = identity,
                                               .type = ELF_EXECUTABLE,
                                               .machine = ELF_386,
                                               .entry = 0x81000010,
                                               .program_headers = sizeof(struct elf32_header),
                                               .program_header_size = sizeof(struct elf32_program),
                                               .program_header_count = 3};
    file.narrow.header.identity.class = ELF_CLASS_32;
    for (uint32_t i = 0; i < 3; i++)
        file.narrow.program[i] =
            (struct elf32_program){.type = wide[i].type,
                                   .offset = (uint32_t)wide[i].offset,
                                   .virtual = (uint32_t)wide[i].virtual,
                                   .physical = (uint32_t)wide[i].physical,
                                   .file_size = (uint32_t)wide[i].file_size,
                                   .memory_size = (uint32_t)wide[i].memory_size};
    return 0;
}

static void expect_segment(uint32_t index, uint64_t address, uint64_t size, uint64_t offset,
                           uint64_t file_size)
{
    assert_int_equal(kernel.segment[index].address, address);
    assert_int_equal(kernel.segment[index].size, size);
    assert_int_equal(kernel.segment[index].offset, offset);
    assert_int_equal(kernel.segment[index].file_size, file_size);
}

/* Of both classes alike. */
static void kernels_are_read(void **state)
{
    (void)state;
    assert_int_equal(pvh_read(&file, SIZE, &kernel), START_OK);
    assert_int_equal(kernel.count, 2);
    expect_segment(0, 16 * MIB, 0x200, CODE_AT, 0x200);
    expect_segment(1, 18 * MIB, 0x3000, CODE_AT + 0x200, 0x100);
    assert_int_equal(kernel.entry, 16 * MIB + 0x40);
    memset(&kernel, 0xee, sizeof kernel);
    assert_int_equal(multiboot1_kernel_read(&file, SIZE, &kernel), START_OK);
    assert_int_equal(kernel.count, 2);
    expect_segment(1, 18 * MIB, 0x3000, CODE_AT + 0x200, 0x100);
    assert_int_equal(kernel.entry, 16 * MIB + 0x10); /* where the virtual one is placed */
}

#define WRONG(reader, set_up, expected, ...)                              \
    do {                                                                  \
        set_up(NULL);                                                     \
        __VA_ARGS__;                                                      \
        assert_int_equal(reader(&file, SIZE, &kernel), START_##expected); \
    } while (0)

static void wrong_elf_is_refused(void **state)
{
    struct elf64_header *h = &file.wide.header;
    struct elf64_program *p = file.wide.program;

    (void)state;
    WRONG(pvh_read, set_up_64, ELF_FORM, h->identity.magic++);
    WRONG(pvh_read, set_up_64, ELF_FORM, h->identity.class = 0);
    WRONG(pvh_read, set_up_64, ELF_FORM, h->identity.class = 3);
    WRONG(pvh_read, set_up_64, ELF_FORM, h->identity.data = 2);
    WRONG(pvh_read, set_up_64, ELF_FORM, h->type = 3);
    WRONG(pvh_read, set_up_64, ELF_FORM, h->machine = 40);
    WRONG(pvh_read, set_up_64, ELF_FORM, h->program_header_size = sizeof(struct elf32_program));
    WRONG(pvh_read, set_up_64, ELF_FORM, h->program_header_count = 65);
    WRONG(pvh_read, set_up_64, ELF_FORM, h->program_headers = SIZE - 3 * sizeof *p + 1);
    WRONG(pvh_read, set_up_64, ELF_FORM, h->program_headers = UINT64_MAX);
    WRONG(pvh_read, set_up_32, ELF_FORM, file.narrow.header.program_headers = UINT32_MAX);
    WRONG(pvh_read, set_up_64, SEGMENTS, h->program_header_count = 0);
    WRONG(pvh_read, set_up_64, SEGMENT_SHORT, p[0].offset = SIZE - 0x1ff);
    WRONG(pvh_read, set_up_64, SEGMENT_SHORT, p[0].offset = UINT64_MAX - 0xff);
    WRONG(pvh_read, set_up_64, SEGMENT_SHORT, p[0].file_size = UINT64_MAX);
    WRONG(pvh_read, set_up_64, SEGMENTS, p[0].memory_size = 0x1ff);
    WRONG(pvh_read, set_up_64, SEGMENTS, p[0].memory_size = 0);
    WRONG(pvh_read, set_up_64, SEGMENTS, p[2].memory_size = 1ull << 32);
    WRONG(pvh_read, set_up_64, SEGMENTS, p[2].physical = 1ull << 32);
    WRONG(pvh_read, set_up_64, SEGMENTS, p[2].physical = UINT64_MAX - 0x1000);
    WRONG(pvh_read, set_up_64, SEGMENTS, p[2].physical = (1ull << 32) - 0x2fff);
    WRONG(pvh_read, set_up_64, SEGMENTS, p[2].physical = 16 * MIB + 0x1ff);
    WRONG(pvh_read, set_up_64, SEGMENTS, p[2].physical = 16 * MIB - 0x2fff);
    WRONG(pvh_read, set_up_64, OK, p[2].physical = 16 * MIB - 0x3000);
    WRONG(pvh_read, set_up_64, OK, p[2].physical = (1ull << 32) - 0x3000);
    WRONG(pvh_read, set_up_64, OK, p[2].memory_size = p[2].file_size = 0); /* as if not there */
}

static void too_many_segments_are_refused(void **state)
{
    static uint8_t large[0x2000];
    struct elf64_header h;

    set_up_64(state);
    h = file.wide.header;
    h.program_header_count = KERNEL_SEGMENTS;
    for (uint32_t i = 0; i <= KERNEL_SEGMENTS; i++) {
        struct elf64_program p = file.wide.program[0];
        uint64_t entry;

        p.physical += i * 0x1000;
        memcpy(large + sizeof h + i * sizeof p, &p, sizeof p);
        memcpy(large, &h, sizeof h);
        assert_int_equal(elf_read(large, sizeof large, &kernel, &entry), START_OK);
    }
    h.program_header_count++;
    memcpy(large, &h, sizeof h);
    uint64_t entry;
    assert_int_equal(elf_read(large, sizeof large, &kernel, &entry), START_SEGMENTS);
}

static void wrong_notes_are_refused(void **state)
{
    struct elf64_program *notes = &file.wide.program[1];
    struct elf_note *first = (struct elf_note *)(file.bytes + NOTES_AT);
    uint32_t used;

    (void)state;
    WRONG(pvh_read, set_up_64, PVH_NOTE, notes->type = 0);
    WRONG(pvh_read, set_up_64, PVH_NOTE, notes->offset = SIZE);
    WRONG(pvh_read, set_up_64, PVH_NOTE, notes->file_size -= 1);
    WRONG(pvh_read, set_up_64, PVH_NOTE, notes->file_size = 0);
    WRONG(pvh_read, set_up_64, PVH_NOTE, first->size = UINT32_MAX);
    WRONG(pvh_read, set_up_64, PVH_NOTE, first->name_size = UINT32_MAX);
    WRONG(pvh_read, set_up_64, ENTRY, write_notes(16 * MIB - 1));
    WRONG(pvh_read, set_up_64, ENTRY, write_notes(16 * MIB + 0x200));
    WRONG(pvh_read, set_up_64, ENTRY, write_notes(16 * MIB + (1ull << 32)));
    set_up_64(NULL);
    uint32_t entry[2] = {18 * MIB, 0xdeadbeef};
    used = write_note(NOTES_AT, "Xen", 18, entry, 4); /* in 4 bytes, and first */
    notes->file_size = used;
    assert_int_equal(pvh_read(&file, SIZE, &kernel), START_OK);
    assert_int_equal(kernel.entry, 18 * MIB);
    write_note(NOTES_AT, "Xen", 18, entry, 6);
    notes->file_size = used + 4;
    assert_int_equal(pvh_read(&file, SIZE, &kernel), START_PVH_NOTE);
    notes->file_size = used + 2; /* without the last note's padding */
    assert_int_equal(pvh_read(&file, SIZE, &kernel), START_PVH_NOTE);
}

/* The header says where the file goes: what an ELF file would say doesn't matter. */
static void use_addresses(void)
{
    set_up_64(NULL);
    memset(file.bytes, 0, sizeof file.wide);
    *multiboot = (struct mb1_header){.magic = MB1_HEADER_MAGIC,
                                     .flags = MB1_HEADER_ADDRESSES | MB1_HEADER_MEMORY_INFO,
                                     .checksum = -(MB1_HEADER_MAGIC + 0x10002u),
                                     .header_address = 0x100010,
                                     .load_address = 0x100000,
                                     .load_end_address = 0x100500,
                                     .bss_end_address = 0x102000,
                                     .entry_address = 0x100024};
}

static int set_up_addresses(void **state)
{
    (void)state;
    use_addresses();
    return 0;
}

static void multiboot_addresses_are_taken(void **state)
{
    (void)state;
    assert_int_equal(multiboot1_kernel_read(&file, SIZE, &kernel), START_OK);
    assert_int_equal(kernel.count, 1);
    expect_segment(0, 0x100000, 0x2000, HEADER_AT - 0x10, 0x500);
    assert_int_equal(kernel.entry, 0x100024);
    multiboot->load_end_address = 0; /* the file's end */
    multiboot->bss_end_address = 0;
    assert_int_equal(multiboot1_kernel_read(&file, SIZE, &kernel), START_OK);
    expect_segment(0, 0x100000, SIZE - HEADER_AT + 0x10, HEADER_AT - 0x10, SIZE - HEADER_AT + 0x10);
}

static void wrong_multiboot_is_refused(void **state)
{
#define WRONG_MB(expected, ...) \
    WRONG(multiboot1_kernel_read, set_up_addresses, expected, __VA_ARGS__)
    struct mb1_header *h = multiboot;

    (void)state;
    WRONG_MB(MULTIBOOT_HEADER, h->magic++);
    WRONG_MB(MULTIBOOT_HEADER, h->checksum++);
    for (uint32_t bit = 2; bit < 16; bit++)
        WRONG_MB(MULTIBOOT_FLAGS, h->flags |= 1u << bit; h->checksum -= 1u << bit);
    WRONG_MB(OK, h->flags |= 0xfffe0000; h->checksum -= 0xfffe0000); /* wishes */
    WRONG_MB(MULTIBOOT_ADDRESSES, h->header_address = 0xfffff);
    WRONG_MB(MULTIBOOT_ADDRESSES, h->header_address = 0x100000 + HEADER_AT + 1);
    WRONG_MB(OK, h->header_address = 0x100000 + HEADER_AT);
    WRONG_MB(MULTIBOOT_ADDRESSES, h->load_end_address = 0x100000);
    WRONG_MB(MULTIBOOT_ADDRESSES, h->load_end_address = 1);
    WRONG_MB(SEGMENT_SHORT, h->load_end_address = 0x100000 + SIZE - HEADER_AT + 0x11);
    WRONG_MB(OK, h->load_end_address = 0x100000 + SIZE - HEADER_AT + 0x10);
    WRONG_MB(MULTIBOOT_ADDRESSES, h->bss_end_address = 0xfffff);
    WRONG_MB(SEGMENTS, h->bss_end_address = 0x1004ff);
    WRONG_MB(ENTRY, h->entry_address = 0xfffff);
    WRONG_MB(ENTRY, h->entry_address = 0x102000);
    WRONG_MB(OK, h->entry_address = 0x101fff);
    set_up_64(NULL);
    file.wide.header.entry = 0x2000;
    assert_int_equal(multiboot1_kernel_read(&file, SIZE, &kernel), START_ENTRY);
}

/* Anywhere in the first 8 KiB, in steps of 4 (Multiboot Specification, 3.1). */
static void multiboot_header_is_found(void **state)
{
    static uint32_t large[0x4000 / 4];
    struct mb1_header h;

    set_up_addresses(state);
    h = *multiboot;
    h.header_address = 0x100000;
    h.load_end_address = 0x100040;
    for (size_t at = 0; at < 0x2010; at++) {
        bool is_found = at % 4 == 0 && at + 12 <= MB1_HEADER_LIMIT;

        memset(large, 0, sizeof large);
        memcpy((uint8_t *)large + at, &h, sizeof h);
        assert_int_equal(multiboot1_kernel_read(large, sizeof large, &kernel),
                         is_found ? START_OK : START_MULTIBOOT_HEADER);
    }
}

/* A file is as long as it is: nothing behind its end is read (the sanitizer watches). */
static void prefixes_are_survived(void **state)
{
    (void)state;
    for (uint32_t form = 0; form < 3; form++) {
        if (form < 2 ? form == 0 ? set_up_64(NULL) : set_up_32(NULL) : set_up_addresses(NULL))
            fail();
        for (size_t size = 0; size < SIZE; size++) {
            uint8_t *exact = malloc(size + 1);
            enum start_error pvh, by_multiboot;

            memcpy(exact + 1, &file, size);
            pvh = pvh_read(exact + 1, size, &kernel);
            by_multiboot = multiboot1_kernel_read(exact + 1, size, &kernel);
            assert_int_equal(pvh == START_OK, form < 2 && size >= CODE_AT + 0x300);
            assert_int_equal(by_multiboot == START_OK,
                             size >= (form < 2 ? CODE_AT + 0x300 : HEADER_AT - 0x10 + 0x500));
            free(exact);
        }
    }
}

static void must_be_sound(enum start_error error, size_t size)
{
    if (error)
        return;
    assert_in_range(kernel.count, 1, KERNEL_SEGMENTS);
    assert_true(kernel_has(&kernel, kernel.entry));
    for (uint32_t i = 0; i < kernel.count; i++) {
        const struct kernel_segment *s = &kernel.segment[i];

        assert_true(s->offset <= size && s->file_size <= size - s->offset);
        assert_true(s->size != 0 && s->file_size <= s->size);
        assert_true(s->address < 1ull << 32 && s->size <= (1ull << 32) - s->address);
        for (uint32_t j = 0; j < i; j++)
            assert_true(s->address >= kernel.segment[j].address + kernel.segment[j].size ||
                        kernel.segment[j].address >= s->address + s->size);
    }
}

static void random_damage_is_survived(void **state)
{
    uint32_t good = 0;

    (void)state;
    srand(7);
    for (uint32_t round = 0; round < 60000; round++) {
        if (round % 3 < 2 ? round % 3 == 0 ? set_up_64(NULL) : set_up_32(NULL)
                          : set_up_addresses(NULL))
            fail();
        for (uint32_t i = 0; i < 1 + (uint32_t)rand() % 4; i++) {
            static const uint8_t odd[] = {0, 1, 2, 0x7f, 0x80, 0xff};
            size_t at = (size_t)rand() % (round % 3 == 2 ? HEADER_AT + 32 : CODE_AT);

            file.bytes[at] = rand() % 2 ? odd[rand() % 6] : (uint8_t)rand();
        }
        enum start_error error = pvh_read(&file, SIZE, &kernel);
        must_be_sound(error, SIZE);
        good += error == START_OK;
        memset(&kernel, 0xee, sizeof kernel);
        error = multiboot1_kernel_read(&file, SIZE, &kernel);
        must_be_sound(error, SIZE);
        good += error == START_OK;
    }
    assert_true(good > 1000); /* damage that is always refused would show nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"kernels_are_read_64", kernels_are_read, set_up_64, NULL, NULL},
        {"kernels_are_read_32", kernels_are_read, set_up_32, NULL, NULL},
        cmocka_unit_test(wrong_elf_is_refused),
        cmocka_unit_test(too_many_segments_are_refused),
        cmocka_unit_test(wrong_notes_are_refused),
        cmocka_unit_test_setup(multiboot_addresses_are_taken, set_up_addresses),
        cmocka_unit_test(wrong_multiboot_is_refused),
        cmocka_unit_test(multiboot_header_is_found),
        cmocka_unit_test(prefixes_are_survived),
        cmocka_unit_test(random_damage_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
