/*
 * intruder: what root in an untrusted domain tries against the rest of the machine. Each
 * attack ends with one line; after each vault is asked whether it is intact.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <unistd.h>

#include "domains/intruder/attacks/attack.h"
#include "domains/work/client.h"

enum { EXIT_USAGE = 2 };

#define MSR_DEVICE "/dev/cpu/0/msr"
#define OWN_OFFSET 0x8000u /* of a page in the channel that vault's protocol doesn't use */

static struct client victim; /* attacks use its /dev/mem */
static int msr_file = -1;

struct tally {
    unsigned attacks;
    unsigned breaches;
};

uint8_t *map_physical(struct report *report, uint64_t address, size_t size)
{
    void *mapped =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, victim.memory, (off_t)address);

    if (mapped == MAP_FAILED) {
        report_breach(report, "not tried: mapping %lx: %s", (long)address, strerror(errno));
        return NULL;
    }
    return mapped;
}

void unmap_physical(uint8_t *mapped, size_t size)
{
    munmap(mapped, size);
}

bool is_granted(uint64_t gpa)
{
    return gpa >= victim.gpa && gpa < victim.gpa + victim.size;
}

uint64_t own_page(void)
{
    return victim.gpa + OWN_OFFSET;
}

bool msrs_ready(struct report *report)
{
    if (msr_file < 0)
        msr_file = open(MSR_DEVICE, O_RDWR | O_CLOEXEC);
    if (msr_file < 0)
        report_breach(report, "not tried: " MSR_DEVICE ": %s; load the module msr",
                      strerror(errno));
    return msr_file >= 0;
}

bool try_read_msr(uint32_t number, uint64_t *value)
{
    return pread(msr_file, value, sizeof(*value), number) == sizeof(*value);
}

bool try_write_msr(uint32_t number, uint64_t value)
{
    return pwrite(msr_file, &value, sizeof(value), number) == sizeof(value);
}

static void check_vault(struct report *report)
{
    struct bh_vault_request request = {.op = BH_VAULT_CHECK};
    struct bh_vault_reply reply;

    if (!client_ask(&victim, &request, &reply))
        report_breach(report, "vault: %s", victim.problem);
    else if (reply.status != BH_VAULT_OK)
        report_breach(report, "vault: %.*s", (int)sizeof(reply.comment), reply.comment);
}

static void run(const struct attack *attack, struct tally *tally)
{
    struct report report = {0};
    char line[REPORT_LINE_MAX];

    attack->run(&report);
    check_vault(&report);
    report_line(&report, "intruder", attack->name, line);
    puts(line);
    fflush(stdout);
    tally->attacks++;
    tally->breaches += report.breaches > 0;
}

static const struct subject *const subjects[] = {&memory_attacks, &port_attacks, &pci_attacks,
                                                 &msr_attacks, &apic_attacks};

/* Calls with each attack of that name, or with all for NULL. Returns how many there were. */
static unsigned each(const char *name, void (*action)(const struct attack *, struct tally *),
                     struct tally *tally)
{
    unsigned found = 0;

    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        for (size_t n = 0; n < subjects[i]->count; n++) {
            if (name && strcmp(name, subjects[i]->attacks[n].name) != 0)
                continue;
            action(&subjects[i]->attacks[n], tally);
            found++;
        }
    }
    return found;
}

static void show(const struct attack *attack, struct tally *unused)
{
    (void)unused;
    printf("  %-20s %s\n", attack->name, attack->text);
}

static void ignore(const struct attack *attack, struct tally *unused)
{
    (void)attack;
    (void)unused;
}

static void help(void)
{
    printf("intruder - attack the rest of the machine from inside an untrusted domain\n\n"
           "  intruder [NAME...]  try all attacks, or those named; needs root, and Bulkhead below\n"
           "  intruder --list     name them\n\n"
           "Exit status: 0 all were refused, 1 one got through or could not be tried.\n");
}

static int usage_error(const char *what, const char *remedy)
{
    fprintf(stderr, "intruder: error: %s. %s.\n", what, remedy);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct tally tally = {0};

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        help();
        return EXIT_SUCCESS;
    }
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        each(NULL, show, &tally);
        return EXIT_SUCCESS;
    }
    for (int i = 1; i < argc; i++)
        if (each(argv[i], ignore, &tally) == 0)
            return usage_error("there is no attack of that name", "Try: intruder --list");
    /* On a machine without Bulkhead these attacks would hit the machine itself. */
    if (!client_open(&victim))
        return usage_error("vault can't be reached, so nothing is tried", victim.problem);
    if (victim.size < OWN_OFFSET + 0x1000)
        return usage_error("the channel has no page to spare", "Give it 64 KiB in the policy");
    if (iopl(3) != 0)
        return usage_error("iopl was refused", "Run it as root, on a kernel that has iopl");
    if (argc == 1)
        each(NULL, run, &tally);
    for (int i = 1; i < argc; i++)
        each(argv[i], run, &tally);
    printf("intruder: %u attacks, %u refused, %u breaches\n", tally.attacks,
           tally.attacks - tally.breaches, tally.breaches);
    return tally.breaches ? EXIT_FAILURE : EXIT_SUCCESS;
}
