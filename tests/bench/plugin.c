/*
 * A plugin for QEMU's TCG that counts executed instructions, of a whole machine whatever runs in
 * it: unlike the TSC with -icount, which goes on while a CPU is idle. At each marker (marker.h)
 * that the machine comes by it writes a line with all counters.
 *
 *   -plugin count.so,out=FILE[,core=FIRST-END][,at=NAME:ADDRESS]...
 *
 * core: a range of addresses whose instructions are counted apart; at: how often the instruction
 * at that address was executed. Addresses are hexadecimal.
 */
#include "tests/bench/plugin.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/marker.h"

#define PLACES 256

int qemu_plugin_version = 1;

static struct {
    FILE *out;
    uint64_t first, end; /* of core */
    uint64_t all, core;
    unsigned places;
    struct {
        char name[64];
        uint64_t address, count;
    } place[PLACES];
} plugin;

static void at_marker(unsigned cpu, void *number)
{
    (void)cpu;
    fprintf(plugin.out, "mark %u all %" PRIu64 " core %" PRIu64, (unsigned)(uintptr_t)number,
            plugin.all, plugin.core);
    for (unsigned i = 0; i < plugin.places; i++)
        if (plugin.place[i].count)
            fprintf(plugin.out, " %s %" PRIu64, plugin.place[i].name, plugin.place[i].count);
    fprintf(plugin.out, "\n");
    fflush(plugin.out);
}

static void count(struct qemu_plugin_insn *insn, uint64_t *counter)
{
    qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, counter, 1);
}

static bool is_marker(const struct qemu_plugin_insn *insn, uint16_t *number)
{
    static const uint8_t begin[] = MARKER_BEGIN, end[] = MARKER_END;
    const uint8_t *code = qemu_plugin_insn_data(insn);

    if (qemu_plugin_insn_size(insn) != MARKER_SIZE || memcmp(code, begin, sizeof(begin)) != 0 ||
        memcmp(code + MARKER_SIZE - sizeof(end), end, sizeof(end)) != 0)
        return false;
    *number = (uint16_t)(code[sizeof(begin)] | code[sizeof(begin) + 1] << 8);
    return true;
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t insns = qemu_plugin_tb_n_insns(tb);

    (void)id;
    for (size_t n = 0; n < insns; n++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, n);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        uint16_t number;

        count(insn, &plugin.all);
        if (address >= plugin.first && address < plugin.end) {
            count(insn, &plugin.core);
            for (unsigned i = 0; i < plugin.places; i++)
                if (plugin.place[i].address == address)
                    count(insn, &plugin.place[i].count);
        } else if (is_marker(insn, &number)) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, at_marker, QEMU_PLUGIN_CB_NO_REGS,
                                                   (void *)(uintptr_t)number);
        }
    }
}

static bool take_argument(const char *text)
{
    unsigned n = plugin.places;

    if (strncmp(text, "out=", 4) == 0)
        return (plugin.out = fopen(text + 4, "w")) != NULL;
    if (strncmp(text, "core=", 5) == 0)
        return sscanf(text + 5, "%" SCNx64 "-%" SCNx64, &plugin.first, &plugin.end) == 2;
    if (strncmp(text, "at=", 3) == 0 && n < PLACES) {
        plugin.places++;
        return sscanf(text + 3, "%63[^:]:%" SCNx64, plugin.place[n].name,
                      &plugin.place[n].address) == 2;
    }
    return false;
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!take_argument(argv[i])) {
            fprintf(stderr, "count.so: bad argument %s\n", argv[i]);
            return -1;
        }
    }
    if (!plugin.out) {
        fprintf(stderr, "count.so: out=FILE is missing\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    return 0;
}
