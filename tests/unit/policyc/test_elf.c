/* Core's digest out of an ELF file that this test writes, and files that are no core. */
#include "bulkhead/layout.h"
#include "predict/elf.h"
#include "testing.h"
#include <elf.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTS 4u

/* As core's linker script lays it out: text, constants, data, what isn't in the file. */
static struct program {
    Elf64_Ehdr header;
    Elf64_Phdr segment[SEGMENTS];
    uint8_t text[300], constants[200], data[100];
} program;

static void segment(unsigned index, uint32_t flags, const uint8_t *bytes, uint64_t address,
                    uint64_t size)
{
    program.segment[index] = (Elf64_Phdr){.p_type = PT_LOAD,
                                          .p_flags = flags,
                                          .p_offset = (uint64_t)(bytes - (uint8_t *)&program),
                                          .p_vaddr = address,
                                          .p_paddr = address,
                                          .p_filesz = size,
                                          .p_memsz = size};
}

static void write_program(void)
{
    memset(&program, 0, sizeof(program));
    memcpy(program.header.e_ident, ELFMAG, SELFMAG);
    program.header.e_ident[EI_CLASS] = ELFCLASS64;
    program.header.e_ident[EI_DATA] = ELFDATA2LSB;
    program.header.e_type = ET_EXEC;
    program.header.e_machine = EM_X86_64;
    program.header.e_phoff = offsetof(struct program, segment);
    program.header.e_phentsize = sizeof(Elf64_Phdr);
    program.header.e_phnum = SEGMENTS;
    memset(program.text, 0x90, sizeof(program.text));
    memset(program.constants, 0x33, sizeof(program.constants));
    segment(0, PF_R | PF_X, program.text, CORE_BASE, sizeof(program.text));
    segment(1, PF_R, program.constants, CORE_BASE + sizeof(program.text),
            sizeof(program.constants));
    segment(2, PF_R | PF_W, program.data, CORE_BASE + 0x1000, 0);
    segment(3, PF_R | PF_W, program.data, CORE_BASE + 0x2000, 0);
    program.segment[2].p_memsz = program.segment[3].p_memsz = 0x1000;
}

static int begin(void **state)
{
    (void)state;
    write_program();
    return sodium_init() < 0;
}

static const char *digest(uint8_t sha256[32])
{
    return elf_core_digest(&program, sizeof(program), sha256);
}

static void read_only_segments_are_hashed(void **state)
{
    uint8_t right[32], sha256[32];
    uint8_t together[sizeof(program.text) + sizeof(program.constants)];

    (void)state;
    memcpy(together, program.text, sizeof(program.text));
    memcpy(together + sizeof(program.text), program.constants, sizeof(program.constants));
    crypto_hash_sha256(right, together, sizeof(together));
    assert_null(digest(sha256));
    assert_memory_equal(sha256, right, 32);
    program.constants[7] ^= 1;
    assert_null(digest(sha256));
    assert_memory_not_equal(sha256, right, 32);
}

/* What core may change isn't measured, and what is no part of the program neither. */
static void the_rest_is_not_hashed(void **state)
{
    uint8_t before[32], after[32];

    (void)state;
    assert_null(digest(before));
    program.header.e_shnum = 7;
    program.segment[3].p_memsz = 0x3000;
    assert_null(digest(after));
    assert_memory_equal(before, after, 32);
}

#define NO_ELF  "it is no 64-bit ELF program for x86"
#define OUTSIDE "its program headers lie outside of it"
#define DATA    "it has initialised data that may be written, which nothing measures"
#define PIECES  "its read-only segments don't lie in one piece at core's place"

#define DAMAGES                                                               \
    D(NO_ELF, p->header.e_ident[0] = 0)                                       \
    D(NO_ELF, p->header.e_ident[EI_CLASS] = ELFCLASS32)                       \
    D(NO_ELF, p->header.e_ident[EI_DATA] = ELFDATA2MSB)                       \
    D(NO_ELF, p->header.e_machine = EM_386)                                   \
    D(NO_ELF, p->header.e_type = ET_DYN)                                      \
    D(OUTSIDE, p->header.e_phoff = sizeof *p - 1)                             \
    D(OUTSIDE, p->header.e_phoff = UINT64_MAX)                                \
    D(OUTSIDE, p->header.e_phoff = UINT64_MAX - sizeof(Elf64_Phdr) + 1)       \
    D(OUTSIDE, p->header.e_phnum = 0xffff)                                    \
    D(OUTSIDE, p->header.e_phnum = 17)                                        \
    D(OUTSIDE, p->header.e_phentsize = 0)                                     \
    D("a segment lies outside of it", p->segment[0].p_offset = UINT64_MAX)    \
    D("a segment lies outside of it", p->segment[1].p_filesz = UINT64_MAX)    \
    D("a segment lies outside of it", p->segment[2].p_offset = sizeof *p + 1) \
    D(PIECES, p->segment[0].p_vaddr += 0x1000)                                \
    D(PIECES, p->segment[0].p_paddr += 0x1000)                                \
    D(PIECES, p->segment[1].p_vaddr += 1)                                     \
    D(PIECES, p->segment[1].p_memsz += 1)                                     \
    D(PIECES, (p->segment[2].p_flags = PF_R, p->segment[2].p_filesz = 8))     \
    D(DATA, p->segment[2].p_filesz = 1)                                       \
    D(DATA, p->segment[0].p_flags |= PF_W)                                    \
    D(PIECES, (p->segment[0].p_flags |= PF_W, p->segment[0].p_filesz = 0))    \
    D("it has no read-only segment", p->header.e_phnum = 0)                   \
    D("it has no read-only segment",                                          \
      (p->segment[0].p_type = PT_NOTE, p->segment[1].p_type = PT_NOTE))

static const struct {
    const char *fault, *damage;
} damages[] = {
#define D(fault, damage) {fault, #damage},
    DAMAGES
#undef D
};

static void damage(struct program *p, size_t n)
{
    size_t i = 0;

#define D(fault, damage) \
    if (i++ == n) {      \
        (void)(damage);  \
    }
    DAMAGES
#undef D
}

static void what_is_no_core_is_refused(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof(damages) / sizeof(damages[0]); n++) {
        uint8_t sha256[32];
        const char *fault;

        write_program();
        damage(&program, n);
        fault = digest(sha256);
        if (fault == NULL || strcmp(fault, damages[n].fault) != 0)
            fail_msg("%s\n  expected: %s\n  got:      %s", damages[n].damage, damages[n].fault,
                     fault != NULL ? fault : "a digest");
    }
}

/* Each length, and bytes of any value: in a buffer of just that length. */
static void any_file_is_survived(void **state)
{
    uint32_t random = 17;
    uint8_t sha256[32];

    (void)state;
    for (size_t size = 0; size < sizeof(program); size++) {
        uint8_t *copy = malloc(size == 0 ? 1 : size);

        memcpy(copy, &program, size);
        if (size < offsetof(struct program, data) && elf_core_digest(copy, size, sha256) == NULL)
            fail_msg("the first %zu bytes are taken for core", size);
        free(copy);
    }
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t *copy = malloc(sizeof(program));

        memcpy(copy, &program, sizeof(program));
        for (unsigned j = 0; j < 1 + i % 3; j++) {
            random = random * 1664525u + 1013904223u;
            copy[(random >> 8) % offsetof(struct program, text)] = (uint8_t)(random >> 24);
        }
        elf_core_digest(copy, sizeof(program), sha256);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(read_only_segments_are_hashed, begin),
        cmocka_unit_test_setup(the_rest_is_not_hashed, begin),
        cmocka_unit_test_setup(what_is_no_core_is_refused, begin),
        cmocka_unit_test_setup(any_file_is_survived, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
