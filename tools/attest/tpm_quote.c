/* What the TPM says for the authority: the EK's certificate, and a quote. */
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "tpm_setup.h"

#define EK_CERTIFICATE      0x01c00002u /* EK Credential Profile 2.5, 2.2.1.4: RSA 2048 */
#define CERTIFICATE_LONGEST 16384u
#define PIECE               512u /* no TPM's limit of one TPM2_NV_Read is below it */

static bool read_pieces(struct tpm *tpm, ESYS_TR index, uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        uint16_t piece = (uint16_t)(size - at < PIECE ? size - at : PIECE);
        TPM2B_MAX_NV_BUFFER *data = NULL;
        TSS2_RC code = Esys_NV_Read(tpm->esys, index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                    ESYS_TR_NONE, piece, (uint16_t)at, &data);

        if (code != TSS2_RC_SUCCESS)
            return tpm_failed(tpm, "TPM2_NV_Read of the EK's certificate", code,
                              "Give the certificate as a file by --ek-cert");
        if (data->size != piece) {
            Esys_Free(data);
            return tpm_fault(tpm, "TPM2_NV_Read gave fewer bytes than asked for: check the TPM");
        }
        memcpy(bytes + at, data->buffer, piece);
        at += piece;
        Esys_Free(data);
    }
    return true;
}

static bool read_index(struct tpm *tpm, ESYS_TR index, uint8_t **bytes, size_t *size)
{
    TPM2B_NV_PUBLIC *public = NULL;
    TSS2_RC code = Esys_NV_ReadPublic(tpm->esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                      &public, NULL);

    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "TPM2_NV_ReadPublic", code, "Check the TPM");
    *size = public->nvPublic.dataSize;
    Esys_Free(public);
    if (*size == 0 || *size > CERTIFICATE_LONGEST)
        return tpm_fault(tpm,
                         "the EK's certificate in the TPM has %zu bytes. Give it as a file by "
                         "--ek-cert",
                         *size);
    *bytes = malloc(*size);
    if (*bytes == NULL)
        return tpm_fault(tpm, "out of memory");
    if (read_pieces(tpm, index, *bytes, *size))
        return true;
    free(*bytes);
    *bytes = NULL;
    return false;
}

bool tpm_ek_certificate(struct tpm *tpm, uint8_t **certificate, size_t *size)
{
    ESYS_TR index = ESYS_TR_NONE;
    bool is_there, is_read;

    if (!tpm_has(tpm, EK_CERTIFICATE, &is_there))
        return false;
    if (!is_there)
        return tpm_fault(tpm,
                         "the TPM holds no certificate of its endorsement key, at %08x. Get it "
                         "from the TPM's maker and give it by --ek-cert",
                         EK_CERTIFICATE);
    if (!tpm_refer(tpm, EK_CERTIFICATE, &index))
        return false;
    is_read = read_index(tpm, index, certificate, size);
    tpm_forget(tpm, &index);
    return is_read;
}

static bool marshal(struct tpm *tpm, const TPM2B_ATTEST *attest, const TPMT_SIGNATURE *signature,
                    struct tpm_quote *quote)
{
    TSS2_RC code;

    quote->attest_size = attest->size;
    memcpy(quote->attest, attest->attestationData, attest->size);
    quote->signature_size = 0;
    code = Tss2_MU_TPMT_SIGNATURE_Marshal(signature, quote->signature, sizeof(quote->signature),
                                          &quote->signature_size);
    return code == TSS2_RC_SUCCESS || tpm_failed(tpm, "Marshalling a signature", code, "");
}

static bool ask(struct tpm *tpm, ESYS_TR ak, ESYS_TR session, uint8_t locality,
                const TPM2B_DATA *qualifying, struct tpm_quote *quote)
{
    static const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL}; /* the key's own */
    TPML_PCR_SELECTION pcrs = {
        .count = 1,
        .pcrSelections = {{.hash = TPM2_ALG_SHA256,
                           .sizeofSelect = 3,
                           .pcrSelect = {BH_QUOTED_PCRS & 0xff, BH_QUOTED_PCRS >> 8 & 0xff,
                                         BH_QUOTED_PCRS >> 16}}}};
    TPM2B_ATTEST *attest = NULL;
    TPMT_SIGNATURE *signature = NULL;
    TSS2_RC code;
    bool is_done;

    if (!tpm_set_locality(tpm, locality))
        return false;
    code = Esys_Quote(tpm->esys, ak, session, ESYS_TR_NONE, ESYS_TR_NONE, qualifying, &scheme,
                      &pcrs, &attest, &signature);
    tpm_set_locality(tpm, 0);
    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "TPM2_Quote", code, "Check the attestation key");
    is_done = marshal(tpm, attest, signature, quote);
    Esys_Free(attest);
    Esys_Free(signature);
    return is_done;
}

bool tpm_quote(struct tpm *tpm, uint8_t locality, const uint8_t qualifying[BH_DIGEST],
               struct tpm_quote *quote)
{
    TPM2B_DATA data = {.size = BH_DIGEST};
    ESYS_TR ak = ESYS_TR_NONE, session = ESYS_TR_NONE;
    bool is_done;

    memcpy(data.buffer, qualifying, BH_DIGEST);
    is_done = tpm_refer(tpm, BH_AK_HANDLE, &ak) && tpm_locality_session(tpm, &session) &&
              ask(tpm, ak, session, locality, &data, quote);
    tpm_flush(tpm, &session);
    tpm_forget(tpm, &ak);
    return is_done;
}
