/* ELF files (System V ABI, edition 4.1, chapters 4 and 5), as far as kernels are loaded from them.
 */
#ifndef HW_ELF_H
#define HW_ELF_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* e_ident */
#define ELF_MAGIC         0x464c457fu
#define ELF_CLASS_32      1u
#define ELF_CLASS_64      2u
#define ELF_LITTLE_ENDIAN 1u

#define ELF_EXECUTABLE 2u  /* e_type */
#define ELF_386        3u  /* e_machine */
#define ELF_X86_64     62u /* e_machine */

/* p_type */
#define ELF_LOAD 1u
#define ELF_NOTE 4u

struct elf_identity {
    uint32_t magic;
    uint8_t class;
    uint8_t data;
    uint8_t version;
    uint8_t rest[9];
};

struct elf32_header {
    struct elf_identity identity;
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint32_t entry;
    uint32_t program_headers; /* offset in the file */
    uint32_t section_headers;
    uint32_t flags;
    uint16_t size;
    uint16_t program_header_size;
    uint16_t program_header_count;
    uint16_t section_header_size;
    uint16_t section_header_count;
    uint16_t section_names;
};
static_assert(sizeof(struct elf32_header) == 52, "Elf32_Ehdr");

struct elf64_header {
    struct elf_identity identity;
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t program_headers;
    uint64_t section_headers;
    uint32_t flags;
    uint16_t size;
    uint16_t program_header_size;
    uint16_t program_header_count;
    uint16_t section_header_size;
    uint16_t section_header_count;
    uint16_t section_names;
};
static_assert(sizeof(struct elf64_header) == 64, "Elf64_Ehdr");

struct elf32_program {
    uint32_t type;
    uint32_t offset;
    uint32_t virtual;
    uint32_t physical;
    uint32_t file_size;
    uint32_t memory_size;
    uint32_t flags;
    uint32_t alignment;
};
static_assert(sizeof(struct elf32_program) == 32, "Elf32_Phdr");

struct elf64_program {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t virtual;
    uint64_t physical;
    uint64_t file_size;
    uint64_t memory_size;
    uint64_t alignment;
};
static_assert(sizeof(struct elf64_program) == 56, "Elf64_Phdr");

/* Followed by name and content, each padded to 4 bytes. */
struct elf_note {
    uint32_t name_size;
    uint32_t size;
    uint32_t type;
};
static_assert(sizeof(struct elf_note) == 12, "Elf32_Nhdr");

#endif
