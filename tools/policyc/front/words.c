#include "words.h"
#include "parser.h"
#include <string.h>

#define IN_POLICY  1u
#define IN_MACHINE 2u
#define BEGINS     4u /* a statement */

static const struct word {
    const char *text;
    int token;
    unsigned flags;
} words[] = {
    {"policy", TOKEN_POLICY, IN_POLICY | BEGINS},
    {"version", TOKEN_VERSION, IN_POLICY | BEGINS},
    {"machine", TOKEN_MACHINE, IN_POLICY | IN_MACHINE | BEGINS},
    {"attest", TOKEN_ATTEST, IN_POLICY | BEGINS},
    {"required", TOKEN_REQUIRED, IN_POLICY},
    {"optional", TOKEN_OPTIONAL, IN_POLICY},
    {"domain", TOKEN_DOMAIN, IN_POLICY | BEGINS},
    {"primary", TOKEN_PRIMARY, IN_POLICY | BEGINS},
    {"microvm", TOKEN_MICROVM, IN_POLICY | BEGINS},
    {"trusted", TOKEN_TRUSTED, IN_POLICY},
    {"untrusted", TOKEN_UNTRUSTED, IN_POLICY},
    {"cores", TOKEN_CORES, IN_POLICY | IN_MACHINE | BEGINS},
    {"slice", TOKEN_SLICE, IN_POLICY | BEGINS},
    {"ms", TOKEN_MS, IN_POLICY},
    {"interrupts", TOKEN_INTERRUPTS, IN_POLICY | BEGINS},
    {"direct", TOKEN_DIRECT, IN_POLICY},
    {"virtual", TOKEN_VIRTUAL, IN_POLICY},
    {"memory", TOKEN_MEMORY, IN_POLICY | IN_MACHINE | BEGINS},
    {"rest", TOKEN_REST, IN_POLICY},
    {"paging", TOKEN_PAGING, IN_POLICY | BEGINS},
    {"nested", TOKEN_NESTED, IN_POLICY},
    {"shadow", TOKEN_SHADOW, IN_POLICY},
    {"any", TOKEN_ANY, IN_POLICY},
    {"boot", TOKEN_BOOT, IN_POLICY | BEGINS},
    {"linux", TOKEN_LINUX, IN_POLICY},
    {"flat", TOKEN_FLAT, IN_POLICY},
    {"pvh", TOKEN_PVH, IN_POLICY},
    {"multiboot", TOKEN_MULTIBOOT, IN_POLICY},
    {"keyboard", TOKEN_KEYBOARD, IN_POLICY},
    {"module", TOKEN_MODULE, IN_POLICY | BEGINS},
    {"kernel", TOKEN_KERNEL, IN_POLICY | BEGINS},
    {"initrd", TOKEN_INITRD, IN_POLICY | BEGINS},
    {"cmdline", TOKEN_CMDLINE, IN_POLICY | BEGINS},
    {"at", TOKEN_AT, IN_POLICY | IN_MACHINE},
    {"devices", TOKEN_DEVICES, IN_POLICY | BEGINS},
    {"may", TOKEN_MAY, IN_POLICY | BEGINS},
    {"clock", TOKEN_CLOCK, IN_POLICY},
    {"log", TOKEN_LOG, IN_POLICY},
    {"calls", TOKEN_CALLS, IN_POLICY | BEGINS},
    {"user", TOKEN_USER, IN_POLICY},
    {"requires", TOKEN_REQUIRES, IN_POLICY | BEGINS},
    {"rdrand", TOKEN_RDRAND, IN_POLICY},
    {"intercept", TOKEN_INTERCEPT, IN_POLICY | BEGINS},
    {"no", TOKEN_NO, IN_POLICY | BEGINS},
    {"msr", TOKEN_MSR, IN_POLICY | BEGINS},
    {"allow", TOKEN_ALLOW, IN_POLICY},
    {"on", TOKEN_ON, IN_POLICY | BEGINS},
    {"stop", TOKEN_STOP, IN_POLICY},
    {"halt", TOKEN_HALT, IN_POLICY},
    {"channel", TOKEN_CHANNEL, IN_POLICY | BEGINS},
    {"size", TOKEN_SIZE, IN_POLICY | IN_MACHINE},
    {"read", TOKEN_READ, IN_POLICY},
    {"write", TOKEN_WRITE, IN_POLICY},
    {"ring", TOKEN_RING, IN_POLICY},
    {"dma", TOKEN_DMA, IN_POLICY},
    {"never", TOKEN_NEVER, IN_POLICY | BEGINS},
    {"reach", TOKEN_REACH, IN_POLICY},
    {"KiB", TOKEN_KIB, IN_POLICY | IN_MACHINE},
    {"MiB", TOKEN_MIB, IN_POLICY | IN_MACHINE},
    {"GiB", TOKEN_GIB, IN_POLICY | IN_MACHINE},
    {"ram", TOKEN_RAM, IN_MACHINE | BEGINS},
    {"closed", TOKEN_CLOSED, IN_MACHINE | BEGINS},
    {"rom", TOKEN_ROM, IN_MACHINE | BEGINS},
    {"place", TOKEN_PLACE, IN_MACHINE | BEGINS},
    {"core", TOKEN_CORE, IN_MACHINE},
    {"device-table", TOKEN_DEVICE_TABLE, IN_MACHINE},
    {"pool", TOKEN_POOL, IN_MACHINE},
    {"ioapic", TOKEN_IOAPIC, IN_MACHINE | BEGINS},
    {"endpoint", TOKEN_ENDPOINT, IN_MACHINE | BEGINS},
    {"legacy-safe", TOKEN_LEGACY_SAFE, IN_MACHINE | BEGINS},
    {"platform", TOKEN_PLATFORM, IN_MACHINE | BEGINS},
    {"pci", TOKEN_PCI, IN_MACHINE | BEGINS},
    {"id", TOKEN_ID, IN_MACHINE},
    {"bar", TOKEN_BAR, IN_MACHINE | BEGINS},
    {"prefetchable", TOKEN_PREFETCHABLE, IN_MACHINE},
    {"msi", TOKEN_MSI, IN_MACHINE | BEGINS},
    {"msix", TOKEN_MSIX, IN_MACHINE | BEGINS},
    {"table", TOKEN_TABLE, IN_MACHINE},
    {"count", TOKEN_COUNT, IN_MACHINE},
    {"visible", TOKEN_VISIBLE, IN_MACHINE | BEGINS},
    {"hide", TOKEN_HIDE, IN_MACHINE | BEGINS},
    {"ports", TOKEN_PORTS, IN_MACHINE | BEGINS},
    {"pin", TOKEN_PIN, IN_MACHINE | BEGINS},
};

#define WORDS (sizeof(words) / sizeof(words[0]))

static unsigned wanted_flag(enum wanted wanted)
{
    return wanted == WANTED_POLICY ? IN_POLICY : IN_MACHINE;
}

int word_token(const char *text, enum wanted wanted)
{
    for (size_t i = 0; i < WORDS; i++)
        if (strcmp(words[i].text, text) == 0 && (words[i].flags & wanted_flag(wanted)) != 0)
            return words[i].token;
    return 0;
}

bool word_begins(int token, enum wanted wanted)
{
    if (token == '{' || token == '}' || token == 0)
        return true;
    for (size_t i = 0; i < WORDS; i++)
        if (words[i].token == token)
            return (words[i].flags & BEGINS) != 0 && (words[i].flags & wanted_flag(wanted)) != 0;
    return false;
}
