/* The command line of `policyc predict`. */
#ifndef POLICYC_PREDICT_OPTIONS_H
#define POLICYC_PREDICT_OPTIONS_H

#include "bulkhead/evlog.h"
#include "grub.h"
#include "inputs.h"

struct predict_options {
    const char *image, *signature, *trust, *core;
    const char *embedded, *script[GRUB_SCRIPTS_MAX];
    unsigned scripts;
    bool is_unmeasured; /* nobody measures what is loaded: no scripts */
    struct bh_event_smm smm;
    struct named_files files;
    const char *key, *output; /* to sign */
    const char *check;        /* or to compare with */
};

enum exit_code predict_parse(char **arguments, struct predict_options *options);

#endif
