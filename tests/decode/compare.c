/*
 * Compares core's decoder with Zydis: over so many random instructions in each mode, and over all
 * of the code in ELF files, one instruction after the other as Zydis finds them, read as code of
 * each mode.
 *
 *   compare RANDOM FILE...
 *
 * The first disagreement ends it, with status 1.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exits/zydis.h"

static unsigned long long count[3], known[INSN_OTHER + 1];

static void must_agree(const uint8_t *code, size_t size, enum insn_mode mode,
                       struct zydis_finding *found)
{
    if (!zydis_agrees(code, size, mode, found)) {
        printf("the decoders disagree: %s\n", found->text);
        exit(1);
    }
    count[mode]++;
    known[found->kind]++;
}

static void compare_random(unsigned long runs)
{
    uint64_t state = 3;

    for (unsigned long run = 0; run < runs; run++) {
        uint8_t code[ZYDIS_CODE];
        struct zydis_finding found;
        enum insn_mode mode = (enum insn_mode)(run % 3);

        zydis_random_code(&state, code, mode);
        must_agree(code, sizeof(code), mode, &found);
    }
}

static void compare_code(const uint8_t *code, size_t size)
{
    for (unsigned mode = INSN_16; mode <= INSN_64; mode++)
        for (size_t at = 0; at < size;) {
            size_t left = size - at;
            struct zydis_finding found;

            must_agree(code + at, left < ZYDIS_CODE ? left : ZYDIS_CODE, (enum insn_mode)mode,
                       &found);
            at += found.length ? found.length : 1;
        }
}

static uint8_t *load(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long length;

    if (!file || fseek(file, 0, SEEK_END) || (length = ftell(file)) < 0) {
        perror(path);
        exit(2);
    }
    rewind(file);
    *size = (size_t)length;
    data = malloc(*size);
    if (!data || fread(data, 1, *size, file) != *size) {
        perror(path);
        exit(2);
    }
    fclose(file);
    return data;
}

static void compare_file(const char *path)
{
    size_t size;
    uint8_t *data = load(path, &size);
    Elf64_Ehdr header;
    size_t found = 0;

    if (size < sizeof(header) || memcmp(data, ELFMAG, SELFMAG) != 0) {
        fprintf(stderr, "%s is no ELF file\n", path);
        exit(2);
    }
    memcpy(&header, data, sizeof(header));
    for (unsigned i = 0; i < header.e_shnum; i++) {
        size_t at = header.e_shoff + i * sizeof(Elf64_Shdr);
        Elf64_Shdr section;

        if (at + sizeof(section) > size)
            break;
        memcpy(&section, data + at, sizeof(section));
        if (section.sh_type != SHT_PROGBITS || !(section.sh_flags & SHF_EXECINSTR) ||
            section.sh_offset > size || section.sh_size > size - section.sh_offset)
            continue;
        compare_code(data + section.sh_offset, section.sh_size);
        found += section.sh_size;
    }
    printf("%s: %zu bytes of code\n", path, found);
    free(data);
}

int main(int argc, char **argv)
{
    unsigned long long all = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: %s RANDOM FILE...\n", argv[0]);
        return 2;
    }
    compare_random(strtoul(argv[1], NULL, 10));
    for (int i = 2; i < argc; i++)
        compare_file(argv[i]);
    for (unsigned kind = INSN_LOAD; kind <= INSN_OTHER; kind++)
        all += known[kind];
    printf("%llu instructions compared in 16-bit, %llu in 32-bit, %llu in 64-bit code; core knows "
           "%llu of them: no difference\n",
           count[INSN_16], count[INSN_32], count[INSN_64], all);
    return 0;
}
