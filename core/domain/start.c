#include "core/domain/start.h"

static const struct {
    const char *cause;
    const char *remedy;
} errors[] = {
    [START_OK] = {"no error", "Nothing needs to be done"},
#define START_ERROR(name, cause, remedy) [START_##name] = {cause, remedy},
#include "tables/start_errors.def"
#undef START_ERROR
};

const char *start_error_cause(enum start_error error)
{
    return errors[error].cause;
}

const char *start_error_remedy(enum start_error error)
{
    return errors[error].remedy;
}
