/*
 * A mode and code, that of whatever a domain runs. What the decoder says of it Zydis says, too,
 * and nothing behind the code's end is looked at (tests/unit/exits/zydis.h).
 */
#include "core/exits/decode.h"
#include "exits/zydis.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zydis_finding found;
    struct insn insn;

    if (size < 1)
        return 0;
    if (!zydis_agrees(data + 1, size - 1, (enum insn_mode)(data[0] % 3), &found)) {
        fprintf(stderr, "%s\n", found.text);
        abort();
    }
    insn = insn_decode(data + 1, size - 1, (enum insn_mode)(data[0] % 3));
    MUST(insn.length <= INSN_MAX && insn.length <= size - 1);
    MUST((insn.kind == INSN_UNKNOWN) == (insn.length == 0));
    if (insn.memory.is_there) {
        uint64_t offset = insn_offset(&insn.memory, UINT64_MAX, UINT64_MAX);

        MUST(insn.memory.address == 8 || offset >> (8 * insn.memory.address) == 0);
        MUST(insn.memory.segment <= INSN_GS);
    }
    return 0;
}
