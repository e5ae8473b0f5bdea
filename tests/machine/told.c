/*
 * A kernel that says on core's console what it was told at its start, by PVH or by Multiboot 1: for
 * tests of domains. It is 32-bit code without paging; each line is a hypercall.
 */
#include "bulkhead/abi.h"
#include "hw/multiboot1.h"
#include "hw/pvh.h"

void told(uint32_t magic, uint32_t address);

/* The Multiboot header, at the start of .text, then the entry that both have; the PVH note. */
__asm__(".text\n"
        ".balign 4\n"
        ".long 0x1badb002, 3, -(0x1badb002 + 3)\n"
        ".globl _start\n"
        "_start:\n"
        "    movl $stack + 4096, %esp\n"
        "    pushl %ebx\n"
        "    pushl %eax\n"
        "    call told\n"
        ".section .note.entry, \"a\", @note\n"
        ".balign 4\n"
        ".long 4, 4, 18\n"
        ".asciz \"Xen\"\n"
        ".long _start\n"
        ".text\n");

extern char stack[4096];
char stack[4096];

static char line[BH_LOG_MAX];
static uint32_t used;
/* Core must have made it so. It is as large as to lie where GRUB on a BIOS machine puts modules. */
static uint32_t zeros[120000];

static const void *at(uint64_t address)
{
    return (const void *)(uintptr_t)address;
}

static void call(uint32_t number, uint32_t rdi, uint32_t rsi)
{
    __asm__ volatile("vmmcall" : : "a"(BH_CALL | number), "D"(rdi), "S"(rsi) : "memory");
}

static void put(const char *text)
{
    while (*text != 0 && used < sizeof line)
        line[used++] = *text++;
}

static void put_hex(uint64_t number)
{
    char digits[] = " ................";

    for (unsigned i = 0; i < 16; i++)
        digits[1 + i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
    put(digits);
}

static void end_line(void)
{
    call(BH_CALL_LOG, (uint32_t)(uintptr_t)line, used);
    used = 0;
}

static void say_text(const char *what, const char *text)
{
    put(what);
    put(text);
    end_line();
}

/* A module's string, then its content, which is text, too. */
static void say_module(uint64_t string, uint64_t start, uint64_t size)
{
    const char *content = at(start);

    say_text("string: ", at(string));
    put("content: ");
    for (uint64_t i = 0; i < size; i++)
        put((const char[]){content[i], 0});
    end_line();
}

static void say_memory(uint64_t start, uint64_t size, uint32_t type)
{
    put("memory:");
    put_hex(start);
    put_hex(size);
    put_hex(type);
    end_line();
}

static void say_pvh(const struct pvh_info *info)
{
    const struct pvh_module *module = at(info->modlist_paddr);
    const struct pvh_memory *memory = at(info->memmap_paddr);

    say_text("pvh: ", at(info->cmdline_paddr));
    for (uint32_t i = 0; i < info->nr_modules; i++)
        say_module(module[i].cmdline_paddr, module[i].paddr, module[i].size);
    for (uint32_t i = 0; i < info->memmap_entries; i++)
        say_memory(memory[i].addr, memory[i].size, memory[i].type);
}

static void say_multiboot(const struct mb1_info *info)
{
    const struct mb1_module *module = at(info->modules);
    const struct mb1_region *memory = at(info->map);

    say_text("multiboot: ", at(info->command_line));
    for (uint32_t i = 0; i < info->module_count; i++)
        say_module(module[i].string, module[i].start, module[i].end - module[i].start);
    for (uint32_t i = 0; i * sizeof *memory < info->map_length; i++)
        say_memory(memory[i].base, memory[i].length, memory[i].type);
}

void told(uint32_t magic, uint32_t address)
{
    const uint32_t *pvh = at(address);

    if (magic == MB1_LOADED_MAGIC)
        say_multiboot(at(address));
    else if (*pvh == PVH_MAGIC)
        say_pvh(at(address));
    else
        say_text("neither", "");
    for (unsigned i = 0; i < sizeof zeros / sizeof zeros[0]; i++)
        if (((volatile uint32_t *)zeros)[i] != 0)
            say_text("bss isn't zero", "");
    say_text("end", "");
    call(BH_CALL_STOP, 0, 0);
}
