#include "hw/elf.h"

#include "core/domain/kernel.h"
#include "lib/memory.h"

#define PROGRAMS_MAX 64u

/* Where the program headers of a file stand. */
struct programs {
    uint64_t offset;
    uint32_t count;
    bool is_64;
};

/* True if all `size` bytes at `offset` are in the file. */
static bool holds(size_t file_size, uint64_t offset, uint64_t size)
{
    return offset <= file_size && size <= file_size - offset;
}

static bool read_header(const void *file, size_t size, struct programs *programs, uint64_t *entry)
{
    union {
        struct elf_identity identity;
        struct elf32_header narrow;
        struct elf64_header wide;
    } h = {0};
    uint32_t program_size;

    memcpy(&h, file, size < sizeof h ? size : sizeof h);
    programs->is_64 = h.identity.class == ELF_CLASS_64;
    if (size < (programs->is_64 ? sizeof h.wide : sizeof h.narrow) ||
        h.identity.magic != ELF_MAGIC || h.identity.data != ELF_LITTLE_ENDIAN ||
        (!programs->is_64 && h.identity.class != ELF_CLASS_32))
        return false;
    *entry = programs->is_64 ? h.wide.entry : h.narrow.entry;
    programs->offset = programs->is_64 ? h.wide.program_headers : h.narrow.program_headers;
    programs->count = programs->is_64 ? h.wide.program_header_count : h.narrow.program_header_count;
    program_size = programs->is_64 ? h.wide.program_header_size : h.narrow.program_header_size;
    return h.narrow.type == ELF_EXECUTABLE && /* type and machine stand at the same place */
           (h.narrow.machine == ELF_386 || h.narrow.machine == ELF_X86_64) &&
           program_size ==
               (programs->is_64 ? sizeof(struct elf64_program) : sizeof(struct elf32_program)) &&
           programs->count <= PROGRAMS_MAX &&
           holds(size, programs->offset, (uint64_t)programs->count * program_size);
}

static struct elf64_program program(const void *file, const struct programs *programs,
                                    uint32_t index)
{
    const uint8_t *table = (const uint8_t *)file + programs->offset;
    struct elf64_program wide;
    struct elf32_program narrow;

    if (programs->is_64) {
        memcpy(&wide, table + index * sizeof wide, sizeof wide);
        return wide;
    }
    memcpy(&narrow, table + index * sizeof narrow, sizeof narrow);
    return (struct elf64_program){.type = narrow.type,
                                  .offset = narrow.offset,
                                  .virtual = narrow.virtual,
                                  .physical = narrow.physical,
                                  .file_size = narrow.file_size,
                                  .memory_size = narrow.memory_size};
}

enum start_error elf_read(const void *file, size_t size, struct kernel *kernel, uint64_t *entry)
{
    struct programs programs;

    kernel->count = 0;
    if (!read_header(file, size, &programs, entry))
        return START_ELF_FORM;
    for (uint32_t i = 0; i < programs.count; i++) {
        struct elf64_program p = program(file, &programs, i);
        enum start_error error;

        if (p.type != ELF_LOAD || (p.memory_size == 0 && p.file_size == 0))
            continue;
        error = kernel_add(kernel,
                           (struct kernel_segment){.address = p.physical,
                                                   .size = p.memory_size,
                                                   .offset = p.offset,
                                                   .file_size = p.file_size,
                                                   .virtual = p.virtual},
                           size);
        if (error)
            return error;
    }
    return kernel->count != 0 ? START_OK : START_SEGMENTS;
}

static size_t padded(uint32_t size)
{
    return ((size_t)size + 3) & ~(size_t)3;
}

/* The same in one segment of notes. */
static size_t find_in(const uint8_t *notes, size_t size, const char *name, uint32_t type,
                      void *content, size_t room)
{
    size_t name_size = strlen(name) + 1, at = 0;
    struct elf_note note;

    while (size - at >= sizeof note) {
        memcpy(&note, notes + at, sizeof note);
        at += sizeof note;
        if (!holds(size, at, padded(note.name_size) + note.size))
            return 0;
        if (note.type == type && note.name_size == name_size &&
            memcmp(notes + at, name, name_size) == 0) {
            memcpy(content, notes + at + padded(note.name_size),
                   note.size < room ? note.size : room);
            return note.size;
        }
        at += padded(note.name_size) + padded(note.size);
        if (at > size) /* the last one may lack its padding */
            at = size;
    }
    return 0;
}

size_t elf_find_note(const void *file, size_t size, const char *name, uint32_t type, void *content,
                     size_t room)
{
    struct programs programs;
    uint64_t entry;
    size_t found = 0;

    if (!read_header(file, size, &programs, &entry))
        return 0;
    for (uint32_t i = 0; i < programs.count && found == 0; i++) {
        struct elf64_program p = program(file, &programs, i);

        if (p.type == ELF_NOTE && holds(size, p.offset, p.file_size))
            found =
                find_in((const uint8_t *)file + p.offset, p.file_size, name, type, content, room);
    }
    return found;
}
