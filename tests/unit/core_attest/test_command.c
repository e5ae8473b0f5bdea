/* Commands are the bytes that the TPM 2.0 Library Specification says; responses are believed in
 * nothing: every length, count, tag and selection may be wrong. */
#include "testing.h"

#include <string.h>

#include <sanitizer/asan_interface.h>
#include <sodium.h>

#include "bulkhead/evidence.h"
#include "core/attest/command.h"
#include "hw/tpm.h"

static struct tpm_message m;

/* A response's bytes, its size put in; `hex` is what follows tag, size and code. */
static void respond(uint16_t tag, const char *hex)
{
    size_t length;

    memcpy(m.bytes, "\0\0\0\0\0\0\0\0\0", TPM_HEADER);
    m.bytes[0] = (uint8_t)(tag >> 8);
    m.bytes[1] = (uint8_t)tag;
    assert_int_equal(sodium_hex2bin(m.bytes + TPM_HEADER, TPM_MESSAGE_MAX - TPM_HEADER, hex,
                                    strlen(hex), " ", &length, NULL),
                     0);
    m.size = (uint32_t)(TPM_HEADER + length);
}

static void expect_bytes(const char *hex)
{
    uint8_t expected[256];
    size_t length;

    assert_int_equal(
        sodium_hex2bin(expected, sizeof expected, hex, strlen(hex), " ", &length, NULL), 0);
    assert_int_equal(m.size, length);
    assert_memory_equal(m.bytes, expected, length);
}

#define PASSWORD   "00000009 40000009 0000 00 0000 "
#define POLICY     "00000009 03000001 0000 01 0000 "
#define SELECTION  "00000001 000b 03 ff030e "
#define EMPTY_AUTH "0000 01 0000"

static const uint8_t extra[BH_DIGEST] = {0x11, 0x22};

static void commands_are_as_specified(void **state)
{
    (void)state;
    tpm_make_get_banks(&m);
    expect_bytes("8001 00000016 0000017a 00000005 00000000 00000001");
    tpm_make_pcr_event(&m, 17, "event", 5);
    expect_bytes("8002 00000022 0000013c 00000011 " PASSWORD "0005 6576656e74");
    tpm_make_pcr_read(&m, BH_QUOTED_PCRS);
    expect_bytes("8001 00000014 0000017e " SELECTION);
    tpm_make_read_public(&m, BH_AK_HANDLE);
    expect_bytes("8001 0000000e 00000173 81014248");
    tpm_make_nv_read_public(&m, BH_NV_BASE);
    expect_bytes("8001 0000000e 00000169 01804201");
    tpm_make_nv_read(&m, BH_NV_TRUST, 32);
    expect_bytes("8002 00000023 0000014e 01804202 01804202 " PASSWORD "0020 0000");
    tpm_make_read_clock(&m);
    expect_bytes("8001 0000000a 00000181");
    tpm_make_get_random(&m, 16);
    expect_bytes("8001 0000000c 0000017b 0010");
    tpm_make_start_policy(&m);
    expect_bytes("8001 0000002b 00000176 40000007 40000007 0010 00000000000000000000000000000000 "
                 "0000 01 0010 000b");
    tpm_make_policy_locality(&m, 0x03000001);
    expect_bytes("8001 0000000f 0000016f 03000001 04");
    tpm_make_flush(&m, 0x03000001);
    expect_bytes("8001 0000000e 00000165 03000001");
    tpm_make_nv_increment(&m, BH_NV_COUNTER, 0x03000001);
    expect_bytes("8002 0000001f 00000134 01804200 01804200 " POLICY);
    tpm_make_quote(&m, BH_AK_HANDLE, 0x03000001, extra, BH_QUOTED_PCRS);
    expect_bytes("8002 00000049 00000158 81014248 " POLICY "0020 1122000000000000 0000000000000000 "
                 "0000000000000000 0000000000000000 0010 " SELECTION);
}

/* The session that core opens satisfies just the policy that keys and indices have. */
static void policy_of_locality_2(void **state)
{
    uint8_t digest[32] = {0};
    crypto_hash_sha256_state hash;

    (void)state;
    tpm_make_policy_locality(&m, 0x03000001);
    crypto_hash_sha256_init(&hash);
    crypto_hash_sha256_update(&hash, digest, sizeof digest);
    crypto_hash_sha256_update(&hash, m.bytes + 6, 4);  /* command code */
    crypto_hash_sha256_update(&hash, m.bytes + 14, 1); /* locality */
    crypto_hash_sha256_final(&hash, digest);
    assert_memory_equal(digest, BH_AK_POLICY, 32);
}

static void what_is_too_long_is_not_sent(void **state)
{
    static const uint8_t data[TPM_MESSAGE_MAX];

    (void)state;
    tpm_make_pcr_event(&m, 17, data, BH_EVENT_MAX);
    assert_int_equal(m.size, 29 + BH_EVENT_MAX);
    tpm_make_pcr_event(&m, 17, data, sizeof data);
    assert_int_equal(m.size, TPM_MESSAGE_MAX + 1);
}

static void names_of_commands(void **state)
{
    (void)state;
    tpm_make_read_clock(&m);
    assert_string_equal(tpm_command_name(&m), "TPM2_ReadClock");
    m.bytes[9] = 0;
    assert_string_equal(tpm_command_name(&m), "a TPM command");
    m.size = 9;
    assert_string_equal(tpm_command_name(&m), "a TPM command");
}

/* Each parser in one form: true if it takes the message in `m`. */
static struct evlog_banks banks;
static struct evlog_digests digests;
static uint8_t values[TPM_PCRS][BH_DIGEST], data[64];
static struct tpm_nv_public nv;
static struct tpm_bytes bytes;
static struct tpm_clock clocks;
static struct tpm_quote quote;
static uint32_t number;

static bool get_banks(void)
{
    return tpm_take_get_banks(&m, BH_QUOTED_PCRS, &banks);
}

static bool pcr_event(void)
{
    return tpm_take_pcr_event(&m, &digests);
}

static bool pcr_read(void)
{
    return tpm_take_pcr_read(&m, BH_QUOTED_PCRS, &number, values);
}

static bool read_public(void)
{
    return tpm_take_read_public(&m, &bytes);
}

static bool nv_read_public(void)
{
    return tpm_take_nv_read_public(&m, &nv);
}

static bool nv_read(void)
{
    return tpm_take_nv_read(&m, data, 8);
}

static bool read_clock(void)
{
    return tpm_take_read_clock(&m, &clocks);
}

static bool get_random(void)
{
    return tpm_take_get_random(&m, data, 4);
}

static bool start_policy(void)
{
    return tpm_take_start_policy(&m, &number);
}

static bool nothing(void)
{
    return tpm_take_nothing(&m);
}

static bool take_quote(void)
{
    return tpm_take_quote(&m, &quote);
}

static bool nv_increment(void)
{
    return tpm_take_nv_increment(&m);
}

#define D20 "1111111111111111111111111111111111111111"
#define D32 "2222222222222222222222222222222222222222222222222222222222222222"

static const struct parser {
    bool (*take)(void);
    uint16_t tag;
    const char *good;
} parsers[] = {
    {get_banks, TPM_ST_NO_SESSIONS,
     "00 00000005 00000003 0004 03 ffffff 000b 03 ffffff 000c 03 000000"},
    {pcr_event, TPM_ST_SESSIONS, "0000003c 00000002 0004 " D20 " 000b " D32 EMPTY_AUTH},
    {pcr_read, TPM_ST_NO_SESSIONS,
     "00000007 00000001 000b 03 030000 00000002 0020 " D32 "0020 " D32},
    {read_public, TPM_ST_NO_SESSIONS, "0003 aabbcc 0002 0102 0002 0304"},
    {nv_read_public, TPM_ST_NO_SESSIONS, "000e 01804200 000b 22040018 0000 0008 0002 0102"},
    {nv_read, TPM_ST_SESSIONS, "0000000a 0008 0102030405060708" EMPTY_AUTH},
    {read_clock, TPM_ST_NO_SESSIONS, "0000000000000001 0000000000000002 00000003 00000004 01"},
    {get_random, TPM_ST_NO_SESSIONS, "0004 01020304"},
    {start_policy, TPM_ST_NO_SESSIONS, "03000001 0004 01020304"},
    {nothing, TPM_ST_NO_SESSIONS, ""},
    {take_quote, TPM_ST_SESSIONS,
     "00000008 0002 0102 00180304"
     "0002 aabb 01 0000"},
    {nv_increment, TPM_ST_SESSIONS, "00000000" EMPTY_AUTH},
};
#define PARSERS (sizeof parsers / sizeof parsers[0])

static void good_responses_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < PARSERS; i++) {
        respond(parsers[i].tag, parsers[i].good);
        if (!parsers[i].take())
            fail_msg("parser %zu refuses a good response", i);
    }
    assert_int_equal(banks.count, 2);
    assert_int_equal(banks.algorithm[1], TPM_ALG_SHA256);
    assert_int_equal(digests.count, 2);
    assert_int_equal(digests.digest[0].algorithm, TPM_ALG_SHA1);
    assert_int_equal(digests.digest[0].bytes[19], 0x11);
    assert_int_equal(digests.digest[1].bytes[31], 0x22);
    assert_int_equal(values[1][31], 0x22);
    assert_int_equal(bytes.size, 3);
    assert_int_equal(nv.index, BH_NV_COUNTER);
    assert_int_equal(nv.attributes, BH_NV_COUNTER_ATTRIBUTES);
    assert_int_equal(nv.size, 8);
    assert_int_equal(nv.policy.size, 0);
    assert_int_equal(clocks.reset_count, 3);
    assert_int_equal(clocks.restart_count, 4);
    assert_int_equal(number, 0x03000001);
    assert_int_equal(quote.attest.size, 2);
    assert_int_equal(quote.signature.size, 4);
    assert_int_equal(quote.signature.bytes[3], 4);
}

/* The parser's result for the first `size` bytes; a look at any byte behind them ends the test. */
static bool take_of(const struct parser *parser, uint32_t size)
{
    bool taken;

    m.size = size;
    ASAN_POISON_MEMORY_REGION(m.bytes + size, TPM_MESSAGE_MAX - size);
    taken = parser->take();
    ASAN_UNPOISON_MEMORY_REGION(m.bytes, TPM_MESSAGE_MAX);
    return taken;
}

/* Cut anywhere, or longer by a byte: refused. */
static void every_other_length_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < PARSERS; i++) {
        respond(parsers[i].tag, parsers[i].good);

        uint32_t size = m.size;

        for (uint32_t cut = 0; cut < size; cut++)
            if (take_of(&parsers[i], cut))
                fail_msg("parser %zu takes the first %u of %u bytes", i, cut, size);
        m.bytes[size] = 0;
        if (take_of(&parsers[i], size + 1))
            fail_msg("parser %zu takes a byte too many", i);
        m.size = TPM_MESSAGE_MAX + 1;
        assert_false(parsers[i].take());
    }
}

/* Each byte in turn at its extremes: parsers may take what is another good value, but end, and read
 * nothing outside the message (the sanitizers look). */
static void damaged_bytes_do_no_harm(void **state)
{
    const uint8_t extremes[] = {0, 1, 0x7f, 0x80, 0xff};
    uint32_t taken = 0, refused = 0;

    (void)state;
    for (size_t i = 0; i < PARSERS; i++) {
        respond(parsers[i].tag, parsers[i].good);
        for (uint32_t at = TPM_HEADER; at < m.size; at++) {
            uint8_t kept = m.bytes[at];

            for (size_t n = 0; n < sizeof extremes; n++) {
                m.bytes[at] = extremes[n];
                *(take_of(&parsers[i], m.size) ? &taken : &refused) += 1;
            }
            m.bytes[at] = kept;
        }
    }
    assert_in_range(refused, 100, 10000);
    assert_in_range(taken, 100, 10000);
}

static void expect_refused(bool (*take)(void), uint16_t tag, const char *hex)
{
    respond(tag, hex);
    if (take())
        fail_msg("taken: %s", hex);
}

static void responses_that_lie_are_refused(void **state)
{
    (void)state;
    expect_refused(get_banks, TPM_ST_NO_SESSIONS, "01 00000005 00000000"); /* more to come */
    expect_refused(get_banks, TPM_ST_NO_SESSIONS, "00 00000006 00000000"); /* not PCRs */
    expect_refused(get_banks, TPM_ST_NO_SESSIONS, "00 00000005 ffffffff");
    expect_refused(pcr_event, TPM_ST_SESSIONS, "00000004 ffffffff" EMPTY_AUTH);
    expect_refused(pcr_event, TPM_ST_SESSIONS,
                   "0000001a 00000001 0010 " D20 EMPTY_AUTH); /* no such algorithm */
    expect_refused(pcr_event, TPM_ST_SESSIONS, "ffffffff 00000000" EMPTY_AUTH);
    expect_refused(pcr_read, TPM_ST_NO_SESSIONS, "00000007 00000000 00000000");
    expect_refused(pcr_read, TPM_ST_NO_SESSIONS, /* another bank */
                   "00000007 00000001 0004 03 010000 00000001 0014 " D20);
    expect_refused(pcr_read, TPM_ST_NO_SESSIONS, /* a PCR that wasn't asked for */
                   "00000007 00000001 000b 03 000400 00000001 0020 " D32);
    expect_refused(pcr_read, TPM_ST_NO_SESSIONS, "00000007 00000001 000b 03 000000 00000000");
    expect_refused(pcr_read, TPM_ST_NO_SESSIONS, /* fewer values than PCRs */
                   "00000007 00000001 000b 03 030000 00000001 0020 " D32);
    expect_refused(pcr_read, TPM_ST_NO_SESSIONS, /* more */
                   "00000007 00000001 000b 03 010000 00000002 0020 " D32 "0020 " D32);
    expect_refused(pcr_read, TPM_ST_NO_SESSIONS, /* a count that no value follows */
                   "00000007 00000001 000b 03 010000 ffffffff 0020 " D32);
    expect_refused(nv_read, TPM_ST_SESSIONS, "00000009 0007 01020304050607" EMPTY_AUTH);
    expect_refused(get_random, TPM_ST_NO_SESSIONS, "0003 010203");
    expect_refused(read_clock, TPM_ST_NO_SESSIONS,
                   "0000000000000001 0000000000000002 00000003 00000004 02");
    expect_refused(read_public, TPM_ST_NO_SESSIONS, "0000 0000 0000");
    expect_refused(take_quote, TPM_ST_SESSIONS, "00000004 0000 0018" EMPTY_AUTH);
    expect_refused(take_quote, TPM_ST_SESSIONS, "00000004 0002 0102" EMPTY_AUTH);
}

/* As many banks and digests as there is room for, and one more. */
static void counts_have_a_limit(void **state)
{
    char text[2048] = "00 00000005 00000008 ";

    (void)state;
    for (int i = 0; i < 8; i++)
        strcat(text, "000b 03 ffffff ");
    respond(TPM_ST_NO_SESSIONS, text);
    assert_true(get_banks());
    strcat(text, "000b 03 ffffff ");
    text[19] = '9';
    assert_non_null(strstr(text, "00000009"));
    expect_refused(get_banks, TPM_ST_NO_SESSIONS, text);

    strcpy(text, "000000b4 00000008 ");
    for (int i = 0; i < 8; i++)
        strcat(text, "0004 " D20);
    strcat(text, EMPTY_AUTH);
    respond(TPM_ST_SESSIONS, text);
    assert_true(pcr_event());
    strcpy(text, "000000ca 00000009 ");
    for (int i = 0; i < 9; i++)
        strcat(text, "0004 " D20);
    strcat(text, EMPTY_AUTH);
    expect_refused(pcr_event, TPM_ST_SESSIONS, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_as_specified),
        cmocka_unit_test(policy_of_locality_2),
        cmocka_unit_test(what_is_too_long_is_not_sent),
        cmocka_unit_test(names_of_commands),
        cmocka_unit_test(good_responses_are_read),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(damaged_bytes_do_no_harm),
        cmocka_unit_test(responses_that_lie_are_refused),
        cmocka_unit_test(counts_have_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
