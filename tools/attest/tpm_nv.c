/*
 * The owner's authorisation and the NV indices that protect against rollback (TPM 2.0 Library,
 * part 1, 37; part 3, 31). Only locality 2 may write them, and base and trust only once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tpm_setup.h"

#define NV_SIZE_MAX BH_DIGEST
/* A TPM's NV memory wears out: nobody has so many versions. */
#define RAISES_MAX 1000u

struct index {
    const char *name;
    uint16_t size;
    TPM2_HANDLE handle;
    uint32_t attributes; /* when it is complete */
};

static const struct index counter = {"COUNTER", 8, BH_NV_COUNTER, BH_NV_COUNTER_ATTRIBUTES};
static const struct index base = {"BASE", 8, BH_NV_BASE, BH_NV_FIXED_ATTRIBUTES};
static const struct index trusted = {"TRUST", BH_DIGEST, BH_NV_TRUST, BH_NV_FIXED_ATTRIBUTES};

bool tpm_owner_use(struct tpm *tpm, struct tpm_owner *owner)
{
    TPM2B_AUTH auth = {.size = TPM_AUTH_SIZE};
    uint32_t permanent;

    if (!tpm_property(tpm, TPM2_PT_PERMANENT, &permanent))
        return false;
    owner->is_new = (permanent & TPMA_PERMANENT_OWNERAUTHSET) == 0;
    if (owner->is_new)
        return true;
    memcpy(auth.buffer, owner->auth, TPM_AUTH_SIZE);
    if (Esys_TR_SetAuth(tpm->esys, ESYS_TR_RH_OWNER, &auth) != TSS2_RC_SUCCESS)
        return tpm_fault(tpm, "out of memory");
    return true;
}

bool tpm_owner_set(struct tpm *tpm, const struct tpm_owner *owner)
{
    TPM2B_AUTH auth = {.size = TPM_AUTH_SIZE};
    uint32_t permanent;
    TSS2_RC code;

    memcpy(auth.buffer, owner->auth, TPM_AUTH_SIZE);
    /* Also where it has this value already: that shows that it has. */
    code = Esys_HierarchyChangeAuth(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                    ESYS_TR_NONE, &auth);
    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "TPM2_HierarchyChangeAuth of the owner", code,
                          "The TPM has another owner authorisation than the file: give the right "
                          "one, or clear the TPM in the firmware's setup");
    if (!tpm_property(tpm, TPM2_PT_PERMANENT, &permanent))
        return false;
    if ((permanent & TPMA_PERMANENT_LOCKOUTAUTHSET) != 0)
        return true; /* somebody's already; trying ours could lock it */
    code = Esys_HierarchyChangeAuth(tpm->esys, ESYS_TR_RH_LOCKOUT, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                    ESYS_TR_NONE, &auth);
    return code == TSS2_RC_SUCCESS ||
           tpm_failed(tpm, "TPM2_HierarchyChangeAuth of the lockout", code, "Check the TPM");
}

static bool define(struct tpm *tpm, const struct index *index)
{
    static const TPM2B_AUTH empty;
    TPM2B_NV_PUBLIC public = {
        .nvPublic = {.nvIndex = index->handle,
                     .nameAlg = TPM2_ALG_SHA256,
                     .attributes =
                         index->attributes & ~(uint32_t)(TPMA_NV_WRITTEN | TPMA_NV_WRITELOCKED),
                     .authPolicy.size = BH_DIGEST,
                     .dataSize = index->size}};
    ESYS_TR object = ESYS_TR_NONE;
    TSS2_RC code;

    memcpy(public.nvPublic.authPolicy.buffer, BH_AK_POLICY, BH_DIGEST);
    code = Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                               ESYS_TR_NONE, &empty, &public, &object);
    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "TPM2_NV_DefineSpace", code,
                          "If its NV memory is full, delete what nothing needs");
    tpm_forget(tpm, &object);
    return true;
}

static bool undefine(struct tpm *tpm, const struct index *index)
{
    ESYS_TR object = ESYS_TR_NONE;
    TSS2_RC code;

    if (!tpm_refer(tpm, index->handle, &object))
        return false;
    code = Esys_NV_UndefineSpace(tpm->esys, ESYS_TR_RH_OWNER, object, ESYS_TR_PASSWORD,
                                 ESYS_TR_NONE, ESYS_TR_NONE);
    if (code == TSS2_RC_SUCCESS)
        return true;
    tpm_forget(tpm, &object);
    return tpm_failed(tpm, "TPM2_NV_UndefineSpace", code, "Check the owner's authorisation");
}

/* Whether the index is as it was defined; *attributes gets all that the TPM says of it. */
static bool check(struct tpm *tpm, const struct index *index, ESYS_TR object, uint32_t *attributes)
{
    const uint32_t states = TPMA_NV_WRITTEN | TPMA_NV_WRITELOCKED;
    TPM2B_NV_PUBLIC *public = NULL;
    const TPMS_NV_PUBLIC *is;
    TSS2_RC code = Esys_NV_ReadPublic(tpm->esys, object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                      &public, NULL);
    bool is_right;

    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "TPM2_NV_ReadPublic", code, "Check the TPM");
    is = &public->nvPublic;
    *attributes = is->attributes;
    is_right = (is->attributes & ~states) == (index->attributes & ~states) &&
               is->nameAlg == TPM2_ALG_SHA256 && is->dataSize == index->size &&
               is->authPolicy.size == BH_DIGEST &&
               memcmp(is->authPolicy.buffer, BH_AK_POLICY, BH_DIGEST) == 0;
    Esys_Free(public);
    return is_right || tpm_fault(tpm,
                                 "the NV index %x (%s) is there, but was defined otherwise than "
                                 "enrolment does. If nothing needs it, delete it by "
                                 "tpm2_nvundefine -C o 0x%x, with the owner's authorisation, and "
                                 "enrol again",
                                 index->handle, index->name, index->handle);
}

/* Find the index, or define it. */
static bool provide(struct tpm *tpm, const struct index *index, uint32_t *attributes)
{
    ESYS_TR object = ESYS_TR_NONE;
    bool is_there, is_right;

    if (!tpm_has(tpm, index->handle, &is_there) || (!is_there && !define(tpm, index)) ||
        !tpm_refer(tpm, index->handle, &object))
        return false;
    is_right = check(tpm, index, object, attributes);
    tpm_forget(tpm, &object);
    return is_right;
}

enum change { INCREMENT, WRITE, LOCK };

static TSS2_RC send(struct tpm *tpm, enum change change, ESYS_TR object, ESYS_TR session,
                    const TPM2B_MAX_NV_BUFFER *data)
{
    switch (change) {
    case INCREMENT:
        return Esys_NV_Increment(tpm->esys, object, object, session, ESYS_TR_NONE, ESYS_TR_NONE);
    case WRITE:
        return Esys_NV_Write(tpm->esys, object, object, session, ESYS_TR_NONE, ESYS_TR_NONE, data,
                             0);
    case LOCK:
        break;
    }
    return Esys_NV_WriteLock(tpm->esys, object, object, session, ESYS_TR_NONE, ESYS_TR_NONE);
}

static bool send_at_locality_2(struct tpm *tpm, enum change change, ESYS_TR object,
                               const TPM2B_MAX_NV_BUFFER *data)
{
    static const char *const commands[] = {"TPM2_NV_Increment", "TPM2_NV_Write",
                                           "TPM2_NV_WriteLock"};
    ESYS_TR session = ESYS_TR_NONE;
    TSS2_RC code;

    if (!tpm_locality_session(tpm, &session))
        return false;
    if (!tpm_set_locality(tpm, 2)) {
        tpm_flush(tpm, &session);
        return false;
    }
    code = send(tpm, change, object, session, data);
    tpm_set_locality(tpm, 0);
    tpm_flush(tpm, &session);
    return code == TSS2_RC_SUCCESS || tpm_failed(tpm, commands[change], code, "Check the TPM");
}

static bool change(struct tpm *tpm, const struct index *index, enum change what,
                   const uint8_t *bytes)
{
    TPM2B_MAX_NV_BUFFER data = {.size = index->size};
    ESYS_TR object = ESYS_TR_NONE;
    bool is_done;

    if (bytes != NULL)
        memcpy(data.buffer, bytes, index->size);
    if (!tpm_refer(tpm, index->handle, &object))
        return false;
    is_done = send_at_locality_2(tpm, what, object, &data);
    tpm_forget(tpm, &object);
    return is_done;
}

static bool read_index(struct tpm *tpm, const struct index *index, uint8_t bytes[NV_SIZE_MAX])
{
    ESYS_TR object = ESYS_TR_NONE;
    TPM2B_MAX_NV_BUFFER *data = NULL;
    TSS2_RC code;
    bool is_whole;

    if (!tpm_refer(tpm, index->handle, &object))
        return false;
    code = Esys_NV_Read(tpm->esys, object, object, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                        index->size, 0, &data);
    tpm_forget(tpm, &object);
    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "TPM2_NV_Read", code, "Check the TPM");
    is_whole = data->size == index->size;
    if (is_whole)
        memcpy(bytes, data->buffer, index->size);
    Esys_Free(data);
    return is_whole ||
           tpm_fault(tpm, "TPM2_NV_Read gave fewer bytes than asked for: check the TPM");
}

static uint64_t number(const uint8_t bytes[8])
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

static bool read_counter(struct tpm *tpm, uint64_t *value)
{
    uint8_t bytes[NV_SIZE_MAX];

    if (!read_index(tpm, &counter, bytes))
        return false;
    *value = number(bytes);
    return true;
}

/* Raise the counter until it is `least` or more. */
static bool raise_counter(struct tpm *tpm, uint64_t least, uint64_t *value)
{
    if (*value < least && least - *value > RAISES_MAX)
        return tpm_fault(tpm,
                         "the counter would have to be raised %" PRIu64 " times, which would wear "
                         "the TPM's memory: %u times is the most. Give a lower --first-version",
                         least - *value, RAISES_MAX);
    while (*value < least)
        if (!change(tpm, &counter, INCREMENT, NULL) || !read_counter(tpm, value))
            return false;
    return true;
}

/*
 * Have a fixed index hold `bytes`, locked. One that was left unlocked, by an enrolment that was
 * interrupted, is worth nothing: it begins anew.
 */
static bool fix(struct tpm *tpm, const struct index *index, uint32_t attributes,
                const uint8_t *bytes)
{
    if ((attributes & TPMA_NV_WRITTEN) != 0 &&
        (!undefine(tpm, index) || !provide(tpm, index, &attributes)))
        return false;
    return change(tpm, index, WRITE, bytes) && change(tpm, index, LOCK, NULL);
}

static bool is_complete(const struct index *index, uint32_t attributes)
{
    return attributes == index->attributes;
}

static bool setup_trust(struct tpm *tpm, const uint8_t trust[BH_DIGEST])
{
    uint32_t attributes;
    uint8_t bytes[NV_SIZE_MAX];

    if (!provide(tpm, &trusted, &attributes))
        return false;
    if (!is_complete(&trusted, attributes))
        return fix(tpm, &trusted, attributes, trust);
    if (!read_index(tpm, &trusted, bytes))
        return false;
    return memcmp(bytes, trust, BH_DIGEST) == 0 ||
           tpm_fault(tpm,
                     "the TPM is bound to another trust.pub than the one given. To change the "
                     "author delete the NV index by tpm2_nvundefine -C o 0x%x, with the owner's "
                     "authorisation, and enrol again",
                     BH_NV_TRUST);
}

/* The counter exists, and has been incremented once: until then it can't be read. */
static bool setup_counter(struct tpm *tpm, uint64_t *value)
{
    uint32_t attributes;

    if (!provide(tpm, &counter, &attributes))
        return false;
    if (!is_complete(&counter, attributes) && !change(tpm, &counter, INCREMENT, NULL))
        return false;
    return read_counter(tpm, value);
}

static bool new_base(struct tpm *tpm, uint32_t attributes, uint64_t first, uint64_t *value)
{
    uint8_t bytes[8];

    if (!raise_counter(tpm, first, value))
        return false;
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((*value - first) >> (56 - 8 * i));
    return fix(tpm, &base, attributes, bytes);
}

bool tpm_setup_nv(struct tpm *tpm, const uint8_t trust[BH_DIGEST], uint64_t first, uint64_t *oldest)
{
    uint32_t attributes;
    uint8_t bytes[NV_SIZE_MAX];
    uint64_t value, begins;

    if (!setup_trust(tpm, trust) || !setup_counter(tpm, &value) ||
        !provide(tpm, &base, &attributes))
        return false;
    if (!is_complete(&base, attributes) && !new_base(tpm, attributes, first, &value))
        return false;
    if (!read_index(tpm, &base, bytes))
        return false;
    begins = number(bytes);
    if (begins > value)
        return tpm_fault(
            tpm,
            "BASE is above COUNTER: the NV index %x was replaced. Delete %x, %x and %x "
            "by tpm2_nvundefine -C o, with the owner's authorisation, and enrol again",
            BH_NV_COUNTER, BH_NV_COUNTER, BH_NV_BASE, BH_NV_TRUST);
    if (begins + first < begins)
        return tpm_fault(tpm, "there is no such version. Give a lower --first-version");
    if (!raise_counter(tpm, begins + first, &value))
        return false;
    *oldest = value - begins;
    return true;
}
