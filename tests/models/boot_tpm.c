#include "models/boot_tpm.h"

#include <string.h>

#include <sodium.h>

#include "bulkhead/evidence.h"
#include "hw/tpm.h"
#include "testing.h"

struct boot_tpm boot_tpm;

/* The response under way. */
static uint8_t *to;
static uint32_t size;

static uint32_t answer(const uint8_t *command, uint32_t length, uint8_t *response);

void boot_tpm_reset(void)
{
    memset(&boot_tpm, 0, sizeof boot_tpm);
    memset(boot_tpm.pcr[17], 0xff, 6 * 32); /* 17-22: no dynamic launch */
    tis_model_reset(answer);
}

static void make(struct boot_tpm_index *index, uint32_t number, uint32_t attributes,
                 uint16_t length)
{
    *index = (struct boot_tpm_index){.is_there = true,
                                     .index = number,
                                     .name_algorithm = TPM_ALG_SHA256,
                                     .attributes = attributes,
                                     .policy_size = 32,
                                     .size = length};
    memcpy(index->policy, BH_AK_POLICY, 32);
}

static void set(uint8_t value[32], uint64_t number)
{
    for (int i = 0; i < 8; i++)
        value[i] = (uint8_t)(number >> (56 - 8 * i));
}

void boot_tpm_enrol(uint64_t counter, uint64_t base, const uint8_t trust[32])
{
    boot_tpm.has_key = true;
    make(&boot_tpm.nv[0], BH_NV_COUNTER, BH_NV_COUNTER_ATTRIBUTES, 8);
    make(&boot_tpm.nv[1], BH_NV_BASE, BH_NV_FIXED_ATTRIBUTES, 8);
    make(&boot_tpm.nv[2], BH_NV_TRUST, BH_NV_FIXED_ATTRIBUTES, 32);
    set(boot_tpm.nv[0].value, counter);
    set(boot_tpm.nv[1].value, base);
    memcpy(boot_tpm.nv[2].value, trust, 32);
}

void boot_tpm_forge(struct boot_tpm_index *index, uint32_t way)
{
    index->attributes ^= way < 32 ? 1u << way : 0;
    index->policy[31] ^= way == 32;
    index->policy_size ^= way == 33;
    index->size ^= way == 34;
    index->name_algorithm ^= way == 35;
    index->claims = way == 36;
}

static uint32_t big(const uint8_t *at, int bytes)
{
    uint32_t value = 0;

    while (bytes-- > 0)
        value = value << 8 | *at++;
    return value;
}

static void put(uint32_t value, int bytes)
{
    while (bytes-- > 0)
        to[size++] = (uint8_t)(value >> 8 * bytes);
}

static void put_bytes(const void *bytes, uint32_t length)
{
    memcpy(to + size, bytes, length);
    size += length;
}

static void get_banks(void)
{
    put(0, 1);
    put(TPM_CAP_PCRS, 4);
    put(2, 4);
    put(TPM_ALG_SHA1 << 8 | 3, 3);
    put(boot_tpm.has_sha1 ? 0xffffff : 0, 3);
    put(TPM_ALG_SHA256 << 8 | 3, 3);
    put(boot_tpm.has_no_sha256 ? 0 : 0xffffff, 3);
}

static void pcr_event(const uint8_t *command)
{
    uint32_t pcr = big(command + 10, 4), length = big(command + 27, 2);
    uint8_t both[64], ones[20];

    assert_in_range(pcr, 0, 23);
    assert_int_equal(big(command + 14, 4), 9);
    memcpy(both, boot_tpm.pcr[pcr], 32);
    crypto_hash_sha256(both + 32, command + 29, length);
    crypto_hash_sha256(boot_tpm.pcr[pcr], both, sizeof both);
    memset(ones, 0x11, sizeof ones);
    put(4 + 2 + 20 + 2 + 32, 4);
    put(2, 4);
    put(TPM_ALG_SHA1, 2);
    put_bytes(ones, sizeof ones);
    put(TPM_ALG_SHA256, 2);
    both[32] ^= boot_tpm.flips;
    put_bytes(both + 32, 32);
    put_bytes("\0\0\1\0", 5); /* no nonce, continueSession, no HMAC */
}

static void pcr_read(const uint8_t *command)
{
    uint32_t bits = command[17] | (uint32_t)command[18] << 8 | (uint32_t)command[19] << 16;

    put(0, 4);
    put_bytes(command + 10, 10);
    put((uint32_t)__builtin_popcount(bits), 4);
    for (uint32_t pcr = 0; pcr < 24; pcr++)
        if (bits >> pcr & 1) {
            put(32, 2);
            put_bytes(boot_tpm.pcr[pcr], 32);
        }
}

static const struct boot_tpm_index *index_of(const uint8_t *command)
{
    for (int i = 0; i < 3; i++)
        if (boot_tpm.nv[i].is_there && boot_tpm.nv[i].index == big(command + 10, 4))
            return &boot_tpm.nv[i];
    return NULL;
}

static uint32_t read_nv_public(const uint8_t *command)
{
    const struct boot_tpm_index *index = index_of(command);

    if (!index)
        return TPM_RC_HANDLE;
    put(4 + 2 + 4 + 2 + index->policy_size + 2u, 2);
    put(index->index ^ index->claims, 4);
    put(index->name_algorithm, 2);
    put(index->attributes, 4);
    put(index->policy_size, 2);
    put_bytes(index->policy, index->policy_size);
    put(index->size, 2);
    put(0, 2); /* name */
    return 0;
}

static uint32_t read_nv(const uint8_t *command)
{
    const struct boot_tpm_index *index = index_of(command);

    if (!index || big(command + 14, 4) != index->index)
        return TPM_RC_HANDLE;
    put(2u + index->size, 4);
    put(index->size, 2);
    put_bytes(index->value, index->size);
    put_bytes("\0\0\1\0", 5);
    return 0;
}

static uint32_t read_public(void)
{
    if (!boot_tpm.has_key)
        return TPM_RC_HANDLE;
    put_bytes("\0\3key\0\1n\0\1q", 11);
    return 0;
}

static uint32_t run(const uint8_t *command)
{
    switch (big(command + 6, 4)) {
    case 0x17a:
        get_banks();
        return 0;
    case 0x13c:
        pcr_event(command);
        return 0;
    case 0x17e:
        pcr_read(command);
        return 0;
    case 0x181:
        put_bytes("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\3\0\0\0\4\1", 25);
        return 0;
    case 0x17b:
        put(16, 2);
        put_bytes("a boot's number.", 16);
        return 0;
    case 0x173:
        return read_public();
    case 0x169:
        return read_nv_public(command);
    case 0x14e:
        return read_nv(command);
    default:
        return 0x143; /* TPM_RC_COMMAND_CODE */
    }
}

static bool is_to_fail(const uint8_t *command)
{
    return boot_tpm.fails && big(command + 6, 4) == boot_tpm.fails && boot_tpm.skips-- == 0;
}

static uint32_t answer(const uint8_t *command, uint32_t length, uint8_t *response)
{
    uint32_t code, end;

    assert_int_equal(big(command + 2, 4), length);
    if (is_to_fail(command) && !boot_tpm.garbles)
        return tis_model_code(response, boot_tpm.code);
    to = response;
    size = TPM_HEADER;
    code = run(command);
    if (code)
        return tis_model_code(response, code);
    end = size;
    size = 0;
    put(big(command, 2), 2);
    put(end, 4);
    put(0, 4);
    if (boot_tpm.garbles && big(command + 6, 4) == boot_tpm.fails && boot_tpm.skips == UINT32_MAX)
        memset(response + TPM_HEADER, 0xa5, end - TPM_HEADER);
    return end;
}
