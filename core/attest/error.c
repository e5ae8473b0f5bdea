#include "core/attest/tpm.h"

static const struct {
    const char *cause;
    const char *remedy;
} errors[] = {
    [TPM_OK] = {"no error", "Nothing needs to be done"},
#define TPM_ERROR(name, cause, remedy) [TPM_##name] = {cause, remedy},
#include "tables/tpm_errors.def"
#undef TPM_ERROR
};

const char *tpm_error_cause(enum tpm_error error)
{
    return errors[error].cause;
}

const char *tpm_error_remedy(enum tpm_error error)
{
    return errors[error].remedy;
}
