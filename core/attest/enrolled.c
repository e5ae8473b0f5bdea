#include "core/attest/enrolled.h"

#include "bulkhead/evidence.h"
#include "core/attest/command.h"
#include "core/attest/log.h"
#include "core/platform/platform.h"
#include "hw/tpm.h"
#include "lib/memory.h"

#define VALUE_MAX BH_DIGEST

enum { COUNTER, BASE, TRUST, INDICES };

static const struct {
    const char *name;
    uint32_t index;
    uint32_t attributes;
    uint16_t size;
} indices[INDICES] = {
    [COUNTER] = {"counter", BH_NV_COUNTER, BH_NV_COUNTER_ATTRIBUTES, 8},
    [BASE] = {"base", BH_NV_BASE, BH_NV_FIXED_ATTRIBUTES, 8},
    [TRUST] = {"trust", BH_NV_TRUST, BH_NV_FIXED_ATTRIBUTES, BH_DIGEST},
};

#define ENROL_AGAIN "Have the owner enrol this machine again"

/* Runs a command about something that may not be there. */
static bool look(struct tpm_message *m, bool *is_there)
{
    *is_there = tpm_run(m);
    return *is_there || tpm_is_nothing_there();
}

static bool look_for_key(struct tpm_message *m, bool *is_there)
{
    struct tpm_bytes key;

    tpm_make_read_public(m, BH_AK_HANDLE);
    if (!look(m, is_there))
        return false;
    return !*is_there || tpm_take_read_public(m, &key) ||
           tpm_fail(TPM_MALFORMED, "TPM2_ReadPublic", m->size);
}

static bool look_for_index(struct tpm_message *m, uint32_t n, bool *is_there,
                           struct tpm_nv_public *found)
{
    tpm_make_nv_read_public(m, indices[n].index);
    if (!look(m, is_there))
        return false;
    return !*is_there || tpm_take_nv_read_public(m, found) ||
           tpm_fail(TPM_MALFORMED, "TPM2_NV_ReadPublic", m->size);
}

/* Only who has the owner's password and core can have made an index that is just so. */
static void require_as_enrolled(uint32_t n, const struct tpm_nv_public *found)
{
    if (found->index != indices[n].index || found->name_algorithm != TPM_ALG_SHA256 ||
        found->attributes != indices[n].attributes || found->size != indices[n].size ||
        found->policy.size != BH_DIGEST ||
        memcmp(found->policy.bytes, BH_AK_POLICY, BH_DIGEST) != 0)
        fatal("the TPM's enrolment was tampered with or isn't complete: NV index 0x%x (%s), "
              "attributes %x instead of %x, %u bytes. " ENROL_AGAIN,
              indices[n].index, indices[n].name, found->attributes, indices[n].attributes,
              found->size);
}

static bool read_index(struct tpm_message *m, uint32_t n, uint8_t value[VALUE_MAX])
{
    tpm_make_nv_read(m, indices[n].index, indices[n].size);
    return tpm_run(m) && (tpm_take_nv_read(m, value, indices[n].size) ||
                          tpm_fail(TPM_MALFORMED, "TPM2_NV_Read", m->size));
}

static uint64_t number(const uint8_t bytes[8])
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void judge(uint8_t values[INDICES][VALUE_MAX], uint64_t version,
                  const uint8_t trust[BH_DIGEST])
{
    uint64_t counter = number(values[COUNTER]), base = number(values[BASE]);

    if (memcmp(values[TRUST], trust, BH_DIGEST) != 0)
        fatal("trust.pub isn't the key that this machine was enrolled with: its SHA-256 begins "
              "%02x%02x%02x%02x, the enrolled one's %02x%02x%02x%02x. Load the enrolled key, or "
              "enrol this machine again",
              trust[0], trust[1], trust[2], trust[3], values[TRUST][0], values[TRUST][1],
              values[TRUST][2], values[TRUST][3]);
    if (base > counter)
        fatal("the TPM's enrolment makes no sense: counter %lu, base %lu. " ENROL_AGAIN, counter,
              base);
    if (version < counter - base)
        fatal("rollback of the policy: version %lu, while this machine has run version %lu. Load "
              "that one or a newer one",
              version, counter - base);
    if (version - (counter - base) > BH_VERSION_STEP_MAX)
        fatal(
            "the policy's version %lu is too far ahead of %lu, which this machine has run: its TPM "
            "counts %u steps at most. Count versions up by one",
            version, counter - base, BH_VERSION_STEP_MAX);
    print("attest: enrolled, oldest version %lu", counter - base);
    log_set_enrolled(version - (counter - base));
}

bool enrolled_check(struct tpm_message *message, uint64_t version, const uint8_t trust[BH_DIGEST])
{
    uint8_t values[INDICES][VALUE_MAX];
    bool key_there, index_there[INDICES];
    uint32_t count = 0;

    if (!look_for_key(message, &key_there))
        return false;
    for (uint32_t n = 0; n < INDICES; n++) {
        struct tpm_nv_public found;

        if (!look_for_index(message, n, &index_there[n], &found))
            return false;
        if (index_there[n])
            require_as_enrolled(n, &found);
        count += index_there[n];
    }
    if (count == 0 && !key_there) {
        print("attest: not enrolled");
        return true;
    }
    if (count != INDICES || !key_there)
        fatal("part of the TPM's enrolment is missing: key %s, counter %s, base %s, trust "
              "%s. " ENROL_AGAIN,
              key_there ? "there" : "missing", index_there[COUNTER] ? "there" : "missing",
              index_there[BASE] ? "there" : "missing", index_there[TRUST] ? "there" : "missing");
    for (uint32_t n = 0; n < INDICES; n++)
        if (!read_index(message, n, values[n]))
            return false;
    judge(values, version, trust);
    return true;
}
