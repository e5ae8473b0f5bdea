/*
 * The decoder of the few instructions that core answers itself (opcodes: APM vol. 3). Its input is
 * whatever a domain put where it ran.
 */
#include <stdlib.h>
#include <string.h>

#include "core/exits/decode.h"
#include "lib/format.h"
#include "testing.h"

#define TEXT 48

/*
 * An instruction in hexadecimal and what it is: r0-r15 registers, h0-h3 AH to BH, m1-m8 memory of
 * so many bytes, "op" one of the fixed opcodes. A load names the bits that it writes: r1.4.
 */
struct row {
    enum insn_mode mode;
    const char *code;
    const char *meaning;
};

static void describe(const struct insn *i, char *text)
{
    char reg[8];

    format(reg, sizeof(reg), i->high_byte ? "h%u" : "r%u", i->high_byte ? i->reg - 4u : i->reg);
    switch (i->kind) {
    case INSN_UNKNOWN:
        format(text, TEXT, "unknown");
        break;
    case INSN_LOAD:
        format(text, TEXT, "%s.%u = %sm%u", reg, i->width,
               i->extend == INSN_ZERO   ? "zero "
               : i->extend == INSN_SIGN ? "sign "
                                        : "",
               i->size);
        break;
    case INSN_STORE:
        format(text, TEXT, "m%u = %s", i->size, reg);
        break;
    case INSN_STORE_I:
        format(text, TEXT, "m%u = 0x%lx", i->size, i->immediate);
        break;
    case INSN_MOV_TO_CR:
        format(text, TEXT, "cr%u = %s", i->cr, reg);
        break;
    case INSN_MOV_FROM_CR:
        format(text, TEXT, "%s = cr%u", reg, i->cr);
        break;
    case INSN_MOV_TO_DR:
        format(text, TEXT, "dr%u = %s", i->cr, reg);
        break;
    case INSN_MOV_FROM_DR:
        format(text, TEXT, "%s = dr%u", reg, i->cr);
        break;
    case INSN_CLTS:
        format(text, TEXT, "clts");
        break;
    case INSN_LMSW:
        format(text, TEXT, "lmsw %s", i->memory.is_there ? "m2" : reg);
        break;
    case INSN_SMSW:
        format(text, TEXT, i->memory.is_there ? "smsw m2" : "smsw %s.%u", reg, i->width);
        break;
    case INSN_INVLPG:
        format(text, TEXT, "invlpg m");
        break;
    case INSN_INT:
        format(text, TEXT, "int 0x%lx", i->immediate);
        break;
    case INSN_OTHER:
        format(text, TEXT, i->modrm ? "op %x %x" : "op %x", i->opcode, i->modrm);
        break;
    }
}

static size_t bytes_of(const char *text, uint8_t *code)
{
    size_t size = 0;

    for (; *text; text += text[2] ? 3 : 2) {
        assert_in_range(size, 0, INSN_MAX - 1);
        code[size++] = (uint8_t)strtoul(text, NULL, 16);
    }
    return size;
}

/* Decodes from a block of just that size, so that a byte read past its end is noticed. */
static struct insn decode(const uint8_t *code, size_t size, enum insn_mode mode)
{
    uint8_t *block = malloc(size ? size : 1);
    struct insn insn;

    assert_non_null(block);
    memcpy(block, code, size);
    insn = insn_decode(block, size, mode);
    free(block);
    return insn;
}

static void assert_means(const struct row *row, const uint8_t *code, size_t size, size_t length)
{
    static const unsigned bits[] = {16, 32, 64};
    struct insn insn = decode(code, size, row->mode);
    char text[TEXT];

    describe(&insn, text);
    if (strcmp(text, row->meaning) != 0 || insn.length != length)
        fail_msg("%u-bit code %s: expected \"%s\", %zu bytes, got \"%s\", %u bytes",
                 bits[row->mode], row->code, row->meaning, length, text, insn.length);
}

/* Each row is found, whatever stands behind it; and with any of its bytes missing, nothing is. */
static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        static const uint8_t behind[] = {0x66, 0xf4, 0x8b, 0x0f, 0xff};
        uint8_t code[INSN_MAX + sizeof(behind)];
        size_t size = bytes_of(rows[i].code, code);

        for (size_t b = 0; b < sizeof(behind); b++) {
            memset(code + size, behind[b], sizeof(code) - size);
            assert_means(&rows[i], code, sizeof(code), size);
        }
        assert_means(&rows[i], code, size, size);
        for (size_t cut = 0; cut < size; cut++) {
            struct row missing = {rows[i].mode, rows[i].code, "unknown"};

            assert_means(&missing, code, cut, 0);
        }
    }
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

static void loads_and_stores_of_each_size_are_known(void **state)
{
    static const struct row rows[] = {
        {INSN_64, "8b 07", "r0.4 = m4"},
        {INSN_64, "66 8b 07", "r0.2 = m2"},
        {INSN_64, "48 8b 07", "r0.8 = m8"},
        {INSN_64, "66 48 8b 07", "r0.8 = m8"}, /* REX.W wins (APM vol. 3, 1.2.2) */
        {INSN_64, "4c 66 8b 07", "r0.2 = m2"}, /* a REX that isn't the last prefix: ignored */
        {INSN_64, "4c 40 8b 07", "r0.4 = m4"}, /* the last of two */
        {INSN_64, "8a 07", "r0.1 = m1"},
        {INSN_64, "48 8a 0f", "r1.1 = m1"},
        {INSN_64, "89 37", "m4 = r6"},
        {INSN_64, "66 89 37", "m2 = r6"},
        {INSN_64, "48 89 37", "m8 = r6"},
        {INSN_64, "88 17", "m1 = r2"},
        {INSN_32, "8b 1f", "r3.4 = m4"},
        {INSN_32, "66 8b 1f", "r3.2 = m2"},
        {INSN_32, "89 2f", "m4 = r5"},
        {INSN_16, "8b 1f", "r3.2 = m2"},
        {INSN_16, "66 8b 1f", "r3.4 = m4"},
        {INSN_16, "66 89 27", "m4 = r4"},
        {INSN_16, "88 0f", "m1 = r1"},
    };

    (void)state;
    CHECK(rows);
}

static void all_registers_are_told_apart(void **state)
{
    static const struct row rows[] = {
        {INSN_64, "44 8b 07", "r8.4 = m4"},
        {INSN_64, "4c 8b 3f", "r15.8 = m8"},
        {INSN_64, "45 89 27", "m4 = r12"},
        {INSN_64, "41 89 27", "m4 = r4"}, /* REX.B and REX.X are the address's */
        {INSN_64, "8a 27", "h0.1 = m1"},
        {INSN_64, "88 2f", "m1 = h1"},
        {INSN_32, "8a 37", "h2.1 = m1"},
        {INSN_16, "88 3f", "m1 = h3"},
        {INSN_64, "40 8a 27", "r4.1 = m1"}, /* with any REX: SPL, BPL, SIL, DIL */
        {INSN_64, "41 88 3f", "m1 = r7"},
        {INSN_64, "44 88 27", "m1 = r12"},
    };

    (void)state;
    CHECK(rows);
}

static void memory_operands_have_their_lengths(void **state)
{
    static const struct row rows[] = {
        /* 32-bit and 64-bit addressing (APM vol. 3, 1.4) */
        {INSN_64, "8b 47 10", "r0.4 = m4"},
        {INSN_64, "8b 87 10 20 30 40", "r0.4 = m4"},
        {INSN_64, "8b 05 10 20 30 40", "r0.4 = m4"}, /* RIP-relative */
        {INSN_32, "8b 05 10 20 30 40", "r0.4 = m4"}, /* absolute */
        {INSN_64, "8b 45 10", "r0.4 = m4"},
        {INSN_64, "8b 04 24", "r0.4 = m4"},
        {INSN_64, "8b 44 24 08", "r0.4 = m4"},
        {INSN_64, "8b 04 25 00 00 e0 fe", "r0.4 = m4"}, /* no base */
        {INSN_64, "41 8b 04 24", "r0.4 = m4"},
        {INSN_64, "41 8b 04 25 00 00 e0 fe", "r0.4 = m4"}, /* REX.B doesn't bring a base back */
        {INSN_64, "41 8b 05 10 20 30 40", "r0.4 = m4"},
        {INSN_64, "67 8b 05 10 20 30 40", "r0.4 = m4"},
        {INSN_64, "67 8b 44 24 08", "r0.4 = m4"},
        /* 16-bit addressing */
        {INSN_16, "8b 47 10", "r0.2 = m2"},
        {INSN_16, "8b 87 10 20", "r0.2 = m2"},
        {INSN_16, "8b 06 10 20", "r0.2 = m2"},
        {INSN_16, "8b 04", "r0.2 = m2"},
        {INSN_16, "8b 05", "r0.2 = m2"},
        {INSN_16, "67 8b 05 10 20 30 40", "r0.2 = m2"},
        {INSN_16, "67 8b 44 24 08", "r0.2 = m2"},
        {INSN_32, "67 8b 06 10 20", "r0.4 = m4"},
        {INSN_32, "67 8b 04", "r0.4 = m4"},
    };

    (void)state;
    CHECK(rows);
}

static void immediates_are_taken_and_extended(void **state)
{
    static const struct row rows[] = {
        {INSN_64, "c6 07 80", "m1 = 0x80"},
        {INSN_64, "c7 07 01 02 03 84", "m4 = 0x84030201"},
        {INSN_64, "66 c7 07 01 82", "m2 = 0x8201"},
        {INSN_64, "48 c7 07 01 02 03 84", "m8 = 0xffffffff84030201"},
        {INSN_64, "48 c7 07 01 02 03 04", "m8 = 0x4030201"},
        {INSN_64, "c7 04 25 b0 00 e0 fe 00 00 00 00", "m4 = 0x0"},
        {INSN_64, "c7 05 b0 00 e0 fe 78 56 34 12", "m4 = 0x12345678"},
        {INSN_32, "c7 05 b0 00 e0 fe 78 56 34 12", "m4 = 0x12345678"},
        {INSN_16, "c7 06 b0 00 34 12", "m2 = 0x1234"},
        {INSN_16, "66 c7 06 b0 00 78 56 34 12", "m4 = 0x12345678"},
        {INSN_16, "c6 06 b0 00 12", "m1 = 0x12"},
        {INSN_64, "67 41 c7 84 24 01 02 03 04 05 06 07 08", "m4 = 0x8070605"},
        {INSN_64, "26 2e 66 41 c7 84 24 01 02 03 04 05 06", "m2 = 0x605"},
    };

    (void)state;
    CHECK(rows);
}

static void moves_with_an_absolute_offset_are_known(void **state)
{
    static const struct row rows[] = {
        {INSN_64, "a1 01 02 03 04 05 06 07 08", "r0.4 = m4"},
        {INSN_64, "48 a1 01 02 03 04 05 06 07 08", "r0.8 = m8"},
        {INSN_64, "a0 01 02 03 04 05 06 07 08", "r0.1 = m1"},
        {INSN_64, "67 a3 01 02 03 04", "m4 = r0"},
        {INSN_64, "4f a3 01 02 03 04 05 06 07 08", "m8 = r0"},
        {INSN_64, "66 a3 01 02 03 04 05 06 07 08", "m2 = r0"},
        {INSN_32, "a3 01 02 03 04", "m4 = r0"},
        {INSN_32, "67 a2 01 02", "m1 = r0"},
        {INSN_16, "a1 01 02", "r0.2 = m2"},
        {INSN_16, "67 66 a1 01 02 03 04", "r0.4 = m4"},
    };

    (void)state;
    CHECK(rows);
}

static void narrow_loads_are_extended(void **state)
{
    static const struct row rows[] = {
        {INSN_64, "0f b6 07", "r0.4 = zero m1"},
        {INSN_64, "0f b6 27", "r4.4 = zero m1"}, /* ESP, not AH */
        {INSN_64, "0f b7 07", "r0.4 = zero m2"},
        {INSN_64, "48 0f b7 07", "r0.8 = zero m2"},
        {INSN_64, "66 0f b6 0f", "r1.2 = zero m1"},
        {INSN_64, "44 0f be 7f 01", "r15.4 = sign m1"},
        {INSN_64, "4c 0f bf 04 25 01 02 03 04", "r8.8 = sign m2"},
        {INSN_32, "0f be 2d 01 02 03 04", "r5.4 = sign m1"},
        {INSN_16, "0f b6 1e 01 02", "r3.2 = zero m1"},
        {INSN_16, "66 0f bf 07", "r0.4 = sign m2"},
    };

    (void)state;
    CHECK(rows);
}

static void control_register_moves_are_known(void **state)
{
    static const struct row rows[] = {
        {INSN_64, "0f 22 c0", "cr0 = r0"},
        {INSN_64, "41 0f 22 c7", "cr0 = r15"},
        {INSN_64, "44 0f 22 c1", "cr8 = r1"},
        {INSN_64, "0f 20 e3", "r3 = cr4"},
        {INSN_32, "0f 22 1b", "cr3 = r3"}, /* mod is ignored */
        {INSN_16, "0f 20 46", "r6 = cr0"},
        {INSN_16, "66 0f 22 c0", "cr0 = r0"},
        {INSN_16, "0f 06", "clts"},
        {INSN_64, "0f 06", "clts"},
        {INSN_16, "0f 01 f0", "lmsw r0"},
        {INSN_64, "41 0f 01 f7", "lmsw r15"},
        {INSN_32, "0f 01 e6", "smsw r6.4"},
        {INSN_16, "0f 01 e6", "smsw r6.2"},
        {INSN_64, "49 0f 01 e0", "smsw r8.8"},
        {INSN_64, "66 0f 01 e6", "smsw r6.2"},
        {INSN_64, "0f 01 37", "lmsw m2"},
        {INSN_32, "0f 01 65 08", "smsw m2"},
        {INSN_64, "48 0f 01 24 25 01 02 03 04", "smsw m2"},
        {INSN_64, "0f 23 f8", "dr7 = r0"},
        {INSN_64, "41 0f 21 f7", "r15 = dr6"},
        {INSN_16, "0f 23 c3", "dr0 = r3"},
        {INSN_64, "44 0f 21 c1", "r1 = dr8"},
        {INSN_32, "f0 0f 22 c3", "cr8 = r3"},
        {INSN_64, "f0 41 0f 20 c3", "r11 = cr8"},
    };

    (void)state;
    CHECK(rows);
}

static void fixed_opcodes_are_known(void **state)
{
    static const struct row rows[] = {
        {INSN_64, "0f a2", "op fa2"},       {INSN_16, "0f a2", "op fa2"},
        {INSN_64, "66 0f a2", "op fa2"},    {INSN_64, "f2 48 0f a2", "op fa2"},
        {INSN_64, "48 66 0f a2", "op fa2"}, {INSN_64, "48 66 0f 01 d9", "op f01 d9"},
        {INSN_32, "0f 30", "op f30"},       {INSN_64, "0f 32", "op f32"},
        {INSN_32, "0f 08", "op f08"},       {INSN_64, "0f 09", "op f09"},
        {INSN_64, "f4", "op f4"},           {INSN_16, "66 67 f4", "op f4"},
        {INSN_64, "4f f4", "op f4"},        {INSN_64, "0f 01 d9", "op f01 d9"},
        {INSN_32, "0f 01 d9", "op f01 d9"}, {INSN_16, "0f 01 d9", "op f01 d9"},
        {INSN_64, "0f 01 d1", "op f01 d1"}, {INSN_64, "66 0f 01 d8", "op f01 d8"},
        {INSN_64, "0f 31", "op f31"},       {INSN_64, "0f 01 f9", "op f01 f9"},
        {INSN_64, "f1", "op f1"},           {INSN_64, "f3 90", "op f390"},
        {INSN_16, "f2 f3 90", "op f390"},   {INSN_64, "f3 48 90", "op f390"},
        {INSN_64, "cc", "int 0x3"},         {INSN_64, "cd 80", "int 0x80"},
        {INSN_32, "ce", "int 0x4"},         {INSN_16, "66 cd 03", "int 0x3"},
        {INSN_64, "0f 01 38", "invlpg m"},  {INSN_32, "0f 01 3d 01 02 03 04", "invlpg m"},
    };

    (void)state;
    CHECK(rows);
}

static void all_prefixes_are_skipped(void **state)
{
    static const struct row rows[] = {
        {INSN_64, "26 2e 36 3e 64 65 f2 f3 8b 07", "r0.4 = m4"},
        {INSN_32, "65 64 3e 36 2e 26 f3 8b 07", "r0.4 = m4"},
        {INSN_64, "66 66 67 67 8b 07", "r0.2 = m2"},
        {INSN_64, "66 66 66 66 66 66 66 66 66 66 66 66 66 8b 07", "r0.2 = m2"},
        {INSN_64, "2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 0f a2", "op fa2"},
    };

    (void)state;
    CHECK(rows);
}

static void what_is_not_ours_is_refused(void **state)
{
    static const struct {
        enum insn_mode mode;
        const char *code;
    } rows[] = {
        {INSN_64, "f0 89 07"},          /* LOCK */
        {INSN_64, "f0 0f 22 d8"},       /* LOCK makes CR8 of CR0 alone */
        {INSN_64, "f0 0f 23 c0"},       /* LOCK */
        {INSN_64, "f0 0f a2"},          /* LOCK */
        {INSN_64, "f0 cd 80"},          /* LOCK */
        {INSN_64, "90"},                /* NOP */
        {INSN_64, "f3 f2 90"},          /* NOP: the last of the two counts */
        {INSN_64, "ce"},                /* INTO, which isn't there */
        {INSN_64, "0f 01 07"},          /* SGDT */
        {INSN_64, "8b c0"},             /* register to register */
        {INSN_64, "c6 c0 01"},          /* likewise */
        {INSN_64, "0f b6 c0"},          /* likewise */
        {INSN_64, "c7 0f 01 02 03 04"}, /* C7 /1 */
        {INSN_64, "c7 f8 00 00 00 00"}, /* XBEGIN */
        {INSN_64, "c6 f8 00"},          /* XABORT */
        {INSN_32, "48 8b 07"},          /* DEC EAX */
        {INSN_16, "4f f4"},             /* DEC DI */
        {INSN_64, "a4"},                /* MOVSB */
        {INSN_64, "f3 a5"},             /* REP MOVSD */
        {INSN_64, "87 07"},             /* XCHG */
        {INSN_64, "01 07"},             /* ADD */
        {INSN_64, "ff 37"},             /* PUSH */
        {INSN_64, "8c 07"},             /* MOV from a segment register */
        {INSN_64, "63 07"},             /* MOVSXD */
        {INSN_64, "0f c3 07"},          /* MOVNTI */
        {INSN_64, "0f 38 f0 07"},       /* MOVBE */
        {INSN_64, "0f 01 17"},          /* LGDT */
        {INSN_64, "0f 0b"},             /* UD2 */
        {INSN_64, "c5 f8 10 07"},       /* VMOVUPS */
        {INSN_64, "62 f1 7c 08 10 07"}, /* EVEX */
        {INSN_64, "8f e8 78 a2 07 00"}, /* XOP */
    };
    uint8_t longest[16];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct row row = {rows[i].mode, rows[i].code, "unknown"};
        uint8_t code[INSN_MAX];

        assert_means(&row, code, bytes_of(row.code, code), 0);
    }
    memset(longest, 0x2e, sizeof(longest));
    memcpy(longest + 14, "\x8b\x07", 2); /* 16 bytes: #GP to the CPU */
    assert_int_equal(decode(longest, 16, INSN_64).kind, INSN_UNKNOWN);
    assert_int_equal(decode(longest + 1, 15, INSN_64).length, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_and_stores_of_each_size_are_known),
        cmocka_unit_test(all_registers_are_told_apart),
        cmocka_unit_test(memory_operands_have_their_lengths),
        cmocka_unit_test(immediates_are_taken_and_extended),
        cmocka_unit_test(moves_with_an_absolute_offset_are_known),
        cmocka_unit_test(narrow_loads_are_extended),
        cmocka_unit_test(control_register_moves_are_known),
        cmocka_unit_test(fixed_opcodes_are_known),
        cmocka_unit_test(all_prefixes_are_skipped),
        cmocka_unit_test(what_is_not_ours_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
