#include "models/memory_model.h"

#include <stdbool.h>
#include <sys/mman.h>

#include "core/platform/paging.h"
#include "testing.h"

#define PAGE      4096u
#define ARENA     (32ul << 20)
#define LINK_BITS (NPT_P | NPT_W | NPT_US | NPT_A | NPT_IR | NPT_IW)

static uint8_t *arena;
static size_t used;
static uint64_t *root;

/* Core reaches everything below 4 GiB but page 0 and itself. */
bool paging_is_outside_core(uint64_t start, uint64_t length)
{
    return start >= PAGE && start + length >= start && start + length <= PAGING_END;
}

void memory_model_reset(void)
{
    if (arena)
        munmap(arena, ARENA);
    arena = mmap(NULL, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_32BIT,
                 -1, 0);
    assert_ptr_not_equal(arena, MAP_FAILED);
    used = 0;
    root = memory_model_block(PAGE, PAGE);
}

uint64_t *memory_model_root(void)
{
    return root;
}

void *memory_model_block(size_t size, size_t alignment)
{
    uint64_t start = ((uint64_t)arena + used + alignment - 1) & ~(uint64_t)(alignment - 1);
    uint64_t end = (start + size + PAGE - 1) & ~(uint64_t)(PAGE - 1);

    assert_true(end + PAGE <= (uint64_t)arena + ARENA);
    used = end + PAGE - (uint64_t)arena;
    assert_int_equal(
        mprotect((void *)(start & ~(uint64_t)(PAGE - 1)), end - start, PROT_READ | PROT_WRITE), 0);
    return (void *)start;
}

uint64_t *memory_model_entry(uint64_t gpa, unsigned level)
{
    uint64_t *table = root;

    for (unsigned at = NPT_LEVELS; at > level; at--) {
        uint64_t *entry = &table[(gpa >> (12 + 9 * (at - 1))) % NPT_ENTRIES];

        if (!(*entry & NPT_P))
            *entry = (uint64_t)memory_model_block(PAGE, PAGE) | LINK_BITS |
                     (uint64_t)(at - 1) << NPT_NEXT_SHIFT;
        table = (uint64_t *)(*entry & NPT_ADDRESS);
    }
    return &table[(gpa >> (12 + 9 * (level - 1))) % NPT_ENTRIES];
}

void memory_model_leaf(uint64_t gpa, uint64_t machine, unsigned level, uint64_t bits)
{
    *memory_model_entry(gpa, level) = machine | bits | (level > 1 ? NPT_PS : 0);
}

void *memory_model_map(uint64_t gpa, uint64_t size, uint64_t bits)
{
    uint8_t *block = memory_model_block(size, PAGE);

    for (uint64_t at = 0; at < size; at += PAGE)
        memory_model_leaf(gpa + at, (uint64_t)block + at, 1, bits);
    return block;
}

void *memory_model_at(uint64_t gpa)
{
    uint64_t leaf = *memory_model_entry(gpa, 1);

    assert_true(leaf & NPT_P);
    return (uint8_t *)(leaf & NPT_ADDRESS) + gpa % PAGE;
}
