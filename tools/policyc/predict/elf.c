#include "elf.h"
#include "bulkhead/layout.h"
#include <elf.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#define SEGMENTS_MAX 16u

struct file {
    const uint8_t *bytes;
    size_t size;
    uint64_t end; /* address behind the read-only segment seen last */
    bool is_over; /* a writable one has been seen */
};

static bool inside(const struct file *file, uint64_t offset, uint64_t size)
{
    return offset <= file->size && size <= file->size - offset;
}

static const char *check_header(const struct file *file, Elf64_Ehdr *header)
{
    if (!inside(file, 0, sizeof(*header)))
        return "it is too short for an ELF file";
    memcpy(header, file->bytes, sizeof(*header));
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != EM_X86_64 ||
        header->e_type != ET_EXEC)
        return "it is no 64-bit ELF program for x86";
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum > SEGMENTS_MAX ||
        !inside(file, header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr)))
        return "its program headers lie outside of it";
    return NULL;
}

static const char *add_segment(struct file *file, const Elf64_Phdr *segment,
                               crypto_hash_sha256_state *hash)
{
    if (segment->p_type != PT_LOAD)
        return NULL;
    if (!inside(file, segment->p_offset, segment->p_filesz))
        return "a segment lies outside of it";
    if ((segment->p_flags & PF_W) != 0) { /* core sets to zero what isn't in the file */
        file->is_over = true;
        return segment->p_filesz != 0
                   ? "it has initialised data that may be written, which nothing measures"
                   : NULL;
    }
    if (file->is_over || segment->p_vaddr != file->end || segment->p_paddr != segment->p_vaddr ||
        segment->p_filesz != segment->p_memsz || segment->p_filesz > CORE_END - file->end)
        return "its read-only segments don't lie in one piece at core's place";
    crypto_hash_sha256_update(hash, file->bytes + segment->p_offset, segment->p_filesz);
    file->end += segment->p_filesz;
    return NULL;
}

const char *elf_core_digest(const void *bytes, size_t size, uint8_t sha256[32])
{
    struct file file = {.bytes = bytes, .size = size, .end = CORE_BASE};
    crypto_hash_sha256_state hash;
    Elf64_Ehdr header;
    const char *fault = check_header(&file, &header);

    crypto_hash_sha256_init(&hash);
    for (unsigned i = 0; fault == NULL && i < header.e_phnum; i++) {
        Elf64_Phdr segment;

        memcpy(&segment, file.bytes + header.e_phoff + i * sizeof(segment), sizeof(segment));
        fault = add_segment(&file, &segment, &hash);
    }
    crypto_hash_sha256_final(&hash, sha256);
    if (fault == NULL && file.end == CORE_BASE)
        fault = "it has no read-only segment";
    return fault;
}
