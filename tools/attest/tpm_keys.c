/* Endorsement and attestation key. TPM 2.0 Library, parts 2 and 3; TCG EK Credential Profile. */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "tpm_setup.h"

/* EK Credential Profile 2.5, B.3.3: RSA 2048 of template L-1. Its policy: PolicySecret of the
 * endorsement hierarchy. */
static const TPM2B_PUBLIC ek_template = {
    .publicArea = {
        .type = TPM2_ALG_RSA,
        .nameAlg = TPM2_ALG_SHA256,
        .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                            TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY |
                            TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
        .authPolicy = {.size = 32,
                       .buffer = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc,
                                  0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52,
                                  0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa}},
        .parameters.rsaDetail = {.symmetric = {.algorithm = TPM2_ALG_AES,
                                               .keyBits.aes = 128,
                                               .mode.aes = TPM2_ALG_CFB},
                                 .scheme.scheme = TPM2_ALG_NULL,
                                 .keyBits = 2048},
        .unique.rsa.size = 256,
    }};

/* restricted: it signs nothing that pretends to be the TPM's own. userWithAuth clear: not without
 * its policy. noDA: unclean power cycles don't lock it. */
static const TPM2B_PUBLIC ak_template = {
    .publicArea = {
        .type = TPM2_ALG_ECC,
        .nameAlg = TPM2_ALG_SHA256,
        .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                            TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_NODA |
                            TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT,
        .authPolicy.size = BH_DIGEST, /* BH_AK_POLICY */
        .parameters.eccDetail = {.symmetric.algorithm = TPM2_ALG_NULL,
                                 .scheme = {.scheme = TPM2_ALG_ECDSA,
                                            .details.ecdsa.hashAlg = TPM2_ALG_SHA256},
                                 .curveID = TPM2_ECC_NIST_P256,
                                 .kdf.scheme = TPM2_ALG_NULL},
    }};

static bool marshal(struct tpm *tpm, struct tpm_key *key)
{
    TSS2_RC code;

    key->size = 0;
    code = Tss2_MU_TPMT_PUBLIC_Marshal(&key->public.publicArea, key->bytes, sizeof(key->bytes),
                                       &key->size);
    key->name[0] = TPM2_ALG_SHA256 >> 8;
    key->name[1] = TPM2_ALG_SHA256 & 0xff;
    SHA256(key->bytes, key->size, key->name + 2);
    return code == TSS2_RC_SUCCESS || tpm_failed(tpm, "Marshalling a public key", code, "");
}

/* A qualified name (part 1, 16): of the parent's, at most as long as a name, and the object's own.
 */
static void qualify(const void *parent, size_t parent_size, const uint8_t name[2 + BH_DIGEST],
                    uint8_t qualified[2 + BH_DIGEST])
{
    uint8_t both[2 * (2 + BH_DIGEST)];

    memcpy(both, parent, parent_size);
    memcpy(both + parent_size, name, 2 + BH_DIGEST);
    qualified[0] = name[0];
    qualified[1] = name[1];
    SHA256(both, parent_size + 2 + BH_DIGEST, qualified + 2);
}

/* What of a key isn't as in the template; NULL if all is, but for the key itself. */
static const char *difference(const TPMT_PUBLIC *is, const TPMT_PUBLIC *wanted)
{
    TPMT_PUBLIC like = *is;
    uint8_t bytes[2][TPM_PUBLIC_MAX];
    size_t size[2] = {0, 0};

    if (is->type != wanted->type || is->nameAlg != wanted->nameAlg)
        return "type or name algorithm";
    if (is->objectAttributes != wanted->objectAttributes)
        return "attributes";
    if (is->authPolicy.size != wanted->authPolicy.size ||
        memcmp(is->authPolicy.buffer, wanted->authPolicy.buffer, is->authPolicy.size) != 0)
        return "policy";
    like.unique = wanted->unique;
    if (Tss2_MU_TPMT_PUBLIC_Marshal(&like, bytes[0], TPM_PUBLIC_MAX, &size[0]) != 0 ||
        Tss2_MU_TPMT_PUBLIC_Marshal(wanted, bytes[1], TPM_PUBLIC_MAX, &size[1]) != 0 ||
        size[0] != size[1] || memcmp(bytes[0], bytes[1], size[0]) != 0)
        return "parameters";
    return NULL;
}

static bool read_key(struct tpm *tpm, TPM2_HANDLE handle, struct tpm_key *key,
                     TPM2B_NAME *qualified)
{
    ESYS_TR object = ESYS_TR_NONE;
    TPM2B_PUBLIC *public = NULL;
    TPM2B_NAME *name = NULL, *full = NULL;
    TSS2_RC code;

    if (!tpm_refer(tpm, handle, &object))
        return false;
    code = Esys_ReadPublic(tpm->esys, object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public,
                           &name, &full);
    tpm_forget(tpm, &object);
    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "TPM2_ReadPublic", code, "Check the TPM");
    key->public = *public;
    *qualified = *full;
    Esys_Free(public);
    Esys_Free(name);
    Esys_Free(full);
    return marshal(tpm, key);
}

static bool persist(struct tpm *tpm, ESYS_TR object, TPM2_HANDLE handle)
{
    ESYS_TR persistent = ESYS_TR_NONE;
    TSS2_RC code = Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, object, ESYS_TR_PASSWORD,
                                     ESYS_TR_NONE, ESYS_TR_NONE, handle, &persistent);

    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "TPM2_EvictControl", code,
                          "Give the file that holds the owner's authorisation");
    tpm_forget(tpm, &persistent);
    return true;
}

static bool create_ek(struct tpm *tpm)
{
    static const TPM2B_SENSITIVE_CREATE sensitive;
    static const TPM2B_DATA outside;
    static const TPML_PCR_SELECTION creation;
    ESYS_TR object = ESYS_TR_NONE;
    bool is_done;
    TSS2_RC code = Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD,
                                      ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &ek_template,
                                      &outside, &creation, &object, NULL, NULL, NULL, NULL);

    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "TPM2_CreatePrimary", code,
                          "If the endorsement hierarchy has an authorisation value, remove it");
    is_done = persist(tpm, object, BH_EK_HANDLE);
    tpm_flush(tpm, &object);
    return is_done;
}

bool tpm_setup_ek(struct tpm *tpm, struct tpm_key *ek)
{
    TPM2B_NAME qualified;
    const char *wrong;
    bool is_there;

    if (!tpm_has(tpm, BH_EK_HANDLE, &is_there) || (!is_there && !create_ek(tpm)) ||
        !read_key(tpm, BH_EK_HANDLE, ek, &qualified))
        return false;
    wrong = difference(&ek->public.publicArea, &ek_template.publicArea);
    return wrong == NULL ||
           tpm_fault(tpm,
                     "the key at %x isn't an endorsement key of TCG's template L-1, RSA 2048: its "
                     "%s differ. Remove it by tpm2_evictcontrol -C o -c 0x%x if nothing needs it",
                     BH_EK_HANDLE, wrong, BH_EK_HANDLE);
}

static bool create_and_load(struct tpm *tpm, ESYS_TR ek, const TPM2B_PUBLIC *template,
                            ESYS_TR *loaded)
{
    static const TPM2B_SENSITIVE_CREATE sensitive;
    static const TPM2B_DATA outside;
    static const TPML_PCR_SELECTION creation;
    ESYS_TR session;
    TPM2B_PRIVATE *private = NULL;
    TPM2B_PUBLIC *public = NULL;
    TSS2_RC code;

    if (!tpm_endorsement_session(tpm, &session))
        return false;
    code = Esys_Create(tpm->esys, ek, session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, template,
                       &outside, &creation, &private, &public, NULL, NULL, NULL);
    tpm_flush(tpm, &session);
    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "TPM2_Create", code, "The TPM must know ECDSA with NIST P-256");
    if (tpm_endorsement_session(tpm, &session)) {
        code =
            Esys_Load(tpm->esys, ek, session, ESYS_TR_NONE, ESYS_TR_NONE, private, public, loaded);
        tpm_flush(tpm, &session);
        if (code != TSS2_RC_SUCCESS)
            tpm_failed(tpm, "TPM2_Load", code,
                       "If its slots are used up, end the programs that use the TPM");
    } else {
        code = TSS2_BASE_RC_GENERAL_FAILURE; /* tpm->fault says it */
    }
    Esys_Free(private);
    Esys_Free(public);
    return code == TSS2_RC_SUCCESS;
}

static bool create_ak(struct tpm *tpm, const TPM2B_PUBLIC *template)
{
    ESYS_TR ek = ESYS_TR_NONE, ak = ESYS_TR_NONE;
    bool is_done;

    if (!tpm_refer(tpm, BH_EK_HANDLE, &ek))
        return false;
    is_done = create_and_load(tpm, ek, template, &ak) && persist(tpm, ak, BH_AK_HANDLE);
    tpm_flush(tpm, &ak);
    tpm_forget(tpm, &ek);
    return is_done;
}

/* The EK is a primary key of the endorsement hierarchy, the AK its child. */
static bool is_child(const struct tpm_key *ek, const struct tpm_key *ak,
                     const TPM2B_NAME *qualified)
{
    static const uint8_t hierarchy[4] = {TPM2_RH_ENDORSEMENT >> 24, 0, 0,
                                         TPM2_RH_ENDORSEMENT & 0xff};
    uint8_t parent[2 + BH_DIGEST], expected[2 + BH_DIGEST];

    qualify(hierarchy, sizeof(hierarchy), ek->name, parent);
    qualify(parent, sizeof(parent), ak->name, expected);
    return qualified->size == sizeof(expected) &&
           memcmp(qualified->name, expected, sizeof(expected)) == 0;
}

/* BH_AK_POLICY, made anew: PolicyLocality extends a policy of zeros (part 3, 23.8). */
static bool policy_is_right(const uint8_t policy[BH_DIGEST])
{
    uint8_t extended[BH_DIGEST + 5] = {[BH_DIGEST + 2] = TPM2_CC_PolicyLocality >> 8,
                                       [BH_DIGEST + 3] = TPM2_CC_PolicyLocality & 0xff,
                                       [BH_DIGEST + 4] = TPMA_LOCALITY_TPM2_LOC_TWO};
    uint8_t digest[BH_DIGEST];

    SHA256(extended, sizeof(extended), digest);
    return memcmp(digest, policy, BH_DIGEST) == 0;
}

bool tpm_setup_ak(struct tpm *tpm, const struct tpm_key *ek, struct tpm_key *ak)
{
    TPM2B_PUBLIC template = ak_template;
    TPM2B_NAME qualified;
    const char *wrong;
    bool is_there;

    memcpy(template.publicArea.authPolicy.buffer, BH_AK_POLICY, BH_DIGEST);
    if (!policy_is_right(template.publicArea.authPolicy.buffer))
        return tpm_fault(tpm, "BH_AK_POLICY isn't PolicyLocality(2): report this");
    if (!tpm_has(tpm, BH_AK_HANDLE, &is_there) || (!is_there && !create_ak(tpm, &template)) ||
        !read_key(tpm, BH_AK_HANDLE, ak, &qualified))
        return false;
    wrong = difference(&ak->public.publicArea, &template.publicArea);
    if (wrong == NULL && !is_child(ek, ak, &qualified))
        wrong = "parents";
    return wrong == NULL ||
           tpm_fault(tpm,
                     "the key at %x isn't the attestation key that enrolment makes: its %s differ, "
                     "and so it could be used outside core. Remove it by tpm2_evictcontrol -C o "
                     "-c 0x%x, with the owner's authorisation, and enrol again",
                     BH_AK_HANDLE, wrong, BH_AK_HANDLE);
}

bool tpm_activate(struct tpm *tpm, const TPM2B_ID_OBJECT *credential,
                  const TPM2B_ENCRYPTED_SECRET *seed, TPM2B_DIGEST *secret)
{
    ESYS_TR ak = ESYS_TR_NONE, ek = ESYS_TR_NONE, session = ESYS_TR_NONE;
    TPM2B_DIGEST *found = NULL;
    TSS2_RC code;
    bool is_done = false;

    if (tpm_refer(tpm, BH_AK_HANDLE, &ak) && tpm_refer(tpm, BH_EK_HANDLE, &ek) &&
        tpm_endorsement_session(tpm, &session)) {
        code = Esys_ActivateCredential(tpm->esys, ak, ek, ESYS_TR_PASSWORD, session, ESYS_TR_NONE,
                                       credential, seed, &found);
        is_done = code == TSS2_RC_SUCCESS;
        if (is_done)
            *secret = *found;
        else
            tpm_failed(tpm, "TPM2_ActivateCredential", code,
                       "The attestation key and the certified endorsement key aren't both in this "
                       "TPM");
    }
    Esys_Free(found);
    tpm_flush(tpm, &session);
    tpm_forget(tpm, &ek);
    tpm_forget(tpm, &ak);
    return is_done;
}
