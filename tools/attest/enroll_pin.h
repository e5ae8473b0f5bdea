/* bhattest enroll --pin: what a trusted first boot showed goes into the enrolment record. */
#ifndef ATTEST_ENROLL_PIN_H
#define ATTEST_ENROLL_PIN_H

#include <stdbool.h>

#include "codes.h"

struct pin_arguments {
    const char *evidence, *record, *state, *key, *output;
    bool json;
};

enum exit_status enroll_pin(const struct pin_arguments *arguments);

#endif
