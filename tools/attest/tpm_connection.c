#include "tpm_connection.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#define LOCALITY_2 (1u << 2) /* TPMA_LOCALITY */

bool tpm_fault(struct tpm *tpm, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(tpm->fault, sizeof(tpm->fault), format, arguments);
    va_end(arguments);
    return false;
}

bool tpm_failed(struct tpm *tpm, const char *command, TSS2_RC code, const char *remedy)
{
    return tpm_fault(tpm, "%s failed with %03x, %s. %s", command, code, Tss2_RC_Decode(code),
                     remedy);
}

bool tpm_open(struct tpm *tpm, const char *name)
{
    TSS2_RC code;

    memset(tpm, 0, sizeof(*tpm));
    tpm->name = name != NULL ? name : "this machine's TPM";
    /* The library prints each failed command by itself otherwise, expected ones too. */
    setenv("TSS2_LOG", "all+NONE", 0);
    code = Tss2_TctiLdr_Initialize(name, &tpm->tcti);
    if (code != TSS2_RC_SUCCESS)
        return tpm_fault(tpm,
                         "%s can't be reached: %s. Check that there is a TPM 2.0, that you "
                         "may use it, and the connection that --tcti names",
                         tpm->name, Tss2_RC_Decode(code));
    code = Esys_Initialize(&tpm->esys, tpm->tcti, NULL);
    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "Esys_Initialize", code, "Check the installation of tpm2-tss");
    return true;
}

void tpm_close(struct tpm *tpm)
{
    if (tpm->esys != NULL)
        Esys_Finalize(&tpm->esys);
    Tss2_TctiLdr_Finalize(&tpm->tcti);
}

bool tpm_set_locality(struct tpm *tpm, uint8_t locality)
{
    TSS2_RC code = Tss2_Tcti_SetLocality(tpm->tcti, locality);

    if (code == TSS2_RC_SUCCESS || locality == 0)
        return true;
    return tpm_fault(tpm,
                     "%s can't be used at locality %u: %s. Enrolment writes NV indices that only "
                     "locality 2 may write, which an operating system keeps from programs. Enrol "
                     "through a connection that can set the locality, as an emulator's",
                     tpm->name, locality, Tss2_RC_Decode(code));
}

bool tpm_has(struct tpm *tpm, TPM2_HANDLE handle, bool *is_there)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    TPMI_YES_NO more;
    TSS2_RC code = Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                      TPM2_CAP_HANDLES, handle, 1, &more, &data);

    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "TPM2_GetCapability", code, "Check the TPM");
    *is_there = data->data.handles.count > 0 && data->data.handles.handle[0] == handle;
    Esys_Free(data);
    return true;
}

bool tpm_property(struct tpm *tpm, TPM2_PT property, uint32_t *value)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    TPMI_YES_NO more;
    TSS2_RC code = Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                      TPM2_CAP_TPM_PROPERTIES, property, 1, &more, &data);
    bool is_there;

    if (code != TSS2_RC_SUCCESS)
        return tpm_failed(tpm, "TPM2_GetCapability", code, "Check the TPM");
    is_there = data->data.tpmProperties.count > 0 &&
               data->data.tpmProperties.tpmProperty[0].property == property;
    *value = is_there ? data->data.tpmProperties.tpmProperty[0].value : 0;
    Esys_Free(data);
    return is_there || tpm_fault(tpm, "the TPM doesn't tell its property %x", property);
}

bool tpm_refer(struct tpm *tpm, TPM2_HANDLE handle, ESYS_TR *object)
{
    TSS2_RC code =
        Esys_TR_FromTPMPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, object);

    if (code == TSS2_RC_SUCCESS)
        return true;
    *object = ESYS_TR_NONE;
    return tpm_failed(tpm, "TPM2_ReadPublic or TPM2_NV_ReadPublic", code, "Check the TPM");
}

void tpm_forget(struct tpm *tpm, ESYS_TR *object)
{
    if (*object != ESYS_TR_NONE)
        Esys_TR_Close(tpm->esys, object);
    *object = ESYS_TR_NONE;
}

void tpm_flush(struct tpm *tpm, ESYS_TR *object)
{
    if (*object != ESYS_TR_NONE)
        Esys_FlushContext(tpm->esys, *object);
    *object = ESYS_TR_NONE;
}

static bool policy_session(struct tpm *tpm, ESYS_TR *session)
{
    static const TPMT_SYM_DEF none = {.algorithm = TPM2_ALG_NULL};
    TSS2_RC code =
        Esys_StartAuthSession(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              ESYS_TR_NONE, NULL, TPM2_SE_POLICY, &none, TPM2_ALG_SHA256, session);

    if (code == TSS2_RC_SUCCESS)
        return true;
    *session = ESYS_TR_NONE;
    return tpm_failed(tpm, "TPM2_StartAuthSession", code,
                      "If its sessions are used up, end the programs that use the TPM, and restart "
                      "it");
}

bool tpm_endorsement_session(struct tpm *tpm, ESYS_TR *session)
{
    TSS2_RC code;

    if (!policy_session(tpm, session))
        return false;
    code = Esys_PolicySecret(tpm->esys, ESYS_TR_RH_ENDORSEMENT, *session, ESYS_TR_PASSWORD,
                             ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL, 0, NULL, NULL);
    if (code == TSS2_RC_SUCCESS)
        return true;
    tpm_flush(tpm, session);
    return tpm_failed(tpm, "TPM2_PolicySecret", code,
                      "If the endorsement hierarchy has an authorisation value, remove it");
}

bool tpm_locality_session(struct tpm *tpm, ESYS_TR *session)
{
    TSS2_RC code;

    if (!policy_session(tpm, session))
        return false;
    code = Esys_PolicyLocality(tpm->esys, *session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                               LOCALITY_2);
    if (code == TSS2_RC_SUCCESS)
        return true;
    tpm_flush(tpm, session);
    return tpm_failed(tpm, "TPM2_PolicyLocality", code, "Check the TPM");
}
